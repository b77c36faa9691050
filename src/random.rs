//! Every random number: a ChaCha stream whose key is the hash of (seed, purpose, indices).
//!
//! A draw is a pure function of what it is for, so it depends neither on the number of threads nor on what was drawn before,
//! and a resumed run draws what the uninterrupted one would have drawn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

/// The stream for `purpose` (a name that is used in one place only) at `indices` (epoch, sample, …).
pub fn stream(seed: u64, purpose: &str, indices: &[u64]) -> Stream {
    let mut hash = blake3::Hasher::new();
    hash.update(&seed.to_le_bytes());
    hash.update(&(purpose.len() as u64).to_le_bytes());
    hash.update(purpose.as_bytes());
    for index in indices {
        hash.update(&index.to_le_bytes());
    }
    Stream(ChaCha8Rng::from_seed(*hash.finalize().as_bytes()))
}

impl Stream {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n, without bias. `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "nothing to draw from");
        let n = n as u64;
        // Lemire's multiplication with rejection of the biased remainder.
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal (Box–Muller, one value per call so that the stream stays simple to reason about).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_key() {
        let first = |seed, purpose, indices: &[u64]| stream(seed, purpose, indices).bits();
        let base = first(1, "a", &[0, 1]);
        assert_eq!(base, first(1, "a", &[0, 1]));
        for other in [
            first(2, "a", &[0, 1]),
            first(1, "b", &[0, 1]),
            first(1, "a", &[1, 0]),
            first(1, "a", &[0]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_and_ranges_are_right() {
        let mut s = stream(7, "test", &[]);
        let n = 40_000;
        let (mut sum, mut squares, mut counts) = (0.0, 0.0, [0usize; 5]);
        for _ in 0..n {
            let x = s.normal();
            sum += x;
            squares += x * x;
            counts[s.below(5)] += 1;
            let u = s.between(-1.0, 3.0);
            assert!((-1.0..3.0).contains(&u));
        }
        assert!((sum / n as f64).abs() < 0.02);
        assert!((squares / n as f64 - 1.0).abs() < 0.03);
        assert!(counts.iter().all(|&c| (c as i64 - 8000).abs() < 400));
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        stream(3, "shuffle", &[]).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
