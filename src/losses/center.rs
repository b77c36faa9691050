//! The centre loss: features are drawn to a learned centre of their class.
//!
//! L = (1/n) Σ_i ‖f_i − c_{y_i}‖² over the n real rows, each square within [1e-12, 1e12]. There is no factor ½ (the "Bag of Tricks"
//! paper prints one, its code has none).
//!
//! Source: Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016; the form is that of
//! Luo et al., "Bag of Tricks", CVPRW 2019. There the centres learn by SGD of rate 0.5 on this unweighted loss, so that
//! c ← c − (1/n) Σ_{i: y_i = c} (c − f_i), whatever weight the loss has on the features.
//!
//! Shapes: features `[batch, d]`, labels and mask `[batch]`, centres `[classes, d]`.

use burn::tensor::{Bool, Int, Tensor};

use super::{in_f32, masked_mean};

/// The centre loss. The centres are the caller's, who also trains them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Center;

impl Center {
    /// The mean squared distance of `features` `[batch, d]` from the `centers` `[classes, d]` of their `labels` `[batch]`, over the
    /// rows where `real` `[batch]`. Labels must be below the number of classes; those of rows that are not real may be anything.
    pub fn forward(
        &self,
        features: Tensor<2>,
        labels: Tensor<1, Int>,
        centers: Tensor<2>,
        real: Tensor<1, Bool>,
    ) -> Tensor<1> {
        let rows = real.clone().bool_not();
        let own = in_f32(centers).select(0, labels.mask_fill(rows, 0));
        let squares = (in_f32(features) - own).square().sum_dim(1).clamp(1e-12, 1e12);
        masked_mean(squares, real.unsqueeze_dim(1))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, labels, mask, matrix, normals, value};

    #[test]
    fn two_rows_by_hand() {
        let device = Device::flex();
        let features = matrix(&[1.0, 2.0, 3.0, 4.0, f32::NAN, 0.0], 2, &device);
        let centers = matrix(&[9.0, 9.0, 0.0, 0.0, 3.0, 5.0], 2, &device);
        let real = mask(&[true, true, false], &device);
        let loss = Center.forward(
            features.clone(),
            labels(&[1, 2, -1], &device),
            centers.clone(),
            real.clone(),
        );
        close(value(loss), (5.0 + 1.0) / 2.0, 1e-6);
        let nothing = mask(&[false; 3], &device);
        assert_eq!(
            value(Center.forward(
                features.clone(),
                labels(&[1, 2, 0], &device),
                centers.clone(),
                nothing
            )),
            0.0
        );
        let all = mask(&[true; 3], &device);
        assert!(value(Center.forward(features, labels(&[1, 2, 0], &device), centers, all)).is_nan());
    }

    #[test]
    fn one_step_of_sgd_moves_a_centre_by_a_sixteenth() {
        // 64 rows of which 4 belong to class 1, all at x; its centre at 0.
        let device = Device::flex().autodiff();
        let x = [3.0, -1.0];
        let (mut features, mut of) = (Vec::new(), Vec::new());
        for row in 0..64 {
            let own = row % 16 == 5;
            features.extend(if own { x } else { [0.0, 0.0] });
            of.push(i32::from(own));
        }
        let centers = matrix(&[0.0; 6], 2, &device).require_grad();
        let loss = Center.forward(
            matrix(&features, 2, &device),
            labels(&of, &device),
            centers.clone(),
            mask(&[true; 64], &device),
        );
        let grad = centers.grad(&loss.backward()).unwrap();
        let moved: Vec<f32> = (centers.inner() - grad * 0.5)
            .into_data()
            .try_into_vec_as()
            .unwrap();
        assert_eq!(moved, [0.0, 0.0, x[0] / 16.0, x[1] / 16.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (f, c) = (normals(1, 12), normals(2, 9));
        let of = |features: Tensor<2>, centers: Tensor<2>| {
            let device = features.device();
            let (y, real) = (
                labels(&[2, 0, 2, 0], &device),
                mask(&[true, true, true, false], &device),
            );
            Center.forward(features, y, centers, real)
        };
        check_gradient(&f, 3, |x| of(x.clone(), matrix(&c, 3, &x.device())));
        check_gradient(&c, 3, |x| of(matrix(&f, 3, &x.device()), x));
        let (_, grad) = gradient(&f, 3, |x| of(x.clone(), matrix(&c, 3, &x.device())));
        assert!(
            grad[9..].iter().all(|&g| g == 0.0),
            "the padded row has a gradient"
        );
    }
}
