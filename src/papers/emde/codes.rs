//! The regions of items, of one modality or of several side by side.

use super::{EmdeError, Sketch};

/// Regions `[items, depth]` of partitions that all have `width` regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    codes: Vec<u32>,
    depth: usize,
    width: usize,
}

impl Codes {
    /// Takes row-major codes `[items, depth]`, as [`super::Dlsh::codes`] gives them or as a file holds them.
    ///
    /// # Errors
    /// When rows are not whole, or a region is not below the width.
    pub fn new(codes: Vec<u32>, depth: usize, width: usize) -> Result<Self, EmdeError> {
        if depth == 0 || width == 0 {
            let (what, remedy) = match depth {
                0 => ("depth", "choose at least one partition"),
                _ => ("width", "choose at least two regions"),
            };
            return Err(EmdeError::Setting {
                what,
                found: 0,
                remedy,
            });
        }
        let rest = codes.len() % depth;
        if rest != 0 {
            return Err(EmdeError::Code {
                item: codes.len() / depth,
                problem: format!("{rest} regions for {depth} partitions"),
            });
        }
        match codes.iter().position(|code| *code as usize >= width) {
            Some(at) => Err(EmdeError::Code {
                item: at / depth,
                problem: format!("the region {}, and there are {width}", codes[at]),
            }),
            None => Ok(Self { codes, depth, width }),
        }
    }

    /// The same items with a further modality's codes behind: `[items, depth + other's]`. Sketches of both are then one.
    ///
    /// # Errors
    /// When there are other numbers of items, or regions of another width.
    pub fn beside(self, other: &Self) -> Result<Self, EmdeError> {
        if self.len() != other.len() || self.width != other.width {
            return Err(EmdeError::Code {
                item: self.len().min(other.len()),
                problem: format!(
                    "no like in the other modality: {} items of width {} beside {} of width {}",
                    self.len(),
                    self.width,
                    other.len(),
                    other.width
                ),
            });
        }
        let depth = self.depth + other.depth;
        let mut codes = Vec::with_capacity(self.len() * depth);
        for item in 0..self.len() {
            codes.extend_from_slice(self.item(item));
            codes.extend_from_slice(other.item(item));
        }
        Ok(Self {
            codes,
            depth,
            width: self.width,
        })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.codes.len() / self.depth
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Partitions, of all modalities together.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Regions of a partition.
    pub fn width(&self) -> usize {
        self.width
    }

    /// An item's regions, one for each partition.
    pub fn item(&self, item: usize) -> &[u32] {
        &self.codes[item * self.depth..][..self.depth]
    }

    /// Where an item stands in a flat sketch: partition · width + region, for each partition.
    pub fn absolute(&self, item: usize) -> impl Iterator<Item = usize> + '_ {
        let width = self.width;
        (self.item(item).iter().enumerate()).map(move |(partition, code)| partition * width + *code as usize)
    }

    /// The sketch of a set: the sum of its items, each with a weight (1, an amount, a duration).
    ///
    /// # Errors
    /// When an item is unknown, or a weight is negative or not finite.
    pub fn sketch(&self, set: &[(usize, f32)]) -> Result<Sketch, EmdeError> {
        let mut sketch = Sketch::empty(self.depth, self.width);
        for &(item, weight) in set {
            if !weight.is_finite() || weight < 0.0 {
                return Err(EmdeError::Weight {
                    what: "the weight",
                    found: weight,
                });
            }
            self.count(&mut sketch, item, weight)?;
        }
        Ok(sketch)
    }

    /// The sketch of a history: for its items in the order of time, s ← α^(w · Δt) · s + item, where Δt are the seconds since the
    /// item before (of no matter for the first). With α = 0.9 and w = 0.01 an item counts nine tenths after 100 seconds.
    ///
    /// # Errors
    /// When an item is unknown, Δt is negative or not finite, or α is not from 0 to 1.
    pub fn history(&self, items: &[(usize, f32)], alpha: f32, w: f32) -> Result<Sketch, EmdeError> {
        let number = |what, found: f32, fits: bool| match fits {
            true => Ok(()),
            false => Err(EmdeError::Weight { what, found }),
        };
        number("the decay", alpha, (0.0..=1.0).contains(&alpha))?;
        number("the decay's rate", w, w.is_finite() && w >= 0.0)?;
        let mut sketch = Sketch::empty(self.depth, self.width);
        for (at, &(item, seconds)) in items.iter().enumerate() {
            number("the gap", seconds, seconds.is_finite() && seconds >= 0.0)?;
            if at > 0 {
                sketch.scale(alpha.powf(w * seconds));
            }
            self.count(&mut sketch, item, 1.0)?;
        }
        Ok(sketch)
    }

    fn count(&self, sketch: &mut Sketch, item: usize, weight: f32) -> Result<(), EmdeError> {
        if item >= self.len() {
            return Err(EmdeError::Item {
                item,
                items: self.len(),
            });
        }
        self.absolute(item)
            .for_each(|at| sketch.values_mut()[at] += weight);
        Ok(())
    }
}
