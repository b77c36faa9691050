//! The BNNeck of Luo et al. 2019, "Bag of Tricks and A Strong Baseline for Deep Person Re-identification" (section 3.6).
//!
//! A batch normalisation between the pooled feature (which the triplet and centre losses see) and the classifier (which sees
//! the normalised one). Its bias is fixed at 0, so that the classifier's hyperplanes pass through the origin.

use super::batch_norm::{BatchNorm, BatchNormConfig};
use burn::config::Config;
use burn::tensor::Device;

/// A [`BatchNorm`] over `[batch, dim]` whose bias is never trained, not even after `unfreeze()`; the state dict has it.
pub type BnNeck = BatchNorm;

/// Settings of a [`BnNeck`].
#[derive(Config, Debug)]
pub struct BnNeckConfig {
    /// Length of the feature vector.
    pub dim: usize,
}

impl BnNeckConfig {
    /// Weight 1, bias 0 and frozen.
    pub fn init(&self, device: &Device) -> BnNeck {
        BatchNormConfig::new(self.dim).with_frozen_bias(true).init(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use burn::module::Module;
    use burn::tensor::Tensor;

    #[test]
    fn the_bias_gets_no_gradient_even_when_thawed() {
        let device = cpu().autodiff();
        let neck = BnNeckConfig::new(2).init(&device);
        assert!(!neck.bias.is_require_grad());
        for neck in [neck.clone(), neck.unfreeze()] {
            let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, -1.0]], &device);
            let grads = neck.forward(x).powi_scalar(3).sum().backward();
            assert!(neck.weight.grad(&grads).is_some());
            assert!(neck.bias.grad(&grads).is_none());
        }
    }
}
