//! Instance normalisation: every image and channel by its own mean and variance (Ulyanov et al. 2016).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Settings of an [`InstanceNorm`].
#[derive(Config, Debug)]
pub struct InstanceNormConfig {
    /// Channels: the size of the input's second axis.
    pub channels: usize,
    /// Added to the variance before its root.
    #[config(default = 1e-5)]
    pub eps: f64,
}

impl InstanceNormConfig {
    /// Weight 1, bias 0.
    pub fn init(&self, device: &Device) -> InstanceNorm {
        InstanceNorm {
            weight: Param::from_tensor(Tensor::ones([self.channels], device)),
            bias: Param::from_tensor(Tensor::zeros([self.channels], device)),
            eps: self.eps,
        }
    }
}

/// `y = (x − mean) / sqrt(var + eps) · weight + bias` with the image's own mean and biased variance over the spatial axes,
/// in training and in evaluation: there are no running statistics. Computed in f32 whatever the input's type.
#[derive(Module, Debug)]
pub struct InstanceNorm {
    /// Scale `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Shift `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl InstanceNorm {
    /// `[batch, channels, …]` (rank 3 or more) → the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (shape, dtype) = (x.dims(), x.dtype());
        let [batch, channels] = [shape[0], shape[1]];
        let x = widen(x).reshape([batch as i64, channels as i64, -1]);
        let centred = x.clone() - x.mean_dim(2);
        let var = centred.clone().powi_scalar(2).mean_dim(2);
        let weight = widen(self.weight.val()).reshape([1, channels, 1]);
        let bias = widen(self.bias.val()).reshape([1, channels, 1]);
        let scale = var.add_scalar(self.eps).sqrt().recip() * weight;
        narrow((centred * scale + bias).reshape(shape), dtype)
    }

    /// What is added to the variance before its root.
    pub fn eps(&self) -> f64 {
        self.eps
    }
}

/// Half-precision values as f32: sums over a feature map lose too much in 8 or 11 bits.
pub(super) fn widen<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(FloatDType::F32),
        _ => x,
    }
}

/// Back to the type that [`widen`] was given.
pub(super) fn narrow<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    if x.dtype() == dtype { x } else { x.cast(dtype) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use burn::tensor::{TensorData, Tolerance};

    #[test]
    fn an_image_is_normalised_by_itself() {
        let norm = InstanceNormConfig::new(2).init(&cpu());
        let norm = InstanceNorm {
            weight: Param::from_data([1.0f32, 2.0], &cpu()),
            bias: Param::from_data([0.0f32, 1.0], &cpu()),
            ..norm
        };
        let image = [[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]];
        let expected = [
            [[-1.34164, -0.44721], [0.44721, 1.34164]],
            [[-1.68328, 0.10557], [1.89443, 3.68328]],
        ];
        // A second image beside it changes nothing.
        let x = Tensor::<4>::from_floats(
            [image, [[[5.0, 5.0], [5.0, 6.0]], [[0.0, 1.0], [0.0, 0.0]]]],
            &cpu(),
        );
        let y = norm.forward(x).slice([0..1, 0..2, 0..2, 0..2]);
        y.to_data()
            .assert_approx_eq::<f32>(&TensorData::from([expected]), Tolerance::absolute(2e-5));
        let device = cpu().autodiff();
        let trained = InstanceNormConfig::new(2).init(&device);
        let y = trained.forward(Tensor::<4>::from_floats([image], &device));
        let row: Vec<f32> = y
            .slice([0..1, 0..1, 0..1, 0..2])
            .into_data()
            .try_into_vec_as()
            .unwrap();
        assert!(
            (row[0] + 1.34164).abs() < 2e-5 && (row[1] + 0.44721).abs() < 2e-5,
            "{row:?}"
        );
    }
}
