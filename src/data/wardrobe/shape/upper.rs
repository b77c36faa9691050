//! Tops, jackets, coats and dresses: a torso, two sleeves, and what is at the neck and down the front.

use super::Seg::{C, L, Q};
use super::*;
use crate::data::wardrobe::product::*;

/// The measures of a torso in body units.
struct Torso {
    shoulder: P,
    armpit: P,
    waist: P,
    hem: P,
    /// Where neck and shoulder meet.
    neck: P,
    /// The lowest point of the opening in front.
    dip: f32,
    /// How far the hem's middle lies below its ends.
    curve: f32,
}

fn torso(p: &Product, pose: &Pose) -> Torso {
    use Category as K;
    let m = &p.measures;
    let outer = matches!(p.category, K::Jacket | K::Coat);
    let ease = match p.fit {
        Some(Fit::Slim) => -0.025,
        Some(Fit::Loose) => 0.045,
        Some(Fit::Oversized) => 0.09,
        _ => 0.0,
    } + if outer { 0.045 } else { 0.0 }
        + between(-0.02, 0.03, m.width);
    let dropped = if p.fit == Some(Fit::Oversized) { 0.05 } else { 0.0 };
    let hem_y = match (p.category, p.length) {
        (K::Coat | K::Dress, Some(Length::Mini)) => between(1.38, 1.5, m.length),
        (K::Coat | K::Dress, Some(Length::Knee)) => between(1.68, 1.8, m.length),
        (K::Coat | K::Dress, Some(Length::Midi)) => between(1.98, 2.12, m.length),
        (K::Coat | K::Dress, Some(Length::Maxi)) => between(2.3, 2.42, m.length),
        (_, Some(Length::Cropped)) => between(0.7, 0.8, m.length),
        (_, Some(Length::Longline)) => between(1.2, 1.3, m.length),
        _ => between(0.98, 1.1, m.length),
    };
    let taken = match p.category {
        K::Dress | K::Blouse => between(0.02, 0.07, m.waist),
        K::Jacket if p.cut == Cut::Blazer => between(0.02, 0.05, m.waist),
        K::Coat if p.cut != Cut::Parka => between(0.0, 0.05, m.waist),
        _ => between(-0.01, 0.02, m.waist),
    };
    let chest = 0.325 + ease;
    let waist = match p.cut {
        Cut::Shift => chest - 0.01,
        Cut::Bomber | Cut::Puffer => chest + 0.01,
        _ => 0.285 + ease - taken,
    };
    let flare = m.flare;
    let hem = match (p.category, p.cut) {
        (K::Dress, Cut::Pencil) => 0.3 + ease * 0.5 + between(-0.02, 0.02, flare),
        (K::Dress, Cut::Shift) => chest + between(0.02, 0.08, flare),
        (K::Dress, Cut::Flared | Cut::Pleated) => between(0.55, 0.72, flare),
        (K::Dress, _) => between(0.42, 0.55, flare),
        (K::Coat, _) => 0.36 + ease + between(0.0, 0.1, flare),
        (K::Blouse, Cut::Peplum) => 0.42 + between(0.0, 0.06, flare),
        (K::Jacket, Cut::Bomber) => waist - 0.035,
        _ => waist + between(0.0, 0.05, flare),
    };
    let strap = p.sleeve == Some(Sleeve::Strap);
    let bare = matches!(p.sleeve, Some(Sleeve::None));
    let shoulder_x = match (strap, bare) {
        (true, _) => 0.25,
        (_, true) => 0.335 + ease * 0.4,
        _ => 0.395 + ease * 0.6 + dropped,
    };
    let wide = match p.neck {
        Some(Neck::Boat) => 0.25,
        Some(Neck::Scoop | Neck::Square) => 0.19,
        Some(Neck::Turtle | Neck::Stand | Neck::Band | Neck::Collar) => 0.105,
        _ => 0.14,
    } + between(-0.015, 0.025, m.neck_width);
    let wide = if strap {
        wide.clamp(0.205, 0.225)
    } else {
        wide.min(shoulder_x - 0.05)
    };
    let depth = match p.neck {
        Some(Neck::V | Neck::Lapel) => between(0.26, 0.4, m.neck_depth),
        Some(Neck::Scoop) => between(0.2, 0.28, m.neck_depth),
        Some(Neck::Square) => between(0.15, 0.22, m.neck_depth),
        Some(Neck::Collar) => between(0.12, 0.2, m.neck_depth),
        Some(Neck::Boat) => 0.06,
        Some(Neck::Turtle | Neck::Stand | Neck::Band) => 0.05,
        _ => between(0.1, 0.16, m.neck_depth),
    };
    let depth = if pose.back { 0.035 } else { depth };
    let depth = if p.cut == Cut::Wrap && !pose.back {
        0.42
    } else {
        depth
    };
    let curve = match p.category {
        K::Shirt => between(0.02, 0.09, m.hem),
        K::Dress | K::Coat => between(0.0, 0.04, m.hem),
        _ => between(-0.01, 0.03, m.hem),
    };
    let slope = if strap {
        0.0
    } else {
        0.02 + 0.13 * (shoulder_x - wide)
    };
    Torso {
        shoulder: (shoulder_x, slope),
        armpit: (chest, 0.35 + dropped + if bare || strap { -0.03 } else { 0.0 }),
        waist: (
            waist,
            if p.category == K::Dress {
                between(0.68, 0.8, m.waist)
            } else {
                0.74
            },
        ),
        hem: (hem, hem_y),
        neck: (wide, -0.03),
        dip: depth - 0.03,
        curve,
    }
}

impl Torso {
    /// From the middle of the opening to the point at the neck.
    fn opening(&self, neck: Neck) -> Vec<Seg> {
        let ((x, y), d) = (self.neck, self.dip);
        match neck {
            Neck::V | Neck::Lapel | Neck::Collar => vec![Q((x * 0.55, d * 0.55 + y * 0.45), (x, y))],
            Neck::Square => vec![L((x * 0.94, d)), L((x, y))],
            Neck::Boat => vec![Q((x * 0.7, d), (x, y))],
            _ => vec![C((x * 0.62, d), (x * 0.96, d * 0.7), (x, y))],
        }
    }

    fn outline(&self, p: &Product) -> Option<Path> {
        let mut segs = self.opening(p.neck.unwrap_or(Neck::Round));
        segs.push(L(self.shoulder));
        let (s, a, w, h) = (self.shoulder, self.armpit, self.waist, self.hem);
        segs.push(C((s.0 - 0.03, s.1 + 0.12), (a.0 - 0.05, a.1 - 0.08), a));
        if h.1 > w.1 + 0.05 {
            segs.push(C((a.0 - 0.005, a.1 + 0.15), (w.0, w.1 - 0.15), w));
            let full: f32 = match p.cut {
                Cut::Flared | Cut::Pleated | Cut::Peplum => 0.35,
                Cut::Pencil => 1.4,
                _ => 0.6,
            };
            let hip = (
                w.0 + (h.0 - w.0) * full.min(1.0) + if full > 1.0 { 0.06 } else { 0.02 },
                w.1 + (h.1 - w.1) * 0.45,
            );
            segs.push(C((w.0 + 0.01, w.1 + (h.1 - w.1) * 0.15), hip, h));
        } else {
            segs.push(C((a.0, a.1 + 0.1), (h.0, h.1 - 0.1), h));
        }
        segs.push(Q((h.0 * 0.55, h.1 + self.curve), (0.0, h.1 + self.curve)));
        symmetric((0.0, self.dip), &segs)
    }
}

/// One sleeve, on the side of `sign` (−1 left, 1 right): its outline, its end (outer, inner), its direction.
fn sleeve(p: &Product, t: &Torso, pose: &Pose, sign: f32) -> Option<(Option<Path>, [P; 2], f32)> {
    let m = &p.measures;
    let reach = match p.sleeve? {
        Sleeve::None | Sleeve::Strap => return None,
        Sleeve::Cap => between(0.13, 0.18, m.sleeve),
        Sleeve::Short => between(0.26, 0.38, m.sleeve),
        Sleeve::Elbow => between(0.46, 0.54, m.sleeve),
        Sleeve::ThreeQuarter => between(0.68, 0.76, m.sleeve),
        Sleeve::Long => between(0.97, 1.05, m.sleeve),
    };
    let side = usize::from(sign > 0.0);
    let (angle, bend) = (pose.arms[side], pose.bend[side]);
    let outer = matches!(p.category, Category::Jacket | Category::Coat | Category::Hoodie);
    let loose = match p.fit {
        Some(Fit::Slim) => -0.012,
        Some(Fit::Loose) => 0.02,
        Some(Fit::Oversized) => 0.035,
        _ => 0.0,
    } + if outer { 0.02 } else { 0.0 }
        + between(-0.01, 0.02, m.sleeve_width);
    // The arm's own line, to which the cloth is laid.
    let start = (t.shoulder.0 - 0.075, t.shoulder.1 + 0.11);
    let upper = (angle.sin(), angle.cos());
    let lower_angle = angle - bend;
    let lower = (lower_angle.sin(), lower_angle.cos());
    let elbow_at = 0.5;
    let along = |at: f32| match at <= elbow_at {
        true => (start.0 + upper.0 * at, start.1 + upper.1 * at),
        false => (
            start.0 + upper.0 * elbow_at + lower.0 * (at - elbow_at),
            start.1 + upper.1 * elbow_at + lower.1 * (at - elbow_at),
        ),
    };
    let normal = |at: f32| match at <= elbow_at {
        true => (upper.1, -upper.0),
        false => (lower.1, -lower.0),
    };
    let offset = |at: f32, by: f32| {
        let (c, n) = (along(at), normal(at));
        (c.0 + n.0 * by, c.1 + n.1 * by)
    };
    let puff = p.cut == Cut::Puff;
    let end_half = match p.sleeve? {
        Sleeve::Long | Sleeve::ThreeQuarter if puff => between(0.05, 0.07, m.sleeve_width),
        Sleeve::Long => between(0.068, 0.085, m.sleeve_width) + loose * 0.6,
        Sleeve::ThreeQuarter => 0.09 + loose,
        _ if puff => 0.09,
        _ => between(0.12, 0.15, m.sleeve_width) + loose,
    };
    let bell = p.category == Category::Blouse && !puff && m.detail[2] > 0.6;
    let end_half = if bell { end_half + 0.09 } else { end_half };
    let middle = if puff { 0.2 } else { 0.115 + loose };
    let half = reach * 0.5;
    let (a, b) = (offset(reach, end_half), offset(reach, -end_half));
    let pit = (t.armpit.0 - 0.02, t.armpit.1 + 0.02);
    let s = (t.shoulder.0 - 0.02, t.shoulder.1 - 0.003);
    let inside = (t.shoulder.0 - 0.14, t.shoulder.1 + 0.1);
    let bulge = offset(half.min(0.25), middle + if puff { 0.12 } else { 0.045 });
    let segs = match reach > 0.6 {
        true => vec![
            L(s),
            Q(
                bulge,
                offset(elbow_at, if puff { 0.16 } else { 0.105 + loose * 0.7 }),
            ),
            Q(offset(reach * 0.8, if puff { 0.2 } else { end_half + 0.03 }), a),
            L(b),
            Q(
                offset(reach * 0.8, if puff { -0.16 } else { -end_half - 0.015 }),
                offset(elbow_at, -0.095 - loose * 0.5),
            ),
            Q(offset(0.3, -0.12), pit),
        ],
        false => vec![
            L(s),
            Q(bulge, a),
            L(b),
            Q(offset(reach * 0.55, -end_half - 0.02), pit),
        ],
    };
    let flip = |(x, y): P| (x * sign, y);
    let segs: Vec<Seg> = segs.into_iter().map(|seg| seg.mapped(flip)).collect();
    let turn = -sign
        * if reach > 0.6 {
            (angle + lower_angle) / 2.0
        } else {
            angle
        };
    Some((path(flip(inside), &segs, true), [flip(a), flip(b)], turn))
}

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

/// The back of the neck as it is seen through the opening.
fn inside(p: &Product, t: &Torso, marks: &mut Marks) {
    let (x, y) = t.neck;
    let mut segs = t.opening(p.neck.unwrap_or(Neck::Round));
    segs.push(Q((x * 0.5, y + 0.045), (0.0, y + 0.045)));
    marks.fill(symmetric((0.0, t.dip + 0.01), &segs), Ink::Main(0.52));
    marks.over(rect(-0.03, y + 0.05, 0.06, 0.035), Ink::Rgb([225, 222, 214]));
}

/// Waist seams, pleats and folds of what hangs below the waist.
fn skirt_of(p: &Product, t: &Torso, marks: &mut Marks) {
    let m = &p.measures;
    let dress = p.category == Category::Dress;
    if (dress && p.cut != Cut::Shift) || p.cut == Cut::Peplum {
        marks.line(
            (-t.waist.0, t.waist.1),
            &[Q((0.0, t.waist.1 + 0.02), t.waist)],
            Ink::Dark(0.28),
            0.012,
        );
    }
    let pleats = match (p.cut, dress) {
        (Cut::Pleated, _) => 9,
        (Cut::Flared, true) => 5,
        (Cut::Peplum, _) => 6,
        _ => 0,
    };
    for i in 0..pleats {
        let f = (i as f32 + 0.5) / pleats as f32 * 2.0 - 1.0;
        let strength = if p.cut == Cut::Pleated { 0.22 } else { 0.12 };
        marks.line(
            (t.waist.0 * f, t.waist.1),
            &[L((t.hem.0 * f, t.hem.1))],
            Ink::Dark(strength),
            0.016,
        );
        marks.line(
            (t.waist.0 * f + 0.012, t.waist.1),
            &[L((t.hem.0 * f + 0.018, t.hem.1))],
            Ink::Light(strength * 0.6),
            0.012,
        );
    }
    if p.closure == Some(Closure::Belt) {
        let ink = if m.detail[3] > 0.5 {
            Ink::Second(0.95)
        } else {
            Ink::Main(0.6)
        };
        let y = t.waist.1;
        marks.over(
            polygon(&[
                (-t.waist.0 - 0.1, y - 0.03),
                (t.waist.0 + 0.1, y - 0.03),
                (t.waist.0 + 0.1, y + 0.035),
                (-t.waist.0 - 0.1, y + 0.035),
            ]),
            ink,
        );
        if m.detail[2] > 0.5 {
            marks.over(rect(-0.045, y - 0.045, 0.09, 0.095), Ink::Rgb([196, 170, 96]));
            marks.over(rect(-0.022, y - 0.022, 0.044, 0.05), ink);
        } else {
            marks.line((0.05, y), &[Q((0.12, y + 0.1), (0.09, y + 0.3))], ink, 0.045);
            marks.line((0.06, y), &[Q((0.0, y + 0.1), (0.03, y + 0.24))], ink, 0.045);
        }
    }
}

/// Hem bands, side seams, ribs.
fn edges(p: &Product, t: &Torso, marks: &mut Marks) {
    use Category as K;
    let m = &p.measures;
    let h = t.hem;
    let bottom = [Q((0.0, h.1 + t.curve * 2.0), h)];
    let ribbed = matches!(p.category, K::Sweater | K::Hoodie) || p.cut == Cut::Bomber;
    if ribbed {
        let ink = if p.trim == Some(Trim::Contrast) {
            Ink::Second(0.97)
        } else {
            Ink::Main(0.88)
        };
        marks.line((-h.0, h.1), &bottom, ink, between(0.15, 0.22, m.hem));
    } else if p.trim == Some(Trim::Contrast) {
        marks.line((-h.0, h.1), &bottom, Ink::Second(1.0), between(0.05, 0.11, m.hem));
    } else {
        let up = between(0.03, 0.05, m.hem);
        marks.line(
            (-h.0, h.1 - up),
            &[Q((0.0, h.1 - up + t.curve * 2.0), (h.0, h.1 - up))],
            Ink::Dark(0.16),
            0.008,
        );
    }
    if p.cut == Cut::Puffer {
        let count = 5 + (m.detail[1] * 3.0) as usize;
        for i in 1..count {
            let y = 0.08 + (h.1 - 0.1) * i as f32 / count as f32;
            marks.line((-0.6, y), &[Q((0.0, y + 0.05), (0.6, y))], Ink::Dark(0.32), 0.016);
            marks.line(
                (-0.6, y + 0.022),
                &[Q((0.0, y + 0.072), (0.6, y + 0.022))],
                Ink::Light(0.2),
                0.016,
            );
        }
    }
    if p.cut == Cut::Trench || p.cut == Cut::Trucker {
        marks.line(
            (-t.shoulder.0, 0.2),
            &[Q((0.0, 0.27), (t.shoulder.0, 0.2))],
            Ink::Dark(0.3),
            0.012,
        );
    }
}

/// What runs down the front: closure, pockets, strings.
fn front(p: &Product, t: &Torso, pose: &Pose, marks: &mut Marks) {
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
            let segs: Vec<Seg> = shape[1..]
                .iter()
                .chain(&shape[..1])
                .map(|&point| L(point))
                .collect();
            marks.line(shape[0], &segs, Ink::Dark(0.35), 0.012);
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

/// The hood as it lies behind the neck.
fn hood_behind(p: &Product, pose: &Pose, marks: &mut Marks) {
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
fn collar(p: &Product, t: &Torso, pose: &Pose, marks: &mut Marks) {
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
                let segs: Vec<Seg> = shape[1..]
                    .iter()
                    .chain(&shape[..1])
                    .map(|&point| L(point))
                    .collect();
                marks.line(shape[0], &segs, Ink::Dark(0.33), 0.011);
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
                let segs: Vec<Seg> = shape[1..]
                    .iter()
                    .chain(&shape[..1])
                    .map(|&point| L(point))
                    .collect();
                marks.line(shape[0], &segs, Ink::Dark(0.4), 0.012);
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
