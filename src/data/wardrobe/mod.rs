//! Our own garments: products drawn from their number, with studio and street views, titles and attributes.
//!
//! Nothing is downloaded and nothing is stored: a picture is a pure function of (seed, product, domain, view, size), so a catalogue may
//! have any size and training draws it as it goes. What is true of a product is known: its title and its attributes follow from the
//! same choices that its pictures are drawn by.
//!
//! | what | where |
//! |---|---|
//! | a product: category, cut, colours, pattern, sleeves, neck, … and its free measures | [`product`], drawn in `choose` |
//! | outlines and details, as paths in body units | `shape` |
//! | cloth, as a repeating tile | `cloth` |
//! | one garment in pixels, with folds and light | `layer` |
//! | who wears it, and where | `body`, `street` |
//! | pose, place, lens and film of a view | `view`, `lens` |
//! | titles and attributes | [`words`] |
//!
//! Products come in families of `siblings`: one design in several colours, cloths or details, so that telling products apart needs more
//! than their category and colour. A family is never divided between splits.
//!
//! [`Wardrobe::draw`] computes with `f32` and, for coverage, with `tiny-skia`'s integers: the same on every run and thread of one
//! build. Other processors may round a level differently.

mod body;
mod choose;
mod cloth;
mod layer;
mod lens;
mod palette;
pub mod product;
mod shape;
mod sheet;
mod street;
mod view;
pub mod words;

pub use palette::Dye;
pub use product::{Category, Pattern, Product};
pub use sheet::sheet;
pub use view::Domain;

use crate::data::image::Picture;
use view::View;

/// Raised whenever a picture or a title of an existing number changes, so that fingerprints of data do.
pub const VERSION: u32 = 1;

/// The smallest and the largest side of a picture in pixels.
pub const SIDES: [usize; 2] = [16, 1024];

/// A catalogue without end: product 0, 1, 2, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wardrobe {
    /// Draws everything.
    pub seed: u64,
    /// Members of a family: products of one design.
    pub siblings: u64,
}

impl Wardrobe {
    /// A product.
    pub fn product(&self, index: u64) -> Product {
        choose::product(self.seed, index, self.siblings)
    }

    /// A product of a category in a pattern, whatever a catalogue would have: for tests and looks.
    pub fn sample(&self, category: Category, pattern: Option<Pattern>, index: u64) -> Product {
        let mut draws = crate::random::stream(self.seed, "wardrobe sample", &[category as u64, index]);
        let mut product = choose::design(category, pattern, &mut draws);
        product.index = index;
        product
    }

    /// Draws a view of a product into `picture`, `size` pixels a side. `size` is brought within [`SIDES`].
    pub fn draw(&self, product: &Product, domain: Domain, view: u64, size: usize, picture: &mut Picture) {
        self.view(product, domain, view, size).draw(product, picture);
    }

    /// Where the garment is in that picture, hidden parts included: x1, y1, x2, y2 in whole pixels within it.
    pub fn bounds(&self, product: &Product, domain: Domain, view: u64, size: usize) -> [f32; 4] {
        self.view(product, domain, view, size).bounds()
    }

    fn view(&self, product: &Product, domain: Domain, view: u64, size: usize) -> View {
        View::new(self.seed, product, domain, view, size.clamp(SIDES[0], SIDES[1]))
    }
}

#[cfg(test)]
mod tests;
