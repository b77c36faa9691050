//! Batches of images and captions on the device, and what scores them.

use super::t_emde::{ImageEncoder, Similarity, TextEncoder};
use super::{Objective, Paper};
use crate::backbones::weights::Tensors;
use crate::data::pairs::PairBatch;
use crate::device::Device;
use crate::nn::Lengths;
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

/// Images with a caption each: row i of both belong together.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Region features, `[batch, regions, dim]`.
    pub features: Tensor<3>,
    /// Word ids, `[batch, words]`, 0 behind each caption's end.
    pub ids: Tensor<2, Int>,
    /// Words of each caption.
    pub lengths: Lengths,
    /// The image's number.
    pub images: Vec<usize>,
    /// Whether row i's image and row j's caption belong together beside the diagonal, `[batch · batch]`.
    pub known: Vec<bool>,
}

impl Pairs {
    /// Moves a batch to the device.
    pub fn upload(host: PairBatch, device: &Device) -> Self {
        let (ids, lengths) = captions(host.ids, host.lengths, device);
        Self {
            features: Tensor::from_data(TensorData::new(host.features, host.shape), device),
            ids,
            lengths,
            images: host.images,
            known: host.known,
        }
    }
}

/// Captions on the device: word ids `[captions, words]`, row by row, and the words of each.
pub fn captions(ids: Vec<i32>, lengths: Vec<usize>, device: &Device) -> (Tensor<2, Int>, Lengths) {
    let padded = ids.len() / lengths.len().max(1);
    let shape = [lengths.len(), padded];
    (
        Tensor::from_data(TensorData::new(ids, shape), device),
        Lengths::new(lengths, padded),
    )
}

/// What a paper needs to know of pairs before it makes its model.
#[derive(Clone, Copy, Debug)]
pub struct PairFacts {
    /// Words of the vocabulary.
    pub words: usize,
    /// Regions of an image.
    pub regions: usize,
    /// Length of a region's features.
    pub dim: usize,
}

/// A paper that learns from images and their captions to score pairs of them.
pub trait PairPaper: Paper {
    /// What is trained.
    type Model: Objective<Host = PairBatch, Batch = Pairs> + Match;

    /// Whether recipe and data fit together; the text says what does not and how to mend it.
    fn check(&self, facts: &PairFacts) -> Result<(), String>;

    /// The model at step 0: weights drawn from the seed.
    fn model(&self, facts: &PairFacts, seed: u64, device: &Device) -> crate::Result<Self::Model>;

    /// Sets what depends on the data's density, from the first batch of training.
    fn settle(&self, model: Self::Model, _first: PairBatch, _device: &Device) -> Self::Model {
        model
    }

    /// Weights of the paper's released code under the model's own names; none if these are not such.
    fn import(&self, _weights: &Tensors) -> Option<Tensors> {
        None
    }

    /// What the weights of a trained model say of the data that it was trained on, which an export thus need not open; none if they
    /// are not this paper's. Regions are those of the published features where the model takes any number.
    fn facts(&self, weights: &Tensors) -> Option<PairFacts>;

    /// The trained model under the names of the paper's released code, and how that code takes it; what it lacks stays under our names.
    /// The inverse of [`import`](Self::import).
    fn export(&self, weights: &Tensors) -> (Tensors, Released);

    /// A change amid so many epochs that a curve of the loss shows, in words.
    fn turn(&self, _epochs: u64) -> Option<String> {
        None
    }

    /// Parts of the model (regular expressions on names) that `--init-from` may find missing or of another shape, because a recipe may
    /// choose them differently.
    fn exchangeable(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a paper's released code takes an export.
#[derive(Clone, Debug)]
pub struct Released {
    /// Where the code is.
    pub code: &'static str,
    /// Its options for a model of these sizes.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Parameters that it has no module for.
    pub lacks: Vec<String>,
    /// What of that code must be changed for it to load the weights strictly; none where nothing must.
    pub strict: Option<String>,
    /// Lines of Python that make its checkpoint of the file of that name and of the card of that name beside it.
    pub script: fn(file: &str, card: &str) -> Vec<String>,
}

/// The parts of a matcher, for exporters that write them down.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Features of regions to the joint space.
    pub image: &'a ImageEncoder,
    /// Words to the joint space.
    pub text: &'a TextEncoder,
    /// Global vectors, and both to a score.
    pub similarity: &'a Similarity,
}

/// A model that scores pairs of an image and a caption.
pub trait Match: Module {
    /// Encoded images.
    type Images;
    /// Encoded captions.
    type Captions;

    /// `[images, regions, dim]`, encoded once for all captions.
    fn images(&self, features: Tensor<3>) -> Self::Images;

    /// Word ids `[captions, words]`, encoded once for all images.
    fn captions(&self, ids: Tensor<2, Int>, lengths: Lengths) -> Self::Captions;

    /// What the three of these run.
    fn parts(&self) -> Parts<'_>;

    /// Every image with every caption, `[images, captions]`; higher is better, and the score is the sigmoid.
    fn logits(&self, images: &Self::Images, captions: &Self::Captions) -> Tensor<2>;
    /// Why the first of the images and the first of the captions score as they do. The model is in evaluation mode.
    fn explain(&self, images: &Self::Images, captions: &Self::Captions) -> crate::Result<Explanation>;
}

/// What a scorer computes of a pair on the way to its score. Words are those that the model reads, `<start>` and `<end>` among them; the
/// parts of a pair are its global similarity, then its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The score before its sigmoid.
    pub logit: f32,
    /// How much each word attends to each region, `[words, regions]`; a row's sum is 1.
    pub attention: Map,
    /// What the parts weigh; none in graph reasoning.
    pub filtration: Option<Filtration>,
    /// How much each part takes from each, `[parts, parts]` a step of graph reasoning; of the last step the first row alone is computed.
    pub edges: Vec<Map>,
    /// How many regions of the image and how many words lie in each region of the joint space, `[partitions, width]`; none without a
    /// density estimator.
    pub sketches: Option<[Map; 2]>,
}

/// What an attention filtration makes of the parts of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtration {
    /// β: what each part weighs; their sum is 1.
    pub weights: Vec<f32>,
    /// What each part adds to the logit; with `bias` their sum is the logit.
    pub shares: Vec<f32>,
    /// What the logit is where no part adds anything.
    pub bias: f32,
}

/// A matrix on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Its rows and columns.
    pub shape: [usize; 2],
    /// Row by row.
    pub values: Vec<f32>,
}

impl Map {
    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        let [_, columns] = self.shape;
        &self.values[row * columns..(row + 1) * columns]
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.shape[0]).map(|row| self.row(row))
    }

    /// The largest value; 0 of none.
    pub fn most(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}
