//! The functions between a norm and the next convolution.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, silu};

/// What is done to each value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`: MobileNets, and EfficientNet-Lite.
    Relu6,
    /// `x / (1 + e^−x)`, also called swish: EfficientNet.
    Silu,
}

impl Activation {
    /// The function, value by value.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => x,
            Self::Relu => relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Silu => silu(x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn the_functions_are_torchs() {
        let x = Tensor::<1>::from_floats([-8.0, -1.0, 0.0, 0.5, 6.0, 7.0], &cpu());
        let values =
            |act: Activation| -> Vec<f32> { act.forward(x.clone()).into_data().try_into_vec_as().unwrap() };
        assert_eq!(values(Activation::Identity), [-8.0, -1.0, 0.0, 0.5, 6.0, 7.0]);
        assert_eq!(values(Activation::Relu), [0.0, 0.0, 0.0, 0.5, 6.0, 7.0]);
        assert_eq!(values(Activation::Relu6), [0.0, 0.0, 0.0, 0.5, 6.0, 6.0]);
        // torch.nn.functional.silu
        let expected = [-0.0026828, -0.2689414, 0.0, 0.3112297, 5.985_164, 6.993_623];
        for (a, b) in values(Activation::Silu).iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}
