//! A product's outline and details as marks: paths in body units with what they are inked in, before any pixel is.
//!
//! Body units: x is 0 on the axis of the body and grows to the right of the picture, y grows downwards. The shoulders are at y = 0,
//! the waist at 0.78, the crotch at 1.2, the ankles at 2.45; half the shoulders' width is 0.4.

mod bag;
mod feet;
mod hat;
mod legs;
mod motif;
mod scarf;
mod upper;

use tiny_skia::{Path, PathBuilder, Rect, Transform};

use super::product::{Category, Product};

/// How a body, or the clothes without one, are held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    /// The angle of each arm from the vertical in radians: left of the picture, right.
    pub arms: [f32; 2],
    /// How far each elbow is bent back towards the body, in radians.
    pub bend: [f32; 2],
    /// How far the feet are apart, 0 to 1.
    pub stride: f32,
    /// Seen from behind.
    pub back: bool,
    /// On a body: what is inside a collar is not seen.
    pub worn: bool,
}

/// What a mark is inked in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ink {
    /// The product's cloth, turned by so many radians.
    Cloth(f32),
    /// The first colour, made lighter or darker by a factor.
    Main(f32),
    /// The second colour, likewise.
    Second(f32),
    /// The third colour, likewise.
    Accent(f32),
    /// Any colour.
    Rgb([u8; 3]),
    /// Shadow of this strength.
    Dark(f32),
    /// Shine of this strength.
    Light(f32),
}

/// One stroke of the drawing.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub path: Path,
    pub ink: Ink,
    /// The stroke's width in body units; 0 fills the path.
    pub width: f32,
    /// On top of what is there only, rather than beyond it.
    pub within: bool,
}

/// The marks of a product, in the order of drawing.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(pub Vec<Mark>);

pub(super) type P = (f32, f32);

/// A step of an outline, to its last point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seg {
    L(P),
    Q(P, P),
    C(P, P, P),
}

use Seg::{C, L, Q};

impl Seg {
    fn end(self) -> P {
        match self {
            L(to) | Q(_, to) | C(_, _, to) => to,
        }
    }

    fn mapped(self, f: impl Fn(P) -> P) -> Seg {
        match self {
            L(a) => L(f(a)),
            Q(a, b) => Q(f(a), f(b)),
            C(a, b, c) => C(f(a), f(b), f(c)),
        }
    }

    fn draw(self, pen: &mut PathBuilder) {
        match self {
            L(a) => pen.line_to(a.0, a.1),
            Q(a, b) => pen.quad_to(a.0, a.1, b.0, b.1),
            C(a, b, c) => pen.cubic_to(a.0, a.1, b.0, b.1, c.0, c.1),
        }
    }
}

/// An open or closed path.
pub(super) fn path(start: P, segs: &[Seg], close: bool) -> Option<Path> {
    let mut pen = PathBuilder::new();
    pen.move_to(start.0, start.1);
    segs.iter().for_each(|seg| seg.draw(&mut pen));
    if close {
        pen.close();
    }
    pen.finish()
}

/// The closed outline whose right half is given from the axis to the axis.
pub(super) fn symmetric(start: P, segs: &[Seg]) -> Option<Path> {
    let mirror = |(x, y): P| (-x, y);
    let mut all = segs.to_vec();
    let mut points = vec![start];
    points.extend(segs.iter().map(|seg| seg.end()));
    for (at, seg) in segs.iter().enumerate().rev() {
        let to = mirror(points[at]);
        all.push(match *seg {
            L(_) => L(to),
            Q(a, _) => Q(mirror(a), to),
            C(a, b, _) => C(mirror(b), mirror(a), to),
        });
    }
    path(start, &all, true)
}

/// A closed polygon.
pub(super) fn polygon(points: &[P]) -> Option<Path> {
    let (start, rest) = points.split_first()?;
    let segs: Vec<Seg> = rest.iter().map(|&point| L(point)).collect();
    path(*start, &segs, true)
}

pub(super) fn rect(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    Rect::from_xywh(x, y, width.max(1e-4), height.max(1e-4)).map(PathBuilder::from_rect)
}

/// A rectangle with corners rounded by `r`.
pub(super) fn round_rect(x: f32, y: f32, w: f32, h: f32, r: f32) -> Option<Path> {
    let r = r.min(w / 2.0).min(h / 2.0);
    let segs = [
        L((x + w - r, y)),
        Q((x + w, y), (x + w, y + r)),
        L((x + w, y + h - r)),
        Q((x + w, y + h), (x + w - r, y + h)),
        L((x + r, y + h)),
        Q((x, y + h), (x, y + h - r)),
        L((x, y + r)),
        Q((x, y), (x + r, y)),
    ];
    path((x + r, y), &segs, true)
}

pub(super) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> Option<Path> {
    let (rx, ry) = (rx.max(1e-3), ry.max(1e-3));
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

pub(super) fn between(low: f32, high: f32, share: f32) -> f32 {
    low + (high - low) * share
}

impl Marks {
    /// Fills a part of the garment.
    pub fn fill(&mut self, path: Option<Path>, ink: Ink) {
        self.push(path, ink, 0.0, false);
    }

    /// Fills on top of the garment, never beyond it.
    pub fn over(&mut self, path: Option<Path>, ink: Ink) {
        self.push(path, ink, 0.0, true);
    }

    /// Draws a line on top of the garment.
    pub fn line(&mut self, start: P, segs: &[Seg], ink: Ink, width: f32) {
        self.push(path(start, segs, false), ink, width, true);
    }

    /// Draws a line around a polygon, on top of the garment.
    pub fn edge(&mut self, points: &[P], ink: Ink, width: f32) {
        let Some((&start, rest)) = points.split_first() else {
            return;
        };
        let segs: Vec<Seg> = rest.iter().chain([&start]).map(|&point| L(point)).collect();
        self.line(start, &segs, ink, width);
    }

    /// Draws a line that is part of the garment: a strap, a handle.
    pub fn cord(&mut self, start: P, segs: &[Seg], ink: Ink, width: f32) {
        self.push(path(start, segs, false), ink, width, false);
    }

    /// The same line on both sides of the axis.
    pub fn lines(&mut self, start: P, segs: &[Seg], ink: Ink, width: f32) {
        self.line(start, segs, ink, width);
        let mirror = |(x, y): P| (-x, y);
        let segs: Vec<Seg> = segs.iter().map(|seg| seg.mapped(mirror)).collect();
        self.line(mirror(start), &segs, ink, width);
    }

    fn push(&mut self, path: Option<Path>, ink: Ink, width: f32, within: bool) {
        // A path without extent is no mark.
        self.0.extend(path.map(|path| Mark {
            path,
            ink,
            width,
            within,
        }));
    }

    /// Moves every mark from `from` on.
    pub fn transform(&mut self, from: usize, transform: Transform) {
        let scale = (transform.sx * transform.sy - transform.kx * transform.ky)
            .abs()
            .sqrt();
        let moved = self.0.split_off(from.min(self.0.len()));
        self.0.extend(moved.into_iter().filter_map(|mark| {
            Some(Mark {
                path: mark.path.transform(transform)?,
                width: mark.width * scale,
                ..mark
            })
        }));
    }

    /// The corners of what is drawn, as points: curves by their control points' curve at quarters.
    pub fn outline(&self) -> Vec<P> {
        let mut points = Vec::new();
        for mark in self.0.iter().filter(|mark| !mark.within) {
            let half = mark.width / 2.0;
            let mut add = |(x, y): P| {
                points.push((x, y));
                if half > 0.0 {
                    points.extend([(x - half, y), (x + half, y), (x, y - half), (x, y + half)]);
                }
            };
            let mut last = (0.0, 0.0);
            for segment in mark.path.segments() {
                use tiny_skia::PathSegment as S;
                let p = |point: tiny_skia::Point| (point.x, point.y);
                match segment {
                    S::MoveTo(a) | S::LineTo(a) => {
                        last = p(a);
                        add(last);
                    }
                    S::QuadTo(a, b) => {
                        let (a, b) = (p(a), p(b));
                        for step in 1..=8 {
                            let t = step as f32 / 8.0;
                            let w = [(1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t];
                            add((
                                w[0] * last.0 + w[1] * a.0 + w[2] * b.0,
                                w[0] * last.1 + w[1] * a.1 + w[2] * b.1,
                            ));
                        }
                        last = b;
                    }
                    S::CubicTo(a, b, c) => {
                        let (a, b, c) = (p(a), p(b), p(c));
                        for step in 1..=8 {
                            let t = step as f32 / 8.0;
                            let s = 1.0 - t;
                            let w = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
                            add((
                                w[0] * last.0 + w[1] * a.0 + w[2] * b.0 + w[3] * c.0,
                                w[0] * last.1 + w[1] * a.1 + w[2] * b.1 + w[3] * c.1,
                            ));
                        }
                        last = c;
                    }
                    S::Close => {}
                }
            }
        }
        points
    }
}

/// The marks of a product as it hangs, or is worn, in a pose.
pub(super) fn marks(product: &Product, pose: &Pose) -> Marks {
    let mut marks = Marks::default();
    match product.category {
        Category::Skirt => legs::skirt(product, pose, &mut marks),
        Category::Trousers | Category::Jeans | Category::Shorts => legs::trousers(product, pose, &mut marks),
        Category::Shoes | Category::Boots => feet::pair(product, pose, &mut marks),
        Category::Bag => bag::draw(product, pose, &mut marks),
        Category::Hat => hat::draw(product, pose, &mut marks),
        Category::Scarf => scarf::draw(product, pose, &mut marks),
        _ => upper::draw(product, pose, &mut marks),
    }
    marks
}
