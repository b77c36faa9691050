//! Fashion retrieval as re-identification: Wieczorek, Michałowski, Wróblewska, Dąbrowski, "A Strong Baseline for Fashion Retrieval
//! with Person Re-Identification Models", 2020, arXiv 2003.04094; on Luo et al. 2019, "Bag of Tricks and A Strong Baseline for Deep
//! Person Re-identification", CVPRW, whose network, losses and schedule it takes over.
//!
//! The claim: a plain global feature with the re-identification tricks (warm-up, random erasing, label smoothing, last stride 1,
//! BNNeck, centre loss) beats architectures made for fashion.
//!
//! | what | where |
//! |---|---|
//! | the model: trunk, BNNeck, classifier, centres | [`FashionReidModel`], [`crate::nn::IdentityHead`] |
//! | L = L_id + L_metric + 5e-4·L_center | [`FashionReidModel::loss`](crate::papers::Objective::loss) |
//! | L_metric: batch-hard triplet (parent) or quadruplet (the paper's keyword) | [`crate::losses`] |
//!
//! The paper has no public code. What is not its own is its parent's; the quadruplet's mining rule and margins are our reconstruction
//! (batch-hard, α₁ = 0.3, α₂ = 0.15), since the paper's could not be found.

mod loss;
mod model;

pub use loss::LossSection;
pub use model::FashionReidModel;

use super::{Capability, Facts, ImagePaper, Paper};
use crate::backbones::trunk::{Precision, TorchvisionLayout, TrunkSection, for_torchvision};
use crate::backbones::weights::{LoadReport, Tensors};
use crate::device::Device;
use crate::recipe::Reader;

/// The paper's settings.
#[derive(Clone, Debug)]
pub struct FashionReid {
    /// `[model]`.
    pub model: TrunkSection,
    /// `[loss]`.
    pub loss: LossSection,
}

/// The path of the neck.
const NECK: &str = "head.bottleneck";

impl Paper for FashionReid {
    const ROOM: &'static str = "fashion-reid";
    const CAPABILITIES: &'static [Capability] = &[Capability::Embed];

    fn sections() -> Vec<(&'static str, schemars::Schema)> {
        vec![
            ("model", schemars::schema_for!(TrunkSection)),
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

impl ImagePaper for FashionReid {
    type Model = FashionReidModel;

    fn check(&self, facts: &Facts) -> Result<(), String> {
        match (&self.loss.quadruplet, facts.classes) {
            (Some(_), classes @ 0..3) => Err(format!(
                "loss.quadruplet compares three classes, and the training split has {classes}"
            )),
            _ => Ok(()),
        }
    }

    fn model(
        &self,
        facts: &Facts,
        seed: u64,
        device: &Device,
    ) -> crate::Result<(FashionReidModel, Option<LoadReport>)> {
        FashionReidModel::new(self, facts, seed, device)
    }

    fn facts(&self, weights: &Tensors) -> Option<Facts> {
        super::images::facts(weights, "head.classifier.weight")
    }

    fn precision(&self) -> Precision {
        self.model.precision
    }

    fn new_classifier(&self) -> bool {
        self.model.new_classifier
    }

    fn forget_published_weights(&mut self) {
        self.model.weights = None;
    }

    fn export(&self, weights: &Tensors) -> (Tensors, TorchvisionLayout) {
        for_torchvision(&self.model.trunk, weights, NECK)
    }

    fn import(&self, weights: &Tensors) -> Option<Tensors> {
        super::images::import(weights, NECK, self.loss.center_weight.is_some())
    }
}
