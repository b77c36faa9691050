//! Pictures to the vectors of their grid's cells.

use super::{FeatureSection, Kind};
use crate::backbones::trunk::{Trunk, TrunkSection};
use crate::backbones::weights::collect;
use crate::data::source::ImageBatch;
use crate::device::Device;
use crate::nn::initialise;
use crate::train::TrainError;
use burn::module::Module;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Tensor, TensorData};

/// What makes a picture's cells.
pub struct Cells {
    grid: usize,
    how: How,
}

/// How a picture becomes cells.
pub enum How {
    /// Pixels; the side of a patch, height and width.
    Patches([usize; 2]),
    /// Means of a network's last map.
    Trunk(Box<Trunk>),
}

impl Cells {
    /// For pictures of that height and width. A trunk's weights are drawn or read here.
    pub fn new(section: &FeatureSection, output: [usize; 2], device: &Device) -> crate::Result<Self> {
        let grid = section.grid;
        let refuse = |problem: String| crate::Error::from(TrainError::Setting(problem));
        let how = match (section.kind, &section.trunk) {
            (Kind::Patches, None) if section.weights.is_none() => {
                if output.iter().any(|side| side % grid != 0) {
                    return Err(refuse(format!(
                        "data.features.grid = {grid} does not divide pictures of {} × {} pixels into patches: change the grid or the transform",
                        output[0], output[1]
                    )));
                }
                How::Patches(output.map(|side| side / grid))
            }
            (Kind::Patches, _) => {
                return Err(refuse(
                    "data.features.kind = \"patches\" takes pixels as they are: remove data.features.trunk and weights, or set kind = \"trunk\""
                        .into(),
                ));
            }
            (Kind::Trunk, None) => {
                return Err(refuse(
                    "data.features.trunk is missing: name a network, such as trunk = { depth = 18 }, or set kind = \"patches\"".into(),
                ));
            }
            (Kind::Trunk, Some(config)) => {
                let trunk = initialise(config.init(device), section.seed, Trunk::draw);
                let from = TrunkSection {
                    weights: section.weights.clone(),
                    ..TrunkSection::new(config.clone())
                };
                let (trunk, _) = from.load(trunk)?;
                let trunk = trunk.valid();
                let [height, width] = output;
                let [_, _, rows, columns] = trunk
                    .forward_map(Tensor::zeros([1, 3, height, width], device))
                    .dims();
                if rows < grid || columns < grid {
                    return Err(refuse(format!(
                        "data.features.grid = {grid} asks for more cells than the trunk's last map has, {rows} × {columns} for pictures of \
                         {height} × {width}: lower the grid, or enlarge the pictures"
                    )));
                }
                How::Trunk(Box::new(trunk))
            }
        };
        Ok(Self { grid, how })
    }

    /// Cells in a row and in a column.
    pub fn grid(&self) -> usize {
        self.grid
    }

    /// How a picture becomes cells.
    pub fn how(&self) -> &How {
        &self.how
    }

    /// Cells of a picture.
    pub fn count(&self) -> usize {
        self.grid * self.grid
    }

    /// Length of a cell's vector.
    pub fn dim(&self) -> usize {
        match &self.how {
            How::Patches([height, width]) => 3 * height * width,
            How::Trunk(trunk) => trunk.feature_dim(),
        }
    }

    /// Everything that the vectors depend on beside the pictures: the network with its weights, and the grid.
    pub fn identity(&self) -> String {
        match &self.how {
            How::Patches([height, width]) => format!("patches {} of {height} × {width}", self.grid),
            How::Trunk(trunk) => {
                let mut hash = blake3::Hasher::new();
                for (name, data) in collect(trunk.as_ref()) {
                    hash.update(name.as_bytes());
                    hash.update(data.as_bytes());
                }
                let config =
                    serde_json::to_string(&trunk.config()).expect("a trunk's settings are plain data");
                format!("trunk {config} {} to {}", hash.finalize().to_hex(), self.grid)
            }
        }
    }

    /// `[batch, 3, height, width]` → `[batch, cells, dim]`, row by row of the grid.
    pub fn of(&self, batch: ImageBatch, device: &Device) -> Result<Vec<f32>, TrainError> {
        self.of_pixels(batch.pixels, batch.shape, device)
    }

    /// The same of normalised pixels, row by row.
    pub fn of_pixels(
        &self,
        pixels: Vec<f32>,
        shape: [usize; 4],
        device: &Device,
    ) -> Result<Vec<f32>, TrainError> {
        let [count, _, height, width] = shape;
        match &self.how {
            How::Patches(_) => Ok(patches(&pixels, [count, height, width], self.grid)),
            How::Trunk(trunk) => {
                let pixels = Tensor::from_data(TensorData::new(pixels, shape), device);
                let broken = |e: &dyn std::fmt::Debug| TrainError::Device(format!("{e:?}"));
                pooled(trunk.forward_map(pixels), self.grid)
                    .try_into_data()
                    .map_err(|e| broken(&e))?
                    .try_into_vec_as::<f32>()
                    .map_err(|e| broken(&e))
            }
        }
    }
}

/// A map `[batch, channels, height, width]` → the means of its cells, `[batch, grid · grid, channels]`.
fn pooled(map: Tensor<4>, grid: usize) -> Tensor<3> {
    let [batch, channels, ..] = map.dims();
    adaptive_avg_pool2d(map, [grid, grid])
        .reshape([batch, channels, grid * grid])
        .swap_dims(1, 2)
}

/// Pixels `[batch, 3, height, width]` → patches `[batch, grid · grid, 3 · h · w]`: channel by channel, row by row.
fn patches(pixels: &[f32], [count, height, width]: [usize; 3], grid: usize) -> Vec<f32> {
    let (h, w) = (height / grid, width / grid);
    let mut all = Vec::with_capacity(pixels.len());
    for image in 0..count {
        for row in 0..grid {
            for column in 0..grid {
                for line in (0..3).flat_map(|c| (0..h).map(move |y| c * height + row * h + y)) {
                    let start = (image * 3 * height + line) * width + column * w;
                    all.extend_from_slice(&pixels[start..start + w]);
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    #[test]
    fn a_patch_is_a_part_of_the_picture() {
        // Two pictures of 4 × 6, three channels: value = 1000 picture + 100 channel + 10 row + column.
        let pixels: Vec<f32> = (0..2)
            .flat_map(|n| {
                (0..3).flat_map(move |c| (0..4).flat_map(move |y| (0..6).map(move |x| (n, c, y, x))))
            })
            .map(|(n, c, y, x)| (1000 * n + 100 * c + 10 * y + x) as f32)
            .collect();
        let found = patches(&pixels, [2, 4, 6], 2);
        assert_eq!(found.len(), pixels.len());
        // The second picture's cell of row 1, column 0.
        let cell = &found[(4 + 2) * 18..][..18];
        let expected: Vec<f32> = (0..3)
            .flat_map(|c| (2..4).flat_map(move |y| (0..3).map(move |x| (1000 + 100 * c + 10 * y + x) as f32)))
            .collect();
        assert_eq!(cell, expected);
    }

    #[test]
    fn a_cell_is_the_mean_of_its_part_of_the_map() {
        // One picture, two channels, 3 × 3: with two cells a side the middle row and column belong to both.
        let map: Vec<f32> = (0..18).map(|v| v as f32).collect();
        let map = Tensor::<1>::from_floats(map.as_slice(), &cpu()).reshape([1, 2, 3, 3]);
        let cells: Vec<f32> = pooled(map.clone(), 2).into_data().try_into_vec_as().unwrap();
        assert_eq!(cells, [2.0, 11.0, 3.0, 12.0, 5.0, 14.0, 6.0, 15.0]);
        let whole: Vec<f32> = pooled(map, 1).into_data().try_into_vec_as().unwrap();
        assert_eq!(whole, [4.0, 13.0]);
    }

    fn section(text: &str) -> FeatureSection {
        toml::from_str(&format!("transform = []\n{text}")).unwrap()
    }

    #[test]
    fn the_identity_is_that_of_network_weights_and_grid() {
        let of = |text: &str| Cells::new(&section(text), [32, 32], &cpu()).unwrap();
        let trunk = "grid = 2\ntrunk = { depth = 18, width = 4, last_stride = 1 }\n";
        let cells = of(trunk);
        assert_eq!((cells.count(), cells.dim()), (4, 32));
        assert_eq!(cells.identity(), of(trunk).identity());
        assert_ne!(cells.identity(), of(&format!("{trunk}seed = 1")).identity());
        assert_ne!(
            cells.identity(),
            of("grid = 1\ntrunk = { depth = 18, width = 4, last_stride = 1 }").identity()
        );
        let patches = of("kind = 'patches'\ngrid = 4");
        assert_eq!((patches.count(), patches.dim()), (16, 192));
        assert_ne!(patches.identity(), of("kind = 'patches'\ngrid = 2").identity());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |text: &str| {
            Cells::new(&section(text), [32, 32], &cpu())
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert!(error("kind = 'patches'\ngrid = 5").contains("does not divide pictures of 32 × 32"));
        assert!(error("kind = 'patches'\ngrid = 4\nweights = 'a'").contains("remove data.features.trunk"));
        assert!(error("grid = 2").contains("data.features.trunk is missing"));
        assert!(error("grid = 4\ntrunk = { depth = 18, width = 4 }").contains("1 × 1"));
    }
}
