//! T-EMDE: a set of vectors as a trainable density estimate (Rychalska, Wieczorek, Dąbrowski, "T-EMDE: Sketching-based global
//! similarity for cross-modal retrieval", arXiv 2105.04242).
//!
//! **A reconstruction.** Of the paper only the abstract and the tables of results could be read, and its code is not public. The
//! properties are the abstract's: trainable end to end, linear in the number of tokens, the same regions for both modalities, in
//! the place of self-attention pooling. The equations T1 to T5, the sizes, the scale and the initialisation are ours, from the
//! published code of the original estimator (EMDE), whose hard codes the layer approaches as its hyperplanes are scaled up.
//!
//! For tokens `x_t` with a mask `m_t`, `N` partitions (the sketch's depth) of `W` regions each (its width):
//!
//! ```text
//! T1  z[t, n, k] = ⟨R[n, k], x_t⟩ − b[n, k]                          K trainable hyperplanes a partition, W = 2^K
//! T2  ℓ[t, n, w] = Σ_k C[w, k] · z[t, n, k]                          C: the binary digits of w, most significant first
//! T3  a[t, n, ·] = softmax_w ℓ[t, n, ·]                              = Π_k σ(z)^C (1 − σ(z))^(1 − C): soft bits that spell w
//! T4  s[n, w]    = Σ_t m_t · a[t, n, w]                              the sketch: how many tokens lie in each region
//! T5  g          = flatten( s[n, ·] / (‖s[n, ·]‖₂ + 1e-8) ) / √N     ‖g‖₂ = 1
//! ```
//!
//! `Assignment::Softmax` replaces T1 and T2 by free logits `ℓ = A x + c`.
//!
//! ```
//! use burn::tensor::{Distribution, Tensor};
//! use tailor::nn::{TEmdeConfig, unit};
//!
//! let device = tailor::device::cpu();
//! let layer = TEmdeConfig::new(64).with_partitions(4).with_bits(3).init(&device);
//! // Two sets of five and three tokens, padded to five.
//! let tokens = unit(Tensor::<3>::random([2, 5, 64], Distribution::Normal(0.0, 1.0), &device), 2);
//! let mask = Tensor::<2>::from_floats([[1., 1., 1., 1., 1.], [1., 1., 1., 0., 0.]], &device);
//! assert_eq!(layer.forward(tokens, mask).dims(), [2, 4 * 8]);
//! ```

use super::unit::OUTSIDE;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// The most bits of a partition: its regions are counted one by one.
const MOST_BITS: usize = 12;

/// How tokens are assigned to regions.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// T1 and T2: `K` hyperplanes a partition, whose soft sides spell the region.
    Hyperplanes,
    /// A logit of its own for every region.
    Softmax,
}

/// Settings of a [`TEmde`]. Sizes are recommendations of this reconstruction, not published values.
#[derive(Config, Debug)]
pub struct TEmdeConfig {
    /// Length of a token.
    pub dim: usize,
    /// N, the partitions.
    #[config(default = 8)]
    pub partitions: usize,
    /// K: a partition has 2^K regions.
    #[config(default = 7)]
    pub bits: usize,
    /// How tokens are assigned to regions.
    #[config(default = "Assignment::Hyperplanes")]
    pub assignment: Assignment,
    /// Standard deviation of the initial hyperplanes. 1 presumes tokens of length 1.
    #[config(default = 1.0)]
    pub scale: f64,
    /// Assign each token to one region where no gradient is asked for.
    #[config(default = false)]
    pub hard_eval: bool,
}

impl TEmdeConfig {
    /// Normal weights, offsets 0. Weights are drawn lazily by burn: draw anew with [`crate::nn::initialise`], and see
    /// [`TEmde::with_median_offsets`].
    pub fn init(&self, device: &Device) -> TEmde {
        assert!(
            (1..=MOST_BITS).contains(&self.bits) && self.partitions > 0,
            "a sketch needs partitions of 2^1 to 2^{MOST_BITS} regions"
        );
        let rows = match self.assignment {
            Assignment::Hyperplanes => self.partitions * self.bits,
            Assignment::Softmax => self.partitions << self.bits,
        };
        let draw = Initializer::Normal {
            mean: 0.0,
            std: self.scale,
        };
        TEmde {
            weight: draw.init([rows, self.dim], device),
            offset: Initializer::Zeros.init([rows], device),
            partitions: self.partitions,
            bits: self.bits,
            assignment: self.assignment,
            hard_eval: self.hard_eval,
        }
    }

    /// Length of a sketch, N · 2^K.
    pub fn sketch_len(&self) -> usize {
        self.partitions << self.bits
    }
}

/// The layer.
#[derive(Module, Debug)]
pub struct TEmde {
    /// R `[partitions · bits, dim]`, or A `[partitions · regions, dim]`.
    pub weight: Param<Tensor<2>>,
    /// b, taken off; or c, added. One for each row of `weight`.
    pub offset: Param<Tensor<1>>,
    #[module(skip)]
    partitions: usize,
    #[module(skip)]
    bits: usize,
    #[module(skip)]
    assignment: Assignment,
    #[module(skip)]
    hard_eval: bool,
}

impl TEmde {
    /// Tokens `[sets, tokens, dim]` and their mask `[sets, tokens]` (1 or 0) → `[sets, N · W]`, each of length 1 (0 for a set
    /// without tokens). Time and memory grow linearly with the number of tokens.
    pub fn forward(&self, tokens: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
        let sketch = self.sketch_of(tokens, mask);
        let [sets, partitions, width] = sketch.dims();
        let norm = ((sketch.clone() * sketch.clone()).sum_dim(2) + super::unit::INSIDE).sqrt() + OUTSIDE;
        let scaled = sketch / norm / (partitions as f64).sqrt();
        scaled.reshape([sets, partitions * width])
    }

    /// T1 to T4 as [`forward`](Self::forward) computes them: how many tokens of each set lie in each region, `[sets, N, W]`.
    pub fn sketch_of(&self, tokens: Tensor<3>, mask: Tensor<2>) -> Tensor<3> {
        let hard = self.hard_eval && !tokens.device().is_autodiff();
        self.sketch(self.memberships(tokens, hard), mask)
    }

    /// T1 to T3: `[sets, tokens, dim]` → `[sets, tokens, N, W]`. `hard`: 1 in the likeliest region, 0 in all others.
    pub fn memberships(&self, tokens: Tensor<3>, hard: bool) -> Tensor<4> {
        let [sets, count, dim] = tokens.dims();
        let width = 1 << self.bits;
        let rows = tokens
            .reshape([sets * count, dim])
            .matmul(self.weight.val().transpose());
        let offset = self.offset.val().unsqueeze::<2>();
        let logits = match self.assignment {
            Assignment::Softmax => (rows + offset).reshape([sets * count * self.partitions, width]),
            Assignment::Hyperplanes => {
                let sides = (rows - offset).reshape([sets * count * self.partitions, self.bits]);
                sides.matmul(self.digits(&self.weight.val().device()))
            }
        };
        let assigned = match hard {
            true => {
                let likeliest = logits.clone().argmax(1);
                likeliest
                    .equal(Tensor::<1, Int>::arange(0..width as i64, &logits.device()).unsqueeze::<2>())
                    .float()
            }
            false => softmax(logits, 1),
        };
        assigned.reshape([sets, count, self.partitions, width])
    }

    /// T4: the expected number of tokens in each region, `[sets, N, W]`.
    pub fn sketch(&self, memberships: Tensor<4>, mask: Tensor<2>) -> Tensor<3> {
        let [sets, count, partitions, width] = memberships.dims();
        let rows = memberships.reshape([sets, count, partitions * width]);
        mask.reshape([sets, 1, count])
            .matmul(rows)
            .reshape([sets, partitions, width])
    }

    /// The region of every token by the hyperplanes' sides alone (bit = 1 iff ⟨R, x⟩ > b), `[sets, tokens, N]`: EMDE's code.
    pub fn codes(&self, tokens: Tensor<3>) -> Tensor<3, Int> {
        let [sets, count, _] = tokens.dims();
        self.memberships(tokens, true)
            .argmax(3)
            .reshape([sets, count, self.partitions])
    }

    /// The layer with each hyperplane moved to the median of the valid tokens, so that both its sides are equally full: the
    /// density-dependent step of EMDE's hashing. Free logits stay as they are.
    pub fn with_median_offsets(self, tokens: Tensor<3>, mask: Tensor<2>) -> Self {
        if self.assignment == Assignment::Softmax {
            return self;
        }
        let [sets, count, dim] = tokens.dims();
        let device = self.weight.val().device();
        let sides = tokens
            .detach()
            .reshape([sets * count, dim])
            .matmul(self.weight.val().detach().transpose());
        let rows = self.partitions * self.bits;
        let sides: Vec<f32> = sides.into_data().iter::<f32>().collect();
        let valid: Vec<f32> = mask.into_data().iter::<f32>().collect();
        let mut medians = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut values: Vec<f32> = valid
                .iter()
                .enumerate()
                .filter(|(_, valid)| **valid > 0.0)
                .map(|(token, _)| sides[token * rows + row])
                .collect();
            medians.push(median(&mut values));
        }
        // A parameter trains iff its value asks for a gradient.
        let trains = self.offset.is_require_grad();
        let medians = Tensor::from_data(TensorData::new(medians, [rows]), &device).set_require_grad(trains);
        Self {
            offset: self.offset.map(|_| medians),
            ..self
        }
    }

    /// N, the partitions.
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// W, the regions of a partition.
    pub fn width(&self) -> usize {
        1 << self.bits
    }

    /// K, the hyperplanes of a partition.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// How tokens are assigned to regions.
    pub fn assignment(&self) -> Assignment {
        self.assignment
    }

    /// Whether each token is assigned to one region where no gradient is asked for.
    pub fn is_hard(&self) -> bool {
        self.hard_eval
    }

    /// Cᵀ, `[bits, regions]`: the binary digits of each region's number, most significant first.
    pub(crate) fn digits(&self, device: &Device) -> Tensor<2> {
        let width = 1usize << self.bits;
        let digits: Vec<f32> = (0..self.bits)
            .flat_map(|bit| (0..width).map(move |w| (bit, w)))
            .map(|(bit, w)| ((w >> (self.bits - 1 - bit)) & 1) as f32)
            .collect();
        Tensor::from_data(TensorData::new(digits, [self.bits, width]), device)
    }
}

/// The middle value, or the mean of the two in the middle; 0 of none.
fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::{initialise, unit};
    use burn::tensor::activation::sigmoid;

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    fn near(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (f, w) in found.iter().zip(wanted) {
            assert!((f - w).abs() < 2e-6, "{found:?}\n{wanted:?}");
        }
    }

    fn layer(config: TEmdeConfig, device: &Device) -> TEmde {
        initialise(config.init(device), 3, |info| {
            Some(match info.name {
                "weight" => super::super::Draw::Normal { std: 1.0 },
                _ => super::super::Draw::Uniform { bound: 0.3 },
            })
        })
    }

    fn tokens(sets: usize, count: usize, dim: usize, device: &Device) -> Tensor<3> {
        let mut stream = crate::random::stream(5, "tokens", &[count as u64]);
        let data: Vec<f32> = (0..sets * count * dim).map(|_| stream.normal() as f32).collect();
        unit(
            Tensor::from_data(TensorData::new(data, [sets, count, dim]), device),
            2,
        )
    }

    #[test]
    fn soft_bits_spell_the_codes_of_the_hand_example() {
        let device = cpu();
        // One partition of two bits; the token's coordinates are z themselves.
        let layer = TEmde {
            weight: Param::from_data([[1.0f32, 0.0], [0.0, 1.0]], &device),
            ..TEmdeConfig::new(2).with_partitions(1).with_bits(2).init(&device)
        };
        let token = Tensor::<3>::from_floats([[[0.4, -1.1]]], &device);
        near(
            &values(layer.memberships(token.clone(), false)),
            &[0.301_089, 0.100_224, 0.449_171, 0.149_516],
        );
        let z = sigmoid(token);
        let (a, b) = (values(z.clone())[0], values(z)[1]);
        near(
            &values(layer.memberships(Tensor::<3>::from_floats([[[0.4, -1.1]]], &device), false)),
            &[(1.0 - a) * (1.0 - b), (1.0 - a) * b, a * (1.0 - b), a * b],
        );
    }

    #[test]
    fn free_logits_of_the_hand_example() {
        let device = cpu();
        let config = TEmdeConfig::new(2)
            .with_partitions(1)
            .with_bits(1)
            .with_assignment(Assignment::Softmax);
        let layer = TEmde {
            weight: Param::from_data([[3f32.ln(), 0.0], [0.0, 0.0]], &device),
            ..config.init(&device)
        };
        let tokens = Tensor::<3>::from_floats([[[1.0, 0.0], [0.0, 1.0]]], &device);
        near(
            &values(layer.memberships(tokens.clone(), false)),
            &[0.75, 0.25, 0.5, 0.5],
        );
        let mask = Tensor::ones([1, 2], &device);
        near(
            &values(layer.sketch(layer.memberships(tokens.clone(), false), mask.clone())),
            &[1.25, 0.75],
        );
        near(&values(layer.forward(tokens, mask)), &[0.857_493, 0.514_496]);
    }

    #[test]
    fn a_sketch_counts_its_tokens_whatever_their_order_and_padding() {
        let device = cpu();
        let layer = layer(TEmdeConfig::new(6).with_partitions(3).with_bits(4), &device);
        let all = tokens(1, 5, 6, &device);
        let ones = |n| Tensor::<2>::ones([1, n], &device);
        let sketch = |tokens: Tensor<3>, mask| layer.sketch(layer.memberships(tokens, false), mask);
        let whole = sketch(all.clone(), ones(5));
        for partition in values(whole.clone()).chunks_exact(16) {
            assert!((partition.iter().sum::<f32>() - 5.0).abs() < 1e-5);
        }
        let turned = Tensor::cat(vec![all.clone().narrow(1, 2, 3), all.clone().narrow(1, 0, 2)], 1);
        near(&values(sketch(turned, ones(5))), &values(whole.clone()));
        // X ∪ Y, Y behind the mask's end, and twice the same.
        let parts =
            sketch(all.clone().narrow(1, 0, 2), ones(2)) + sketch(all.clone().narrow(1, 2, 3), ones(3));
        near(&values(parts), &values(whole));
        let mask = Tensor::<2>::from_floats([[1.0, 1.0, 0.0, 0.0, 0.0]], &device);
        near(
            &values(sketch(all.clone(), mask)),
            &values(sketch(all.clone().narrow(1, 0, 2), ones(2))),
        );
        let once = layer.forward(all.clone(), ones(5));
        let twice = layer.forward(Tensor::cat(vec![all.clone(), all], 1), ones(10));
        near(&values(twice), &values(once.clone()));
        assert!((values(once.clone() * once).iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn scaled_up_hyperplanes_give_the_hard_codes() {
        let device = cpu();
        let soft = layer(TEmdeConfig::new(6).with_partitions(2).with_bits(3), &device);
        let tokens = tokens(2, 4, 6, &device);
        let sharp = TEmde {
            weight: soft.weight.clone().map(|w| w * 1e5),
            offset: soft.offset.clone().map(|b| b * 1e5),
            ..soft.clone()
        };
        let hard = values(soft.memberships(tokens.clone(), true));
        near(&values(sharp.memberships(tokens.clone(), false)), &hard);
        // By hand, from the sides.
        let sides = values(
            tokens
                .clone()
                .reshape([8, 6])
                .matmul(soft.weight.val().transpose())
                - soft.offset.val().unsqueeze::<2>(),
        );
        let codes: Vec<i32> = sides
            .chunks_exact(3)
            .map(|bits| {
                bits.iter()
                    .fold(0, |code, &side| code * 2 + i32::from(side > 0.0))
            })
            .collect();
        let found: Vec<i32> = soft.codes(tokens).into_data().iter::<i32>().collect();
        assert_eq!(found, codes);
    }

    #[test]
    fn offsets_at_the_median_halve_the_tokens() {
        let device = cpu().autodiff();
        let layer = layer(TEmdeConfig::new(4).with_partitions(2).with_bits(2), &device);
        let tokens = tokens(2, 9, 4, &device);
        let mut mask = vec![1.0f32; 18];
        mask[17] = 0.0;
        let mask = Tensor::<2>::from_data(TensorData::new(mask, [2, 9]), &device);
        let layer = layer.with_median_offsets(tokens.clone(), mask);
        assert!(layer.offset.is_require_grad());
        let sides = values(
            tokens.reshape([18, 4]).matmul(layer.weight.val().transpose())
                - layer.offset.val().unsqueeze::<2>(),
        );
        for row in 0..4 {
            let above = (0..17).filter(|token| sides[token * 4 + row] > 0.0).count();
            assert_eq!(above, 8, "{row}");
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let device = cpu().autodiff();
        for assignment in [Assignment::Hyperplanes, Assignment::Softmax] {
            let config = TEmdeConfig::new(3)
                .with_partitions(2)
                .with_bits(2)
                .with_assignment(assignment);
            let layer = layer(config, &device);
            let tokens = tokens(2, 3, 3, &device);
            let mask = Tensor::<2>::from_floats([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]], &device);
            let loss = |layer: &TEmde| {
                let g = layer.forward(tokens.clone(), mask.clone());
                let factors = Tensor::<1>::from_floats([1.0, -2.0, 3.0, 0.5, -1.0, 2.5, 0.7, -0.3], &device);
                (g * factors.unsqueeze::<2>()).sum()
            };
            let grads = loss(&layer).backward();
            let check = |gradient: Vec<f32>, shift: &dyn Fn(usize, f32) -> TEmde| {
                for (i, found) in gradient.into_iter().enumerate() {
                    let at = |step: f32| values(loss(&shift(i, step)))[0];
                    let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                    assert!(
                        (slope - found).abs() < 2e-3,
                        "{assignment:?} {i}: {slope} {found}"
                    );
                }
            };
            check(values(layer.weight.grad(&grads).unwrap()), &|i, step| TEmde {
                weight: layer.weight.clone().map(|w| {
                    let shape = w.dims();
                    let mut v = values(w);
                    v[i] += step;
                    Tensor::from_data(TensorData::new(v, shape), &device)
                }),
                ..layer.clone()
            });
            check(values(layer.offset.grad(&grads).unwrap()), &|i, step| TEmde {
                offset: layer.offset.clone().map(|b| {
                    let shape = b.dims();
                    let mut v = values(b);
                    v[i] += step;
                    Tensor::from_data(TensorData::new(v, shape), &device)
                }),
                ..layer.clone()
            });
        }
    }
}
