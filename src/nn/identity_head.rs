//! What turns a trunk's features into class scores in the re-identification recipes: BNNeck, classifier and class centres
//! (Luo et al. 2019, "Bag of Tricks and A Strong Baseline for Deep Person Re-identification", sections 3.6 and 3.7).

use super::{BnNeck, BnNeckConfig, Draw, ParamInfo};
use crate::device::Device;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Settings of an [`IdentityHead`].
#[derive(Clone, Debug)]
pub struct IdentityHeadConfig {
    /// Length of the trunk's features.
    pub dim: usize,
    /// Classes of the training data.
    pub classes: usize,
    /// Whether classes have learned centres.
    pub centers: bool,
}

/// BNNeck, a classifier without bias, and a centre for each class.
#[derive(Module, Debug)]
pub struct IdentityHead {
    /// The neck: what comes out of it is classified, and is the embedding.
    pub bottleneck: BnNeck,
    /// `[dim, classes]`, no bias.
    pub classifier: Linear,
    /// `[classes, dim]`.
    pub centers: Option<Param<Tensor<2>>>,
}

impl IdentityHeadConfig {
    /// The layers; draw their weights with [`IdentityHead::draw`].
    pub fn init(&self, device: &Device) -> IdentityHead {
        IdentityHead {
            bottleneck: BnNeckConfig::new(self.dim).init(device),
            classifier: LinearConfig::new(self.dim, self.classes)
                .with_bias(false)
                .init(device),
            centers: self
                .centers
                .then(|| Param::from_tensor(Tensor::zeros([self.classes, self.dim], device))),
        }
    }
}

impl IdentityHead {
    /// The published initial weights: classifier N(0, 0.001²), centres N(0, 1); for [`super::initialise`].
    pub fn draw(info: &ParamInfo) -> Option<Draw> {
        match (info.name, info.container) {
            ("weight", "Linear") => Some(Draw::Normal { std: 0.001 }),
            ("centers", _) => Some(Draw::Normal { std: 1.0 }),
            _ => None,
        }
    }

    /// The embedding, `[batch, dim]` → `[batch, dim]`, not normalised.
    pub fn embed(&self, features: Tensor<2>) -> Tensor<2> {
        self.bottleneck.forward(features)
    }

    /// Class scores, `[batch, dim]` → `[batch, classes]`.
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(self.embed(features))
    }
}

impl IdentityHead {
    /// Divides the centres' gradient by the centre loss's weight: the weight is meant for the features, the centres follow their
    /// class means at their own rate whatever it is.
    pub fn unweight_centers(&self, mut grads: GradientsParams, weight: f64) -> GradientsParams {
        if let Some(centers) = &self.centers
            && weight > 0.0
            && let Some(grad) = grads.remove::<2>(centers.id)
        {
            grads.register(centers.id, grad / weight);
        }
        grads
    }
}
