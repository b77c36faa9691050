//! Bags: a body, handles or straps, and how it closes.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

/// A bag: at the hand or the hip of the right of the picture.
pub(super) fn draw(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let metal = if m.detail[3] > 0.5 {
        Ink::Rgb([206, 182, 106])
    } else {
        Ink::Rgb([188, 190, 194])
    };
    let (w, h) = match p.cut {
        Cut::Tote => (between(0.27, 0.34, m.width), between(0.42, 0.56, m.length)),
        Cut::Shoulder => (between(0.23, 0.3, m.width), between(0.28, 0.38, m.length)),
        Cut::Backpack => (between(0.22, 0.27, m.width), between(0.54, 0.64, m.length)),
        Cut::Clutch => (between(0.25, 0.31, m.width), between(0.24, 0.32, m.length)),
        _ => (between(0.2, 0.25, m.width), between(0.4, 0.48, m.length)),
    };
    let handle = if m.detail[0] > 0.5 || p.trim == Some(Trim::Contrast) {
        Ink::Second(0.95)
    } else {
        Ink::Main(0.72)
    };
    let thick = between(0.026, 0.042, m.waist);
    // The bag's own place: its top middle is the origin.
    let taper = between(-0.05, 0.04, m.flare);
    match p.cut {
        Cut::Tote => {
            let rise = between(0.22, 0.34, m.sleeve);
            for (x, back) in [(0.012, true), (0.0, false)] {
                let ink = if back { Ink::Main(0.5) } else { handle };
                marks.cord(
                    (-w * 0.5 + x, 0.02),
                    &[C(
                        (-w * 0.45 + x, -rise * 1.3),
                        (w * 0.45 + x, -rise * 1.3),
                        (w * 0.5 + x, 0.02),
                    )],
                    ink,
                    thick,
                );
            }
        }
        Cut::Shoulder | Cut::Bucket => {
            let rise = between(0.45, 0.7, m.sleeve);
            marks.cord(
                (-w * 0.9, 0.05),
                &[C((-w * 0.7, -rise), (w * 0.7, -rise), (w * 0.9, 0.05))],
                handle,
                thick,
            );
        }
        Cut::Backpack => {
            marks.cord(
                (-0.05, 0.01),
                &[C((-0.05, -0.12), (0.05, -0.12), (0.05, 0.01))],
                handle,
                thick,
            );
            marks.cord(
                (-w * 0.75, 0.1),
                &[Q((-w * 1.4, h * 0.5), (-w * 0.8, h * 0.92))],
                handle,
                thick * 1.3,
            );
            marks.cord(
                (w * 0.75, 0.1),
                &[Q((w * 1.4, h * 0.5), (w * 0.8, h * 0.92))],
                handle,
                thick * 1.3,
            );
        }
        _ => {}
    }
    let body = match p.cut {
        Cut::Tote => polygon(&[(-w, 0.0), (w, 0.0), (w - taper, h), (-w + taper, h)]),
        Cut::Backpack => {
            let segs = [
                C((w * 0.9, 0.0), (w, h * 0.1), (w, h * 0.35)),
                L((w, h - 0.06)),
                Q((w, h), (w - 0.06, h)),
                L((0.0, h)),
            ];
            symmetric((0.0, 0.0), &segs)
        }
        Cut::Bucket => symmetric(
            (0.0, 0.01),
            &[
                Q((w * 0.7, 0.03), (w * 0.95, 0.0)),
                Q((w * 1.15, h * 0.6), (w * 0.95, h * 0.93)),
                Q((w * 0.5, h + 0.03), (0.0, h + 0.03)),
            ],
        ),
        _ => round_rect(-w, 0.0, 2.0 * w, h, between(0.02, 0.12, m.hem)),
    };
    marks.fill(body.clone(), Ink::Cloth(0.0));
    if p.pattern == Pattern::ColourBlock {
        match m.detail[2] {
            d if d < 0.5 => marks.over(
                rect(-1.0, h * between(0.45, 0.75, m.duty), 2.0, 2.0),
                Ink::Second(1.0),
            ),
            _ => marks.over(
                rect(
                    -w * between(0.2, 0.5, m.duty),
                    -0.1,
                    2.0 * w * between(0.2, 0.5, m.duty),
                    2.0,
                ),
                Ink::Second(1.0),
            ),
        }
    }
    if let Some(motif) = &p.motif {
        motif::draw(motif, (0.0, h * 0.52), marks);
    }
    if let Some(path) = body {
        marks.0.push(Mark {
            path,
            ink: Ink::Dark(0.4),
            width: 0.018,
            within: true,
        });
    }
    match p.cut {
        Cut::Shoulder | Cut::Clutch => {
            let flap = h * between(0.4, 0.7, m.detail[1]);
            let point = between(0.0, 0.08, m.detail[2]);
            let segs = [
                L((w + 0.02, -0.02)),
                L((w + 0.02, flap - 0.04)),
                Q((w * 0.6, flap + point * 0.4), (0.0, flap + point)),
            ];
            marks.over(symmetric((0.0, -0.02), &segs), Ink::Dark(0.08));
            marks.lines(
                (0.0, flap + point),
                &[Q((w * 0.6, flap + point * 0.4), (w, flap - 0.04))],
                Ink::Dark(0.45),
                0.016,
            );
            match m.detail[0] {
                d if d < 0.4 => marks.over(ellipse(0.0, flap + point - 0.02, 0.03, 0.03), metal),
                d if d < 0.75 => marks.over(rect(-0.04, flap + point - 0.05, 0.08, 0.06), metal),
                _ => {
                    marks.line((0.0, flap), &[L((0.05, flap + 0.14))], Ink::Second(0.9), 0.03);
                }
            }
        }
        Cut::Backpack => {
            marks.line(
                (-w, h * 0.3),
                &[C((-w * 0.8, 0.06), (w * 0.8, 0.06), (w, h * 0.3))],
                Ink::Dark(0.4),
                0.014,
            );
            marks.over(
                round_rect(-w * 0.72, h * 0.5, w * 1.44, h * 0.38, 0.05),
                if p.trim == Some(Trim::Contrast) {
                    Ink::Second(1.0)
                } else {
                    Ink::Dark(0.14)
                },
            );
            marks.line((-w * 0.72, h * 0.56), &[L((w * 0.72, h * 0.56))], metal, 0.013);
        }
        Cut::Tote => {
            marks.line((-w, 0.035), &[L((w, 0.035))], Ink::Dark(0.25), 0.01);
            for x in [-w * 0.5, w * 0.5] {
                marks.line((x, 0.0), &[L((x, 0.11))], handle, thick);
            }
            if p.trim == Some(Trim::Contrast) {
                marks.over(rect(-1.0, h - 0.09, 2.0, 0.3), Ink::Second(0.9));
            }
        }
        _ => {
            marks.line((-w, 0.08), &[Q((0.0, 0.13), (w, 0.08))], handle, 0.022);
            marks.line((-0.02, 0.1), &[Q((-0.05, 0.2), (-0.03, 0.28))], handle, 0.018);
            marks.line((0.02, 0.1), &[Q((0.06, 0.18), (0.05, 0.25))], handle, 0.018);
        }
    }
    if p.pockets == Some(Pockets::Patch) && p.cut != Cut::Backpack {
        let y = h * 0.45;
        marks.line(
            (-w * 0.55, y),
            &[
                L((w * 0.55, y)),
                L((w * 0.55, h * 0.88)),
                L((-w * 0.55, h * 0.88)),
                L((-w * 0.55, y)),
            ],
            Ink::Dark(0.4),
            0.014,
        );
        marks.line((-w * 0.55, y + 0.02), &[L((w * 0.55, y + 0.02))], metal, 0.01);
    }
    let place = match (pose.worn, p.cut) {
        (true, Cut::Backpack) => (0.0, 0.06),
        (true, Cut::Shoulder | Cut::Bucket) => (0.52, 0.92),
        (true, _) => (0.62, 1.28),
        _ => (0.0, 0.5),
    };
    marks.transform(0, Transform::from_translate(place.0, place.1));
}
