//! Exact Street2Shop (Hadi Kiapour et al., ICCV 2015): `meta/json/{train_pairs,test_pairs,retrieval}_<category>.json`, 11 categories,
//! each file one JSON array, and the photos, named by their number with nine digits. A pair is a street photo with the box of a
//! product (`{"photo", "product", "bbox": {"left", "top", "width", "height"}}`), `retrieval` a shop photo of one (`{"photo", "product"}`).
//! 20,357 street photos, 404,683 shop photos, 39,479 pairs.
//!
//! Product numbers are only unique within a category: the label is `category/product`. As in the authors' conversion of the centroid
//! triplet loss, a category is trained on its street photos and on the shop photos of their products; the gallery is the shop photos
//! of all other products, and the categories' galleries are merged (`eval.per_category` also measures within each).
//!
//! Photos were collected from many shops: their files are of several types, whatever their extension says (the decoder goes by
//! the bytes), and some cannot be had any more: `missing = "skip"` leaves those out.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::listing::{list, require_folder};
use super::lists::below;
use crate::data::error::{DataError, Problem, Problems, shorten};
use crate::data::table::{ImageRef, Item, Split, Table, counted};

/// The categories.
pub const CATEGORIES: [&str; 11] = [
    "bags",
    "belts",
    "dresses",
    "eyewear",
    "footwear",
    "hats",
    "leggings",
    "outerwear",
    "pants",
    "skirts",
    "tops",
];

/// How the data set is read.
#[derive(Clone, Debug, Default)]
pub struct Street2ShopOptions {
    /// The folder of the photos below the root; otherwise `images`, `photos` or the root itself.
    pub images: Option<String>,
    /// Some of the categories; otherwise all.
    pub categories: Option<Vec<String>>,
}

/// Reads the folder that holds `meta/json/` and the photos.
pub fn read(root: &Path, options: &Street2ShopOptions) -> Result<Table, DataError> {
    require_folder(root)?;
    let categories = categories(options)?;
    let meta = meta(root, &categories)?;
    let photos = Photos::find(root, options)?;
    let mut reader = Reader {
        photos: &photos,
        items: Vec::new(),
        seen: HashSet::new(),
        repeated: 0,
        empty_boxes: 0,
        known_products: 0,
    };
    for category in categories {
        reader.category(&meta, category)?;
    }
    let Reader {
        items,
        repeated,
        empty_boxes,
        known_products,
        ..
    } = reader;
    let queries: HashSet<&str> = items
        .iter()
        .filter(|item| item.is_query)
        .map(|item| item.label.as_str())
        .collect();
    let found: HashSet<&str> = items
        .iter()
        .filter(|item| item.is_gallery)
        .map(|item| item.label.as_str())
        .collect();
    let mut notes = Vec::new();
    let lost = queries.difference(&found).count();
    if lost > 0 {
        let products = counted(lost, "product is", "products are");
        notes.push(format!(
            "{products} searched for without a photo in the gallery: their queries are in no figure"
        ));
    }
    if known_products > 0 {
        let queries = counted(known_products, "test query shows", "test queries show");
        notes.push(format!(
            "{queries} products that are trained on, whose photos are not in the gallery: left out"
        ));
    }
    if empty_boxes > 0 {
        let photos = counted(empty_boxes, "street photo was", "street photos were");
        notes.push(format!(
            "{photos} left out: their boxes are less than a pixel wide or high"
        ));
    }
    if repeated > 0 {
        let entries = counted(repeated, "entry was", "entries were");
        notes.push(format!(
            "{entries} left out: the same photo, product and box stands there twice"
        ));
    }
    if photos.doubled > 0 {
        let numbers = counted(photos.doubled, "photo number has", "photo numbers have");
        notes.push(format!("{numbers} several files: the first by name is taken"));
    }
    let mut table = Table::new("street2shop", Some(root), items);
    table.notes = notes;
    Ok(table)
}

fn categories(options: &Street2ShopOptions) -> Result<Vec<&'static str>, DataError> {
    let Some(named) = &options.categories else {
        return Ok(CATEGORIES.to_vec());
    };
    let mut chosen = Vec::new();
    for name in named {
        let Some(&category) = CATEGORIES.iter().find(|category| *category == name) else {
            return Err(DataError::Setting {
                key: "categories",
                message: format!("{name:?} is no category of Street2Shop"),
                remedy: format!("the categories are {}", CATEGORIES.join(", ")),
            });
        };
        if !chosen.contains(&category) {
            chosen.push(category);
        }
    }
    if chosen.is_empty() {
        return Err(DataError::Setting {
            key: "categories",
            message: "the list is empty".into(),
            remedy: "name at least one category, or remove the key for all of them".into(),
        });
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// The three files of a category.
const PARTS: [&str; 3] = ["train_pairs", "test_pairs", "retrieval"];

/// The folder of the JSON files, which has those of all categories.
fn meta(root: &Path, categories: &[&str]) -> Result<PathBuf, DataError> {
    let is_there = |folder: &Path, category: &str| {
        PARTS
            .iter()
            .all(|part| folder.join(format!("{part}_{category}.json")).is_file())
    };
    let places = ["meta/json", "json", "meta", ""].map(|name| root.join(name));
    let folder = places
        .iter()
        .find(|folder| CATEGORIES.iter().any(|category| is_there(folder, category)));
    let Some(folder) = folder else {
        return Err(DataError::Layout {
            dataset: "street2shop",
            root: root.into(),
            expected: "meta/json/ with train_pairs_<category>.json, test_pairs_<category>.json and retrieval_<category>.json".into(),
            found: list(root)?.found(),
            remedy: "set data.root to the folder that meta.zip was unpacked in".into(),
        });
    };
    let absent: Vec<&str> = categories
        .iter()
        .copied()
        .filter(|category| !is_there(folder, category))
        .collect();
    if absent.is_empty() {
        return Ok(folder.clone());
    }
    let there: Vec<String> = CATEGORIES
        .iter()
        .filter(|category| is_there(folder, category))
        .map(|category| format!("{category:?}"))
        .collect();
    Err(DataError::Layout {
        dataset: "street2shop",
        root: folder.clone(),
        expected: format!("the three files of each category, also of {}", absent.join(", ")),
        found: list(folder)?.found(),
        remedy: format!(
            "unpack meta.zip again, or set data.categories = [{}]",
            there.join(", ")
        ),
    })
}

/// The photos' files by number.
struct Photos {
    folder: PathBuf,
    files: HashMap<u64, PathBuf>,
    doubled: usize,
}

impl Photos {
    fn find(root: &Path, options: &Street2ShopOptions) -> Result<Self, DataError> {
        let folder = match &options.images {
            Some(name) => {
                below(root, name)
                    .filter(|path| path.is_dir())
                    .ok_or_else(|| DataError::Setting {
                        key: "images",
                        message: format!("{name:?} is no folder of {}", root.display()),
                        remedy: "name the folder of the photos, relative to data.root".into(),
                    })?
            }
            None => ["images", "photos"]
                .map(|name| root.join(name))
                .into_iter()
                .find(|path| path.is_dir())
                .unwrap_or_else(|| root.to_path_buf()),
        };
        let listing = list(&folder)?;
        let mut files: HashMap<u64, PathBuf> = HashMap::with_capacity(listing.images.len());
        let mut doubled = 0;
        // Photos without an extension, or with a wrong one, are photos still.
        let mut paths: Vec<PathBuf> = listing.images.into_iter().chain(listing.others).collect();
        paths.sort();
        for path in paths {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let digits = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
            let Some(number) = digits.then(|| stem.parse().ok()).flatten() else {
                continue;
            };
            match files.entry(number) {
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(path);
                }
                std::collections::hash_map::Entry::Occupied(_) => doubled += 1,
            }
        }
        if files.is_empty() {
            return Err(DataError::Layout {
                dataset: "street2shop",
                root: folder.clone(),
                expected: "photos named by their number, such as 000000123.jpg".into(),
                found: list(&folder)?.found(),
                remedy: "say with data.images which folder below data.root holds the photos".into(),
            });
        }
        Ok(Self {
            folder,
            files,
            doubled,
        })
    }

    /// A photo's file, or where it would lie.
    fn path(&self, number: u64) -> PathBuf {
        match self.files.get(&number) {
            Some(path) => path.clone(),
            None => self.folder.join(format!("{number:09}.jpg")),
        }
    }
}

/// An entry of a file.
struct Entry {
    photo: u64,
    product: u64,
    bbox: Option<[f32; 4]>,
}

struct Reader<'a> {
    photos: &'a Photos,
    items: Vec<Item>,
    seen: HashSet<String>,
    repeated: usize,
    empty_boxes: usize,
    known_products: usize,
}

impl Reader<'_> {
    fn category(&mut self, meta: &Path, category: &str) -> Result<(), DataError> {
        let entries = |part: &str| entries(&meta.join(format!("{part}_{category}.json")), part != PARTS[2]);
        let (train, test, shop) = (entries(PARTS[0])?, entries(PARTS[1])?, entries(PARTS[2])?);
        let trained: HashSet<u64> = train.iter().map(|entry| entry.product).collect();
        for entry in &train {
            self.add(category, "street", entry, (Split::Train, false, false));
        }
        for entry in &shop {
            if trained.contains(&entry.product) {
                self.add(category, "shop", entry, (Split::Train, false, false));
            }
        }
        for entry in &test {
            match trained.contains(&entry.product) {
                true => self.known_products += 1,
                false => self.add(category, "street", entry, (Split::Test, true, false)),
            }
        }
        for entry in &shop {
            if !trained.contains(&entry.product) {
                self.add(category, "shop", entry, (Split::Test, false, true));
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        category: &str,
        domain: &str,
        entry: &Entry,
        (split, is_query, is_gallery): (Split, bool, bool),
    ) {
        if let Some([x1, y1, x2, y2]) = entry.bbox
            && (x2 - x1 < 1.0 || y2 - y1 < 1.0)
        {
            self.empty_boxes += 1;
            return;
        }
        let place = match entry.bbox {
            Some([x1, y1, x2, y2]) => format!("@{x1},{y1},{x2},{y2}"),
            None => String::new(),
        };
        let id = format!("{category}/{}/{domain}/{}{place}", entry.product, entry.photo);
        if !self.seen.insert(id.clone()) {
            self.repeated += 1;
            return;
        }
        self.items.push(Item {
            id,
            image: ImageRef::File(self.photos.path(entry.photo)),
            label: format!("{category}/{}", entry.product),
            category: Some(category.to_string()),
            text: None,
            split,
            is_query,
            is_gallery,
            camera: None,
            domain: Some(domain.to_string()),
            bbox: entry.bbox,
        });
    }
}

/// The entries of a file; all that is wrong with them at once, by number from 1.
fn entries(path: &Path, boxes: bool) -> Result<Vec<Entry>, DataError> {
    let bytes = crate::files::read_bytes(path)?;
    let values: Vec<Value> = serde_json::from_slice(&bytes).map_err(|error| DataError::Format {
        path: path.into(),
        message: format!("is not a JSON array: {error}"),
        remedy: "take the file as it was published, or unpack meta.zip again".into(),
    })?;
    let mut problems = Problems::default();
    let mut entries = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let mut complain = |key: &str, value: Option<&Value>, message: &str| {
            problems.push(Problem {
                place: format!("entry {}", index + 1),
                column: Some(key.into()),
                value: value.map(|value| shorten(&value.to_string())),
                message: message.into(),
                remedy: match boxes {
                    true => "an entry is {\"photo\": 1, \"product\": 2, \"bbox\": {\"left\": 1, \"top\": 2, \"width\": 3, \"height\": 4}}",
                    false => "an entry is {\"photo\": 1, \"product\": 2}",
                }
                .into(),
            });
        };
        let mut number = |key: &str| {
            let value = value.get(key);
            let number = value.and_then(|value| match value {
                Value::String(text) => text.trim().parse().ok(),
                value => value.as_u64(),
            });
            if number.is_none() {
                complain(
                    key,
                    value,
                    if value.is_some() {
                        "is not a number"
                    } else {
                        "is missing"
                    },
                );
            }
            number
        };
        let (photo, product) = (number("photo"), number("product"));
        let mut bbox = None;
        if boxes {
            let side = |key: &str| {
                let side = value.get("bbox")?.get(key)?.as_f64()? as f32;
                side.is_finite().then_some(side)
            };
            let sides = ["left", "top", "width", "height"].map(side);
            match sides {
                [Some(left), Some(top), Some(width), Some(height)] => {
                    bbox = Some([left, top, left + width, top + height]);
                }
                _ => complain("bbox", value.get("bbox"), "is not a box of four numbers"),
            }
        }
        if let (Some(photo), Some(product)) = (photo, product) {
            entries.push(Entry { photo, product, bbox });
        }
    }
    problems.into_result(path)?;
    Ok(entries)
}
