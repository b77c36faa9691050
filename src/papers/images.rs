//! Batches of labelled pictures on the device, and what embeds them.

use crate::data::ImageBatch;
use crate::device::Device;
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

/// A model that turns pictures into vectors.
pub trait Embed: Module {
    /// Normalised RGB `[batch, 3, height, width]` → `[batch, dim]`, not normalised.
    fn embed(&self, pixels: Tensor<4>) -> Tensor<2>;

    /// Length of an embedding.
    fn dim(&self) -> usize;
}
