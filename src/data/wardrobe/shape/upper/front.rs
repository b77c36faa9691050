//! What runs down the front: closure, pockets, strings.

use super::*;

/// What runs down the front: closure, pockets, strings.
pub(super) fn front(p: &Product, t: &Torso, pose: &Pose, marks: &mut Marks) {
    use Category as K;
    let m = &p.measures;
    let top = t.dip;
    let bottom = t.hem.1 + t.curve;
    let skirted = p.category == K::Dress;
    let seam = if skirted { t.waist.1 } else { bottom };
    let button = match m.detail[0] {
        d if d < 0.4 => Ink::Rgb([236, 232, 222]),
        d if d < 0.7 => Ink::Second(1.0),
        _ => Ink::Main(0.45),
    };
    let radius = match p.category {
        K::Coat | K::Jacket => between(0.02, 0.028, m.detail[1]),
        _ => between(0.012, 0.017, m.detail[1]),
    };
    let knob = |marks: &mut Marks, x: f32, y: f32| {
        marks.over(
            ellipse(x, y + 0.006, radius * 1.15, radius * 1.15),
            Ink::Dark(0.35),
        );
        marks.over(ellipse(x, y, radius, radius), button);
    };
    match p.closure {
        Some(Closure::Buttons) => {
            let x = if p.cut == Cut::Blazer { 0.03 } else { 0.0 };
            marks.line((x - 0.035, top), &[L((x - 0.035, seam))], Ink::Dark(0.22), 0.009);
            marks.line((x + 0.035, top), &[L((x + 0.035, seam))], Ink::Dark(0.12), 0.007);
            let (from, count) = match p.cut {
                Cut::Blazer => (top + 0.1, 2 + (m.detail[2] * 2.0) as usize),
                _ => (top + 0.07, 4 + (m.detail[2] * 4.0) as usize),
            };
            let to = (seam - 0.12).max(from + 0.1);
            for i in 0..count {
                knob(
                    marks,
                    x,
                    from + (to - from) * i as f32 / (count as f32 - 1.0).max(1.0),
                );
            }
        }
        Some(Closure::DoubleBreasted) => {
            marks.line((-0.1, top), &[L((-0.13, bottom))], Ink::Dark(0.28), 0.012);
            let count = 2 + (m.detail[2] * 3.0) as usize;
            let to = (seam - 0.35).max(top + 0.2);
            for i in 0..count {
                let y = top + 0.07 + (to - top - 0.07) * i as f32 / (count as f32 - 1.0).max(1.0);
                knob(marks, -0.085, y);
                knob(marks, 0.095, y);
            }
        }
        Some(Closure::Zip) => {
            let slant = if p.cut == Cut::Biker { 0.16 } else { 0.0 };
            let metal = if m.detail[0] > 0.5 {
                Ink::Rgb([190, 192, 196])
            } else {
                Ink::Main(0.4)
            };
            marks.line((slant, top), &[L((slant * 0.2, bottom))], Ink::Dark(0.4), 0.034);
            marks.line((slant, top), &[L((slant * 0.2, bottom))], metal, 0.014);
            marks.over(rect(slant - 0.012, top + 0.04, 0.024, 0.05), metal);
        }
        _ if p.cut == Cut::Trench || p.category == K::Coat => {
            marks.line((-0.09, top), &[L((-0.11, bottom))], Ink::Dark(0.3), 0.012);
        }
        _ => {}
    }
    if p.cut == Cut::Wrap {
        marks.line(
            t.neck,
            &[
                L((-t.waist.0 * 0.8, t.waist.1)),
                Q((-t.waist.0 * 0.6, t.hem.1 * 0.8), (t.hem.0 * 0.2, t.hem.1)),
            ],
            Ink::Dark(0.32),
            0.013,
        );
    }
    let stitch = if p.pattern == Pattern::Denim {
        Ink::Rgb([214, 160, 84])
    } else {
        Ink::Dark(0.28)
    };
    let pocket = |marks: &mut Marks, x: f32, y: f32, w: f32, h: f32| {
        marks.over(round_rect(x - w / 2.0, y, w, h, 0.03), Ink::Dark(0.07));
        marks.line(
            (x - w / 2.0, y),
            &[
                L((x - w / 2.0, y + h * 0.8)),
                L((x, y + h)),
                L((x + w / 2.0, y + h * 0.8)),
                L((x + w / 2.0, y)),
                L((x - w / 2.0, y)),
            ],
            stitch,
            0.01,
        );
        marks.line(
            (x - w / 2.0, y + h * 0.2),
            &[L((x + w / 2.0, y + h * 0.2))],
            stitch,
            0.008,
        );
    };
    match p.pockets {
        Some(Pockets::Chest) => pocket(marks, 0.16, 0.3, 0.14, 0.16),
        Some(Pockets::TwoChest) => [-0.17, 0.17]
            .into_iter()
            .for_each(|x| pocket(marks, x, 0.3, 0.14, 0.16)),
        Some(Pockets::Patch) => {
            let y = if skirted || p.category == K::Coat {
                1.02
            } else {
                (t.hem.1 - 0.32).max(0.5)
            };
            [-0.2, 0.2]
                .into_iter()
                .for_each(|x| pocket(marks, x, y, 0.19, 0.21));
        }
        Some(Pockets::Welt) => {
            let y = if p.category == K::Coat {
                0.98
            } else {
                (t.hem.1 - 0.3).max(0.5)
            };
            let slant = between(-0.02, 0.09, m.detail[3]);
            marks.lines((0.12, y + slant), &[L((0.26, y))], Ink::Dark(0.45), 0.03);
            marks.lines(
                (0.12, y + slant - 0.012),
                &[L((0.26, y - 0.012))],
                Ink::Light(0.15),
                0.01,
            );
        }
        Some(Pockets::Kangaroo) => {
            let (y, w) = (t.hem.1 - 0.4, 0.21);
            let shape = [
                (-w * 0.62, y),
                (w * 0.62, y),
                (w, y + 0.16),
                (w, y + 0.29),
                (-w, y + 0.29),
                (-w, y + 0.16),
            ];
            marks.over(polygon(&shape), Ink::Dark(0.1));
            marks.edge(&shape, Ink::Dark(0.35), 0.012);
        }
        _ => {}
    }
    if p.neck == Some(Neck::Hood) && p.category == K::Hoodie && !pose.back {
        let length = between(0.16, 0.3, m.detail[3]);
        let ink = if m.detail[0] > 0.5 {
            Ink::Rgb([238, 236, 230])
        } else {
            Ink::Second(1.0)
        };
        for (x, l) in [(-0.06, length), (0.055, length * 0.93)] {
            marks.line(
                (x, top - 0.01),
                &[Q((x * 1.3, top + l * 0.5), (x * 1.1, top + l))],
                ink,
                0.016,
            );
        }
    }
}
