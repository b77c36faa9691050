//! Layers: what comes out, and the gradients of inputs and weights.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LinearConfig, PaddingConfig2d};
use burn::optim::GradientsParams;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use tailor::nn::{BatchNormConfig, GemConfig, IbnConfig, InstanceNormConfig, global_average, initialise};

use crate::values::{Values, normal, uneven_sum};

/// One shape for all maps, so that few kernels are tuned.
const MAP: [usize; 4] = [4, 8, 6, 6];

/// Passes noise through a module and back.
fn pass<M: Module, const IN: usize, const OUT: usize>(
    module: &M,
    shape: [usize; IN],
    device: &Device,
    forward: impl Fn(&M, Tensor<IN>) -> Tensor<OUT>,
) -> Values {
    let mut values = Values::default();
    let x = normal("input", shape, device).require_grad();
    let y = forward(module, x.clone());
    values.tensor("output", y.clone().inner());
    let mut grads = uneven_sum(y).backward();
    values.leaf("input", &x, &grads);
    values.gradients(module, &GradientsParams::from_module(&mut grads, module));
    values
}

fn convolution(kernel: usize, stride: usize, device: &Device) -> Values {
    let device = device.clone().autodiff();
    let pad = kernel / 2;
    let conv: Conv2d = Conv2dConfig::new([MAP[1], 8], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .init(&device);
    let conv = initialise(conv, 2, |_| None);
    pass(&conv, MAP, &device, |conv, x| conv.forward(x))
}

pub fn convolution_3x3(device: &Device) -> Values {
    convolution(3, 2, device)
}

pub fn convolution_1x1(device: &Device) -> Values {
    convolution(1, 1, device)
}

pub fn linear(device: &Device) -> Values {
    let device = device.clone().autodiff();
    let linear = initialise(LinearConfig::new(16, 8).init(&device), 2, |_| None);
    pass(&linear, [8, 16], &device, |linear, x| linear.forward(x))
}

/// Training, the statistics that it leaves behind, and evaluation with them.
pub fn batch_norm(device: &Device) -> Values {
    let training = device.clone().autodiff();
    let norm = BatchNormConfig::new(MAP[1]).init(&training);
    let mut values = pass(&norm, MAP, &training, |norm, x| norm.forward(x * 2.0 + 0.5));
    values.weights(&norm);
    values.tensor("evaluated", norm.valid().forward(normal("input", MAP, device)));
    values
}

pub fn instance_norm(device: &Device) -> Values {
    let device = device.clone().autodiff();
    let norm = InstanceNormConfig::new(MAP[1]).init(&device);
    pass(&norm, MAP, &device, |norm, x| norm.forward(x))
}

pub fn instance_batch_norm(device: &Device) -> Values {
    let device = device.clone().autodiff();
    let norm = IbnConfig::new(MAP[1]).init(&device);
    let mut values = pass(&norm, MAP, &device, |norm, x| norm.forward(x));
    values.weights(&norm);
    values
}

/// The stem's, with overlapping windows.
pub fn max_pool(device: &Device) -> Values {
    let options = || {
        MaxPoolOptions::new([3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1])
    };
    without_weights(device, |x| max_pool2d(x, options()))
}

pub fn global_average_pool(device: &Device) -> Values {
    without_weights(device, global_average)
}

pub fn generalised_mean(device: &Device) -> Values {
    let device = device.clone().autodiff();
    let gem = GemConfig::new().init(&device);
    pass(&gem, MAP, &device, |gem, x| gem.forward(x))
}

fn without_weights<const OUT: usize>(device: &Device, forward: impl Fn(Tensor<4>) -> Tensor<OUT>) -> Values {
    let mut values = Values::default();
    let x = normal("input", MAP, &device.clone().autodiff()).require_grad();
    let y = forward(x.clone());
    values.tensor("output", y.clone().inner());
    values.leaf("input", &x, &uneven_sum(y).backward());
    values
}
