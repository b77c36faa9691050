//! Pillow's antialiased resize, within one level: kernels stretched by the scale when shrinking, a horizontal pass rounded to
//! 8 bits, then a vertical pass rounded to 8 bits, in fixed point (`fast_image_resize`, with SIMD).
//!
//! The order is that of Pillow up to 11, with which the published figures were made. Pillow 13 takes the vertical pass first where
//! that is less work; shrunk pictures then differ by one level, enlarged ones with hard edges by several.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};
use serde::{Deserialize, Serialize};

use super::{ImageError, Picture};

/// The longest side that a picture may be resized to.
pub const MAX_SIDE: usize = 16_384;

/// The kernels of `PIL.Image.resize`, by Pillow's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The pixel under the centre; no antialiasing.
    Nearest,
    /// The mean of the pixels whose centre is covered (support 0.5). Where a centre falls exactly on an edge (41 → 40 pixels, say), the
    /// last bit of a double decides, here and in Pillow, and not always alike.
    Box,
    /// A triangle (support 1). torchvision's default.
    #[default]
    Bilinear,
    /// Keys' cubic with a = −0.5 (support 2).
    Bicubic,
    /// A sinc windowed by a sinc (support 3).
    Lanczos,
}

impl Filter {
    fn kernel(self) -> Option<FilterType> {
        match self {
            Self::Nearest => None,
            Self::Box => Some(FilterType::Box),
            Self::Bilinear => Some(FilterType::Bilinear),
            Self::Bicubic => Some(FilterType::CatmullRom),
            Self::Lanczos => Some(FilterType::Lanczos3),
        }
    }
}

/// Resizes pictures and keeps its buffers: one per worker.
#[derive(Debug, Default)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
    rows: Vec<u8>,
    columns: Vec<usize>,
}

impl Resizer {
    /// Resizes the whole picture.
    pub fn resize(
        &mut self,
        from: &Picture,
        height: usize,
        width: usize,
        filter: Filter,
        to: &mut Picture,
    ) -> Result<(), ImageError> {
        self.resize_part(from, [0, 0, from.width, from.height], height, width, filter, to)
    }

    /// Crops `[left, top, width, height]` and resizes that: the kernel sees nothing outside of the window, as with `crop` then `resize`.
    pub fn resize_part(
        &mut self,
        from: &Picture,
        part: [usize; 4],
        height: usize,
        width: usize,
        filter: Filter,
        to: &mut Picture,
    ) -> Result<(), ImageError> {
        let [left, top, part_width, part_height] = part;
        let fail = |detail: String| ImageError::Size {
            action: "resize",
            width: from.width,
            height: from.height,
            detail,
        };
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(fail(format!("the new size would be {width}×{height}")));
        }
        if part_width == 0
            || part_height == 0
            || left + part_width > from.width
            || top + part_height > from.height
            || from.pixels.len() != from.width * from.height * 3
        {
            return Err(fail(format!(
                "the part at {left},{top} of {part_width}×{part_height} pixels does not lie in it"
            )));
        }
        to.reshape(width, height);
        let Some(kernel) = filter.kernel() else {
            nearest(from, part, to, &mut self.columns);
            return Ok(());
        };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(kernel))
            .use_alpha(false);
        let whole = [from.width, from.height];
        let inner = &mut self.inner;
        let mut pass = |from: &[u8], size, part, to: &mut [u8], new_size| {
            pass(inner, (from, size, part), (to, new_size), &options).map_err(fail)
        };
        if part_width == width || part_height == height {
            return pass(&from.pixels, whole, part, &mut to.pixels, [width, height]);
        }
        // Two calls, so that the horizontal pass comes first and is rounded, as in Pillow: one call would take the vertical pass first.
        let rows = [width, part_height];
        self.rows.resize(width * part_height * 3, 0);
        pass(&from.pixels, whole, part, &mut self.rows, rows)?;
        pass(
            &self.rows,
            rows,
            [0, 0, width, part_height],
            &mut to.pixels,
            [width, height],
        )
    }
}

/// One call of the library, from a part of a picture of that size. Typed: the untyped call would compile every kernel for every
/// type of pixel into this crate.
fn pass(
    resizer: &mut fast_image_resize::Resizer,
    (from, size, part): (&[u8], [usize; 2], [usize; 4]),
    (to, new_size): (&mut [u8], [usize; 2]),
    options: &ResizeOptions,
) -> Result<(), String> {
    let [width, height] = size.map(|n| n as u32);
    let source = TypedImageRef::<U8x3>::from_buffer(width, height, from).map_err(|e| e.to_string())?;
    let [left, top, width, height] = part.map(|n| n as u32);
    let source = TypedCroppedImage::new(source, left, top, width, height).map_err(|e| e.to_string())?;
    let [width, height] = new_size.map(|n| n as u32);
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, to).map_err(|e| e.to_string())?;
    resizer
        .resize_typed(&source, &mut target, options)
        .map_err(|e| e.to_string())
}

/// Pillow's nearest neighbour: source coordinates are summed up, not multiplied, which decides ties the way Pillow decides them.
fn nearest(from: &Picture, part: [usize; 4], to: &mut Picture, columns: &mut Vec<usize>) {
    let [left, top, width, height] = part;
    let steps = |source: usize, target: usize| {
        let scale = source as f64 / target as f64;
        let mut at = scale * 0.5;
        (0..target).map(move |_| {
            let index = (at as usize).min(source - 1);
            at += scale;
            index
        })
    };
    columns.clear();
    columns.extend(steps(width, to.width).map(|x| (left + x) * 3));
    let row = to.width * 3;
    for (y, line) in steps(height, to.height).zip(to.pixels.chunks_exact_mut(row)) {
        let source = from.row(top + y);
        for (pixel, &x) in line.chunks_exact_mut(3).zip(columns.iter()) {
            pixel.copy_from_slice(&source[x..x + 3]);
        }
    }
}
