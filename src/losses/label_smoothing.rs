//! Cross-entropy against smoothed labels.
//!
//! L = −(1/n) Σ_i Σ_c q_ic log p_ic with p = softmax(logits) and q = (1 − ε)·onehot(y) + ε/C, the mean over the n real rows.
//!
//! Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, §7. The true class gets
//! 1 − ε + ε/C (some libraries give it 1 − ε and spread ε over the others only).
//!
//! Shapes: logits `[batch, classes]`, labels and mask `[batch]`.

use burn::tensor::{Bool, Int, Tensor, activation::log_softmax};

use super::{in_f32, masked_mean};

/// Cross-entropy with smoothed labels; plain cross-entropy at ε = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelSmoothing {
    /// ε: how much probability is spread evenly over all classes.
    pub epsilon: f32,
}

impl LabelSmoothing {
    /// The loss of `logits` `[batch, classes]` against class indices `labels` `[batch]`, mean over the rows where `real` `[batch]`.
    /// Labels must be below the number of classes; those of rows that are not real may be anything.
    pub fn forward(&self, logits: Tensor<2>, labels: Tensor<1, Int>, real: Tensor<1, Bool>) -> Tensor<1> {
        let classes = logits.dims()[1];
        let log_p = log_softmax(in_f32(logits), 1);
        // A comparison instead of burn's one-hot, which reads the labels back.
        let others = Tensor::<1, Int>::arange(0..classes as i64, &log_p.device())
            .unsqueeze_dim::<2>(0)
            .not_equal(labels.unsqueeze_dim(1));
        let of_label = log_p.clone().mask_fill(others, 0.0).sum_dim(1);
        let of_all = log_p.sum_dim(1);
        let rows = of_label * (self.epsilon - 1.0) - of_all * (self.epsilon / classes as f32);
        masked_mean(rows, real.unsqueeze_dim(1))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, labels, mask, matrix, normals, value};

    fn loss(epsilon: f32, logits: &[f32], classes: usize, of: &[i32], real: &[bool]) -> f32 {
        let device = Device::flex();
        let logits = matrix(logits, classes, &device);
        value(LabelSmoothing { epsilon }.forward(logits, labels(of, &device), mask(real, &device)))
    }

    #[test]
    fn four_classes_by_hand() {
        let logits = [2.0, 0.0, 0.0, 0.0];
        close(loss(0.0, &logits, 4, &[0], &[true]), 0.34075, 1e-5);
        close(loss(0.1, &logits, 4, &[0], &[true]), 0.49075, 1e-5);
    }

    #[test]
    fn padding_does_not_count() {
        let logits = [2.0, 0.0, 0.0, 0.0, f32::NAN, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let expected = (0.49075 + 4f32.ln()) / 2.0;
        close(
            loss(0.1, &logits, 4, &[0, -7, 3], &[true, false, true]),
            expected,
            1e-5,
        );
        assert_eq!(loss(0.1, &logits[..4], 4, &[0], &[false]), 0.0);
        assert!(loss(0.1, &logits, 4, &[0, 0, 0], &[true; 3]).is_nan());
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let of = |x: Tensor<2>| {
            let (y, real) = (
                labels(&[4, 0, 2], &x.device()),
                mask(&[true, true, false], &x.device()),
            );
            LabelSmoothing { epsilon: 0.1 }.forward(x, y, real)
        };
        check_gradient(&normals(1, 15), 5, of);
        let (_, grad) = gradient(&normals(1, 15), 5, of);
        assert!(grad[10..].iter().all(|&g| g == 0.0));
    }
}
