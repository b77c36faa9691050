//! Attention filtration (SAF) as one operation with a gradient of its own.

use super::super::rows::{add, add_scaled, dot};
use super::super::{Gradients, Place, Shared, dense, enter, place, plain, tensor, tracked, values};
use super::Pairs;
use crate::nn::host::act::sigmoid;
use crate::nn::host::wide::wide;
use crate::nn::unit::OUTSIDE;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::Arc;

/// The filtration's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// w, `[dim, 1]`.
    pub weight: &'a Tensor<2>,
    /// b, `[1]`.
    pub bias: &'a Tensor<1>,
    /// The batch norm's scale, `[1]`.
    pub gamma: &'a Tensor<1>,
    /// The batch norm's shift, `[1]`.
    pub beta: &'a Tensor<1>,
    /// Added to the variance before its root.
    pub eps: f32,
    /// Running mean and variance, where they are what is normalised by.
    pub fixed: Option<[f32; 2]>,
}

/// Of the scores of one caption with all images.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their biased variance.
    pub variance: f64,
}

/// `Σ β E` over the whole similarity (first) and the word similarities of every pair, with
/// `β = unit-sum of σ(γ · (E w + b − mean) / √(var + eps) + β)`, where mean and variance are those of a caption's own rows with all
/// images, or fixed.
///
/// whole `[pairs, dim]`, words `[rows, dim]` → `[pairs, dim]`, and the statistics of each caption unless they are fixed. `None` where
/// this is not for the host, and for statistics of pairs that are not every image with every caption.
pub fn filtered(
    whole: &Tensor<2>,
    words: &Tensor<2>,
    filter: Filter,
    pairs: &Pairs,
) -> Option<(Tensor<2>, Vec<Statistics>)> {
    let [_, dim] = whole.dims();
    let fits = whole.dims() == [pairs.len(), dim]
        && words.dims() == [pairs.rows(), dim]
        && filter.weight.dims() == [dim, 1]
        && [filter.bias, filter.gamma, filter.beta]
            .iter()
            .all(|x| x.dims() == [1])
        && (pairs.0.whole || filter.fixed.is_some())
        && pairs.len() > 0;
    if !fits {
        return None;
    }
    let run = |inputs: [FlexTensor; 6]| {
        let inputs = inputs.map(dense);
        let (output, scores, statistics) = forward(inputs.each_ref().map(values), filter, pairs, dim);
        let state = State {
            pairs: pairs.clone(),
            inputs,
            scores: Arc::new(scores),
            statistics: Arc::new(statistics.clone()),
            eps: filter.eps,
            fixed: filter.fixed.is_some(),
        };
        let statistics = if filter.fixed.is_some() {
            Vec::new()
        } else {
            statistics
        };
        (tensor(output, [pairs.len(), dim]), statistics, state)
    };
    let places = [
        place(whole)?,
        place(words)?,
        place(filter.weight)?,
        place(filter.bias)?,
        place(filter.gamma)?,
        place(filter.beta)?,
    ];
    let mut tracked_inputs = Vec::new();
    let mut plain_inputs = Vec::new();
    for place in places {
        match place {
            Place::Plain(x) => plain_inputs.push(x),
            Place::Tracked(x) => tracked_inputs.push(x),
        }
    }
    if let Ok(inputs) = <[_; 6]>::try_from(plain_inputs) {
        let (output, statistics, _) = run(inputs);
        return Some((plain(output), statistics));
    }
    let [a, b, c, d, e, f] = <[_; 6]>::try_from(tracked_inputs).ok()?.map(|x| x.into_parts());
    let nodes = [a.1, b.1, c.1, d.1, e.1, f.1];
    let (output, statistics, state) = run([a.0, b.0, c.0, d.0, e.0, f.0]);
    Some((tracked(enter(Filtration, nodes, state, output)), statistics))
}

#[derive(Debug)]
struct Filtration;

#[derive(Clone, Debug)]
struct State {
    pairs: Pairs,
    /// whole, words, weight, bias, gamma, beta.
    inputs: [FlexTensor; 6],
    scores: Arc<Scores>,
    statistics: Arc<Vec<Statistics>>,
    eps: f32,
    fixed: bool,
}

/// `E w + b` of the whole similarities, `[pairs]`, and of the words', `[rows]`.
#[derive(Clone, Debug)]
struct Scores {
    whole: Vec<f32>,
    words: Vec<f32>,
}

impl Scores {
    fn zeros(pairs: &Pairs) -> Self {
        Self {
            whole: vec![0.0; pairs.len()],
            words: vec![0.0; pairs.rows()],
        }
    }

    fn shared(&mut self) -> [Shared; 2] {
        [&mut self.whole, &mut self.words].map(|x| Shared(x.as_mut_ptr()))
    }
}

/// How a caption's scores become numbers of mean 0: what is taken off, and the factor.
fn norms(statistics: &[Statistics], eps: f32) -> Vec<[f32; 2]> {
    let norm = |s: &Statistics| [s.mean as f32, (1.0 / (s.variance + f64::from(eps)).sqrt()) as f32];
    statistics.iter().map(norm).collect()
}

/// The pairs of each image, by their numbers.
fn images(pairs: &Pairs) -> impl IndexedParallelIterator<Item = std::ops::Range<usize>> {
    (0..pairs.images())
        .into_par_iter()
        .map(|image| pairs.0.images[image]..pairs.0.images[image + 1])
}

/// The mean and variance of each caption's scores.
fn statistics(scores: &Scores, pairs: &Pairs) -> Vec<Statistics> {
    let captions = pairs.captions();
    let mut found = vec![
        Statistics {
            count: 0,
            mean: 0.0,
            variance: 0.0
        };
        captions
    ];
    let each = |work: &mut dyn FnMut(usize, f64)| {
        for pair in 0..pairs.len() {
            let caption = pairs.caption(pair);
            work(caption, f64::from(scores.whole[pair]));
            for &score in &scores.words[pairs.rows_of(&(pair..pair + 1))] {
                work(caption, f64::from(score));
            }
        }
    };
    each(&mut |caption, score| {
        found[caption].count += 1;
        found[caption].mean += score;
    });
    for caption in &mut found {
        caption.mean /= caption.count.max(1) as f64;
    }
    each(&mut |caption, score| {
        let off = score - found[caption].mean;
        found[caption].variance += off * off;
    });
    for caption in &mut found {
        caption.variance /= caption.count.max(1) as f64;
    }
    found
}

fn forward(
    [whole, words, weight, bias, gamma, beta]: [&[f32]; 6],
    filter: Filter,
    pairs: &Pairs,
    dim: usize,
) -> (Vec<f32>, Scores, Vec<Statistics>) {
    let mut scores = Scores::zeros(pairs);
    let [whole_to, words_to] = scores.shared();
    images(pairs).for_each(|numbers| {
        // SAFETY: each pair, and with it each row, belongs to one image.
        for pair in numbers.clone() {
            unsafe {
                whole_to
                    .at(pair)
                    .write(dot(&whole[pair * dim..][..dim], weight) + bias[0])
            };
        }
        for row in pairs.rows_of(&numbers) {
            // SAFETY: as above.
            unsafe {
                words_to
                    .at(row)
                    .write(dot(&words[row * dim..][..dim], weight) + bias[0])
            };
        }
    });
    let statistics = match filter.fixed {
        Some([mean, variance]) => {
            let one = Statistics {
                count: 0,
                mean: f64::from(mean),
                variance: f64::from(variance),
            };
            vec![one; pairs.captions()]
        }
        None => statistics(&scores, pairs),
    };
    let norms = norms(&statistics, filter.eps);
    let mut output = vec![0.0f32; pairs.len() * dim];
    let to = Shared(output.as_mut_ptr());
    images(pairs).for_each(|numbers| {
        for pair in numbers {
            let [mean, factor] = norms[pairs.caption(pair)];
            let gate = |score: f32| sigmoid((score - mean) * factor * gamma[0] + beta[0]);
            // SAFETY: this pair's row alone.
            let sum = unsafe { std::slice::from_raw_parts_mut(to.at(pair * dim), dim) };
            let mut gates = gate(scores.whole[pair]);
            sum.iter_mut()
                .zip(&whole[pair * dim..])
                .for_each(|(sum, v)| *sum = gates * v);
            for row in pairs.rows_of(&(pair..pair + 1)) {
                let gate = gate(scores.words[row]);
                gates += gate;
                add_scaled(sum, gate, &words[row * dim..]);
            }
            let factor = 1.0 / (gates + OUTSIDE);
            sum.iter_mut().for_each(|sum| *sum *= factor);
        }
    });
    (output, scores, statistics)
}

/// Two vectors by two factors.
fn both(to: &mut [f32], factors: [f32; 2], [a, b]: [&[f32]; 2]) {
    wide(
        #[inline(always)]
        || {
            for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                *to = factors[0] * a + factors[1] * b;
            }
        },
    )
}

impl Backward<Flex, 6> for Filtration {
    type State = State;

    fn backward(self, ops: Ops<State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let state = &ops.state;
        let pairs = &state.pairs;
        let [whole, words, weight, _, gamma, beta] = state.inputs.each_ref().map(values);
        let (gradient, dim, gamma, beta) = (values(&gradient), weight.len(), gamma[0], beta[0]);
        let norms = norms(&state.statistics, state.eps);
        let centred = |caption: usize, score: f32| (score - norms[caption][0]) * norms[caption][1];
        // The gradients of the gates' arguments.
        let mut slopes = Scores::zeros(pairs);
        let [whole_to, words_to] = slopes.shared();
        images(pairs).for_each(|numbers| {
            for pair in numbers {
                let (caption, own) = (pairs.caption(pair), &gradient[pair * dim..][..dim]);
                let rows = pairs.rows_of(&(pair..pair + 1));
                let gate = |score: f32| sigmoid(centred(caption, score) * gamma + beta);
                let first = gate(state.scores.whole[pair]);
                let first_dot = dot(&whole[pair * dim..][..dim], own);
                let (mut gates, mut inner) = (first, first * first_dot);
                for row in rows.clone() {
                    let (gate, dot) = (
                        gate(state.scores.words[row]),
                        dot(&words[row * dim..][..dim], own),
                    );
                    gates += gate;
                    inner += gate * dot;
                    // SAFETY: each pair, and with it each row, belongs to one image.
                    unsafe { words_to.at(row).write(dot) };
                }
                let factor = 1.0 / (gates + OUTSIDE);
                let inner = inner * factor;
                let slope = |gate: f32, dot: f32| (dot - inner) * factor * gate * (1.0 - gate);
                // SAFETY: as above.
                unsafe { whole_to.at(pair).write(slope(first, first_dot)) };
                for row in rows {
                    let gate = gate(state.scores.words[row]);
                    // SAFETY: as above; the value was written before.
                    unsafe { words_to.at(row).write(slope(gate, *words_to.at(row))) };
                }
            }
        });
        // Through the normalisation: a caption's mean slope, and its mean slope times its score.
        let mut means = vec![[0.0f64; 2]; pairs.captions()];
        for pair in 0..pairs.len() {
            let caption = pairs.caption(pair);
            let rows = pairs.rows_of(&(pair..pair + 1));
            let own = [(slopes.whole[pair], state.scores.whole[pair])];
            let others = rows.map(|row| (slopes.words[row], state.scores.words[row]));
            for (slope, score) in own.into_iter().chain(others) {
                means[caption][0] += f64::from(slope);
                means[caption][1] += f64::from(slope * centred(caption, score));
            }
        }
        let total = |which: usize| means.iter().map(|mean| mean[which]).sum::<f64>() as f32;
        let (of_beta, of_gamma) = (total(0), total(1));
        for (mean, statistics) in means.iter_mut().zip(state.statistics.iter()) {
            let count = statistics.count.max(1) as f64;
            *mean = if state.fixed {
                [0.0; 2]
            } else {
                mean.map(|sum| sum / count)
            };
        }
        let change = |caption: usize, slope: f32, score: f32| {
            let [mean, product] = means[caption];
            gamma * norms[caption][1] * (slope - mean as f32 - centred(caption, score) * product as f32)
        };
        // The gradients of the rows, and those of weight and bias of each image.
        let (mut of_whole, mut of_words) = (vec![0.0f32; whole.len()], vec![0.0f32; words.len()]);
        let (whole_to, words_to) = (Shared(of_whole.as_mut_ptr()), Shared(of_words.as_mut_ptr()));
        let sums: Vec<(Vec<f32>, f32)> = images(pairs)
            .map(|numbers| {
                let (mut of_weight, mut of_bias) = (vec![0.0f32; dim], 0.0f32);
                for pair in numbers {
                    let (caption, own) = (pairs.caption(pair), &gradient[pair * dim..][..dim]);
                    let rows = pairs.rows_of(&(pair..pair + 1));
                    let gate = |score: f32| sigmoid(centred(caption, score) * gamma + beta);
                    let score_of = &state.scores;
                    let gates = gate(score_of.whole[pair])
                        + score_of.words[rows.clone()]
                            .iter()
                            .map(|&score| gate(score))
                            .sum::<f32>();
                    let factor = 1.0 / (gates + OUTSIDE);
                    let mut put = |to: *mut f32, values: &[f32], slope: f32, score: f32| {
                        let (share, change) = (gate(score) * factor, change(caption, slope, score));
                        // SAFETY: this row belongs to this image alone.
                        let to = unsafe { std::slice::from_raw_parts_mut(to, dim) };
                        both(to, [share, change], [own, weight]);
                        add_scaled(&mut of_weight, change, values);
                        of_bias += change;
                    };
                    let (slope, score) = (slopes.whole[pair], score_of.whole[pair]);
                    put(whole_to.at(pair * dim), &whole[pair * dim..][..dim], slope, score);
                    for row in rows {
                        let (slope, score) = (slopes.words[row], score_of.words[row]);
                        put(words_to.at(row * dim), &words[row * dim..][..dim], slope, score);
                    }
                }
                (of_weight, of_bias)
            })
            .collect();
        let (mut of_weight, mut of_bias) = (vec![0.0f32; dim], 0.0f32);
        for (weight, bias) in &sums {
            add(&mut of_weight, weight);
            of_bias += bias;
        }
        let found = [
            tensor(of_whole, [pairs.len(), dim]),
            tensor(of_words, [pairs.rows(), dim]),
            tensor(of_weight, [dim, 1]),
            tensor(vec![of_bias], [1]),
            tensor(vec![of_gamma], [1]),
            tensor(vec![of_beta], [1]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}
