//! The scores of gated attention pooling, as one operation with a gradient of its own.
//!
//! Written as tensors, the gates of every token, their dropout, their product with the whole set's gate and its product with the
//! scoring vector are each as long as (sets · tokens · dim), and so are their gradients. All that they say of a token is one number:
//! here they live in registers, forwards and again backwards.

use super::act::exp;
use super::wide::wide;
use super::{Gradients, Place, dense, enter, place, plain, tensor, tracked, values};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Which elements a dropout keeps: a hash of seed and place, so that the way back finds the same without having stored it.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The share that is dropped, in [0, 1).
    pub share: f32,
    /// Another one for every step.
    pub seed: u32,
}

impl Dropout {
    /// Below it an element is dropped, and what others are multiplied by.
    #[inline(always)]
    fn terms(self) -> (u32, f32) {
        let threshold = (f64::from(self.share) * f64::from(u32::MAX)) as u32;
        (threshold, 1.0 / (1.0 - self.share))
    }

    /// The hash's beginning for a row.
    #[inline(always)]
    fn row(self, row: usize) -> u32 {
        mixed(self.seed ^ mixed(row as u32))
    }
}

/// A permutation of 32 bits in which every bit depends on every other (Wellons' `lowbias32`).
#[inline(always)]
fn mixed(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// The factor of element `at` of a row.
#[inline(always)]
fn kept(row: u32, at: usize, (threshold, factor): (u32, f32)) -> f32 {
    let hash = mixed(row.wrapping_add((at as u32).wrapping_mul(0x9e37_79b9)));
    if hash < threshold { 0.0 } else { factor }
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// `Σ_d dropout(tanh x)_d · whole_d · weight_d` of every token: x `[sets, tokens, dim]`, whole `[sets, dim]`, weight `[dim, 1]` →
/// `[sets, tokens]`. `None` where this is not for the host.
pub fn scores(x: &Tensor<3>, whole: &Tensor<2>, weight: &Tensor<2>, dropout: Dropout) -> Option<Tensor<2>> {
    let [sets, tokens, dim] = x.dims();
    let fits = whole.dims() == [sets, dim]
        && weight.dims() == [dim, 1]
        && (0.0..1.0).contains(&dropout.share)
        && sets * tokens * dim > 0;
    if !fits {
        return None;
    }
    let run = |inputs: [FlexTensor; 3]| {
        let inputs = inputs.map(dense);
        let found = forward(inputs.each_ref().map(values), [tokens, dim], dropout);
        (
            tensor(found, [sets, tokens]),
            State {
                inputs,
                size: [sets, tokens, dim],
                dropout,
            },
        )
    };
    match (place(x)?, place(whole)?, place(weight)?) {
        (Place::Plain(x), Place::Plain(whole), Place::Plain(weight)) => {
            Some(plain(run([x, whole, weight]).0))
        }
        (Place::Tracked(x), Place::Tracked(whole), Place::Tracked(weight)) => {
            let [x, whole, weight] = [x, whole, weight].map(|x| x.into_parts());
            let (found, state) = run([x.0, whole.0, weight.0]);
            Some(tracked(enter(Gate, [x.1, whole.1, weight.1], state, found)))
        }
        _ => None,
    }
}

#[derive(Debug)]
struct Gate;

#[derive(Clone, Debug)]
struct State {
    /// x, whole, weight.
    inputs: [FlexTensor; 3],
    size: [usize; 3],
    dropout: Dropout,
}

/// What a dot product adds up apart.
const LANES: usize = 16;

fn forward([x, whole, weight]: [&[f32]; 3], [tokens, dim]: [usize; 2], dropout: Dropout) -> Vec<f32> {
    let terms = dropout.terms();
    let mut scores = vec![0.0f32; x.len() / dim];
    scores.par_iter_mut().enumerate().for_each(|(row, score)| {
        let (x, whole) = (&x[row * dim..][..dim], &whole[row / tokens * dim..][..dim]);
        let weight = &weight[..dim];
        let from = dropout.row(row);
        *score = wide(
            #[inline(always)]
            || {
                let mut sums = [0.0f32; LANES];
                let rest = dim / LANES * LANES;
                let part = |at: usize| tanh(x[at]) * kept(from, at, terms) * (whole[at] * weight[at]);
                for start in (0..rest).step_by(LANES) {
                    for (lane, sum) in sums.iter_mut().enumerate() {
                        *sum += part(start + lane);
                    }
                }
                for (at, sum) in (rest..dim).zip(&mut sums) {
                    *sum += part(at);
                }
                sums.iter().sum()
            },
        );
    });
    scores
}

impl Backward<Flex, 3> for Gate {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let State {
            inputs,
            size: [sets, tokens, dim],
            dropout,
        } = &ops.state;
        let (sets, tokens, dim, terms) = (*sets, *tokens, *dim, dropout.terms());
        let [x, whole, weight] = inputs.each_ref().map(values);
        let gradient = values(&gradient);
        let mut of_x = vec![0.0f32; x.len()];
        // Σ g · dropout(tanh x) over the tokens of a set: the gradients of whole and weight but for the other one.
        let mut sums = vec![0.0f32; sets * dim];
        let work = of_x.par_chunks_exact_mut(tokens * dim);
        let work = work.zip(sums.par_chunks_exact_mut(dim)).enumerate();
        work.for_each(|(set, (of_x, sums))| {
            let (whole, weight) = (&whole[set * dim..][..dim], &weight[..dim]);
            for (token, of_x) in of_x.chunks_exact_mut(dim).enumerate() {
                let row = set * tokens + token;
                let (x, g, from) = (&x[row * dim..][..dim], gradient[row], dropout.row(row));
                wide(
                    #[inline(always)]
                    || {
                        let (of_x, sums) = (&mut of_x[..dim], &mut sums[..dim]);
                        for at in 0..dim {
                            let (t, kept) = (tanh(x[at]), kept(from, at, terms) * g);
                            of_x[at] = kept * (1.0 - t * t) * (whole[at] * weight[at]);
                            sums[at] += kept * t;
                        }
                    },
                );
            }
        });
        let (mut of_whole, mut of_weight) = (vec![0.0f32; sets * dim], vec![0.0f32; dim]);
        let rows = of_whole.chunks_exact_mut(dim).zip(sums.chunks_exact(dim));
        for ((of_whole, sums), whole) in rows.zip(whole.chunks_exact(dim)) {
            for at in 0..dim {
                of_whole[at] = sums[at] * weight[at];
                of_weight[at] += sums[at] * whole[at];
            }
        }
        let found = [
            tensor(of_x, [sets, tokens, dim]),
            tensor(of_whole, [sets, dim]),
            tensor(of_weight, [dim, 1]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::host::testing::{near, on, vector};
    use crate::nn::init::tests::noise;

    const SIZE: [usize; 3] = [3, 5, 37];

    /// Scores and the gradients of Σ factors · scores by x, whole and weight.
    fn results(score: impl Fn(&Tensor<3>, &Tensor<2>, &Tensor<2>) -> Tensor<2>) -> [Vec<f32>; 4] {
        let [sets, _, dim] = SIZE;
        let device = cpu().autodiff();
        let x = on(&noise(SIZE, 1), &device);
        let whole = on(&noise([sets, dim], 2), &device);
        let weight = on(&noise([dim, 1], 3), &device);
        let found = score(&x, &whole, &weight);
        let factors = Tensor::from_data(noise(found.dims(), 4).into_data(), &device);
        let grads = (found.clone() * factors).sum().backward();
        [
            vector(found),
            vector(x.grad(&grads).unwrap()),
            vector(whole.grad(&grads).unwrap()),
            vector(weight.grad(&grads).unwrap()),
        ]
    }

    /// The same with burn's operations, and those factors in the place of a dropout.
    fn by_operations(x: &Tensor<3>, whole: &Tensor<2>, weight: &Tensor<2>, kept: &[f32]) -> Tensor<2> {
        let [sets, tokens, dim] = x.dims();
        let kept = burn::tensor::TensorData::new(kept.to_vec(), SIZE);
        let gates = x.clone().tanh() * Tensor::<3>::from_data(kept, &x.device());
        let gated = gates * whole.clone().reshape([sets, 1, dim]);
        gated
            .reshape([sets * tokens, dim])
            .matmul(weight.clone())
            .reshape([sets, tokens])
    }

    fn factors(dropout: Dropout) -> Vec<f32> {
        let [sets, tokens, dim] = SIZE;
        let one = |at| kept(dropout.row(at / dim), at % dim, dropout.terms());
        (0..sets * tokens * dim).map(one).collect()
    }

    #[test]
    fn one_operation_is_what_the_many_are() {
        for share in [0.0, 0.4] {
            let dropout = Dropout { share, seed: 5 };
            let factors = factors(dropout);
            let ours = results(|x, whole, weight| scores(x, whole, weight, dropout).unwrap());
            let theirs = results(|x, whole, weight| by_operations(x, whole, weight, &factors));
            for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                near(&format!("{dropout:?} {at}"), ours, theirs, 2e-6, 1.0);
            }
        }
    }

    #[test]
    fn a_dropout_keeps_its_share_and_the_mean_and_differs_from_step_to_step() {
        let many = |seed| {
            let dropout = Dropout { share: 0.4, seed };
            let terms = dropout.terms();
            let one = move |row: usize| (0..1000).map(move |at| kept(dropout.row(row), at, terms));
            (0..1000).flat_map(one).collect::<Vec<f32>>()
        };
        let (a, b) = (many(1), many(2));
        // A million such numbers do not add up in f32.
        let mean = |kept: &[f32]| kept.iter().map(|&v| f64::from(v)).sum::<f64>() / kept.len() as f64;
        for kept in [&a, &b] {
            // A million draws: a standard deviation of 0.0008.
            assert!((mean(kept) - 1.0).abs() < 0.004, "{}", mean(kept));
            // Rows and columns are no better than chance either, within five deviations.
            for at in [0, 499, 999] {
                let column: Vec<f32> = kept.iter().skip(at).step_by(1000).copied().collect();
                assert!((mean(&kept[at * 1000..][..1000]) - 1.0).abs() < 0.13);
                assert!((mean(&column) - 1.0).abs() < 0.13);
            }
        }
        let both = a.iter().zip(&b).filter(|(a, b)| **a > 0.0 && **b > 0.0).count();
        assert!((both as f32 / 1e6 - 0.36).abs() < 0.005, "{both} kept twice");
    }
}
