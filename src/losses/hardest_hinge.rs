//! The hinge loss of cross-modal matching: VSE++ (Faghri et al. 2018, equations 5 to 8), as SCAN and SGRAF use it.

use super::in_f32;
use burn::tensor::{Bool, Int, Tensor};

/// Over a square matrix of scores whose diagonal holds the true pairs (rows: images, columns: captions),
///
/// ```text
/// cs[i, c] = max(0, α + M[i, c] − M[i, i]),   ci[i, c] = max(0, α + M[i, c] − M[c, c]),   0 on the diagonal
/// hardest: Σ_i max_c cs[i, c] + Σ_c max_i ci[i, c]        all: Σ cs + Σ ci
/// ```
///
/// A *sum* over the batch, not a mean, as in the reference code. While all scores are equal the hardest form stands at 2 · α per
/// pair: the plateau that training starts on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardestHinge {
    /// α.
    pub margin: f64,
    /// Only the hardest negative of each row and column counts.
    pub hardest: bool,
}

/// A negative pair that scores more than its true pair, less the margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Violation {
    /// Image and caption.
    pub negative: [usize; 2],
    /// The image, and the caption, of the true pair.
    pub positive: usize,
    /// α + M(negative) − M(positive), above 0.
    pub by: f32,
}

impl HardestHinge {
    /// With the hardest negatives.
    pub fn new(margin: f64) -> Self {
        Self {
            margin,
            hardest: true,
        }
    }

    /// The pairs that the loss with the hardest negatives is made of: at most two of a row or column, each with its true pair. From
    /// scores `[batch, batch]` on the host; `known` as in [`Self::with_known`].
    pub fn violations(
        &self,
        scores: &[f32],
        batch: usize,
        known: impl Fn(usize, usize) -> bool,
    ) -> Vec<Violation> {
        assert_eq!(scores.len(), batch * batch, "scores of all pairs of a batch");
        let margin = self.margin as f32;
        let hardest = |own: usize, others: &dyn Fn(usize) -> [usize; 2]| {
            let positive = scores[own * batch + own];
            let mut most = Violation {
                negative: [own; 2],
                positive: own,
                by: 0.0,
            };
            for [row, column] in (0..batch).map(others) {
                let by = scores[row * batch + column] - positive + margin;
                if row != column && !known(row, column) && by > most.by {
                    most = Violation {
                        negative: [row, column],
                        positive: own,
                        by,
                    };
                }
            }
            (most.by > 0.0).then_some(most)
        };
        let captions = (0..batch).filter_map(|own| hardest(own, &|other| [own, other]));
        let images = (0..batch).filter_map(|own| hardest(own, &|other| [other, own]));
        captions.chain(images).collect()
    }

    /// The same pairs, found where the scores lie: the hardest caption of each image and the hardest image of each caption, `[batch]`,
    /// each with 1 where it violates the margin and 0 where nothing does. Nothing is read back.
    pub fn hardest_pairs(
        &self,
        scores: Tensor<2>,
        known: Option<Tensor<2, Bool>>,
    ) -> [(Tensor<1, Int>, Tensor<1>); 2] {
        let [batch, _] = scores.dims();
        let [captions, images] = self.hinges(scores, known);
        let hardest = |hinges: Tensor<2>, dim| {
            let (most, at) = hinges.max_dim_with_indices(dim);
            (
                at.reshape([batch]),
                most.greater_elem(0.0).float().reshape([batch]),
            )
        };
        [hardest(captions, 1), hardest(images, 0)]
    }

    /// Scores `[batch, batch]` → `[1]`.
    pub fn forward(&self, scores: Tensor<2>) -> Tensor<1> {
        self.with_known(scores, None)
    }

    /// The same with some pairs known to belong together beside the diagonal (`[batch, batch]`, true there): they are no
    /// negatives. The reference code does not mask captions of the same image.
    pub fn with_known(&self, scores: Tensor<2>, known: Option<Tensor<2, Bool>>) -> Tensor<1> {
        let [captions, images] = self.hinges(in_f32(scores), known);
        match self.hardest {
            true => captions.max_dim(1).sum() + images.max_dim(0).sum(),
            false => captions.sum() + images.sum(),
        }
    }

    /// cs and ci, `[batch, batch]`.
    fn hinges(&self, scores: Tensor<2>, known: Option<Tensor<2, Bool>>) -> [Tensor<2>; 2] {
        let [batch, columns] = scores.dims();
        assert_eq!(
            batch, columns,
            "the true pairs are the diagonal of a square matrix"
        );
        let itself = Tensor::<2, Bool>::diag_mask([batch, batch], 0, &scores.device()).bool_not();
        let positive = scores
            .clone()
            .mask_fill(itself.clone().bool_not(), 0.0)
            .sum_dim(1);
        let skip = match known {
            Some(known) => itself.bool_or(known),
            None => itself,
        };
        let hinge = |positive: Tensor<2>| {
            (scores.clone() - positive + self.margin)
                .clamp_min(0.0)
                .mask_fill(skip.clone(), 0.0)
        };
        [hinge(positive.clone()), hinge(positive.swap_dims(0, 1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    fn value(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar()
    }

    fn scores() -> Tensor<2> {
        Tensor::from_floats([[0.8, 0.5, 0.75], [0.3, 0.6, 0.55], [0.7, 0.2, 0.4]], &cpu())
    }

    #[test]
    fn the_hand_computed_matrix() {
        // Row maxima 0.15, 0.15, 0.50; column maxima 0.10, 0.10, 0.55.
        assert!((value(HardestHinge::new(0.2).forward(scores())) - 1.55).abs() < 1e-6);
        let all = HardestHinge {
            margin: 0.2,
            hardest: false,
        };
        assert!((value(all.forward(scores())) - 1.90).abs() < 1e-6);
    }

    #[test]
    fn the_violations_are_what_the_loss_is_made_of() {
        let flat = [0.8, 0.5, 0.75, 0.3, 0.6, 0.55, 0.7, 0.2, 0.4];
        let hinge = HardestHinge::new(0.2);
        let found = hinge.violations(&flat, 3, |_, _| false);
        let pairs: Vec<_> = found.iter().map(|v| (v.negative, v.positive)).collect();
        assert_eq!(
            pairs,
            [
                ([0, 2], 0),
                ([1, 2], 1),
                ([2, 0], 2),
                ([2, 0], 0),
                ([0, 1], 1),
                ([0, 2], 2)
            ]
        );
        assert!((found.iter().map(|v| v.by).sum::<f32>() - 1.55).abs() < 1e-6);
        let known = hinge.violations(&flat, 3, |i, c| i + c == 2 && i != c);
        assert!((known.iter().map(|v| v.by).sum::<f32>() - 0.60).abs() < 1e-6);
        assert!(
            hinge
                .violations(&[0.9, 0.1, 0.1, 0.9], 2, |_, _| false)
                .is_empty()
        );
    }

    #[test]
    fn the_device_finds_the_same_pairs() {
        let known = [[false, false, true], [false; 3], [true, false, false]];
        for (margin, known) in [(0.2, None), (0.2, Some(known)), (-0.36, None)] {
            let hinge = HardestHinge::new(margin);
            let mask = known.map(|known| Tensor::<2, Bool>::from_data(known, &cpu()));
            let is_known = |i: usize, c: usize| known.is_some_and(|known| known[i][c]);
            let flat: Vec<f32> = scores().into_data().try_into_vec_as().unwrap();
            let mut wanted: Vec<_> = (hinge.violations(&flat, 3, is_known).iter())
                .map(|violation| (violation.negative, violation.positive))
                .collect();
            let [captions, images] = hinge.hardest_pairs(scores(), mask);
            let mut found = Vec::new();
            for (side, (at, counts)) in [captions, images].into_iter().enumerate() {
                let at: Vec<i64> = at.into_data().iter::<i64>().collect();
                let counts: Vec<f32> = counts.into_data().try_into_vec_as().unwrap();
                for own in (0..3).filter(|own| counts[*own] == 1.0) {
                    let other = at[own] as usize;
                    found.push((if side == 0 { [own, other] } else { [other, own] }, own));
                }
            }
            wanted.sort();
            found.sort();
            assert_eq!(found, wanted, "{margin}");
        }
    }

    #[test]
    fn equal_scores_stand_on_the_plateau() {
        let scores = Tensor::<2>::full([5, 5], 0.3, &cpu());
        assert!((value(HardestHinge::new(0.2).forward(scores)) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn known_pairs_are_no_negatives() {
        let known =
            Tensor::<2, Bool>::from_data([[false, false, true], [false; 3], [true, false, false]], &cpu());
        // Rows: 0 (0.5 is 0.3 below), 0.15, 0 (0.2 is 0.2 below); columns: 0 (0.3), 0.10, 0.35 (0.55 against 0.4).
        let found = value(HardestHinge::new(0.2).with_known(scores(), Some(known)));
        assert!((found - 0.60).abs() < 1e-6, "{found}");
    }

    #[test]
    fn true_pairs_and_their_hardest_negatives_receive_the_gradient() {
        let device = cpu().autodiff();
        let scores = Tensor::<2>::from_floats([[0.8, 0.5, 0.75], [0.3, 0.6, 0.55], [0.7, 0.2, 0.4]], &device)
            .require_grad();
        let grads = HardestHinge::new(0.2).forward(scores.clone()).backward();
        let gradient: Vec<f32> = scores
            .grad(&grads)
            .unwrap()
            .into_data()
            .try_into_vec_as()
            .unwrap();
        assert_eq!(gradient, [-2.0, 1.0, 2.0, 0.0, -2.0, 1.0, 2.0, 0.0, -2.0]);
    }
}
