//! Shoes and boots: one profile, drawn twice.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

/// One shoe from the side, toe to the right: from x = 0 (heel) to x = 1 (toe), the ground at y = 0, up is negative.
fn profile(p: &Product, worn: bool, marks: &mut Marks) {
    let m = &p.measures;
    let heel = match (p.category, p.cut) {
        (_, Cut::Pump) => between(0.26, 0.44, m.length),
        (Category::Boots, Cut::Ankle | Cut::Knee) => between(0.08, 0.3, m.length),
        (_, Cut::Loafer) => 0.08,
        (Category::Boots, _) => 0.1,
        _ => 0.0,
    };
    let sole = match p.cut {
        Cut::Sneaker => between(0.08, 0.14, m.hem),
        Cut::Hiking => between(0.1, 0.14, m.hem),
        Cut::Sandal => between(0.05, 0.12, m.hem),
        _ => 0.035,
    };
    let shaft = match (p.category, p.cut) {
        (Category::Boots, Cut::Knee) => between(1.35, 1.7, m.sleeve),
        (Category::Boots, Cut::Ankle) => between(0.62, 0.78, m.sleeve),
        (Category::Boots, Cut::Chelsea) => between(0.66, 0.8, m.sleeve),
        (Category::Boots, _) => between(0.6, 0.72, m.sleeve),
        (_, Cut::Sneaker) if m.detail[3] > 0.65 => between(0.5, 0.6, m.sleeve),
        (_, Cut::Sneaker) => between(0.36, 0.42, m.sleeve),
        (_, Cut::Loafer) => 0.34,
        (_, Cut::Pump | Cut::Ballet) => 0.24,
        _ => 0.3,
    };
    let toe = between(0.1, 0.2, m.flare) + if p.cut == Cut::Pump { -0.06 } else { 0.0 };
    let sole_ink = match (p.cut, m.detail[0]) {
        (Cut::Sneaker, d) if d < 0.6 => Ink::Rgb([240, 239, 235]),
        (Cut::Sneaker, d) if d < 0.8 => Ink::Rgb([176, 128, 84]),
        (Cut::Sneaker, _) => Ink::Accent(1.0),
        (_, d) if d < 0.45 => Ink::Rgb([46, 36, 32]),
        (_, d) if d < 0.7 => Ink::Rgb([122, 84, 54]),
        _ => Ink::Main(0.55),
    };
    let back_y = -sole - heel;
    let tall = back_y - shaft;
    // The sole, with its heel.
    match heel > 0.05 {
        true => {
            let block = if p.cut == Cut::Pump {
                between(0.05, 0.16, m.detail[1])
            } else {
                0.26
            };
            marks.fill(
                polygon(&[
                    (0.02, back_y - 0.02),
                    (0.24, back_y + 0.03),
                    (0.05 + block, 0.0),
                    (0.05, 0.0),
                ]),
                sole_ink,
            );
            let segs = [
                Q((0.3, back_y + heel * 0.25), (0.62, -sole * 0.8)),
                L((0.62, 0.0)),
                L((0.95, 0.0)),
                Q((1.0, -0.01), (0.99, -sole - 0.02)),
                L((0.62, -sole - 0.02)),
                Q((0.3, back_y - 0.03), (0.02, back_y - 0.03)),
            ];
            marks.fill(path((0.02, back_y), &segs, true), sole_ink);
        }
        false => marks.fill(round_rect(0.0, -sole - 0.02, 1.0, sole + 0.02, 0.05), sole_ink),
    }
    let ink = Ink::Cloth(0.0);
    if p.cut == Cut::Sandal {
        // Straps over a bare foot.
        let foot = [
            C((0.0, -0.2 - sole), (0.3, -0.3 - sole), (0.5, -0.2 - sole)),
            Q((0.9, -0.12 - sole), (0.96, -sole)),
        ];
        if worn {
            marks.over(path((0.04, -sole), &foot, true), Ink::Rgb([214, 168, 140]));
        }
        let straps = 2 + (m.detail[1] * 3.0) as usize;
        for i in 0..straps {
            let x = 0.45 + 0.4 * i as f32 / straps as f32;
            marks.cord(
                (x - 0.05, -sole),
                &[Q((x, -0.34 - sole + 0.26 * (x - 0.4)), (x + 0.12, -sole))],
                Ink::Main(1.0),
                0.07,
            );
        }
        marks.cord(
            (0.06, -sole),
            &[
                Q((0.02, -0.2 - sole), (0.06, -0.33 - sole)),
                Q((0.22, -0.42 - sole), (0.42, -0.28 - sole)),
            ],
            Ink::Main(1.0),
            0.06,
        );
        marks.fill(ellipse(0.3, -0.37 - sole, 0.03, 0.03), Ink::Rgb([198, 172, 98]));
        return;
    }
    let low = matches!(p.cut, Cut::Pump | Cut::Ballet | Cut::Loafer);
    let open = if low { 0.56 } else { 0.42 };
    let front = (
        open,
        if low {
            -sole - toe * 1.45 - 0.02
        } else {
            tall + 0.0
        },
    );
    let mut segs = vec![C((-0.03, back_y - shaft * 0.5), (0.0, tall + 0.05), (0.03, tall))];
    if low {
        segs.push(Q((0.25, tall + 0.16), front));
    } else if p.category == Category::Boots {
        let mouth = if p.cut == Cut::Knee { 0.5 } else { 0.43 };
        segs.push(L((mouth, tall + 0.02)));
        segs.push(C(
            (mouth - 0.03, back_y - shaft * 0.5),
            (0.4, back_y - 0.28),
            (0.6, -sole - toe * 1.5 - heel * 0.2),
        ));
    } else {
        segs.push(Q((0.2, tall + 0.1), (0.36, tall - 0.03)));
        segs.push(C(
            (0.44, tall + 0.06),
            (0.5, -sole - toe * 1.7),
            (0.66, -sole - toe * 1.35),
        ));
    }
    segs.push(C((0.8, -sole - toe * 1.1), (0.98, -sole - toe), (0.99, -sole)));
    segs.push(L((0.62, -sole)));
    segs.push(Q((0.3, back_y + heel * 0.3), (0.01, back_y)));
    let upper = path((0.01, back_y), &segs, true);
    marks.fill(upper.clone(), ink);
    if p.pattern == Pattern::ColourBlock {
        match m.detail[2] {
            d if d < 0.5 => marks.over(
                path(
                    (0.7, 0.0),
                    &[
                        Q((0.62, -0.2), (0.74, -0.6)),
                        L((1.2, -0.6)),
                        L((1.2, -sole)),
                        L((0.7, -sole)),
                    ],
                    true,
                ),
                Ink::Second(1.0),
            ),
            _ => marks.over(
                polygon(&[
                    (-0.1, -sole),
                    (0.2, -sole - heel * 0.4),
                    (0.16, tall - 0.1),
                    (-0.1, tall - 0.1),
                ]),
                Ink::Second(1.0),
            ),
        }
    }
    if let Some(path) = upper {
        marks.0.push(Mark {
            path,
            ink: Ink::Dark(0.35),
            width: 0.022,
            within: true,
        });
    }
    match p.cut {
        Cut::Sneaker | Cut::Hiking => {
            let rows = 4 + (m.detail[1] * 2.0) as usize;
            let (from, to) = ((0.4, tall + 0.1), (0.64, -sole - toe * 1.4));
            let lace = if m.detail[3] > 0.4 {
                Ink::Rgb([244, 243, 238])
            } else {
                Ink::Accent(1.0)
            };
            for i in 0..rows {
                let f = i as f32 / rows as f32;
                let (x, y) = (from.0 + (to.0 - from.0) * f, from.1 + (to.1 - from.1) * f);
                marks.line((x - 0.13, y + 0.07), &[L((x + 0.03, y - 0.01))], lace, 0.028);
            }
            marks.line(
                (0.62, -sole - toe * 1.4),
                &[Q((0.68, -sole - 0.06), (0.72, -sole))],
                Ink::Dark(0.3),
                0.018,
            );
            if p.cut == Cut::Sneaker {
                match (m.detail[2] * 4.0) as usize {
                    0 => marks.line(
                        (0.18, -sole - 0.06),
                        &[Q((0.4, -sole - 0.06), (0.56, -sole - 0.24))],
                        Ink::Second(1.0),
                        0.06,
                    ),
                    1 => [0.0, 0.09, 0.18].into_iter().for_each(|x| {
                        marks.line(
                            (0.26 + x, -sole),
                            &[L((0.34 + x, -sole - 0.26))],
                            Ink::Second(1.0),
                            0.036,
                        )
                    }),
                    2 => marks.over(ellipse(0.24, -sole - 0.17, 0.075, 0.075), Ink::Second(1.0)),
                    _ => {}
                }
                if p.trim == Some(Trim::Contrast) {
                    marks.over(
                        path(
                            (0.72, -sole),
                            &[Q((0.74, -0.3), (0.86, -0.34)), L((1.1, -0.2)), L((1.0, -sole))],
                            true,
                        ),
                        Ink::Second(1.0),
                    );
                }
                marks.over(rect(-0.02, -sole - 0.02, 1.04, 0.022), Ink::Dark(0.25));
            } else {
                marks.over(rect(-0.1, -sole - 0.05, 1.2, 0.05), Ink::Dark(0.3));
                for i in 0..8 {
                    marks.over(rect(0.02 + i as f32 * 0.125, -0.04, 0.05, 0.05), Ink::Dark(0.6));
                }
                marks.line(
                    (0.0, tall + 0.06),
                    &[L((0.45, tall + 0.06))],
                    Ink::Second(0.9),
                    0.09,
                );
            }
        }
        Cut::Chelsea => {
            marks.over(
                polygon(&[
                    (0.14, tall - 0.02),
                    (0.32, tall - 0.02),
                    (0.27, back_y - 0.22),
                    (0.2, back_y - 0.22),
                ]),
                Ink::Dark(0.45),
            );
            marks.cord(
                (0.0, tall + 0.02),
                &[Q((-0.04, tall - 0.08), (0.06, tall - 0.05))],
                Ink::Main(0.8),
                0.03,
            );
        }
        Cut::Ankle | Cut::Knee => {
            marks.line((0.26, tall), &[L((0.24, back_y - 0.1))], Ink::Dark(0.3), 0.018);
            if m.detail[2] > 0.5 {
                marks.line(
                    (0.0, back_y - 0.3),
                    &[L((0.48, back_y - 0.26))],
                    Ink::Main(0.6),
                    0.06,
                );
                marks.over(rect(0.2, back_y - 0.33, 0.08, 0.1), Ink::Rgb([200, 178, 112]));
            }
        }
        Cut::Loafer => {
            marks.line(
                (0.5, -sole - toe * 1.7),
                &[Q((0.56, -sole - toe), (0.5, -sole - 0.03))],
                Ink::Dark(0.4),
                0.022,
            );
            marks.line(
                (0.52, -sole - toe * 1.35),
                &[L((0.68, -sole - toe * 1.1))],
                if m.detail[2] > 0.5 {
                    Ink::Rgb([204, 180, 104])
                } else {
                    Ink::Main(0.55)
                },
                0.07,
            );
        }
        Cut::Ballet => {
            marks.over(
                ellipse(0.62, -sole - toe * 1.25, 0.07, 0.05),
                if p.trim.is_some() {
                    Ink::Second(1.0)
                } else {
                    Ink::Main(0.7)
                },
            );
        }
        Cut::Pump if p.trim == Some(Trim::Contrast) => {
            marks.over(
                path(
                    (0.74, 0.0),
                    &[Q((0.74, -0.2), (0.82, -0.4)), L((1.2, -0.3)), L((1.1, 0.0))],
                    true,
                ),
                Ink::Second(1.0),
            );
        }
        _ => {}
    }
    if !worn && !low {
        let mouth = if p.category == Category::Boots { 0.44 } else { 0.34 };
        marks.over(
            ellipse(mouth / 2.0 + 0.02, tall + 0.015, mouth / 2.0, 0.04),
            Ink::Dark(0.5),
        );
    } else if low && !worn {
        marks.over(
            path(
                (0.04, tall + 0.03),
                &[
                    Q((0.25, tall + 0.19), (open - 0.02, front.1 + 0.02)),
                    Q((0.3, front.1 - 0.02), (0.04, tall + 0.03)),
                ],
                true,
            ),
            Ink::Rgb([206, 182, 150]),
        );
    }
}

/// A pair: side by side where it is photographed alone, under the legs where it is worn.
pub(super) fn pair(p: &Product, pose: &Pose, marks: &mut Marks) {
    let length = 0.4 + 0.04 * p.measures.width;
    let spread = between(0.0, 0.09, pose.stride);
    let ground = 2.62;
    if pose.worn {
        for sign in [-1.0f32, 1.0] {
            let from = marks.0.len();
            profile(p, true, marks);
            // The shaft stands about the ankle: heel inwards, toe outwards.
            let x = sign * (0.185 + spread - 0.22 * length);
            marks.transform(
                from,
                Transform::from_row(sign * length, 0.0, 0.0, length, x, ground),
            );
        }
        return;
    }
    for (dx, dy) in [(0.17, -0.13), (0.0, 0.0)] {
        let from = marks.0.len();
        profile(p, false, marks);
        let sign = if pose.back { -1.0 } else { 1.0 };
        let row = Transform::from_row(sign * length, 0.0, 0.0, length, sign * (dx - 0.29), ground + dy);
        marks.transform(from, row);
    }
}
