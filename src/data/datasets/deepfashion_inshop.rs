//! DeepFashion In-shop Clothes Retrieval (Liu et al., CVPR 2016): `Eval/list_eval_partition.txt` (count; `image_name item_id
//! evaluation_status`, which is train, query or gallery), `Anno/list_bbox_inshop.txt` (count; `image_name clothes_type pose_type
//! x_1 y_1 x_2 y_2`, two corners) and `img/{WOMEN,MEN}/<Category>/id_XXXXXXXX/NN_k_view.jpg`. 25,882 training images, 14,218 queries
//! and 12,612 in the gallery.
//!
//! The label is the item, the category `WOMEN/Dresses`. Pose and type of clothes are extra columns. Without the list of boxes (a file
//! of its own) pictures are taken whole.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::listing::{list, require_folder};
use super::lists::{List, below, corners, find_file, problem};
use crate::data::error::{DataError, Problem, Problems};
use crate::data::table::{ImageRef, Item, Split, Table, counted};

const PARTITION: [&str; 3] = ["image_name", "item_id", "evaluation_status"];
const BOXES: [&str; 7] = [
    "image_name",
    "clothes_type",
    "pose_type",
    "x_1",
    "y_1",
    "x_2",
    "y_2",
];
/// `clothes_type` 1, 2 and 3.
pub(super) const CLOTHES: [&str; 3] = ["upper-body", "lower-body", "full-body"];
const POSES: [&str; 6] = ["front", "side", "back", "zoom-out", "zoom-in", "stand-alone"];

/// Reads the folder that holds `Eval/`, `Anno/` and `img/`.
pub fn read(root: &Path) -> Result<Table, DataError> {
    require_folder(root)?;
    let partition = partition(root, "deepfashion-inshop")?;
    let mut partition = List::read(partition, &PARTITION, true)?;
    let boxes = find_file(
        root,
        &[
            "Anno/list_bbox_inshop.txt",
            "Anno_coarse/list_bbox_inshop.txt",
            "list_bbox_inshop.txt",
        ],
    );
    let mut notes = Vec::new();
    let boxes = match boxes {
        Some(path) => {
            let list = List::read(path, &BOXES, true)?;
            let (boxes, note) = read_boxes(list)?;
            notes.extend(note);
            boxes
        }
        None => {
            notes.push("Anno/list_bbox_inshop.txt is not there: pictures are taken whole".into());
            HashMap::new()
        }
    };
    let base = super::lists::base(root);
    let mut problems = std::mem::take(&mut partition.problems);
    let mut items: Vec<Item> = Vec::new();
    let mut extra: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    let mut line_of: HashMap<&str, usize> = HashMap::new();
    let mut split_of: HashMap<&str, (Split, usize)> = HashMap::new();
    let mut boxless = 0usize;
    for row in partition.rows() {
        let [image, item, status] = row.cells[..] else {
            continue;
        };
        let (split, is_query, is_gallery) = match status {
            "train" => (Split::Train, false, false),
            "query" => (Split::Test, true, false),
            "gallery" => (Split::Test, false, true),
            _ => {
                let remedy = "write train, query or gallery";
                problems.push(problem(
                    row.line,
                    "evaluation_status",
                    status,
                    "is no part of the data set".into(),
                    remedy,
                ));
                continue;
            }
        };
        let Some(path) = below(&base, image) else {
            let message = "leaves the folder of the data set".into();
            problems.push(problem(
                row.line,
                "image_name",
                image,
                message,
                "name images below data.root",
            ));
            continue;
        };
        if let Some(first) = line_of.insert(image, row.line) {
            let message = format!("stands on line {first} too");
            problems.push(problem(
                row.line,
                "image_name",
                image,
                message,
                "remove one of the rows",
            ));
            continue;
        }
        one_split(&mut split_of, &mut problems, item, split, row.line);
        let about = boxes.get(image);
        boxless += usize::from(about.is_none() && !boxes.is_empty());
        for (name, value) in [
            ("clothes_type", about.map(|about| about.clothes)),
            ("pose", about.map(|about| about.pose)),
        ] {
            let column = extra.entry(name.into()).or_default();
            column.push(value.flatten().map(String::from));
        }
        items.push(Item {
            id: image.to_string(),
            image: ImageRef::File(path),
            label: item.to_string(),
            category: category(image),
            text: None,
            split,
            is_query,
            is_gallery,
            camera: None,
            domain: None,
            bbox: about.and_then(|about| about.bbox),
        });
    }
    problems.into_result(&partition.path)?;
    if boxless > 0 {
        let images = counted(boxless, "image has", "images have");
        notes.push(format!("{images} no row in list_bbox_inshop.txt: taken whole"));
    }
    let mut table = Table::new("deepfashion-inshop", Some(&base), items);
    table.notes = notes;
    if !boxes.is_empty() {
        table.extra = extra;
    }
    Ok(table)
}

struct About {
    clothes: Option<&'static str>,
    pose: Option<&'static str>,
    bbox: Option<[f32; 4]>,
}

fn read_boxes(mut list: List) -> Result<(HashMap<String, About>, Option<String>), DataError> {
    let mut problems = std::mem::take(&mut list.problems);
    let mut boxes = HashMap::new();
    let mut empty = 0usize;
    for row in list.rows() {
        let named = |cell: &str, names: &[&'static str]| {
            let index = cell.parse::<usize>().ok()?.checked_sub(1)?;
            names.get(index).copied()
        };
        let bbox = match corners(&row.cells[3..], false) {
            Ok(bbox) => bbox,
            Err(message) => {
                problems.push(Problem {
                    place: format!("line {}", row.line),
                    column: Some("x_1".into()),
                    value: None,
                    message,
                    remedy: "boxes are two corners in pixels".into(),
                });
                continue;
            }
        };
        empty += usize::from(bbox.is_none());
        let about = About {
            clothes: named(row.cells[1], &CLOTHES),
            pose: named(row.cells[2], &POSES),
            bbox,
        };
        boxes.insert(row.cells[0].to_string(), about);
    }
    problems.into_result(&list.path)?;
    let note = (empty > 0).then(|| {
        let boxes = counted(empty, "box has", "boxes have");
        format!("{boxes} no pixel in them (x_2 ≤ x_1 or y_2 ≤ y_1): those pictures are taken whole")
    });
    Ok((boxes, note))
}

/// `Eval/list_eval_partition.txt`, or where it lies instead.
pub(super) fn partition(root: &Path, dataset: &'static str) -> Result<std::path::PathBuf, DataError> {
    let names = ["Eval/list_eval_partition.txt", "list_eval_partition.txt"];
    let Some(path) = find_file(root, &names) else {
        let top = list(root)?;
        let inner = top
            .folders
            .iter()
            .find(|name| find_file(&root.join(name), &names).is_some());
        return Err(DataError::Layout {
            dataset,
            root: root.into(),
            expected: "Eval/list_eval_partition.txt, Anno/ and img/".into(),
            found: top.found(),
            remedy: match inner {
                Some(name) => format!("set data.root to {}", root.join(name).display()),
                None => "set data.root to the folder of this benchmark, with its archives unpacked".into(),
            },
        });
    };
    Ok(path)
}

/// Items belong to one split: an item that is trained on is not tested by.
pub(super) fn one_split<'a>(
    split_of: &mut HashMap<&'a str, (Split, usize)>,
    problems: &mut Problems,
    item: &'a str,
    split: Split,
    line: usize,
) {
    let (first, first_line) = *split_of.entry(item).or_insert((split, line));
    if first != split {
        let message = format!("is of the {split} split here, but of {first} on line {first_line}");
        let remedy = "items belong to one split as published: take the file as it was";
        problems.push(problem(line, "item_id", item, message, remedy));
    }
}

/// `img/WOMEN/Dresses/id_1/a.jpg` → `WOMEN/Dresses`.
pub(super) fn category(image: &str) -> Option<String> {
    let parts: Vec<&str> = image.split('/').collect();
    match parts[..] {
        [_, group, category, _, _] => Some(format!("{group}/{category}")),
        _ => None,
    }
}
