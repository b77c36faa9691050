//! DeepFashion Consumer-to-Shop (Liu et al., CVPR 2016): `Eval/list_eval_partition.txt` (count; `image_pair_name_1 image_pair_name_2
//! item_id evaluation_status`: a consumer photo, a shop photo, their item, and train, val or test),
//! `Anno/list_bbox_consumer2shop.txt` (count; `image_name clothes_type source_type x_1 y_1 x_2 y_2`: two corners, in pixels of the
//! small pictures) and `img/<GROUP>/<Category>/id_XXXXXXXX/{comsumer_NN,shop_NN}.jpg` (the misspelling is the data set's).
//!
//! The label is the item. Every consumer photo of a test item is a query; the gallery is the shop photos of the test *and* validation
//! items ([`Val`]).
//!
//! The large pictures (`img_highres/`) have boxes in pixels of the small ones: each box is scaled by the two sizes, which are read
//! from the files' heads; where the small picture is not there, its long side counts as 300. Their folder
//! `CLOTHING/Summer_Suit` is what the lists call `CLOTHING/Summer_Wear`; either name is found.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deepfashion_inshop::{CLOTHES, category, one_split, partition};
use super::listing::require_folder;
use super::lists::{self, List, below, corners, find_file, problem};
use crate::data::error::{DataError, Problem};
use crate::data::image::dimensions;
use crate::data::table::{ImageRef, Item, Split, Table, counted};

const PARTITION: [&str; 4] = [
    "image_pair_name_1",
    "image_pair_name_2",
    "item_id",
    "evaluation_status",
];
const BOXES: [&str; 7] = [
    "image_name",
    "clothes_type",
    "source_type",
    "x_1",
    "y_1",
    "x_2",
    "y_2",
];
/// The long side of the small pictures.
const SMALL: f32 = 300.0;
/// One folder that goes by two names.
const RENAMED: [&str; 2] = ["CLOTHING/Summer_Wear", "CLOTHING/Summer_Suit"];

/// What the validation items are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Val {
    /// Their shop photos belong to the test gallery, as published; their consumer photos take no part.
    #[default]
    Gallery,
    /// They are a split of their own, to choose by; the test gallery is then smaller than the published one.
    Valid,
}

/// How the data set is read.
#[derive(Clone, Debug, Default)]
pub struct ConsumerToShopOptions {
    /// The folder that stands in place of `img`.
    pub images: Option<String>,
    /// What the validation items are for.
    pub val: Val,
    /// Read x_2 and y_2 as width and height.
    pub legacy_crop: bool,
}

/// Reads the folder that holds `Eval/`, `Anno/` and `img/`.
pub fn read(root: &Path, options: &ConsumerToShopOptions) -> Result<Table, DataError> {
    require_folder(root)?;
    let mut list = List::read(partition(root, "deepfashion-c2s")?, &PARTITION, true)?;
    let pictures = Pictures::find(root, options)?;
    let mut notes = Vec::new();
    let boxes = boxes(root, options.legacy_crop, &mut notes)?;
    let mut problems = std::mem::take(&mut list.problems);
    let mut split_of: HashMap<&str, (Split, usize)> = HashMap::new();
    let mut item_of: HashMap<&str, (&str, usize)> = HashMap::new();
    let mut photos: Vec<Photo> = Vec::new();
    for row in list.rows() {
        let [consumer, shop, item, status] = row.cells[..] else {
            continue;
        };
        let split = match status {
            "train" => Split::Train,
            "val" => Split::Valid,
            "test" => Split::Test,
            _ => {
                let (message, remedy) = ("is no part of the data set".into(), "write train, val or test");
                problems.push(problem(row.line, "evaluation_status", status, message, remedy));
                continue;
            }
        };
        one_split(&mut split_of, &mut problems, item, split, row.line);
        for (column, name, is_shop) in [(PARTITION[0], consumer, false), (PARTITION[1], shop, true)] {
            let (owner, line) = *item_of.entry(name).or_insert_with(|| {
                photos.push(Photo {
                    name,
                    item,
                    split,
                    is_shop,
                });
                (item, row.line)
            });
            if owner != item {
                let message = format!("belongs to {owner} on line {line}");
                let remedy = "a photo shows one item: correct one of the rows";
                problems.push(problem(row.line, column, name, message, remedy));
            }
            if below(Path::new(""), name).is_none() {
                let message = "leaves the folder of the data set".into();
                problems.push(problem(
                    row.line,
                    column,
                    name,
                    message,
                    "name images below data.root",
                ));
            }
        }
    }
    problems.into_result(&list.path)?;
    let mut items = Vec::with_capacity(photos.len());
    let mut clothes = Vec::with_capacity(photos.len());
    let (mut boxless, mut unused, mut unscaled) = (0usize, 0usize, 0usize);
    for photo in photos {
        let (split, is_query, is_gallery) = match (photo.split, options.val) {
            (Split::Train, _) => (Split::Train, false, false),
            (Split::Valid, Val::Gallery) if !photo.is_shop => {
                unused += 1;
                continue;
            }
            (Split::Valid, Val::Gallery) => (Split::Test, false, true),
            (split, _) => (split, !photo.is_shop, photo.is_shop),
        };
        let about = boxes.get(photo.name);
        let mut bbox = about.and_then(|about| about.bbox);
        boxless += usize::from(about.is_none() && !boxes.is_empty());
        let path = pictures.path(photo.name);
        if let Some(bounds) = &mut bbox {
            unscaled += usize::from(!pictures.scale(photo.name, &path, bounds));
        }
        clothes.push(about.and_then(|about| about.clothes).map(String::from));
        items.push(Item {
            id: photo.name.to_string(),
            image: ImageRef::File(path),
            label: photo.item.to_string(),
            category: category(photo.name),
            text: None,
            split,
            is_query,
            is_gallery,
            camera: None,
            domain: Some(if photo.is_shop { "shop" } else { "consumer" }.into()),
            bbox,
        });
    }
    let mut table = Table::new("deepfashion-c2s", Some(&pictures.base), items);
    if !boxes.is_empty() {
        table.extra = BTreeMap::from([("clothes_type".to_string(), clothes)]);
    }
    if unused > 0 {
        let photos = counted(
            unused,
            "consumer photo of a validation item takes",
            "consumer photos of validation items take",
        );
        notes.push(format!(
            "{photos} no part: their shop photos are in the test gallery, as published (val = \"valid\" makes a split of both)"
        ));
    }
    if boxless > 0 {
        let images = counted(boxless, "photo has", "photos have");
        notes.push(format!("{images} no box: taken whole"));
    }
    if unscaled > 0 {
        let boxes = counted(unscaled, "box is", "boxes are");
        notes.push(format!(
            "{boxes} scaled as if the small picture's long side were {SMALL}: it is not there to be measured"
        ));
    }
    if options.legacy_crop {
        notes.push(
            "legacy_df_crop: boxes reach to (x_1 + x_2, y_1 + y_2), which is not what they mean".into(),
        );
    }
    notes.extend(pictures.note);
    table.notes = notes;
    Ok(table)
}

struct Photo<'a> {
    name: &'a str,
    item: &'a str,
    split: Split,
    is_shop: bool,
}

struct About {
    clothes: Option<&'static str>,
    bbox: Option<[f32; 4]>,
}

fn boxes(root: &Path, legacy: bool, notes: &mut Vec<String>) -> Result<HashMap<String, About>, DataError> {
    let names = ["Anno/list_bbox_consumer2shop.txt", "list_bbox_consumer2shop.txt"];
    let Some(path) = find_file(root, &names) else {
        notes.push(format!("{} is not there: photos are taken whole", names[0]));
        return Ok(HashMap::new());
    };
    let mut list = List::read(path, &BOXES, true)?;
    let mut problems = std::mem::take(&mut list.problems);
    let mut boxes = HashMap::new();
    let mut empty = 0usize;
    for row in list.rows() {
        match corners(&row.cells[3..], legacy) {
            Err(message) => problems.push(Problem {
                place: format!("line {}", row.line),
                column: Some("x_1".into()),
                value: None,
                message,
                remedy: "boxes are two corners in pixels".into(),
            }),
            Ok(bbox) => {
                empty += usize::from(bbox.is_none());
                let kind = row.cells[1].parse::<usize>().ok();
                let clothes = kind.and_then(|kind| CLOTHES.get(kind.checked_sub(1)?)).copied();
                boxes.insert(row.cells[0].to_string(), About { clothes, bbox });
            }
        }
    }
    problems.into_result(&list.path)?;
    if empty > 0 {
        let boxes = counted(empty, "box has", "boxes have");
        notes.push(format!(
            "{boxes} no pixel in them (x_2 ≤ x_1 or y_2 ≤ y_1): those photos are taken whole"
        ));
    }
    Ok(boxes)
}

/// Where the pictures are, and what their boxes are measured in.
struct Pictures {
    base: PathBuf,
    /// Below the base, in place of `img`.
    folder: String,
    /// The small pictures' folder, where the boxes are to be scaled.
    small: Option<PathBuf>,
    /// (as the lists have it, as the folder is called)
    renamed: Option<(&'static str, &'static str)>,
    note: Option<String>,
}

impl Pictures {
    fn find(root: &Path, options: &ConsumerToShopOptions) -> Result<Self, DataError> {
        let base = lists::base(root);
        let folder = options
            .images
            .clone()
            .unwrap_or_else(|| "img".into())
            .trim_end_matches('/')
            .to_string();
        let place = below(&base, &folder).filter(|place| place.is_dir());
        let Some(place) = place else {
            return Err(DataError::Layout {
                dataset: "deepfashion-c2s",
                root: base.clone(),
                expected: format!("the pictures in {folder}/"),
                found: super::listing::list(&base)?.found(),
                remedy: "unpack the archive of the pictures, or say with data.images where they are".into(),
            });
        };
        let renamed = [(RENAMED[0], RENAMED[1]), (RENAMED[1], RENAMED[0])]
            .into_iter()
            .find(|(listed, called)| place.join(called).is_dir() && !place.join(listed).is_dir());
        let small = ["img_low_res", "img"].map(|name| base.join(name));
        Ok(Self {
            small: (folder != "img").then(|| {
                small
                    .iter()
                    .find(|path| path.is_dir())
                    .unwrap_or(&small[1])
                    .clone()
            }),
            note: renamed.map(|(listed, called)| {
                format!("the folder {folder}/{called} is read as {listed}, where a list calls it so")
            }),
            base,
            folder,
            renamed,
        })
    }

    /// The file of a name of the lists, which was found to stay below its folder.
    fn path(&self, name: &str) -> PathBuf {
        let rest = name.strip_prefix("img/").unwrap_or(name);
        let folder = self.base.join(&self.folder);
        match self.renamed {
            Some((listed, called)) if rest.starts_with(listed) => {
                folder.join(format!("{called}{}", &rest[listed.len()..]))
            }
            _ => folder.join(rest),
        }
    }

    /// Brings a box to the pixels of the picture; false where the small picture's size had to be guessed.
    fn scale(&self, name: &str, path: &Path, bounds: &mut [f32; 4]) -> bool {
        let Some(small) = &self.small else { return true };
        let size = |path: &Path| dimensions(BufReader::new(File::open(path).ok()?));
        // A picture that cannot be read is named when it is needed.
        let Some([width, height]) = size(path) else {
            return true;
        };
        let (width, height) = (width as f32, height as f32);
        let rest = name.strip_prefix("img/").unwrap_or(name);
        let measured = size(&small.join(rest)).filter(|sides| sides.iter().all(|&side| side > 0));
        let (x, y) = match measured {
            Some([w, h]) => (width / w as f32, height / h as f32),
            None => [width.max(height) / SMALL; 2].into(),
        };
        for (side, scale) in bounds.iter_mut().zip([x, y, x, y]) {
            *side *= scale;
        }
        measured.is_some()
    }
}
