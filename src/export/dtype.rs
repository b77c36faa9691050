//! Weights in half precision.

use crate::backbones::weights::Tensors;
use burn::tensor::TensorData;
use half::{bf16, f16};

/// The type in which weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE half precision: 11 significant bits, up to 65504.
    F16,
    /// The upper half of an f32: 8 significant bits, its whole range.
    Bf16,
}

impl Dtype {
    /// `f32`, `f16` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

/// A weight that the type cannot hold.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{name} holds {value:e}, and f16 ends at 65504")]
#[diagnostic(help("use --dtype bf16, whose range is that of f32, or --dtype f32"))]
pub struct RangeError {
    /// The weight.
    pub name: String,
    /// Its value.
    pub value: f32,
}

/// The weights in that type. Only those of two and more axes (kernels and matrices, all but a hundredth of a file) change: a
/// batch norm's variances may be far beyond f16's range, and its rounding would be everybody's.
pub fn stored(mut weights: Tensors, dtype: Dtype) -> Result<Tensors, RangeError> {
    if dtype == Dtype::F32 {
        return Ok(weights);
    }
    for (name, data) in &mut weights {
        if data.rank() < 2 || !data.dtype().is_float() {
            continue;
        }
        let shape = data.shape().to_vec();
        let Ok(values) = data.clone().try_into_vec_as::<f32>() else {
            continue;
        };
        *data = match dtype {
            Dtype::F16 => {
                let halves: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
                if let Some(at) = halves.iter().position(|v| !v.is_finite()) {
                    return Err(RangeError {
                        name: name.clone(),
                        value: values[at],
                    });
                }
                TensorData::new(halves, shape)
            }
            _ => TensorData::new(
                values.iter().map(|&v| bf16::from_f32(v)).collect::<Vec<_>>(),
                shape,
            ),
        };
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    fn weights(value: f32) -> Tensors {
        Tensors::from([
            ("conv".into(), TensorData::new(vec![1.0f32, value], [2, 1])),
            ("norm".into(), TensorData::new(vec![1e6f32, 1.0 / 3.0], [2])),
            ("count".into(), TensorData::new(vec![7i64, 8], [1, 2])),
        ])
    }

    #[test]
    fn kernels_change_and_norms_and_counters_stay() {
        // 1/3 to 11 and to 8 significant bits: 1365/4096 and 171/512.
        for (dtype, kind, third) in [
            (Dtype::F16, DType::F16, 1365.0 / 4096.0),
            (Dtype::Bf16, DType::BF16, 171.0 / 512.0),
        ] {
            let stored = stored(weights(1.0 / 3.0), dtype).unwrap();
            assert_eq!(stored["conv"].dtype(), kind);
            let values: Vec<f32> = stored["conv"].clone().try_into_vec_as().unwrap();
            assert_eq!(values, [1.0, third]);
            assert_eq!(stored["norm"], weights(0.0)["norm"]);
            assert_eq!(stored["count"], weights(0.0)["count"]);
        }
        assert_eq!(stored(weights(0.3), Dtype::F32).unwrap(), weights(0.3));
    }

    #[test]
    fn what_f16_cannot_hold_is_refused_by_name() {
        let error = stored(weights(-70_000.0), Dtype::F16).unwrap_err();
        assert_eq!((error.name.as_str(), error.value), ("conv", -70_000.0));
        assert!(stored(weights(-70_000.0), Dtype::Bf16).is_ok());
    }
}
