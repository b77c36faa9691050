//! The arithmetic that a trunk is trained in.

use super::Trunk;
use crate::device::DeviceError;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number type of a trunk's activations and products in training. Weights, their optimiser's state, the statistics of norms, the
/// head and the losses stay in single precision, and so does everything outside of training: what is evaluated is what is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16: the range of f32, 8 bits of precision.
    Bf16,
    /// Half precision: 11 bits, and a range that small gradients fall out of; set `optimizer.loss_scale` with it.
    F16,
}

impl Precision {
    fn half(self) -> Option<FloatDType> {
        match self {
            Self::F32 => None,
            Self::Bf16 => Some(FloatDType::BF16),
            Self::F16 => Some(FloatDType::F16),
        }
    }

    /// Normalised RGB `[batch, 3, height, width]` in f32 → the pooled features `[batch, feature_dim]` in f32.
    pub fn features(self, trunk: &Trunk, pixels: Tensor<4>) -> Tensor<2> {
        match self.half() {
            None => trunk.forward(pixels),
            Some(half) => trunk.forward(pixels.cast(half)).cast(FloatDType::F32),
        }
    }

    /// Refuses a type that the device cannot compute in.
    pub fn check(self, device: &Device) -> Result<(), DeviceError> {
        let Some(half) = self.half() else {
            return Ok(());
        };
        match device.supports_dtype(DType::from(half)) {
            true => Ok(()),
            false => Err(DeviceError::Precision {
                name: match self {
                    Self::Bf16 => "bf16",
                    _ => "f16",
                },
            }),
        }
    }
}
