//! Places where people are photographed: gradients, polygons, textures, other clothes, other people.

use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Paint, Path, Pixmap, Point, SpreadMode, Transform,
};

use super::cloth::{Cloth, solid};
use super::layer;
use super::palette::{mixed, scaled};
use super::product::Category;
use super::shape::{self, Pose, ellipse, polygon, rect, round_rect};
use crate::random::Stream;

/// A square picture under the brush, in units of its side.
struct Canvas<'a> {
    pixels: &'a mut Pixmap,
    side: f32,
}

impl Canvas<'_> {
    fn fill(&mut self, path: Option<Path>, rgb: [u8; 3], alpha: f32) {
        if let Some(path) = path {
            let place = Transform::from_scale(self.side, self.side);
            self.pixels
                .fill_path(&path, &solid(rgb, alpha), FillRule::Winding, place, None);
        }
    }

    /// A band across the picture, from one colour above to another below.
    fn gradient(&mut self, top: f32, bottom: f32, from: [u8; 3], to: [u8; 3]) {
        let colour = |rgb: [u8; 3]| Color::from_rgba8(rgb[0], rgb[1], rgb[2], 255);
        let stops = vec![
            GradientStop::new(0.0, colour(from)),
            GradientStop::new(1.0, colour(to)),
        ];
        let place = Transform::from_scale(self.side, self.side);
        let shader = LinearGradient::new(
            Point::from_xy(0.0, top),
            Point::from_xy(0.0, bottom.max(top + 0.01)),
            stops,
            SpreadMode::Pad,
            Transform::identity(),
        );
        if let (Some(shader), Some(path)) = (shader, rect(0.0, top, 1.0, bottom - top)) {
            let paint = Paint {
                shader,
                ..Paint::default()
            };
            self.pixels
                .fill_path(&path, &paint, FillRule::Winding, place, None);
        }
    }
}

/// A colour that is nowhere loud.
fn muted(s: &mut Stream) -> [u8; 3] {
    let grey = s.between(70.0, 215.0);
    std::array::from_fn(|_| (grey + s.between(-38.0, 38.0)).clamp(0.0, 255.0) as u8)
}

fn any(s: &mut Stream) -> [u8; 3] {
    std::array::from_fn(|_| s.between(20.0, 240.0) as u8)
}

/// Paints the whole picture.
pub(super) fn paint(pixels: &mut Pixmap, s: &mut Stream) {
    let side = pixels.width() as f32;
    let mut canvas = Canvas { pixels, side };
    match s.below(6) {
        0 => wall(&mut canvas, s),
        1 => city(&mut canvas, s),
        2 => park(&mut canvas, s),
        3 => room(&mut canvas, s),
        4 => shop(&mut canvas, s),
        _ => lights(&mut canvas, s),
    }
    if s.chance(0.35) {
        for _ in 0..1 + s.below(3) {
            passer(&mut canvas, s);
        }
    }
}

fn wall(c: &mut Canvas, s: &mut Stream) {
    let base = muted(s);
    c.gradient(0.0, 1.0, mixed(base, [255; 3], 0.12), scaled(base, 0.85));
    let (rows, across) = (6 + s.below(14), s.between(0.08, 0.22) as f32);
    let joint = scaled(base, if s.chance(0.5) { 0.75 } else { 1.2 });
    let height = 1.0 / rows as f32;
    for row in 0..rows {
        let y = row as f32 * height;
        c.fill(rect(0.0, y, 1.0, 0.008), joint, 0.8);
        let mut x = if row % 2 == 0 { 0.0 } else { across / 2.0 };
        while x < 1.0 {
            c.fill(rect(x, y, 0.007, height), joint, 0.8);
            if s.chance(0.12) {
                c.fill(
                    rect(x, y, across, height),
                    scaled(base, s.between(0.8, 1.15) as f32),
                    0.6,
                );
            }
            x += across;
        }
    }
    if s.chance(0.5) {
        let (x, w, door) = (s.between(0.0, 0.8) as f32, s.between(0.15, 0.35) as f32, any(s));
        c.fill(rect(x, 0.1, w, 0.75), door, 1.0);
        c.fill(rect(x + w * 0.12, 0.15, w * 0.76, 0.3), scaled(door, 0.7), 1.0);
    }
    let floor = s.between(0.72, 0.98) as f32;
    let ground = muted(s);
    c.gradient(floor, 1.0, scaled(ground, 0.75), ground);
}

fn city(c: &mut Canvas, s: &mut Stream) {
    let sky = [[150, 190, 230], [210, 214, 220], [242, 196, 160], [120, 140, 175]][s.below(4)];
    c.gradient(0.0, 0.8, sky, mixed(sky, [255; 3], 0.5));
    let mut x = -0.1;
    while x < 1.0 {
        let (w, top) = (s.between(0.12, 0.32) as f32, s.between(0.0, 0.5) as f32);
        let base = muted(s);
        c.fill(rect(x, top, w, 1.0), base, 1.0);
        let (columns, rows) = (2 + s.below(3), 4 + s.below(6));
        let glass = if s.chance(0.3) {
            [250, 226, 150]
        } else {
            scaled(base, 0.62)
        };
        for column in 0..columns {
            for row in 0..rows {
                let (wx, wy) = (
                    x + w * (column as f32 + 0.25) / columns as f32,
                    top + 0.04 + 0.8 * row as f32 / rows as f32,
                );
                c.fill(
                    rect(wx, wy, w * 0.5 / columns as f32, 0.45 / rows as f32),
                    glass,
                    0.9,
                );
            }
        }
        x += w;
    }
    let road = s.between(0.78, 0.95) as f32;
    c.gradient(road, 1.0, [120, 120, 124], [92, 92, 96]);
    for i in 0..5 {
        c.fill(
            polygon(&[
                (i as f32 * 0.24, road + 0.06),
                (i as f32 * 0.24 + 0.12, road + 0.06),
                (i as f32 * 0.24 + 0.1, road + 0.09),
                (i as f32 * 0.24 - 0.03, road + 0.09),
            ]),
            [232, 232, 228],
            0.9,
        );
    }
    if s.chance(0.4) {
        let (x, y, body) = (s.between(-0.1, 0.7) as f32, road - 0.12, any(s));
        c.fill(round_rect(x + 0.08, y, 0.28, 0.14, 0.05), scaled(body, 0.8), 1.0);
        c.fill(round_rect(x, y + 0.08, 0.46, 0.12, 0.04), body, 1.0);
        for wheel in [0.09, 0.36] {
            c.fill(ellipse(x + wheel, y + 0.2, 0.045, 0.045), [24, 24, 26], 1.0);
        }
    }
}

fn park(c: &mut Canvas, s: &mut Stream) {
    c.gradient(0.0, 0.7, [168, 206, 236], [226, 238, 244]);
    let green = [[70, 122, 60], [112, 140, 60], [178, 120, 52]][s.below(3)];
    for _ in 0..14 + s.below(14) {
        let (x, y, r) = (
            s.uniform() as f32,
            s.between(0.0, 0.65) as f32,
            s.between(0.05, 0.18) as f32,
        );
        c.fill(
            ellipse(x, y, r, r * 0.85),
            scaled(green, s.between(0.6, 1.35) as f32),
            0.9,
        );
    }
    for _ in 0..s.below(4) {
        let x = s.uniform() as f32;
        c.fill(rect(x, 0.3, s.between(0.02, 0.06) as f32, 0.5), [86, 64, 46], 1.0);
    }
    let grass = s.between(0.6, 0.85) as f32;
    c.gradient(grass, 1.0, scaled(green, 1.1), scaled(green, 0.8));
    for _ in 0..30 {
        let (x, y) = (s.uniform() as f32, s.between(f64::from(grass), 1.0) as f32);
        c.fill(
            polygon(&[(x, y), (x + 0.006, y - 0.05), (x + 0.014, y)]),
            scaled(green, s.between(0.7, 1.5) as f32),
            0.8,
        );
    }
}

fn room(c: &mut Canvas, s: &mut Stream) {
    let base = mixed(muted(s), [255; 3], 0.35);
    c.gradient(0.0, 0.9, base, scaled(base, 0.9));
    for _ in 0..2 + s.below(3) {
        let (x, y) = (s.between(-0.05, 0.85) as f32, s.between(0.02, 0.4) as f32);
        let (w, h) = (s.between(0.12, 0.3) as f32, s.between(0.12, 0.3) as f32);
        c.fill(
            rect(x, y, w, h),
            [[60, 44, 34], [240, 240, 238], [30, 30, 32]][s.below(3)],
            1.0,
        );
        let (ground, form) = (any(s), any(s));
        c.fill(rect(x + 0.02, y + 0.02, w - 0.04, h - 0.04), ground, 1.0);
        c.fill(ellipse(x + w * 0.5, y + h * 0.55, w * 0.25, h * 0.22), form, 1.0);
    }
    let floor = s.between(0.7, 0.9) as f32;
    let wood = [[150, 108, 72], [190, 160, 126], [110, 84, 64], [176, 172, 168]][s.below(4)];
    c.gradient(floor, 1.0, scaled(wood, 0.85), wood);
    for i in 0..6 {
        let x = i as f32 / 5.0;
        c.fill(
            polygon(&[
                (x, floor),
                (x + 0.006, floor),
                (0.5 + (x - 0.5) * 1.6 + 0.01, 1.0),
                (0.5 + (x - 0.5) * 1.6, 1.0),
            ]),
            scaled(wood, 0.6),
            0.7,
        );
    }
    if s.chance(0.7) {
        let (x, seat) = (s.between(-0.2, 0.6) as f32, any(s));
        c.fill(
            round_rect(x, floor - 0.22, 0.5, 0.18, 0.04),
            scaled(seat, 0.9),
            1.0,
        );
        c.fill(round_rect(x - 0.02, floor - 0.1, 0.54, 0.16, 0.04), seat, 1.0);
    }
    if s.chance(0.5) {
        let x = s.between(0.05, 0.95) as f32;
        c.fill(rect(x, 0.25, 0.012, floor - 0.2), [40, 40, 42], 1.0);
        c.fill(
            polygon(&[
                (x - 0.06, 0.3),
                (x + 0.07, 0.3),
                (x + 0.045, 0.16),
                (x - 0.035, 0.16),
            ]),
            [246, 232, 196],
            1.0,
        );
    }
}

/// A rail of other clothes.
fn shop(c: &mut Canvas, s: &mut Stream) {
    let base = mixed(muted(s), [255; 3], 0.4);
    c.gradient(0.0, 1.0, base, scaled(base, 0.88));
    let floor = s.between(0.8, 0.97) as f32;
    c.gradient(floor, 1.0, [172, 164, 152], [196, 190, 178]);
    let y = s.between(0.08, 0.3) as f32;
    c.fill(rect(0.0, y, 1.0, 0.012), [90, 90, 94], 1.0);
    let hung = [
        Category::TShirt,
        Category::Shirt,
        Category::Dress,
        Category::Jacket,
        Category::Sweater,
        Category::Blouse,
    ];
    let count = 3 + s.below(3);
    for i in 0..count {
        let product = super::choose::extra(hung[s.below(hung.len())], s);
        let x = (i as f32 + s.between(0.2, 0.8) as f32) / count as f32;
        let scale = s.between(0.28, 0.42) as f32 * c.side;
        let pose = Pose {
            arms: [0.25; 2],
            bend: [0.1; 2],
            stride: 0.0,
            back: false,
            worn: false,
        };
        let marks = shape::marks(&product, &pose);
        let squeeze = s.between(0.45, 0.9) as f32;
        let place = Transform::from_row(scale * squeeze, 0.0, 0.0, scale, x * c.side, (y + 0.05) * c.side);
        if layer::area(&marks, place, c.side as usize).is_some() {
            layer::ink(c.pixels, &marks, &Cloth::new(&product, scale), place);
        }
    }
}

/// Blurred lights and polygons.
fn lights(c: &mut Canvas, s: &mut Stream) {
    let (a, b) = (any(s), any(s));
    c.gradient(0.0, 1.0, scaled(a, 0.8), scaled(b, 0.8));
    for _ in 0..5 + s.below(6) {
        let points: Vec<(f32, f32)> = (0..3 + s.below(2))
            .map(|_| (s.between(-0.2, 1.2) as f32, s.between(-0.2, 1.2) as f32))
            .collect();
        c.fill(polygon(&points), any(s), s.between(0.15, 0.5) as f32);
    }
    for _ in 0..6 + s.below(14) {
        let (x, y, r) = (
            s.uniform() as f32,
            s.uniform() as f32,
            s.between(0.02, 0.09) as f32,
        );
        let light = mixed(any(s), [255, 236, 190], 0.5);
        c.fill(ellipse(x, y, r, r), light, 0.35);
        c.fill(ellipse(x, y, r * 0.8, r * 0.8), light, 0.3);
    }
}

/// Somebody far away.
fn passer(c: &mut Canvas, s: &mut Stream) {
    let (x, scale) = (s.uniform() as f32, s.between(0.1, 0.2) as f32);
    let y = s.between(0.3, 0.6) as f32;
    let (top, legs, skin) = (
        any(s),
        scaled(any(s), 0.6),
        [[232, 188, 156], [150, 104, 76]][s.below(2)],
    );
    let p = |dx: f32, dy: f32| (x + dx * scale, y + dy * scale);
    c.fill(
        polygon(&[
            p(-0.3, 0.9),
            p(0.3, 0.9),
            p(0.25, 2.4),
            p(0.08, 2.4),
            p(0.0, 1.3),
            p(-0.08, 2.4),
            p(-0.25, 2.4),
        ]),
        legs,
        1.0,
    );
    c.fill(
        polygon(&[
            p(-0.38, 0.05),
            p(0.38, 0.05),
            p(0.48, 0.95),
            p(0.3, 1.0),
            p(-0.3, 1.0),
            p(-0.48, 0.95),
        ]),
        top,
        1.0,
    );
    let head = p(0.0, -0.25);
    c.fill(ellipse(head.0, head.1, 0.15 * scale, 0.19 * scale), skin, 1.0);
}

/// Something between the camera and the garment; `area` is the garment's: left, top, right, bottom in shares of the side.
pub(super) fn occlude(pixels: &mut Pixmap, area: [f32; 4], s: &mut Stream) {
    let side = pixels.width() as f32;
    let mut c = Canvas { pixels, side };
    let [left, top, right, bottom] = area;
    let (w, h) = (right - left, bottom - top);
    match s.below(4) {
        // A pole, a door frame, a strap.
        0 => {
            let (x, lean) = (
                left + w * s.between(0.05, 0.95) as f32,
                s.between(-0.25, 0.25) as f32,
            );
            let thick = w * s.between(0.06, 0.15) as f32;
            c.fill(
                polygon(&[
                    (x, -0.1),
                    (x + thick, -0.1),
                    (x + thick + lean, 1.1),
                    (x + lean, 1.1),
                ]),
                muted(s),
                1.0,
            );
        }
        // Leaves from a corner.
        1 => {
            let (cx, cy) = ([left, right][s.below(2)], [top, bottom][s.below(2)]);
            let green = [[58, 110, 56], [124, 146, 62], [150, 90, 50]][s.below(3)];
            for _ in 0..9 {
                let (x, y) = (
                    cx + w * s.between(-0.22, 0.22) as f32,
                    cy + h * s.between(-0.22, 0.22) as f32,
                );
                let r = w.min(h) * s.between(0.04, 0.1) as f32;
                c.fill(
                    ellipse(x, y, r * 1.5, r),
                    scaled(green, s.between(0.7, 1.3) as f32),
                    1.0,
                );
            }
        }
        // Another shoulder at the edge.
        2 => {
            let sign = if s.chance(0.5) { 1.0f32 } else { -1.0 };
            let edge = if sign > 0.0 {
                right - w * s.between(0.08, 0.3) as f32
            } else {
                left + w * s.between(0.08, 0.3) as f32
            };
            let y = top + h * s.between(-0.1, 0.4) as f32;
            let far = edge + sign * 0.9;
            c.fill(
                polygon(&[
                    (edge + sign * 0.05, 1.2),
                    (edge, y + 0.2),
                    (edge + sign * 0.08, y + 0.05),
                    (edge + sign * 0.3, y),
                    (far, y),
                    (far, 1.2),
                ]),
                any(s),
                1.0,
            );
        }
        // A sign, a phone, a cup.
        _ => {
            let (x, y) = (
                left + w * s.between(0.0, 0.75) as f32,
                top + h * s.between(0.1, 0.8) as f32,
            );
            let (bw, bh) = (w * s.between(0.12, 0.26) as f32, h * s.between(0.1, 0.22) as f32);
            c.fill(round_rect(x, y, bw, bh, bw * 0.15), any(s), 1.0);
            c.fill(
                round_rect(x + bw * 0.1, y + bh * 0.1, bw * 0.8, bh * 0.6, bw * 0.1),
                any(s),
                0.8,
            );
        }
    }
}
