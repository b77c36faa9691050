//! A product from its seed: which garments there are, and how often.

mod cloth;
mod details;
mod form;

use super::palette::Dye;
use super::product::*;
use crate::random::{Stream, stream};
use cloth::cloth;
use details::details;
use form::form;

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
