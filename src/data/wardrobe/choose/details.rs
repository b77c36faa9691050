//! Closure, pockets and trim of each category.

use super::{maybe, pick};
use crate::data::wardrobe::product::*;
use crate::random::Stream;

/// Closure, pockets, trim.
pub(super) fn details(p: &mut Product, s: &mut Stream) {
    use Category as C;
    p.closure = match p.category {
        C::Shirt => Some(Closure::Buttons),
        C::Blouse if p.neck != Some(Neck::Boat) => maybe(s, 0.35, Closure::Buttons),
        C::Sweater if p.neck == Some(Neck::V) => maybe(s, 0.5, Closure::Buttons),
        C::Hoodie => maybe(s, 0.45, Closure::Zip),
        C::Jacket => Some(match p.cut {
            Cut::Blazer => pick(s, &[(Closure::Buttons, 2.0), (Closure::DoubleBreasted, 1.0)]),
            Cut::Trucker => Closure::Buttons,
            _ => Closure::Zip,
        }),
        C::Coat => Some(match p.cut {
            Cut::Trench => pick(s, &[(Closure::DoubleBreasted, 1.0), (Closure::Belt, 1.5)]),
            Cut::Parka => Closure::Zip,
            _ => pick(
                s,
                &[
                    (Closure::Buttons, 1.5),
                    (Closure::DoubleBreasted, 1.0),
                    (Closure::Belt, 0.7),
                ],
            ),
        }),
        C::Dress if p.cut == Cut::Wrap => Some(Closure::Belt),
        C::Dress => pick(
            s,
            &[
                (None, 2.0),
                (Some(Closure::Belt), 0.8),
                (Some(Closure::Buttons), 0.6),
            ],
        ),
        C::Skirt => pick(
            s,
            &[
                (None, 2.0),
                (Some(Closure::Buttons), 0.8),
                (Some(Closure::Belt), 0.4),
            ],
        ),
        C::Trousers | C::Shorts => maybe(s, 0.3, Closure::Belt),
        C::Shoes if p.cut == Cut::Sneaker => Some(Closure::Laces),
        C::Boots if p.cut == Cut::Hiking => Some(Closure::Laces),
        _ => None,
    };
    p.pockets = match p.category {
        C::TShirt if p.pattern != Pattern::Print => maybe(s, 0.25, Pockets::Chest),
        C::Shirt => pick(
            s,
            &[
                (None, 1.0),
                (Some(Pockets::Chest), 1.5),
                (Some(Pockets::TwoChest), 1.0),
            ],
        ),
        C::Hoodie => maybe(s, 0.75, Pockets::Kangaroo),
        C::Jacket if p.cut == Cut::Trucker => Some(Pockets::TwoChest),
        C::Jacket | C::Coat => pick(
            s,
            &[
                (Some(Pockets::Welt), 1.2),
                (Some(Pockets::Patch), 1.0),
                (None, 0.4),
            ],
        ),
        C::Trousers | C::Shorts if p.cut == Cut::Cargo => Some(Pockets::Cargo),
        C::Dress | C::Skirt => maybe(s, 0.2, Pockets::Patch),
        C::Bag if p.cut != Cut::Clutch => maybe(s, 0.4, Pockets::Patch),
        _ => None,
    };
    p.trim = match p.category {
        C::TShirt | C::Sweater | C::Blouse => maybe(s, 0.3, Trim::Contrast),
        C::Hoodie | C::Dress | C::Skirt => maybe(s, 0.2, Trim::Contrast),
        C::Coat if p.cut == Cut::Parka => maybe(s, 0.6, Trim::Fur),
        C::Jacket if matches!(p.cut, Cut::Bomber | Cut::Biker) => maybe(s, 0.3, Trim::Contrast),
        C::Trousers => pick(
            s,
            &[(None, 2.5), (Some(Trim::Turnups), 0.6), (Some(Trim::Band), 0.6)],
        ),
        C::Jeans => pick(
            s,
            &[(None, 2.0), (Some(Trim::Turnups), 0.8), (Some(Trim::Rips), 1.0)],
        ),
        C::Shorts => pick(
            s,
            &[(None, 2.0), (Some(Trim::Turnups), 0.8), (Some(Trim::Band), 0.5)],
        ),
        C::Scarf => maybe(s, 0.6, Trim::Fringe),
        C::Hat | C::Bag | C::Shoes => maybe(s, 0.4, Trim::Contrast),
        _ => None,
    };
}
