//! `PIL.ImageFilter.GaussianBlur`: three box blurs of a fractional radius per axis (Gwosdek et al., "Theoretical Foundations of
//! Gaussian Convolution by Extended Box Filtering", SSVM 2011), each rounded to 8 bits, edges repeated.

use super::Picture;

const PASSES: usize = 3;
/// Weights are 24-bit fixed point.
const ONE: u32 = 1 << 24;

/// Buffers of [`gaussian`], kept between pictures.
#[derive(Debug, Default)]
pub struct BlurScratch {
    line: Vec<[u8; 3]>,
    next: Vec<[u8; 3]>,
}

/// Blurs in place with standard deviation `sigma` (pixels; Pillow's `radius`). 0 and below change nothing.
pub fn gaussian(picture: &mut Picture, sigma: f32, scratch: &mut BlurScratch) {
    let (width, height) = (picture.width, picture.height);
    if sigma.is_nan() || sigma <= 0.0 || width == 0 || height == 0 {
        return;
    }
    let radius = box_radius(sigma);
    for y in 0..height {
        blur_line(&mut picture.pixels, y * width, 1, width, radius, scratch);
    }
    for x in 0..width {
        blur_line(&mut picture.pixels, x, width, height, radius, scratch);
    }
}

/// The radius of a box whose threefold application has variance sigma² (equations 7, 11 and 14 of the paper).
fn box_radius(sigma: f32) -> f32 {
    let variance = sigma * sigma / PASSES as f32;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let mut part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    part /= 6.0 * (variance - (whole + 1.0) * (whole + 1.0));
    whole + part
}

/// All passes over one row or column: `length` pixels from pixel `first`, `step` pixels apart.
fn blur_line(
    pixels: &mut [u8],
    first: usize,
    step: usize,
    length: usize,
    radius: f32,
    scratch: &mut BlurScratch,
) {
    let BlurScratch { line, next } = scratch;
    line.clear();
    line.extend((0..length).map(|i| {
        let at = (first + i * step) * 3;
        [pixels[at], pixels[at + 1], pixels[at + 2]]
    }));
    next.resize(length, [0; 3]);
    for _ in 0..PASSES {
        box_pass(line, next, radius);
        std::mem::swap(line, next);
    }
    for (i, pixel) in line.iter().enumerate() {
        let at = (first + i * step) * 3;
        pixels[at..at + 3].copy_from_slice(pixel);
    }
}

/// One box: `2·⌊radius⌋ + 1` whole pixels and a fraction of the next one at each end.
fn box_pass(from: &[[u8; 3]], to: &mut [[u8; 3]], radius: f32) {
    let whole = radius as usize;
    let last = from.len() - 1;
    let weight = (ONE as f32 / (radius * 2.0 + 1.0)) as u32;
    let edge = (ONE - (2 * whole as u32 + 1) * weight) / 2;
    let at = |index: isize| from[index.clamp(0, last as isize) as usize];
    let reach = whole as isize;
    let mut sum = [0u32; 3];
    for offset in -reach - 1..reach {
        let pixel = at(offset);
        for (total, &value) in sum.iter_mut().zip(&pixel) {
            *total += u32::from(value);
        }
    }
    for (x, out) in to.iter_mut().enumerate() {
        let x = x as isize;
        let (leaving, entering, beyond) = (at(x - reach - 1), at(x + reach), at(x + reach + 1));
        for (channel, total) in sum.iter_mut().enumerate() {
            *total = *total + u32::from(entering[channel]) - u32::from(leaving[channel]);
            let ends = u32::from(leaving[channel]) + u32::from(beyond[channel]);
            out[channel] = ((*total * weight + ends * edge + (1 << 23)) >> 24) as u8;
        }
    }
}
