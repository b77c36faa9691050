//! Bags, hats and scarves.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

/// A bag: at the hand or the hip of the right of the picture.
pub(super) fn bag(p: &Product, pose: &Pose, marks: &mut Marks) {
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

/// A hat: on a head whose middle is (0, −0.36).
pub(super) fn hat(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let r = between(0.165, 0.19, m.width);
    let brow = -0.45;
    let contrast = if p.trim == Some(Trim::Contrast) {
        Ink::Second(1.0)
    } else {
        Ink::Main(0.8)
    };
    match p.cut {
        Cut::Beanie => {
            let top = brow - between(0.17, 0.26, m.length);
            marks.fill(
                symmetric(
                    (0.0, top),
                    &[
                        C((r * 0.75, top), (r * 1.02, brow - 0.12), (r, brow + 0.05)),
                        L((0.0, brow + 0.05)),
                    ],
                ),
                Ink::Cloth(0.0),
            );
            let band = between(0.06, 0.1, m.hem);
            marks.fill(
                round_rect(-r - 0.008, brow + 0.05 - band, 2.0 * r + 0.016, band, 0.02),
                contrast,
            );
            for i in 0..13 {
                let x = -r + 2.0 * r * (i as f32 + 0.5) / 13.0;
                marks.line(
                    (x, brow + 0.05 - band),
                    &[L((x, brow + 0.05))],
                    Ink::Dark(0.18),
                    0.009,
                );
            }
            if m.detail[0] > 0.5 {
                let big = between(0.05, 0.08, m.detail[1]);
                marks.fill(ellipse(0.0, top - big * 0.4, big, big), Ink::Second(1.0));
                marks.over(
                    ellipse(-big * 0.3, top - big * 0.6, big * 0.5, big * 0.5),
                    Ink::Light(0.2),
                );
            }
        }
        Cut::Cap => {
            let top = brow - between(0.14, 0.18, m.length);
            marks.fill(
                symmetric(
                    (0.0, top),
                    &[
                        C((r * 0.9, top), (r * 1.05, brow - 0.06), (r, brow + 0.02)),
                        L((0.0, brow + 0.02)),
                    ],
                ),
                Ink::Cloth(0.0),
            );
            marks.lines(
                (0.0, top),
                &[Q((r * 0.55, top + 0.05), (r * 0.5, brow + 0.02))],
                Ink::Dark(0.2),
                0.008,
            );
            marks.fill(ellipse(0.0, top, 0.018, 0.012), contrast);
            if pose.back {
                marks.over(ellipse(0.0, brow + 0.02, r * 0.4, 0.06), Ink::Dark(0.5));
            } else {
                // The peak stands to one side.
                let reach = between(0.24, 0.33, m.sleeve);
                let ink = if m.detail[0] > 0.55 || p.trim == Some(Trim::Contrast) {
                    Ink::Second(1.0)
                } else {
                    Ink::Main(0.82)
                };
                let segs = [
                    C(
                        (r * 0.2, brow - 0.04),
                        (r + reach * 0.7, brow - 0.02),
                        (r + reach * 0.75, brow + 0.06),
                    ),
                    C(
                        (r + reach * 0.4, brow + 0.045),
                        (r * 0.2, brow + 0.07),
                        (-r * 0.6, brow + 0.035),
                    ),
                ];
                marks.fill(path((-r * 0.6, brow + 0.015), &segs, true), ink);
                if p.motif.is_none() && m.detail[2] > 0.4 {
                    marks.over(ellipse(0.02, brow - 0.08, 0.04, 0.035), Ink::Second(1.0));
                }
            }
        }
        Cut::Fedora | Cut::Sun | Cut::BucketHat => {
            let (rise, wide, drop) = match p.cut {
                Cut::Fedora => (between(0.2, 0.25, m.length), between(0.27, 0.33, m.flare), 0.01),
                Cut::Sun => (between(0.15, 0.2, m.length), between(0.38, 0.5, m.flare), 0.03),
                _ => (between(0.17, 0.21, m.length), between(0.24, 0.28, m.flare), 0.1),
            };
            let y = brow + 0.02;
            let brim = if p.cut == Cut::BucketHat {
                symmetric(
                    (0.0, y - 0.02),
                    &[
                        L((r * 0.95, y - 0.03)),
                        L((wide, y + drop)),
                        Q((wide * 0.5, y + drop + 0.05), (0.0, y + drop + 0.05)),
                    ],
                )
            } else {
                let segs = [
                    C((r, y - 0.06), (wide, y - 0.02), (wide, y + drop)),
                    C((wide, y + drop + 0.04), (wide * 0.5, y + 0.075), (0.0, y + 0.075)),
                ];
                symmetric((0.0, y - 0.05), &segs)
            };
            marks.fill(brim.clone(), Ink::Cloth(0.0));
            marks.over(brim, Ink::Dark(0.12));
            let crown = match p.cut {
                Cut::Fedora => symmetric(
                    (0.0, y - rise + 0.035),
                    &[
                        C(
                            (r * 0.35, y - rise - 0.02),
                            (r * 0.8, y - rise - 0.01),
                            (r * 0.85, y - rise * 0.7),
                        ),
                        L((r, y)),
                        Q((r * 0.5, y + 0.03), (0.0, y + 0.03)),
                    ],
                ),
                _ => symmetric(
                    (0.0, y - rise),
                    &[
                        C((r * 0.75, y - rise), (r * 0.9, y - rise * 0.8), (r, y)),
                        Q((r * 0.5, y + 0.03), (0.0, y + 0.03)),
                    ],
                ),
            };
            marks.fill(crown, Ink::Cloth(0.0));
            if p.cut != Cut::BucketHat || p.trim == Some(Trim::Contrast) {
                let band = between(0.03, 0.06, m.hem);
                marks.line(
                    (-r, y - band * 0.5),
                    &[Q((0.0, y + 0.03), (r, y - band * 0.5))],
                    if m.detail[0] > 0.3 {
                        Ink::Second(1.0)
                    } else {
                        Ink::Main(0.55)
                    },
                    band,
                );
            } else {
                for i in 1..4 {
                    let g = i as f32 / 4.0;
                    marks.line(
                        (-wide, y + drop * g),
                        &[Q((0.0, y + drop * g + 0.05), (wide, y + drop * g))],
                        Ink::Dark(0.16),
                        0.008,
                    );
                }
            }
            marks.line((-r, y), &[Q((0.0, y + 0.045), (r, y))], Ink::Dark(0.3), 0.01);
        }
        _ => marks.fill(ellipse(0.0, brow - 0.08, r, 0.14), Ink::Cloth(0.0)),
    }
    if let (Some(motif), false) = (&p.motif, pose.back) {
        let small = Motif {
            size: motif.size * 0.45,
            ..*motif
        };
        motif::draw(&small, (-motif.offset.0, brow - 0.1 - motif.offset.1), marks);
    }
}

/// A scarf about the neck.
pub(super) fn scarf(p: &Product, pose: &Pose, marks: &mut Marks) {
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
