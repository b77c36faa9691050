//! What each category is made of: the pattern, and the print where it is one.

use super::pick;
use crate::data::wardrobe::product::*;
use crate::random::Stream;

/// The patterns that a category comes in, by how often.
fn patterns(p: &Product) -> &'static [(Pattern, f64)] {
    use Pattern::*;
    match p.category {
        Category::TShirt => &[
            (Plain, 1.6),
            (Stripes, 1.3),
            (Print, 2.0),
            (ColourBlock, 0.7),
            (Dots, 0.4),
            (Floral, 0.4),
            (VerticalStripes, 0.2),
        ],
        Category::Shirt => &[
            (Plain, 1.3),
            (VerticalStripes, 1.2),
            (Checks, 1.6),
            (Denim, 0.7),
            (Dots, 0.5),
            (Floral, 0.7),
            (Print, 0.3),
        ],
        Category::Blouse => &[
            (Plain, 1.3),
            (Floral, 1.4),
            (Dots, 1.1),
            (Stripes, 0.5),
            (VerticalStripes, 0.6),
            (Checks, 0.3),
        ],
        Category::Sweater => &[
            (Knit, 2.5),
            (Stripes, 1.3),
            (ColourBlock, 0.8),
            (Print, 0.7),
            (Checks, 0.3),
        ],
        Category::Hoodie => &[(Plain, 1.5), (Print, 1.8), (ColourBlock, 1.0), (Stripes, 0.4)],
        Category::Jacket => &[
            (Plain, 2.0),
            (Checks, 0.5),
            (ColourBlock, 0.6),
            (Floral, 0.2),
            (VerticalStripes, 0.2),
        ],
        Category::Coat => &[(Plain, 2.5), (Checks, 1.0), (ColourBlock, 0.2)],
        Category::Dress => &[
            (Plain, 1.5),
            (Floral, 1.6),
            (Dots, 1.0),
            (Stripes, 0.7),
            (VerticalStripes, 0.4),
            (Checks, 0.6),
            (ColourBlock, 0.5),
            (Knit, 0.3),
        ],
        Category::Skirt => &[
            (Plain, 1.5),
            (Floral, 1.0),
            (Checks, 1.1),
            (Dots, 0.7),
            (Denim, 0.6),
            (Stripes, 0.4),
            (VerticalStripes, 0.4),
        ],
        Category::Trousers => &[(Plain, 2.5), (VerticalStripes, 0.7), (Checks, 0.7), (Floral, 0.3)],
        Category::Jeans => &[(Denim, 1.0)],
        Category::Shorts => &[
            (Plain, 1.3),
            (Denim, 1.2),
            (Checks, 0.6),
            (Floral, 0.6),
            (Stripes, 0.3),
        ],
        Category::Shoes => &[(Plain, 2.0), (ColourBlock, 1.2), (Dots, 0.2), (Checks, 0.3)],
        Category::Boots => &[(Plain, 2.0), (ColourBlock, 0.6)],
        Category::Bag => &[
            (Plain, 1.8),
            (ColourBlock, 0.9),
            (Checks, 0.5),
            (Stripes, 0.5),
            (Floral, 0.4),
            (Print, 0.6),
            (Dots, 0.3),
            (Denim, 0.2),
        ],
        Category::Hat => &[
            (Plain, 1.5),
            (Stripes, 0.6),
            (Knit, 0.6),
            (Checks, 0.3),
            (Print, 0.4),
            (ColourBlock, 0.4),
        ],
        Category::Scarf => &[
            (Plain, 0.7),
            (Checks, 1.5),
            (Stripes, 1.0),
            (Knit, 0.8),
            (Floral, 0.5),
            (Dots, 0.4),
        ],
    }
}

/// Draws the pattern, or takes the one that is wished for.
pub(super) fn cloth(p: &mut Product, wish: Option<Pattern>, s: &mut Stream) {
    let drawn = pick(s, patterns(p));
    p.pattern = match (p.category, p.cut) {
        (Category::Jacket, Cut::Trucker) if s.chance(0.75) => Pattern::Denim,
        (Category::Hat, Cut::Beanie) if s.chance(0.6) => Pattern::Knit,
        _ => drawn,
    };
    p.pattern = wish.unwrap_or(p.pattern);
    if p.pattern != Pattern::Knit && p.cut == Cut::CableKnit {
        p.cut = Cut::Plain;
    }
    p.motif = None;
    if p.pattern == Pattern::Print {
        p.motif = Some(Motif {
            kind: MotifKind::ALL[s.below(MotifKind::ALL.len())],
            seed: s.bits(),
            size: s.between(0.09, 0.19) as f32,
            offset: (s.between(-0.04, 0.04) as f32, s.between(-0.05, 0.1) as f32),
        });
    }
}
