//! The instance–batch normalisation of IBN-Net's variant a (Pan et al. 2018, "Two at Once", section 3.2).
#![allow(non_snake_case, reason = "fields are IBN-Net's state-dict keys")]

use super::batch_norm::{BatchNorm, BatchNormConfig};
use super::instance_norm::{InstanceNorm, InstanceNormConfig};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Settings of an [`Ibn`].
#[derive(Config, Debug)]
pub struct IbnConfig {
    /// Channels: the size of the input's second axis, at least 2.
    pub channels: usize,
}

impl IbnConfig {
    /// Both halves at weight 1, bias 0.
    pub fn init(&self, device: &Device) -> Ibn {
        let half = self.channels / 2;
        Ibn {
            IN: InstanceNormConfig::new(half).init(device),
            BN: BatchNormConfig::new(self.channels - half).init(device),
        }
    }
}

/// The first ⌊channels / 2⌋ channels through instance normalisation, which removes an image's contrast and style,
/// the others through batch normalisation, which keeps them.
#[derive(Module, Debug)]
pub struct Ibn {
    /// The first half.
    pub IN: InstanceNorm,
    /// The second half.
    pub BN: BatchNorm,
}

impl Ibn {
    /// `[batch, channels, height, width]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let channels = x.dims()[1];
        let half = channels / 2;
        let first = self.IN.forward(x.clone().narrow(1, 0, half));
        let second = self.BN.forward(x.narrow(1, half, channels - half));
        Tensor::cat(vec![first, second], 1)
    }
}

/// A place where one network has batch normalisation and its IBN variant has [`Ibn`].
///
/// A derived module would put the variant's name into the paths; here the paths are those of what is inside.
#[derive(Clone, Debug)]
pub enum Norm {
    /// `….weight`, `….running_mean`, …
    Batch(BatchNorm),
    /// `….IN.weight`, `….BN.running_mean`, …
    Ibn(Ibn),
}

impl Norm {
    /// `[batch, channels, height, width]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Batch(norm) => norm.forward(x),
            Self::Ibn(norm) => norm.forward(x),
        }
    }

    /// [`forward`](Self::forward), then ReLU.
    pub fn forward_relu(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Batch(norm) => norm.forward_relu(x),
            Self::Ibn(norm) => relu(norm.forward(x)),
        }
    }
}

super::transparent!(Norm { Batch, Ibn });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    #[test]
    fn contrast_and_brightness_vanish_in_the_first_half_alone() {
        let norm = IbnConfig::new(5).init(&cpu());
        let x = crate::nn::init::tests::noise([1, 5, 4, 4], 3).mul_scalar(10.0);
        let plain = norm.forward(x.clone());
        let stretched = norm.forward(x.mul_scalar(3.0).add_scalar(7.0));
        let first = |y: &Tensor<4>| values(y.clone().narrow(1, 0, 2));
        let rest = |y: &Tensor<4>| values(y.clone().narrow(1, 2, 3));
        for (a, b) in first(&plain).iter().zip(first(&stretched)) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        assert!(
            rest(&plain)
                .iter()
                .zip(rest(&stretched))
                .any(|(a, b)| (a - b).abs() > 1.0)
        );
        assert_eq!(rest(&plain).len(), 3 * 16);
    }
}
