//! Re-ranking by k-reciprocal neighbours (Zhong, Zheng, Cao, Li, "Re-ranking Person Re-identification with k-reciprocal
//! Encoding", CVPR 2017).
//!
//! With d the squared Euclidean distance of L2-normalised vectors, divided for each item i by its greatest distance:
//! - N(i, k) are the k nearest of i among queries and gallery together, i itself standing first as a further one;
//!   R(i, k) = { j ∈ N(i, k) : i ∈ N(j, k) } are its k-reciprocal neighbours.
//! - R*(i) is R(i, k1), and R(j, k1/2) of each j in it of which more than two thirds are in R(i, k1) too.
//! - V_i is exp(−d(i, j)) over j in R*(i), divided by its sum; then the mean of V over i's k2 nearest (itself the first).
//! - The Jaccard distance is J(q, g) = 1 − Σ min(V_q, V_g) / Σ max(V_q, V_g); the new distance (1 − λ) J + λ d.
//!
//! The published code fills matrices of (queries + gallery)² for d and V. Here d is computed tile by tile and V is kept
//! sparse: k1 + 1 neighbours and some hundred weights an item. No label is looked at, and figures after re-ranking are
//! figures of another search: they have rows and columns of their own.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::embeddings::check;
use super::tiles::{Strip, on_rows};
use super::top::Best;
use super::{Embeddings, Memory, Scorer, Scores, SearchError, Similarity};

/// The three settings, by default the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rerank {
    /// Neighbours that are looked at for reciprocity.
    #[schemars(range(min = 1))]
    pub k1: usize,
    /// Neighbours that weights are averaged over, the item itself the first.
    #[schemars(range(min = 1))]
    pub k2: usize,
    /// The share of the plain distance in the new one.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
}

impl Default for Rerank {
    fn default() -> Self {
        Self {
            k1: 20,
            k2: 6,
            lambda: 0.3,
        }
    }
}

impl Rerank {
    fn check(&self) -> Result<(), SearchError> {
        let fail = |setting, value: String, remedy| {
            Err(SearchError::Setting {
                setting,
                problem: format!("is {value}"),
                remedy,
            })
        };
        if self.k1 == 0 || self.k1 > 10_000 {
            return fail(
                "rerank.k1",
                self.k1.to_string(),
                "give 1 to 10,000 neighbours; the paper has 20",
            );
        }
        if self.k2 == 0 || self.k2 > self.k1 + 1 {
            return fail(
                "rerank.k2",
                self.k2.to_string(),
                "give 1 to k1 + 1; the paper has 6",
            );
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            return fail(
                "rerank.lambda",
                self.lambda.to_string(),
                "give a share from 0 to 1; the paper has 0.3",
            );
        }
        Ok(())
    }
}

impl fmt::Display for Rerank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k1 {}, k2 {}, λ {}", self.k1, self.k2, self.lambda)
    }
}

/// `20,6,0.3`: k1, k2 and λ.
impl FromStr for Rerank {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let read = || -> Option<Self> {
            let [k1, k2, lambda] = parts.as_slice() else {
                return None;
            };
            Some(Self {
                k1: k1.parse().ok()?,
                k2: k2.parse().ok()?,
                lambda: lambda.parse().ok()?,
            })
        };
        read().filter(|settings| settings.check().is_ok()).ok_or_else(|| {
            "write K1,K2,LAMBDA such as 20,6,0.3, with k2 at most k1 + 1 and λ from 0 to 1".into()
        })
    }
}

/// A sparse vector: places and values, ascending by place.
type Sparse = Vec<(u32, f32)>;

/// Scores after re-ranking: −((1 − λ) J + λ d), from −1 to 0.
pub struct Reranked {
    base: Embeddings,
    lambda: f32,
    /// Of each query, its greatest distance to any item.
    furthest: Vec<f32>,
    /// Of each query, its weights, ascending by item of the joint set.
    weights: Vec<Vec<(u32, f32)>>,
    /// Of each item of the joint set, the gallery items that have a weight for it, ascending.
    holders: Vec<Vec<(u32, f32)>>,
    /// Of the strip of queries at hand: overlaps Σ min(V_q, V_g) by gallery item, ascending.
    strip: Option<(Range<usize>, Vec<Sparse>)>,
}

impl Reranked {
    /// Learns the neighbourhoods of queries `[queries, dimensions]` and gallery `[gallery, dimensions]` together.
    ///
    /// `own` is each query's own place in the gallery, where it stands there: the two are one item of the joint set.
    ///
    /// # Errors
    /// When an array does not hold whole rows or a value is not finite, when a setting is out of its range, or when the
    /// device fails.
    ///
    /// # Panics
    /// If there are places for other than each query.
    pub fn new(
        queries: &[f32],
        gallery: &[f32],
        dimensions: usize,
        own: &[Option<u32>],
        settings: &Rerank,
        device: &Device,
    ) -> Result<Self, SearchError> {
        settings.check()?;
        check("query", queries, dimensions)?;
        check("gallery item", gallery, dimensions)?;
        let count = queries.len() / dimensions;
        assert_eq!(own.len(), count, "one place for each query");
        // Queries that are no gallery items come first, as in the published code.
        let mut joint = Vec::with_capacity(queries.len() + gallery.len());
        let mut place = Vec::with_capacity(count);
        for (query, own) in queries.chunks_exact(dimensions).zip(own) {
            if own.is_none() {
                place.push((joint.len() / dimensions) as u32);
                joint.extend_from_slice(query);
            } else {
                place.push(0);
            }
        }
        let first = joint.len() / dimensions;
        if u32::try_from(first + gallery.len() / dimensions).is_err() {
            return Err(SearchError::TooLarge(first + gallery.len() / dimensions));
        }
        for (place, own) in place.iter_mut().zip(own) {
            if let Some(item) = own {
                *place = first as u32 + item;
            }
        }
        joint.extend_from_slice(gallery);
        let mut scorer = Embeddings::within(joint, dimensions, Similarity::Cosine, device)?;
        let near = neighbourhoods(&mut scorer, settings.k1 + 1)?;
        let plain = encode(&near, settings.k1, &mut scorer)?;
        drop(scorer);
        let weights = average(&near, plain, settings.k2);
        let mut holders: Vec<Vec<(u32, f32)>> = vec![Vec::new(); weights.len()];
        for (item, row) in weights[first..].iter().enumerate() {
            for &(other, weight) in row {
                holders[other as usize].push((item as u32, weight));
            }
        }
        let of_query = |place: &u32| weights[*place as usize].clone();
        Ok(Self {
            base: Embeddings::new(
                queries.to_vec(),
                gallery.to_vec(),
                dimensions,
                Similarity::Cosine,
                device,
            )?,
            lambda: settings.lambda as f32,
            furthest: place.iter().map(|place| near[*place as usize].furthest).collect(),
            weights: place.iter().map(of_query).collect(),
            holders,
            strip: None,
        })
    }

    /// The overlaps of a strip of queries with all gallery items that they overlap with.
    fn overlaps(&mut self, queries: &Range<usize>) {
        if self.strip.as_ref().is_some_and(|(strip, _)| strip == queries) {
            return;
        }
        let mut sums = vec![0.0f32; self.base.gallery()];
        let mut lists = Vec::with_capacity(queries.len());
        for query in queries.clone() {
            let mut touched: Vec<u32> = Vec::new();
            for &(other, own) in &self.weights[query] {
                for &(item, weight) in &self.holders[other as usize] {
                    let sum = &mut sums[item as usize];
                    if *sum == 0.0 {
                        touched.push(item);
                    }
                    *sum += own.min(weight);
                }
            }
            touched.sort_unstable();
            let list = touched.iter().map(|&item| {
                let sum = std::mem::take(&mut sums[item as usize]);
                (item, sum)
            });
            lists.push(list.collect());
        }
        self.strip = Some((queries.clone(), lists));
    }
}

impl Scorer for Reranked {
    fn queries(&self) -> usize {
        self.base.queries()
    }

    fn gallery(&self) -> usize {
        self.base.gallery()
    }

    fn tile_shape(&self) -> (usize, usize) {
        self.base.tile_shape()
    }

    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError> {
        let mut scores = self.base.tile(queries.clone(), gallery.clone())?;
        self.overlaps(&queries);
        let lists = self.strip.as_ref().map_or(&[][..], |(_, lists)| lists.as_slice());
        let lambda = self.lambda;
        for ((row, list), furthest) in scores.rows_mut().zip(lists).zip(&self.furthest[queries]) {
            for score in &mut *row {
                // Two products of one pair may differ in their last bits: a distance never passes the greatest.
                *score = -(1.0 - lambda) - lambda * (distance(*score) / furthest).min(1.0);
            }
            let from = list.partition_point(|&(item, _)| (item as usize) < gallery.start);
            let here = list[from..]
                .iter()
                .take_while(|&&(item, _)| (item as usize) < gallery.end);
            for &(item, sum) in here {
                // J = 1 − s / (2 − s): each side's weights add up to 1.
                row[item as usize - gallery.start] += (1.0 - lambda) * sum / (2.0 - sum);
            }
        }
        Ok(scores)
    }

    fn memory(&self) -> Memory {
        let entries =
            |lists: &[Vec<(u32, f32)>]| lists.iter().map(|list| 8 * list.capacity() as u64).sum::<u64>();
        let base = self.base.memory();
        Memory {
            host: base.host + entries(&self.weights) + entries(&self.holders),
            device: base.device,
        }
    }
}

/// The squared Euclidean distance of two unit vectors of this cosine.
fn distance(cosine: f32) -> f32 {
    (2.0 - 2.0 * cosine).max(0.0)
}

/// An item's nearest, itself among them, and how far the furthest is.
struct Near {
    /// Nearest first.
    items: Vec<u32>,
    /// Their distances as shares of the greatest.
    distances: Vec<f32>,
    furthest: f32,
}

fn neighbourhoods(scorer: &mut Embeddings, count: usize) -> Result<Vec<Near>, SearchError> {
    let total = scorer.queries();
    let rows = scorer.tile_shape().0.max(1);
    let mut near = Vec::with_capacity(total);
    for start in (0..total).step_by(rows) {
        let end = (start + rows).min(total);
        let mut states: Vec<(Best, f32)> = (start..end)
            .map(|row| (Best::new(row, count), f32::INFINITY))
            .collect();
        let mut strip = Strip::new(scorer, start..end, 0);
        for tile in 0..strip.tiles() {
            let first = strip.items(tile).start;
            let mut scores = strip.take(tile)?;
            on_rows(&mut scores, &mut states, |row, (best, lowest)| {
                best.scan(row, first)?;
                *lowest = row.iter().fold(*lowest, |low, score| low.min(*score));
                Ok(())
            })?;
        }
        for (best, lowest) in states {
            let furthest = distance(lowest).max(f32::MIN_POSITIVE);
            let hits = best.into_sorted();
            near.push(Near {
                items: hits.iter().map(|hit| hit.item).collect(),
                distances: hits.iter().map(|hit| distance(hit.score) / furthest).collect(),
                furthest,
            });
        }
    }
    Ok(near)
}

/// The weights of each item: V before it is averaged, ascending by item.
fn encode(near: &[Near], k1: usize, scorer: &mut Embeddings) -> Result<Vec<Vec<(u32, f32)>>, SearchError> {
    let first = |item: u32, count: usize| {
        let items = &near[item as usize].items;
        &items[..count.min(items.len())]
    };
    let reciprocal = |item: u32, count: usize| {
        first(item, count)
            .iter()
            .copied()
            .filter(|&other| first(other, count).contains(&item))
            .collect::<Vec<u32>>()
    };
    // NumPy's rounding: halves go to even numbers.
    let half = (k1 as f64 / 2.0).round_ties_even() as usize + 1;
    let mut rows = Vec::with_capacity(near.len());
    for item in 0..near.len() as u32 {
        let own = reciprocal(item, k1 + 1);
        let mut all = own.clone();
        for &candidate in &own {
            let theirs = reciprocal(candidate, half);
            let shared = theirs.iter().filter(|other| own.contains(other)).count();
            if 3 * shared > 2 * theirs.len() {
                all.extend(theirs);
            }
        }
        // With more twins than neighbours an item may not be among its own: it is then like nothing else.
        if all.is_empty() {
            rows.push(vec![(item, 1.0)]);
            continue;
        }
        all.sort_unstable();
        all.dedup();
        let Near {
            items,
            distances,
            furthest,
        } = &near[item as usize];
        let known = |other: &u32| items.iter().position(|known| known == other);
        // Neighbours of neighbours need not be among the item's own.
        let others: Vec<u32> = all
            .iter()
            .copied()
            .filter(|other| known(other).is_none())
            .collect();
        let mut further = scorer.list(item as usize, &others)?.into_iter();
        let weights: Vec<f32> = all
            .iter()
            .map(|other| {
                let distance = match known(other) {
                    Some(at) => distances[at],
                    None => further.next().map_or(0.0, |cosine| distance(cosine) / furthest),
                };
                (-distance).exp()
            })
            .collect();
        let sum: f32 = weights.iter().sum();
        let shares = weights.into_iter().map(|weight| weight / sum);
        rows.push(all.into_iter().zip(shares).collect());
    }
    Ok(rows)
}

/// The mean of the weights of each item's nearest, itself the first of them.
fn average(near: &[Near], plain: Vec<Vec<(u32, f32)>>, k2: usize) -> Vec<Vec<(u32, f32)>> {
    if k2 == 1 {
        return plain;
    }
    let mut sums = vec![0.0f32; near.len()];
    let mean = |near: &Near| {
        let of = &near.items[..k2.min(near.items.len())];
        let mut touched: Vec<u32> = Vec::new();
        for &other in of {
            for &(item, weight) in &plain[other as usize] {
                let sum = &mut sums[item as usize];
                if *sum == 0.0 {
                    touched.push(item);
                }
                *sum += weight;
            }
        }
        touched.sort_unstable();
        let share = |item: u32| (item, std::mem::take(&mut sums[item as usize]) / of.len() as f32);
        touched.into_iter().map(share).collect()
    };
    near.iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::top_k;

    fn at(degrees: &[f64]) -> Vec<f32> {
        let point = |angle: &f64| {
            let (sin, cos) = angle.to_radians().sin_cos();
            [cos as f32 * 3.0, sin as f32 * 3.0]
        };
        degrees.iter().flat_map(point).collect()
    }

    fn scores(
        queries: &[f32],
        gallery: &[f32],
        dimensions: usize,
        own: &[Option<u32>],
        settings: Rerank,
    ) -> Vec<Vec<f32>> {
        let device = crate::device::cpu();
        let mut scorer = Reranked::new(queries, gallery, dimensions, own, &settings, &device).unwrap();
        let items = scorer.gallery();
        // Small tiles, so that overlaps are cut at their edges.
        scorer.base = scorer.base.with_tile(3, 4);
        let every: Vec<u32> = (0..items as u32).collect();
        (0..scorer.queries())
            .map(|query| scorer.list(query, &every).unwrap())
            .collect()
    }

    #[test]
    fn two_pairs_by_hand() {
        // 0° finds 10°; 100° and 110° are another pair. Each item's greatest distance is to the other pair.
        let settings = Rerank {
            k1: 1,
            k2: 1,
            lambda: 0.25,
        };
        let found = scores(&at(&[0.0]), &at(&[10.0, 100.0, 110.0]), 2, &[None], settings);
        let d = |degrees: f64| 2.0 - 2.0 * degrees.to_radians().cos();
        // V of the query over (query, 10°), and V of 10° over the same.
        let near = (-d(10.0) / d(110.0)).exp();
        let query = [1.0 / (1.0 + near), near / (1.0 + near)];
        let near = (-d(10.0) / d(100.0)).exp();
        let ten = [near / (1.0 + near), 1.0 / (1.0 + near)];
        let shared = query[0].min(ten[0]) + query[1].min(ten[1]);
        let jaccard = 1.0 - shared / (2.0 - shared);
        let expected = [
            0.75 * jaccard + 0.25 * d(10.0) / d(110.0),
            0.75 + 0.25 * d(100.0) / d(110.0),
            0.75 + 0.25,
        ];
        for (score, expected) in found[0].iter().zip(expected) {
            assert!(
                (f64::from(-score) - expected).abs() < 1e-5,
                "{found:?} {expected}"
            );
        }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        queries: Vec<Vec<f32>>,
        gallery: Vec<Vec<f32>>,
        k1: usize,
        k2: usize,
        lambda: f64,
        distances: Vec<Vec<f32>>,
    }

    /// scripts/reference/rerank.py made the fixture: the published Python code of reid-strong-baseline.
    #[test]
    fn equals_the_published_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rerank.json");
        let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let settings = Rerank {
                k1: case.k1,
                k2: case.k2,
                lambda: case.lambda,
            };
            let dimensions = case.queries[0].len();
            let own = vec![None; case.queries.len()];
            let (queries, gallery) = (case.queries.concat(), case.gallery.concat());
            let found = scores(&queries, &gallery, dimensions, &own, settings);
            for (row, (found, expected)) in found.iter().zip(&case.distances).enumerate() {
                assert_eq!(found.len(), expected.len());
                for (item, (score, distance)) in found.iter().zip(expected).enumerate() {
                    assert!(
                        (score + distance).abs() < 2e-5,
                        "{settings}: query {row}, item {item}: {} instead of {distance}",
                        -score
                    );
                }
            }
        }
    }

    #[test]
    fn a_query_that_stands_in_the_gallery_is_one_item() {
        // Item 0 is the query. Without its place known, its twin would be its nearest neighbour.
        let (queries, gallery) = (at(&[0.0]), at(&[0.0, 10.0, 100.0, 110.0]));
        let settings = Rerank {
            k1: 1,
            k2: 1,
            lambda: 0.25,
        };
        let apart = scores(&queries, &gallery[2..], 2, &[None], settings);
        let together = scores(&queries, &gallery, 2, &[Some(0)], settings);
        for (a, b) in apart[0].iter().zip(&together[0][1..]) {
            assert!((a - b).abs() < 1e-6, "{apart:?} {together:?}");
        }
        let doubled = scores(&queries, &gallery, 2, &[None], settings);
        assert!(doubled[0][1] < together[0][1] - 0.1, "{doubled:?}");
    }

    #[test]
    fn twins_and_small_sets_have_scores() {
        let device = crate::device::cpu();
        for (queries, gallery) in [
            (at(&[0.0; 3]), at(&[0.0; 40])),
            (at(&[5.0]), at(&[5.0])),
            (at(&[1.0, 2.0]), vec![]),
            (vec![0.0; 4], vec![0.0; 6]),
        ] {
            let own = vec![None; queries.len() / 2];
            let mut scorer = Reranked::new(&queries, &gallery, 2, &own, &Rerank::default(), &device).unwrap();
            let every: Vec<usize> = (0..own.len()).collect();
            let found = top_k(&mut scorer, None, &every, 5).unwrap();
            assert!(
                found
                    .iter()
                    .flatten()
                    .all(|hit| (-1.001..=0.001).contains(&hit.score)),
                "{found:?}"
            );
            assert!(scorer.memory().total() > 0);
        }
    }

    #[test]
    fn settings_are_read_and_refused() {
        assert_eq!("20, 6,0.3".parse(), Ok(Rerank::default()));
        for wrong in [
            "",
            "20",
            "20,6",
            "0,1,0.3",
            "20,0,0.3",
            "20,22,0.3",
            "20,6,1.5",
            "20,6,nan",
            "a,b,c",
        ] {
            assert!(wrong.parse::<Rerank>().is_err(), "{wrong}");
        }
        let wrong = Rerank {
            lambda: f64::NAN,
            ..Rerank::default()
        };
        let device = crate::device::cpu();
        let error = Reranked::new(&[1.0], &[1.0], 1, &[None], &wrong, &device)
            .err()
            .unwrap();
        assert!(error.to_string().contains("rerank.lambda"), "{error}");
    }
}
