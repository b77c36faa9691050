//! The recipe's text, from what was found.

use super::look::Found;
use super::refuse;
use crate::data::datasets::Missing;
use crate::data::table::{Split, counted};
use crate::data::{DataError, Layout};
use crate::recipe::{Origin, Recipe, SECTIONS};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A recipe and what it takes for granted.
pub(super) struct Written {
    /// The file's text.
    pub text: String,
    /// In sentences for people; they stand in the file too.
    pub assumed: Vec<String>,
}

/// How many optimiser steps a first run has, about.
const STEPS: usize = 1500;

/// The recipe whose preparation of pictures is replaced by one that suits what was found.
const PLAIN: &str = "quickstart";

/// Writes the recipe on `base`, which says `below`, for a file in `folder`.
pub(super) fn recipe(
    found: &Found,
    name: &str,
    base: &str,
    below: &Recipe,
    folder: &Path,
) -> Result<Written, DataError> {
    let mut assumed = Vec::new();
    let table = &found.table;
    let section = &found.section;
    let place = [&section.root, &section.table, &section.shards]
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default();
    let place = Path::new(&place);

    // Batches: P classes × K images.
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in table.items.iter().filter(|item| item.split == Split::Train) {
        *counts.entry(&item.label).or_default() += 1;
    }
    let mut sizes: Vec<usize> = counts.values().copied().filter(|&count| count > 1).collect();
    sizes.sort_unstable();
    if sizes.len() < 2 {
        let singles = counted(counts.len() - sizes.len(), "class has", "classes have");
        return Err(refuse(
            place,
            format!(
                "{} to train on with at least two pictures ({singles} one): there is nothing to tell apart",
                counted(sizes.len(), "class is there", "classes are there")
            ),
            "label pictures of one product alike: a class needs two pictures or more, and training two classes or more",
        ));
    }
    let per_class = if sizes[sizes.len() / 2] >= 4 { 4 } else { 2 };
    let classes = sizes.len().min(64 / per_class);
    let train: usize = counts.values().sum();
    let prepared = match base {
        PLAIN => fresh(found, &sizes, (classes, per_class), &mut assumed),
        _ => kept(base, below, sizes.len(), &mut assumed),
    };

    // Splits.
    let mut keys = vec![("dataset", toml::Value::from(section.name()))];
    for (key, value) in [
        ("root", &section.root),
        ("table", &section.table),
        ("shards", &section.shards),
    ] {
        if let Some(value) = value {
            keys.push((key, value.clone().into()));
        }
    }
    if let Some(fraction) = section.train_fraction {
        keys.push(("train_fraction", fraction.into()));
        keys.push(("split_seed", 0.into()));
    }
    if found.divided {
        assumed.push(
            match section.closed_set {
                true => "no split is given: 70 % of each class's pictures are trained on, the others are tested on",
                false => {
                    "no split is given: 70 % of the classes are trained on, the others are tested on as products never seen \
                     before (where classes are categories: --categories)"
                }
            }
            .into(),
        );
    }
    if section.closed_set {
        keys.push(("closed_set", true.into()));
        assumed.push(
            "classes stand in the train split and in another: known classes are to be found again (category retrieval)"
                .into(),
        );
    }
    if section.missing == Missing::Skip {
        keys.push(("missing", "skip".into()));
        assumed.push(format!(
            "{} not there: left out",
            counted(found.missing, "picture is", "pictures are")
        ));
    }
    if found.unread > 0 {
        assumed.push(format!(
            "{} of those looked at cannot be read: run `tailor data check` before training",
            counted(found.unread, "picture", "pictures")
        ));
    }

    // Evaluation.
    let split = match table.queries().is_empty() && !table.queries_of(Split::Valid).is_empty() {
        true => Split::Valid,
        false => Split::Test,
    };
    let (queries, gallery) = (table.queries_of(split), table.gallery_of(split));
    if queries.is_empty() || gallery.is_empty() {
        return Err(refuse(
            place,
            format!("the {split} split has no query or no gallery"),
            "mark rows with is_query and is_gallery, or leave both columns out: every held-out row is then both",
        ));
    }
    let apart = queries.iter().all(|row| gallery.binary_search(row).is_err());
    let modes = match apart {
        true => vec!["instance", "centroid"],
        false => vec!["instance"],
    };
    assumed.push(match apart {
        true => format!(
            "{} are searched for among {} other pictures of the {split} split",
            counted(queries.len(), "picture", "pictures"),
            gallery.len()
        ),
        false => format!(
            "each of the {} pictures of the {split} split is searched for among the others",
            queries.len()
        ),
    });
    let cameras = table.items.iter().any(|item| item.camera.is_some());
    if cameras {
        assumed.push("a query's own camera does not count as a hit (same_camera_rule)".into());
    }

    // What the recipe says itself, by section; what a base with a base of its own changes is repeated.
    let (extends, mut own) = ground(below, folder);
    // A gallery of training pictures holds nothing for products that training has not seen.
    if below.toml("eval.train_gallery").is_some() && !section.closed_set {
        own.replace("eval");
    }
    own.replace("data");
    own.lay(
        "paper",
        [
            ("dataset", name.into()),
            (
                "headline",
                "our own data: nothing published to compare with".into(),
            ),
            ("published", toml::Value::Array(Vec::new())),
        ],
    );
    if base == PLAIN {
        let steps = (train / (classes * per_class)).max(1);
        let epochs = (STEPS / steps).clamp(5, 100);
        own.comment = format!("# About {} steps.\n", epochs * steps);
        let [epochs, every] = [epochs, (epochs / 5).max(1)].map(|count| toml::Value::from(count as i64));
        own.lay("train", [("epochs", epochs), ("evaluate_every", every)]);
    }
    own.lay(
        "eval",
        [
            ("split", split.name().into()),
            ("modes", modes.into()),
            ("same_camera_rule", cameras.into()),
        ],
    );
    if section.dataset == Layout::Market1501 {
        own.lay("eval", [("distractor", "0000".into())]);
    }

    let mut text = format!(
        "# A first recipe for {name}, written by `tailor data init`.\n#\n# {}\n#\n# It assumes:\n",
        table.summary().to_string().replace('\n', "\n# ")
    );
    for line in &assumed {
        text.push_str(&format!("# - {line}\n"));
    }
    text.push_str(&format!(
        "#\n# Every key: `tailor recipes schema`. What the base says: `tailor recipes show {base} --resolved`.\n"
    ));
    if below.base.is_some() {
        text.push_str(&format!(
            "# {base} builds on {extends} itself, and a recipe has one base: what {base} changes is repeated here.\n"
        ));
    }
    text.push_str(&format!(
        "extends = {}\nreplaces = {}\n",
        toml::Value::from(extends),
        toml::Value::from(own.replaces.clone())
    ));
    for section in SECTIONS {
        if section == "data" {
            text.push_str("\n[data]\n");
            for (key, value) in &keys {
                text.push_str(&format!("{key} = {value}\n"));
            }
            text.push_str(&prepared);
            text.push_str(
                "# Photos of phones are turned upright as their files say.\ndecode = { exif = true }\n",
            );
        } else if let Some(keys) = own.sections.get(section) {
            text.push_str(&format!("\n[{section}]\n"));
            if section == "train" {
                text.push_str(&own.comment);
            }
            for (key, value) in keys {
                text.push_str(&written(key, value));
            }
        }
    }
    Ok(Written { text, assumed })
}

/// What the recipe says beside its data.
#[derive(Default)]
struct Own {
    sections: HashMap<String, toml::Table>,
    /// Sections of the base that count no more.
    replaces: Vec<String>,
    /// Above the keys of `[train]`.
    comment: String,
}

impl Own {
    fn lay<const N: usize>(&mut self, section: &str, keys: [(&str, toml::Value); N]) {
        let section = self.sections.entry(section.to_owned()).or_default();
        section.extend(keys.map(|(key, value)| (key.to_owned(), value)));
    }

    /// Nothing of the base's section stays.
    fn replace(&mut self, section: &str) {
        self.sections.remove(section);
        let below = format!("{section}.");
        self.replaces
            .retain(|path| path != section && !path.starts_with(&below));
        self.replaces.push(section.to_owned());
    }
}

/// The recipe to extend, and what has to be said on top of it to have `base`: nothing, or what the base itself says where it
/// extends another. A base in a file is named so that it is found from `folder`.
fn ground(base: &Recipe, folder: &Path) -> (String, Own) {
    let Some((further, _)) = &base.base else {
        return (called(&base.origin, folder), Own::default());
    };
    // It was loaded: its text is TOML.
    let mut document: toml::Table = toml::from_str(&base.text).unwrap_or_default();
    let mut own = Own::default();
    if let Some(toml::Value::Array(paths)) = document.remove("replaces") {
        own.replaces = paths
            .iter()
            .filter_map(|path| path.as_str().map(str::to_owned))
            .collect();
    }
    document.remove("extends");
    for (section, keys) in document {
        if let toml::Value::Table(keys) = keys {
            own.sections.insert(section, keys);
        }
    }
    (called(further, folder), own)
}

/// What `extends` calls a recipe in a file of `folder`.
fn called(origin: &Origin, folder: &Path) -> String {
    let path = match origin {
        Origin::BuiltIn(name) => return name.clone(),
        Origin::File(path) => path,
    };
    let here = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (path, folder) = (here(path), here(folder));
    match path.strip_prefix(&folder) {
        Ok(beside) => PathBuf::from(".").join(beside).to_string_lossy().into_owned(),
        Err(_) => path.to_string_lossy().into_owned(),
    }
}

/// A key of a section: a list of tables has a line for each.
fn written(key: &str, value: &toml::Value) -> String {
    match value {
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            let items: Vec<String> = items.iter().map(|item| format!("  {item},\n")).collect();
            format!("{key} = [\n{}]\n", items.concat())
        }
        value => format!("{key} = {value}\n"),
    }
}

/// Batches and pictures that suit what was found.
fn fresh(
    found: &Found,
    sizes: &[usize],
    (classes, per_class): (usize, usize),
    assumed: &mut Vec<String>,
) -> String {
    let table = &found.table;
    assumed.push(format!(
        "a batch is {classes} classes × {per_class} pictures (training classes have {} to {} pictures, the middle one {}); smaller classes repeat theirs",
        sizes[0],
        sizes[sizes.len() - 1],
        sizes[sizes.len() / 2]
    ));

    // Pictures.
    let [height, width] = input(found.size);
    assumed.push(format!(
        "pictures are made {height} × {width} (height × width) from a middle size of {:.0} × {:.0}{}: larger ones find finer differences and cost more",
        found.size[0],
        found.size[1],
        if table.items.iter().any(|item| item.bbox.is_some()) { " of their boxes" } else { "" }
    ));
    let fit = match found.mixed_shapes {
        true => {
            assumed.push("shapes differ: pictures are fitted into white, not squeezed".into());
            format!("{{ op = \"letterbox\", height = {height}, width = {width}, enlarge = true }}")
        }
        false => format!("{{ op = \"resize\", height = {height}, width = {width} }}"),
    };
    let before = if found.mixed_shapes {
        format!("  {fit},\n")
    } else {
        String::new()
    };
    assumed.push(
        "mirrored pictures show the same thing (take flip out for text, logos, left and right shoes)".into(),
    );

    format!(
        "sampler = {{ kind = \"pk\", classes = {classes}, per_class = {per_class}, small_classes = \"repeat\", remainder = \"drop\" }}\n\
         train_transform = [\n{before}  {{ op = \"random_resized_crop\", height = {height}, width = {width}, scale = [0.5, 1.0], ratio = [{}, {}] }},\n\
         \x20 {{ op = \"flip\", p = 0.5 }},\n\
         \x20 {{ op = \"color_jitter\", brightness = 0.2, contrast = 0.2, saturation = 0.2 }},\n\
         \x20 {{ op = \"normalize\" }},\n\
         \x20 {{ op = \"random_erase\", p = 0.3, fill = \"zero\" }},\n]\n\
         eval_transform = [{fit}, {{ op = \"normalize\" }}]\n",
        ratio(width, height, 0.8),
        ratio(width, height, 1.25),
    )
}

/// Batches and pictures as the base has them: its weights may expect them so. Batches of more classes than the data has get fewer.
fn kept(base: &str, below: &Recipe, classes: usize, assumed: &mut Vec<String>) -> String {
    assumed.push(format!(
        "pictures are prepared and batches drawn as {base} does it (`tailor recipes show {base} --resolved`)"
    ));
    let mut text = String::new();
    for key in ["sampler", "train_transform", "eval_transform"] {
        let mut value = below.toml(&format!("data.{key}"));
        if let Some(wanted) = value.as_mut().and_then(|value| value.get_mut("classes"))
            && let Some(count) = wanted.as_integer().filter(|&count| count > classes as i64)
        {
            *wanted = (classes as i64).into();
            assumed.push(format!(
                "a batch is of {classes} classes: {base} has {count}, and here no more have two pictures to train on"
            ));
        }
        if let Some(value) = value {
            text.push_str(&written(key, &value));
        }
    }
    text
}

/// Aspects of crops around the input's own, with three digits.
fn ratio(width: usize, height: usize, factor: f64) -> f64 {
    (width as f64 / height as f64 * factor * 1000.0).round() / 1000.0
}

/// Height and width for the network: the middle shape in steps of 16, at most 128 a side.
fn input([height, width]: [f64; 2]) -> [usize; 2] {
    let long = height.max(width).min(128.0);
    let scale = long / height.max(width);
    let side = |side: f64| ((side * scale / 16.0).round() as usize * 16).clamp(32, 128);
    match height / width {
        // Nearly square.
        shape if (0.85..=1.18).contains(&shape) => [side(height.max(width)); 2],
        _ => [side(height), side(width)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_the_middle_shape() {
        assert_eq!(input([300.0, 300.0]), [128, 128]);
        assert_eq!(input([1000.0, 500.0]), [128, 64]);
        assert_eq!(input([480.0, 640.0]), [96, 128]);
        assert_eq!(input([48.0, 40.0]), [48, 48]);
        assert_eq!(input([10.0, 900.0]), [32, 128]);
    }
}
