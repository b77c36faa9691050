//! Scarves: tails, and turns about the neck.

use super::Seg::{C, L};
use super::*;
use crate::data::wardrobe::product::*;

/// A scarf about the neck.
pub(super) fn draw(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let wide = between(0.085, 0.13, m.width);
    let long = match p.cut {
        Cut::Loop => between(0.3, 0.45, m.length),
        _ => between(0.75, 1.1, m.length),
    };
    let lean = between(-0.06, 0.06, m.flare);
    let tails = if pose.back { 0 } else { 2 };
    for i in 0..tails {
        let sign = if i == 0 { -1.0f32 } else { 1.0 };
        let length = long * if i == 0 { 1.0 } else { between(0.7, 0.95, m.sleeve) };
        let x = sign * between(0.06, 0.13, m.waist);
        let end = (x + sign * 0.05 + lean, 0.1 + length);
        let shape = [
            (x - wide, 0.02),
            (x + wide, 0.02),
            (end.0 + wide, end.1),
            (end.0 - wide, end.1 + 0.01),
        ];
        marks.fill(polygon(&shape), Ink::Cloth(-sign * 0.06));
        if p.pattern == Pattern::ColourBlock {
            marks.over(
                polygon(&[
                    (end.0 - wide * 1.3, end.1 - length * 0.3),
                    (end.0 + wide * 1.3, end.1 - length * 0.3),
                    (end.0 + wide * 1.3, end.1 + 0.1),
                    (end.0 - wide * 1.3, end.1 + 0.1),
                ]),
                Ink::Second(1.0),
            );
        }
        if p.trim == Some(Trim::Fringe) {
            for k in 0..7 {
                let fx = end.0 - wide * 0.92 + wide * 1.84 * k as f32 / 6.0;
                marks.cord(
                    (fx, end.1 - 0.01),
                    &[L((fx + lean * 0.1, end.1 + between(0.05, 0.1, m.hem)))],
                    Ink::Main(0.9),
                    0.014,
                );
            }
        }
        marks.line(shape[0], &[L(shape[3])], Ink::Dark(0.3), 0.014);
        marks.line(shape[1], &[L(shape[2])], Ink::Dark(0.3), 0.014);
        marks.line((x, 0.05), &[L((end.0 + 0.02, end.1))], Ink::Dark(0.14), 0.02);
    }
    // The turns about the neck.
    let (rx, turns) = (
        between(0.2, 0.25, m.neck_width),
        if p.cut == Cut::Loop { 3 } else { 2 },
    );
    if !pose.worn {
        marks.fill(ellipse(0.0, -0.16, rx * 0.85, 0.09), Ink::Main(0.5));
    }
    for turn in 0..turns {
        let y = -0.13 + turn as f32 * 0.075;
        let w = rx * (0.86 + 0.1 * turn as f32);
        let segs = [
            C((w * 0.7, y + 0.04), (w * 1.05, y - 0.02), (w * 0.95, y - 0.05)),
            C((w * 1.25, y + 0.04), (w * 0.9, y + 0.15), (0.0, y + 0.17)),
        ];
        marks.fill(
            symmetric((0.0, y + 0.03), &segs),
            Ink::Cloth(0.35 - 0.3 * turn as f32),
        );
        marks.line(
            (-w, y + 0.06),
            &[C((-w * 0.6, y + 0.2), (w * 0.6, y + 0.2), (w, y + 0.06))],
            Ink::Dark(0.3),
            0.014,
        );
    }
}
