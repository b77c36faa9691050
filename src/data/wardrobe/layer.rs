//! One garment in pixels: its marks inked, then shaded as cloth over something round.

use tiny_skia::{BlendMode, FillRule, LineCap, LineJoin, Pixmap, Stroke, Transform};

use super::cloth::{Cloth, solid};
use super::palette::{luma, scaled};
use super::product::Product;
use super::shape::{Ink, Marks};
use crate::random::Stream;

/// Light on cloth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    /// Where it comes from: right and down are positive; about 1 long.
    pub from: (f32, f32),
    /// How round the garment looks.
    pub relief: f32,
    /// How deep its folds are.
    pub folds: f32,
}

/// A garment as premultiplied pixels, and its shape softened.
pub(super) struct Layer {
    pub pixels: Pixmap,
    /// The alpha channel, blurred: `[height, width]`.
    pub soft: Vec<u8>,
    /// left, top, right, bottom of the pixels in use.
    pub area: [usize; 4],
}

/// The pixels that marks may touch: left, top, right, bottom; `None` where that is none.
pub(super) fn area(marks: &Marks, place: Transform, side: usize) -> Option<[usize; 4]> {
    let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for (x, y) in marks.outline() {
        let (px, py) = (
            place.sx * x + place.kx * y + place.tx,
            place.ky * x + place.sy * y + place.ty,
        );
        bounds = [
            bounds[0].min(px),
            bounds[1].min(py),
            bounds[2].max(px),
            bounds[3].max(py),
        ];
    }
    let clip = |v: f32| v.clamp(0.0, side as f32) as usize;
    let area = [
        clip(bounds[0] - 2.0),
        clip(bounds[1] - 2.0),
        clip(bounds[2] + 3.0),
        clip(bounds[3] + 3.0),
    ];
    (area[0] < area[2] && area[1] < area[3]).then_some(area)
}

/// Inks marks into a square picture.
pub(super) fn ink(pixels: &mut Pixmap, marks: &Marks, cloth: &Cloth, place: Transform) {
    let dark = luma(cloth.main) < 50.0;
    for mark in &marks.0 {
        let mut paint = match mark.ink {
            Ink::Cloth(angle) => cloth.paint(angle),
            Ink::Main(factor) => solid(scaled(cloth.main, factor), 1.0),
            Ink::Second(factor) => solid(scaled(cloth.second, factor), 1.0),
            Ink::Accent(factor) => solid(scaled(cloth.accent, factor), 1.0),
            Ink::Rgb(rgb) => solid(rgb, 1.0),
            // A seam on black is seen by its shine.
            Ink::Dark(strength) if dark => solid([150, 146, 152], strength * 0.5),
            Ink::Dark(strength) => solid([12, 10, 16], strength),
            Ink::Light(strength) => solid([255, 252, 246], strength),
        };
        if mark.within {
            paint.blend_mode = BlendMode::SourceAtop;
        }
        if mark.width > 0.0 {
            let stroke = Stroke {
                width: mark.width,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            pixels.stroke_path(&mark.path, &paint, &stroke, place, None);
        } else {
            pixels.fill_path(&mark.path, &paint, FillRule::Winding, place, None);
        }
    }
}

impl Layer {
    /// Draws a garment (or what has no cloth) into a square of `side` pixels; nothing if it lies outside.
    pub fn draw(
        product: Option<&Product>,
        marks: &Marks,
        place: Transform,
        side: usize,
        light: &Light,
        draws: &mut Stream,
    ) -> Option<Self> {
        let area = area(marks, place, side)?;
        let ppu = (place.sx * place.sy - place.kx * place.ky).abs().sqrt();
        let mut pixels = Pixmap::new(side as u32, side as u32)?;
        let cloth = product.map_or_else(Cloth::none, |product| Cloth::new(product, ppu));
        ink(&mut pixels, marks, &cloth, place);
        let mut layer = Self {
            pixels,
            soft: Vec::new(),
            area,
        };
        layer.soft = layer.softened(((ppu * 0.05) as usize).clamp(1, 40));
        let folds = folds(area, light.folds, draws);
        layer.shade(light, &folds, (ppu * 0.05).max(1.0));
        Some(layer)
    }

    /// The alpha channel after two box blurs.
    fn softened(&self, radius: usize) -> Vec<u8> {
        let side = self.pixels.width() as usize;
        let mut plane: Vec<u8> = self.pixels.data().chunks_exact(4).map(|p| p[3]).collect();
        let mut line = vec![0u8; side];
        let [left, top, right, bottom] = self.area;
        let (left, top) = (left.saturating_sub(2 * radius), top.saturating_sub(2 * radius));
        let (right, bottom) = ((right + 2 * radius).min(side), (bottom + 2 * radius).min(side));
        for _ in 0..2 {
            for y in top..bottom {
                box_blur(&mut plane[y * side + left..], 1, right - left, radius, &mut line);
            }
            for x in left..right {
                box_blur(
                    &mut plane[top * side + x..],
                    side,
                    bottom - top,
                    radius,
                    &mut line,
                );
            }
        }
        plane
    }

    fn shade(&mut self, light: &Light, folds: &[Fold], radius: f32) {
        let side = self.pixels.width() as usize;
        let [left, top, right, bottom] = self.area;
        let soft = &self.soft;
        let data = self.pixels.data_mut();
        let gain = light.relief * radius / 255.0;
        for y in top..bottom {
            let (up, down) = (y.saturating_sub(1) * side, (y + 1).min(side - 1) * side);
            for x in left..right {
                let at = y * side + x;
                let pixel = &mut data[at * 4..at * 4 + 4];
                if pixel[3] == 0 {
                    continue;
                }
                let level = |at: usize| f32::from(soft[at]);
                let gx = level(y * side + (x + 1).min(side - 1)) - level(y * side + x.saturating_sub(1));
                let gy = level(down + x) - level(up + x);
                // The surface falls towards its edges: what faces the light is bright.
                let mut tone = 1.0 - gain * (gx * light.from.0 + gy * light.from.1);
                tone -= (1.0 - level(at) / 255.0) * 0.22 * light.relief;
                let (px, py) = (x as f32, y as f32);
                for fold in folds {
                    tone += fold.tone(px, py);
                }
                let tone = tone.clamp(0.4, 1.45);
                for channel in 0..3 {
                    pixel[channel] = (f32::from(pixel[channel]) * tone).min(f32::from(pixel[3])) as u8;
                }
            }
        }
    }
}

/// A running mean over 2·radius + 1 places of a line whose items are `stride` apart; beyond its ends is nothing.
fn box_blur(plane: &mut [u8], stride: usize, count: usize, radius: usize, line: &mut [u8]) {
    for (i, value) in line.iter_mut().enumerate().take(count) {
        *value = plane[i * stride];
    }
    let size = (2 * radius + 1) as u32;
    let mut sum: u32 = line.iter().take(radius.min(count)).map(|&v| u32::from(v)).sum();
    for i in 0..count {
        if i + radius < count {
            sum += u32::from(line[i + radius]);
        }
        plane[i * stride] = (sum / size) as u8;
        if i >= radius {
            sum -= u32::from(line[i - radius]);
        }
    }
}

/// A crease: dark on one side of a line, bright on the other.
#[derive(Clone, Copy, Debug)]
struct Fold {
    from: (f32, f32),
    along: (f32, f32),
    /// One over its half length and over its width.
    length: f32,
    width: f32,
    strength: f32,
}

impl Fold {
    fn tone(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.from.0, y - self.from.1);
        let across = (dx * self.along.1 - dy * self.along.0) * self.width;
        if across.abs() > 4.0 {
            return 0.0;
        }
        let along = (dx * self.along.0 + dy * self.along.1) * self.length;
        let beyond = (along.abs() - 0.6).max(0.0) * 3.0;
        let profile = 1.0 / (1.0 + across * across);
        self.strength * across * profile * profile / (1.0 + beyond * beyond * 4.0)
    }
}

/// Creases over an area: mostly along the fall of the cloth.
fn folds([left, top, right, bottom]: [usize; 4], depth: f32, draws: &mut Stream) -> Vec<Fold> {
    let (w, h) = ((right - left) as f32, (bottom - top) as f32);
    let count = 3 + draws.below(4);
    (0..count)
        .map(|_| {
            let mut share = |low: f64, high: f64| draws.between(low, high) as f32;
            let from = (
                left as f32 + w * share(0.1, 0.9),
                top as f32 + h * share(0.15, 0.95),
            );
            let lean = share(-0.7, 0.7);
            let norm = (1.0 + lean * lean).sqrt();
            Fold {
                from,
                along: (lean / norm, 1.0 / norm),
                length: 1.0 / (h * share(0.12, 0.4)).max(1.0),
                width: 1.0 / (w.min(h) * share(0.02, 0.055)).max(0.5),
                strength: depth * share(0.15, 0.5) * if share(0.0, 1.0) > 0.5 { 1.0 } else { -1.0 },
            }
        })
        .collect()
}

/// Puts a layer on a picture with a shadow under it.
pub(super) fn compose(scene: &mut Pixmap, layer: &Layer, shadow: f32, offset: (i32, i32)) {
    let side = scene.width() as usize;
    let data = scene.data_mut();
    let source = layer.pixels.data();
    let reach = side / 8 + offset.0.unsigned_abs().max(offset.1.unsigned_abs()) as usize;
    let [left, top, right, bottom] = layer.area;
    let (left, top) = (left.saturating_sub(reach), top.saturating_sub(reach));
    let (right, bottom) = ((right + reach).min(side), (bottom + reach).min(side));
    for y in top..bottom {
        for x in left..right {
            let at = (y * side + x) * 4;
            let alpha = u32::from(source[at + 3]);
            let (sx, sy) = (x as i32 - offset.0, y as i32 - offset.1);
            let inside = sx >= 0 && sy >= 0 && (sx as usize) < side && (sy as usize) < side;
            let dark = if inside {
                f32::from(layer.soft[sy as usize * side + sx as usize]) / 255.0
            } else {
                0.0
            };
            let keep = ((1.0 - shadow * dark) * 256.0) as u32;
            for channel in 0..3 {
                let under = u32::from(data[at + channel]) * keep / 256;
                let value = u32::from(source[at + channel]) + under * (255 - alpha) / 255;
                data[at + channel] = value.min(255) as u8;
            }
        }
    }
}
