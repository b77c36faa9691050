//! From encoded images and captions to scores.

use super::global::{Global, GlobalKind};
use super::local::{self, Words};
use super::saf::Saf;
use super::sgr::{self, GraphStep};
use crate::nn::{Lengths, unit};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// What turns a pair's similarity vectors into one.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Head {
    /// Attention filtration.
    Saf,
    /// Graph reasoning in so many steps.
    Sgr {
        /// Steps, with weights of their own.
        steps: usize,
    },
}

/// Settings of a [`Similarity`].
#[derive(Config, Debug)]
pub struct SimilarityConfig {
    /// Length of the joint space's vectors, D.
    pub dim: usize,
    /// Length of a similarity vector, S.
    #[config(default = 256)]
    pub similarity_dim: usize,
    /// The global vector.
    pub global: GlobalKind,
    /// The head.
    pub head: Head,
}

impl SimilarityConfig {
    /// The module.
    pub fn init(&self, device: &Device) -> Similarity {
        let size = self.similarity_dim;
        let linear = |input, output| LinearConfig::new(input, output).init(device);
        Similarity {
            global: self.global.init(self.dim, device),
            sim_tranloc_w: linear(self.dim, size),
            sim_tranglo_w: linear(self.global.len(self.dim), size),
            sim_eval_w: linear(size, 1),
            saf: (self.head == Head::Saf).then(|| Saf::init(size, device)),
            sgr: match self.head {
                Head::Sgr { steps } => (0..steps).map(|_| GraphStep::init(size, device)).collect(),
                Head::Saf => Vec::new(),
            },
        }
    }
}

/// Scores pairs of an image and a caption.
#[derive(Module, Debug)]
pub struct Similarity {
    /// Global vectors.
    pub global: Global,
    /// W_l.
    pub sim_tranloc_w: Linear,
    /// W_g.
    pub sim_tranglo_w: Linear,
    /// w_e.
    pub sim_eval_w: Linear,
    /// The attention filtration, if this is a SAF.
    pub saf: Option<Saf>,
    /// The reasoning's steps; none in a SAF.
    pub sgr: Vec<GraphStep>,
}

/// Encoded images with their global vectors.
#[derive(Clone, Debug)]
pub struct EncodedImages {
    /// `[images, regions, dim]`.
    pub regions: Tensor<3>,
    /// `[images, global]`.
    pub whole: Tensor<2>,
}

/// Encoded captions with their global vectors.
#[derive(Clone, Debug)]
pub struct EncodedCaptions {
    /// `[captions, tokens, dim]`, zero behind each caption's end.
    pub words: Tensor<3>,
    /// `[captions, global]`.
    pub whole: Tensor<2>,
    /// Words of each.
    pub lengths: Lengths,
}

impl Similarity {
    /// Adds the global vectors of images.
    pub fn images(&self, regions: Tensor<3>) -> EncodedImages {
        let whole = self.global.images(regions.clone());
        EncodedImages { regions, whole }
    }

    /// Adds the global vectors of captions.
    pub fn captions(&self, words: Tensor<3>, lengths: Lengths) -> EncodedCaptions {
        let whole = self.global.captions(words.clone(), &lengths);
        EncodedCaptions {
            words,
            whole,
            lengths,
        }
    }

    /// Logits of every image with every caption, `[images, captions]`; the score is their sigmoid.
    pub fn all(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<2> {
        let [rows, global] = images.whole.dims();
        let [columns, _] = captions.whole.dims();
        let difference = images.whole.clone().reshape([rows, 1, global])
            - captions.whole.clone().reshape([1, columns, global]);
        let words = Words::Shared(&captions.words, &captions.lengths);
        self.logits(&images.regions, words, difference)
    }

    /// Logits of the i-th image with the i-th caption, `[pairs]`.
    pub fn pairs(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<1> {
        let [pairs, global] = images.whole.dims();
        let difference = (images.whole.clone() - captions.whole.clone()).reshape([pairs, 1, global]);
        let words = Words::Own(&captions.words, &captions.lengths);
        self.logits(&images.regions, words, difference).reshape([pairs])
    }

    fn logits(&self, regions: &Tensor<3>, words: Words, difference: Tensor<3>) -> Tensor<2> {
        let [images, captions, global] = difference.dims();
        let mask = words.mask(&regions.device());
        let local = local::similarity(regions, words, &self.sim_tranloc_w);
        let squares = (difference.clone() * difference).reshape([images * captions, global]);
        let whole = unit(self.sim_tranglo_w.forward(squares), 1);
        let [_, size] = whole.dims();
        let whole = whole.reshape([images, captions, size]);
        let vector = match &self.saf {
            Some(saf) => saf.forward(whole, local, mask),
            None => sgr::reason(&self.sgr, whole, local, mask),
        };
        self.sim_eval_w
            .forward(vector.reshape([images * captions, size]))
            .reshape([images, captions])
    }
}
