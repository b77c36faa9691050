//! What makes a picture's grid features: a trunk's last map or patches, in cells, standardised.

use super::About;
use super::graph::{Graph, Value};
use super::run::{Input, Runner};
use super::write::{Axis, Port, file};
use crate::data::pairs::Standard;
use crate::export::compare::Difference;
use crate::export::dtype::Dtype;
use crate::export::onnx::OnnxError;
use crate::random::stream;
use crate::train::grid::{Cells, How};
use burn::tensor::Tensor;
use std::path::Path;

/// The graph's file.
pub const FILE: &str = "features.onnx";
/// How far its features may be from ours, relative to the largest.
const LIMIT: f64 = 1e-4;

/// The file that turns prepared pictures `[batch, 3, height, width]` into the features `[batch, regions, dim]` that the image tower takes.
/// f32, whatever the towers are stored as: half a trunk's features would be others.
pub fn cells(
    cells: &Cells,
    [height, width]: [usize; 2],
    standard: Option<&Standard>,
    about: &About,
) -> Vec<u8> {
    let mut graph = Graph::new(Dtype::F32);
    let picture = graph.input("picture");
    let (count, dim, grid) = (cells.count(), cells.dim(), cells.grid());
    let mut x = match cells.how() {
        How::Patches([h, w]) => {
            let x = graph.reshape("patches.cut", &picture, &[0, 3, grid, *h, grid, *w]);
            let x = graph.transpose("patches.turned", &x, &[0, 2, 4, 1, 3, 5]);
            graph.reshape("patches", &x, &[0, count, dim])
        }
        How::Trunk(trunk) => {
            let map = trunk.map_to_onnx(&mut graph, "trunk", &picture);
            let device = crate::device::cpu();
            let [_, _, rows, columns] = trunk
                .forward_map(Tensor::zeros([1, 3, height, width], &device))
                .dims();
            pooled(&mut graph, &map, [dim, rows, columns], grid)
        }
    };
    if let Some(standard) = standard {
        let mean = graph.constant("standard.mean", &[1, 1, dim], &standard.mean);
        let deviation = graph.constant("standard.deviation", &[1, 1, dim], &standard.deviation);
        x = graph.sub("standard.shifted", &x, &mean);
        x = graph.div("standard", &x, &deviation);
    }
    let features = graph.named("features", &x);
    let port = |value: &Value, sizes: &[usize], text: &str| Port {
        value: value.clone(),
        whole: false,
        axes: std::iter::once(Axis::Open("images"))
            .chain(sizes.iter().map(|&size| Axis::Fixed(size)))
            .collect(),
        text: text.into(),
    };
    let input = port(&picture, &[3, height, width], "RGB, prepared as the card says");
    let output = port(&features, &[count, dim], "what image.onnx takes");
    file(graph, &[input], &[output], about)
}

/// Means of a map's cells, as adaptive average pooling takes them: cell i of g reaches from ⌊i · size / g⌋ to ⌈(i + 1) · size / g⌉. One
/// product with the shares of every place in every cell.
fn pooled(graph: &mut Graph, map: &Value, [dim, rows, columns]: [usize; 3], grid: usize) -> Value {
    let reach = |cell: usize, size: usize| cell * size / grid..((cell + 1) * size).div_ceil(grid);
    let cells = grid * grid;
    let mut shares = vec![0.0; rows * columns * cells];
    for cell in 0..cells {
        let (down, across) = (reach(cell / grid, rows), reach(cell % grid, columns));
        let share = 1.0 / (down.len() * across.len()) as f32;
        for row in down {
            for column in across.clone() {
                shares[(row * columns + column) * cells + cell] = share;
            }
        }
    }
    let shares = graph.constant("cells.shares", &[rows * columns, cells], &shares);
    let flat = graph.reshape("cells.flat", map, &[0, dim, rows * columns]);
    let means = graph.matmul("cells.means", &flat, &shares);
    graph.transpose("cells", &means, &[0, 2, 1])
}

/// Runs the file on pictures of noise. How far its features are from ours, relative to the largest; more than rounding is an error.
pub fn compare(
    path: &Path,
    named: &Path,
    cells: &Cells,
    [height, width]: [usize; 2],
    standard: Option<&Standard>,
) -> crate::Result<f64> {
    let shape = [2, 3, height, width];
    let mut noise = stream(0, "pictures of an export", &[]);
    let pixels: Vec<f32> = (0..shape.iter().product())
        .map(|_| noise.normal() as f32)
        .collect();
    let mut ours = cells.of_pixels(pixels.clone(), shape, &crate::device::cpu())?;
    if let Some(standard) = standard {
        for cell in ours.chunks_exact_mut(cells.dim()) {
            for ((value, mean), deviation) in cell.iter_mut().zip(&standard.mean).zip(&standard.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }
    let runner = Runner::open(path, named)?;
    let theirs = runner.run_all(named, &[Input::Floats(&pixels, &shape)])?;
    let difference = Difference::between(&ours, &theirs[0], ours.len()).relative;
    // Written so that NaN is wrong.
    if difference <= LIMIT {
        return Ok(difference);
    }
    Err(OnnxError::Differs {
        path: named.to_owned(),
        difference,
        limit: LIMIT,
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::grid::FeatureSection;
    use serde_json::json;

    #[test]
    fn another_runtime_finds_the_cells_of_a_picture() {
        let trunk = json!({ "depth": 18, "last_stride": 1, "width": 8 });
        // A map of 4 × 6, divided by the grid, then not; patches.
        for (kind, trunk, grid) in [
            ("trunk", Some(&trunk), 2),
            ("trunk", Some(&trunk), 3),
            ("patches", None, 4),
        ] {
            let section: FeatureSection = serde_json::from_value(json!({
                "kind": kind, "trunk": trunk, "grid": grid, "seed": 3, "transform": [],
            }))
            .unwrap();
            let output = [64, 96];
            let made = Cells::new(&section, output, &crate::device::cpu()).unwrap();
            let values = |shift: f32| {
                (0..made.dim())
                    .map(|at| shift + at as f32 / made.dim() as f32)
                    .collect()
            };
            let standard = Standard {
                mean: values(-0.5),
                deviation: values(0.5),
            };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            std::fs::write(&path, cells(&made, output, Some(&standard), &About::default())).unwrap();
            let found = compare(&path, &path, &made, output, Some(&standard)).unwrap();
            assert!(found < 1e-5, "{kind} {grid}: {found}");
            // Other figures are seen.
            let other = compare(&path, &path, &made, output, None).unwrap_err();
            assert!(other.to_string().contains("differs"), "{other}");
        }
    }
}
