//! What each category is cut like: cut, sleeves, neck, length, fit.

use super::pick;
use crate::data::wardrobe::product::*;
use crate::random::Stream;

/// Cut, sleeves, neck, length, fit.
pub(super) fn form(p: &mut Product, s: &mut Stream) {
    use {Cut::*, Length as L, Neck as N, Sleeve as S};
    let fits = [
        (Fit::Slim, 1.0),
        (Fit::Regular, 2.0),
        (Fit::Loose, 1.0),
        (Fit::Oversized, 0.6),
    ];
    let top = [(L::Cropped, 1.0), (L::Regular, 4.0), (L::Longline, 1.0)];
    let skirt = [(L::Mini, 1.2), (L::Knee, 1.3), (L::Midi, 1.2), (L::Maxi, 0.8)];
    match p.category {
        Category::TShirt => {
            p.sleeve = Some(pick(
                s,
                &[
                    (S::None, 0.6),
                    (S::Cap, 0.6),
                    (S::Short, 4.0),
                    (S::Elbow, 0.7),
                    (S::Long, 1.0),
                ],
            ));
            p.neck = Some(pick(
                s,
                &[(N::Round, 3.0), (N::V, 1.5), (N::Scoop, 1.0), (N::Boat, 0.6)],
            ));
            p.length = Some(pick(s, &top));
            p.fit = Some(pick(s, &fits));
        }
        Category::Shirt => {
            p.sleeve = Some(pick(s, &[(S::Short, 1.0), (S::Long, 2.5)]));
            p.neck = Some(pick(s, &[(N::Collar, 4.0), (N::Band, 1.0)]));
            p.length = Some(pick(s, &top));
            p.fit = Some(pick(s, &fits));
        }
        Category::Blouse => {
            p.cut = pick(s, &[(Plain, 2.0), (Puff, 1.0), (Peplum, 1.0)]);
            let sleeves = [
                (S::None, 0.8),
                (S::Short, 1.5),
                (S::ThreeQuarter, 1.2),
                (S::Long, 1.5),
            ];
            p.sleeve = Some(pick(s, &sleeves));
            p.neck = Some(pick(
                s,
                &[
                    (N::Round, 1.0),
                    (N::V, 1.3),
                    (N::Square, 1.0),
                    (N::Boat, 0.8),
                    (N::Bow, 1.0),
                ],
            ));
            p.length = Some(pick(s, &top));
        }
        Category::Sweater => {
            p.cut = pick(s, &[(Plain, 2.0), (CableKnit, 1.0)]);
            p.sleeve = Some(pick(s, &[(S::Long, 5.0), (S::ThreeQuarter, 0.6), (S::None, 0.5)]));
            p.neck = Some(pick(
                s,
                &[(N::Round, 2.0), (N::V, 1.3), (N::Turtle, 1.5), (N::Boat, 0.5)],
            ));
            p.length = Some(pick(s, &top));
            p.fit = Some(pick(s, &fits));
        }
        Category::Hoodie => {
            p.sleeve = Some(pick(s, &[(S::Long, 6.0), (S::Short, 0.6), (S::None, 0.4)]));
            p.neck = Some(N::Hood);
            p.length = Some(pick(s, &top));
            p.fit = Some(pick(s, &fits));
        }
        Category::Jacket => {
            p.cut = pick(
                s,
                &[
                    (Bomber, 1.0),
                    (Blazer, 1.2),
                    (Biker, 0.9),
                    (Trucker, 1.0),
                    (Puffer, 1.0),
                ],
            );
            p.sleeve = Some(if p.cut == Puffer && s.chance(0.25) {
                S::None
            } else {
                S::Long
            });
            p.neck = Some(match p.cut {
                Blazer | Biker => N::Lapel,
                Trucker => N::Collar,
                Puffer if s.chance(0.4) => N::Hood,
                _ => N::Stand,
            });
            p.length = Some(pick(s, &[(L::Cropped, 1.0), (L::Regular, 3.0)]));
        }
        Category::Coat => {
            p.cut = pick(s, &[(Trench, 1.0), (Parka, 1.0), (Overcoat, 1.5)]);
            p.sleeve = Some(S::Long);
            p.neck = Some(if p.cut == Parka { N::Hood } else { N::Lapel });
            p.length = Some(pick(s, &[(L::Mini, 1.2), (L::Knee, 1.5), (L::Midi, 0.7)]));
        }
        Category::Dress => {
            p.cut = pick(
                s,
                &[
                    (Shift, 1.0),
                    (ALine, 1.3),
                    (Flared, 1.2),
                    (Pencil, 0.8),
                    (Pleated, 0.8),
                    (Wrap, 0.7),
                ],
            );
            let sleeves = [
                (S::None, 1.2),
                (S::Strap, 1.2),
                (S::Cap, 0.6),
                (S::Short, 1.2),
                (S::ThreeQuarter, 0.7),
                (S::Long, 1.0),
            ];
            p.sleeve = Some(pick(s, &sleeves));
            let necks = [
                (N::Round, 1.2),
                (N::V, 1.2),
                (N::Square, 0.9),
                (N::Boat, 0.6),
                (N::Scoop, 0.9),
                (N::Collar, 0.5),
            ];
            p.neck = Some(match (p.cut, p.sleeve) {
                (Wrap, _) => N::V,
                (_, Some(S::Strap)) => pick(s, &[(N::V, 1.0), (N::Square, 1.0), (N::Scoop, 1.0)]),
                _ => pick(s, &necks),
            });
            p.length = Some(pick(s, &skirt));
        }
        Category::Skirt => {
            p.cut = pick(
                s,
                &[
                    (Pencil, 1.0),
                    (ALine, 1.3),
                    (Flared, 1.2),
                    (Pleated, 1.0),
                    (Wrap, 0.7),
                ],
            );
            p.length = Some(pick(s, &skirt));
        }
        Category::Trousers | Category::Jeans => {
            let mut cuts = vec![
                (Skinny, 1.0),
                (Straight, 1.3),
                (Wide, 1.0),
                (Bootcut, 0.8),
                (Tapered, 1.0),
            ];
            if p.category == Category::Trousers {
                cuts.push((Cargo, 0.7));
            }
            p.cut = pick(s, &cuts);
            p.length = Some(pick(s, &[(L::Regular, 3.0), (L::Cropped, 1.0)]));
        }
        Category::Shorts => {
            p.cut = pick(s, &[(Straight, 1.5), (Wide, 1.0), (Cargo, 0.6)]);
            p.length = Some(pick(s, &[(L::Mini, 1.0), (L::Knee, 1.0)]));
        }
        Category::Shoes => {
            p.cut = pick(
                s,
                &[
                    (Sneaker, 2.0),
                    (Loafer, 1.0),
                    (Pump, 1.2),
                    (Sandal, 0.8),
                    (Ballet, 0.7),
                ],
            )
        }
        Category::Boots => p.cut = pick(s, &[(Ankle, 1.0), (Chelsea, 1.0), (Knee, 1.0), (Hiking, 1.0)]),
        Category::Bag => {
            p.cut = pick(
                s,
                &[
                    (Tote, 1.2),
                    (Shoulder, 1.2),
                    (Backpack, 1.0),
                    (Clutch, 0.7),
                    (Bucket, 0.8),
                ],
            )
        }
        Category::Hat => {
            p.cut = pick(
                s,
                &[
                    (Beanie, 1.3),
                    (Cap, 1.3),
                    (Fedora, 0.8),
                    (Sun, 0.7),
                    (BucketHat, 0.8),
                ],
            )
        }
        Category::Scarf => p.cut = pick(s, &[(Loop, 1.0), (Hanging, 1.5)]),
    }
}
