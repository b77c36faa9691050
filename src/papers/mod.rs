//! One folder per paper: its model, its objective, its wiring.
//!
//! A paper is a type that reads its own recipe sections ([`Paper::read`]), makes its [`Objective`] and says what the trained model
//! can do. What it learns from makes its kind: labelled pictures ([`ImagePaper`]), or images
//! with captions ([`PairPaper`]). [`registry`] has one line for each; nothing else changes when one is added.

pub mod ctl;
pub mod emde;
pub mod fashion_reid;
mod images;
mod objective;
mod pairs;
pub mod registry;
pub mod t_emde;

pub use images::{Embed, Encoder, Images};
pub use objective::{Clock, Losses, Objective, Phase};
pub use pairs::{
    Explanation, Filtration, Map, Match, PairFacts, PairPaper, Pairs, Parts, Released, captions,
};

use crate::backbones::trunk::{Precision, TorchvisionLayout};
use crate::backbones::weights::{LoadReport, Tensors};
use crate::data::ImageBatch;
use crate::device::Device;
use crate::recipe::Reader;

/// What a trained system can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Vectors of pictures, for search.
    Embed,
    /// Scores of pairs of an image and a caption.
    Match,
}

impl Capability {
    /// In words, as in "this room can …".
    pub fn words(self) -> &'static str {
        match self {
            Self::Embed => "embed pictures",
            Self::Match => "score pairs of an image and a caption",
        }
    }
}

/// What a paper needs to know of labelled pictures before it makes its model.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Classes of the training split.
    pub classes: usize,
    /// Rows of a class that stand together in a batch, where the sampler groups them.
    pub per_class: Option<usize>,
}

/// A published system, whatever it learns from.
pub trait Paper: Sized + Send + 'static {
    /// The room's name in `[paper] room`.
    const ROOM: &'static str;

    /// What the trained system can do.
    const CAPABILITIES: &'static [Capability];

    /// The sections that belong to the paper, with their schemas.
    fn sections() -> Vec<(&'static str, schemars::Schema)>;

    /// Reads the paper's sections; problems go to the reader.
    fn read(reader: &mut Reader) -> Option<Self>;
}

/// A paper that learns from labelled pictures.
pub trait ImagePaper: Paper {
    /// What is trained.
    type Model: Objective<Host = ImageBatch, Batch = Images> + Embed;

    /// Whether recipe and data fit together; the text says what does not and how to mend it.
    fn check(&self, facts: &Facts) -> Result<(), String>;

    /// The model at step 0: weights drawn from the seed, then published ones loaded where the recipe names them.
    fn model(
        &self,
        facts: &Facts,
        seed: u64,
        device: &Device,
    ) -> crate::Result<(Self::Model, Option<LoadReport>)>;

    /// What the weights of a trained model say of the data that it was trained on, which an export thus need not open; none if they
    /// are not this paper's.
    fn facts(&self, weights: &Tensors) -> Option<Facts>;

    /// The arithmetic that the trunk is trained in.
    fn precision(&self) -> Precision;

    /// Whether `--init-from` may start a classifier of other classes anew.
    fn new_classifier(&self) -> bool;

    /// The model's weights will all come from a file: what the recipe starts from is not needed.
    fn forget_published_weights(&mut self);

    /// The trained model under the names of another framework, for serving.
    fn export(&self, weights: &Tensors) -> (Tensors, TorchvisionLayout);

    /// What [`export`](Self::export) wrote, under the model's own names: it embeds as before, and what only training needs is empty.
    /// None if the weights are not such an export's.
    fn import(&self, weights: &Tensors) -> Option<Tensors>;
}
