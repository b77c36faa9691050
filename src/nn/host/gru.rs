//! One direction of a gated recurrent unit over sequences of any lengths, as one operation with a gradient of its own.
//!
//! As operations of their own, the steps each cut a piece out of the projected input, whose gradient is a whole tensor of zeros with
//! that piece in it. Here the tokens of all sequences lie step by step, the longest sequence first, so that a step's rows are a
//! prefix of those of the step before, and no row is computed for padding; input products and all products of the weights'
//! gradients are one each.

use super::act::{exp, sigmoid};
use super::panels::Factor;
use super::product::{Matrix, wide_product};
use super::wide::wide;
use super::{Gradients, Place, dense, enter, place, plain, tensor, tracked, values};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Where the tokens of padded sequences lie, step by step.
#[derive(Clone, Debug)]
struct Steps {
    /// The first row of each step, and of all.
    firsts: Vec<usize>,
    /// Place in the padded batch of each row.
    places: Vec<usize>,
    batch: usize,
    padded: usize,
}

impl Steps {
    fn new(lengths: &[usize], padded: usize, backward: bool) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
        let (mut firsts, mut places) = (vec![0], Vec::new());
        for step in 0..order.first().map_or(0, |&row| lengths[row]) {
            let rows = order.iter().take_while(|&&row| lengths[row] > step);
            places.extend(rows.map(|&row| {
                let token = if backward { lengths[row] - 1 - step } else { step };
                row * padded + token
            }));
            firsts.push(places.len());
        }
        Self {
            firsts,
            places,
            batch: lengths.len(),
            padded,
        }
    }

    fn rows(&self) -> usize {
        self.places.len()
    }

    fn steps(&self) -> impl DoubleEndedIterator<Item = (usize, Range<usize>)> + use<'_> {
        self.firsts.windows(2).map(|pair| pair[0]..pair[1]).enumerate()
    }

    /// The rows of the step before that go on in this one.
    fn before(&self, step: usize) -> Range<usize> {
        let first = self.firsts[step - 1];
        first..first + self.firsts[step + 1] - self.firsts[step]
    }

    fn gather(&self, padded: &[f32], width: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(self.rows() * width);
        self.places
            .iter()
            .for_each(|place| rows.extend_from_slice(&padded[place * width..][..width]));
        rows
    }

    fn scatter(&self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut padded = vec![0.0f32; self.batch * self.padded * width];
        for (row, place) in rows.chunks_exact(width).zip(&self.places) {
            padded[place * width..][..width].copy_from_slice(row);
        }
        padded
    }
}

/// The states of sequences `[batch, padded, input]` of those lengths (at least 1), zero behind their ends, `[batch, padded, hidden]`:
/// torch's equations, started at the last token if `backward`. Weights `[3 · hidden, input]`, `[3 · hidden, hidden]`, biases
/// `[3 · hidden]` twice; rows in the order r, z, n. `None` where this is not for the host.
pub fn gru(
    x: &Tensor<3>,
    weights: [&Tensor<2>; 2],
    biases: [&Tensor<1>; 2],
    lengths: &[usize],
    backward: bool,
) -> Option<Tensor<3>> {
    let [batch, padded, input] = x.dims();
    let [gates, hidden] = weights[1].dims();
    let fits = gates == 3 * hidden
        && weights[0].dims() == [gates, input]
        && biases.iter().all(|bias| bias.dims() == [gates])
        && lengths.len() == batch
        && lengths.iter().all(|length| (1..=padded).contains(length))
        && [batch, input, hidden].iter().all(|&n| n > 0);
    if !fits {
        return None;
    }
    let steps = Steps::new(lengths, padded, backward);
    let run = |inputs: [FlexTensor; 5]| {
        let inputs = inputs.map(dense);
        let [x, in_weight, weight, in_bias, bias] = inputs.each_ref().map(values);
        let size = Size { input, hidden };
        let x = steps.gather(x, input);
        let (states, gates, inner) = forward(&steps, size, &x, [in_weight, weight], [in_bias, bias]);
        let output = tensor(steps.scatter(&states, hidden), [batch, padded, hidden]);
        let [_, in_weight, weight, _, _] = inputs;
        let state = State {
            steps: steps.clone(),
            size,
            weights: [in_weight, weight],
            saved: Arc::new(Saved {
                x,
                states,
                gates,
                inner,
            }),
        };
        (output, state)
    };
    let places = (
        place(x)?,
        place(weights[0])?,
        place(weights[1])?,
        place(biases[0])?,
        place(biases[1])?,
    );
    match places {
        (Place::Plain(a), Place::Plain(b), Place::Plain(c), Place::Plain(d), Place::Plain(e)) => {
            Some(plain(run([a, b, c, d, e]).0))
        }
        (Place::Tracked(a), Place::Tracked(b), Place::Tracked(c), Place::Tracked(d), Place::Tracked(e)) => {
            let [a, b, c, d, e] = [a, b, c, d, e].map(|x| x.into_parts());
            let (output, state) = run([a.0, b.0, c.0, d.0, e.0]);
            Some(tracked(enter(Gru, [a.1, b.1, c.1, d.1, e.1], state, output)))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
struct Size {
    input: usize,
    hidden: usize,
}

#[derive(Debug)]
struct Gru;

#[derive(Clone, Debug)]
struct State {
    steps: Steps,
    size: Size,
    weights: [FlexTensor; 2],
    saved: Arc<Saved>,
}

/// What the backward pass reads, row by row: tokens, states, `r`, `z` and `n` together, `W_hn h + b_hn`.
#[derive(Debug)]
struct Saved {
    x: Vec<f32>,
    states: Vec<f32>,
    gates: Vec<f32>,
    inner: Vec<f32>,
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

fn forward(
    steps: &Steps,
    Size { input, hidden }: Size,
    x: &[f32],
    [in_weight, weight]: [&[f32]; 2],
    [in_bias, bias]: [&[f32]; 2],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (rows, width) = (steps.rows(), 3 * hidden);
    let mut gates = vec![0.0f32; rows * width];
    // SAFETY: the target is as long as its shape.
    unsafe {
        let [left, right] = [Matrix::new(x, input), Matrix::new(in_weight, input).transposed()];
        wide_product(
            [rows, width, input],
            left,
            right,
            gates.as_mut_ptr(),
            width,
            false,
        );
    }
    let (mut states, mut inner) = (vec![0.0f32; rows * hidden], vec![0.0f32; rows * hidden]);
    let recurrent_weight = Factor::new([hidden, width], Matrix::new(weight, hidden).transposed());
    // Of the zero state in step 0, whose rows all are.
    let mut recurrent = vec![0.0f32; steps.firsts.get(1).map_or(0, |rows| rows * width)];
    let zeros = vec![0.0f32; steps.batch * hidden];
    for (step, range) in steps.steps() {
        let (done, now) = states.split_at_mut(range.start * hidden);
        let before = match step {
            0 => &zeros,
            _ => &done[steps.before(step).start * hidden..],
        };
        if step > 0 {
            let before = Matrix::new(before, hidden);
            // SAFETY: the target is as long as the first step, which is the longest.
            unsafe {
                recurrent_weight.wide_product(range.len(), before, recurrent.as_mut_ptr(), width, false)
            }
        }
        let rows = gates[range.start * width..range.end * width].par_chunks_exact_mut(width);
        let rows = rows.zip(recurrent.par_chunks_exact(width));
        let rows = rows.zip(inner[range.start * hidden..].par_chunks_exact_mut(hidden));
        let rows = rows.zip(now.par_chunks_exact_mut(hidden));
        let rows = rows.zip(before.par_chunks_exact(hidden));
        rows.for_each(|((((gates, recurrent), inner), state), before)| {
            wide(
                #[inline(always)]
                || cell(gates, recurrent, [in_bias, bias], before, [inner, state]),
            )
        });
    }
    (states, gates, inner)
}

/// The three parts of a row of gates, or of what is as long.
#[inline(always)]
fn thirds(row: &[f32], hidden: usize) -> [&[f32]; 3] {
    [0, 1, 2].map(|gate| &row[gate * hidden..][..hidden])
}

#[inline(always)]
fn thirds_mut(row: &mut [f32], hidden: usize) -> [&mut [f32]; 3] {
    let (a, rest) = row.split_at_mut(hidden);
    let (b, c) = rest.split_at_mut(hidden);
    [a, b, &mut c[..hidden]]
}

/// One row of a step: from `W_i x` in `gates` the gates, in place; `W_hn h + b_hn`; the state.
#[inline(always)]
fn cell(
    gates: &mut [f32],
    recurrent: &[f32],
    biases: [&[f32]; 2],
    before: &[f32],
    [inner, state]: [&mut [f32]; 2],
) {
    let hidden = state.len();
    let [r, z, n] = thirds_mut(gates, hidden);
    let [from_r, from_z, from_n] = thirds(recurrent, hidden);
    let [[in_r, in_z, in_n], [own_r, own_z, own_n]] = biases.map(|bias| thirds(bias, hidden));
    let (before, inner) = (&before[..hidden], &mut inner[..hidden]);
    for i in 0..hidden {
        inner[i] = own_n[i] + from_n[i];
        r[i] = sigmoid(r[i] + in_r[i] + (own_r[i] + from_r[i]));
        z[i] = sigmoid(z[i] + in_z[i] + (own_z[i] + from_z[i]));
        n[i] = tanh(n[i] + in_n[i] + r[i] * inner[i]);
        state[i] = n[i] + z[i] * (before[i] - n[i]);
    }
}

/// The way back through [`cell`]: from the gradient of the state, what the gates hear from input and state, which differ where r comes
/// in. `carried` comes with what later steps say of the state, and leaves with what goes straight to the one before.
#[inline(always)]
fn cell_back(
    gates: &[f32],
    [inner, before, gradient]: [&[f32]; 3],
    carried: &mut [f32],
    [from_input, from_state]: [&mut [f32]; 2],
) {
    let hidden = carried.len();
    let [r, z, n] = thirds(gates, hidden);
    let [inner, before, gradient] = [inner, before, gradient].map(|row| &row[..hidden]);
    let ([in_r, in_z, in_n], [own_r, own_z, own_n]) =
        (thirds_mut(from_input, hidden), thirds_mut(from_state, hidden));
    for i in 0..hidden {
        let of_state = gradient[i] + carried[i];
        let new = of_state * (1.0 - z[i]) * (1.0 - n[i] * n[i]);
        let reset = new * inner[i] * r[i] * (1.0 - r[i]);
        let update = of_state * (before[i] - n[i]) * z[i] * (1.0 - z[i]);
        carried[i] = of_state * z[i];
        (in_r[i], own_r[i]) = (reset, reset);
        (in_z[i], own_z[i]) = (update, update);
        (in_n[i], own_n[i]) = (new, new * r[i]);
    }
}

impl Backward<Flex, 5> for Gru {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let State {
            steps,
            size,
            weights,
            saved,
        } = &ops.state;
        let Size { input, hidden } = *size;
        let (rows, width) = (steps.rows(), 3 * hidden);
        let gradient = steps.gather(values(&gradient), hidden);
        let [in_weight, weight] = weights.each_ref().map(values);
        // The gradients of what the gates hear from the input and from the state; they differ where r comes in.
        let (mut from_input, mut from_state) = (vec![0.0f32; rows * width], vec![0.0f32; rows * width]);
        let mut carried = vec![0.0f32; steps.batch * hidden];
        let turned = Factor::new([width, hidden], Matrix::new(weight, hidden));
        let zeros = vec![0.0f32; steps.batch * hidden];
        for (step, range) in steps.steps().rev() {
            let first = range.start;
            let before = match step {
                0 => &zeros,
                _ => &saved.states[steps.before(step).start * hidden..],
            };
            let work = from_input[first * width..range.end * width].par_chunks_exact_mut(width);
            let work = work.zip(from_state[first * width..].par_chunks_exact_mut(width));
            let work = work.zip(carried.par_chunks_exact_mut(hidden)).enumerate();
            work.for_each(|(row, ((from_input, from_state), carried))| {
                let (gates, own) = ((first + row) * width, (first + row) * hidden);
                let rows = [&saved.inner[own..], &before[row * hidden..], &gradient[own..]];
                wide(
                    #[inline(always)]
                    || cell_back(&saved.gates[gates..], rows, carried, [from_input, from_state]),
                )
            });
            if step > 0 {
                let changes = Matrix::new(&from_state[first * width..], width);
                // SAFETY: the target has a row for every sequence.
                unsafe { turned.wide_product(range.len(), changes, carried.as_mut_ptr(), hidden, true) }
            }
        }
        let mut befores = Vec::with_capacity((rows - steps.firsts[1]) * hidden);
        for step in 1..steps.firsts.len() - 1 {
            let range = steps.before(step);
            befores.extend_from_slice(&saved.states[range.start * hidden..range.end * hidden]);
        }
        let mut of_x = vec![0.0f32; rows * input];
        let (mut of_in_weight, mut of_weight) = (vec![0.0f32; width * input], vec![0.0f32; width * hidden]);
        // SAFETY: all targets are as long as their shapes.
        unsafe {
            let changes = Matrix::new(&from_input, width);
            wide_product(
                [rows, input, width],
                changes,
                Matrix::new(in_weight, input),
                of_x.as_mut_ptr(),
                input,
                false,
            );
            let x = Matrix::new(&saved.x, input);
            wide_product(
                [width, input, rows],
                changes.transposed(),
                x,
                of_in_weight.as_mut_ptr(),
                input,
                false,
            );
            if !befores.is_empty() {
                let changes = Matrix::new(&from_state[steps.firsts[1] * width..], width).transposed();
                let count = rows - steps.firsts[1];
                let befores = Matrix::new(&befores, hidden);
                wide_product(
                    [width, hidden, count],
                    changes,
                    befores,
                    of_weight.as_mut_ptr(),
                    hidden,
                    false,
                );
            }
        }
        let sum = |rows: &[f32]| {
            const SOME: usize = 256;
            let mut sum = vec![0.0f32; width];
            sum.par_chunks_mut(SOME).enumerate().for_each(|(index, sum)| {
                for row in rows.chunks_exact(width) {
                    let row = &row[index * SOME..];
                    wide(
                        #[inline(always)]
                        || sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v),
                    );
                }
            });
            sum
        };
        let found = [
            tensor(steps.scatter(&of_x, input), [steps.batch, steps.padded, input]),
            tensor(of_in_weight, [width, input]),
            tensor(of_weight, [width, hidden]),
            tensor(sum(&from_input), [width]),
            tensor(sum(&from_state), [width]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}
