//! Reading fixtures, and comparing with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name]
        .iter()
        .collect()
}

/// A JSON fixture.
pub fn json(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A tensor of any type that fixtures use, as f64.
pub struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// A safetensors fixture, or the part of it whose names begin with a prefix, which is cut off.
pub struct Fixture(BTreeMap<String, Values>);

impl Fixture {
    pub fn read(name: &str) -> Self {
        let bytes = std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let read = |view: &safetensors::tensor::TensorView| {
            let values = match view.dtype() {
                Dtype::F32 => view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
                    .collect(),
                Dtype::I32 => view
                    .data()
                    .chunks_exact(4)
                    .map(|b| i32::from_le_bytes(b.try_into().unwrap()).into())
                    .collect(),
                Dtype::U8 => view.data().iter().map(|&b| f64::from(b)).collect(),
                other => panic!("{name}: a fixture has no business with {other:?}"),
            };
            Values {
                shape: view.shape().to_vec(),
                values,
            }
        };
        Self(
            file.iter()
                .map(|(key, view)| (key.to_owned(), read(&view)))
                .collect(),
        )
    }

    pub fn part(&mut self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let keys: Vec<String> = self
            .0
            .keys()
            .filter(|key| key.starts_with(&prefix))
            .cloned()
            .collect();
        assert!(!keys.is_empty(), "the fixture has nothing of {name}");
        Self(
            keys.into_iter()
                .map(|key| (key[prefix.len()..].to_owned(), self.0.remove(&key).unwrap()))
                .collect(),
        )
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn get(&self, key: &str) -> &[f64] {
        &self
            .0
            .get(key)
            .unwrap_or_else(|| panic!("the fixture has no {key}"))
            .values
    }

    /// A matrix or vector of floats.
    pub fn floats<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let values = self.get(key).iter().map(|&x| x as f32).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(values, self.0[key].shape.clone()), device)
    }

    pub fn labels(&self, device: &Device) -> Tensor<1, Int> {
        let values = self.get("labels").iter().map(|&x| x as i32).collect::<Vec<_>>();
        let rows = values.len();
        Tensor::from_data(TensorData::new(values, [rows]), device)
    }

    pub fn real(&self, device: &Device) -> Tensor<1, Bool> {
        let values = self.get("real").iter().map(|&x| x != 0.0).collect::<Vec<_>>();
        let rows = values.len();
        Tensor::from_data(TensorData::new(values, [rows]), device)
    }
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values: Vec<f32> = tensor.into_data().try_into_vec_as().expect("f32");
    values.into_iter().map(f64::from).collect()
}

/// ‖actual − expected‖ / ‖expected‖
fn distance(actual: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len(), "lengths differ");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut actual.iter().zip(expected).map(|(a, e)| a - e))
        / norm(&mut expected.iter().copied()).max(1e-12)
}

/// Asserts that `distance` is at most `tolerance`; NaN is not.
#[track_caller]
pub fn close(what: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    let off = distance(actual, expected);
    assert!(
        off <= tolerance,
        "{what} is off by {off:.2e}, more than {tolerance:.0e}"
    );
}
