//! What a query should find, and what is left out of its ranking.

use std::collections::BTreeMap;

/// Judgements of gallery items for queries.
///
/// Only [`grade`](Relevance::grade) and [`ignore`](Relevance::ignore) must be written; the lists have defaults that scan
/// the gallery, and every implementation for real galleries answers them from an index instead.
pub trait Relevance: Sync {
    /// Number of queries.
    fn queries(&self) -> usize;

    /// Number of gallery items.
    fn gallery(&self) -> usize;

    /// How relevant the item is: 0 is not at all, more is better. Plain relevance is 1.
    fn grade(&self, query: usize, item: usize) -> f32;

    /// Whether the item is taken out of this query's ranking before anything is counted.
    fn ignore(&self, query: usize, item: usize) -> bool;

    /// The relevant items that are not ignored, with their grades, ascending by item.
    fn positives(&self, query: usize) -> Vec<(u32, f32)> {
        (0..self.gallery())
            .filter(|&item| !self.ignore(query, item))
            .map(|item| (item as u32, self.grade(query, item)))
            .filter(|&(_, grade)| grade > 0.0)
            .collect()
    }

    /// What the query is ranked among.
    fn field(&self, query: usize) -> Field {
        Field::Except(
            (0..self.gallery())
                .filter(|&item| self.ignore(query, item))
                .map(|item| item as u32)
                .collect(),
        )
    }
}

/// The items that a query is ranked among, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The whole gallery but for these.
    Except(Vec<u32>),
    /// These alone: a judged list, or the candidates of a re-ranker.
    Only(Vec<u32>),
}

/// A label that no query matches: such items are in every ranking and relevant to none (Market-1501's `0000`).
/// A query of this label has no relevant items and is skipped.
pub const DISTRACTOR: u32 = u32::MAX;

/// A label of items that are in nobody's ranking (Market-1501's `-1`).
pub const JUNK: u32 = u32::MAX - 1;

/// Labels, and cameras where the protocol has them, of one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Class of each item; [`DISTRACTOR`] and [`JUNK`] are no classes.
    pub labels: Vec<u32>,
    /// Camera of each item.
    pub cameras: Option<Vec<i64>>,
}

impl Side {
    /// Labels alone.
    pub fn labels(labels: Vec<u32>) -> Self {
        Self {
            labels,
            cameras: None,
        }
    }

    /// Labels and cameras, one of each for every item.
    pub fn with_cameras(labels: Vec<u32>, cameras: Vec<i64>) -> Self {
        Self {
            labels,
            cameras: Some(cameras),
        }
    }
}

/// Numbers for names, the same for the same name on every side: 0, 1, … in order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, u32>);

impl Names {
    /// The name's number, a new one if it is new.
    pub fn number(&mut self, name: &str) -> u32 {
        let next = self.0.len() as u32;
        match self.0.get(name) {
            Some(&number) => number,
            None => {
                self.0.insert(name.to_owned(), next);
                next
            }
        }
    }
}

/// Items of the query's label are relevant (grade 1). Where both sides have cameras, items of the same label seen by the
/// query's own camera are ignored, as in person re-identification.
#[derive(Clone, Debug)]
pub struct LabelRelevance {
    queries: Side,
    gallery_labels: Vec<u32>,
    /// Cameras behind each gallery item: one for an image, several for a centroid, none where cameras play no part.
    cameras: Vec<Box<[i64]>>,
    /// Gallery items by label, ascending.
    members: BTreeMap<u32, Vec<u32>>,
    /// The gallery item that is the query itself.
    own: Option<Vec<Option<u32>>>,
}

impl LabelRelevance {
    /// # Panics
    /// If a side has cameras for other than each of its items.
    pub fn new(queries: Side, gallery: Side) -> Self {
        let cameras = match (&queries.cameras, gallery.cameras) {
            (Some(_), Some(cameras)) => {
                assert_eq!(
                    cameras.len(),
                    gallery.labels.len(),
                    "one camera for each gallery item"
                );
                cameras.into_iter().map(|camera| Box::from([camera])).collect()
            }
            _ => vec![Box::default(); gallery.labels.len()],
        };
        Self::with_camera_sets(queries, gallery.labels, cameras)
    }

    /// As [`new`](Self::new), where a gallery item may come from several cameras: it is ignored by queries of its label
    /// from any of them.
    ///
    /// # Panics
    /// If there are cameras for other than each item.
    pub fn with_camera_sets(queries: Side, gallery_labels: Vec<u32>, cameras: Vec<Box<[i64]>>) -> Self {
        assert_eq!(
            cameras.len(),
            gallery_labels.len(),
            "one set of cameras for each gallery item"
        );
        if let Some(of_queries) = &queries.cameras {
            assert_eq!(
                of_queries.len(),
                queries.labels.len(),
                "one camera for each query"
            );
        }
        let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (item, &label) in (0u32..).zip(&gallery_labels) {
            members.entry(label).or_default().push(item);
        }
        Self {
            queries,
            gallery_labels,
            cameras,
            members,
            own: None,
        }
    }

    /// One set, each item searched among all the others.
    pub fn leave_one_out(items: Side) -> Self {
        let own = (0..items.labels.len()).map(|item| Some(item as u32)).collect();
        Self::new(items.clone(), items).with_own(own)
    }

    /// Each query's own place in the gallery, if it has one: that item is ignored.
    ///
    /// # Panics
    /// If there are places for other than each query.
    pub fn with_own(mut self, own: Vec<Option<u32>>) -> Self {
        assert_eq!(own.len(), self.queries.labels.len(), "one place for each query");
        self.own = Some(own);
        self
    }

    fn own(&self, query: usize) -> Option<u32> {
        self.own.as_ref().and_then(|own| own[query])
    }

    fn same_camera(&self, query: usize, item: usize) -> bool {
        let camera = self.queries.cameras.as_ref().map(|cameras| cameras[query]);
        camera.is_some_and(|camera| self.cameras[item].contains(&camera))
    }

    fn members(&self, label: u32) -> &[u32] {
        self.members.get(&label).map_or(&[], Vec::as_slice)
    }
}

impl Relevance for LabelRelevance {
    fn queries(&self) -> usize {
        self.queries.labels.len()
    }

    fn gallery(&self) -> usize {
        self.gallery_labels.len()
    }

    fn grade(&self, query: usize, item: usize) -> f32 {
        let label = self.queries.labels[query];
        let class = label != DISTRACTOR && label != JUNK;
        if class && label == self.gallery_labels[item] {
            1.0
        } else {
            0.0
        }
    }

    fn ignore(&self, query: usize, item: usize) -> bool {
        self.gallery_labels[item] == JUNK
            || self.own(query) == Some(item as u32)
            || self.grade(query, item) > 0.0 && self.same_camera(query, item)
    }

    fn positives(&self, query: usize) -> Vec<(u32, f32)> {
        self.members(self.queries.labels[query])
            .iter()
            .filter(|&&item| self.grade(query, item as usize) > 0.0 && !self.ignore(query, item as usize))
            .map(|&item| (item, 1.0))
            .collect()
    }

    fn field(&self, query: usize) -> Field {
        let mut ignored: Vec<u32> = self.members(JUNK).to_vec();
        let own_label = self.queries.labels[query];
        if own_label != JUNK {
            ignored.extend(
                self.members(own_label)
                    .iter()
                    .filter(|&&item| self.ignore(query, item as usize)),
            );
        }
        // Its own item may bear another label, or be junk.
        ignored.extend(self.own(query));
        ignored.sort_unstable();
        ignored.dedup();
        Field::Except(ignored)
    }
}

/// Explicit judgements: (query, item, grade).
#[derive(Clone, Debug)]
pub struct PairRelevance {
    gallery: usize,
    /// Of each query, ascending by item.
    judged: Vec<Vec<(u32, f32)>>,
    /// Of each query, ascending.
    ignored: Vec<Vec<u32>>,
    only_judged: bool,
}

impl PairRelevance {
    /// Pairs that are not listed have grade 0. A pair that is listed twice keeps its highest grade; grades that are not
    /// positive numbers are 0.
    ///
    /// # Panics
    /// If a pair is outside of `queries` × `gallery`.
    pub fn new(queries: usize, gallery: usize, pairs: impl IntoIterator<Item = (usize, usize, f32)>) -> Self {
        let mut judged = vec![Vec::new(); queries];
        for (query, item, grade) in pairs {
            assert!(
                query < queries && item < gallery,
                "pair ({query}, {item}) is outside of {queries} × {gallery}"
            );
            judged[query].push((item as u32, grade.max(0.0)));
        }
        for list in &mut judged {
            list.sort_by(|a: &(u32, f32), b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            list.dedup_by_key(|&mut (item, _)| item);
        }
        Self {
            gallery,
            judged,
            ignored: vec![Vec::new(); queries],
            only_judged: false,
        }
    }

    /// Rank each query among its judged items alone, those of grade 0 included.
    pub fn only_judged(mut self) -> Self {
        self.only_judged = true;
        self
    }

    /// Pairs to leave out ("junk" in landmark retrieval).
    ///
    /// # Panics
    /// If a pair is outside of queries × gallery.
    pub fn ignoring(mut self, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        for (query, item) in pairs {
            let queries = self.ignored.len();
            assert!(
                query < queries && item < self.gallery,
                "pair ({query}, {item}) is outside of {queries} × {}",
                self.gallery
            );
            self.ignored[query].push(item as u32);
        }
        for list in &mut self.ignored {
            list.sort_unstable();
            list.dedup();
        }
        self
    }

    fn judgement(&self, query: usize, item: usize) -> Option<f32> {
        let list = &self.judged[query];
        list.binary_search_by_key(&(item as u32), |&(item, _)| item)
            .ok()
            .map(|at| list[at].1)
    }
}

impl Relevance for PairRelevance {
    fn queries(&self) -> usize {
        self.judged.len()
    }

    fn gallery(&self) -> usize {
        self.gallery
    }

    fn grade(&self, query: usize, item: usize) -> f32 {
        self.judgement(query, item).unwrap_or(0.0)
    }

    fn ignore(&self, query: usize, item: usize) -> bool {
        self.ignored[query].binary_search(&(item as u32)).is_ok()
            || self.only_judged && self.judgement(query, item).is_none()
    }

    fn positives(&self, query: usize) -> Vec<(u32, f32)> {
        let kept = |&&(item, grade): &&(u32, f32)| grade > 0.0 && !self.ignore(query, item as usize);
        self.judged[query].iter().filter(kept).copied().collect()
    }

    fn field(&self, query: usize) -> Field {
        if self.only_judged {
            let judged = self.judged[query].iter().map(|&(item, _)| item);
            Field::Only(
                judged
                    .filter(|&item| !self.ignore(query, item as usize))
                    .collect(),
            )
        } else {
            Field::Except(self.ignored[query].clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The defaults of the trait, which scan, for comparison with the indexed answers.
    struct Scan<'a>(&'a dyn Relevance);

    impl Relevance for Scan<'_> {
        fn queries(&self) -> usize {
            self.0.queries()
        }
        fn gallery(&self) -> usize {
            self.0.gallery()
        }
        fn grade(&self, query: usize, item: usize) -> f32 {
            self.0.grade(query, item)
        }
        fn ignore(&self, query: usize, item: usize) -> bool {
            self.0.ignore(query, item)
        }
    }

    fn indexed_equals_scanned(relevance: &dyn Relevance) {
        for query in 0..relevance.queries() {
            assert_eq!(relevance.positives(query), Scan(relevance).positives(query));
            let Field::Except(ignored) = Scan(relevance).field(query) else {
                unreachable!()
            };
            match relevance.field(query) {
                Field::Except(own) => assert_eq!(own, ignored),
                Field::Only(own) => {
                    let rest: Vec<u32> = (0..relevance.gallery() as u32)
                        .filter(|item| !own.contains(item))
                        .collect();
                    assert_eq!(rest, ignored);
                }
            }
        }
    }

    #[test]
    fn same_label_same_camera_is_ignored_and_junk_and_distractors_have_their_ways() {
        let queries = Side::with_cameras(vec![0, 1, DISTRACTOR, JUNK], vec![1, 2, 1, 1]);
        let gallery = Side::with_cameras(vec![0, 0, 1, DISTRACTOR, JUNK, 1], vec![1, 2, 1, 1, 1, 2]);
        let relevance = LabelRelevance::new(queries, gallery);
        assert_eq!(relevance.positives(0), [(1, 1.0)]);
        assert_eq!(relevance.field(0), Field::Except(vec![0, 4]));
        assert_eq!(relevance.positives(1), [(2, 1.0)]);
        assert_eq!(relevance.field(1), Field::Except(vec![4, 5]));
        // Distractors are no class of their own, neither is junk.
        assert_eq!(relevance.positives(2), []);
        assert_eq!(relevance.field(2), Field::Except(vec![4]));
        assert_eq!(relevance.positives(3), []);
        indexed_equals_scanned(&relevance);
    }

    #[test]
    fn cameras_count_only_where_both_sides_have_them() {
        let with = Side::with_cameras(vec![0], vec![1]);
        let relevance = LabelRelevance::new(with, Side::labels(vec![0, 1]));
        assert_eq!(relevance.positives(0), [(0, 1.0)]);
        indexed_equals_scanned(&relevance);
    }

    #[test]
    fn leaving_one_out_ignores_the_query_itself() {
        let relevance = LabelRelevance::leave_one_out(Side::labels(vec![3, 3, 5]));
        assert_eq!(relevance.positives(0), [(1, 1.0)]);
        assert_eq!(relevance.field(0), Field::Except(vec![0]));
        assert_eq!(relevance.positives(2), []);
        indexed_equals_scanned(&relevance);
        // The own item may bear another label than the query.
        let odd = LabelRelevance::new(Side::labels(vec![3]), Side::labels(vec![4, 3, JUNK]));
        indexed_equals_scanned(&odd.clone().with_own(vec![Some(0)]));
        indexed_equals_scanned(&odd.with_own(vec![Some(2)]));
    }

    #[test]
    fn pairs_may_be_graded_closed_and_junk() {
        let pairs = [
            (0, 4, 1.0),
            (0, 2, 2.0),
            (0, 2, 1.0),
            (0, 3, 0.0),
            (1, 0, f32::NAN),
        ];
        let open = PairRelevance::new(2, 6, pairs);
        assert_eq!(open.positives(0), [(2, 2.0), (4, 1.0)]);
        assert_eq!(open.positives(1), []);
        assert_eq!(open.field(0), Field::Except(vec![]));
        let closed = open.clone().only_judged();
        assert_eq!(closed.field(0), Field::Only(vec![2, 3, 4]));
        let junk = open.ignoring([(0, 4), (0, 5)]);
        assert_eq!(junk.positives(0), [(2, 2.0)]);
        assert_eq!(junk.field(0), Field::Except(vec![4, 5]));
        for relevance in [&closed, &junk, &junk.clone().only_judged()] {
            indexed_equals_scanned(relevance);
        }
    }
}
