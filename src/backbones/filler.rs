//! The deterministic filler of the parity protocol, for tests: weights and images by rule, so that figures made by reference
//! implementations in f64 need no weights file.

use super::weights::{Import, Tensors, apply, collect_ordered};
use crate::device::cpu;
use crate::nn::global_average;
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// The j-th value of stream t, in [0, 1).
fn u(t: u32, j: u32) -> f64 {
    let mut h = j.wrapping_add(t.wrapping_mul(0x9E37_79B9));
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    f64::from(h ^ (h >> 16)) / 4_294_967_296.0
}

/// The t-th entry of a state dict.
fn entry(t: usize, name: &str, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let fan_in = count as f64 / shape[0] as f64;
    let value = |u: f64| match name.rsplit('.').next().unwrap() {
        "running_mean" => 0.1 * (2.0 * u - 1.0),
        "running_var" => 0.5 + u,
        _ if shape.len() >= 2 => (2.0 * u - 1.0) * (6.0 / fan_in).sqrt(),
        "weight" => 0.5 + u,
        _ => 0.2 * (2.0 * u - 1.0),
    };
    (0..count as u32).map(|j| value(u(t as u32, j)) as f32).collect()
}

/// A trunk whose entries are filled in their order, and how many there are.
pub fn filled<M: Module>(trunk: M) -> (M, usize) {
    let entries = collect_ordered(&trunk);
    let tensors: Tensors = entries
        .iter()
        .enumerate()
        .map(|(t, (name, data))| {
            let values = entry(t, name, data.shape());
            (name.clone(), TensorData::new(values, data.shape().clone()))
        })
        .collect();
    (
        apply(trunk, &tensors, &Import::default()).unwrap().0,
        entries.len(),
    )
}

/// What a reference implementation gives for the filled image.
pub struct Figures {
    /// Height and width of the image.
    pub size: [usize; 2],
    /// Height and width of the last map.
    pub map: [usize; 2],
    /// The first features, which are the map's means.
    pub features: [f64; 4],
    /// The sum of all features.
    pub sum: f64,
    /// Their Euclidean length.
    pub length: f64,
    /// The first of a thousand classes, by a classifier that follows the trunk in the file.
    pub logits: [f64; 3],
}

impl Figures {
    /// Holds a filled trunk of so many entries against the figures: its last map has `channels`, `forward` makes it. Features, their
    /// sum and length are near within `tolerance` of themselves or of 1; logits, sums of both signs, of the length of what is summed.
    #[track_caller]
    pub fn hold(
        &self,
        name: &str,
        forward: impl Fn(Tensor<4>) -> Tensor<4>,
        [entries, channels]: [usize; 2],
        tolerance: f64,
    ) {
        let [height, width] = self.size;
        let pixels: Vec<f32> = (0..(3 * height * width) as u32)
            .map(|j| (2.0 * u(1_000_000, j) - 1.0) as f32)
            .collect();
        let image = TensorData::new(pixels, [1, 3, height, width]);
        let map = forward(Tensor::from_data(image, &cpu()));
        assert_eq!(map.dims(), [1, channels, self.map[0], self.map[1]], "{name}");
        let features: Vec<f32> = global_average(map).into_data().try_into_vec_as().unwrap();
        let features: Vec<f64> = features.into_iter().map(f64::from).collect();
        let near = |value: f64, expected: f64, within: f64, what: &str| {
            let off = (value - expected).abs();
            assert!(off <= within, "{name} {what}: {value}, not {expected}");
        };
        let relative = |value: f64, expected: f64, what: &str| {
            near(value, expected, tolerance * expected.abs().max(1.0), what);
        };
        for (value, expected) in features.iter().zip(self.features) {
            relative(*value, expected, "feature");
        }
        relative(features.iter().sum(), self.sum, "sum");
        let length = features.iter().map(|v| v * v).sum::<f64>().sqrt();
        relative(length, self.length, "length");
        let weight = entry(entries, "weight", &[1000, channels]);
        let bias = entry(entries + 1, "bias", &[1000]);
        for (i, expected) in self.logits.into_iter().enumerate() {
            let row = weight[i * channels..].iter().zip(&features);
            let dot: f64 = row.map(|(w, f)| f64::from(*w) * f).sum();
            near(dot + f64::from(bias[i]), expected, 1e-5 * self.length, "logit");
        }
    }
}

#[test]
fn the_filler_is_the_protocols() {
    for (t, j, value) in [
        (0, 1, 0.40834908),
        (0, 3, 0.32791006),
        (1, 0, 0.00776513),
        (1, 3, 0.06072302),
    ] {
        assert!((u(t, j) - value).abs() < 1e-8, "{t} {j}");
    }
}
