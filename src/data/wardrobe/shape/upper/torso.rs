//! A torso: its measures by category, cut, fit and length, and its outline.

use super::*;

/// The measures of a torso in body units.
pub(super) struct Torso {
    pub shoulder: P,
    pub armpit: P,
    pub waist: P,
    pub hem: P,
    /// Where neck and shoulder meet.
    pub neck: P,
    /// The lowest point of the opening in front.
    pub dip: f32,
    /// How far the hem's middle lies below its ends.
    pub curve: f32,
}

pub(super) fn torso(p: &Product, pose: &Pose) -> Torso {
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
    pub fn opening(&self, neck: Neck) -> Vec<Seg> {
        let ((x, y), d) = (self.neck, self.dip);
        match neck {
            Neck::V | Neck::Lapel | Neck::Collar => vec![Q((x * 0.55, d * 0.55 + y * 0.45), (x, y))],
            Neck::Square => vec![L((x * 0.94, d)), L((x, y))],
            Neck::Boat => vec![Q((x * 0.7, d), (x, y))],
            _ => vec![C((x * 0.62, d), (x * 0.96, d * 0.7), (x, y))],
        }
    }

    pub fn outline(&self, p: &Product) -> Option<Path> {
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
