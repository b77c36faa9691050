//! Skirts, trousers, jeans and shorts.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

const WAIST: f32 = 0.78;

fn waistband(p: &Product, half: f32, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let high = between(0.06, 0.09, m.waist);
    let denim = p.pattern == Pattern::Denim;
    let ink = match (denim, p.trim) {
        (_, Some(Trim::Contrast)) => Ink::Second(1.0),
        (true, _) => Ink::Cloth(0.0),
        _ => Ink::Main(0.9),
    };
    marks.over(
        rect(-half - 0.05, WAIST - 0.02, 2.0 * half + 0.1, high + 0.02),
        ink,
    );
    marks.line(
        (-half - 0.05, WAIST + high),
        &[L((half + 0.05, WAIST + high))],
        Ink::Dark(0.35),
        0.012,
    );
    if p.closure == Some(Closure::Belt) {
        let belt = if m.detail[3] > 0.5 {
            Ink::Rgb([92, 60, 38])
        } else {
            Ink::Rgb([34, 32, 33])
        };
        marks.over(rect(-half - 0.05, WAIST + 0.012, 2.0 * half + 0.1, 0.05), belt);
        if !pose.back {
            marks.over(
                rect(-0.035, WAIST + 0.004, 0.07, 0.066),
                Ink::Rgb([202, 190, 150]),
            );
            marks.over(rect(-0.018, WAIST + 0.022, 0.036, 0.03), belt);
        }
    }
    if matches!(
        p.category,
        Category::Jeans | Category::Trousers | Category::Shorts
    ) {
        for x in [0.4, 0.8] {
            marks.lines(
                (half * x, WAIST),
                &[L((half * x, WAIST + high))],
                Ink::Main(0.7),
                0.018,
            );
        }
    }
}

pub(super) fn skirt(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let waist = between(0.255, 0.285, m.width);
    let hip = between(0.345, 0.375, m.width);
    let bottom = match p.length {
        Some(Length::Mini) => between(1.24, 1.36, m.length),
        Some(Length::Midi) => between(1.95, 2.12, m.length),
        Some(Length::Maxi) => between(2.3, 2.42, m.length),
        _ => between(1.62, 1.78, m.length),
    };
    let hem = match p.cut {
        Cut::Pencil => hip + between(-0.05, 0.0, m.flare),
        Cut::ALine | Cut::Wrap => hip + between(0.06, 0.16, m.flare) * (0.6 + 0.4 * (bottom - 0.8)),
        _ => hip + between(0.16, 0.3, m.flare) * (0.7 + 0.4 * (bottom - 0.8)),
    };
    let curve = between(0.0, 0.05, m.hem);
    let flared = matches!(p.cut, Cut::Flared | Cut::Pleated);
    let side = match flared {
        true => vec![C(
            (waist + 0.05, WAIST + 0.12),
            (hem - 0.1, bottom - 0.4 * (bottom - WAIST)),
            (hem, bottom),
        )],
        false => vec![
            C(
                (waist + 0.02, WAIST + 0.1),
                (hip, WAIST + 0.17),
                (hip, WAIST + 0.32),
            ),
            L((hem, bottom)),
        ],
    };
    let mut segs = vec![L((waist, WAIST))];
    segs.extend(side);
    segs.push(Q((hem * 0.5, bottom + curve * 2.0), (0.0, bottom + curve)));
    marks.fill(symmetric((0.0, WAIST + 0.01), &segs), Ink::Cloth(0.0));
    if p.pattern == Pattern::ColourBlock {
        marks.over(
            rect(-1.0, between(WAIST + 0.25, bottom - 0.12, m.duty), 2.0, 3.0),
            Ink::Second(1.0),
        );
    }
    let pleats = match p.cut {
        Cut::Pleated => 7 + (m.detail[0] * 5.0) as usize,
        Cut::Flared => 4 + (m.detail[0] * 3.0) as usize,
        _ => 0,
    };
    for i in 0..pleats {
        let f = (i as f32 + 0.5) / pleats as f32 * 2.0 - 1.0;
        let strength = if p.cut == Cut::Pleated { 0.26 } else { 0.13 };
        let low = (hem * f, bottom + curve);
        marks.line((waist * f, WAIST), &[L(low)], Ink::Dark(strength), 0.018);
        marks.line(
            (waist * f + 0.014, WAIST),
            &[L((low.0 + 0.02, low.1))],
            Ink::Light(strength * 0.7),
            0.014,
        );
    }
    if p.cut == Cut::Wrap && !pose.back {
        marks.line(
            (waist * 0.6, WAIST),
            &[Q((hip * 0.5, bottom * 0.7), (-hem * 0.1, bottom + curve))],
            Ink::Dark(0.36),
            0.014,
        );
    }
    if p.cut == Cut::Pencil {
        let slit = between(0.1, 0.3, m.detail[1]);
        marks.line(
            (0.0 + if pose.back { 0.0 } else { 0.14 }, bottom - slit),
            &[L((if pose.back { 0.0 } else { 0.15 }, bottom + 0.05))],
            Ink::Dark(0.45),
            0.016,
        );
    }
    if p.trim == Some(Trim::Contrast) {
        marks.line(
            (-hem, bottom),
            &[Q((0.0, bottom + curve * 2.0), (hem, bottom))],
            Ink::Second(1.0),
            between(0.06, 0.14, m.hem),
        );
    } else {
        marks.line(
            (-hem, bottom - 0.04),
            &[Q((0.0, bottom - 0.04 + curve * 2.0), (hem, bottom - 0.04))],
            Ink::Dark(0.18),
            0.008,
        );
    }
    waistband(p, waist, pose, marks);
    if pose.back {
        return;
    }
    if p.closure == Some(Closure::Buttons) {
        let count = 3 + (m.detail[2] * 5.0) as usize;
        marks.line(
            (-0.03, WAIST),
            &[L((-0.03, bottom + curve))],
            Ink::Dark(0.25),
            0.01,
        );
        for i in 0..count {
            let y = WAIST + 0.12 + (bottom - WAIST - 0.2) * i as f32 / count as f32;
            marks.over(ellipse(0.0, y + 0.006, 0.024, 0.024), Ink::Dark(0.3));
            marks.over(ellipse(0.0, y, 0.02, 0.02), Ink::Rgb([206, 180, 120]));
        }
    }
    if p.pockets == Some(Pockets::Patch) {
        for x in [-0.19f32, 0.19] {
            let y = WAIST + 0.17;
            marks.over(round_rect(x - 0.085, y, 0.17, 0.19, 0.03), Ink::Dark(0.09));
            marks.line(
                (x - 0.085, y),
                &[
                    L((x - 0.085, y + 0.16)),
                    L((x, y + 0.19)),
                    L((x + 0.085, y + 0.16)),
                    L((x + 0.085, y)),
                    L((x - 0.085, y)),
                ],
                Ink::Dark(0.32),
                0.011,
            );
        }
    }
}

pub(super) fn trousers(p: &Product, pose: &Pose, marks: &mut Marks) {
    let m = &p.measures;
    let waist = between(0.26, 0.285, m.width);
    let loose = match p.cut {
        Cut::Skinny => -0.02,
        Cut::Wide => 0.045,
        Cut::Cargo => 0.03,
        _ => 0.0,
    } + between(-0.008, 0.012, m.width);
    let hip = 0.36 + loose * 0.6;
    let shorts = p.category == Category::Shorts;
    let bottom = match (shorts, p.length) {
        (true, Some(Length::Mini)) => between(1.38, 1.5, m.length),
        (true, _) => between(1.64, 1.78, m.length),
        (_, Some(Length::Cropped)) => between(2.1, 2.2, m.length),
        _ => between(2.4, 2.5, m.length),
    };
    let spread = between(0.0, 0.09, pose.stride);
    let centre = |y: f32| 0.185 + spread * (y - 1.2).max(0.0) / 1.2;
    let knee_half = (0.125 + loose).max(0.09);
    let ankle_half = match p.cut {
        Cut::Skinny => 0.075,
        Cut::Tapered => 0.085 + between(0.0, 0.015, m.flare),
        Cut::Wide => between(0.18, 0.23, m.flare),
        Cut::Bootcut => between(0.15, 0.19, m.flare),
        Cut::Cargo => 0.13,
        _ => between(0.11, 0.13, m.flare),
    };
    let half_at = |y: f32| match y < 1.8 {
        true => 0.18 + (knee_half - 0.18) * ((y - 1.2) / 0.6).clamp(0.0, 1.0) + loose * 0.3,
        false => knee_half + (ankle_half - knee_half) * ((y - 1.8) / 0.6),
    };
    let half = half_at(bottom) + if shorts { between(0.0, 0.04, m.flare) } else { 0.0 };
    let (c, crotch) = (centre(bottom), 1.22 + between(0.0, 0.03, m.hem));
    let mut segs = vec![
        L((waist, WAIST)),
        C(
            (waist + 0.03, WAIST + 0.1),
            (hip, WAIST + 0.2),
            (hip, WAIST + 0.36),
        ),
    ];
    if bottom > 1.85 {
        let (k, w) = (centre(1.78), half_at(1.78));
        segs.push(C((hip, 1.35), (k + w + 0.01, 1.55), (k + w, 1.78)));
        segs.push(C((k + w, 1.95), (c + half, bottom - 0.3), (c + half, bottom)));
        segs.push(L((c - half, bottom + 0.012)));
        segs.push(C((c - half, bottom - 0.3), (k - w, 1.95), (k - w, 1.78)));
        segs.push(C((k - w, 1.55), (0.02, 1.35), (0.0, crotch)));
    } else {
        segs.push(L((c + half, bottom)));
        segs.push(L(((c - half).max(0.015), bottom + 0.015)));
        segs.push(L((0.0, crotch)));
    }
    let outline = symmetric((0.0, WAIST + 0.012), &segs);
    marks.fill(outline.clone(), Ink::Cloth(0.0));
    if p.pattern == Pattern::ColourBlock {
        marks.over(
            rect(-1.0, between(1.3, bottom - 0.1, m.duty), 2.0, 3.0),
            Ink::Second(1.0),
        );
    }
    // Wash: thighs are paler.
    if p.pattern == Pattern::Denim && m.detail[0] > 0.35 {
        for (grow, strength) in [(1.0, 0.06), (0.7, 0.07), (0.45, 0.08)] {
            for sign in [-1.0, 1.0] {
                let y = between(1.4, 1.6, m.detail[1]).min(bottom - 0.15);
                marks.over(
                    ellipse(sign * centre(y), y, 0.12 * grow, 0.3 * grow),
                    Ink::Light(strength * m.detail[0] * 1.6),
                );
            }
        }
    }
    if let Some(path) = outline {
        marks.0.push(Mark {
            path,
            ink: Ink::Dark(0.28),
            width: 0.011,
            within: true,
        });
    }
    marks.line((0.0, WAIST), &[L((0.0, crotch))], Ink::Dark(0.3), 0.011);
    let stitch = if p.pattern == Pattern::Denim {
        Ink::Rgb([216, 164, 92])
    } else {
        Ink::Dark(0.3)
    };
    if p.trim == Some(Trim::Band) {
        let segs = [
            Q((hip + 0.005, WAIST + 0.2), (hip - 0.03, WAIST + 0.36)),
            L((c + half - 0.03, bottom)),
        ];
        marks.lines((waist - 0.02, WAIST), &segs, Ink::Second(1.0), 0.05);
    }
    if pose.back {
        marks.lines(
            (0.0, WAIST + 0.16),
            &[L((hip - 0.02, WAIST + 0.11))],
            stitch,
            0.01,
        );
        for x in [-0.17f32, 0.17] {
            let y = WAIST + 0.21;
            marks.line(
                (x - 0.075, y),
                &[
                    L((x - 0.075, y + 0.13)),
                    L((x, y + 0.17)),
                    L((x + 0.075, y + 0.13)),
                    L((x + 0.075, y)),
                    L((x - 0.075, y)),
                ],
                stitch,
                0.011,
            );
            if p.category == Category::Jeans && m.detail[2] > 0.5 {
                marks.line(
                    (x - 0.07, y + 0.06),
                    &[
                        Q((x - 0.02, y + 0.1), (x, y + 0.07)),
                        Q((x + 0.03, y + 0.1), (x + 0.07, y + 0.06)),
                    ],
                    stitch,
                    0.008,
                );
            }
        }
    } else {
        marks.line(
            (0.055, WAIST + 0.06),
            &[
                L((0.055, WAIST + 0.26)),
                Q((0.045, WAIST + 0.33), (0.0, WAIST + 0.35)),
            ],
            stitch,
            0.01,
        );
        let depth = between(0.13, 0.22, m.detail[3]);
        match p.category {
            Category::Jeans => marks.lines(
                (0.13, WAIST + 0.08),
                &[Q((0.17, WAIST + depth + 0.02), (hip - 0.01, WAIST + depth))],
                stitch,
                0.012,
            ),
            _ => marks.lines(
                (0.17, WAIST + 0.08),
                &[L((hip - 0.015, WAIST + depth + 0.1))],
                Ink::Dark(0.4),
                0.013,
            ),
        }
        marks.over(
            ellipse(0.0, WAIST + 0.035, 0.017, 0.017),
            Ink::Rgb([196, 176, 130]),
        );
        let pressed = p.category == Category::Trousers
            && matches!(p.cut, Cut::Straight | Cut::Wide | Cut::Tapered)
            && m.detail[2] > 0.4;
        if pressed {
            marks.lines(
                (0.17, WAIST + 0.3),
                &[L((centre(1.78), 1.78)), L((c, bottom))],
                Ink::Dark(0.2),
                0.012,
            );
            marks.lines(
                (0.182, WAIST + 0.3),
                &[L((centre(1.78) + 0.012, 1.78)), L((c + 0.012, bottom))],
                Ink::Light(0.16),
                0.012,
            );
        }
    }
    if p.pockets == Some(Pockets::Cargo) {
        let y = between(1.38, 1.5, m.detail[1]).min(bottom - 0.25);
        for sign in [-1.0f32, 1.0] {
            let x = sign * (centre(y) + half_at(y) - 0.07);
            marks.over(round_rect(x - 0.08, y, 0.16, 0.2, 0.02), Ink::Main(0.86));
            marks.line(
                (x - 0.08, y),
                &[
                    L((x + 0.08, y)),
                    L((x + 0.08, y + 0.2)),
                    L((x - 0.08, y + 0.2)),
                    L((x - 0.08, y)),
                ],
                Ink::Dark(0.4),
                0.012,
            );
            marks.line(
                (x - 0.08, y + 0.055),
                &[L((x + 0.08, y + 0.055))],
                Ink::Dark(0.4),
                0.014,
            );
        }
    }
    if p.trim == Some(Trim::Rips) && !pose.back {
        let mut places = crate::random::stream(m.pattern_seed, "wardrobe rips", &[]);
        for _ in 0..2 + places.below(3) {
            let sign = if places.chance(0.5) { 1.0 } else { -1.0 };
            let y = places.between(1.45, f64::from(bottom) - 0.3) as f32;
            let (x, w) = (sign * centre(y), places.between(0.05, 0.1) as f32);
            marks.over(ellipse(x, y, w, 0.028), Ink::Rgb([226, 222, 214]));
            marks.line((x - w, y), &[L((x + w, y))], Ink::Dark(0.3), 0.008);
        }
    }
    for sign in [-1.0f32, 1.0] {
        let (from, to) = ((sign * (c - half), bottom + 0.012), (sign * (c + half), bottom));
        match p.trim {
            Some(Trim::Turnups) => {
                marks.line(
                    (from.0, from.1 - 0.035),
                    &[L((to.0, to.1 - 0.035))],
                    if p.pattern == Pattern::Denim {
                        Ink::Main(1.35)
                    } else {
                        Ink::Main(0.84)
                    },
                    0.085,
                );
                marks.line(
                    (from.0, from.1 - 0.08),
                    &[L((to.0, to.1 - 0.08))],
                    Ink::Dark(0.35),
                    0.012,
                );
            }
            _ => marks.line(
                (from.0, from.1 - 0.045),
                &[L((to.0, to.1 - 0.045))],
                stitch,
                0.009,
            ),
        }
    }
    waistband(p, waist, pose, marks);
}
