//! What a person wants to see of a matcher: captions found for images and images found for captions, and the worst failures of each way.

use super::showcase::{Found, Search};
use crate::data::pairs::Truth;
use crate::random;
use crate::train::matching::ScoreMatrix;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Searches that are shown of each way.
const SAMPLES: usize = 8;
/// Failures of each kind that are shown of each way.
const FAILURES: usize = 6;
/// Found items of each search.
const DEPTH: usize = 8;

/// Both ways of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Matches {
    /// Captions for images.
    pub captions: Way,
    /// Images for captions.
    pub images: Way,
}

/// One way: rows are numbers of images and of captions in the split.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Searches drawn at random, of one product or image each as far as there are enough.
    pub samples: Vec<Search>,
    /// Failures whose first right item stands lowest.
    pub lowest: Vec<Search>,
    /// Failures where something wrong is ahead of everything right by the widest margin of score.
    pub margins: Vec<Search>,
    /// Queries with something to find.
    pub queries: usize,
    /// Queries whose first item is wrong.
    pub failures: usize,
}

/// The first right item of every query of one way.
struct Firsts {
    /// Its score, as it is in the matrix; −∞ where nothing is right.
    score: Vec<f32>,
    /// Wrong items that score at least as much.
    ahead: Vec<usize>,
    /// The best of those.
    wrong: Vec<f32>,
}

impl Firsts {
    fn new(queries: usize) -> Self {
        Self {
            score: vec![f32::NEG_INFINITY; queries],
            ahead: vec![0; queries],
            wrong: vec![f32::NEG_INFINITY; queries],
        }
    }

    fn right(&mut self, query: usize, score: f32) {
        self.score[query] = self.score[query].max(score);
    }

    /// Whether an item of that score would stand ahead if it were wrong.
    fn is_ahead(&self, query: usize, score: f32) -> bool {
        score >= self.score[query]
    }

    fn wrong(&mut self, query: usize, score: f32) {
        self.ahead[query] += 1;
        self.wrong[query] = self.wrong[query].max(score);
    }
}

impl Matches {
    /// Chooses from all scores; those of one model are `logits`, and are shown as scores in (0, 1). Places are those that the figures
    /// count: a wrong item of the same score stands ahead of a right one. What is drawn depends on the seed and the truth alone.
    pub fn new(scores: &ScoreMatrix, truth: &Truth, logits: bool, seed: u64) -> Self {
        let (rows, columns) = (scores.images(), scores.captions());
        let value = |image: usize, caption: usize| scores.values()[image * columns + caption];
        let mut sentences = Firsts::new(rows);
        let mut pictures = Firsts::new(columns);
        for pair in 0..truth.pairs() {
            let (image, caption) = truth.pair(pair);
            sentences.right(image, value(image, caption));
            pictures.right(caption, value(image, caption));
        }
        // Once over the matrix in its own order: it may hold a hundred million scores.
        for (image, row) in scores.values().chunks_exact(columns.max(1)).enumerate() {
            for (caption, &score) in row.iter().enumerate() {
                let ahead = [
                    sentences.is_ahead(image, score),
                    pictures.is_ahead(caption, score),
                ];
                if (ahead[0] || ahead[1]) && !truth.is_right(image, caption) {
                    if ahead[0] {
                        sentences.wrong(image, score);
                    }
                    if ahead[1] {
                        pictures.wrong(caption, score);
                    }
                }
            }
        }
        let shown = |score: f32| match logits {
            true => 1.0 / (1.0 + (-score).exp()),
            false => score,
        };
        Self {
            captions: Way::choose(
                &sentences,
                &Side {
                    items: columns,
                    score: &value,
                    right: &|image| truth.captions_of(image),
                    group: &|image| truth.group_of_image(image),
                    shown: &shown,
                },
                random::stream(seed, "report captions", &[]),
            ),
            images: Way::choose(
                &pictures,
                &Side {
                    items: rows,
                    score: &|caption, image| value(image, caption),
                    right: &|caption| truth.images_of(caption),
                    group: &|caption| truth.group_of_caption(caption).unwrap_or(u32::MAX),
                    shown: &shown,
                },
                random::stream(seed, "report images", &[]),
            ),
        }
    }
}

/// How one way reads the scores: everything by the query first.
struct Side<'a> {
    items: usize,
    score: &'a dyn Fn(usize, usize) -> f32,
    right: &'a dyn Fn(usize) -> &'a [u32],
    group: &'a dyn Fn(usize) -> u32,
    shown: &'a dyn Fn(f32) -> f32,
}

impl Way {
    fn choose(firsts: &Firsts, side: &Side, mut stream: random::Stream) -> Self {
        let mut order: Vec<usize> = (0..firsts.score.len())
            .filter(|&query| firsts.score[query] > f32::NEG_INFINITY)
            .collect();
        let queries = order.len();
        let failing: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&query| firsts.ahead[query] > 0)
            .collect();
        stream.shuffle(&mut order);
        // Many products may be connected by what they are called: then there are fewer groups than samples.
        let mut samples = one_a_group(order.iter().copied(), side.group, SAMPLES);
        let more = order.iter().copied().filter(|query| !samples.contains(query));
        let more: Vec<usize> = more.take(SAMPLES - samples.len()).collect();
        samples.extend(more);

        let mut lowest = failing.clone();
        lowest.sort_by_key(|&query| (Reverse(firsts.ahead[query]), query));
        let lowest = one_a_group(lowest.into_iter(), side.group, FAILURES);
        let margin = |query: usize| (side.shown)(firsts.wrong[query]) - (side.shown)(firsts.score[query]);
        let mut surest: Vec<usize> = failing
            .iter()
            .copied()
            .filter(|query| !lowest.contains(query) && margin(*query) > 0.0)
            .collect();
        surest.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)).then(a.cmp(&b)));
        let surest = one_a_group(surest.into_iter(), side.group, FAILURES);
        let searches = |list: Vec<usize>| list.into_iter().map(|query| side.search(query)).collect();
        Self {
            samples: searches(samples),
            lowest: searches(lowest),
            margins: searches(surest),
            queries,
            failures: failing.len(),
        }
    }
}

impl Side<'_> {
    /// The first items of a query, and the first right one.
    fn search(&self, query: usize) -> Search {
        let right = (self.right)(query);
        let is_right = |item: usize| right.binary_search(&(item as u32)).is_ok();
        let mut order: Vec<usize> = (0..self.items).collect();
        order.sort_by(|&a, &b| {
            let (first, second) = ((self.score)(query, a), (self.score)(query, b));
            second
                .total_cmp(&first)
                .then(is_right(a).cmp(&is_right(b)))
                .then(a.cmp(&b))
        });
        let found = |at: usize| Found {
            row: order[at],
            place: at + 1,
            score: (self.shown)((self.score)(query, order[at])),
            right: is_right(order[at]),
        };
        let first = order.iter().position(|&item| is_right(item));
        Search {
            row: query,
            found: (0..DEPTH.min(self.items)).map(found).collect(),
            first_right: found(first.unwrap_or(0)),
            relevant: right.len(),
            gallery: self.items,
        }
    }
}

fn one_a_group(
    queries: impl Iterator<Item = usize>,
    group: &dyn Fn(usize) -> u32,
    count: usize,
) -> Vec<usize> {
    let mut groups = BTreeSet::new();
    queries
        .filter(|&query| groups.insert(group(query)))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_and_their_failures_by_hand() {
        // Image 0 finds its caption 0 first; image 1 finds caption 2 (0.9) before its own (0.1); image 2 ties with caption 0.
        let scores = ScoreMatrix::new(vec![0.8, 0.2, 0.3, 0.4, 0.1, 0.9, 0.5, 0.05, 0.5], 3);
        let truth = Truth::consecutive(3, 1);
        let show = Matches::new(&scores, &truth, false, 0);
        let way = &show.captions;
        assert_eq!((way.queries, way.failures, way.samples.len()), (3, 2, 3));
        let of = |row: usize| way.samples.iter().find(|search| search.row == row).unwrap();
        let places =
            |row: usize| -> Vec<(usize, bool)> { of(row).found.iter().map(|f| (f.row, f.right)).collect() };
        assert_eq!(places(0), [(0, true), (2, false), (1, false)]);
        assert_eq!(places(1), [(2, false), (0, false), (1, true)]);
        // Equal scores count against the model, as in the figures.
        assert_eq!(places(2), [(0, false), (2, true), (1, false)]);
        let lowest: Vec<(usize, usize)> = way
            .lowest
            .iter()
            .map(|search| (search.row, search.first_right.place))
            .collect();
        assert_eq!(lowest, [(1, 3), (2, 2)]);
        assert!((of(1).margin() - 0.8).abs() < 1e-6);
        assert!(way.margins.is_empty(), "all failures are among the lowest");
        // Caption 1 finds image 0 (0.2) before its own (0.1); caption 2 finds image 1.
        let way = &show.images;
        assert_eq!((way.queries, way.failures), (3, 2));
        let found: Vec<(usize, usize, bool)> = way
            .lowest
            .iter()
            .map(|search| (search.row, search.found[0].row, search.found[0].right))
            .collect();
        assert_eq!(found, [(1, 0, false), (2, 1, false)]);
        assert_eq!(way.lowest[0].gallery, 3);
    }

    #[test]
    fn logits_are_shown_as_scores_and_captions_of_several_images_are_right_for_each() {
        let truth = Truth::listed(3, vec![vec![0, 1], vec![2]]);
        let scores = ScoreMatrix::new(vec![2.0, -1.0, 0.0, 1.0, 3.0, -2.0], 3);
        let show = Matches::new(&scores, &truth, true, 1);
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let first = show.images.samples.iter().find(|search| search.row == 0).unwrap();
        let rights: Vec<bool> = first.found.iter().map(|found| found.right).collect();
        // Image 2 scores 3, images 0 and 1 are right.
        assert_eq!((rights, first.relevant), (vec![false, true, true], 2));
        assert!((first.found[0].score - sigmoid(3.0)).abs() < 1e-6);
        assert_eq!(first.first_right.row, 0);
        // A group connected by a caption is drawn once, then the rest fills up.
        assert_eq!(show.captions.samples.len(), 3);
        assert_eq!(show, Matches::new(&scores, &truth, true, 1));
    }
}
