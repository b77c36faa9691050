//! The centroid triplet loss (CTL): triplets of single images against class means, leave-one-out within the batch.
//!
//! A batch is P classes × K samples. In fold k = 1..K, sample k of every class is a query q_c and the mean of that class's other
//! real samples its centroid m_c. A class takes part in the fold if its query and at least one other sample are real; a fold
//! with fewer than two such classes is skipped. The loss is the mean over folds of one of two forms:
//!
//! - [`Anchors::All`], what the reference code computes: the batch-hard triplet loss over the 2P vectors {q_c} ∪ {m_c}, all of them
//!   anchors, so that the only positive of a vector is its class's other vector.
//! - [`Anchors::Queries`], the paper's formula: mean_c [ d(q_c, m_c) − min_{c' ≠ c} d(q_c, m_c') + α ]₊ , squared distances in print.
//!
//! Source: Wieczorek, Rychalska, Dąbrowski, "On the Unreasonable Effectiveness of Centroids in Image Retrieval", ICONIP 2021, §3.
//!
//! Shapes: features `[P·K, d]`, mask `[P·K]`, the K samples of a class consecutive. All folds are computed at once:
//! vectors `[K, 2P, d]`, distances `[K, 2P, 2P]`.

use burn::tensor::{Bool, Int, Tensor};

use super::triplet::{Hardest, same_and_other};
use super::{LossError, Margin, distance, in_f32, masked_mean, ones_where};

/// Which vectors of a fold look for their hardest pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchors {
    /// Queries and centroids, among queries and centroids.
    All,
    /// Queries, among centroids.
    Queries,
}

/// The centroid triplet loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CentroidTriplet {
    /// α, or the soft margin.
    pub margin: Margin,
    /// K: how many consecutive rows each class has. At least 2.
    pub per_class: usize,
    /// The form of the loss.
    pub anchors: Anchors,
    /// Compare squared distances.
    pub squared: bool,
}

impl CentroidTriplet {
    /// The reference code's form: every vector an anchor, plain distances.
    pub fn new(margin: Margin, per_class: usize) -> Self {
        Self {
            margin,
            per_class,
            anchors: Anchors::All,
            squared: false,
        }
    }

    /// Whether a batch of `rows` is made of whole classes: what [`Self::forward`] requires.
    pub fn check(&self, rows: usize) -> Result<(), LossError> {
        if self.per_class < 2 || !rows.is_multiple_of(self.per_class) {
            return Err(LossError::UnevenClasses {
                rows,
                per_class: self.per_class,
            });
        }
        Ok(())
    }

    /// The loss of `features` `[P·K, d]`, rows of one class consecutive and classes all different, where `real` `[P·K]`.
    /// 0 if no fold has two classes.
    pub fn forward(&self, features: Tensor<2>, real: Tensor<1, Bool>) -> Tensor<1> {
        let folds = self.folds(features, real);
        let classes = folds.queries.dims()[1];
        let class = Tensor::<1, Int>::arange(0..classes as i64, &folds.queries.device());
        let (vectors, candidates, valid, same, other);
        match self.anchors {
            Anchors::All => {
                let both = Tensor::cat(vec![folds.queries, folds.centroids], 1);
                (vectors, candidates) = (both.clone(), both);
                valid = Tensor::cat(vec![folds.valid.clone(), folds.valid], 1);
                (same, other) = same_and_other(Tensor::cat(vec![class.clone(), class], 0));
            }
            Anchors::Queries => {
                (vectors, candidates, valid) = (folds.queries, folds.centroids, folds.valid);
                other = Tensor::<2, Bool>::diag_mask([classes, classes], 0, &class.device());
                same = other.clone().bool_not();
            }
        }
        let distances = distance::pairwise(vectors, candidates, self.squared);
        let shape = distances.dims();
        let among = |pairs: Tensor<2, Bool>| {
            let valid = valid.clone().unsqueeze_dim::<3>(1).expand(shape);
            pairs.unsqueeze_dim::<3>(0).expand(shape).bool_and(valid)
        };
        let hardest = Hardest::of(distances, among(same), among(other));
        let counted = hardest.has_negative.bool_and(valid.unsqueeze_dim(2));

        // The mean over the anchors of each fold, then over the folds that have any.
        let losses = self.margin.apply(hardest.positive, hardest.negative);
        let anchors = ones_where(counted.clone()).sum_dim(1);
        let folds = losses.mask_fill(counted.clone().bool_not(), 0.0).sum_dim(1) / anchors.clamp_min(1.0);
        masked_mean(folds, counted.any_dim(1))
    }

    fn folds(&self, features: Tensor<2>, real: Tensor<1, Bool>) -> Folds {
        let [rows, d] = features.dims();
        let (per_class, classes) = (self.per_class, rows / self.per_class);
        let real = real.reshape([classes, per_class, 1]);
        let samples = in_f32(features)
            .reshape([classes, per_class, d])
            .mask_fill(real.clone().bool_not().expand([classes, per_class, d]), 0.0);
        let counts = ones_where(real.clone());
        let others = counts.clone().sum_dim(1) - counts;
        let centroids = (samples.clone().sum_dim(1) - samples.clone()) / others.clone().clamp_min(1.0);
        let valid = real.bool_and(others.greater_elem(0.5));
        Folds {
            queries: samples.swap_dims(0, 1),
            centroids: centroids.swap_dims(0, 1),
            valid: valid.reshape([classes, per_class]).swap_dims(0, 1),
        }
    }
}

/// The K leave-one-out folds of a batch.
struct Folds {
    /// `[K, P, d]`
    queries: Tensor<3>,
    /// `[K, P, d]`
    centroids: Tensor<3>,
    /// `[K, P]`: whether the class takes part.
    valid: Tensor<2, Bool>,
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, mask, matrix, normals, value};

    const LINE: [f32; 6] = [0.0, 1.0, 3.0, 2.5, 5.0, 6.5];

    fn loss(kind: CentroidTriplet, x: &[f32], d: usize, real: &[bool]) -> f32 {
        let device = Device::flex();
        value(kind.forward(matrix(x, d, &device), mask(real, &device)))
    }

    fn form(anchors: Anchors, squared: bool) -> CentroidTriplet {
        CentroidTriplet {
            anchors,
            squared,
            ..CentroidTriplet::new(Margin::Hard(0.5), 3)
        }
    }

    #[test]
    fn two_classes_on_a_line_by_hand() {
        // Fold 1: queries 0, 2.5, centroids 2, 5.75: [2−2.5+.5] [3.25−.5+.5] [2−.5+.5] [3.25−3.75+.5] → (0 + 3.25 + 2 + 0)/4 = 1.3125
        // Fold 2: queries 1, 5, centroids 1.5, 4.5 → 0. Fold 3: queries 3, 6.5, centroids 0.5, 3.75 → 1.1875.
        close(
            loss(form(Anchors::All, false), &LINE, 1, &[true; 6]),
            0.83333,
            1e-5,
        );
        close(
            loss(form(Anchors::Queries, false), &LINE, 1, &[true; 6]),
            0.91667,
            1e-5,
        );
        close(
            loss(form(Anchors::Queries, true), &LINE, 1, &[true; 6]),
            2.83333,
            1e-5,
        );
    }

    #[test]
    fn padding_and_small_classes_are_left_out() {
        // A fourth, padded sample per class makes a fold of no class, and changes no other.
        let x = [0.0, 1.0, 3.0, f32::NAN, 2.5, 5.0, 6.5, 7.0];
        let real = [true, true, true, false, true, true, true, false];
        for (anchors, squared, expected) in [
            (Anchors::All, false, 0.83333),
            (Anchors::Queries, false, 0.91667),
            (Anchors::Queries, true, 2.83333),
        ] {
            let kind = CentroidTriplet {
                per_class: 4,
                ..form(anchors, squared)
            };
            close(loss(kind, &x, 1, &real), expected, 1e-5);
            // A third class with one real sample has no centroid, and takes part nowhere.
            let x = [LINE.as_slice(), &[2.0, 2.0, 2.0]].concat();
            let real = [true, true, true, true, true, true, false, true, false];
            close(loss(form(anchors, squared), &x, 1, &real), expected, 1e-5);
            // A fold with one class is skipped: without 3, folds 1 (queries 0, 2.5, centroids 1, 5.75) and 2 (1, 5, 0, 4.5) are left.
            let real = [true, true, false, true, true, true];
            let kind = form(anchors, squared);
            let expected = match (anchors, squared) {
                (Anchors::All, _) => (2.25 + 0.0 + 0.0 + 0.0) / 4.0 / 2.0,
                (Anchors::Queries, false) => (0.0 + 2.25) / 2.0 / 2.0,
                (Anchors::Queries, true) => (0.0 + (3.25f32.powi(2) - 1.5f32.powi(2) + 0.5)) / 2.0 / 2.0,
            };
            close(loss(kind, &LINE, 1, &real), expected, 1e-5);
        }
        assert_eq!(
            loss(
                form(Anchors::All, false),
                &LINE,
                1,
                &[true, true, true, false, false, false]
            ),
            0.0
        );
        assert_eq!(loss(form(Anchors::All, false), &LINE, 1, &[false; 6]), 0.0);
    }

    #[test]
    fn the_order_of_classes_does_not_matter() {
        let x = normals(1, 4 * 3 * 5);
        let swapped: Vec<f32> = [3, 1, 0, 2]
            .iter()
            .flat_map(|&c| x[c * 15..][..15].to_vec())
            .collect();
        for anchors in [Anchors::All, Anchors::Queries] {
            let kind = form(anchors, false);
            close(
                loss(kind, &x, 5, &[true; 12]),
                loss(kind, &swapped, 5, &[true; 12]),
                1e-6,
            );
        }
    }

    #[test]
    fn with_two_samples_the_centroid_is_the_other() {
        // Queries of class A: 0 and 1; of B: 4 and 4.5; whichever is the query, the other is the centroid.
        let kind = CentroidTriplet::new(Margin::Hard(4.0), 2);
        // Fold 1: 0, 4 | 1, 4.5: [1−4+4] [.5−3+4] [1−3+4] [.5−3.5+4]; fold 2 has the same vectors.
        close(
            loss(kind, &[0.0, 1.0, 4.0, 4.5], 1, &[true; 4]),
            (1.0 + 1.5 + 2.0 + 1.0) / 4.0,
            1e-5,
        );
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = normals(6, 24);
        let real = [true, true, true, true, true, false, true, true, true];
        for margin in [Margin::Hard(1.0), Margin::Soft] {
            for (anchors, squared) in [
                (Anchors::All, false),
                (Anchors::Queries, false),
                (Anchors::Queries, true),
            ] {
                let x = [x.as_slice(), &[0.3, -0.2, 0.1]].concat();
                let of = |x: Tensor<2>| {
                    let real = mask(&real, &x.device());
                    CentroidTriplet {
                        margin,
                        per_class: 3,
                        anchors,
                        squared,
                    }
                    .forward(x, real)
                };
                check_gradient(&x, 3, of);
                let (_, grad) = gradient(&x, 3, of);
                assert!(
                    grad[15..18].iter().all(|&g| g == 0.0),
                    "the padded row has a gradient"
                );
            }
        }
    }

    #[test]
    fn uneven_batches_are_refused() {
        let kind = CentroidTriplet::new(Margin::Soft, 4);
        assert_eq!(kind.check(12), Ok(()));
        assert_eq!(
            kind.check(10),
            Err(LossError::UnevenClasses {
                rows: 10,
                per_class: 4
            })
        );
        assert!(CentroidTriplet { per_class: 0, ..kind }.check(4).is_err());
    }
}
