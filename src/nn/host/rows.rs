//! What is done to rows between two products: lengths, differences and squares, in as few passes as there can be.

use super::wide::wide;
use crate::nn::unit::{INSIDE, OUTSIDE};

/// Sums that a dot product adds up apart.
const LANES: usize = 32;

#[inline(always)]
fn dot_by(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (wide_a, wide_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rests = wide_a.remainder().iter().zip(wide_b.remainder());
    let rest: f32 = rests.map(|(a, b)| a * b).sum();
    for (a, b) in wide_a.zip(wide_b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Σ a · b
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    wide(
        #[inline(always)]
        || dot_by(a, b),
    )
}

/// `to += from`
pub fn add(to: &mut [f32], from: &[f32]) {
    wide(
        #[inline(always)]
        || to.iter_mut().zip(from).for_each(|(to, from)| *to += from),
    )
}

/// `to += factor · from`
pub fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    wide(
        #[inline(always)]
        || {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to += factor * from)
        },
    )
}

/// √(Σ x² + 1e-12) and what makes the length 1 ([`crate::nn::unit`]).
#[inline(always)]
fn root_and_factor(x: &[f32]) -> (f32, f32) {
    let root = (dot_by(x, x) + INSIDE).sqrt();
    (root, 1.0 / (root + OUTSIDE))
}

/// `unit(x + bias)` in the place of `x`; gives the root √(Σ x² + 1e-12).
pub fn make_unit(x: &mut [f32], bias: &[f32]) -> f32 {
    wide(
        #[inline(always)]
        || {
            x.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
            let (root, factor) = root_and_factor(x);
            x.iter_mut().for_each(|x| *x *= factor);
            root
        },
    )
}

/// `unit(from)`; gives the root.
pub fn to_unit(from: &[f32], to: &mut [f32]) -> f32 {
    wide(
        #[inline(always)]
        || {
            let (root, factor) = root_and_factor(from);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
            root
        },
    )
}

/// The gradient before [`make_unit`] from the one behind it: `y` is the row of length 1, `root` what it returned.
pub fn before_unit(gradient: &[f32], y: &[f32], root: f32, to: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            let (inner, factor) = (dot_by(y, gradient) / root, 1.0 / (root + OUTSIDE));
            for ((to, gradient), y) in to.iter_mut().zip(gradient).zip(y) {
                *to = gradient * factor - y * inner;
            }
        },
    )
}

/// `(a − b)²`
pub fn squares(a: &[f32], b: &[f32], to: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                let difference = a - b;
                *to = difference * difference;
            }
        },
    )
}

/// `(unit(x) − word)²` in the place of `x`.
pub fn unit_squares(x: &mut [f32], word: &[f32]) {
    wide(
        #[inline(always)]
        || {
            let (_, factor) = root_and_factor(x);
            for (x, word) in x.iter_mut().zip(word) {
                let difference = *x * factor - word;
                *x = difference * difference;
            }
        },
    )
}

/// `unit(x)` in the place of `x`, and `(unit(x) − word)²`; gives the root.
pub fn unit_and_squares(x: &mut [f32], word: &[f32], squares: &mut [f32]) -> f32 {
    wide(
        #[inline(always)]
        || {
            let (root, factor) = root_and_factor(x);
            for ((x, word), square) in x.iter_mut().zip(word).zip(squares) {
                *x *= factor;
                let difference = *x - word;
                *square = difference * difference;
            }
            root
        },
    )
}

/// From the gradient of `(y − word)²`, `y` of length 1 and `root` before that, the gradient before the length, in place; what the
/// word hears is added to `of_word`.
pub fn before_unit_squares(gradient: &mut [f32], y: &[f32], root: f32, word: &[f32], of_word: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (((gradient, of_word), y), word) in gradient.iter_mut().zip(of_word).zip(y).zip(word) {
                *gradient *= 2.0 * (y - word);
                *of_word -= *gradient;
            }
            let (inner, factor) = (dot_by(y, gradient) / root, 1.0 / (root + OUTSIDE));
            for (gradient, y) in gradient.iter_mut().zip(y) {
                *gradient = *gradient * factor - y * inner;
            }
        },
    )
}

/// From the gradient of `(a − b)²`, what `a` and `b` hear is added to theirs.
pub fn before_squares(gradient: &[f32], [a, b]: [&[f32]; 2], [of_a, of_b]: [&mut [f32]; 2]) {
    wide(
        #[inline(always)]
        || {
            let sums = of_a.iter_mut().zip(of_b);
            for (((gradient, a), b), (of_a, of_b)) in gradient.iter().zip(a).zip(b).zip(sums) {
                let change = gradient * 2.0 * (a - b);
                *of_a += change;
                *of_b -= change;
            }
        },
    )
}
