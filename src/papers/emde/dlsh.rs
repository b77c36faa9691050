//! Density-dependent hashing: random hyperplanes, each moved to where the data is.
//!
//! Fitted on the items `X` `[items, dim]`, for `N` partitions (the depth) of `W` regions each (the width):
//!
//! 1. every dimension is standardised, x' = (x − mean) / deviation; a constant one is divided by 1;
//! 2. directions r are drawn from N(0, 1 / bits) (their length changes no code);
//! 3. an offset b is the median of ⟨r, x'⟩ over the items, or its quantile at a random place;
//! 4. bit = 1 iff ⟨r, x'⟩ > b; the bits of a partition spell its region, the most significant first.
//!
//! All in f64 and in one fixed order: a vector has the same code whatever list it stands in, on every machine.

use super::EmdeError;
use crate::backbones::weights::{self, Tensors, WeightsError};
use crate::device::Device;
use crate::nn::{TEmde, TEmdeConfig};
use crate::random::stream;
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a hyperplane stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Bias {
    /// At the median: a bit is 1 for half of the items, which is all that a bit can tell (1 bit; 0.72 at a random quantile).
    #[default]
    Median,
    /// At a quantile drawn uniformly for each hyperplane, as the first release does.
    Quantile,
}

/// How bits spell a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bits {
    /// log₂(width) hyperplanes a partition.
    #[default]
    Direct,
    /// Sixteen hyperplanes a partition, read as two bytes, the second the more significant, modulo the width: the released code's,
    /// for its codes and for widths that are no power of two. With widths up to 256, eight or more of the sixteen say nothing.
    Sixteen,
}

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlshConfig {
    /// N, the partitions.
    pub depth: usize,
    /// W, the regions of each.
    pub width: usize,
    /// Where hyperplanes stand.
    pub bias: Bias,
    /// How their bits spell a region.
    pub bits: Bits,
    /// Of directions and quantiles.
    pub seed: u64,
}

impl Default for DlshConfig {
    /// The session recommender's: 10 partitions of 128 regions.
    fn default() -> Self {
        Self {
            depth: 10,
            width: 128,
            bias: Bias::Median,
            bits: Bits::Direct,
            seed: 1,
        }
    }
}

impl DlshConfig {
    /// Hyperplanes of one partition.
    fn bits_each(&self) -> Result<usize, EmdeError> {
        let fault = |what, found, remedy| Err(EmdeError::Setting { what, found, remedy });
        if !(1..=4096).contains(&self.depth) {
            return fault("depth", self.depth, "choose 1 to 4,096 partitions; 10 is usual");
        }
        if !(2..=65_536).contains(&self.width) {
            return fault("width", self.width, "choose 2 to 65,536 regions; 128 is usual");
        }
        match self.bits {
            Bits::Sixteen => Ok(16),
            Bits::Direct if self.width.is_power_of_two() => Ok(self.width.ilog2() as usize),
            Bits::Direct => fault(
                "width",
                self.width,
                "choose a power of two, such as 128, or the released code's sixteen bits modulo the width",
            ),
        }
    }
}

/// Fitted hyperplanes.
#[derive(Clone, Debug, PartialEq)]
pub struct Dlsh {
    depth: usize,
    width: usize,
    bits: Bits,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// `[depth · bits, dim]`.
    directions: Vec<f64>,
    /// `[depth · bits]`.
    offsets: Vec<f64>,
}

/// Rows that one task works on.
const ROWS: usize = 1024;
/// Hyperplanes whose values over all items are held at once.
const AT_ONCE: usize = 16;

impl Dlsh {
    /// Fits hyperplanes on row-major vectors `[items, dim]`: on the items that are trained with, and no others.
    ///
    /// # Errors
    /// When depth or width make no sense, fewer than two rows are given, or a value is not finite.
    pub fn fit(vectors: &[f32], dim: usize, config: &DlshConfig) -> Result<Self, EmdeError> {
        let each = config.bits_each()?;
        let items = whole_rows(vectors, dim)?;
        if items < 2 {
            return Err(EmdeError::Few(items));
        }
        let (mean, deviation) = moments(vectors, dim);
        let hyperplanes = config.depth * each;
        let mut random = stream(config.seed, "dlsh directions", &[]);
        let spread = (1.0 / hyperplanes as f64).sqrt();
        let directions: Vec<f64> = (0..hyperplanes * dim).map(|_| random.normal() * spread).collect();
        let mut fitted = Self {
            depth: config.depth,
            width: config.width,
            bits: config.bits,
            mean,
            deviation,
            directions,
            offsets: Vec::with_capacity(hyperplanes),
        };
        let mut random = stream(config.seed, "dlsh quantiles", &[]);
        for first in (0..hyperplanes).step_by(AT_ONCE) {
            let block = first..(first + AT_ONCE).min(hyperplanes);
            let count = block.len();
            let sides = fitted.sides(vectors, block);
            for at in 0..count {
                let place = match config.bias {
                    Bias::Median => 0.5,
                    Bias::Quantile => random.uniform(),
                };
                let mut values: Vec<f64> = sides.iter().skip(at).step_by(count).copied().collect();
                fitted.offsets.push(quantile(&mut values, place));
            }
        }
        Ok(fitted)
    }

    /// The regions of row-major vectors `[items, dim]`: `[items, depth]`, each below the width.
    ///
    /// # Errors
    /// When vectors are of another width than those that were fitted on, or a value is not finite.
    pub fn codes(&self, vectors: &[f32]) -> Result<Vec<u32>, EmdeError> {
        whole_rows(vectors, self.dim())?;
        let each = self.offsets.len() / self.depth;
        let mut codes = vec![0; vectors.len() / self.dim() * self.depth];
        codes
            .par_chunks_mut(ROWS * self.depth)
            .zip(vectors.par_chunks(ROWS * self.dim()))
            .for_each(|(codes, vectors)| {
                let mut row = vec![0.0; self.dim()];
                let mut bits = vec![false; each];
                for (codes, vector) in codes
                    .chunks_exact_mut(self.depth)
                    .zip(vectors.chunks_exact(self.dim()))
                {
                    self.standardise(vector, &mut row);
                    for (partition, code) in codes.iter_mut().enumerate() {
                        for (bit, set) in bits.iter_mut().enumerate() {
                            let at = partition * each + bit;
                            *set = dot(self.direction(at), &row) > self.offsets[at];
                        }
                        *code = spell(&bits, self.bits, self.width);
                    }
                }
            });
        Ok(codes)
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// N, the partitions.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// W, the regions of each.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A T-EMDE layer whose hard codes are these: hyperplanes r / deviation, offsets b + ⟨r, mean / deviation⟩, both multiplied by
    /// `scale`, which sets how soft its sides are. In f32: vectors that touch a hyperplane may fall on its other side.
    ///
    /// # Errors
    /// With [`Bits::Sixteen`], or with more than 4,096 regions: the layer's bits spell its regions, and it counts each of them.
    pub fn layer(&self, scale: f64, device: &Device) -> Result<TEmde, EmdeError> {
        let bits = self.offsets.len() / self.depth;
        if self.bits == Bits::Sixteen || bits > 12 {
            return Err(EmdeError::Setting {
                what: "width",
                found: self.width,
                remedy: "a layer has 2 to 4,096 regions, a power of two, spelt by its own bits (Bits::Direct)",
            });
        }
        let (mut weight, mut offset) = (Vec::new(), Vec::new());
        for at in 0..self.offsets.len() {
            let direction: Vec<f64> = (self.direction(at).iter().zip(&self.deviation))
                .map(|(r, deviation)| r / deviation)
                .collect();
            offset.push(((self.offsets[at] + dot(&direction, &self.mean)) * scale) as f32);
            weight.extend(direction.iter().map(|r| (r * scale) as f32));
        }
        let rows = self.offsets.len();
        let config = TEmdeConfig::new(self.dim())
            .with_partitions(self.depth)
            .with_bits(bits);
        let weight = Tensor::<2>::from_data(TensorData::new(weight, [rows, self.dim()]), device);
        let offset = Tensor::<1>::from_data(TensorData::new(offset, [rows]), device);
        let mut layer = config.init(device);
        layer.weight = Param::from_tensor(weight);
        layer.offset = Param::from_tensor(offset);
        Ok(layer)
    }

    /// Writes the hyperplanes as safetensors: `mean` and `deviation` `[dim]`, `directions` `[hyperplanes, dim]`, `offsets`
    /// `[hyperplanes]`, f64, and `layout` (depth, width, 1 for sixteen bits).
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), WeightsError> {
        let rows = self.offsets.len();
        let layout = [
            self.depth as i64,
            self.width as i64,
            i64::from(self.bits == Bits::Sixteen),
        ];
        let tensors = Tensors::from([
            (
                "mean".to_owned(),
                TensorData::new(self.mean.clone(), [self.dim()]),
            ),
            (
                "deviation".to_owned(),
                TensorData::new(self.deviation.clone(), [self.dim()]),
            ),
            (
                "directions".to_owned(),
                TensorData::new(self.directions.clone(), [rows, self.dim()]),
            ),
            (
                "offsets".to_owned(),
                TensorData::new(self.offsets.clone(), [rows]),
            ),
            ("layout".to_owned(), TensorData::new(layout.to_vec(), [3])),
        ]);
        let kind = ("kind".to_owned(), "density-dependent hashing (EMDE)".to_owned());
        weights::write(path, &tensors, &BTreeMap::from([kind]))
    }

    /// Reads what [`write`](Self::write) wrote, or the same tensors from elsewhere. Untrusted.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another kind.
    pub fn read(path: &Path) -> crate::Result<Self> {
        let tensors = weights::read(path)?;
        Self::from_tensors(&tensors).map_err(|problem| {
            EmdeError::State {
                path: path.into(),
                problem,
            }
            .into()
        })
    }

    fn from_tensors(tensors: &Tensors) -> Result<Self, String> {
        let values = |name: &str| {
            let data = tensors.get(name).ok_or(format!("there is no `{name}`"))?;
            let values: Vec<f64> = data.iter::<f64>().collect();
            match values.iter().all(|value| value.is_finite()) {
                true => Ok((values, data.shape().to_vec())),
                false => Err(format!("`{name}` holds NaN or infinity")),
            }
        };
        let (layout, _) = values("layout")?;
        let &[depth, width, sixteen] = &layout[..] else {
            return Err("`layout` is not depth, width and kind".into());
        };
        let config = DlshConfig {
            depth: depth as usize,
            width: width as usize,
            bits: match sixteen {
                1.0 => Bits::Sixteen,
                _ => Bits::Direct,
            },
            ..DlshConfig::default()
        };
        let rows = config.depth * config.bits_each().map_err(|error| error.to_string())?;
        let (mean, shape) = values("mean")?;
        let dim = mean.len();
        let fits = |name: &str, found: &[usize], wanted: &[usize]| match found == wanted && dim > 0 {
            true => Ok(()),
            false => Err(format!("`{name}` has the shape {found:?}, not {wanted:?}")),
        };
        fits("mean", &shape, &[dim])?;
        let (deviation, shape) = values("deviation")?;
        fits("deviation", &shape, &[dim])?;
        if deviation.iter().any(|deviation| *deviation <= 0.0) {
            return Err("`deviation` is not above 0".into());
        }
        let (directions, shape) = values("directions")?;
        fits("directions", &shape, &[rows, dim])?;
        let (offsets, shape) = values("offsets")?;
        fits("offsets", &shape, &[rows])?;
        Ok(Self {
            depth: config.depth,
            width: config.width,
            bits: config.bits,
            mean,
            deviation,
            directions,
            offsets,
        })
    }

    fn direction(&self, at: usize) -> &[f64] {
        &self.directions[at * self.dim()..][..self.dim()]
    }

    fn standardise(&self, vector: &[f32], row: &mut [f64]) {
        for (at, value) in row.iter_mut().enumerate() {
            *value = (f64::from(vector[at]) - self.mean[at]) / self.deviation[at];
        }
    }

    /// ⟨r, x'⟩ for some of the hyperplanes, `[items, hyperplanes]`.
    fn sides(&self, vectors: &[f32], hyperplanes: std::ops::Range<usize>) -> Vec<f64> {
        let count = hyperplanes.len();
        let mut sides = vec![0.0; vectors.len() / self.dim() * count];
        sides
            .par_chunks_mut(ROWS * count)
            .zip(vectors.par_chunks(ROWS * self.dim()))
            .for_each(|(sides, vectors)| {
                let mut row = vec![0.0; self.dim()];
                for (sides, vector) in sides
                    .chunks_exact_mut(count)
                    .zip(vectors.chunks_exact(self.dim()))
                {
                    self.standardise(vector, &mut row);
                    for (side, at) in sides.iter_mut().zip(hyperplanes.clone()) {
                        *side = dot(self.direction(at), &row);
                    }
                }
            });
        sides
    }
}

/// How many rows there are, all of them finite.
fn whole_rows(vectors: &[f32], dim: usize) -> Result<usize, EmdeError> {
    if dim == 0 || !vectors.len().is_multiple_of(dim) {
        return Err(EmdeError::Rows {
            values: vectors.len(),
            dim,
        });
    }
    match vectors.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(EmdeError::NotFinite { row: at / dim }),
        None => Ok(vectors.len() / dim),
    }
}

/// Mean and deviation (over all items, not one fewer) of each dimension; a constant one has deviation 1.
fn moments(vectors: &[f32], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let items = (vectors.len() / dim) as f64;
    // Parts of fixed size, added up in their order: the same whatever the number of threads.
    let total = |term: &(dyn Fn(usize, f64) -> f64 + Sync)| {
        let parts: Vec<Vec<f64>> = vectors
            .par_chunks(ROWS * dim)
            .map(|rows| {
                let mut sum = vec![0.0; dim];
                for row in rows.chunks_exact(dim) {
                    for (at, sum) in sum.iter_mut().enumerate() {
                        *sum += term(at, f64::from(row[at]));
                    }
                }
                sum
            })
            .collect();
        let mut sum = vec![0.0; dim];
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        sum
    };
    let mean: Vec<f64> = total(&|_, value| value).iter().map(|sum| sum / items).collect();
    let squares = total(&|at, value| (value - mean[at]) * (value - mean[at]));
    let deviation = squares.iter().zip(&mean).map(|(sum, mean)| {
        let variance = sum / items;
        // What rounding alone leaves of a constant.
        let rounding = items * f64::EPSILON * variance + (items * mean * f64::EPSILON).powi(2);
        match variance <= rounding {
            true => 1.0,
            false => variance.sqrt(),
        }
    });
    let deviation = deviation.collect();
    (mean, deviation)
}

/// The empirical quantile, linear between two values.
fn quantile(values: &mut [f64], place: f64) -> f64 {
    let at = place * (values.len() - 1) as f64;
    let below = at.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    match above.iter().copied().min_by(f64::total_cmp) {
        Some(high) => low + (high - low) * (at - below as f64),
        None => low,
    }
}

/// In eight lanes, the same for every row.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (whole_a, whole_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = (whole_a.remainder().iter().zip(whole_b.remainder()))
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in whole_a.zip(whole_b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The region that a partition's bits name.
pub(super) fn spell(bits: &[bool], way: Bits, width: usize) -> u32 {
    let number = |bits: &[bool]| {
        bits.iter()
            .fold(0u32, |number, bit| number << 1 | u32::from(*bit))
    };
    match way {
        Bits::Direct => number(bits),
        Bits::Sixteen => (number(&bits[..8]) | number(&bits[8..]) << 8) % width as u32,
    }
}
