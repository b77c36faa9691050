//! Centroid triplet loss: Wieczorek, Rychalska, Dąbrowski, "On the Unreasonable Effectiveness of Centroids in Image Retrieval",
//! ICONIP 2021, arXiv 2104.13643.
//!
//! The claim: an encoder that is also trained to bring each image to the mean of its class, and away from the means of others,
//! can be searched by class means, one vector a product, with better figures than by single images.
//!
//! | what | where |
//! |---|---|
//! | the model: trunk, BNNeck, classifier, centres | [`CtlModel`], [`crate::nn::IdentityHead`] |
//! | L = L_id + L_tri + 5e-4·L_center + L_ctl | [`CtlModel::loss`](crate::papers::Objective::loss) |
//! | L_id, L_tri, L_center, L_ctl | [`crate::losses`] |
//! | centroid retrieval | `search::centroid` |
//!
//! The recipes follow the authors' code where it and the paper's formula differ (every vector of a fold is an anchor, distances are
//! not squared); `loss.centroid.anchors` and `loss.centroid.squared` give the formula's form. Differences from the code, each of them
//! a repair: padding never serves as a positive or negative (`loss.triplet.legacy_padding` brings that back), and cameras are looked
//! up correctly in centroid evaluation.

mod loss;
mod model;

pub use loss::LossSection;
pub use model::CtlModel;

use super::{Capability, Facts, ImagePaper, Paper};
use crate::backbones::trunk::{Precision, TorchvisionLayout, TrunkSection, for_torchvision};
use crate::backbones::weights::{LoadReport, Tensors};
use crate::device::Device;
use crate::recipe::Reader;

/// The paper's settings.
#[derive(Clone, Debug)]
pub struct Ctl {
    /// `[model]`.
    pub model: TrunkSection,
    /// `[loss]`.
    pub loss: LossSection,
}

/// The path of the neck.
const NECK: &str = "head.bottleneck";

impl Paper for Ctl {
    const ROOM: &'static str = "ctl";
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

impl ImagePaper for Ctl {
    type Model = CtlModel;

    fn check(&self, facts: &Facts) -> Result<(), String> {
        match (self.loss.centroid.is_some(), facts.per_class) {
            (true, None) => {
                Err("loss.centroid needs batches of classes: use data.sampler.kind = \"pk\"".into())
            }
            (true, Some(1)) => Err(
                "loss.centroid needs at least two images of a class in a batch: raise data.sampler.per_class"
                    .into(),
            ),
            _ => Ok(()),
        }
    }

    fn model(
        &self,
        facts: &Facts,
        seed: u64,
        device: &Device,
    ) -> crate::Result<(CtlModel, Option<LoadReport>)> {
        CtlModel::new(self, facts, seed, device)
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
        super::images::import(weights, NECK, self.loss.center.is_some())
    }
}
