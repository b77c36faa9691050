//! One loss per file: equation, source, shapes and a hand-computed test.
//!
//! Every loss computes in f32 whatever its input's precision, takes whole batches with masks (no shape depends on the data),
//! and never reads a tensor back to the host. Features, labels and masks of one call live on one device, autodiff or not.
//! A row whose mask is false has neither influence on the value nor a gradient, even if it holds NaN; a NaN in a real row
//! reaches the value, so that the run can stop.

pub mod center;
pub mod centroid_triplet;
pub mod distance;
pub mod hardest_hinge;
pub mod label_smoothing;
pub mod quadruplet;
pub mod triplet;

use burn::tensor::{Bool, FloatDType, Tensor};

pub use center::Center;
pub use centroid_triplet::{Anchors, CentroidTriplet};
pub use hardest_hinge::{HardestHinge, Violation};
pub use label_smoothing::LabelSmoothing;
pub use quadruplet::Quadruplet;
pub use triplet::{BatchHardTriplet, Margin};

/// A batch that a loss cannot be computed for.
#[derive(Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum LossError {
    /// The quadruplet loss compares pairs of two classes with an anchor of a third.
    #[error("the quadruplet loss needs at least 3 identities in a batch, this batch has {identities}")]
    #[diagnostic(help(
        "raise the number of identities per batch to 3 or more, or use the batch-hard triplet loss"
    ))]
    FewIdentities {
        /// How many different labels the real rows have.
        identities: usize,
    },
    /// A batch that is not made of whole classes.
    #[error("a batch of {rows} rows cannot be cut into classes of {per_class} consecutive samples")]
    #[diagnostic(help(
        "the centroid loss needs a sampler of P identities × K samples with the same K, at least 2, as the loss; \
         pad small classes with rows that are masked as not real"
    ))]
    UnevenClasses {
        /// Rows of the batch.
        rows: usize,
        /// Samples per class that the loss was told.
        per_class: usize,
    },
}

/// Casts to f32; no operation if it already is.
fn in_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::F32)
}

/// 1 where true, in f32 so that counts are exact on devices whose default is a shorter float.
fn ones_where<const D: usize>(mask: Tensor<D, Bool>) -> Tensor<D> {
    in_f32(mask.float())
}

/// The mean of the values under the mask, 0 if there is none. Values outside of the mask may be anything, NaN included.
fn masked_mean<const D: usize>(values: Tensor<D>, mask: Tensor<D, Bool>) -> Tensor<1> {
    let count = ones_where(mask.clone()).sum().clamp_min(1.0);
    values.mask_fill(mask.bool_not(), 0.0).sum() / count
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of the losses share.

    use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

    /// The one value of a loss.
    pub fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar::<f32>()
    }

    /// Asserts closeness, relative to 1 or to the expected value if that is larger.
    #[track_caller]
    pub fn close(actual: f32, expected: f32, tolerance: f32) {
        let scale = expected.abs().max(1.0);
        assert!(
            (actual - expected).abs() <= tolerance * scale,
            "{actual} is not {expected}"
        );
    }

    /// `[rows, columns]` in row-major order.
    pub fn matrix(values: &[f32], columns: usize, device: &Device) -> Tensor<2> {
        let shape = [values.len() / columns, columns];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    /// Class indices.
    pub fn labels(values: &[i32], device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
    }

    /// A mask.
    pub fn mask(values: &[bool], device: &Device) -> Tensor<1, Bool> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
    }

    /// Standard normal values, the same for the same seed.
    pub fn normals(seed: u64, count: usize) -> Vec<f32> {
        let mut stream = crate::random::stream(seed, "test: losses", &[]);
        (0..count).map(|_| stream.normal() as f32).collect()
    }

    /// The value and the gradient with respect to a `[rows, columns]` input.
    pub fn gradient(
        values: &[f32],
        columns: usize,
        loss: impl Fn(Tensor<2>) -> Tensor<1>,
    ) -> (f32, Vec<f32>) {
        let x = matrix(values, columns, &Device::flex().autodiff()).require_grad();
        let loss = loss(x.clone());
        let grads = loss.backward();
        let gradient = x.grad(&grads).expect("the loss depends on its input");
        (
            value(loss.inner()),
            gradient.into_data().try_into_vec_as().expect("f32"),
        )
    }

    /// Compares the gradient with central differences. Inputs must lie away from kinks.
    #[track_caller]
    pub fn check_gradient(values: &[f32], columns: usize, loss: impl Fn(Tensor<2>) -> Tensor<1>) {
        let step = 4e-3;
        let (_, gradient) = gradient(values, columns, &loss);
        assert!(
            gradient.iter().any(|g| g.abs() > 1e-3),
            "this point has no gradient to check"
        );
        for i in 0..values.len() {
            let at = |shift: f32| {
                let mut moved = values.to_vec();
                moved[i] += shift;
                f64::from(value(loss(matrix(&moved, columns, &Device::flex()))))
            };
            let numeric = (at(step) - at(-step)) / (2.0 * f64::from(step));
            let error = (f64::from(gradient[i]) - numeric).abs();
            assert!(
                error < 2e-3 * numeric.abs().max(1.0),
                "input {i}: {} against {numeric}",
                gradient[i]
            );
        }
    }
}
