//! Similarity vectors of words and the image regions that they attend to (host code, "local similarity").
//!
//! For image `V` and caption `T`: `A = V Tᵀ`; `A ← unit over words of LeakyReLU(A, 0.1)`; `α = softmax over regions of 9 A`;
//! `ctx_w = unit(Σ_r α V_r)`; `s_w = unit((ctx_w − T_w)² W + b)`. All captions of a batch are one computation: what lies behind a
//! caption's end is masked, not cut off.

use crate::nn::host::matching::{self, Pairs};
use crate::nn::{Lengths, unit};
use burn::nn::Linear;
use burn::tensor::activation::{leaky_relu, softmax};
use burn::tensor::{Device, Tensor};

/// The slope of the attention's leaky ReLU.
pub(crate) const SLOPE: f64 = 0.1;
/// λ: what the attention's scores are multiplied by.
pub(crate) const SHARPNESS: f64 = 9.0;

/// Captions that images are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// The same for every image, `[captions, tokens, dim]`.
    Shared(&'a Tensor<3>, &'a Lengths),
    /// One for each image, `[images, tokens, dim]`, with 1 where there is a word, `[images, tokens]`.
    Own(&'a Tensor<3>, &'a Tensor<2>),
}

impl Words<'_> {
    fn tokens(&self) -> &Tensor<3> {
        match self {
            Self::Shared(tokens, _) | Self::Own(tokens, _) => tokens,
        }
    }

    /// Captions that each image is compared with.
    pub fn captions(&self) -> usize {
        match self {
            Self::Shared(tokens, _) => tokens.dims()[0],
            Self::Own(..) => 1,
        }
    }

    /// 1 where there is a word: `[1, captions, tokens]` or `[images, 1, tokens]`.
    pub fn mask(&self, device: &Device) -> Tensor<3> {
        match self {
            Self::Shared(_, lengths) => lengths.mask(device).unsqueeze_dim(0),
            Self::Own(_, mask) => (*mask).clone().unsqueeze_dim(1),
        }
    }
}

/// α: how much each word attends to each region, `[images, captions, tokens, regions]`; rows behind a caption's end are uniform.
pub fn attention(regions: &Tensor<3>, words: Words) -> Tensor<4> {
    let [images, count, dim] = regions.dims();
    let [sets, tokens, _] = words.tokens().dims();
    let captions = words.captions();
    let scores = match words {
        // One product for all pairs.
        Words::Shared(tensor, _) => regions
            .clone()
            .reshape([images * count, dim])
            .matmul(tensor.clone().reshape([sets * tokens, dim]).transpose())
            .reshape([images, count, captions, tokens]),
        Words::Own(tensor, _) => regions
            .clone()
            .matmul(tensor.clone().swap_dims(1, 2))
            .reshape([images, count, 1, tokens]),
    };
    let scores = leaky_relu(scores.permute([0, 2, 3, 1]), SLOPE);
    let mask = words.mask(&regions.device()).unsqueeze_dim::<4>(3);
    let scores = unit(scores * mask, 2);
    softmax(scores * SHARPNESS, 3)
}

/// The similarity vectors `[images, captions, tokens, similarity dim]`, zero behind each caption's end.
pub fn similarity(regions: &Tensor<3>, words: Words, projection: &Linear) -> Tensor<4> {
    let [images, _, dim] = regions.dims();
    let [sets, tokens, _] = words.tokens().dims();
    let captions = words.captions();
    let alpha = attention(regions, words);
    let [_, _, _, slots] = alpha.dims();
    let alpha = alpha.reshape([images, captions * tokens, slots]);
    let own = match words {
        Words::Shared(tensor, _) => tensor.clone().reshape([1, sets * tokens, dim]),
        Words::Own(tensor, _) => tensor.clone(),
    };
    let weight = projection.weight.val();
    let bias = projection.bias.as_ref().expect("the projection has a bias").val();
    let [_, out] = weight.dims();
    let context = unit(alpha.matmul(regions.clone()), 2);
    let difference = context - own;
    let squares = (difference.clone() * difference).reshape([images * captions * tokens, dim]);
    let found = unit(squares.matmul(weight) + bias.unsqueeze::<2>(), 1);
    let mask = words.mask(&regions.device()).unsqueeze_dim::<4>(3);
    found.reshape([images, captions, tokens, out]) * mask
}

/// The similarity vectors of some pairs, the words of each behind one another, `[rows, similarity dim]`: regions
/// `[images, regions, dim]`, words `[captions, tokens, dim]`. One operation on the CPU, `None` elsewhere.
pub fn on_host(
    regions: &Tensor<3>,
    words: &Tensor<3>,
    projection: &Linear,
    pairs: &Pairs,
) -> Option<Tensor<2>> {
    let attention = matching::Attention {
        slope: SLOPE as f32,
        sharpness: SHARPNESS as f32,
    };
    let bias = projection.bias.as_ref()?.val();
    matching::local_similarity(regions, words, &projection.weight.val(), &bias, pairs, attention)
}
