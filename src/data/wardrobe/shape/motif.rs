//! The pictures of prints.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::{Motif, MotifKind};
use crate::random::stream;
use std::f32::consts::TAU;

/// Draws a motif about a point, on top of what is there.
pub(super) fn draw(motif: &Motif, at: P, marks: &mut Marks) {
    let from = marks.0.len();
    shape(motif, marks);
    let s = motif.size;
    let place = Transform::from_row(s, 0.0, 0.0, s, at.0 + motif.offset.0, at.1 + motif.offset.1);
    marks.transform(from, place);
}

/// A motif of half width 1 about the origin.
fn shape(motif: &Motif, marks: &mut Marks) {
    let mut s = stream(motif.seed, "wardrobe motif", &[]);
    let mut share = |low: f64, high: f64| s.between(low, high) as f32;
    let (a, b) = (Ink::Second(1.0), Ink::Accent(1.0));
    let ring = |n: usize, radius: f32, turn: f32| -> Vec<P> {
        let step = |i: usize| turn + TAU * i as f32 / n as f32;
        (0..n)
            .map(|i| (radius * step(i).sin(), -radius * step(i).cos()))
            .collect()
    };
    match motif.kind {
        MotifKind::Star => {
            let points = 5 + (share(0.0, 2.99) as usize);
            let (deep, turn) = (share(0.35, 0.6), share(-0.2, 0.2));
            let (outer, inner) = (
                ring(points, 1.0, turn),
                ring(points, deep, turn + TAU / 2.0 / points as f32),
            );
            let all: Vec<P> = outer.into_iter().zip(inner).flat_map(|(o, i)| [o, i]).collect();
            marks.over(polygon(&all), a);
            if share(0.0, 1.0) > 0.5 {
                marks.over(ellipse(0.0, 0.0, deep * 0.6, deep * 0.6), b);
            }
        }
        MotifKind::Heart => {
            let fat = share(0.8, 1.3);
            let segs = [
                C((0.35, -1.0), (fat, -0.9), (1.0, -0.25)),
                C((0.95, 0.3), (0.3, 0.6), (0.0, 1.0)),
            ];
            marks.over(symmetric((0.0, -0.4), &segs), a);
            if share(0.0, 1.0) > 0.5 {
                marks.line((-0.7, 0.3), &[L((0.7, -0.3))], b, 0.14);
            }
        }
        MotifKind::Sun => {
            let rays = 7 + share(0.0, 7.99) as usize;
            let core = share(0.4, 0.6);
            for (i, (x, y)) in ring(rays, 1.0, 0.0).into_iter().enumerate() {
                let l = if i % 2 == 0 { 1.0 } else { 0.82 };
                marks.line(
                    (x * (core + 0.12), y * (core + 0.12)),
                    &[L((x * l, y * l))],
                    a,
                    0.11,
                );
            }
            marks.over(ellipse(0.0, 0.0, core, core), b);
        }
        MotifKind::Mountain => {
            let (p, q) = (share(-0.4, 0.0), share(0.25, 0.6));
            marks.over(ellipse(share(-0.5, 0.6), -0.45, 0.3, 0.3), b);
            marks.over(
                polygon(&[(-1.0, 0.7), (q - 0.55, 0.7), (q, -0.2), (1.05, 0.7)]),
                a,
            );
            marks.over(polygon(&[(-1.0, 0.7), (p, -0.75), (0.75, 0.7)]), Ink::Second(0.8));
            marks.over(
                polygon(&[(p - 0.2, -0.42), (p, -0.75), (p + 0.17, -0.42), (p + 0.02, -0.3)]),
                Ink::Rgb([244, 244, 242]),
            );
        }
        MotifKind::Letters => {
            let rows = 1 + share(0.0, 2.99) as usize;
            let tall = 1.1 / rows as f32;
            for row in 0..rows {
                let y = -0.55 + row as f32 * (tall + 0.1);
                let mut x = -1.0;
                while x < 0.85 {
                    let w = share(0.16, 0.36);
                    let kind = share(0.0, 4.0) as usize;
                    let ink = if row % 2 == 0 { a } else { b };
                    let stem = 0.09;
                    marks.over(rect(x, y, stem, tall * 0.8), ink);
                    match kind {
                        0 => marks.over(rect(x, y + tall * 0.33, w, stem), ink),
                        1 => marks.over(rect(x + w - stem, y, stem, tall * 0.8), ink),
                        2 => marks.over(rect(x, y, w, stem), ink),
                        _ => marks.over(rect(x, y + tall * 0.8 - stem, w, stem), ink),
                    }
                    x += w + 0.1;
                }
            }
        }
        MotifKind::Leaf => {
            let lean = share(-0.4, 0.4);
            for (turn, ink) in [(-0.6, b), (0.0, a), (0.6, b)] {
                let tip = ((turn + lean * 0.3).sin(), -(turn + lean * 0.3).cos());
                let n = (tip.1 * 0.32, -tip.0 * 0.32);
                let mid = (tip.0 * 0.5, tip.1 * 0.5 + 0.6);
                let end = (tip.0, tip.1 + 0.6);
                let segs = [
                    Q((mid.0 + n.0, mid.1 + n.1), end),
                    Q((mid.0 - n.0, mid.1 - n.1), (0.0, 0.7)),
                ];
                marks.over(path((0.0, 0.7), &segs, true), ink);
                marks.line((0.0, 0.7), &[L(end)], Ink::Dark(0.3), 0.05);
            }
            marks.line((0.0, 0.6), &[L((lean * 0.3, 1.0))], a, 0.1);
        }
        MotifKind::Wave => {
            let count = 2 + share(0.0, 2.99) as usize;
            let high = share(0.18, 0.35);
            for i in 0..count {
                let y = -0.5 + i as f32 * 1.1 / count as f32;
                let segs = [
                    C((-0.7, y - high), (-0.4, y - high), (-0.3, y)),
                    C((-0.1, y + high), (0.2, y + high), (0.35, y)),
                    C((0.5, y - high), (0.8, y - high), (1.0, y)),
                ];
                marks.line(
                    (-1.0, y),
                    &segs,
                    if i % 2 == 0 { a } else { b },
                    share(0.12, 0.22),
                );
            }
        }
        MotifKind::Bolt => {
            let k = share(-0.15, 0.15);
            marks.over(ellipse(0.0, 0.0, 0.95, 0.95), b);
            marks.over(
                polygon(&[
                    (0.25 + k, -1.0),
                    (-0.5, 0.15),
                    (-0.05, 0.15),
                    (-0.25 - k, 1.0),
                    (0.55, -0.2),
                    (0.1, -0.2),
                ]),
                a,
            );
        }
        MotifKind::Diamond => {
            let rings = 2 + share(0.0, 2.99) as usize;
            let wide = share(0.6, 1.0);
            for i in 0..rings {
                let r = 1.0 - i as f32 / rings as f32;
                let ink = if i % 2 == 0 { a } else { b };
                marks.over(
                    polygon(&[(0.0, -r), (wide * r, 0.0), (0.0, r), (-wide * r, 0.0)]),
                    ink,
                );
            }
        }
        MotifKind::Cat => {
            let ear = share(0.15, 0.4);
            marks.over(
                polygon(&[(-0.85, -0.95), (-0.8, 0.2), (-0.85 + ear + 0.4, -0.5)]),
                a,
            );
            marks.over(polygon(&[(0.85, -0.95), (0.8, 0.2), (0.85 - ear - 0.4, -0.5)]), a);
            marks.over(ellipse(0.0, 0.12, 0.88, 0.72), a);
            let eye = share(0.08, 0.17);
            marks.over(ellipse(-0.35, 0.0, eye, eye * 1.2), b);
            marks.over(ellipse(0.35, 0.0, eye, eye * 1.2), b);
            marks.over(polygon(&[(-0.1, 0.25), (0.1, 0.25), (0.0, 0.38)]), b);
            for y in [0.3, 0.42] {
                marks.lines((0.2, y), &[L((0.75, y + (y - 0.36) * 2.0))], b, 0.04);
            }
        }
        MotifKind::Flower => {
            let petals = 5 + share(0.0, 3.99) as usize;
            let fat = share(0.28, 0.42);
            for (x, y) in ring(petals, 0.6, share(0.0, 1.0)) {
                marks.over(ellipse(x, y, fat, fat), a);
            }
            marks.over(ellipse(0.0, 0.0, 0.3, 0.3), b);
        }
        MotifKind::Target => {
            let rings = 3 + share(0.0, 2.99) as usize;
            for i in 0..rings {
                let r = 1.0 - i as f32 / rings as f32;
                marks.over(ellipse(0.0, 0.0, r, r), if i % 2 == 0 { a } else { b });
            }
        }
    }
}
