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
//! # In the place of a pooling
//!
//! Wherever attention or a mean makes one vector of a set, with a mask for sets of different sizes:
//!
//! ```
//! use burn::tensor::{Distribution, Tensor};
//! use tailor::nn::{TEmdeConfig, initialise, unit};
//!
//! let device = tailor::device::cpu();
//! let config = TEmdeConfig::new(64).with_partitions(4).with_bits(3);
//! let layer = initialise(config.init(&device), 7, |info| config.draw(info));
//! // Two sets of five and three tokens, padded to five. Scale 1 presumes tokens of length 1.
//! let tokens = unit(Tensor::<3>::random([2, 5, 64], Distribution::Normal(0.0, 1.0), &device), 2);
//! let mask = Tensor::<2>::from_floats([[1., 1., 1., 1., 1.], [1., 1., 1., 0., 0.]], &device);
//! // The density-dependent step: hyperplanes begin at the median of the first batch.
//! let layer = layer.with_median_offsets(tokens.clone(), mask.clone());
//! let vectors = layer.forward(tokens, mask);
//! assert_eq!(vectors.dims(), [2, config.sketch_len()]);
//!
//! // One layer for both modalities is what the abstract describes: call it for each. Or make one for each:
//! let of_words = initialise(config.init(&device), 8, |info| config.draw(info));
//! let words = unit(Tensor::<3>::random([2, 21, 64], Distribution::Normal(0.0, 1.0), &device), 2);
//! assert_eq!(of_words.forward(words, Tensor::ones([2, 21], &device)).dims(), [2, config.sketch_len()]);
//! ```
//!
//! `with_assignment(Assignment::Softmax)` is for free regions, `with_hard_eval(true)` for one region a token where no gradient is asked
//! for; [`TEmde::codes`] gives those regions' numbers.
//!
//! The original estimator, whose regions do not train, is [`crate::papers::emde`]; its
//! [`Dlsh::layer`](crate::papers::emde::Dlsh::layer) starts this layer from hyperplanes fitted to a whole catalogue.

use super::unit::OUTSIDE;
use super::{Draw, ParamInfo};
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
    /// Normal weights, offsets 0. Weights are drawn lazily by burn: draw anew with [`crate::nn::initialise`] and [`Self::draw`], and
    /// see [`TEmde::with_median_offsets`].
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

    /// How [`crate::nn::initialise`] draws the layer's parameters; of others it says nothing.
    pub fn draw(&self, info: &ParamInfo) -> Option<Draw> {
        match (info.container, info.name) {
            ("TEmde", "weight") => Some(Draw::Normal { std: self.scale }),
            ("TEmde", "offset") => Some(Draw::Constant(0.0)),
            _ => None,
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

    /// T4: the expected number of tokens in each region, `[sets, N, W]`. The mask may hold any weights that are not negative.
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
mod tests;
