//! What is at the neck: the inside of the opening, hoods, collars, lapels and bows.

use super::*;

/// The back of the neck as it is seen through the opening.
pub(super) fn inside(p: &Product, t: &Torso, marks: &mut Marks) {
    let (x, y) = t.neck;
    let mut segs = t.opening(p.neck.unwrap_or(Neck::Round));
    segs.push(Q((x * 0.5, y + 0.045), (0.0, y + 0.045)));
    marks.fill(symmetric((0.0, t.dip + 0.01), &segs), Ink::Main(0.52));
    marks.over(rect(-0.03, y + 0.05, 0.06, 0.035), Ink::Rgb([225, 222, 214]));
}

/// The hood as it lies behind the neck.
pub(super) fn hood_behind(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let (w, h) = (
        between(0.24, 0.3, m.neck_width),
        between(0.13, 0.22, m.neck_depth),
    );
    let lift = if pose.worn { 0.02 } else { 0.1 };
    let segs = [
        C((w * 0.8, -h - lift), (w * 1.15, -0.02), (w * 0.95, 0.1)),
        L((0.0, 0.14)),
    ];
    marks.fill(symmetric((0.0, -h - lift), &segs), Ink::Cloth(0.0));
    if p.trim == Some(Trim::Fur) {
        for i in 0..9 {
            let a = i as f32 / 8.0 * std::f32::consts::PI;
            marks.fill(
                ellipse(
                    -a.cos() * w * 0.95,
                    0.06 - a.sin() * (h + lift) * 0.95,
                    0.055,
                    0.05,
                ),
                Ink::Rgb([176, 150, 118]),
            );
        }
    }
    if !pose.worn && !pose.back {
        let segs = [
            C((w * 0.5, -h * 0.75 - lift), (w * 0.8, -0.02), (w * 0.6, 0.07)),
            L((0.0, 0.13)),
        ];
        marks.fill(symmetric((0.0, -h * 0.75 - lift), &segs), Ink::Main(0.5));
    }
}

/// What stands at the neck.
pub(super) fn collar(p: &Product, t: &Torso, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let ((x, y), d) = (t.neck, t.dip);
    let contrast = p.trim == Some(Trim::Contrast);
    let band = if contrast {
        Ink::Second(1.0)
    } else {
        Ink::Main(0.86)
    };
    let neck = p.neck.unwrap_or(Neck::Round);
    let half = t.opening(neck);
    let trace = |marks: &mut Marks, ink: Ink, width: f32| marks.lines((0.0, d), &half, ink, width);
    match neck {
        Neck::Turtle | Neck::Stand | Neck::Band => {
            let high = match neck {
                Neck::Turtle => between(0.11, 0.17, m.neck_depth),
                _ => between(0.06, 0.09, m.neck_depth),
            };
            let ink = match neck {
                Neck::Turtle if !contrast => Ink::Cloth(0.0),
                Neck::Turtle => Ink::Second(1.0),
                _ if contrast => Ink::Second(0.95),
                _ => Ink::Main(0.92),
            };
            let segs = [
                Q((x * 0.6, y - high + 0.03), (x + 0.0, y - high)),
                Q((x + 0.02, y), (x + 0.035, y + 0.06)),
                Q((x * 0.5, d + 0.05), (0.0, d + 0.05)),
            ];
            marks.fill(symmetric((0.0, y - high + 0.035), &segs), ink);
            if !pose.back && !pose.worn {
                marks.over(ellipse(0.0, y - high + 0.012, x * 0.9, 0.024), Ink::Dark(0.4));
            }
            marks.lines(
                (0.0, d + 0.05),
                &[Q((x * 0.5, d + 0.05), (x + 0.035, y + 0.06))],
                Ink::Dark(0.3),
                0.012,
            );
            if neck != Neck::Turtle && !pose.back {
                marks.line((0.0, y - high), &[L((0.0, d + 0.06))], Ink::Dark(0.35), 0.012);
            }
        }
        Neck::Collar if pose.back => {
            let segs = [
                L((x + 0.03, y - 0.05)),
                Q((x + 0.06, y + 0.02), (x + 0.05, y + 0.06)),
                Q((x * 0.5, y + 0.1), (0.0, y + 0.1)),
            ];
            marks.fill(symmetric((0.0, y - 0.045), &segs), Ink::Cloth(0.0));
            marks.lines(
                (0.0, y + 0.1),
                &[Q((x * 0.5, y + 0.1), (x + 0.05, y + 0.06))],
                Ink::Dark(0.3),
                0.01,
            );
        }
        Neck::Collar => {
            let tip = between(0.1, 0.17, m.neck_width);
            for sign in [-1.0, 1.0] {
                let shape = [
                    (0.005 * sign, d + 0.01),
                    (sign * x * 0.98, y - 0.05),
                    (sign * (x + 0.045), y + 0.01),
                    (sign * (x * 0.62 + 0.02), d + tip * 0.62),
                ];
                marks.fill(polygon(&shape), Ink::Cloth(sign * 0.6));
                marks.edge(&shape, Ink::Dark(0.33), 0.011);
            }
        }
        Neck::Lapel if !pose.back => {
            let wide = between(0.12, 0.2, m.neck_width);
            let notch = d * between(0.3, 0.45, m.detail[3]);
            for sign in [-1.0, 1.0] {
                let shape = [
                    (0.0, d + 0.02),
                    (sign * x * 0.9, y - 0.04),
                    (sign * (x + 0.05), y + 0.03),
                    (sign * (x + wide * 0.5), notch - 0.02),
                    (sign * (x + wide * 0.15), notch),
                    (sign * (x + wide * 0.65), notch + 0.03),
                ];
                marks.fill(
                    polygon(&shape),
                    if contrast {
                        Ink::Second(0.95)
                    } else {
                        Ink::Main(1.07)
                    },
                );
                marks.edge(&shape, Ink::Dark(0.4), 0.012);
            }
            // A shirt in the opening, where no body fills it.
            if !pose.worn && m.detail[2] > 0.7 {
                marks.over(
                    symmetric((0.0, d), &[L((x * 0.75, y)), L((0.0, y + 0.03))]),
                    Ink::Rgb([238, 238, 236]),
                );
            }
        }
        Neck::Bow if !pose.back => {
            trace(marks, Ink::Main(0.85), 0.035);
            for sign in [-1.0, 1.0] {
                let knot = (0.0, d + 0.03);
                let wing = [
                    C(
                        (sign * 0.08, d - 0.07),
                        (sign * 0.17, d - 0.04),
                        (sign * 0.16, d + 0.05),
                    ),
                    C((sign * 0.13, d + 0.1), (sign * 0.06, d + 0.06), knot),
                ];
                marks.fill(path(knot, &wing, true), Ink::Main(0.95));
                marks.line(knot, &wing, Ink::Dark(0.3), 0.01);
                let end = between(0.16, 0.3, m.detail[3]);
                marks.line(
                    knot,
                    &[Q((sign * 0.03, d + end * 0.6), (sign * 0.07, d + end))],
                    Ink::Main(0.9),
                    0.045,
                );
            }
            marks.fill(ellipse(0.0, d + 0.03, 0.03, 0.03), Ink::Main(0.8));
        }
        Neck::Hood if !pose.back => trace(marks, Ink::Dark(0.28), 0.016),
        _ => {
            let width = match p.category {
                Category::TShirt | Category::Sweater => between(0.03, 0.055, m.detail[3]),
                _ if contrast => 0.04,
                _ => 0.018,
            };
            trace(marks, band, width);
            trace(marks, Ink::Dark(0.2), 0.008);
        }
    }
    if p.sleeve == Some(Sleeve::Strap) {
        marks.lines(t.neck, &[L(t.shoulder)], Ink::Dark(0.1), 0.01);
    }
}
