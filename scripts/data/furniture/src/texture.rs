//! Textures: decoded images that are sampled at any scale.

/// RGBA bytes with smaller and smaller copies, so that a texture seen from afar does not flicker.
pub struct Texture {
    levels: Vec<(usize, usize, Vec<u8>)>,
    /// Much of it lets the background through in part, as glass does.
    pub glass: bool,
}

impl Texture {
    pub fn new(width: usize, height: usize, rgba: Vec<u8>) -> Self {
        let alphas = rgba.chunks_exact(4).map(|p| p[3]);
        let through = alphas.clone().filter(|&a| a < 250).count();
        let partly = alphas.filter(|&a| (40..216).contains(&a)).count();
        let mut levels = vec![(width, height, rgba)];
        while let Some((w, h, pixels)) = levels.last().filter(|(w, h, _)| *w > 1 || *h > 1) {
            let (nw, nh) = ((w / 2).max(1), (h / 2).max(1));
            let mut half = Vec::with_capacity(nw * nh * 4);
            for (x, y) in (0..nh).flat_map(|y| (0..nw).map(move |x| (x, y))) {
                let block = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .map(|(dx, dy)| ((y * 2 + dy).min(h - 1) * w + (x * 2 + dx).min(w - 1)) * 4)
                    .map(|at| &pixels[at..at + 4]);
                // Colours of invisible texels must not bleed; the 1 keeps a wholly invisible block defined.
                let weight = |texel: &[u8]| u32::from(texel[3]).max(1);
                let total: u32 = block.iter().map(|t| weight(t)).sum();
                for c in 0..3 {
                    let sum: u32 = block.iter().map(|t| u32::from(t[c]) * weight(t)).sum();
                    half.push((sum / total) as u8);
                }
                half.push((block.iter().map(|t| u32::from(t[3])).sum::<u32>() / 4) as u8);
            }
            levels.push((nw, nh, half));
        }
        Self {
            levels,
            glass: partly * 2 > through && partly * 10 > width * height,
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let image = image::load_from_memory(bytes)
            .map_err(|e| e.to_string())?
            .into_rgba8();
        let (w, h) = (image.width() as usize, image.height() as usize);
        Ok(Self::new(w, h, image.into_raw()))
    }

    pub fn size(&self) -> (usize, usize) {
        (self.levels[0].0, self.levels[0].1)
    }

    /// The level at which a triangle that covers `texels` per pixel (areas) has about one.
    pub fn level(&self, mut texels: f32) -> usize {
        let mut level = 0;
        while texels > 2.0 && level + 1 < self.levels.len() {
            texels /= 4.0;
            level += 1;
        }
        level
    }

    /// Bilinear, repeating; v points up.
    pub fn sample(&self, level: usize, u: f32, v: f32) -> [f32; 4] {
        let (w, h, pixels) = &self.levels[level];
        let wrap = |t: f32, n: usize| {
            let t = (t - t.floor()) * n as f32 - 0.5;
            let low = t.floor();
            let i = (low as isize).rem_euclid(n as isize) as usize;
            (i, (i + 1) % n, t - low)
        };
        if !u.is_finite() || !v.is_finite() {
            return [0.5, 0.5, 0.5, 1.0];
        }
        let ((x0, x1, fx), (y0, y1, fy)) = (wrap(u, *w), wrap(1.0 - v, *h));
        let texel = |x: usize, y: usize, c: usize| f32::from(pixels[(y * w + x) * 4 + c]);
        std::array::from_fn(|c| {
            let top = texel(x0, y0, c) * (1.0 - fx) + texel(x1, y0, c) * fx;
            let low = texel(x0, y1, c) * (1.0 - fx) + texel(x1, y1, c) * fx;
            (top * (1.0 - fy) + low * fy) / 255.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textures_repeat_and_point_up() {
        let rgba = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255; 4]].concat();
        let texture = Texture::new(2, 2, rgba);
        assert_eq!(texture.sample(0, 0.25, 0.75), [1.0, 0.0, 0.0, 1.0]); // top left
        assert_eq!(texture.sample(0, 1.25, -0.75), [0.0, 0.0, 1.0, 1.0]); // bottom left, one repeat away
        assert_eq!(texture.level(16.0), 1);
        assert!(!texture.glass);
    }
}
