//! What a recipe says of the model and its loss.

use super::{EncoderConfig, GlobalKind, Head, Matcher, SimilarityConfig};
use crate::backbones::weights::Tensors;
use crate::data::pairs::PairBatch;
use crate::device::Device;
use crate::losses::HardestHinge;
use crate::nn::{Assignment, TEmdeConfig};
use crate::papers::{Capability, PairFacts, PairPaper, Paper, Released};
use crate::recipe::Reader;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The room's settings.
#[derive(Clone, Debug)]
pub struct Matching {
    /// `[model]`.
    pub model: ModelSection,
    /// `[loss]`.
    pub loss: LossSection,
}

/// `[model]`: a host's matcher and its global vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// What turns a pair's similarity vectors into one.
    pub module: Module,
    /// What turns a set of regions or words into one vector.
    pub pooling: Pooling,
    /// The density estimator, of `pooling = "t_emde"`.
    #[serde(default)]
    pub t_emde: TEmdeSection,
    /// Length of the joint space's vectors.
    #[serde(default = "n1024")]
    #[schemars(range(min = 1))]
    pub dim: usize,
    /// Length of a similarity vector.
    #[serde(default = "n256")]
    #[schemars(range(min = 1))]
    pub similarity_dim: usize,
    /// Length of a word's vector.
    #[serde(default = "n300")]
    #[schemars(range(min = 1))]
    pub word_dim: usize,
    /// Dropout of words, and of the gates of self-attention.
    #[serde(default = "dropout")]
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Steps of reasoning, of `module = "sgr"`.
    #[serde(default = "n3")]
    #[schemars(range(min = 1))]
    pub steps: usize,
}

fn n1024() -> usize {
    1024
}
fn n256() -> usize {
    256
}
fn n300() -> usize {
    300
}
fn n3() -> usize {
    3
}
fn dropout() -> f64 {
    0.4
}

/// What turns a pair's similarity vectors into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// Attention filtration.
    Saf,
    /// Graph reasoning.
    Sgr,
}

/// What turns a set of regions or words into one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The trainable density estimator.
    TEmde,
    /// The hosts' gated self-attention.
    SelfAttention,
    /// The mean.
    Mean,
}

/// The density estimator. None of these values is published: they are those of our reconstruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TEmdeSection {
    /// Partitions of the space, the sketch's depth.
    #[schemars(range(min = 1))]
    pub partitions: usize,
    /// A partition has 2^bits regions.
    #[schemars(range(min = 1, max = 12))]
    pub bits: usize,
    /// How tokens are assigned to regions.
    pub assignment: Assign,
    /// Standard deviation of the initial weights.
    #[schemars(range(min = 0.0))]
    pub scale: f64,
    /// One layer for regions and words; otherwise one for each.
    pub share_modalities: bool,
    /// Assign each token to one region where nothing is trained.
    pub hard_eval: bool,
    /// Where hyperplanes begin.
    pub offsets: Offsets,
}

impl Default for TEmdeSection {
    fn default() -> Self {
        Self {
            partitions: 8,
            bits: 7,
            assignment: Assign::Hyperplanes,
            scale: 1.0,
            share_modalities: true,
            hard_eval: false,
            offsets: Offsets::Median,
        }
    }
}

/// How tokens are assigned to regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Assign {
    /// By the soft sides of hyperplanes, which spell the region's number.
    Hyperplanes,
    /// By a logit of its own for every region.
    Softmax,
}

/// Where hyperplanes begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Offsets {
    /// At the median of the first batch's tokens, so that both sides are equally full.
    Median,
    /// At zero.
    Zeros,
}

/// `[loss]`: the hinge of hardest negatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSection {
    /// By how much a true pair's score is to exceed a false one's.
    #[serde(default = "margin")]
    #[schemars(range(min = 0.0))]
    pub margin: f64,
    /// Only the hardest negative of each image and of each caption counts; otherwise all do.
    #[serde(default = "yes")]
    pub hardest: bool,
    /// In the first so many epochs the mean over all negatives takes the place of the hardest, which shortens the plateau at the
    /// beginning.
    #[serde(default)]
    pub warmup_epochs: u64,
    /// What captions of the same image (of a table: pictures and captions of the same product) are to each other in a batch.
    #[serde(default)]
    pub same_image: SameImage,
}

fn margin() -> f64 {
    0.2
}
fn yes() -> bool {
    true
}

/// What captions of the same image are to each other in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameImage {
    /// Negatives, as in the hosts' code.
    #[default]
    Negatives,
    /// Neither positive nor negative.
    Ignored,
}

impl LossSection {
    /// The hinge of an epoch, and what its sum is divided by for a batch of that size. The mean of all negatives stands where the
    /// hardest stands while all scores are equal.
    pub fn hinge(&self, epoch: u64, batch: usize) -> (HardestHinge, f64) {
        let warm = epoch < self.warmup_epochs;
        let hinge = HardestHinge {
            margin: self.margin,
            hardest: self.hardest && !warm,
        };
        let divisor = if warm { (batch.max(2) - 1) as f64 } else { 1.0 };
        (hinge, divisor)
    }
}

impl ModelSection {
    /// The encoders for a vocabulary and features of that size.
    pub fn encoders(&self, facts: &PairFacts) -> EncoderConfig {
        EncoderConfig::new(facts.words)
            .with_image_dim(facts.dim)
            .with_word_dim(self.word_dim)
            .with_dim(self.dim)
            .with_dropout(self.dropout)
    }

    /// The scorer for images of that many regions.
    pub fn similarity(&self, facts: &PairFacts) -> SimilarityConfig {
        let global = match self.pooling {
            Pooling::SelfAttention => GlobalKind::SelfAttention {
                regions: facts.regions,
                dropout: self.dropout,
            },
            Pooling::Mean => GlobalKind::Mean,
            Pooling::TEmde => GlobalKind::TEmde {
                layer: self.t_emde.layer(self.dim),
                share: self.t_emde.share_modalities,
            },
        };
        let head = match self.module {
            Module::Saf => Head::Saf,
            Module::Sgr => Head::Sgr { steps: self.steps },
        };
        SimilarityConfig::new(self.dim, global, head).with_similarity_dim(self.similarity_dim)
    }
}

impl TEmdeSection {
    fn layer(&self, dim: usize) -> TEmdeConfig {
        TEmdeConfig::new(dim)
            .with_partitions(self.partitions)
            .with_bits(self.bits)
            .with_assignment(match self.assignment {
                Assign::Hyperplanes => Assignment::Hyperplanes,
                Assign::Softmax => Assignment::Softmax,
            })
            .with_scale(self.scale)
            .with_hard_eval(self.hard_eval)
    }
}

impl Paper for Matching {
    const ROOM: &'static str = "t-emde";
    const CAPABILITIES: &'static [Capability] = &[Capability::Match];

    fn sections() -> Vec<(&'static str, schemars::Schema)> {
        vec![
            ("model", schemars::schema_for!(ModelSection)),
            ("loss", schemars::schema_for!(LossSection)),
        ]
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let model = reader.section_required("model");
        let loss = reader.section_required("loss");
        Some(Self {
            model: model?,
            loss: loss?,
        })
    }
}

impl PairPaper for Matching {
    type Model = Matcher;

    fn check(&self, facts: &PairFacts) -> Result<(), String> {
        match (self.model.pooling, facts.regions) {
            (Pooling::SelfAttention, 1) => Err(
                "model.pooling = \"self_attention\" weighs regions, and the features have one: use \"t_emde\" or \"mean\"".into(),
            ),
            _ => Ok(()),
        }
    }

    fn model(&self, facts: &PairFacts, seed: u64, device: &Device) -> crate::Result<Matcher> {
        Ok(Matcher::new(self, facts, seed, device))
    }

    fn settle(&self, model: Matcher, first: PairBatch, device: &Device) -> Matcher {
        match (self.model.pooling, self.model.t_emde.offsets) {
            (Pooling::TEmde, Offsets::Median) => model.with_median_offsets(first, device),
            _ => model,
        }
    }

    fn turn(&self, epochs: u64) -> Option<String> {
        let warm = self.loss.warmup_epochs;
        (self.loss.hardest && 0 < warm && warm < epochs).then(|| {
            let plural = if warm == 1 { "" } else { "s" };
            format!(
                "the mean of all negatives for {warm} epoch{plural}, then the hardest of each row and column: the loss rises there"
            )
        })
    }

    fn import(&self, weights: &Tensors) -> Option<Tensors> {
        super::released::import(weights)
    }

    fn facts(&self, weights: &Tensors) -> Option<PairFacts> {
        super::released::facts(weights)
    }

    fn export(&self, weights: &Tensors) -> (Tensors, Released) {
        (
            super::released::export(weights),
            super::released::released(weights, &self.loss),
        )
    }

    fn exchangeable(&self) -> Vec<String> {
        // The global vector and what is computed from it.
        vec![r"^similarity\.(global|sim_tranglo_w)\.".into()]
    }
}
