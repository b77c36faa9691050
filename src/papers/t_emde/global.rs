//! One vector for a whole image or caption: the host's gated self-attention, the plain mean, or T-EMDE in their place.

use super::encoders;
use crate::nn::host::{self, gate};
use crate::nn::{BatchNorm, BatchNormConfig, Draw, Lengths, ParamInfo, TEmde, TEmdeConfig, unit};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::{softmax, tanh};
use burn::tensor::{Device, Distribution, Tensor};

/// Which global vector is used.
#[derive(Config, Debug)]
pub enum GlobalKind {
    /// The host's single-query gated attention.
    SelfAttention {
        /// Regions of every image: a batch norm of the host has one channel for each.
        regions: usize,
        /// Dropout of both gates.
        dropout: f64,
    },
    /// The mean of the tokens.
    Mean,
    /// The trainable density estimator.
    TEmde {
        /// The layer.
        layer: TEmdeConfig,
        /// One layer for both modalities, as the abstract describes; otherwise one for each.
        share: bool,
    },
}

impl GlobalKind {
    /// The modules.
    pub fn init(&self, dim: usize, device: &Device) -> Global {
        let mut global = Global {
            v_global_w: None,
            t_global_w: None,
            sketch: None,
            text_sketch: None,
        };
        match self {
            Self::SelfAttention { regions, dropout } => {
                let linear = || LinearConfig::new(dim, dim).init(device);
                let score = || LinearConfig::new(dim, 1).init(device);
                let dropout = DropoutConfig::new(*dropout).init();
                global.v_global_w = Some(VisualAttention {
                    embedding_local: (linear(), BatchNormConfig::new(*regions).init(device)),
                    embedding_global: (linear(), BatchNormConfig::new(dim).init(device)),
                    embedding_common: [score()],
                    dropout: dropout.clone(),
                });
                global.t_global_w = Some(TextAttention {
                    embedding_local: [linear()],
                    embedding_global: [linear()],
                    embedding_common: [score()],
                    dropout,
                });
            }
            Self::Mean => {}
            Self::TEmde { layer, share } => {
                global.sketch = Some(layer.init(device));
                global.text_sketch = (!share).then(|| layer.init(device));
            }
        }
        global
    }

    /// [`encoders::draw`], and T-EMDE as its layer asks for.
    pub fn draw(&self, info: &ParamInfo) -> Option<Draw> {
        let own = match self {
            Self::TEmde { layer, .. } => layer.draw(info),
            _ => None,
        };
        own.or_else(|| encoders::draw(info))
    }

    /// Length of the vector.
    pub fn len(&self, dim: usize) -> usize {
        match self {
            Self::TEmde { layer, .. } => layer.sketch_len(),
            _ => dim,
        }
    }
}

/// The modules of one kind; the others are absent.
#[derive(Module, Debug)]
pub struct Global {
    /// The host's, of images.
    pub v_global_w: Option<VisualAttention>,
    /// The host's, of captions.
    pub t_global_w: Option<TextAttention>,
    /// T-EMDE, of both or of images.
    pub sketch: Option<TEmde>,
    /// T-EMDE of captions, where it is not shared.
    pub text_sketch: Option<TEmde>,
}

impl Global {
    /// `[images, regions, dim]` → `[images, len]`, of length 1.
    pub fn images(&self, regions: Tensor<3>) -> Tensor<2> {
        let [images, count, _] = regions.dims();
        let ones = || Tensor::ones([images, count], &regions.device());
        match (&self.v_global_w, &self.sketch) {
            (Some(attention), _) => attention.forward(regions),
            (_, Some(sketch)) => {
                let ones = ones();
                sketch.forward(regions, ones)
            }
            _ => {
                let ones = ones();
                mean(regions, ones)
            }
        }
    }

    /// `[captions, tokens, dim]` → `[captions, len]`, of length 1.
    pub fn captions(&self, words: Tensor<3>, lengths: &Lengths) -> Tensor<2> {
        let mask = lengths.mask(&words.device());
        match (
            &self.t_global_w,
            self.text_sketch.as_ref().or(self.sketch.as_ref()),
        ) {
            (Some(attention), _) => attention.forward(words, mask),
            (_, Some(sketch)) => sketch.forward(words, mask),
            _ => mean(words, mask),
        }
    }
}

impl Global {
    /// With T-EMDE's hyperplanes moved to the median of a batch's tokens, images `[images, regions, dim]` and captions
    /// `[captions, tokens, dim]` alike ([`TEmde::with_median_offsets`]). Other kinds stay as they are.
    pub fn with_median_offsets(self, regions: Tensor<3>, words: Tensor<3>, lengths: &Lengths) -> Self {
        let [images, count, dim] = regions.dims();
        let [captions, padded, _] = words.dims();
        let seen = Tensor::<2>::ones([1, images * count], &regions.device());
        let read = lengths.mask(&words.device()).reshape([1, captions * padded]);
        let regions = regions.reshape([1, images * count, dim]);
        let words = words.reshape([1, captions * padded, dim]);
        match (self.sketch, self.text_sketch) {
            (Some(sketch), None) => Self {
                sketch: Some(sketch.with_median_offsets(
                    Tensor::cat(vec![regions, words], 1),
                    Tensor::cat(vec![seen, read], 1),
                )),
                text_sketch: None,
                ..self
            },
            (sketch, text_sketch) => Self {
                sketch: sketch.map(|sketch| sketch.with_median_offsets(regions, seen)),
                text_sketch: text_sketch.map(|sketch| sketch.with_median_offsets(words, read)),
                ..self
            },
        }
    }
}

/// The mean of the tokens under the mask, of length 1.
fn mean(tokens: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
    unit(average(tokens, mask), 1)
}

fn average(tokens: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
    let [sets, count, dim] = tokens.dims();
    let number = mask.clone().sum_dim(1).clamp_min(1.0);
    let sum = mask.reshape([sets, 1, count]).matmul(tokens).reshape([sets, dim]);
    sum / number
}

/// Weighs tokens by `softmax( (Dropout(tanh x) ⊙ whole) · w3 )` under the mask, and gives their sum, of length 1: tokens and `x`
/// `[sets, tokens, dim]`, whole `[sets, dim]` → `[sets, dim]`.
fn pool(
    tokens: Tensor<3>,
    x: Tensor<3>,
    whole: Tensor<2>,
    dropout: &Dropout,
    score: &Linear,
    mask: Option<Tensor<2>>,
) -> Tensor<2> {
    let [sets, count, dim] = tokens.dims();
    let mut scores = scores(x, whole, dropout, score);
    if let Some(mask) = mask {
        scores = scores.mask_fill(mask.equal_elem(0.0), f32::NEG_INFINITY);
    }
    let weights = softmax(scores, 1).reshape([sets, 1, count]);
    unit(weights.matmul(tokens).reshape([sets, dim]), 1)
}

/// `(Dropout(tanh x) ⊙ whole) · w3`, `[sets, tokens]`: one operation on the CPU.
fn scores(x: Tensor<3>, whole: Tensor<2>, dropout: &Dropout, score: &Linear) -> Tensor<2> {
    let [sets, count, dim] = x.dims();
    let device = x.device();
    let drops = dropout.training.is_enabled() && device.is_autodiff() && dropout.prob > 0.0;
    let share = if drops { dropout.prob as f32 } else { 0.0 };
    // No seed is drawn that nobody uses.
    let seed = |device: &Device| {
        let range = Distribution::Uniform(0.0, f64::from(1 << 24));
        Tensor::<1>::random([1], range, device).into_scalar::<f32>() as u32
    };
    if host::takes(&x) {
        let seed = if drops { seed(&device.clone().inner()) } else { 0 };
        let found = gate::scores(&x, &whole, &score.weight.val(), gate::Dropout { share, seed });
        if let (Some(found), Some(bias)) = (found, &score.bias) {
            return found + bias.val().unsqueeze::<2>();
        }
    }
    let gates = dropout.forward(tanh(x)) * whole.reshape([sets, 1, dim]).expand([sets, count, dim]);
    score.forward(gates).reshape([sets, count])
}

/// The host's pooling of regions: `l = Dropout(tanh(BN_R(V · W1)))`, `g = Dropout(tanh(BN_D(q · W2)))` of the mean region `q`,
/// `w = softmax((l ⊙ g) · w3)`, `unit(Σ w V)`. The first batch norm's channels are the regions: it fixes their number and order.
#[derive(Module, Debug)]
pub struct VisualAttention {
    /// W1 and the batch norm over region slots.
    pub embedding_local: (Linear, BatchNorm),
    /// W2 and its batch norm.
    pub embedding_global: (Linear, BatchNorm),
    /// w3.
    pub embedding_common: [Linear; 1],
    dropout: Dropout,
}

impl VisualAttention {
    /// `[images, regions, dim]` → `[images, dim]`.
    pub fn forward(&self, regions: Tensor<3>) -> Tensor<2> {
        let [images, _, dim] = regions.dims();
        let (linear, norm) = &self.embedding_local;
        let local = norm.forward(linear.forward(regions.clone()));
        let query = regions.clone().mean_dim(1).reshape([images, dim]);
        let (linear, norm) = &self.embedding_global;
        let whole = self.dropout.forward(tanh(norm.forward(linear.forward(query))));
        pool(
            regions,
            local,
            whole,
            &self.dropout,
            &self.embedding_common[0],
            None,
        )
    }
}

/// The host's pooling of words: the same without batch norms.
#[derive(Module, Debug)]
pub struct TextAttention {
    /// W1.
    pub embedding_local: [Linear; 1],
    /// W2.
    pub embedding_global: [Linear; 1],
    /// w3.
    pub embedding_common: [Linear; 1],
    dropout: Dropout,
}

impl TextAttention {
    /// `[captions, tokens, dim]` and their mask `[captions, tokens]` → `[captions, dim]`.
    pub fn forward(&self, words: Tensor<3>, mask: Tensor<2>) -> Tensor<2> {
        let local = self.embedding_local[0].forward(words.clone());
        let query = average(words.clone(), mask.clone());
        let whole = self
            .dropout
            .forward(tanh(self.embedding_global[0].forward(query)));
        pool(
            words,
            local,
            whole,
            &self.dropout,
            &self.embedding_common[0],
            Some(mask),
        )
    }
}
