//! A sleeve along an arm.

use super::*;

/// One sleeve, on the side of `sign` (−1 left, 1 right): its outline, its end (outer, inner), its direction.
pub(super) fn sleeve(p: &Product, t: &Torso, pose: &Pose, sign: f32) -> Option<(Option<Path>, [P; 2], f32)> {
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
