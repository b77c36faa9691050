//! From scores of words and regions to the weights of regions.

use crate::nn::host::act::exp;
use crate::nn::host::wide::wide;
use crate::nn::unit::{INSIDE, OUTSIDE};

/// Beyond this sharpness the exponentials would need a shift.
pub(super) const MOST: f32 = 60.0;

/// How scores become weights: a leaky ReLU, length 1 over the words of a caption, a factor, softmax over regions.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// The leaky ReLU's slope below 0.
    pub slope: f32,
    /// The factor.
    pub sharpness: f32,
}

impl Attention {
    #[inline(always)]
    fn leaky(self, value: f32) -> f32 {
        if value < 0.0 { value * self.slope } else { value }
    }

    /// Roots over the words of the leaky scores of one caption, `[slots]` of `[length, slots]`.
    pub(super) fn roots(self, scores: &[f32], roots: &mut [f32]) {
        wide(
            #[inline(always)]
            || self.roots_by(scores, roots),
        )
    }

    #[inline(always)]
    fn roots_by(self, scores: &[f32], roots: &mut [f32]) {
        roots.fill(INSIDE);
        for row in scores.chunks_exact(roots.len()) {
            for (root, &score) in roots.iter_mut().zip(row) {
                let value = self.leaky(score);
                *root += value * value;
            }
        }
        for root in roots {
            *root = root.sqrt();
        }
    }

    /// The weights of one caption, `[length, slots]`, from its scores. `factors` has room for `[slots]`.
    pub(super) fn weigh(self, scores: &[f32], factors: &mut [f32], weights: &mut [f32]) {
        wide(
            #[inline(always)]
            || self.weigh_by(scores, factors, weights),
        )
    }

    #[inline(always)]
    fn weigh_by(self, scores: &[f32], factors: &mut [f32], weights: &mut [f32]) {
        let slots = factors.len();
        self.roots_by(scores, factors);
        for factor in factors.iter_mut() {
            *factor = self.sharpness / (*factor + OUTSIDE);
        }
        for (row, weights) in scores.chunks_exact(slots).zip(weights.chunks_exact_mut(slots)) {
            // No argument is above the sharpness, as lengths are 1: the exponential needs no shift.
            for ((weight, &score), factor) in weights.iter_mut().zip(row).zip(factors.iter()) {
                *weight = exp(self.leaky(score) * factor);
            }
            let factor = 1.0 / weights.iter().sum::<f32>();
            for weight in weights {
                *weight *= factor;
            }
        }
    }

    /// From the gradient of one caption's weights that of its scores, in place. `buffer` has room for `[slots]`.
    pub(super) fn backward(
        self,
        scores: &[f32],
        weights: &[f32],
        roots: &[f32],
        buffer: &mut [f32],
        gradient: &mut [f32],
    ) {
        wide(
            #[inline(always)]
            || self.backward_by([scores, weights, roots], buffer, gradient),
        )
    }

    #[inline(always)]
    fn backward_by(self, [scores, weights, roots]: [&[f32]; 3], buffer: &mut [f32], gradient: &mut [f32]) {
        let slots = roots.len();
        buffer.fill(0.0);
        let rows = scores.chunks_exact(slots).zip(weights.chunks_exact(slots));
        for ((row, weights), gradient) in rows.zip(gradient.chunks_exact_mut(slots)) {
            // Through the softmax and the factor.
            let inner: f32 = weights.iter().zip(gradient.iter()).map(|(w, g)| w * g).sum();
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = self.sharpness * weight * (*gradient - inner);
            }
            for (((sum, &score), root), gradient) in
                buffer.iter_mut().zip(row).zip(roots).zip(gradient.iter())
            {
                *sum += gradient * self.leaky(score) / (root + OUTSIDE);
            }
        }
        // Through length 1 over the words, and the leaky ReLU.
        for (row, gradient) in scores.chunks_exact(slots).zip(gradient.chunks_exact_mut(slots)) {
            for (((gradient, &score), root), inner) in
                gradient.iter_mut().zip(row).zip(roots).zip(buffer.iter())
            {
                let divisor = root + OUTSIDE;
                let before = *gradient / divisor - self.leaky(score) / divisor * inner / root;
                *gradient = if score < 0.0 { before * self.slope } else { before };
            }
        }
    }
}
