//! Stochastic depth.

use burn::module::{Flag, Module, Param};
use burn::tensor::{Distribution, Tensor};

/// Stochastic depth (Huang et al. 2016) by rows, as torchvision's `StochasticDepth(p, "row")`: in training a residual branch is
/// left out for each image with probability p, and divided by 1 − p where it stays.
///
/// Draws come from the device's generator, which the engine seeds before each pass.
#[derive(Module, Debug)]
pub struct DropPath {
    /// The probability, 0 to below 1.
    #[module(skip)]
    pub p: f64,
    /// Whether the layer takes part in training.
    pub training: Param<Flag>,
}

impl DropPath {
    /// A layer that drops with that probability.
    pub fn new(p: f64) -> Self {
        Self {
            p,
            training: Param::from_bool(true),
        }
    }

    /// Whether [`forward`](Self::forward) of this input draws.
    pub fn acts_on(&self, x: &Tensor<4>) -> bool {
        self.p > 0.0 && self.training.is_enabled() && x.device().is_autodiff()
    }

    /// `[batch, channels, height, width]` → the same shape.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if !self.acts_on(&x) {
            return x;
        }
        let keep = 1.0 - self.p;
        let rows = [x.dims()[0], 1, 1, 1];
        let kept = Tensor::<4>::random(rows, Distribution::Bernoulli(keep), &x.device());
        x * (kept / keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn whole_images_are_dropped_in_training_alone_and_the_mean_stays() {
        let drop = DropPath::new(0.25);
        let values = |x: Tensor<4>| -> Vec<f32> { x.into_data().try_into_vec_as().unwrap() };
        let device = cpu().autodiff();
        let drawn = || {
            cpu().seed(7);
            values(drop.forward(Tensor::ones([4000, 1, 1, 2], &device)))
        };
        let y = drawn();
        for row in y.chunks(2) {
            assert!(row[0] == row[1] && (row[0] == 0.0 || (row[0] - 4.0 / 3.0).abs() < 1e-6));
        }
        let mean = y.iter().sum::<f32>() / y.len() as f32;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        // Another test may draw from the same generator in between.
        assert!((0..50).any(|_| drawn() == drawn()));
        let ones = vec![1.0; 6];
        assert_eq!(values(drop.forward(Tensor::ones([3, 1, 1, 2], &cpu()))), ones);
        assert_eq!(
            values(drop.clone().freeze().forward(Tensor::ones([3, 1, 1, 2], &device))),
            ones
        );
    }
}
