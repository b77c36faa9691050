//! A view of a product: pose, place, lens, light, and what else is in the picture.

use tiny_skia::{Color, Pixmap, Transform};

use super::body::{self, Person};
use super::choose;
use super::layer::{Layer, Light, compose};
use super::lens::{Film, Lens};
use super::product::{Category, Cut, Product};
use super::shape::{self, Marks, Pose};
use super::street;
use crate::data::image::Picture;
use crate::random::{Stream, stream};

/// Where a picture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Alone before a clean ground, as a shop shows it.
    Studio,
    /// Worn, somewhere.
    Street,
}

impl Domain {
    /// `studio` or `street`.
    pub fn name(self) -> &'static str {
        match self {
            Domain::Studio => "studio",
            Domain::Street => "street",
        }
    }
}

/// What decides a view before anything is drawn.
#[derive(Clone, Debug)]
pub(super) struct View {
    domain: Domain,
    pose: Pose,
    lens: Lens,
    /// From body units to pixels of the scene.
    place: Transform,
    marks: Marks,
    /// For the draws of the picture itself.
    key: (u64, [u64; 3]),
}

impl View {
    /// View `number` of a domain of a product, `size` pixels a side.
    pub fn new(seed: u64, product: &Product, domain: Domain, number: u64, size: usize) -> Self {
        let indices = [product.index, domain as u64, number];
        let mut s = stream(seed, "wardrobe view", &indices);
        let mut draw = |low: f64, high: f64| s.between(low, high) as f32;
        let street = domain == Domain::Street;
        let two_sided = !matches!(product.category, Category::Hat | Category::Scarf | Category::Bag);
        // A shop shows the front first and the back second.
        let turned = draw(0.0, 1.0) < 0.15;
        // Who carries a bag on the back turns it to the camera.
        let backpack = product.cut == Cut::Backpack && street;
        let back = backpack || two_sided && if street { turned } else { number == 1 };
        let pose = match street {
            true => Pose {
                arms: [draw(0.08, 0.5), draw(0.08, 0.5)],
                bend: [draw(-0.05, 0.6), draw(-0.05, 0.6)],
                stride: draw(0.0, 1.0),
                back,
                worn: true,
            },
            false => {
                let (arms, bend) = (draw(0.2, 0.42), draw(0.0, 0.2));
                Pose {
                    arms: [arms + draw(-0.03, 0.03), arms + draw(-0.03, 0.03)],
                    bend: [bend; 2],
                    stride: draw(0.1, 0.5),
                    back,
                    worn: false,
                }
            }
        };
        let marks = shape::marks(product, &pose);
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for (x, y) in marks.outline() {
            bounds = [
                bounds[0].min(x),
                bounds[1].min(y),
                bounds[2].max(x),
                bounds[3].max(y),
            ];
        }
        let (w, h) = (
            (bounds[2] - bounds[0]).max(0.05),
            (bounds[3] - bounds[1]).max(0.05),
        );
        let side_on = !street && number >= 2 && draw(0.0, 1.0) < 0.5;
        let squeeze = match (street, side_on) {
            (true, _) => draw(0.78, 1.0),
            (_, true) => draw(0.62, 0.82),
            _ => draw(0.97, 1.0),
        };
        let margin = (size as f32 * if street { 0.14 } else { 0.05 }) as usize + 1;
        let fraction = if street { draw(0.5, 0.98) } else { draw(0.74, 0.88) };
        let scale = fraction * size as f32 / (w * squeeze).max(h);
        let (angle, shear, shift) = match street {
            true => (
                draw(-10.0, 10.0),
                draw(-0.1, 0.1),
                (0.5 - fraction * 0.32).max(0.05),
            ),
            false => (draw(-3.0, 3.0), draw(-0.02, 0.02), 0.025),
        };
        let middle = (size + 2 * margin) as f32 / 2.0;
        let offset = (
            draw(-1.0, 1.0) * shift * size as f32,
            draw(-1.0, 1.0) * shift * size as f32,
        );
        let place = Transform::from_translate(-(bounds[0] + bounds[2]) / 2.0, -(bounds[1] + bounds[3]) / 2.0)
            .post_concat(Transform::from_row(
                scale * squeeze,
                0.0,
                shear * scale,
                scale,
                0.0,
                0.0,
            ))
            .post_concat(rotation(angle))
            .post_concat(Transform::from_translate(middle + offset.0, middle + offset.1));
        let strength = if street { 1.0 } else { 0.15 };
        let lens = Lens {
            size,
            margin,
            tilt: (draw(-0.2, 0.2) * strength, draw(-0.2, 0.2) * strength),
            waves: std::array::from_fn(|_| (draw(0.0, 0.012) * strength, draw(4.0, 11.0), draw(0.0, 6.2))),
        };
        Self {
            domain,
            pose,
            lens,
            place,
            marks,
            key: (seed, indices),
        }
    }

    /// The part of the picture that the garment takes, hidden parts included: x1, y1, x2, y2 in pixels.
    pub fn bounds(&self) -> [f32; 4] {
        let size = self.lens.size as f32;
        let mut bounds = [size, size, 0.0, 0.0];
        let t = self.place;
        for (x, y) in self.marks.outline() {
            let (px, py) = self
                .lens
                .before(t.sx * x + t.kx * y + t.tx, t.ky * x + t.sy * y + t.ty);
            bounds = [
                f32::min(bounds[0], px),
                f32::min(bounds[1], py),
                f32::max(bounds[2], px),
                f32::max(bounds[3], py),
            ];
        }
        // Whole pixels, so that a table says them shortly, and at least four of them.
        let low = |v: f32| v.floor().clamp(0.0, size - 4.0);
        let [x1, y1] = [low(bounds[0]), low(bounds[1])];
        let high = |v: f32, from: f32| v.ceil().clamp(from + 4.0, size);
        [x1, y1, high(bounds[2], x1), high(bounds[3], y1)]
    }

    /// Draws it.
    pub fn draw(&self, product: &Product, picture: &mut Picture) {
        let side = self.lens.scene();
        let (seed, indices) = self.key;
        let mut s = stream(seed, "wardrobe scene", &indices);
        let Some(mut scene) = Pixmap::new(side as u32, side as u32) else {
            // No size that options allow comes here.
            *picture = Picture::filled(self.lens.size, self.lens.size, [255; 3]);
            return;
        };
        let film = match self.domain {
            Domain::Studio => self.studio(product, &mut scene, &mut s),
            Domain::Street => self.street(product, &mut scene, &mut s),
        };
        self.lens.take(scene.data(), &film, &mut s, picture);
    }

    fn studio(&self, product: &Product, scene: &mut Pixmap, s: &mut Stream) -> Film {
        let level = [s.between(0.94, 1.0), s.between(0.88, 0.95)][s.below(2)] as f32;
        let tint = s.between(-0.012, 0.012) as f32;
        scene.fill(
            Color::from_rgba(level, level, (level - tint).clamp(0.0, 1.0), 1.0).unwrap_or(Color::WHITE),
        );
        let side = if s.chance(0.5) { 1.0 } else { -1.0 };
        let light = Light {
            from: (0.55 * side, -0.8),
            relief: s.between(0.35, 0.6) as f32,
            folds: s.between(0.25, 0.5) as f32,
        };
        if let Some(layer) = Layer::draw(
            Some(product),
            &self.marks,
            self.place,
            self.lens.scene(),
            &light,
            s,
        ) {
            let drop = (self.lens.size as f32 * 0.02) as i32;
            compose(scene, &layer, 0.28, (-(drop as f32 * side) as i32, drop));
        }
        let gain = s.between(0.96, 1.04) as f32;
        Film {
            gain: [gain, gain, gain * s.between(0.98, 1.02) as f32],
            contrast: s.between(0.97, 1.03) as f32,
            slope: (0.0, s.between(-0.05, 0.0) as f32),
            noise: 1.0,
            blur: 0.0,
            chroma: 1,
        }
    }

    fn street(&self, product: &Product, scene: &mut Pixmap, s: &mut Stream) -> Film {
        let side = self.lens.scene();
        street::paint(scene, s);
        let angle = s.between(-1.0, 1.0) as f32;
        let light = Light {
            from: (angle, -(1.0 - angle * angle).max(0.1).sqrt()),
            relief: s.between(0.3, 0.8) as f32,
            folds: s.between(0.4, 0.9) as f32,
        };
        let drop = (self.lens.size as f32 * 0.015) as i32;
        let shadow = s.between(0.15, 0.4) as f32;
        let lay = |scene: &mut Pixmap, product: Option<&Product>, marks: &Marks, s: &mut Stream| {
            if let Some(layer) = Layer::draw(product, marks, self.place, side, &light, s) {
                compose(
                    scene,
                    &layer,
                    shadow,
                    (-(drop as f32 * light.from.0) as i32, drop),
                );
            }
        };
        let (beneath, besides) = body::outfit(product.category, s);
        let person = Person::new(s);
        lay(scene, None, &person.body(&self.pose), s);
        for category in beneath {
            let extra = choose::extra(category, s);
            lay(scene, Some(&extra), &shape::marks(&extra, &self.pose), s);
        }
        lay(scene, Some(product), &self.marks, s);
        for category in besides {
            let extra = choose::extra(category, s);
            lay(scene, Some(&extra), &shape::marks(&extra, &self.pose), s);
        }
        if s.chance(0.4) {
            let size = side as f32;
            let margin = self.lens.margin as f32;
            let area = self.bounds().map(|v| (v + margin) / size);
            street::occlude(scene, area, s);
        }
        let warm = s.between(-0.12, 0.12) as f32;
        let bright = s.between(0.72, 1.18) as f32;
        Film {
            gain: [bright * (1.0 + warm), bright, bright * (1.0 - warm)],
            contrast: s.between(0.8, 1.15) as f32,
            slope: (s.between(-0.35, 0.35) as f32, s.between(-0.3, 0.3) as f32),
            noise: s.between(2.0, 11.0) as f32,
            blur: if s.chance(0.5) {
                s.between(0.2, 1.0) as f32
            } else {
                0.0
            },
            chroma: [1, 1, 2, 4][s.below(4)],
        }
    }
}

/// A turn about the origin by degrees, by plain arithmetic.
fn rotation(degrees: f32) -> Transform {
    let radians = degrees.to_radians();
    let (sin, cos) = (
        super::lens::sine(radians),
        super::lens::sine(radians + std::f32::consts::FRAC_PI_2),
    );
    Transform::from_row(cos, sin, -sin, cos, 0.0, 0.0)
}
