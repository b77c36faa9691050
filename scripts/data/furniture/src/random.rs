//! SplitMix64 (Steele, Lea, Flood 2014), and sines that are the same on every machine.
//!
//! The archive's bytes must not depend on the platform, so everything drawn or turned here uses only operations that
//! IEEE 754 rounds exactly: no call of the system's mathematical library.

/// A stream of random numbers for one purpose.
pub struct Stream(u64);

/// The stream for `purpose` of `subject` (a product, a category): draws for one product never move another's.
pub fn stream(seed: u64, purpose: &str, subject: &str) -> Stream {
    // FNV-1a over the parts, each closed by a byte that UTF-8 never holds.
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let parts = [&seed.to_le_bytes()[..], purpose.as_bytes(), subject.as_bytes()];
    for part in parts {
        for &byte in part.iter().chain([&0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Stream(hash)
}

impl Stream {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 * (1.0 / (1u32 << 24) as f32))
    }

    /// One of 0..n (the bias of the product is below 2⁻³² for the few thousand that are ever drawn from).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Sine and cosine of an angle in degrees.
pub fn sin_cos(degrees: f32) -> (f32, f32) {
    let turns = f64::from(degrees) / 360.0;
    let x = (turns - (turns + 0.5).floor()) * std::f64::consts::TAU;
    let (mut sin, mut cos, mut term) = (0.0, 0.0, 1.0);
    for n in 0..30 {
        match n % 4 {
            0 => cos += term,
            1 => sin += term,
            2 => cos -= term,
            _ => sin -= term,
        }
        term *= x / f64::from(n + 1);
    }
    (sin as f32, cos as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_values() {
        // The first outputs of SplitMix64 from state 1234567.
        let mut s = Stream(1_234_567);
        assert_eq!(
            [s.bits(), s.bits()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
        let draws: Vec<f32> = (0..1000).map(|_| s.between(-2.0, 3.0)).collect();
        assert!(draws.iter().all(|d| (-2.0..3.0).contains(d)));
        assert!((0..1000).all(|_| s.below(7) < 7));
        assert_ne!(stream(1, "a", "bc").bits(), stream(1, "ab", "c").bits());
    }

    #[test]
    fn sines_agree_with_the_library() {
        for i in -800..800 {
            let degrees = i as f32 * 0.9;
            let (sin, cos) = sin_cos(degrees);
            let (s, c) = f64::from(degrees).to_radians().sin_cos();
            assert!((f64::from(sin) - s).abs() < 1e-6 && (f64::from(cos) - c).abs() < 1e-6);
        }
    }
}
