//! The model and its loss.

use super::{Ctl, LossSection};
use crate::backbones::Trunk;
use crate::backbones::trunk::Precision;
use crate::backbones::weights::LoadReport;
use crate::data::ImageBatch;
use crate::device::Device;
use crate::losses::Center;
use crate::nn::{IdentityHead, IdentityHeadConfig, initialise};
use crate::papers::{Clock, Embed, Encoder, Facts, Images, Losses, Objective};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Trunk and head, trained with the sum of up to four losses.
#[derive(Module, Debug)]
pub struct CtlModel {
    /// The image network.
    pub trunk: Trunk,
    /// BNNeck, classifier, centres.
    pub head: IdentityHead,
    #[module(skip)]
    loss: LossSection,
    #[module(skip)]
    precision: Precision,
    #[module(skip)]
    per_class: usize,
}

impl CtlModel {
    /// The model at step 0.
    pub fn new(
        paper: &Ctl,
        facts: &Facts,
        seed: u64,
        device: &Device,
    ) -> crate::Result<(Self, Option<LoadReport>)> {
        let trunk = paper.model.trunk.init(device);
        let head = IdentityHeadConfig {
            dim: trunk.feature_dim(),
            classes: facts.classes,
            centers: paper.loss.center.is_some(),
        };
        let model = Self {
            trunk,
            head: head.init(device),
            loss: paper.loss.clone(),
            precision: paper.model.precision,
            per_class: facts.per_class.unwrap_or(1),
        };
        let mut model = initialise(model, seed, |info| {
            IdentityHead::draw(info).or_else(|| Trunk::draw(info))
        });
        let (trunk, report) = paper.model.load(model.trunk)?;
        model.trunk = trunk;
        Ok((model, report))
    }
}

impl Objective for CtlModel {
    type Host = ImageBatch;
    type Batch = Images;

    fn upload(&self, host: ImageBatch, device: &Device) -> Images {
        Images::upload(host, device)
    }

    fn loss(&self, _phase: usize, batch: &Images, _clock: &Clock) -> Losses {
        let Images { pixels, labels, real } = batch.clone();
        let features = self.precision.features(&self.trunk, pixels);
        let mut terms = Vec::new();
        if let Some(id) = &self.loss.id {
            let logits = self.head.logits(features.clone());
            let value = id.build().forward(logits, labels.clone(), real.clone());
            terms.push(("id", value * id.weight));
        }
        if let Some(triplet) = &self.loss.triplet {
            let value = triplet
                .build()
                .forward(features.clone(), labels.clone(), real.clone());
            terms.push(("triplet", value * triplet.weight));
        }
        if let (Some(center), Some(centers)) = (&self.loss.center, &self.head.centers) {
            let value = Center.forward(features.clone(), labels, centers.val(), real.clone());
            terms.push(("center", value * center.weight));
        }
        if let Some(centroid) = &self.loss.centroid {
            let value = centroid.build(self.per_class).forward(features.clone(), real);
            terms.push(("centroid", value * centroid.weight));
        }
        Losses::sum(terms, &features)
    }

    fn edit_grads(&self, _phase: usize, grads: GradientsParams) -> GradientsParams {
        match &self.loss.center {
            Some(center) => self.head.unweight_centers(grads, center.weight),
            None => grads,
        }
    }
}

impl Embed for CtlModel {
    fn embed(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.head.embed(self.trunk.forward(pixels))
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            trunk: &self.trunk,
            neck: ("head.bottleneck", &self.head.bottleneck),
        }
    }

    fn dim(&self) -> usize {
        self.trunk.feature_dim()
    }
}
