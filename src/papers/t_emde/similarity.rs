//! From encoded images and captions to scores.

use super::global::{Global, GlobalKind};
use super::local::{self, Words};
use super::saf::Saf;
use super::sgr::{self, GraphStep};
use crate::nn::host::matching::{self, Pairs};
use crate::nn::{Lengths, unit};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Images and captions of a block that is scored at once on the CPU, outside of a graph.
const IMAGES: usize = 8;
const CAPTIONS: usize = 128;
/// Numbers of one intermediate result of captions that are scored in one launch elsewhere, outside of a graph: 256 MiB.
const LAUNCH: usize = 1 << 26;

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

/// Names of the released state dict of the similarity encoder (patterns), and what they are called here.
pub const RELEASED_NAMES: [(&str, &str); 3] = [
    (r"(^|\.)([vt]_global_w)\.", "${1}global.$2."),
    (r"(^|\.)SAF_module\.", "${1}saf."),
    (r"(^|\.)SGR_module\.", "${1}sgr."),
];

/// The released name of a parameter or statistic of a [`Similarity`] called so here.
pub fn released_name(name: &str) -> String {
    let parts = name
        .split('.')
        .filter(|part| *part != "global")
        .map(|part| match part {
            "saf" => "SAF_module",
            "sgr" => "SGR_module",
            part => part,
        });
    parts.collect::<Vec<_>>().join(".")
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

impl EncodedImages {
    pub(super) fn some(&self, rows: Range<usize>) -> Self {
        Self {
            regions: self.regions.clone().narrow(0, rows.start, rows.len()),
            whole: self.whole.clone().narrow(0, rows.start, rows.len()),
        }
    }

    /// The same outside of the graph.
    pub fn plain(&self) -> Self {
        Self {
            regions: self.regions.clone().inner(),
            whole: self.whole.clone().inner(),
        }
    }
}

impl EncodedCaptions {
    pub(super) fn some(&self, rows: Range<usize>) -> Self {
        Self {
            words: self.words.clone().narrow(0, rows.start, rows.len()),
            whole: self.whole.clone().narrow(0, rows.start, rows.len()),
            lengths: Lengths::new(self.lengths.each()[rows].to_vec(), self.lengths.padded()),
        }
    }

    /// The same outside of the graph.
    pub fn plain(&self) -> Self {
        Self {
            words: self.words.clone().inner(),
            whole: self.whole.clone().inner(),
            lengths: self.lengths.clone(),
        }
    }
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
        self.all_on_host(images, captions)
            .unwrap_or_else(|| match images.regions.device().is_autodiff() {
                true => self.all_padded(images, captions),
                false => self.all_in_chunks(images, captions, LAUNCH),
            })
    }

    /// [`Self::all_padded`] of so many captions at a time that what lies between takes a bounded memory.
    pub(super) fn all_in_chunks(
        &self,
        images: &EncodedImages,
        captions: &EncodedCaptions,
        most: usize,
    ) -> Tensor<2> {
        let [rows, regions, dim] = images.regions.dims();
        let [columns, tokens, _] = captions.words.dims();
        let each = rows * tokens * dim.max(regions);
        let count = (most / each.max(1)).clamp(1, columns);
        let chunks = (0..columns).step_by(count).map(|first| {
            let captions = captions.some(first..(first + count).min(columns));
            self.all_padded(images, &captions)
        });
        Tensor::cat(chunks.collect(), 1)
    }

    /// [`Self::all`] by burn's operations, on any device.
    pub(super) fn all_padded(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<2> {
        let [rows, global] = images.whole.dims();
        let [columns, _] = captions.whole.dims();
        let difference = images.whole.clone().reshape([rows, 1, global])
            - captions.whole.clone().reshape([1, columns, global]);
        let words = Words::Shared(&captions.words, &captions.lengths);
        self.logits(&images.regions, words, difference)
    }

    /// [`Self::all`] by the CPU's own operations: at once in a graph, a block after the other outside of one.
    fn all_on_host(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Option<Tensor<2>> {
        let [rows, ..] = images.regions.dims();
        let [columns, _, _] = captions.words.dims();
        if images.regions.device().is_autodiff() {
            let logits = self.on_host(images, captions, &Pairs::all(rows, &captions.lengths))?;
            return Some(logits.reshape([rows, columns]));
        }
        let mut blocks = Vec::new();
        for first in (0..columns).step_by(CAPTIONS) {
            let captions = captions.some(first..(first + CAPTIONS).min(columns));
            let [count, _, _] = captions.words.dims();
            let mut parts = Vec::new();
            for first in (0..rows).step_by(IMAGES) {
                let images = images.some(first..(first + IMAGES).min(rows));
                let [rows, ..] = images.regions.dims();
                let logits = self.on_host(&images, &captions, &Pairs::all(rows, &captions.lengths))?;
                parts.push(logits.reshape([rows, count]));
            }
            blocks.push(Tensor::cat(parts, 0));
        }
        Some(Tensor::cat(blocks, 1))
    }

    /// Logits of some pairs by the CPU's own operations, `[pairs]`.
    fn on_host(
        &self,
        images: &EncodedImages,
        captions: &EncodedCaptions,
        pairs: &Pairs,
    ) -> Option<Tensor<1>> {
        let words = local::on_host(&images.regions, &captions.words, &self.sim_tranloc_w, pairs)?;
        let (weight, bias) = (
            self.sim_tranglo_w.weight.val(),
            self.sim_tranglo_w.bias.as_ref()?.val(),
        );
        let whole = matching::global_similarity(&images.whole, &captions.whole, &weight, &bias, pairs)?;
        let vector = match &self.saf {
            Some(saf) => saf.on_host(&whole, &words, pairs)?,
            None => sgr::on_host(&self.sgr, &whole, &words, pairs)?,
        };
        Some(self.sim_eval_w.forward(vector).reshape([pairs.len()]))
    }

    /// Logits of the i-th image with the i-th caption, `[pairs]`. Not for training with an attention filtration.
    pub fn pairs(&self, images: &EncodedImages, captions: &EncodedCaptions) -> Tensor<1> {
        let mask = captions.lengths.mask(&images.regions.device());
        self.own(images, &captions.words, captions.whole.clone(), &mask)
    }

    fn own(
        &self,
        images: &EncodedImages,
        words: &Tensor<3>,
        whole: Tensor<2>,
        mask: &Tensor<2>,
    ) -> Tensor<1> {
        self.refuse_training(&images.regions.device());
        let [pairs, global] = images.whole.dims();
        let difference = (images.whole.clone() - whole).reshape([pairs, 1, global]);
        self.logits(&images.regions, Words::Own(words, mask), difference)
            .reshape([pairs])
    }

    /// Logits of some pairs `[image, caption]`, `[pairs]`, each by itself as in [`Self::pairs`].
    pub fn some(
        &self,
        images: &EncodedImages,
        captions: &EncodedCaptions,
        pairs: &[[usize; 2]],
    ) -> Tensor<1> {
        let device = images.regions.device();
        self.refuse_training(&device);
        let index = |rows: Vec<usize>| {
            let rows: Vec<i32> = rows.into_iter().map(|row| row as i32).collect();
            let count = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device)
        };
        let [rows, ..] = images.regions.dims();
        let (table, numbers) = Pairs::some(rows, pairs, &captions.lengths);
        if let Some(logits) = self.on_host(images, captions, &table) {
            return logits.select(0, index(numbers));
        }
        let (image, caption) = (
            index(pairs.iter().map(|pair| pair[0]).collect()),
            index(pairs.iter().map(|pair| pair[1]).collect()),
        );
        self.chosen(images, captions, image, caption)
    }

    /// [`Self::some`] of pairs that are numbered on the device, `[pairs]`: nothing is read back, and shapes are the batch's own.
    pub fn chosen(
        &self,
        images: &EncodedImages,
        captions: &EncodedCaptions,
        image: Tensor<1, Int>,
        caption: Tensor<1, Int>,
    ) -> Tensor<1> {
        let images = EncodedImages {
            regions: images.regions.clone().select(0, image.clone()),
            whole: images.whole.clone().select(0, image),
        };
        let mask = captions.lengths.mask(&images.regions.device());
        let words = captions.words.clone().select(0, caption.clone());
        let whole = captions.whole.clone().select(0, caption.clone());
        self.own(&images, &words, whole, &mask.select(0, caption))
    }

    /// A filtration's batch norm counts every image that a caption is compared with.
    fn refuse_training(&self, device: &Device) {
        assert!(
            !self.saf.as_ref().is_some_and(|saf| saf.bn.in_training(device)),
            "an attention filtration trains on whole matrices of pairs alone"
        );
    }

    /// Global similarity vectors `[images, captions, similarity dim]` from differences of global vectors.
    pub(super) fn whole(&self, difference: Tensor<3>) -> Tensor<3> {
        let [images, captions, global] = difference.dims();
        let squares = (difference.clone() * difference).reshape([images * captions, global]);
        let whole = unit(self.sim_tranglo_w.forward(squares), 1);
        let [_, size] = whole.dims();
        whole.reshape([images, captions, size])
    }

    fn logits(&self, regions: &Tensor<3>, words: Words, difference: Tensor<3>) -> Tensor<2> {
        let mask = words.mask(&regions.device());
        let local = local::similarity(regions, words, &self.sim_tranloc_w);
        let whole = self.whole(difference);
        let [images, captions, size] = whole.dims();
        let vector = match &self.saf {
            Some(saf) => saf.forward(whole, local, mask),
            None => sgr::reason(&self.sgr, whole, local, mask),
        };
        self.sim_eval_w
            .forward(vector.reshape([images * captions, size]))
            .reshape([images, captions])
    }
}
