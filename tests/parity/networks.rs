//! What the tests of whole networks share: weights and images by rule, gradients by path, samples of large tensors.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde_json::Value;
use tailor::backbones::weights::Tensors;

use crate::fixtures::values;

/// The hash of (t, j) that fills weights and images, uniform in [0, 1): `u` of scripts/reference/resnet.py.
pub fn u(t: u32, j: u32) -> f64 {
    let mut h = j.wrapping_add(t.wrapping_mul(0x9E37_79B9));
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    f64::from(h ^ (h >> 16)) / 4_294_967_296.0
}

/// The t-th tensor: what `value` makes of the hash of each place.
pub fn filled(t: u32, shape: &[usize], value: impl Fn(f64) -> f64) -> TensorData {
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count).map(|j| value(u(t, j)) as f32).collect();
    TensorData::new(values, shape.to_vec())
}

/// From [0, 1) to [−1, 1).
pub fn centred(u: f64) -> f64 {
    2.0 * u - 1.0
}

/// Weights by rule under the reference's own names, `fill` of the scripts; `small` says of an entry whether it is the weight of a
/// norm that ends a block, which is made small where a network is to be tame.
pub fn weights(model: &Value, small: impl Fn(usize, &str) -> bool) -> Tensors {
    let keys = model["keys"].as_array().unwrap().iter();
    keys.enumerate()
        .map(|(t, entry)| {
            let key = entry[0].as_str().unwrap();
            let shape: Vec<usize> = serde_json::from_value(entry[1].clone()).unwrap();
            let bound = (6.0 * shape[0] as f64 / shape.iter().product::<usize>() as f64).sqrt();
            let data = filled(t as u32, &shape, |u| match key.rsplit('.').next().unwrap() {
                "running_mean" => 0.1 * centred(u),
                "running_var" => 0.5 + u,
                "weight" if shape.len() >= 2 => bound * centred(u),
                "weight" if small(t, key) => 0.2 * (0.5 + u),
                "weight" => 0.5 + u,
                _ => 0.2 * centred(u),
            });
            (key.to_owned(), data)
        })
        .collect()
}

/// The images of a case.
pub fn images(case: &Value, device: &Device) -> Tensor<4> {
    let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
    let t = case["input"].as_u64().unwrap() as u32;
    Tensor::from_data(filled(t, &shape, centred), device)
}

/// The loss of the training cases: the mean over the batch of a fixed projection of the features.
pub fn projected(features: &Tensor<2>) -> Tensor<1> {
    let projection = Tensor::from_data(filled(2_000_000, &features.dims(), centred), &features.device());
    (features.clone() * projection).sum() / features.dims()[0] as f32
}

/// The gradients of all parameters by path, and that of the images as `input`.
pub fn gradients(network: &impl Module, images: &Tensor<4>, grads: &Gradients) -> BTreeMap<String, Vec<f64>> {
    let mut by_path = ByPath {
        grads,
        path: Vec::new(),
        found: BTreeMap::from([("input".to_owned(), values(images.grad(grads).unwrap()))]),
    };
    network.visit(&mut by_path);
    by_path.found
}

struct ByPath<'a> {
    grads: &'a Gradients,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f64>>,
}

impl ModuleVisitor for ByPath<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = param.val().grad(self.grads) {
            self.found.insert(self.path.join("."), values(grad));
        }
    }
}

/// What the fixture keeps of a large tensor.
pub fn sampled(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .copied()
        .step_by(values.len().div_ceil(1024))
        .collect()
}

/// Euclidean length.
pub fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// A tensor of a state dict.
pub fn entry(state: &Tensors, name: &str) -> Vec<f64> {
    let entry: Vec<f32> = state[name].clone().try_into_vec_as().unwrap();
    entry.into_iter().map(f64::from).collect()
}

#[test]
fn the_filler_is_the_scripts() {
    for (j, expected) in [0.00776513, 0.62231959, 0.02977459, 0.06072302]
        .into_iter()
        .enumerate()
    {
        assert!((u(1, j as u32) - expected).abs() < 1e-8);
    }
}
