//! Distances between all rows of two matrices: what the metric losses mine in.
//!
//! Squared Euclidean: d²(a, b) = max(‖a‖² + ‖b‖² − 2 a·b, 1e-12), one matrix product for all pairs. The unsquared distance is
//! its root. The clamp keeps the root's derivative finite where two rows coincide, and its own gradient there is exactly 0.
//! Cosine distance: 1 − a·b / (‖a‖ ‖b‖), between 0 and 2.
//!
//! Source: the form with the clamp is that of the ReID baselines (Luo et al., "Bag of Tricks", CVPRW 2019, and its successors).
//! The expanded square loses digits: in f32 the squared distance is good to about 1e-7 · (‖a‖² + ‖b‖²).
//!
//! Shapes: `[…, m, d]` and `[…, n, d]` give `[…, m, n]`; leading dimensions are batches.

use burn::tensor::Tensor;

use super::in_f32;

/// The least squared distance.
pub const FLOOR: f32 = 1e-12;

/// Squared Euclidean distances `[…, m, n]` between the rows of `a` `[…, m, d]` and `b` `[…, n, d]`, at least [`FLOOR`].
pub fn squared_euclidean<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let (a, b) = (in_f32(a), in_f32(b));
    let a_norms = a.clone().square().sum_dim(D - 1);
    let b_norms = b.clone().square().sum_dim(D - 1).swap_dims(D - 2, D - 1);
    let products = a.matmul(b.swap_dims(D - 2, D - 1));
    (a_norms + b_norms - products * 2.0).clamp_min(FLOOR)
}

/// Euclidean distances `[…, m, n]` between the rows of `a` `[…, m, d]` and `b` `[…, n, d]`, at least 1e-6.
pub fn euclidean<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    squared_euclidean(a, b).sqrt()
}

/// Euclidean distances `[…, m, n]`, squared or not.
pub(super) fn pairwise<const D: usize>(a: Tensor<D>, b: Tensor<D>, squared: bool) -> Tensor<D> {
    if squared {
        squared_euclidean(a, b)
    } else {
        euclidean(a, b)
    }
}

/// Cosine similarities `[…, m, n]` between the rows of `a` `[…, m, d]` and `b` `[…, n, d]`; 0 for a row of zeros.
pub fn cosine_similarity<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    unit_rows(a).matmul(unit_rows(b).swap_dims(D - 2, D - 1))
}

/// Cosine distances `[…, m, n]`: 1 − cosine similarity.
pub fn cosine<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    cosine_similarity(a, b).neg() + 1.0
}

/// Rows scaled to length 1, in f32; a row shorter than 1e-12 is divided by 1e-12.
pub fn unit_rows<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let x = in_f32(x);
    let norms = x.clone().square().sum_dim(D - 1).clamp_min(1e-24).sqrt();
    x / norms
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, matrix, normals};

    fn data<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec_as().unwrap()
    }

    #[test]
    fn known_distances() {
        let device = Device::flex();
        let a = matrix(&[0.0, 0.0, 3.0, 4.0], 2, &device);
        let b = matrix(&[0.0, 0.0, 6.0, 8.0, 0.0, 1.0], 2, &device);
        assert_eq!(
            data(squared_euclidean(a.clone(), b.clone())),
            [FLOOR, 100.0, 1.0, 25.0, 25.0, 18.0]
        );
        for (actual, expected) in
            data(euclidean(a.clone(), b.clone()))
                .into_iter()
                .zip([1e-6, 10.0, 1.0, 5.0, 5.0, 18f32.sqrt()])
        {
            close(actual, expected, 1e-6);
        }
        for (actual, expected) in data(cosine(a, b)).into_iter().zip([1.0, 1.0, 1.0, 1.0, 0.0, 0.2]) {
            close(actual, expected, 1e-6);
        }
    }

    #[test]
    fn batches_are_independent() {
        let device = Device::flex();
        let (a, b) = (normals(1, 2 * 3 * 4), normals(2, 2 * 5 * 4));
        let all = data(euclidean(
            matrix(&a, 4, &device).reshape([2, 3, 4]),
            matrix(&b, 4, &device).reshape([2, 5, 4]),
        ));
        for i in 0..2 {
            let one = data(euclidean(
                matrix(&a[i * 12..][..12], 4, &device),
                matrix(&b[i * 20..][..20], 4, &device),
            ));
            for (x, y) in one.iter().zip(&all[i * 15..]) {
                close(*x, *y, 1e-6);
            }
        }
    }

    #[test]
    fn coinciding_rows_have_no_gradient() {
        let rows = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0];
        let (value, grad) = gradient(&rows, 2, |x| euclidean(x.clone(), x).sum());
        close(value, 9e-6, 1e-6);
        assert!(grad.iter().all(|&g| g == 0.0), "{grad:?}");
        let (_, grad) = gradient(&[0.0; 4], 2, |x| cosine(x.clone(), x).sum());
        assert!(grad.iter().all(|g| g.is_finite()), "{grad:?}");
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = normals(3, 12);
        let weights = |x: &Tensor<2>| matrix(&normals(4, 16), 4, &x.device());
        check_gradient(&x, 3, |x| {
            let other = matrix(&normals(5, 12), 3, &x.device());
            (euclidean(x.clone(), other) * weights(&x)).sum()
        });
        check_gradient(&x, 3, |x| (cosine(x.clone(), x.clone()) * weights(&x)).sum());
    }

    #[test]
    fn nan_is_not_hidden() {
        let device = Device::flex();
        let x = matrix(&[f32::NAN, 0.0, 1.0, 0.0], 2, &device);
        let d = data(euclidean(x.clone(), x));
        assert!(d[..3].iter().all(|d| d.is_nan()) && d[3] == 1e-6);
    }
}
