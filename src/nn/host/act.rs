//! Activations in a form that the compiler turns into vector instructions.

/// Negative values become 0, and what is no number stays so.
#[inline(always)]
pub fn rectified(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// [`rectified`], and no more than 6.
#[inline(always)]
pub fn rectified_6(v: f32) -> f32 {
    let v = rectified(v);
    if v > 6.0 { 6.0 } else { v }
}

/// `x · sigmoid(x)`
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// The derivative of [`silu`].
#[inline(always)]
pub fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// `1 / (1 + e⁻ˣ)`
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// eˣ within 2 ulp for |x| ≤ 87, held at those ends beyond: 2ⁿ · eʳ with |r| ≤ ln 2 / 2, and eʳ by the polynomial of degree 7
/// that Cephes' `expf` uses.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Added to a small number, this leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_librarys() {
        for i in -86_900..=86_900i32 {
            let x = i as f32 * 1e-3;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 2.5e-7, "{x}: {ours} {exact}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }

    #[test]
    fn silu_and_its_slope() {
        for i in -200..=200 {
            let x = f64::from(i) * 0.1;
            let s = 1.0 / (1.0 + (-x).exp());
            assert!((f64::from(silu(x as f32)) - x * s).abs() < 1e-6 * x.abs().max(1.0));
            let slope = s * (1.0 + x * (1.0 - s));
            assert!((f64::from(silu_slope(x as f32)) - slope).abs() < 1e-6);
        }
        assert_eq!(
            [rectified_6(-1.0), rectified_6(2.0), rectified_6(9.0)],
            [0.0, 2.0, 6.0]
        );
        assert!(rectified_6(f32::NAN).is_nan() && silu(f32::NAN).is_nan());
    }
}
