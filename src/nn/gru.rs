//! A bidirectional gated recurrent unit under torch's names, which knows how long each sequence is.

use super::host;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Sequences of a padded batch, each from its beginning.
#[derive(Clone, Debug)]
pub struct Lengths {
    lengths: Vec<usize>,
    padded: usize,
}

impl Lengths {
    /// Lengths of 1 to `padded` each.
    pub fn new(lengths: Vec<usize>, padded: usize) -> Self {
        assert!(
            lengths.iter().all(|&length| (1..=padded).contains(&length)),
            "every sequence has 1 to {padded} tokens: {lengths:?}"
        );
        Self { lengths, padded }
    }

    /// The lengths.
    pub fn each(&self) -> &[usize] {
        &self.lengths
    }

    /// The padded length.
    pub fn padded(&self) -> usize {
        self.padded
    }

    /// 1 where there is a token, `[batch, padded]`.
    pub fn mask(&self, device: &Device) -> Tensor<2> {
        let mask: Vec<f32> = self
            .lengths
            .iter()
            .flat_map(|&length| (0..self.padded).map(move |t| if t < length { 1.0 } else { 0.0 }))
            .collect();
        Tensor::from_data(TensorData::new(mask, [self.lengths.len(), self.padded]), device)
    }

    /// For each place the place that it changes with when every sequence is turned around inside of its own length.
    fn turned(&self) -> Vec<i32> {
        let turned = |length: usize, t: usize| if t < length { length - 1 - t } else { t };
        self.lengths
            .iter()
            .flat_map(|&length| (0..self.padded).map(move |t| turned(length, t) as i32))
            .collect()
    }

    /// `[batch, padded, size]` with every sequence turned around inside of its own length.
    pub fn turn(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, padded, size] = x.dims();
        let index = TensorData::new(self.turned(), [batch, padded, 1]);
        let index = Tensor::<3, Int>::from_data(index, &x.device());
        x.gather(1, index.expand([batch, padded, size]))
    }

    /// How many leading rows of the batch still have a token at `t`: all behind them have ended.
    fn rows_at(&self, t: usize) -> usize {
        self.lengths
            .iter()
            .rposition(|&length| length > t)
            .map_or(0, |last| last + 1)
    }
}

/// Settings of a [`BiGru`].
#[derive(Config, Debug)]
pub struct BiGruConfig {
    /// Length of a token.
    pub input: usize,
    /// Length of a state, of each direction.
    pub hidden: usize,
}

impl BiGruConfig {
    /// Weights and biases uniform in ±1/√hidden, as torch draws them, lazily by burn: draw anew with [`crate::nn::initialise`].
    pub fn init(&self, device: &Device) -> BiGru {
        let bound = 1.0 / (self.hidden as f64).sqrt();
        let draw = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        let rows = 3 * self.hidden;
        let input = || draw.init([rows, self.input], device);
        let hidden = || draw.init([rows, self.hidden], device);
        let bias = || draw.init([rows], device);
        BiGru {
            weight_ih_l0: input(),
            weight_hh_l0: hidden(),
            bias_ih_l0: bias(),
            bias_hh_l0: bias(),
            weight_ih_l0_reverse: input(),
            weight_hh_l0_reverse: hidden(),
            bias_ih_l0_reverse: bias(),
            bias_hh_l0_reverse: bias(),
        }
    }
}

/// One layer in both directions; the backward one starts at each sequence's last token, as torch's on packed sequences.
///
/// `r = σ(W_ir x + b_ir + W_hr h + b_hr)`, `z` likewise, `n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))`,
/// `h' = (1 − z) ⊙ n + z ⊙ h`; rows of the weights in the order r, z, n. The input's product is one for all steps.
#[derive(Module, Debug)]
pub struct BiGru {
    /// `[3 · hidden, input]`.
    pub weight_ih_l0: Param<Tensor<2>>,
    /// `[3 · hidden, hidden]`.
    pub weight_hh_l0: Param<Tensor<2>>,
    /// `[3 · hidden]`.
    pub bias_ih_l0: Param<Tensor<1>>,
    /// `[3 · hidden]`.
    pub bias_hh_l0: Param<Tensor<1>>,
    /// The backward direction's.
    pub weight_ih_l0_reverse: Param<Tensor<2>>,
    /// The backward direction's.
    pub weight_hh_l0_reverse: Param<Tensor<2>>,
    /// The backward direction's.
    pub bias_ih_l0_reverse: Param<Tensor<1>>,
    /// The backward direction's.
    pub bias_hh_l0_reverse: Param<Tensor<1>>,
}

impl BiGru {
    /// `[batch, tokens, input]` → forward and backward states, `[batch, tokens, hidden]` each. What stands behind a sequence's end
    /// is no state: mask it.
    ///
    /// On the CPU no step is taken for padding. Elsewhere rows are left out of the steps that follow once they and all behind them
    /// have ended: sort a batch by length, the longest first.
    pub fn forward(&self, x: Tensor<3>, lengths: &Lengths) -> [Tensor<3>; 2] {
        let [forward, backward] = self.directions();
        if let (Some(forward), Some(backward)) = (
            forward.on_host(&x, lengths, false),
            backward.on_host(&x, lengths, true),
        ) {
            return [forward, backward];
        }
        self.by_steps(x, lengths)
    }

    fn directions(&self) -> [Direction; 2] {
        let forward = Direction {
            input: self.weight_ih_l0.val(),
            hidden: self.weight_hh_l0.val(),
            input_bias: self.bias_ih_l0.val(),
            hidden_bias: self.bias_hh_l0.val(),
        };
        let backward = Direction {
            input: self.weight_ih_l0_reverse.val(),
            hidden: self.weight_hh_l0_reverse.val(),
            input_bias: self.bias_ih_l0_reverse.val(),
            hidden_bias: self.bias_hh_l0_reverse.val(),
        };
        [forward, backward]
    }

    /// Both directions by burn's operations, on any device.
    fn by_steps(&self, x: Tensor<3>, lengths: &Lengths) -> [Tensor<3>; 2] {
        let [forward, backward] = self.directions();
        let turned = lengths.turn(x.clone());
        [
            forward.run(x, lengths),
            lengths.turn(backward.run(turned, lengths)),
        ]
    }
}

struct Direction {
    input: Tensor<2>,
    hidden: Tensor<2>,
    input_bias: Tensor<1>,
    hidden_bias: Tensor<1>,
}

impl Direction {
    /// One operation on the CPU, `None` elsewhere.
    fn on_host(&self, x: &Tensor<3>, lengths: &Lengths, backward: bool) -> Option<Tensor<3>> {
        let biases = [&self.input_bias, &self.hidden_bias];
        host::gru::gru(x, [&self.input, &self.hidden], biases, lengths.each(), backward)
    }

    fn run(self, x: Tensor<3>, lengths: &Lengths) -> Tensor<3> {
        let [batch, steps, input] = x.dims();
        let device = x.device();
        let [_, hidden] = self.hidden.dims();
        let projected = x
            .swap_dims(0, 1)
            .reshape([steps * batch, input])
            .matmul(self.input.transpose())
            + self.input_bias.unsqueeze::<2>();
        let projected = projected.reshape([steps, batch, 3 * hidden]);
        let recurrent = self.hidden.transpose();
        let bias = self.hidden_bias.unsqueeze::<2>();
        let mut state: Option<Tensor<2>> = None;
        let mut states = Vec::with_capacity(steps);
        for step in 0..steps {
            let rows = lengths.rows_at(step);
            if rows == 0 {
                states.push(Tensor::zeros([1, batch, hidden], &device));
                continue;
            }
            let from_input = projected
                .clone()
                .slice([step..step + 1, 0..rows])
                .reshape([rows, 3 * hidden]);
            let next = match state.take() {
                None => {
                    let from_state = bias.clone().expand([rows, 3 * hidden]);
                    cell(from_input, from_state, None)
                }
                Some(before) => {
                    let before = match before.dims()[0] == rows {
                        true => before,
                        false => before.narrow(0, 0, rows),
                    };
                    let from_state = before.clone().matmul(recurrent.clone()) + bias.clone();
                    cell(from_input, from_state, Some(before))
                }
            };
            let padded = match rows == batch {
                true => next.clone(),
                false => {
                    let rest = Tensor::zeros([batch - rows, hidden], &device);
                    Tensor::cat(vec![next.clone(), rest], 0)
                }
            };
            states.push(padded.unsqueeze::<3>());
            state = Some(next);
        }
        Tensor::cat(states, 0).swap_dims(0, 1)
    }
}

/// One step from what input and state give, `[rows, 3 · hidden]` each; no state before is the zero state.
fn cell(from_input: Tensor<2>, from_state: Tensor<2>, before: Option<Tensor<2>>) -> Tensor<2> {
    let [_, width] = from_input.dims();
    let hidden = width / 3;
    let gates =
        sigmoid(from_input.clone().narrow(1, 0, 2 * hidden) + from_state.clone().narrow(1, 0, 2 * hidden));
    let reset = gates.clone().narrow(1, 0, hidden);
    let update = gates.narrow(1, hidden, hidden);
    let new =
        tanh(from_input.narrow(1, 2 * hidden, hidden) + reset * from_state.narrow(1, 2 * hidden, hidden));
    match before {
        Some(before) => new.clone() + update * (before - new),
        None => new.clone() - update * new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::{Draw, initialise};

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    fn layer(input: usize, hidden: usize) -> BiGru {
        let layer = BiGruConfig::new(input, hidden).init(&cpu());
        initialise(layer, 1, |_| Some(Draw::Uniform { bound: 0.8 }))
    }

    /// Torch's equations on plain numbers, one sequence in one direction.
    fn plain(weights: [Vec<f32>; 4], input: usize, hidden: usize, tokens: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let [w_ih, w_hh, b_ih, b_hh] = weights;
        let mut state = vec![0.0f32; hidden];
        let mut all = Vec::new();
        for token in tokens {
            let row = |w: &[f32], x: &[f32], width: usize, r: usize| -> f32 {
                (0..width).map(|i| w[r * width + i] * x[i]).sum()
            };
            let sigma = |v: f32| 1.0 / (1.0 + (-v).exp());
            let next: Vec<f32> = (0..hidden)
                .map(|i| {
                    let x =
                        |gate: usize| row(&w_ih, token, input, gate * hidden + i) + b_ih[gate * hidden + i];
                    let h =
                        |gate: usize| row(&w_hh, &state, hidden, gate * hidden + i) + b_hh[gate * hidden + i];
                    let (r, z) = (sigma(x(0) + h(0)), sigma(x(1) + h(1)));
                    let n = (x(2) + r * h(2)).tanh();
                    (1.0 - z) * n + z * state[i]
                })
                .collect();
            state = next;
            all.push(state.clone());
        }
        all
    }

    #[test]
    fn both_directions_are_torchs_on_sequences_of_any_length_and_order() {
        let (input, hidden) = (3, 2);
        let gru = layer(input, hidden);
        let lengths = [2usize, 4, 1];
        let mut stream = crate::random::stream(2, "sequences", &[]);
        let data: Vec<f32> = (0..3 * 4 * input).map(|_| stream.normal() as f32).collect();
        let x = Tensor::<3>::from_data(TensorData::new(data.clone(), [3, 4, input]), &cpu());
        let [forward, backward] = gru.forward(x, &Lengths::new(lengths.to_vec(), 4));
        let (forward, backward) = (values(forward), values(backward));
        let weights = [
            values(gru.weight_ih_l0.val()),
            values(gru.weight_hh_l0.val()),
            values(gru.bias_ih_l0.val()),
            values(gru.bias_hh_l0.val()),
        ];
        let reverse = [
            values(gru.weight_ih_l0_reverse.val()),
            values(gru.weight_hh_l0_reverse.val()),
            values(gru.bias_ih_l0_reverse.val()),
            values(gru.bias_hh_l0_reverse.val()),
        ];
        for (b, &length) in lengths.iter().enumerate() {
            let token = |t: usize| data[(b * 4 + t) * input..][..input].to_vec();
            let tokens: Vec<_> = (0..length).map(token).collect();
            let turned: Vec<_> = tokens.iter().rev().cloned().collect();
            let ahead = plain(weights.clone(), input, hidden, &tokens);
            let back = plain(reverse.clone(), input, hidden, &turned);
            for t in 0..length {
                for i in 0..hidden {
                    let at = (b * 4 + t) * hidden + i;
                    assert!((forward[at] - ahead[t][i]).abs() < 1e-5, "forward {b} {t}");
                    assert!(
                        (backward[at] - back[length - 1 - t][i]).abs() < 1e-5,
                        "backward {b} {t}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_cpus_operation_is_burns_with_its_gradients() {
        let device = cpu().autodiff();
        let gru = initialise(BiGruConfig::new(5, 4).init(&device), 1, |_| {
            Some(Draw::Uniform { bound: 0.8 })
        });
        // Not in the order of their lengths; one has a single token.
        let lengths = Lengths::new(vec![3, 6, 1, 6, 2], 7);
        let x = crate::nn::init::tests::noise([5, 7, 5], 1).into_data();
        let factors = crate::nn::init::tests::noise([5, 7, 4], 2).into_data();
        let run = |host: bool| {
            let x = Tensor::<3>::from_data(x.clone(), &device).require_grad();
            let [forward, backward] = match host {
                true => gru.forward(x.clone(), &lengths),
                false => gru.by_steps(x.clone(), &lengths),
            };
            let mask = lengths.mask(&device).unsqueeze_dim::<3>(2);
            let factors = Tensor::<3>::from_data(factors.clone(), &device);
            let states = (forward + backward * 0.5) * mask;
            let grads = (states.clone() * factors).sum().backward();
            let mut found = vec![values(states.inner()), values(x.grad(&grads).unwrap())];
            for weight in [
                &gru.weight_ih_l0,
                &gru.weight_hh_l0,
                &gru.weight_ih_l0_reverse,
                &gru.weight_hh_l0_reverse,
            ] {
                found.push(values(weight.grad(&grads).unwrap()));
            }
            for bias in [
                &gru.bias_ih_l0,
                &gru.bias_hh_l0,
                &gru.bias_ih_l0_reverse,
                &gru.bias_hh_l0_reverse,
            ] {
                found.push(values(bias.grad(&grads).unwrap()));
            }
            found
        };
        for (at, (found, exact)) in run(true).iter().zip(run(false)).enumerate() {
            assert_eq!(found.len(), exact.len());
            for (f, e) in found.iter().zip(exact) {
                assert!((f - e).abs() < 1e-5 * e.abs().max(1.0), "{at}: {f} {e}");
            }
        }
    }

    #[test]
    fn padding_changes_nothing() {
        let gru = layer(3, 2);
        let mut stream = crate::random::stream(3, "sequences", &[]);
        let data: Vec<f32> = (0..9).map(|_| stream.normal() as f32).collect();
        let short = Tensor::<3>::from_data(TensorData::new(data.clone(), [1, 3, 3]), &cpu());
        let mut longer = data;
        longer.extend([9.0; 6]);
        let long = Tensor::<3>::from_data(TensorData::new(longer, [1, 5, 3]), &cpu());
        let one = gru.forward(short, &Lengths::new(vec![3], 3));
        let other = gru.forward(long, &Lengths::new(vec![3], 5));
        for (one, other) in one.into_iter().zip(other) {
            assert_eq!(values(one), values(other.narrow(1, 0, 3)));
        }
    }
}
