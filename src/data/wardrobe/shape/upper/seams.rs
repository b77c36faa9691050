//! Seams, folds and bands: the waist and what hangs below it, and the hem.

use super::*;

/// Waist seams, pleats and folds of what hangs below the waist.
pub(super) fn skirt_of(p: &Product, t: &Torso, marks: &mut Marks) {
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
pub(super) fn edges(p: &Product, t: &Torso, marks: &mut Marks) {
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
