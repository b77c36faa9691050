//! The batch-hard triplet loss.
//!
//! L = mean_i [ max_{y_j = y_i} d(f_i, f_j) − min_{y_j ≠ y_i} d(f_i, f_j) + α ]₊ , or softplus(max − min) with a soft margin;
//! d is the Euclidean distance of [`super::distance`], not squared unless asked for. An anchor is a positive of its own, at
//! distance 0.
//!
//! Source: Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017, eq. 5 and §2 (soft margin).
//!
//! Shapes: features `[batch, d]`, labels and masks `[batch]`.

use burn::tensor::activation::{relu, softplus};
use burn::tensor::{Bool, Int, Tensor};

use super::{distance, masked_mean};

/// How far the hardest negative must lie beyond the hardest positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// [x + α]₊
    Hard(f32),
    /// softplus(x) = ln(1 + eˣ): pulls on for ever, ever less.
    Soft,
}

impl Margin {
    /// The loss of hardest positive distances against hardest negative ones, element by element.
    pub fn apply<const D: usize>(&self, positive: Tensor<D>, negative: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Hard(margin) => relu(positive - negative + *margin),
            Self::Soft => softplus(positive - negative, 1.0),
        }
    }
}

/// The batch-hard triplet loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchHardTriplet {
    /// α, or the soft margin.
    pub margin: Margin,
    /// Compare squared distances.
    pub squared: bool,
    /// Let rows that are not real serve as positives and negatives of real anchors, as the CTL reference does.
    pub legacy_padding: bool,
}

impl BatchHardTriplet {
    /// Plain distances, padding ignored.
    pub fn new(margin: Margin) -> Self {
        Self {
            margin,
            squared: false,
            legacy_padding: false,
        }
    }

    /// The loss of `features` `[batch, d]` with class indices `labels` `[batch]`, mean over the anchors where `real` `[batch]`.
    pub fn forward(&self, features: Tensor<2>, labels: Tensor<1, Int>, real: Tensor<1, Bool>) -> Tensor<1> {
        let candidates = (!self.legacy_padding).then(|| real.clone());
        self.forward_masked(features, labels, Some(real), candidates)
    }

    /// The same with the rows that serve as anchors and the rows that serve as their positives and negatives given apart;
    /// `None` means all. An anchor without any negative is not counted; without any anchor the loss is 0.
    pub fn forward_masked(
        &self,
        features: Tensor<2>,
        labels: Tensor<1, Int>,
        anchors: Option<Tensor<1, Bool>>,
        candidates: Option<Tensor<1, Bool>>,
    ) -> Tensor<1> {
        let distances = distance::pairwise(features.clone(), features, self.squared);
        let (mut positives, mut negatives) = same_and_other(labels);
        if let Some(candidates) = candidates {
            let candidates = candidates.unsqueeze_dim::<2>(0);
            positives = positives.bool_and(candidates.clone());
            negatives = negatives.bool_and(candidates);
        }
        let hardest = Hardest::of(distances, positives, negatives);
        let counted = match anchors {
            Some(anchors) => hardest.has_negative.bool_and(anchors.unsqueeze_dim(1)),
            None => hardest.has_negative,
        };
        masked_mean(self.margin.apply(hardest.positive, hardest.negative), counted)
    }
}

/// Which pairs of different rows share a label, and which pairs do not: `[batch, batch]` each.
pub(super) fn same_and_other(labels: Tensor<1, Int>) -> (Tensor<2, Bool>, Tensor<2, Bool>) {
    let rows = labels.dims()[0];
    let device = labels.device();
    let same = labels
        .clone()
        .unsqueeze_dim::<2>(1)
        .equal(labels.unsqueeze_dim(0));
    let other = same.clone().bool_not();
    // `diag_mask` is false on the diagonal.
    (
        same.bool_and(Tensor::<2, Bool>::diag_mask([rows, rows], 0, &device)),
        other,
    )
}

/// The hardest pair of every anchor: rows of distances `[…, anchors, candidates]` reduced to `[…, anchors, 1]`.
pub(super) struct Hardest<const D: usize> {
    /// The largest distance to a positive, 0 where there is none: the anchor itself.
    pub positive: Tensor<D>,
    /// The least distance to a negative, meaningless where there is none.
    pub negative: Tensor<D>,
    /// Whether there is a negative.
    pub has_negative: Tensor<D, Bool>,
}

impl<const D: usize> Hardest<D> {
    /// Gradients flow to the chosen pair only (the first of equals).
    pub fn of(distances: Tensor<D>, positives: Tensor<D, Bool>, negatives: Tensor<D, Bool>) -> Self {
        Self {
            positive: distances
                .clone()
                .mask_fill(positives.bool_not(), 0.0)
                .max_dim(D - 1),
            negative: distances
                .mask_fill(negatives.clone().bool_not(), f32::MAX)
                .min_dim(D - 1),
            has_negative: negatives.any_dim(D - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::losses::testing::{check_gradient, close, gradient, labels, mask, matrix, normals, value};

    /// Two classes on a line, from which every figure below follows by hand.
    const LINE: [f32; 6] = [0.0, 1.0, 3.0, 2.5, 5.0, 6.5];
    const OF: [i32; 6] = [0, 0, 0, 1, 1, 1];

    fn loss(kind: BatchHardTriplet, x: &[f32], d: usize, of: &[i32], real: &[bool]) -> f32 {
        let device = Device::flex();
        value(kind.forward(matrix(x, d, &device), labels(of, &device), mask(real, &device)))
    }

    #[test]
    fn two_classes_on_a_line_by_hand() {
        // (max positive, min negative) = (3, 2.5) (2, 1.5) (3, .5) (4, .5) (2.5, 2) (4, 3.5)
        let kind = BatchHardTriplet::new(Margin::Hard(0.5));
        close(loss(kind, &LINE, 1, &OF, &[true; 6]), 11.0 / 6.0, 1e-5);
        // squared: (9, 6.25) (4, 2.25) (9, .25) (16, .25) (6.25, 4) (16, 12.25)
        let squared = BatchHardTriplet {
            squared: true,
            ..kind
        };
        let expected = (3.25 + 2.25 + 9.25 + 16.25 + 2.75 + 4.25) / 6.0;
        close(loss(squared, &LINE, 1, &OF, &[true; 6]), expected, 1e-5);
        let soft = |x: f32| x.exp().ln_1p();
        let expected = (4.0 * soft(0.5) + soft(2.5) + soft(3.5)) / 6.0;
        close(
            loss(BatchHardTriplet::new(Margin::Soft), &LINE, 1, &OF, &[true; 6]),
            expected,
            1e-5,
        );
    }

    #[test]
    fn padding_is_neither_anchor_nor_candidate() {
        let kind = BatchHardTriplet::new(Margin::Hard(0.5));
        let x = [0.0, 1.0, 3.0, f32::NAN, 2.5, 5.0, 6.5, -9.0];
        let (of, real) = (
            [0, 0, 0, 0, 1, 1, 1, 1],
            [true, true, true, false, true, true, true, false],
        );
        close(loss(kind, &x, 1, &of, &real), 11.0 / 6.0, 1e-5);
        // With padding at −9 as a candidate of class 1: negatives of 0, 1, 3 as before; positives of 2.5, 5, 6.5 become 11.5, 14, 15.5.
        let legacy = BatchHardTriplet {
            legacy_padding: true,
            ..kind
        };
        let x = [0.0, 1.0, 3.0, 2.5, 5.0, 6.5, -9.0];
        let expected = (1.0 + 1.0 + 3.0 + 11.5 + 12.5 + 12.5) / 6.0;
        close(
            loss(
                legacy,
                &x,
                1,
                &[0, 0, 0, 1, 1, 1, 1],
                &[true, true, true, true, true, true, false],
            ),
            expected,
            1e-5,
        );
    }

    #[test]
    fn anchors_without_a_pair() {
        let kind = BatchHardTriplet::new(Margin::Hard(0.5));
        assert_eq!(
            loss(kind, &LINE, 1, &[0; 6], &[true; 6]),
            0.0,
            "one class has no negatives"
        );
        assert_eq!(loss(kind, &LINE, 1, &OF, &[false; 6]), 0.0);
        // A class of one: its positive is itself, at distance 0: [0 − 2 + 2.5]₊; the other: [1 − 2 + 2.5]₊, [1 − 3 + 2.5]₊
        let wide = BatchHardTriplet::new(Margin::Hard(2.5));
        close(
            loss(wide, &[0.0, 1.0, 3.0], 1, &[0, 0, 1], &[true; 3]),
            (0.5 + 1.5 + 0.5) / 3.0,
            1e-5,
        );
    }

    #[test]
    fn order_does_not_matter_and_nan_is_not_hidden() {
        let kind = BatchHardTriplet::new(Margin::Hard(0.5));
        let x = [5.0, 3.0, 0.0, 6.5, 2.5, 1.0];
        close(
            loss(kind, &x, 1, &[7, 2, 2, 7, 7, 2], &[true; 6]),
            11.0 / 6.0,
            1e-5,
        );
        let mut x = LINE;
        x[2] = f32::NAN;
        assert!(loss(kind, &x, 1, &OF, &[true; 6]).is_nan());
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = normals(11, 24);
        let real = [true, true, false, true, true, true, true, true];
        for margin in [Margin::Hard(0.5), Margin::Soft] {
            for squared in [false, true] {
                let of = |x: Tensor<2>| {
                    let (y, real) = (
                        labels(&[0, 0, 0, 1, 1, 2, 2, 2], &x.device()),
                        mask(&real, &x.device()),
                    );
                    BatchHardTriplet {
                        margin,
                        squared,
                        legacy_padding: false,
                    }
                    .forward(x, y, real)
                };
                check_gradient(&x, 3, of);
                let (_, grad) = gradient(&x, 3, of);
                assert!(
                    grad[6..9].iter().all(|&g| g == 0.0),
                    "the padded row has a gradient"
                );
            }
        }
    }

    #[test]
    fn equal_features_have_finite_gradients() {
        let (value, grad) = gradient(&[1.0; 8], 2, |x| {
            let (y, real) = (labels(&[0, 0, 1, 1], &x.device()), mask(&[true; 4], &x.device()));
            BatchHardTriplet::new(Margin::Hard(0.3)).forward(x, y, real)
        });
        close(value, 0.3, 1e-5);
        assert!(grad.iter().all(|&g| g == 0.0), "{grad:?}");
    }
}
