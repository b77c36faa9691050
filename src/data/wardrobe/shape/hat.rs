//! Hats and caps.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

/// A hat: on a head whose middle is (0, −0.36).
pub(super) fn draw(p: &Product, pose: &Pose, marks: &mut Marks) {
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
