//! Embeddings of one model in two forms, held against each other.

use crate::random;

/// How far two lists of embeddings are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The largest difference of two values, relative to the largest value there is.
    pub relative: f64,
    /// The largest 1 − cosine of two rows.
    pub cosine: f64,
}

impl Difference {
    /// Between rows of `dim` values: `ours` is what is right. Anything that is not finite, and lists of different lengths, are
    /// infinitely far apart.
    pub fn between(ours: &[f32], theirs: &[f32], dim: usize) -> Self {
        let infinite = Self {
            relative: f64::INFINITY,
            cosine: f64::INFINITY,
        };
        if ours.len() != theirs.len() || ours.iter().chain(theirs).any(|v| !v.is_finite()) {
            return infinite;
        }
        let wide = |v: &f32| f64::from(*v);
        let largest = ours.iter().map(wide).fold(0.0f64, |a, v| a.max(v.abs()));
        let apart = ours
            .iter()
            .zip(theirs)
            .fold(0.0f64, |a, (x, y)| a.max((wide(x) - wide(y)).abs()));
        let cosine = ours
            .chunks_exact(dim.max(1))
            .zip(theirs.chunks_exact(dim.max(1)))
            .map(|(x, y)| {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| wide(a) * wide(b)).sum::<f64>();
                let norm = (dot(x, x) * dot(y, y)).sqrt();
                if norm > 0.0 {
                    (1.0 - dot(x, y) / norm).max(0.0)
                } else {
                    0.0
                }
            })
            .fold(0.0, f64::max);
        Self {
            relative: match (apart, largest) {
                (0.0, _) => 0.0,
                (_, 0.0) => f64::INFINITY,
                _ => apart / largest,
            },
            cosine,
        }
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            relative: self.relative.max(other.relative),
            cosine: self.cosine.max(other.cosine),
        }
    }
}

/// A picture of random levels, `[3, height, width]`: blocks of one colour with some noise, so that maps are neither flat nor
/// averaged away.
pub fn random_levels(number: u64, [height, width]: [usize; 2]) -> Vec<f32> {
    let mut stream = random::stream(0, "export comparison", &[number]);
    let block = (height.max(width) / 4).max(1);
    let across = width.div_ceil(block);
    let colours: Vec<f64> = (0..3 * across * height.div_ceil(block))
        .map(|_| stream.between(20.0, 235.0))
        .collect();
    let blocks = across * height.div_ceil(block);
    let mut levels = Vec::with_capacity(3 * height * width);
    for channel in 0..3 {
        for y in 0..height {
            for x in 0..width {
                let colour = colours[channel * blocks + y / block * across + x / block];
                levels.push((colour + stream.between(-20.0, 20.0)).round().clamp(0.0, 255.0) as f32);
            }
        }
    }
    levels
}

/// Levels 0 to 255 of pictures `[…, 3, height, width]` as the preprocessing's `normalize` makes them.
pub fn normalised(levels: &[f32], pixels: usize, mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
    levels
        .iter()
        .enumerate()
        .map(|(at, level)| {
            let channel = at / pixels % 3;
            (level / 255.0 - mean[channel]) / std[channel]
        })
        .collect()
}

/// The levels that were normalised so.
pub fn levels(values: &[f32], pixels: usize, mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
    values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let channel = at / pixels % 3;
            ((value * std[channel] + mean[channel]) * 255.0).round()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_the_largest_value_and_to_directions() {
        let found = Difference::between(&[3.0, 4.0, 0.0, -10.0], &[3.0, 4.5, 0.0, -10.0], 2);
        assert!((found.relative - 0.05).abs() < 1e-12);
        // (3, 4) against (3, 4.5): 1 − 27 / (5 · √29.25).
        assert!((found.cosine - (1.0 - 27.0 / (5.0 * 29.25f64.sqrt()))).abs() < 1e-12);
        assert_eq!(Difference::between(&[1.0], &[1.0], 1), Difference::default());
        for theirs in [&[f32::NAN, 0.0][..], &[1.0]] {
            assert!(Difference::between(&[1.0, 0.0], theirs, 2).relative.is_infinite());
        }
    }

    #[test]
    fn levels_and_normalised_values_are_inverse() {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let picture = random_levels(3, [7, 5]);
        assert_eq!(picture.len(), 3 * 35);
        assert!(
            picture
                .iter()
                .all(|v| (0.0..=255.0).contains(v) && v.fract() == 0.0)
        );
        assert_ne!(picture, random_levels(4, [7, 5]));
        assert_eq!(
            levels(&normalised(&picture, 35, mean, std), 35, mean, std),
            picture
        );
    }
}
