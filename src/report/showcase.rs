//! What a person wants to see of an evaluation: searches as they went, the worst failures, and what is taken for what.

use std::collections::{BTreeMap, BTreeSet};

use crate::data::{Split, Table};
use crate::device::Device;
use crate::metrics::Ranks;
use crate::random;
use crate::search::{Relevance, Scorer, rank, top_k};
use crate::train::retrieval::{Embedded, Task};

/// Searches that are shown.
const SAMPLES: usize = 12;
/// Failures of each kind that are shown.
const FAILURES: usize = 8;
/// Found items of each search that are shown.
const DEPTH: usize = 8;
/// Categories that have a row of their own.
const CATEGORIES: usize = 16;
/// Labels are categories where they have so many queries each, on average.
const QUERIES: usize = 5;
/// Pairs of labels that are listed.
const PAIRS: usize = 12;
/// Multiplications that a look at all failures may take; beyond, some strips of queries stand for all.
const WORK: u128 = 200_000_000_000;

/// Searches among single pictures, chosen from an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Showcase {
    /// Searches drawn at random, one a label.
    pub samples: Vec<Search>,
    /// Failures where something wrong is ahead of everything right by the widest margin of score.
    pub margins: Vec<Search>,
    /// Failures whose first right item stands lowest.
    pub lowest: Vec<Search>,
    /// Queries with something to find.
    pub queries: usize,
    /// Queries whose first item is wrong.
    pub failures: usize,
    /// Queries that margins and confusion were looked for among.
    pub looked_at: usize,
    /// What the first item is taken for.
    pub confusion: Option<Confusion>,
    /// How many pictures were searched, and the split that they are of.
    pub gallery: (usize, Split),
}

/// One query and what was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The query's row of the table; its number in the split where images and captions are matched.
    pub row: usize,
    /// The best items, best first.
    pub found: Vec<Found>,
    /// The first right item, wherever it stands.
    pub first_right: Found,
    /// How many items it should find.
    pub relevant: usize,
    /// How many items it was searched among.
    pub gallery: usize,
}

/// An item at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its row of the table, or its number in the split.
    pub row: usize,
    /// Its place, from 1.
    pub place: usize,
    /// Its cosine with the query, or their score.
    pub score: f32,
    /// Whether it is of the query's label, or belongs to it.
    pub right: bool,
}

impl Search {
    /// By how much the best wrong item is ahead of the best right one.
    pub fn margin(&self) -> f32 {
        self.found
            .iter()
            .find(|found| !found.right)
            .map_or(f32::NEG_INFINITY, |wrong| wrong.score - self.first_right.score)
    }
}

/// What queries' first items are taken for.
#[derive(Clone, Debug, PartialEq)]
pub enum Confusion {
    /// Queries of each category (down) by the category of their first item (across).
    Categories {
        /// What the categories are: the data's own, or its labels where they are few.
        by: Grouping,
        /// The categories, the most frequent first; the last may stand for all others.
        names: Vec<String>,
        /// `counts[query's][found]`.
        counts: Vec<Vec<usize>>,
    },
    /// Where there are no categories: the labels most often taken for another, as (query's, found, how often).
    Labels {
        /// The most frequent.
        pairs: Vec<(String, String, usize)>,
        /// How many pairs more there are, and their queries.
        more: (usize, usize),
    },
}

/// What queries are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// The data's categories.
    Category,
    /// Labels, which are then categories themselves.
    Label,
}

impl Showcase {
    /// Chooses from the search among single gallery pictures; `ranks` are those of the instance mode, where they are known
    /// already. What is drawn depends on the seed and the task alone.
    ///
    /// # Errors
    /// As a search.
    pub fn new(
        task: &Task,
        embedded: &Embedded,
        ranks: Option<&Ranks>,
        device: &Device,
        seed: u64,
    ) -> crate::Result<Self> {
        let mut scorer = task.scorer(embedded, device)?;
        let relevance = task.relevance();
        let own;
        let ranks = match ranks {
            Some(ranks) => ranks,
            None => {
                own = rank(&mut scorer, &relevance, &Default::default())?;
                &own
            }
        };
        let first_right = |query: usize| ranks.queries[query].as_ref().map(|ranks| ranks.ranks[0]);
        let label = |query: usize| task.table().items[task.queries()[query]].label.as_str();
        let looked = looked_at(&scorer, embedded.dim);
        let failing: Vec<usize> = (0..task.queries().len())
            .filter(|&query| first_right(query).is_some_and(|rank| rank > 0))
            .collect();

        let mut order: Vec<usize> = (0..task.queries().len())
            .filter(|&query| first_right(query).is_some())
            .collect();
        let queries = order.len();
        random::stream(seed, "report samples", &[]).shuffle(&mut order);
        let mut labels = BTreeSet::new();
        let samples: Vec<usize> = order
            .into_iter()
            .filter(|&query| labels.insert(label(query)))
            .take(SAMPLES)
            .collect();

        let mut lowest = failing.clone();
        lowest.sort_by_key(|&query| (std::cmp::Reverse(first_right(query)), query));
        let lowest = one_a_label(lowest.into_iter(), &label, FAILURES);
        let candidates: Vec<usize> = failing.iter().copied().filter(|&query| looked(query)).collect();

        let mut wanted: Vec<usize> = samples
            .iter()
            .chain(&lowest)
            .chain(&candidates)
            .copied()
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let hits = top_k(&mut scorer, Some(&relevance), &wanted, DEPTH)?;
        let mut searches: BTreeMap<usize, Search> = BTreeMap::new();
        for (&query, hits) in wanted.iter().zip(hits) {
            let positives = relevance.positives(query);
            let items: Vec<u32> = positives.iter().map(|&(item, _)| item).collect();
            // The same arithmetic for both sides of a margin: all scores that are shown come from the list.
            let shown: Vec<u32> = hits.iter().map(|hit| hit.item).collect();
            let scores = scorer.list(query, &shown)?;
            let of_right = scorer.list(query, &items)?;
            let Some(place) = first_right(query) else { continue };
            let found: Vec<Found> = shown
                .iter()
                .zip(&scores)
                .enumerate()
                .map(|(at, (&item, &score))| Found {
                    row: task.gallery()[item as usize],
                    place: at + 1,
                    score,
                    right: items.binary_search(&item).is_ok(),
                })
                .collect();
            // Its place is known; which item it is, the list or the scores say.
            let best = found.iter().find(|found| found.right).copied().or_else(|| {
                let by_score = items.iter().zip(&of_right).enumerate();
                let best = by_score.max_by(|(i, a), (j, b)| a.1.total_cmp(b.1).then(j.cmp(i)));
                best.map(|(_, (&item, &score))| Found {
                    row: task.gallery()[item as usize],
                    place: place as usize + 1,
                    score,
                    right: true,
                })
            });
            let Some(best) = best else { continue };
            searches.insert(
                query,
                Search {
                    row: task.queries()[query],
                    found,
                    first_right: best,
                    relevant: items.len(),
                    gallery: ranks.queries[query].as_ref().map_or(0, |ranks| ranks.gallery),
                },
            );
        }

        let mut by_margin: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|query| !lowest.contains(query))
            .filter(|query| searches.get(query).is_some_and(|s| s.margin() > 0.0))
            .collect();
        by_margin.sort_by(|a, b| {
            let margin = |query: &usize| searches.get(query).map_or(f32::NEG_INFINITY, Search::margin);
            margin(b).total_cmp(&margin(a)).then(a.cmp(b))
        });
        let margins = one_a_label(by_margin.into_iter(), &label, FAILURES);

        // Where the first item is right, it is of the query's own label.
        let looked_at: Vec<usize> = (0..task.queries().len())
            .filter(|&query| first_right(query).is_some() && looked(query))
            .collect();
        let taken: Vec<(usize, usize)> = looked_at
            .iter()
            .filter_map(|query| {
                let row = task.queries()[*query];
                match first_right(*query) {
                    Some(0) => Some((row, row)),
                    _ => Some((row, searches.get(query)?.found.first()?.row)),
                }
            })
            .collect();
        let chosen = |list: &[usize]| {
            list.iter()
                .filter_map(|query| searches.get(query).cloned())
                .collect()
        };
        Ok(Self {
            samples: chosen(&samples),
            margins: chosen(&margins),
            lowest: chosen(&lowest),
            queries,
            failures: failing.len(),
            looked_at: looked_at.len(),
            confusion: Confusion::of(task.table(), &taken),
            gallery: (
                task.gallery().len(),
                // A task has something to search in, of one split.
                task.gallery()
                    .first()
                    .map_or(Split::Train, |&row| task.table().items[row].split),
            ),
        })
    }
}

/// Which queries are looked at: all, or evenly spread strips of them where all would take too long.
fn looked_at(scorer: &dyn Scorer, dimensions: usize) -> impl Fn(usize) -> bool + use<> {
    let strip = scorer.tile_shape().0.max(1);
    let strips = scorer.queries().div_ceil(strip).max(1);
    let work = strip as u128 * scorer.gallery() as u128 * dimensions as u128;
    let affordable = usize::try_from(WORK / work.max(1)).unwrap_or(usize::MAX).max(1);
    let step = strips.div_ceil(affordable);
    move |query| (query / strip).is_multiple_of(step)
}

fn one_a_label<'a>(
    queries: impl Iterator<Item = usize>,
    label: &impl Fn(usize) -> &'a str,
    count: usize,
) -> Vec<usize> {
    let mut labels = BTreeSet::new();
    queries
        .filter(|&query| labels.insert(label(query)))
        .take(count)
        .collect()
}

impl Confusion {
    /// Of pairs (the query's row, its first item's row); none where there is nothing to tell.
    fn of(table: &Table, taken: &[(usize, usize)]) -> Option<Self> {
        let category = |row: usize| table.items[row].category.as_deref();
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for &(query, _) in taken {
            if let Some(category) = category(query) {
                *sizes.entry(category).or_default() += 1;
            }
        }
        if sizes.len() >= 2 {
            return Some(Self::categories(Grouping::Category, &sizes, taken, category));
        }
        let label = |row: usize| table.items[row].label.as_str();
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for &(query, _) in taken {
            *sizes.entry(label(query)).or_default() += 1;
        }
        if (2..=CATEGORIES).contains(&sizes.len()) && taken.len() >= QUERIES * sizes.len() {
            return Some(Self::categories(Grouping::Label, &sizes, taken, |row| {
                Some(label(row))
            }));
        }
        let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for &(query, found) in taken {
            let (query, found) = (label(query), label(found));
            if query != found {
                *pairs.entry((query, found)).or_default() += 1;
            }
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let rest = &pairs[pairs.len().min(PAIRS)..];
        let more = (rest.len(), rest.iter().map(|(_, count)| count).sum());
        let pairs: Vec<_> = pairs
            .iter()
            .take(PAIRS)
            .map(|&((query, found), count)| (query.to_owned(), found.to_owned(), count))
            .collect();
        (!pairs.is_empty()).then_some(Self::Labels { pairs, more })
    }

    fn categories<'a>(
        by: Grouping,
        sizes: &BTreeMap<&'a str, usize>,
        taken: &[(usize, usize)],
        category: impl Fn(usize) -> Option<&'a str>,
    ) -> Self {
        let mut names: Vec<&str> = sizes.keys().copied().collect();
        names.sort_by(|a, b| sizes[b].cmp(&sizes[a]).then(a.cmp(b)));
        let others = names.len() > CATEGORIES
            || taken
                .iter()
                .any(|&(_, found)| category(found).is_none_or(|name| !sizes.contains_key(name)));
        names.truncate(if others { CATEGORIES - 1 } else { CATEGORIES });
        let place = |row: usize| {
            let name = category(row);
            names
                .iter()
                .position(|kept| Some(*kept) == name)
                .unwrap_or(names.len())
        };
        let width = names.len() + 1;
        let mut counts = vec![vec![0usize; width]; width];
        for &(query, found) in taken {
            counts[place(query)][place(found)] += 1;
        }
        let last = names.len();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let used = counts[last].iter().sum::<usize>() + counts.iter().map(|row| row[last]).sum::<usize>();
        if used > 0 {
            names.push("others".into());
        } else {
            counts.truncate(last);
            counts.iter_mut().for_each(|row| row.truncate(last));
        }
        Self::Categories { by, names, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageRef, Item};
    use crate::train::retrieval::EvalSection;
    use std::sync::Arc;

    /// Queries 0, 1, 2 of labels a, b, c; a gallery of one item of each, whose categories are x, x, y.
    fn task(categories: bool) -> Task {
        let item = |at: usize, is_query: bool| Item {
            id: format!("{at}"),
            image: ImageRef::File(format!("{at}.jpg").into()),
            label: ["a", "b", "c"][at % 3].into(),
            category: categories.then(|| ["x", "x", "y"][at % 3].into()),
            text: None,
            split: Split::Test,
            is_query,
            is_gallery: !is_query,
            camera: None,
            domain: None,
            bbox: None,
        };
        let items = (0..6).map(|at| item(at, at < 3)).collect();
        Task::new(Arc::new(Table::new("t", None, items)), &EvalSection::default(), 0).unwrap()
    }

    /// a finds a; b finds c (cosine 1) before b (0.6); c finds c (0.8) before a (0.6) before b (0.48).
    fn embedded() -> Embedded {
        Embedded {
            queries: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.6, 0.8, 0.0],
            gallery: vec![1.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0, 1.0, 0.0],
            dim: 3,
        }
    }

    fn showcase(categories: bool) -> Showcase {
        let device = crate::device::cpu();
        Showcase::new(&task(categories), &embedded(), None, &device, 0).unwrap()
    }

    #[test]
    fn searches_failures_and_margins_by_hand() {
        let show = showcase(true);
        assert_eq!((show.queries, show.failures, show.looked_at), (3, 1, 3));
        assert_eq!(show.gallery, (3, Split::Test));
        assert_eq!(show.samples.len(), 3);
        let of = |row: usize| show.samples.iter().find(|search| search.row == row).unwrap();
        let places =
            |row: usize| -> Vec<(usize, bool)> { of(row).found.iter().map(|f| (f.row, f.right)).collect() };
        assert_eq!(places(0), [(3, true), (4, false), (5, false)]);
        assert_eq!(places(1), [(5, false), (4, true), (3, false)]);
        assert_eq!(places(2), [(5, true), (3, false), (4, false)]);
        assert_eq!(show.lowest.len(), 1);
        let b = &show.lowest[0];
        assert_eq!((b.row, b.first_right.place, b.relevant, b.gallery), (1, 2, 1, 3));
        assert!((b.margin() - 0.4).abs() < 1e-6, "{}", b.margin());
        // What is shown among the lowest is not shown again.
        assert!(show.margins.is_empty());
    }

    #[test]
    fn confusion_is_counted_by_category_or_else_by_label() {
        let counts = vec![vec![1, 1], vec![0, 1]];
        let names = vec!["x".to_string(), "y".to_string()];
        assert_eq!(
            showcase(true).confusion,
            Some(Confusion::Categories {
                by: Grouping::Category,
                names,
                counts
            })
        );
        let labels = |pairs: &[(&str, &str, usize)], more| {
            let owned = |&(a, b, count): &(&str, &str, usize)| (a.to_string(), b.to_string(), count);
            let pairs = pairs.iter().map(owned).collect();
            Some(Confusion::Labels { pairs, more })
        };
        assert_eq!(showcase(false).confusion, labels(&[("b", "c", 1)], (0, 0)));
        // Few labels of many queries each are categories.
        let task = task(false);
        let taken: Vec<(usize, usize)> = (0..15)
            .map(|at| (at % 3, if at == 1 { 2 } else { at % 3 }))
            .collect();
        assert_eq!(
            Confusion::of(task.table(), &taken),
            Some(Confusion::Categories {
                by: Grouping::Label,
                names: ["a", "b", "c"].map(str::to_owned).to_vec(),
                counts: vec![vec![5, 0, 0], vec![0, 4, 1], vec![0, 0, 5]],
            })
        );
        // What a list leaves out is counted.
        let items: Vec<Item> = (0..20)
            .map(|at| Item {
                label: format!("l{at:02}"),
                ..task.table().items[0].clone()
            })
            .collect();
        let table = Table::new("t", None, items);
        let taken: Vec<(usize, usize)> = (0..20).chain(0..1).map(|at| (at, (at + 1) % 20)).collect();
        let Some(Confusion::Labels { pairs, more }) = Confusion::of(&table, &taken) else {
            panic!("no list")
        };
        assert_eq!(pairs[0], ("l00".to_string(), "l01".to_string(), 2));
        assert_eq!((pairs.len(), more), (PAIRS, (20 - PAIRS, 20 - PAIRS)));
    }

    #[test]
    fn many_categories_leave_room_for_the_others() {
        let sizes: Vec<String> = (0..30).map(|at| format!("k{at:02}")).collect();
        let mut table_items = Vec::new();
        for name in &sizes {
            let mut item = task(true).table().items[0].clone();
            item.category = Some(name.clone());
            item.id = name.clone();
            table_items.push(item);
        }
        let table = Table::new("t", None, table_items);
        let taken: Vec<(usize, usize)> = (0..30).map(|at| (at, (at + 1) % 30)).collect();
        let Some(Confusion::Categories { names, counts, .. }) = Confusion::of(&table, &taken) else {
            panic!("no categories")
        };
        assert_eq!(names.len(), CATEGORIES);
        assert_eq!(names.last().unwrap(), "others");
        assert_eq!(counts.iter().flatten().sum::<usize>(), 30);
        assert_eq!(Confusion::of(&table, &[]), None);
    }
}
