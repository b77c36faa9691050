//! What the tests of several layers share: values, closeness, and a convolution with its gradients, ours or burn's.

use crate::device::cpu;
use crate::nn::init::tests::noise;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// The elements, as f32.
pub fn vector<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec_as().unwrap()
}

/// Asserts that no two elements are further apart than `tolerance` of the largest of `theirs`, which counts as `least` at least.
#[track_caller]
pub fn near(name: &str, ours: &[f32], theirs: &[f32], tolerance: f32, least: f32) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let scale = theirs.iter().fold(least, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{name} {i}: {a} {b}");
    }
}

/// A copy on another device that gradients are asked of.
pub fn on<const D: usize>(x: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.to_data(), device).require_grad()
}

/// The output's shape; output and gradients by input and weight of Σ factors · output.
pub fn differentiated(
    convolve: impl Fn(&Tensor<4>, &Tensor<4>) -> Tensor<4>,
    [x, weight]: [&Tensor<4>; 2],
) -> ([usize; 4], [Vec<f32>; 3]) {
    let device = cpu().autodiff();
    let (x, weight) = (on(x, &device), on(weight, &device));
    let y = convolve(&x, &weight);
    let factors = Tensor::from_data(noise(y.dims(), 9).into_data(), &device);
    let grads = (y.clone() * factors).sum().backward();
    let (dx, dw) = (x.grad(&grads).unwrap(), weight.grad(&grads).unwrap());
    (y.dims(), [vector(y), vector(dx), vector(dw)])
}

/// Asserts that a convolution, in a graph and outside of any, is burn's in so many groups.
#[track_caller]
pub fn equals_burns(
    name: &str,
    ours: impl Fn(&Tensor<4>, &Tensor<4>) -> Tensor<4>,
    inputs: [&Tensor<4>; 2],
    stride: [usize; 2],
    [before, after]: [[usize; 2]; 2],
    groups: usize,
) {
    // burn's words for zeros above and left, then below and right.
    let padding = [0, 1].map(|axis| (before[axis], after[axis]));
    let options = || ConvOptions::new_with_padding(stride, padding, [1, 1], groups);
    let burns = |x: &Tensor<4>, weight: &Tensor<4>| conv2d(x.clone(), weight.clone(), None, options());
    let (shape, found) = differentiated(&ours, inputs);
    let (expected_shape, expected) = differentiated(burns, inputs);
    assert_eq!(shape, expected_shape, "{name}");
    let parts = ["output", "by input", "by weight"].into_iter();
    for (part, (ours, theirs)) in parts.zip(found.iter().zip(&expected)) {
        near(&format!("{name} {part}"), ours, theirs, 2e-5, 1e-3);
    }
    assert_eq!(vector(ours(inputs[0], inputs[1])), found[0], "{name}");
}
