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

mod neighbours;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::Range;

use burn::tensor::Device;

use super::embeddings::check;
use super::{Embeddings, Memory, Scorer, Scores, SearchError, Similarity};
use neighbours::{Sparse, average, distance, encode, neighbourhoods};

pub use settings::Rerank;

/// Scores after re-ranking: −((1 − λ) J + λ d), from −1 to 0.
pub struct Reranked {
    base: Embeddings,
    lambda: f32,
    /// Of each query, its greatest distance to any item.
    furthest: Vec<f32>,
    /// Of each query, its weights, ascending by item of the joint set.
    weights: Vec<Sparse>,
    /// Of each item of the joint set, the gallery items that have a weight for it, ascending.
    holders: Vec<Sparse>,
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
        let mut holders: Vec<Sparse> = vec![Vec::new(); weights.len()];
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
        let entries = |lists: &[Sparse]| lists.iter().map(|list| 8 * list.capacity() as u64).sum::<u64>();
        let base = self.base.memory();
        Memory {
            host: base.host + entries(&self.weights) + entries(&self.holders),
            device: base.device,
        }
    }
}
