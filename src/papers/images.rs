//! Batches of labelled pictures on the device, and what embeds them.

use super::Facts;
use crate::backbones::trunk::{Trunk, from_torchvision};
use crate::backbones::weights::Tensors;
use crate::data::ImageBatch;
use crate::device::Device;
use crate::nn::BnNeck;
use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor, TensorData};

/// A batch of labelled pictures.
#[derive(Clone, Debug)]
pub struct Images {
    /// Normalised RGB, `[batch, 3, height, width]`.
    pub pixels: Tensor<4>,
    /// Class indices, `[batch]`.
    pub labels: Tensor<1, Int>,
    /// False where a row only fills the batch up, `[batch]`.
    pub real: Tensor<1, Bool>,
}

impl Images {
    /// Moves a batch to the device.
    pub fn upload(host: ImageBatch, device: &Device) -> Self {
        let [batch, ..] = host.shape;
        Self {
            pixels: Tensor::from_data(TensorData::new(host.pixels, host.shape), device),
            labels: Tensor::from_data(TensorData::new(host.labels, [batch]), device),
            real: Tensor::from_data(TensorData::new(host.real, [batch]), device),
        }
    }
}

/// The layers that [`Embed::embed`] runs, one after the other, for exporters that write them down.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// `[batch, 3, height, width]` → `[batch, dim]`.
    pub trunk: &'a Trunk,
    /// `[batch, dim]` → `[batch, dim]`, with its path in the model's state.
    pub neck: (&'static str, &'a BnNeck),
}

impl Encoder<'_> {
    /// Length of an embedding.
    pub fn dim(&self) -> usize {
        self.trunk.feature_dim()
    }
}

/// What a classifier's weights, `[classes, dim]`, say of the data.
pub(super) fn facts(weights: &Tensors, classifier: &str) -> Option<Facts> {
    match weights.get(classifier)?.shape().to_vec()[..] {
        [classes, _] => Some(Facts {
            classes,
            per_class: None,
        }),
        _ => None,
    }
}

/// An export's weights ([`from_torchvision`]) with an empty classifier of two classes, and centres where the loss has them.
pub(super) fn import(weights: &Tensors, neck: &str, centers: bool) -> Option<Tensors> {
    let mut ours = from_torchvision(weights, neck)?;
    let dim = ours.get(&format!("{neck}.running_mean"))?.num_elements();
    let empty = || TensorData::zeros::<f32, _>([2, dim]);
    ours.insert("head.classifier.weight".into(), empty());
    if centers {
        ours.insert("head.centers".into(), empty());
    }
    Some(ours)
}

/// A model that turns pictures into vectors.
pub trait Embed: Module {
    /// Normalised RGB `[batch, 3, height, width]` → `[batch, dim]`, not normalised.
    fn embed(&self, pixels: Tensor<4>) -> Tensor<2>;

    /// What [`embed`](Self::embed) runs.
    fn encoder(&self) -> Encoder<'_>;

    /// Length of an embedding.
    fn dim(&self) -> usize;
}
