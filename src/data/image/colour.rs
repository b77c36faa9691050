//! torchvision's colour adjustments on PIL images (`PIL.ImageEnhance`, HSV), in Pillow's 8-bit arithmetic.

use super::Picture;

/// ITU-R 601-2 luma in 16-bit fixed point, rounded: Pillow's `convert("L")`.
pub fn luma(pixel: &[u8]) -> u8 {
    let sum = 19_595 * u32::from(pixel[0]) + 38_470 * u32::from(pixel[1]) + 7_471 * u32::from(pixel[2]);
    ((sum + 0x8000) >> 16) as u8
}

/// Every channel becomes the luma.
pub fn grayscale(picture: &mut Picture) {
    for pixel in picture.pixels.chunks_exact_mut(3) {
        pixel.fill(luma(pixel));
    }
}

/// `factor` 0 is black, 1 the picture itself.
pub fn brightness(picture: &mut Picture, factor: f32) {
    let table = blend_table(0, factor);
    for value in &mut picture.pixels {
        *value = table[usize::from(*value)];
    }
}

/// `factor` 0 is one grey, the picture's mean luma rounded; 1 the picture itself.
pub fn contrast(picture: &mut Picture, factor: f32) {
    let count = picture.pixels.len() / 3;
    if count == 0 {
        return;
    }
    let sum: u64 = picture.pixels.chunks_exact(3).map(|p| u64::from(luma(p))).sum();
    let mean = (sum as f64 / count as f64 + 0.5) as u8;
    let table = blend_table(mean, factor);
    for value in &mut picture.pixels {
        *value = table[usize::from(*value)];
    }
}

/// `factor` 0 is the grey picture, 1 the picture itself.
pub fn saturation(picture: &mut Picture, factor: f32) {
    for pixel in picture.pixels.chunks_exact_mut(3) {
        let grey = luma(pixel);
        for value in pixel {
            *value = blend(grey, *value, factor);
        }
    }
}

/// Turns the hue by `factor` of a full circle (−0.5 to 0.5), in Pillow's 8-bit HSV: the shift is `factor · 255` cut to an integer.
pub fn hue(picture: &mut Picture, factor: f64) {
    // Wrapping, as the cast of a negative number to an unsigned byte does.
    let shift = (factor * 255.0) as i32 as u8;
    for pixel in picture.pixels.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&to_rgb([h.wrapping_add(shift), s, v]));
    }
}

/// `PIL.Image.blend`: `low + factor · (high − low)`, cut (not rounded) to 8 bits, clamped.
fn blend(low: u8, high: u8, factor: f32) -> u8 {
    (f32::from(low) + factor * (f32::from(high) - f32::from(low))) as u8
}

fn blend_table(low: u8, factor: f32) -> [u8; 256] {
    std::array::from_fn(|high| blend(low, high as u8, factor))
}

fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high == low {
        return [0, 0, high];
    }
    let range = f32::from(high - low);
    let saturation = range / f32::from(high);
    let away = |channel: u8| f32::from(high - channel) / range;
    let (red, green, blue) = (away(r), away(g), away(b));
    let sector = if r == high {
        f64::from(blue - green)
    } else if g == high {
        2.0 + f64::from(red) - f64::from(blue)
    } else {
        4.0 + f64::from(green) - f64::from(red)
    };
    // Pillow keeps the sector in single precision.
    let turn = (f64::from(sector as f32) / 6.0 + 1.0) % 1.0;
    [(turn as f32 * 255.0) as u8, (saturation * 255.0) as u8, high]
}

fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let turn = f32::from(h) * 6.0 / 255.0;
    let saturation = f32::from(s) / 255.0;
    let sector = turn.floor();
    let part = turn - sector;
    let value = f32::from(v);
    let level = |share: f32| (value * (1.0 - share)).round() as u8;
    let p = level(saturation);
    let q = level(saturation * part);
    let t = level(saturation * (1.0 - part));
    match sector as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
