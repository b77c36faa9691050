//! Sketches: how much of a set lies in each region of each partition.

use super::EmdeError;

/// Counts `[depth, width]`, not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    values: Vec<f32>,
    width: usize,
}

impl Sketch {
    /// Of nothing.
    pub fn empty(depth: usize, width: usize) -> Self {
        Self {
            values: vec![0.0; depth * width],
            width,
        }
    }

    /// Row-major, `[depth · width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The partitions, one after the other.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The sketch of both sets together.
    ///
    /// # Errors
    /// When the other one has other partitions.
    pub fn add(&mut self, other: &Self) -> Result<(), EmdeError> {
        let shape = |sketch: &Self| [sketch.values.len() / sketch.width.max(1), sketch.width];
        if shape(self) != shape(other) {
            return Err(EmdeError::Shape {
                from: shape(other),
                to: shape(self),
            });
        }
        self.values
            .iter_mut()
            .zip(&other.values)
            .for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// Every count times a factor.
    pub fn scale(&mut self, factor: f32) {
        self.values.iter_mut().for_each(|value| *value *= factor);
    }

    /// Each partition's counts divided by their length (L2), as a network takes them in. A row of zeros stays.
    pub fn normalise_l2(&mut self) {
        self.normalise(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt());
    }

    /// Each partition's counts divided by their sum (L1): shares of the set, as a network is to foretell them. A row of zeros stays.
    pub fn normalise_l1(&mut self) {
        self.normalise(|row| row.iter().map(|v| f64::from(*v)).sum());
    }

    fn normalise(&mut self, measure: impl Fn(&[f32]) -> f64) {
        for row in self.values.chunks_exact_mut(self.width) {
            let size = measure(row);
            if size > 0.0 {
                row.iter_mut().for_each(|v| *v = (f64::from(*v) / size) as f32);
            }
        }
    }
}
