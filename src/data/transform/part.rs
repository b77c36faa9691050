//! Where in a picture the pixels of a pipeline's output lie.

use super::{Op, Pipeline};
use crate::data::image::ops::{centre_offset, letterbox_size, short_side_size};

/// One axis: `place = scale · pixel + shift`, places in pixels of the picture, pixels in those of the current size.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    scale: f64,
    shift: f64,
}

impl Axis {
    fn resized(self, size: usize) -> Self {
        Self {
            size,
            scale: self.scale * self.size as f64 / size as f64,
            ..self
        }
    }

    /// A window that begins at a pixel, which may lie outside.
    fn window(self, from: isize, size: usize) -> Self {
        Self {
            size,
            shift: self.shift + self.scale * from as f64,
            ..self
        }
    }
}

impl Pipeline {
    /// The part of a picture of that size that the output shows: x1, y1, x2, y2 in the picture's pixels; it reaches outside where the
    /// output has margins. None where that is drawn at random or mirrored.
    pub fn part(&self, width: usize, height: usize) -> Option<[f64; 4]> {
        let begin = |size: usize| Axis {
            size,
            scale: 1.0,
            shift: 0.0,
        };
        let (mut x, mut y) = (begin(width), begin(height));
        for op in &self.ops {
            match *op {
                Op::Resize { height, width, .. } => (x, y) = (x.resized(width), y.resized(height)),
                Op::ResizeShort { size, max_size, .. } => {
                    let [height, width] = short_side_size(y.size, x.size, size, max_size);
                    (x, y) = (x.resized(width), y.resized(height));
                }
                Op::Letterbox {
                    height,
                    width,
                    enlarge,
                    ..
                } => {
                    let [inner_height, inner_width] = letterbox_size(y.size, x.size, height, width, enlarge);
                    let framed = |axis: Axis, inner: usize, outer: usize| {
                        axis.resized(inner)
                            .window(-(((outer - inner) / 2) as isize), outer)
                    };
                    (x, y) = (framed(x, inner_width, width), framed(y, inner_height, height));
                }
                Op::CenterCrop { height, width } => {
                    let offset = |outer: usize, inner: usize| match inner > outer {
                        true => -(((inner - outer) / 2) as isize),
                        false => centre_offset(outer, inner),
                    };
                    let cut = |axis: Axis, inner: usize| axis.window(offset(axis.size, inner), inner);
                    (x, y) = (cut(x, width), cut(y, height));
                }
                Op::Pad { pixels, .. } => {
                    let wider = |axis: Axis| axis.window(-(pixels as isize), axis.size + 2 * pixels);
                    (x, y) = (wider(x), wider(y));
                }
                Op::RandomCrop { .. } | Op::RandomResizedCrop { .. } => return None,
                Op::Flip { p } if p > 0.0 => return None,
                Op::Flip { .. }
                | Op::ColorJitter { .. }
                | Op::Grayscale { .. }
                | Op::GaussianBlur { .. }
                | Op::Normalize { .. }
                | Op::RandomErase { .. } => {}
            }
        }
        let end = |axis: Axis| axis.shift + axis.scale * axis.size as f64;
        Some([x.shift, y.shift, end(x), end(y)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(ops: &str, width: usize, height: usize) -> Option<[f64; 4]> {
        let ops: Vec<Op> = serde_json::from_str(ops).unwrap();
        Pipeline::new(ops).unwrap().part(width, height)
    }

    #[test]
    fn the_output_is_found_in_the_picture() {
        let normalize = r#"{"op": "normalize"}"#;
        let of = |ops: &str, size: [usize; 2]| part(&format!("[{ops}, {normalize}]"), size[0], size[1]);
        // Stretched: all of it.
        let stretched = r#"{"op": "resize", "height": 64, "width": 32}"#;
        assert_eq!(of(stretched, [200, 100]), Some([0.0, 0.0, 200.0, 100.0]));
        // The short side to 50, then the middle 40: 80 of 100 rows, and 80 of 200 columns.
        let cut = r#"{"op": "resize_short", "size": 50}, {"op": "center_crop", "height": 40, "width": 40}"#;
        assert_eq!(of(cut, [200, 100]), Some([60.0, 10.0, 140.0, 90.0]));
        // Above and below a letterboxed picture there are margins.
        let framed = r#"{"op": "letterbox", "height": 64, "width": 64}"#;
        assert_eq!(of(framed, [256, 128]), Some([0.0, -64.0, 256.0, 192.0]));
        let padded = r#"{"op": "resize", "height": 10, "width": 10}, {"op": "pad", "pixels": 1}"#;
        let found = of(padded, [100, 50]).unwrap();
        for (found, wanted) in found.iter().zip([-10.0, -5.0, 110.0, 55.0]) {
            assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        }
        let random =
            r#"{"op": "resize", "height": 10, "width": 10}, {"op": "random_crop", "height": 8, "width": 8}"#;
        assert_eq!(of(random, [20, 20]), None);
    }
}
