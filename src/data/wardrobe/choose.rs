//! A product from its seed: which garments there are, and how often.

use super::palette::Dye;
use super::product::*;
use crate::random::{Stream, stream};

/// One of several, by weight.
fn pick<T: Copy>(stream: &mut Stream, choices: &[(T, f64)]) -> T {
    let total: f64 = choices.iter().map(|(_, weight)| weight).sum();
    let mut at = stream.uniform() * total;
    for &(value, weight) in choices {
        at -= weight;
        if at < 0.0 {
            return value;
        }
    }
    choices[choices.len() - 1].0
}

/// `value` this often, else nothing.
fn maybe<T>(stream: &mut Stream, probability: f64, value: T) -> Option<T> {
    stream.chance(probability).then_some(value)
}

/// Categories by how often a catalogue has them.
const CATEGORIES: [(Category, f64); 17] = [
    (Category::TShirt, 1.3),
    (Category::Shirt, 1.0),
    (Category::Blouse, 0.9),
    (Category::Sweater, 1.0),
    (Category::Hoodie, 0.8),
    (Category::Jacket, 1.0),
    (Category::Coat, 0.8),
    (Category::Dress, 1.4),
    (Category::Skirt, 1.0),
    (Category::Trousers, 0.8),
    (Category::Jeans, 0.8),
    (Category::Shorts, 0.7),
    (Category::Shoes, 0.9),
    (Category::Boots, 0.6),
    (Category::Bag, 1.0),
    (Category::Hat, 0.6),
    (Category::Scarf, 0.6),
];

/// Product `index` of a catalogue whose families have `siblings` members: the members of a family are one design in several
/// colours, cloths or details.
pub(super) fn product(seed: u64, index: u64, siblings: u64) -> Product {
    let (family, member) = (index / siblings.max(1), index % siblings.max(1));
    let mut draws = stream(seed, "wardrobe family", &[family]);
    let category = pick(&mut draws, &CATEGORIES);
    let mut product = design(category, None, &mut draws);
    product.index = index;
    let mut draws = stream(seed, "wardrobe product", &[index]);
    if member > 0 {
        match draws.below(3) {
            0 => colourway(&mut product, &mut draws),
            1 => recloth(&mut product, &mut draws),
            _ => redetail(&mut product, &mut draws),
        }
    }
    vary(&mut product, 0.12, &mut draws);
    product
}

/// A product outside the catalogue: what people in street pictures wear besides.
pub(super) fn extra(category: Category, draws: &mut Stream) -> Product {
    design(category, None, draws)
}

/// A design of a category, in a given pattern if that is said.
pub(super) fn design(category: Category, pattern: Option<Pattern>, draws: &mut Stream) -> Product {
    let measures = Measures {
        width: draws.uniform() as f32,
        length: draws.uniform() as f32,
        flare: draws.uniform() as f32,
        waist: draws.uniform() as f32,
        sleeve: draws.uniform() as f32,
        sleeve_width: draws.uniform() as f32,
        neck_width: draws.uniform() as f32,
        neck_depth: draws.uniform() as f32,
        hem: draws.uniform() as f32,
        period: draws.uniform() as f32,
        duty: draws.uniform() as f32,
        detail: std::array::from_fn(|_| draws.uniform() as f32),
        pattern_seed: draws.bits(),
    };
    let colour = Dye::any(draws);
    let mut product = Product {
        index: 0,
        category,
        cut: Cut::Plain,
        colour,
        second: colour,
        accent: colour,
        pattern: Pattern::Plain,
        sleeve: None,
        neck: None,
        length: None,
        fit: None,
        closure: None,
        pockets: None,
        trim: None,
        motif: None,
        measures,
    };
    form(&mut product, draws);
    cloth(&mut product, pattern, draws);
    colourway(&mut product, draws);
    details(&mut product, draws);
    product
}

/// Cut, sleeves, neck, length, fit.
fn form(p: &mut Product, s: &mut Stream) {
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

fn cloth(p: &mut Product, wish: Option<Pattern>, s: &mut Stream) {
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

/// Draws the colours anew.
fn colourway(p: &mut Product, s: &mut Stream) {
    p.colour = match p.category {
        _ if p.pattern == Pattern::Denim => Dye::denim(s),
        Category::Shoes if p.cut == Cut::Sneaker => Dye::any(s),
        Category::Shoes | Category::Boots | Category::Bag if s.chance(0.7) => Dye::leather(s),
        _ => Dye::any(s),
    };
    p.second = Dye::beside(p.colour, s);
    p.accent = Dye::beside(p.second, s);
}

/// Another pattern of the same form; where a category has only one, other measures of it.
fn recloth(p: &mut Product, s: &mut Stream) {
    let before = p.pattern;
    for _ in 0..8 {
        cloth(p, None, s);
        if p.pattern != before {
            break;
        }
    }
    p.measures.pattern_seed = s.bits();
    p.measures.period = s.uniform() as f32;
    p.measures.duty = s.uniform() as f32;
    if p.pattern == Pattern::Denim || before == Pattern::Denim {
        colourway(p, s);
    }
}

/// Closure, pockets, trim.
fn details(p: &mut Product, s: &mut Stream) {
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

/// Draws the details anew and moves the measures: the same design, made a little differently.
fn redetail(p: &mut Product, s: &mut Stream) {
    details(p, s);
    vary(p, 0.5, s);
    if let Some(motif) = &mut p.motif {
        motif.seed = s.bits();
    }
}

/// Moves every measure by up to `by`, and the dyes within their names.
fn vary(p: &mut Product, by: f64, s: &mut Stream) {
    let m = &mut p.measures;
    let free = [
        &mut m.width,
        &mut m.length,
        &mut m.flare,
        &mut m.waist,
        &mut m.sleeve,
        &mut m.sleeve_width,
        &mut m.neck_width,
        &mut m.neck_depth,
        &mut m.hem,
        &mut m.period,
        &mut m.duty,
    ];
    for value in free.into_iter().chain(&mut m.detail) {
        *value = (f64::from(*value) + s.between(-by, by)).clamp(0.0, 1.0) as f32;
    }
    p.colour = p.colour.again(s);
    p.second = p.second.again(s);
    p.accent = p.accent.again(s);
}
