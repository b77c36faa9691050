//! A crude wearer: head, arms, legs in one colour of skin.

use super::product::Category;
use super::shape::Seg::{C, L, Q};
use super::shape::{Ink, Marks, P, Pose, ellipse, path, symmetric};
use crate::random::Stream;

/// Somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    skin: [u8; 3],
    hair: [u8; 3],
    /// 0 short to 1 long.
    hair_length: f32,
}

const SKINS: [[u8; 3]; 6] = [
    [248, 214, 190],
    [232, 188, 156],
    [212, 160, 124],
    [176, 122, 86],
    [128, 84, 58],
    [88, 58, 44],
];
const HAIR: [[u8; 3]; 6] = [
    [36, 28, 26],
    [74, 48, 32],
    [120, 78, 44],
    [196, 154, 92],
    [158, 72, 40],
    [150, 150, 150],
];

impl Person {
    pub fn new(s: &mut Stream) -> Self {
        Self {
            skin: SKINS[s.below(SKINS.len())],
            hair: HAIR[s.below(HAIR.len())],
            hair_length: s.uniform() as f32,
        }
    }

    /// The body in a pose.
    pub fn body(&self, pose: &Pose) -> Marks {
        let mut marks = Marks::default();
        let skin = Ink::Rgb(self.skin);
        let spread = 0.09 * pose.stride;
        for sign in [-1.0f32, 1.0] {
            let x = |x: f32| sign * x;
            let foot = 0.185 + spread;
            let segs = [
                C(
                    (x(0.36), 1.35),
                    (x(0.29 + spread * 0.5), 1.6),
                    (x(0.265 + spread * 0.5), 1.78),
                ),
                C((x(foot + 0.1), 2.0), (x(foot + 0.07), 2.3), (x(foot + 0.05), 2.5)),
                L((x(foot + 0.13), 2.6)),
                L((x(foot - 0.07), 2.6)),
                C(
                    (x(foot - 0.05), 2.3),
                    (x(0.1 + spread), 2.0),
                    (x(0.1 + spread * 0.5), 1.78),
                ),
                Q((x(0.04), 1.5), (x(0.0), 1.2)),
            ];
            marks.fill(path((x(0.34), 1.0), &segs, true), skin);
            self.arm(pose, sign, &mut marks);
        }
        let torso = [
            Q((0.1, -0.01), (0.22, 0.03)),
            C((0.37, 0.06), (0.38, 0.16), (0.3, 0.36)),
            C((0.29, 0.55), (0.24, 0.66), (0.255, 0.78)),
            Q((0.35, 0.95), (0.345, 1.1)),
            L((0.0, 1.24)),
        ];
        marks.fill(symmetric((0.0, -0.02), &torso), skin);
        // Neck and head.
        marks.fill(
            symmetric(
                (0.0, -0.24),
                &[L((0.075, -0.24)), L((0.085, 0.03)), L((0.0, 0.09))],
            ),
            Ink::Rgb(self.skin.map(|v| (f32::from(v) * 0.86) as u8)),
        );
        marks.fill(
            symmetric(
                (0.0, -0.56),
                &[
                    C((0.12, -0.56), (0.15, -0.46), (0.14, -0.36)),
                    C((0.13, -0.24), (0.06, -0.17), (0.0, -0.17)),
                ],
            ),
            skin,
        );
        self.hair(pose, &mut marks);
        if !pose.back {
            for sign in [-1.0f32, 1.0] {
                marks.fill(ellipse(sign * 0.055, -0.37, 0.016, 0.012), Ink::Rgb([52, 40, 38]));
            }
            marks.line(
                (-0.035, -0.25),
                &[Q((0.0, -0.235), (0.035, -0.25))],
                Ink::Rgb([170, 84, 80]),
                0.016,
            );
            marks.line((0.0, -0.35), &[L((0.012, -0.3))], Ink::Dark(0.2), 0.012);
        }
        marks
    }

    fn hair(&self, pose: &Pose, marks: &mut Marks) {
        let hair = Ink::Rgb(self.hair);
        if pose.back {
            let low = if self.hair_length > 0.5 { 0.12 } else { -0.24 };
            marks.fill(
                symmetric(
                    (0.0, -0.6),
                    &[C((0.15, -0.6), (0.18, -0.46), (0.17, low)), L((0.0, low + 0.02))],
                ),
                hair,
            );
            return;
        }
        if self.hair_length > 0.5 {
            let low = -0.1 + 0.25 * self.hair_length;
            for sign in [-1.0f32, 1.0] {
                let segs = [
                    C((sign * 0.2, -0.5), (sign * 0.19, -0.2), (sign * 0.17, low)),
                    L((sign * 0.1, low - 0.02)),
                    C((sign * 0.13, -0.2), (sign * 0.13, -0.4), (sign * 0.08, -0.5)),
                ];
                marks.fill(path((0.0, -0.58), &segs, true), hair);
            }
        }
        let segs = [
            C((0.13, -0.62), (0.18, -0.5), (0.15, -0.38)),
            Q((0.13, -0.47), (0.05, -0.49)),
            L((0.0, -0.48)),
        ];
        marks.fill(symmetric((0.0, -0.61), &segs), hair);
    }

    fn arm(&self, pose: &Pose, sign: f32, marks: &mut Marks) {
        let [shoulder, elbow, wrist] = joints(pose, sign);
        let skin = Ink::Rgb(self.skin);
        marks.cord(shoulder, &[L(elbow)], skin, 0.13);
        marks.fill(ellipse(elbow.0, elbow.1, 0.06, 0.06), skin);
        marks.cord(elbow, &[L(wrist)], skin, 0.1);
        let hand = (
            wrist.0 + (wrist.0 - elbow.0) * 0.1,
            wrist.1 + (wrist.1 - elbow.1) * 0.1,
        );
        marks.fill(ellipse(hand.0, hand.1, 0.055, 0.075), skin);
    }
}

/// Shoulder, elbow and wrist of an arm.
fn joints(pose: &Pose, sign: f32) -> [P; 3] {
    let side = usize::from(sign > 0.0);
    let (a, b) = (pose.arms[side], pose.arms[side] - pose.bend[side]);
    let shoulder = (0.315, 0.12);
    let elbow = (shoulder.0 + 0.5 * a.sin(), shoulder.1 + 0.5 * a.cos());
    let wrist = (elbow.0 + 0.5 * b.sin(), elbow.1 + 0.5 * b.cos());
    [shoulder, elbow, wrist].map(|(x, y)| (x * sign, y))
}

/// What somebody who shows a garment wears beneath it and besides it, from the skin outwards.
pub(super) fn outfit(category: Category, s: &mut Stream) -> (Vec<Category>, Vec<Category>) {
    use Category::*;
    let one = |s: &mut Stream, of: &[Category]| of[s.below(of.len())];
    let shoes = one(s, &[Shoes, Shoes, Boots]);
    let legs = one(s, &[Jeans, Trousers, Skirt, Jeans, Shorts]);
    let top = one(s, &[TShirt, Shirt, Blouse, Sweater, Hoodie]);
    match category {
        TShirt | Shirt | Blouse | Sweater | Hoodie => (vec![shoes, legs], vec![]),
        Jacket | Coat => (vec![shoes, legs, one(s, &[TShirt, Shirt, Blouse])], vec![]),
        Dress => (vec![shoes], if s.chance(0.2) { vec![Bag] } else { vec![] }),
        Skirt | Trousers | Jeans | Shorts => {
            let top = one(s, &[TShirt, Shirt, Blouse, Sweater, Jacket]);
            // Tucked in, more often than not.
            match s.chance(0.65) {
                true => (vec![shoes, top], vec![]),
                false => (vec![shoes], vec![top]),
            }
        }
        Shoes | Boots => (vec![one(s, &[Jeans, Trousers, Skirt, Shorts]), top], vec![]),
        Bag | Scarf => (
            vec![shoes, legs, one(s, &[TShirt, Shirt, Sweater, Jacket, Coat])],
            vec![],
        ),
        Hat => (
            vec![legs, one(s, &[TShirt, Shirt, Hoodie, Jacket])],
            if s.chance(0.2) { vec![Scarf] } else { vec![] },
        ),
    }
}
