//! From the scene to the picture: perspective, a slight warp, light, blur and noise.

use crate::data::image::Picture;
use crate::random::Stream;

/// How points of the scene come to points of the picture. The scene is larger than the picture by a margin on each side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    /// Pixels of the picture.
    pub size: usize,
    /// Pixels of the scene beyond it, on each side.
    pub margin: usize,
    /// Perspective, across and down.
    pub tilt: (f32, f32),
    /// Waves: strength, frequency, phase, across and down.
    pub waves: [(f32, f32, f32); 2],
}

/// What happens to colours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Film {
    /// Of red, green, blue.
    pub gain: [f32; 3],
    /// About middle grey.
    pub contrast: f32,
    /// Brighter to the right and downwards by so much.
    pub slope: (f32, f32),
    /// Strength of the noise in levels.
    pub noise: f32,
    /// Share of the neighbours in each pixel, 0 to 1.
    pub blur: f32,
    /// Colour is kept for blocks of so many pixels, as in a strongly packed JPEG; 1 keeps all.
    pub chroma: usize,
}

impl Lens {
    pub fn scene(&self) -> usize {
        self.size + 2 * self.margin
    }

    fn wave(&self, axis: usize, at: f32) -> f32 {
        let (strength, frequency, phase) = self.waves[axis];
        strength * sine(frequency * at + phase)
    }

    /// The scene's point behind a point of the picture, both in pixels.
    fn behind(&self, x: f32, y: f32) -> (f32, f32) {
        let size = self.size as f32;
        let (u, v) = (x / size - 0.5, y / size - 0.5);
        let depth = 1.0 / (1.0 + self.tilt.0 * u + self.tilt.1 * v);
        let (su, sv) = (u * depth + self.wave(0, v), v * depth + self.wave(1, u));
        let middle = self.scene() as f32 / 2.0;
        (su * size + middle, sv * size + middle)
    }

    /// The picture's point of a point of the scene: the inverse of `behind`, which changes slowly enough for iteration.
    pub fn before(&self, sx: f32, sy: f32) -> (f32, f32) {
        let size = self.size as f32;
        let middle = self.scene() as f32 / 2.0;
        let (su, sv) = ((sx - middle) / size, (sy - middle) / size);
        let (mut u, mut v) = (su, sv);
        for _ in 0..8 {
            let depth = 1.0 + self.tilt.0 * u + self.tilt.1 * v;
            let (nu, nv) = ((su - self.wave(0, v)) * depth, (sv - self.wave(1, u)) * depth);
            (u, v) = (nu.clamp(-2.0, 2.0), nv.clamp(-2.0, 2.0));
        }
        ((u + 0.5) * size, (v + 0.5) * size)
    }

    /// Takes the picture of a scene of opaque RGBA pixels.
    pub fn take(&self, scene: &[u8], film: &Film, draws: &mut Stream, picture: &mut Picture) {
        let (size, side) = (self.size, self.scene());
        picture.reshape(size, size);
        let limit = (side - 1) as f32 - 0.001;
        let inverse = 1.0 / size as f32;
        for (y, row) in picture.pixels.chunks_exact_mut(size * 3).enumerate() {
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let (sx, sy) = self.behind(x as f32 + 0.5, y as f32 + 0.5);
                pixel.copy_from_slice(&sample(scene, side, limit, sx - 0.5, sy - 0.5));
            }
        }
        if film.blur > 0.0 {
            soften(picture, film.blur);
        }
        let (mut noise, mut left) = (0u64, 0);
        for (y, row) in picture.pixels.chunks_exact_mut(size * 3).enumerate() {
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let slope = 1.0
                    + film.slope.0 * (x as f32 * inverse - 0.5)
                    + film.slope.1 * (y as f32 * inverse - 0.5);
                let common = grain(draws, &mut noise, &mut left) * film.noise;
                for (level, gain) in pixel.iter_mut().zip(film.gain) {
                    let lit = f32::from(*level) * gain * slope;
                    let own = grain(draws, &mut noise, &mut left) * film.noise * 0.5;
                    let value = (lit - 128.0) * film.contrast + 128.0 + common + own;
                    *level = (value + 0.5) as u8;
                }
            }
        }
        if film.chroma > 1 {
            bleed(picture, film.chroma);
        }
    }
}

/// Two of a draw's sixteen half bytes, as a number about 0 within ±1 (a triangle).
fn grain(draws: &mut Stream, bits: &mut u64, left: &mut u32) -> f32 {
    if *left == 0 {
        (*bits, *left) = (draws.bits(), 8);
    }
    let byte = *bits & 0xFF;
    *bits >>= 8;
    *left -= 1;
    ((byte & 15) as f32 + (byte >> 4) as f32 - 15.0) / 15.0
}

/// A point of the scene between its pixels, in steps of 1/256.
#[inline(always)]
fn sample(scene: &[u8], side: usize, limit: f32, x: f32, y: f32) -> [u8; 3] {
    let (x, y) = (
        (x.clamp(0.0, limit) * 256.0) as usize,
        (y.clamp(0.0, limit) * 256.0) as usize,
    );
    let (fx, fy) = ((x & 255) as u32, (y & 255) as u32);
    let at = ((y >> 8) * side + (x >> 8)) * 4;
    let (a, b) = (&scene[at..at + 8], &scene[at + side * 4..at + side * 4 + 8]);
    std::array::from_fn(|i| {
        let up = u32::from(a[i]) * (256 - fx) + u32::from(a[i + 4]) * fx;
        let down = u32::from(b[i]) * (256 - fx) + u32::from(b[i + 4]) * fx;
        ((up * (256 - fy) + down * fy + (1 << 15)) >> 16) as u8
    })
}

/// Mixes in the means of three neighbours, across and then down.
fn soften(picture: &mut Picture, share: f32) {
    let (w, h) = (picture.width, picture.height);
    let part = (share * 85.0) as u32;
    let mix = |a: u8, b: u8, c: u8| {
        ((u32::from(a) + u32::from(c)) * part + u32::from(b) * (256 - 2 * part) + 128) >> 8
    };
    let mut line = vec![0u8; w.max(h) * 3];
    for y in 0..h {
        let row = &mut picture.pixels[y * w * 3..(y + 1) * w * 3];
        line[..w * 3].copy_from_slice(row);
        for at in 3..(w * 3).saturating_sub(3) {
            row[at] = mix(line[at - 3], line[at], line[at + 3]) as u8;
        }
    }
    // Row by row, the row above as it was.
    let mut above = picture.pixels[..w * 3].to_vec();
    for y in 1..h.saturating_sub(1) {
        let (head, below) = picture.pixels.split_at_mut((y + 1) * w * 3);
        let row = &mut head[y * w * 3..];
        for at in 0..w * 3 {
            let old = row[at];
            row[at] = mix(above[at], old, below[at]) as u8;
            above[at] = old;
        }
    }
}

/// A sine of plain arithmetic: the same on every platform, unlike the system's. Good to 0.001.
pub(super) fn sine(x: f32) -> f32 {
    const TURN: f32 = std::f32::consts::TAU;
    let t = x / TURN;
    let t = t - t.floor() - 0.5;
    let y = 16.0 * t * (t.abs() - 0.5);
    0.775 * y + 0.225 * y * y.abs()
}

/// Averages colour, not brightness, over blocks.
fn bleed(picture: &mut Picture, block: usize) {
    let (w, h) = (picture.width, picture.height);
    let luma = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    for top in (0..h).step_by(block) {
        for left in (0..w).step_by(block) {
            let (bottom, right) = ((top + block).min(h), (left + block).min(w));
            let (mut red, mut blue, mut count) = (0.0, 0.0, 0.0);
            for y in top..bottom {
                for x in left..right {
                    let p = &picture.pixels[(y * w + x) * 3..][..3];
                    let l = luma(p);
                    red += f32::from(p[0]) - l;
                    blue += f32::from(p[2]) - l;
                    count += 1.0;
                }
            }
            let (red, blue) = (red / count, blue / count);
            for y in top..bottom {
                for x in left..right {
                    let p = &mut picture.pixels[(y * w + x) * 3..][..3];
                    let l = luma(p);
                    let green = l - (0.299 * red + 0.114 * blue) / 0.587;
                    for (to, value) in p.iter_mut().zip([l + red, green, l + blue]) {
                        *to = (value + 0.5).clamp(0.0, 255.0) as u8;
                    }
                }
            }
        }
    }
}
