//! The batch-hard quadruplet loss: the triplet loss, and a term that keeps any two other classes apart.
//!
//! L = mean_i [ p_i − min_{y_j ≠ y_i} d(f_i, f_j) + α₁ ]₊ + mean_i [ p_i − min_{l,k} d(f_l, f_k) + α₂ ]₊ with
//! p_i = max_{y_j = y_i} d(f_i, f_j) and (l, k) over the pairs whose classes y_l, y_k and y_i are all different; α₁ > α₂.
//!
//! Source: Chen et al., "Beyond triplet loss: a deep quadruplet network for person re-identification", CVPR 2017, eq. 6 and 8.
//! That paper squares its distances and averages over all quadruplets; here each anchor keeps its hardest, as in the batch-hard
//! triplet loss, and distances are not squared unless asked for.
//!
//! Shapes: features `[batch, d]`, labels and masks `[batch]`; the search for the second term looks at batch³ pairs.

use burn::tensor::activation::relu;
use burn::tensor::{Bool, Int, Tensor};

use super::triplet::{Hardest, same_and_other};
use super::{LossError, distance, masked_mean};

/// The batch-hard quadruplet loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quadruplet {
    /// α₁: margin towards the negatives of the anchor.
    pub margin: f32,
    /// α₂: margin towards pairs of two other classes.
    pub pair_margin: f32,
    /// Compare squared distances.
    pub squared: bool,
}

impl Quadruplet {
    /// Whether the real rows of a batch have the three identities that the second term needs.
    pub fn check(&self, labels: &[i32], real: &[bool]) -> Result<(), LossError> {
        let mut seen: Vec<i32> = labels
            .iter()
            .zip(real)
            .filter(|(_, real)| **real)
            .map(|(label, _)| *label)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        match seen.len() {
            0..3 => Err(LossError::FewIdentities {
                identities: seen.len(),
            }),
            _ => Ok(()),
        }
    }

    /// The loss of `features` `[batch, d]` with class indices `labels` `[batch]`, over the rows where `real` `[batch]`.
    /// A term without any pair is 0: ask [`Self::check`] first.
    pub fn forward(&self, features: Tensor<2>, labels: Tensor<1, Int>, real: Tensor<1, Bool>) -> Tensor<1> {
        let rows = features.dims()[0];
        let distances = distance::pairwise(features.clone(), features, self.squared);
        let (positives, other) = same_and_other(labels);
        let columns = real.clone().unsqueeze_dim::<2>(0).expand([rows, rows]);
        let anchors = real.unsqueeze_dim::<2>(1);
        let negatives = other.clone().bool_and(columns.clone());
        let hardest = Hardest::of(
            distances.clone(),
            positives.bool_and(columns.clone()),
            negatives.clone(),
        );

        // Whether (l, k) is a pair of different real classes, neither of them the anchor's: [anchor, l, k].
        let cube = [rows, rows, rows];
        let pairs = negatives
            .clone()
            .bool_and(columns.swap_dims(0, 1))
            .unsqueeze_dim::<3>(0)
            .expand(cube);
        let first = other.clone().unsqueeze_dim::<3>(2).expand(cube);
        let second = other.unsqueeze_dim::<3>(1).expand(cube);
        let pairs = pairs
            .bool_and(first)
            .bool_and(second)
            .reshape([rows, rows * rows]);
        // Found without a graph, so that nothing of size batch³ is kept for the backward pass.
        let nearest = distances
            .clone()
            .detach()
            .reshape([1, rows * rows])
            .expand([rows, rows * rows])
            .mask_fill(pairs.clone().bool_not(), f32::MAX)
            .argmin(1);
        let pair = distances
            .reshape([rows * rows])
            .select(0, nearest.reshape([rows]))
            .unsqueeze_dim::<2>(1);
        let has_pair = pairs.any_dim(1).bool_and(anchors.clone());

        let to_negative = relu(hardest.positive.clone() - hardest.negative + self.margin);
        let to_pair = relu(hardest.positive - pair + self.pair_margin);
        masked_mean(to_negative, hardest.has_negative.bool_and(anchors)) + masked_mean(to_pair, has_pair)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, labels, mask, matrix, normals, value};

    const KIND: Quadruplet = Quadruplet {
        margin: 0.3,
        pair_margin: 0.15,
        squared: false,
    };

    fn loss(kind: Quadruplet, x: &[f32], of: &[i32], real: &[bool]) -> f32 {
        let device = Device::flex();
        value(kind.forward(matrix(x, 1, &device), labels(of, &device), mask(real, &device)))
    }

    #[test]
    fn three_classes_on_a_line_by_hand() {
        let (x, of) = ([0.0, 1.0, 3.0, 4.0, 4.5, 6.0], [0, 0, 1, 1, 2, 2]);
        // First terms: anchors 4 [1−.5+.3] and 4.5 [1.5−.5+.3], the others 0.
        // Second terms: 0 and 1 [1−.5+.15] against the pair 4, 4.5, the others 0.
        close(
            loss(KIND, &x, &of, &[true; 6]),
            (0.8 + 1.3) / 6.0 + (0.65 + 0.65) / 6.0,
            1e-5,
        );
        // Squared: 4 [1−.25+.3], 4.5 [2.25−.25+.3], 6 [2.25−4+.3] = 0; pairs: 0 and 1 [1−.25+.15].
        let squared = Quadruplet {
            squared: true,
            ..KIND
        };
        close(
            loss(squared, &x, &of, &[true; 6]),
            (1.05 + 2.3) / 6.0 + (0.9 + 0.9) / 6.0,
            1e-5,
        );
        let padded = [0.0, 1.0, 3.0, 4.0, 4.5, 6.0, f32::NAN, 1.0];
        let real = [true, true, true, true, true, true, false, false];
        close(
            loss(KIND, &padded, &[0, 0, 1, 1, 2, 2, 0, 3], &real),
            3.4 / 6.0,
            1e-5,
        );
    }

    #[test]
    fn two_identities_are_refused_and_give_no_nan() {
        let labels = [0, 0, 1, 1, 2, 2];
        let real = [true, true, true, true, false, false];
        assert_eq!(KIND.check(&labels, &[true; 6]), Ok(()));
        assert_eq!(
            KIND.check(&labels, &real),
            Err(LossError::FewIdentities { identities: 2 })
        );
        let x = [0.0, 1.0, 1.5, 4.0, 0.0, 0.0];
        close(
            loss(KIND, &x, &labels, &real),
            (0.0 + 0.8 + 2.3 + 0.0) / 4.0,
            1e-5,
        );
        let (_, grad) = gradient(&x, 1, |x| {
            let device = x.device();
            KIND.forward(x, super::tests::labels(&labels, &device), mask(&real, &device))
        });
        assert!(grad.iter().all(|g| g.is_finite()));
        assert_eq!(loss(KIND, &x, &labels, &[false; 6]), 0.0);
    }

    #[test]
    fn nan_is_not_hidden() {
        let x = [0.0, f32::NAN, 3.0, 4.0, 4.5, 6.0];
        assert!(loss(KIND, &x, &[0, 0, 1, 1, 2, 2], &[true; 6]).is_nan());
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = normals(3, 24);
        for squared in [false, true] {
            let of = |x: Tensor<2>| {
                let device = x.device();
                let real = mask(&[true, true, true, true, true, true, true, false], &device);
                let kind = Quadruplet {
                    margin: 0.3,
                    pair_margin: 0.15,
                    squared,
                };
                kind.forward(x, labels(&[0, 0, 1, 1, 2, 2, 3, 3], &device), real)
            };
            check_gradient(&x, 3, of);
            let (_, grad) = gradient(&x, 3, of);
            assert!(
                grad[21..].iter().all(|&g| g == 0.0),
                "the padded row has a gradient"
            );
        }
    }
}
