//! From feature maps to vectors.

use super::host;
use super::instance_norm::{narrow, widen};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

/// Mean over the spatial axes, summed in f32: `[batch, channels, height, width]` → `[batch, channels]`.
pub fn global_average(x: Tensor<4>) -> Tensor<2> {
    let ([batch, channels, height, width], dtype) = (x.dims(), x.dtype());
    let mean = widen(x).reshape([batch, channels, height * width]).mean_dim(2);
    narrow(mean.reshape([batch, channels]), dtype)
}

/// The largest value of each window, `[batch, channels, height, width]` → `[batch, channels, height', width']`; padding does not count.
pub fn max_pool(x: Tensor<4>, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Tensor<4> {
    host::pool::max_pool2d(&x, kernel, stride, padding).unwrap_or_else(|| {
        let options = MaxPoolOptions::new(kernel)
            .with_stride(stride)
            .with_padding(padding);
        max_pool2d(x, options)
    })
}

/// Settings of a [`Gem`].
#[derive(Config, Debug)]
pub struct GemConfig {
    /// The exponent to begin with.
    #[config(default = 3.0)]
    pub p: f64,
    /// Smaller activations, and negative ones, count as this.
    #[config(default = 1e-6)]
    pub eps: f64,
}

impl GemConfig {
    /// With a learnable exponent.
    pub fn init(&self, device: &Device) -> Gem {
        Gem {
            p: Param::from_tensor(Tensor::full([1], self.p, device)),
            eps: self.eps,
        }
    }
}

/// Generalised-mean pooling (Radenović et al. 2018, equation 3): `(mean of max(x, eps)^p)^(1/p)` over the spatial axes.
/// p = 1 is the average, p → ∞ the maximum.
#[derive(Module, Debug)]
pub struct Gem {
    /// The exponent `[1]`.
    pub p: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl Gem {
    /// `[batch, channels, height, width]` → `[batch, channels]`, in f32 inside.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let ([batch, channels, height, width], dtype) = (x.dims(), x.dtype());
        let p = widen(self.p.val()).reshape([1, 1, 1]);
        let x = widen(x)
            .reshape([batch, channels, height * width])
            .clamp_min(self.eps);
        // Powers through logarithms, whose gradient reaches p as well.
        let mean = (x.log() * p.clone()).exp().mean_dim(2);
        narrow((mean.log() / p).exp().reshape([batch, channels]), dtype)
    }

    /// What smaller activations count as.
    pub fn eps(&self) -> f64 {
        self.eps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    #[test]
    fn the_average_is_per_image_and_channel() {
        let x = Tensor::<4>::from_floats([[[[1.0, 2.0, 6.0]], [[0.0, 0.0, 3.0]]]], &cpu());
        assert_eq!(values(global_average(x)), [3.0, 1.0]);
    }

    #[test]
    fn the_generalised_mean_lies_between_average_and_maximum() {
        let device = cpu().autodiff();
        let x = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, -4.0]]]], &device);
        let gem = GemConfig::new().init(&device);
        let y = gem.forward(x.clone());
        // ((1 + 8 + 27 + 0) / 4)^(1/3) = 9^(1/3)
        assert!((values(y.clone())[0] - 2.080_083_8).abs() < 1e-5);
        let grads = y.sum().backward();
        // d/dp (S/4)^(1/p) at p = 3, S = Σ x^p: y · (S'/(p S) − ln(S/4)/p²) = 0.18764.
        let (s, ds) = (36.0f64, 8.0 * 2.0f64.ln() + 27.0 * 3.0f64.ln());
        let expected = 9.0f64.powf(1.0 / 3.0) * (ds / (3.0 * s) - 9.0f64.ln() / 9.0);
        let slope: f32 = gem.p.grad(&grads).unwrap().into_scalar();
        assert!((f64::from(slope) - expected).abs() < 1e-4, "{slope} {expected}");
        let average = GemConfig::new()
            .with_p(1.0)
            .init(&device)
            .forward(x.clamp_min(0.0));
        assert!((values(average)[0] - 1.5).abs() < 1e-5);
    }
}
