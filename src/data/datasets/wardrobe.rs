//! Our own garments as a data set: products of [`crate::data::wardrobe`], street views to search with, studio views to search in.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::drawn::{Artist, Drawn};
use crate::data::error::DataError;
use crate::data::image::Picture;
use crate::data::table::{ImageRef, Item, Split, Table};
use crate::data::wardrobe::words::ATTRIBUTES;
use crate::data::wardrobe::{Domain, SIDES, VERSION, Wardrobe};

/// Which rows say where the garment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Boxes {
    /// Street views, as published street-to-shop data does: the box is cut out before anything else.
    #[default]
    Street,
    /// All.
    All,
    /// None: pictures are used whole.
    None,
}

/// `[data] wardrobe = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WardrobeOptions {
    /// Products in all.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub products: u64,
    /// Studio views of each: front, back, then others.
    #[schemars(range(min = 1, max = 64))]
    pub studio: u64,
    /// Street views of each.
    #[schemars(range(min = 1, max = 64))]
    pub street: u64,
    /// Pixels a side.
    #[schemars(range(min = 16, max = 1024))]
    pub size: usize,
    /// Draws the products.
    pub seed: u64,
    /// Products of one design, which differ in colour, cloth or details only. A family stays in one split.
    #[schemars(range(min = 1, max = 64))]
    pub siblings: u64,
    /// Which rows have a box.
    pub boxes: Boxes,
}

impl Default for WardrobeOptions {
    fn default() -> Self {
        Self {
            products: 600,
            studio: 3,
            street: 3,
            size: 128,
            seed: 0,
            siblings: 2,
            boxes: Boxes::Street,
        }
    }
}

impl WardrobeOptions {
    /// Numbers that cannot be.
    pub fn check(&self) -> Result<(), DataError> {
        let ranges = [
            ("products", self.products, 2, 1_000_000),
            ("studio", self.studio, 1, 64),
            ("street", self.street, 1, 64),
            ("size", self.size as u64, SIDES[0] as u64, SIDES[1] as u64),
            ("siblings", self.siblings, 1, 64),
        ];
        for (name, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(DataError::Setting {
                    key: "wardrobe",
                    message: format!("{name} = {value} cannot be"),
                    remedy: format!("write a number from {low} to {high}"),
                });
            }
        }
        Ok(())
    }
}

/// Draws the views of a catalogue: number = product × views + view, studio views first.
#[derive(Debug)]
struct Views {
    wardrobe: Wardrobe,
    studio: u64,
    street: u64,
    size: usize,
}

impl Views {
    /// The view of a number within its product.
    fn view(&self, view: u64) -> (Domain, u64) {
        match view < self.studio {
            true => (Domain::Studio, view),
            false => (Domain::Street, view - self.studio),
        }
    }
}

impl Artist for Views {
    fn identity(&self) -> String {
        let Wardrobe { seed, siblings } = self.wardrobe;
        let (studio, street, size) = (self.studio, self.street, self.size);
        format!(
            "wardrobe {VERSION}: seed {seed}, siblings {siblings}, studio {studio}, street {street}, size {size}"
        )
    }

    fn draw(&self, number: u64, picture: &mut Picture) {
        let views = self.studio + self.street;
        let product = self.wardrobe.product(number / views);
        let (domain, view) = self.view(number % views);
        self.wardrobe.draw(&product, domain, view, self.size, picture);
    }
}

/// The catalogue as a table. `train_fraction` of the families (half of them by default) are trained on; of the others, street views are
/// the queries and studio views the gallery. Street views are camera 0 and studio views camera 1, as in the fashion data of the papers.
pub fn read(options: &WardrobeOptions, train_fraction: Option<f64>) -> Result<Table, DataError> {
    options.check()?;
    let fraction = train_fraction.unwrap_or(0.5);
    if !(0.0..1.0).contains(&fraction) {
        return Err(DataError::Setting {
            key: "train_fraction",
            message: format!("{fraction} is not a share that leaves products to test on"),
            remedy: "write a number from 0 up to, but not, 1".into(),
        });
    }
    let siblings = options.siblings;
    let families = options.products.div_ceil(siblings);
    let trained = ((families as f64 * fraction).round() as u64).min(families - 1) * siblings;
    let wardrobe = Wardrobe {
        seed: options.seed,
        siblings,
    };
    let artist = Views {
        wardrobe,
        studio: options.studio,
        street: options.street,
        size: options.size,
    };
    let views = options.studio + options.street;
    let mut items = Vec::new();
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); ATTRIBUTES.len()];
    let artist = Arc::new(artist);
    for index in 0..options.products {
        let product = wardrobe.product(index);
        let (label, title) = (format!("p{index:06}"), product.title());
        let split = if index < trained {
            Split::Train
        } else {
            Split::Test
        };
        let mut attributes: Vec<Option<String>> = vec![None; ATTRIBUTES.len()];
        for (name, value) in product.attributes() {
            if let Some(at) = ATTRIBUTES.iter().position(|&column| column == name) {
                attributes[at] = Some(value);
            }
        }
        attributes[ATTRIBUTES.len() - 1] = Some(format!("f{:06}", index / siblings));
        for view in 0..views {
            let (domain, number) = artist.view(view);
            let street = domain == Domain::Street;
            let boxed = match options.boxes {
                Boxes::Street => street,
                Boxes::All => true,
                Boxes::None => false,
            };
            let id = format!("{label}-{}-{number}", domain.name());
            items.push(Item {
                image: ImageRef::Drawn(Drawn::new(artist.clone(), index * views + view, id.clone())),
                id,
                label: label.clone(),
                category: Some(product.category.name().into()),
                text: Some(title.clone()),
                split,
                is_query: split == Split::Test && street,
                is_gallery: split == Split::Test && !street,
                camera: Some(i64::from(!street)),
                domain: Some(domain.name().into()),
                bbox: boxed.then(|| wardrobe.bounds(&product, domain, number, options.size)),
            });
            for (column, value) in columns.iter_mut().zip(&attributes) {
                column.push(value.clone());
            }
        }
    }
    let mut table = Table::new("wardrobe", None, items);
    table.extra = ATTRIBUTES
        .iter()
        .map(|name| name.to_string())
        .zip(columns)
        .collect();
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> WardrobeOptions {
        WardrobeOptions {
            products: 10,
            studio: 2,
            street: 1,
            size: 32,
            ..WardrobeOptions::default()
        }
    }

    #[test]
    fn families_stay_together_and_views_have_their_parts() {
        let table = read(&small(), Some(0.4)).unwrap();
        assert_eq!(table.items.len(), 30);
        let train = table.classes(&table.train());
        assert_eq!(train.labels(), ["p000000", "p000001", "p000002", "p000003"]);
        assert!(table.leaked().is_empty());
        assert_eq!((table.queries().len(), table.gallery().len()), (6, 12));
        for (row, item) in table.items.iter().enumerate() {
            let street = item.domain.as_deref() == Some("street");
            assert_eq!(item.camera, Some(i64::from(!street)));
            assert_eq!(item.bbox.is_some(), street);
            let family = table.extra["family"][row].as_deref().unwrap();
            let number: u64 = item.label[1..].parse().unwrap();
            assert_eq!(family, format!("f{:06}", number / 2));
            assert!(table.extra["colour"][row].is_some());
        }
        assert_eq!(table.items[2].id, "p000000-street-0");
    }

    #[test]
    fn the_fingerprint_is_that_of_what_is_drawn() {
        let print = |change: fn(&mut WardrobeOptions)| {
            let mut options = small();
            options.boxes = Boxes::None;
            change(&mut options);
            read(&options, None).unwrap().fingerprint
        };
        let base = print(|_| {});
        assert_eq!(base, print(|_| {}));
        let changes: [fn(&mut WardrobeOptions); 4] = [
            |o| o.size = 33,
            |o| o.seed = 1,
            |o| o.street = 2,
            |o| o.boxes = Boxes::Street,
        ];
        for change in changes {
            assert_ne!(base, print(change));
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_named() {
        let error = |change: fn(&mut WardrobeOptions), fraction| {
            let mut options = small();
            change(&mut options);
            read(&options, fraction).unwrap_err().to_string()
        };
        assert_eq!(error(|o| o.size = 8, None), "data.wardrobe: size = 8 cannot be");
        assert!(error(|o| o.products = 1, None).contains("products = 1"));
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(error(|_| {}, Some(fraction)).contains("data.train_fraction"));
        }
    }
}
