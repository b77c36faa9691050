//! Graph reasoning (SGR) outside of a graph of gradients, as one operation.
//!
//! `softmax((E W_q + b_q)(E W_k + b_k)ᵀ)` is `softmax(P Eᵀ)` with `P = E W_q W_kᵀ + W_k b_q`: what else the product has is the same for
//! every key, and a softmax does not see it. That is one product by a matrix in the place of two; and as the last step is asked for
//! the global node alone, it needs none at all for the words.

use super::super::act::{exp, rectified};
use super::super::panels::Factor;
use super::super::product::{Matrix, product};
use super::super::rows::add;
use super::super::wide::wide;
use super::super::{Place, Shared, dense, place, plain, tensor, values};
use super::{Pairs, TILE, with_scratch};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// A step's parameters: matrices `[dim, dim]`, vectors `[dim]`.
#[derive(Clone, Debug)]
pub struct Step {
    /// W_q and b_q.
    pub query: (Tensor<2>, Tensor<1>),
    /// W_k; b_k has no influence.
    pub key: Tensor<2>,
    /// W_r and b_r.
    pub out: (Tensor<2>, Tensor<1>),
}

/// The global node after all steps: whole `[pairs, dim]`, words `[rows, dim]` → `[pairs, dim]`. `None` where this is not for the host, or
/// in a graph.
pub fn reasoned(whole: &Tensor<2>, words: &Tensor<2>, steps: &[Step], pairs: &Pairs) -> Option<Tensor<2>> {
    let [_, dim] = whole.dims();
    let fits = whole.dims() == [pairs.len(), dim]
        && words.dims() == [pairs.rows(), dim]
        && steps.iter().all(|step| step.key.dims() == [dim, dim])
        && !steps.is_empty();
    let host = |place| match place {
        Place::Plain(x) => Some(dense(x)),
        Place::Tracked(_) => None,
    };
    if !fits {
        return None;
    }
    let (whole, words) = (host(place(whole)?)?, host(place(words)?)?);
    let steps = steps
        .iter()
        .map(|step| {
            let (query, bias) = &step.query;
            let asked = query.clone().matmul(step.key.clone().transpose());
            let shift = step
                .key
                .clone()
                .matmul(bias.clone().reshape([dim, 1]))
                .reshape([dim]);
            let linear = |weight, bias| {
                let (weight, bias) = (host(place(weight)?)?, host(place(bias)?)?);
                Some(Folded {
                    weight: Factor::new([dim, dim], Matrix::new(values(&weight), dim)),
                    bias: values(&bias).to_vec(),
                })
            };
            Some([linear(&asked, &shift)?, linear(&step.out.0, &step.out.1)?])
        })
        .collect::<Option<Vec<_>>>()?;
    let mut output = vec![0.0f32; pairs.len() * dim];
    let to = Shared(output.as_mut_ptr());
    let (whole, words) = (values(&whole), values(&words));
    pairs.tasks().par_iter().for_each(|task| {
        let mut start = task.pairs.start;
        while start < task.pairs.end {
            // As many pairs as a tile holds, at least one.
            let nodes = |end: usize| pairs.rows_of(&(start..end)).len() + end - start;
            let mut end = start + 1;
            while end < task.pairs.end && nodes(end + 1) <= TILE {
                end += 1;
            }
            let tile = Tile {
                lengths: (start..end)
                    .map(|pair| 1 + pairs.rows_of(&(pair..pair + 1)).len())
                    .collect(),
                dim,
            };
            let count = tile.nodes();
            let longest = tile.lengths.iter().copied().max().unwrap_or(1);
            with_scratch(
                [count * dim, count * dim, count * dim, longest * longest],
                |[now, asked, next, edges]| {
                    let mut at = 0;
                    for pair in start..end {
                        let rows = pairs.rows_of(&(pair..pair + 1));
                        now[at * dim..][..dim].copy_from_slice(&whole[pair * dim..][..dim]);
                        now[(at + 1) * dim..][..rows.len() * dim]
                            .copy_from_slice(&words[rows.start * dim..rows.end * dim]);
                        at += 1 + rows.len();
                    }
                    let (mut now, mut next) = (now, next);
                    for (index, step) in steps.iter().enumerate() {
                        let last = index + 1 == steps.len();
                        tile.step(step, [&mut *now, &mut *asked, &mut *next], edges, last);
                        std::mem::swap(&mut now, &mut next);
                    }
                    // SAFETY: these pairs are in this tile alone.
                    let to =
                        unsafe { std::slice::from_raw_parts_mut(to.at(start * dim), (end - start) * dim) };
                    to.copy_from_slice(&now[..to.len()]);
                },
            );
            start = end;
        }
    });
    Some(plain(tensor(output, [pairs.len(), dim])))
}

/// A matrix `[dim, dim]` and what is added behind it.
struct Folded {
    weight: Factor,
    bias: Vec<f32>,
}

/// Consecutive pairs, each with its nodes one after the other, the global one first.
struct Tile {
    lengths: Vec<usize>,
    dim: usize,
}

impl Tile {
    fn nodes(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// `x · weight + bias`, `rows` of them.
    fn linear(&self, rows: usize, x: &[f32], folded: &Folded, to: &mut [f32]) {
        let dim = self.dim;
        assert!(to.len() >= rows * dim);
        // SAFETY: `to` is borrowed, and was just found long enough.
        unsafe {
            let x = Matrix::new(x, dim);
            folded.weight.product(rows, x, to.as_mut_ptr(), dim, false);
        }
        for row in to.chunks_exact_mut(dim).take(rows) {
            add(row, &folded.bias);
        }
    }

    /// `next = ReLU(softmax(P nowᵀ) · now · W_r + b_r)` of all nodes, or of the global ones alone, which then lie together.
    fn step(
        &self,
        [questions, out]: &[Folded; 2],
        [now, asked, next]: [&mut [f32]; 3],
        edges: &mut [f32],
        only_first: bool,
    ) {
        let dim = self.dim;
        let rows = match only_first {
            true => {
                // The global nodes, one after the other.
                let mut at = 0;
                for (row, length) in self.lengths.iter().enumerate() {
                    next[row * dim..][..dim].copy_from_slice(&now[at * dim..][..dim]);
                    at += length;
                }
                self.linear(self.lengths.len(), next, questions, asked);
                self.lengths.len()
            }
            false => {
                self.linear(self.nodes(), now, questions, asked);
                self.nodes()
            }
        };
        let (mut first, mut asking) = (0, 0);
        for &length in &self.lengths {
            let own = &now[first * dim..][..length * dim];
            let askers = if only_first { 1 } else { length };
            let edges = &mut edges[..askers * length];
            // SAFETY: both targets are borrowed, and as long as their shapes; the second takes the place of what the first has read.
            unsafe {
                product(
                    [askers, length, dim],
                    Matrix::new(&asked[asking * dim..], dim),
                    Matrix::new(own, dim).transposed(),
                    edges.as_mut_ptr(),
                    length,
                    false,
                );
                edges.chunks_exact_mut(length).for_each(softmax);
                product(
                    [askers, dim, length],
                    Matrix::new(edges, length),
                    Matrix::new(own, dim),
                    asked[asking * dim..][..askers * dim].as_mut_ptr(),
                    dim,
                    false,
                );
            }
            first += length;
            asking += askers;
        }
        self.linear(rows, asked, out, next);
        wide(
            #[inline(always)]
            || {
                for value in &mut next[..rows * dim] {
                    *value = rectified(*value);
                }
            },
        );
    }
}

/// In place.
pub(super) fn softmax(row: &mut [f32]) {
    wide(
        #[inline(always)]
        || softmax_by(row),
    )
}

#[inline(always)]
fn softmax_by(row: &mut [f32]) {
    let most = row
        .iter()
        .fold(f32::NEG_INFINITY, |most, &v| if v > most { v } else { most });
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = exp(*value - most);
        sum += *value;
    }
    let factor = 1.0 / sum;
    for value in row {
        *value *= factor;
    }
}
