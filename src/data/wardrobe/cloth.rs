//! Cloth: a product's pattern as a small tile that repeats over its parts.

use tiny_skia::{
    Color, FillRule, FilterQuality, Paint, Path, Pattern as TilePattern, Pixmap, SpreadMode, Stroke,
    Transform,
};

use super::palette::{luma, mixed, scaled};
use super::product::*;
use super::shape::{ellipse, polygon, rect};
use crate::random::stream;

/// The cloth of a product at one resolution.
pub(super) struct Cloth {
    tile: Option<Pixmap>,
    /// Body units per pixel of the tile, across and down.
    step: (f32, f32),
    pub main: [u8; 3],
    pub second: [u8; 3],
    pub accent: [u8; 3],
}

pub(super) fn solid(rgb: [u8; 3], alpha: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    let level = |v: u8| f32::from(v) / 255.0;
    let colour = Color::from_rgba(level(rgb[0]), level(rgb[1]), level(rgb[2]), alpha.clamp(0.0, 1.0));
    paint.set_color(colour.unwrap_or(Color::BLACK));
    paint
}

/// A tile under the brush, in tile units: 1 × 1.
struct Loom {
    tile: Pixmap,
    scale: (f32, f32),
}

impl Loom {
    fn new(width: f32, height: f32, ground: [u8; 3]) -> Option<Self> {
        let side = |v: f32| v.round().clamp(2.0, 512.0);
        let (w, h) = (side(width), side(height));
        let mut tile = Pixmap::new(w as u32, h as u32)?;
        tile.fill(Color::from_rgba8(ground[0], ground[1], ground[2], 255));
        Some(Self { tile, scale: (w, h) })
    }

    fn fill(&mut self, path: Option<Path>, rgb: [u8; 3], alpha: f32) {
        if let Some(path) = path {
            let place = Transform::from_scale(self.scale.0, self.scale.1);
            self.tile
                .fill_path(&path, &solid(rgb, alpha), FillRule::Winding, place, None);
        }
    }

    /// Fills a shape that may cross the tile's edges, so that it goes on at the other side.
    fn wrapped(&mut self, path: Option<Path>, rgb: [u8; 3], alpha: f32) {
        let Some(path) = path else { return };
        let bounds = path.bounds();
        for dx in [-1.0f32, 0.0, 1.0] {
            for dy in [-1.0f32, 0.0, 1.0] {
                let apart = bounds.right() + dx <= 0.0
                    || bounds.left() + dx >= 1.0
                    || bounds.bottom() + dy <= 0.0
                    || bounds.top() + dy >= 1.0;
                if !apart {
                    self.fill(
                        path.clone().transform(Transform::from_translate(dx, dy)),
                        rgb,
                        alpha,
                    );
                }
            }
        }
    }

    fn line(&mut self, from: (f32, f32), to: (f32, f32), rgb: [u8; 3], alpha: f32, width: f32) {
        let mut pen = tiny_skia::PathBuilder::new();
        pen.move_to(from.0, from.1);
        pen.line_to(to.0, to.1);
        if let Some(path) = pen.finish() {
            let place = Transform::from_scale(self.scale.0, self.scale.1);
            let stroke = Stroke {
                width,
                ..Stroke::default()
            };
            self.tile
                .stroke_path(&path, &solid(rgb, alpha), &stroke, place, None);
        }
    }
}

fn between(low: f32, high: f32, share: f32) -> f32 {
    low + (high - low) * share
}

impl Cloth {
    /// The cloth of a product whose body unit is `ppu` pixels long.
    pub fn new(p: &Product, ppu: f32) -> Self {
        let m = &p.measures;
        let (main, second, accent) = (p.colour.rgb, p.second.rgb, p.accent.rgb);
        let small = match p.category {
            Category::Shoes | Category::Boots | Category::Hat => 0.6,
            Category::Bag | Category::Scarf => 0.75,
            _ => 1.0,
        };
        // Feet are drawn in a space of their own that is scaled afterwards, but their cloth is not.
        let (mut width, mut height) = (0.0, 0.0);
        let mut size = |w: f32, h: f32| {
            (width, height) = (w * small, h * small);
            Loom::new(width * ppu, height * ppu, main)
        };
        let loom = match p.pattern {
            Pattern::Plain | Pattern::ColourBlock | Pattern::Print => None,
            Pattern::Stripes | Pattern::VerticalStripes => {
                let across = p.pattern == Pattern::Stripes;
                let period = match across {
                    true => between(0.08, 0.26, m.period),
                    false => between(0.06, 0.16, m.period),
                };
                let duty = between(0.2, 0.6, m.duty);
                let thin = m.detail[3] > 0.6;
                let band = |at: f32, share: f32| {
                    if across {
                        rect(0.0, at, 1.0, share)
                    } else {
                        rect(at, 0.0, share, 1.0)
                    }
                };
                let loom = if across {
                    size(0.06, period)
                } else {
                    size(period, 0.06)
                };
                loom.map(|mut loom| {
                    loom.fill(band(0.0, duty), second, 1.0);
                    if thin {
                        loom.fill(band(duty + (1.0 - duty) * 0.4, (1.0 - duty) * 0.2), accent, 1.0);
                    }
                    loom
                })
            }
            Pattern::Checks => {
                let period = between(0.1, 0.3, m.period);
                let kind = (m.detail[3] * 3.0) as usize;
                size(period, period).map(|mut loom| {
                    match kind {
                        // Gingham: two half-strong bands.
                        0 => {
                            loom.fill(rect(0.0, 0.0, 0.5, 1.0), second, 0.55);
                            loom.fill(rect(0.0, 0.0, 1.0, 0.5), second, 0.55);
                        }
                        // Tartan: bands and thin lines of another colour.
                        1 => {
                            let w = between(0.25, 0.45, m.duty);
                            loom.fill(rect(0.1, 0.0, w, 1.0), second, 0.6);
                            loom.fill(rect(0.0, 0.1, 1.0, w), second, 0.6);
                            loom.fill(rect(0.78, 0.0, 0.07, 1.0), accent, 0.8);
                            loom.fill(rect(0.0, 0.78, 1.0, 0.07), accent, 0.8);
                        }
                        // Window panes.
                        _ => {
                            let w = between(0.08, 0.16, m.duty);
                            loom.fill(rect(0.0, 0.0, w, 1.0), second, 0.9);
                            loom.fill(rect(0.0, 0.0, 1.0, w), second, 0.9);
                        }
                    }
                    loom
                })
            }
            Pattern::Dots => {
                let period = between(0.09, 0.22, m.period);
                let r = between(0.13, 0.24, m.duty);
                let colour = if m.detail[3] > 0.75 { accent } else { second };
                size(period, period).map(|mut loom| {
                    loom.wrapped(ellipse(0.25, 0.25, r, r), second, 1.0);
                    loom.wrapped(ellipse(0.75, 0.75, r, r), colour, 1.0);
                    loom
                })
            }
            Pattern::Floral => {
                let period = between(0.3, 0.52, m.period);
                size(period, period).map(|mut loom| {
                    let mut s = stream(m.pattern_seed, "wardrobe flowers", &[]);
                    let leaf = if luma(main) > 120.0 {
                        [72, 120, 70]
                    } else {
                        [128, 176, 112]
                    };
                    let count = 4 + (m.duty * 4.0) as usize;
                    for i in 0..count * 2 {
                        let (x, y, r) = (
                            s.uniform() as f32,
                            s.uniform() as f32,
                            s.between(0.05, 0.08) as f32,
                        );
                        loom.wrapped(
                            polygon(&[
                                (x - r, y + r),
                                (x + r * 0.4, y + r * 0.4),
                                (x + r, y - r),
                                (x - r * 0.3, y - r * 0.4),
                            ]),
                            leaf,
                            0.9,
                        );
                        if i % 2 == 1 {
                            continue;
                        }
                        let petals = 5 + s.below(2);
                        let (x, y) = (s.uniform() as f32, s.uniform() as f32);
                        let size = s.between(0.07, 0.12) as f32;
                        let turn = s.uniform() as f32;
                        let colour = if s.chance(0.7) { second } else { accent };
                        for k in 0..petals {
                            let a = (turn + k as f32 / petals as f32) * std::f32::consts::TAU;
                            loom.wrapped(
                                ellipse(x + a.cos() * size, y + a.sin() * size, size * 0.72, size * 0.72),
                                colour,
                                1.0,
                            );
                        }
                        let heart = if luma(colour) > 150.0 {
                            [206, 140, 40]
                        } else {
                            [246, 222, 130]
                        };
                        loom.wrapped(ellipse(x, y, size * 0.5, size * 0.5), heart, 1.0);
                    }
                    loom
                })
            }
            Pattern::Denim => size(0.5, 0.5).map(|mut loom| {
                let mut s = stream(m.pattern_seed, "wardrobe twill", &[]);
                let lines = 22;
                for i in 0..lines {
                    let x = i as f32 / lines as f32;
                    let light = i % 2 == 0;
                    let rgb = if light {
                        mixed(main, [255; 3], 0.16)
                    } else {
                        scaled(main, 0.86)
                    };
                    for dx in [-1.0, 0.0, 1.0] {
                        loom.line(
                            (x + dx, 0.0),
                            (x + dx + 1.0, 1.0),
                            rgb,
                            s.between(0.25, 0.6) as f32,
                            0.02,
                        );
                    }
                }
                loom
            }),
            Pattern::Knit => {
                let cable = p.cut == Cut::CableKnit;
                let gauge = between(0.05, 0.085, m.period);
                let period = if cable { gauge * 5.0 } else { gauge };
                let (dark, pale) = (scaled(main, 0.72), mixed(main, [255; 3], 0.14));
                let columns = if cable { 5 } else { 1 };
                size(period, gauge * 1.15).map(|mut loom| {
                    let w = 1.0 / columns as f32;
                    for column in 0..columns {
                        let x = column as f32 * w;
                        if cable && column < 2 {
                            // One cable goes over two columns.
                            if column == 0 {
                                loom.fill(rect(0.0, 0.0, 2.0 * w, 1.0), pale, 0.5);
                                loom.line((0.1 * w, 1.0), (1.9 * w, 0.0), dark, 0.8, 0.05);
                                loom.line((0.0, 0.0), (0.0, 1.0), dark, 0.9, 0.06);
                                loom.line((2.0 * w, 0.0), (2.0 * w, 1.0), dark, 0.9, 0.06);
                            }
                            continue;
                        }
                        loom.line((x, 0.0), (x + w * 0.5, 0.62), dark, 0.5, 0.2 * w);
                        loom.line((x + w, 0.0), (x + w * 0.5, 0.62), dark, 0.5, 0.2 * w);
                        loom.line((x, 0.35), (x + w * 0.5, 0.97), pale, 0.45, 0.16 * w);
                        loom.line((x + w, 0.35), (x + w * 0.5, 0.97), pale, 0.45, 0.16 * w);
                    }
                    loom
                })
            }
        };
        match loom {
            None => Self {
                main,
                second,
                accent,
                ..Self::none()
            },
            Some(loom) => Self {
                step: (width / loom.scale.0, height / loom.scale.1),
                tile: Some(loom.tile),
                main,
                second,
                accent,
            },
        }
    }

    /// No cloth at all: for what is inked in colours of its own.
    pub fn none() -> Self {
        Self {
            tile: None,
            step: (1.0, 1.0),
            main: [128; 3],
            second: [128; 3],
            accent: [128; 3],
        }
    }

    /// The cloth as paint, turned by `angle` radians.
    pub fn paint(&self, angle: f32) -> Paint<'_> {
        let Some(tile) = &self.tile else {
            return solid(self.main, 1.0);
        };
        let place = Transform::from_scale(self.step.0, self.step.1)
            .post_concat(Transform::from_rotate(angle.to_degrees()));
        Paint {
            shader: TilePattern::new(
                tile.as_ref(),
                SpreadMode::Repeat,
                FilterQuality::Bilinear,
                1.0,
                place,
            ),
            ..Paint::default()
        }
    }
}
