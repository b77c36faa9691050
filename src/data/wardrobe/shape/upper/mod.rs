//! Tops, jackets, coats and dresses: a torso, two sleeves, and what is at the neck and down the front.

mod front;
mod neck;
mod seams;
mod sleeve;
mod torso;

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;
use front::front;
use neck::{collar, hood_behind, inside};
use seams::{edges, skirt_of};
use sleeve::sleeve;
use torso::{Torso, torso};

pub(super) fn draw(p: &Product, pose: &Pose, marks: &mut Marks) {
    use Category as K;
    let m = &p.measures;
    let t = torso(p, pose);
    let neck = p.neck.unwrap_or(Neck::Round);
    let block = p.pattern == Pattern::ColourBlock;
    if neck == Neck::Hood {
        hood_behind(p, pose, marks);
    }
    if !pose.worn && !pose.back {
        inside(p, &t, marks);
    }
    for sign in [-1.0, 1.0] {
        let Some((outline, [a, b], turn)) = sleeve(p, &t, pose, sign) else {
            continue;
        };
        let ink = if block && m.detail[0] > 0.5 {
            Ink::Second(1.0)
        } else {
            Ink::Cloth(turn)
        };
        marks.fill(outline, ink);
        let ribbed = matches!(p.category, K::Sweater | K::Hoodie) || p.cut == Cut::Bomber;
        let long = matches!(p.sleeve, Some(Sleeve::Long | Sleeve::ThreeQuarter));
        let cuff = match (ribbed && long, p.category, p.trim) {
            (true, _, Some(Trim::Contrast)) => Some((Ink::Second(0.97), 0.085)),
            (true, _, _) => Some((Ink::Main(0.88), 0.085)),
            (_, K::TShirt | K::Blouse | K::Dress, Some(Trim::Contrast)) => Some((Ink::Second(1.0), 0.035)),
            (_, K::Shirt, _) if long => Some((Ink::Dark(0.08), 0.07)),
            _ => None,
        };
        if let Some((ink, width)) = cuff {
            marks.line(a, &[L(b)], ink, width * 1.9);
        }
        marks.line(a, &[L(b)], Ink::Dark(0.25), 0.012);
        if p.cut == Cut::Puffer {
            for i in 1..5 {
                let f = i as f32 / 5.0;
                let from = (
                    t.shoulder.0 * sign + (a.0 - t.shoulder.0 * sign) * f,
                    t.shoulder.1 + (a.1 - t.shoulder.1) * f,
                );
                let to = (
                    t.armpit.0 * sign + (b.0 - t.armpit.0 * sign) * f,
                    t.armpit.1 + (b.1 - t.armpit.1) * f,
                );
                marks.line(from, &[L(to)], Ink::Dark(0.28), 0.014);
            }
        }
    }
    let body = t.outline(p);
    marks.fill(body.clone(), Ink::Cloth(0.0));
    if let Some(body) = body {
        marks.0.push(Mark {
            path: body,
            ink: Ink::Dark(0.3),
            width: 0.011,
            within: true,
        });
    }
    if block {
        let split = between(0.35, 0.75, m.period);
        match m.detail[1] {
            d if d < 0.6 => marks.over(
                rect(
                    -t.hem.0.max(t.armpit.0) - 0.04,
                    t.hem.1 * split + 0.1,
                    2.0 * t.hem.0.max(t.armpit.0) + 0.08,
                    4.0,
                )
                .filter(|_| m.detail[0] <= 0.5),
                Ink::Second(1.0),
            ),
            _ => marks.over(
                rect(
                    -t.armpit.0 + 0.0,
                    between(0.3, 0.45, m.period),
                    2.0 * t.armpit.0,
                    between(0.12, 0.26, m.duty),
                ),
                Ink::Second(1.0),
            ),
        }
    }
    skirt_of(p, &t, marks);
    edges(p, &t, marks);
    if !pose.back {
        front(p, &t, pose, marks);
    } else {
        marks.line(
            (-t.shoulder.0, 0.13),
            &[Q((0.0, 0.17), (t.shoulder.0, 0.13))],
            Ink::Dark(if p.category == K::Shirt { 0.25 } else { 0.1 }),
            0.01,
        );
    }
    collar(p, &t, pose, marks);
    if let (Some(motif), false) = (&p.motif, pose.back) {
        let y = if p.category == K::Hoodie { 0.4 } else { 0.42 };
        motif::draw(motif, (0.0, y), marks);
    }
}
