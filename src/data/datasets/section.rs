//! The keys of a recipe's `[data]` that choose a data set.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FolderOptions, WardrobeOptions};
use crate::data::error::DataError;
use crate::data::native::ReadOptions;
use crate::data::table::{Split, Table};

/// What `data.dataset` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// The catalogue inside the binary.
    Furniture,
    /// An image folder: `<class>/<image>` or `<split>/<class>/<image>`, under `root`.
    Folder,
    /// A native table (CSV, JSONL, Parquet): `table`.
    Table,
    /// Market-1501 as published, under `root`.
    Market1501,
    /// DukeMTMC-reID as published, under `root`.
    #[serde(rename = "dukemtmc-reid")]
    DukeMtmcReid,
    /// Our own garments, drawn as they are asked for: `wardrobe`.
    Wardrobe,
}

/// Which data set, where it is, and how it is divided where it does not say so itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSection {
    /// The data set or the layout.
    pub dataset: Layout,
    /// The folder of the data set, or what a table's image paths are relative to. `${NAME}` is an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The table's file, for `dataset = "table"`. `${NAME}` is an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// For a folder of classes, and for the wardrobe: the share of the classes to train on. Default 0.5; the others are tested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_fraction: Option<f64>,
    /// For a folder: how many images of each held-out class are queries, the others being the gallery. By default every
    /// held-out image is both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_per_class: Option<usize>,
    /// For a folder: draws the classes and queries. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Keep this many classes of each split, the first by name: for trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_classes: Option<usize>,
    /// Whether classes may stand in both the train and the test split, as in category retrieval. Without it that is an error.
    #[serde(default)]
    pub closed_set: bool,
    /// Whether image paths of a table may leave its root by `..`.
    #[serde(default)]
    pub allow_outside: bool,
    /// For the wardrobe: how many products, and what of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wardrobe: Option<WardrobeOptions>,
}

impl DatasetSection {
    /// Every key of this section: the others of `[data]` belong to transforms, sampler and loader.
    pub const KEYS: [&'static str; 10] = [
        "dataset",
        "root",
        "table",
        "train_fraction",
        "queries_per_class",
        "split_seed",
        "limit_classes",
        "closed_set",
        "allow_outside",
        "wardrobe",
    ];

    /// A section that says the data set and nothing else.
    pub fn new(dataset: Layout) -> Self {
        DatasetSection {
            dataset,
            root: None,
            table: None,
            train_fraction: None,
            queries_per_class: None,
            split_seed: None,
            limit_classes: None,
            closed_set: false,
            allow_outside: false,
            wardrobe: None,
        }
    }

    /// What can be said without looking at files: keys that are missing or that mean nothing to this data set.
    pub fn check(&self) -> Result<(), DataError> {
        let name = self.name();
        let needs = |key, given: bool, example: &str| match given {
            true => Ok(()),
            false => Err(DataError::Setting {
                key,
                message: format!("is missing: dataset = {name:?} needs it"),
                remedy: format!("add {key} = {example:?} to [data]"),
            }),
        };
        let unused = |key, given: bool, of: &str| match given {
            false => Ok(()),
            true => Err(DataError::Setting {
                key,
                message: format!("means nothing to dataset = {name:?}"),
                remedy: format!("remove it: it belongs to {of}"),
            }),
        };
        match self.dataset {
            Layout::Furniture | Layout::Wardrobe => unused("root", self.root.is_some(), "data sets in files")?,
            Layout::Table => needs("table", self.table.is_some(), "catalogue.csv")?,
            Layout::Folder => needs("root", self.root.is_some(), "images")?,
            Layout::Market1501 => needs("root", self.root.is_some(), "${TAILOR_DATA}/market1501")?,
            Layout::DukeMtmcReid => needs("root", self.root.is_some(), "${TAILOR_DATA}/dukemtmc-reid")?,
        }
        if self.dataset != Layout::Table {
            unused("table", self.table.is_some(), "dataset = \"table\"")?;
            unused("allow_outside", self.allow_outside, "dataset = \"table\"")?;
        }
        if self.dataset != Layout::Folder {
            let of = "dataset = \"folder\"; this one says its split itself";
            let drawn = self.dataset == Layout::Wardrobe;
            unused("train_fraction", self.train_fraction.is_some() && !drawn, of)?;
            unused("queries_per_class", self.queries_per_class.is_some(), of)?;
            unused("split_seed", self.split_seed.is_some(), of)?;
        }
        if self.dataset != Layout::Wardrobe {
            unused("wardrobe", self.wardrobe.is_some(), "dataset = \"wardrobe\"")?;
        }
        if self.limit_classes == Some(0) {
            return Err(DataError::Setting {
                key: "limit_classes",
                message: "0 leaves no class".into(),
                remedy: "write at least 1, or remove the key for all classes".into(),
            });
        }
        Ok(())
    }

    /// The value of `dataset` as it is written.
    pub fn name(&self) -> &'static str {
        match self.dataset {
            Layout::Furniture => "furniture",
            Layout::Folder => "folder",
            Layout::Table => "table",
            Layout::Market1501 => "market1501",
            Layout::DukeMtmcReid => "dukemtmc-reid",
            Layout::Wardrobe => "wardrobe",
        }
    }
}

/// Reads the data set that a section names. Relative paths start from the current folder.
pub fn open(section: &DatasetSection) -> Result<Table, DataError> {
    section.check()?;
    let environment = |name: &str| std::env::var(name).ok();
    let path = |key, value: &Option<String>| match value {
        Some(value) => expand(key, value, &environment).map(Some),
        None => Ok(None),
    };
    let root = path("root", &section.root)?;
    let table = path("table", &section.table)?;
    let needed = |path: Option<PathBuf>| path.unwrap_or_default();
    let mut table = match section.dataset {
        Layout::Furniture => super::furniture()?,
        Layout::Folder => {
            let options = FolderOptions {
                train_fraction: section.train_fraction,
                queries_per_class: section.queries_per_class,
                seed: section.split_seed.unwrap_or(0),
            };
            super::folder(&needed(root), &options)?
        }
        Layout::Table => {
            let options = ReadOptions {
                root,
                allow_outside: section.allow_outside,
            };
            crate::data::native::read(&needed(table), &options)?
        }
        Layout::Market1501 => super::market1501(&needed(root))?,
        Layout::DukeMtmcReid => super::dukemtmc_reid(&needed(root))?,
        Layout::Wardrobe => {
            let options = section.wardrobe.clone().unwrap_or_default();
            super::wardrobe(&options, section.train_fraction)?
        }
    };
    if let Some(count) = section.limit_classes {
        table = limit(&table, count);
    }
    Ok(table)
}

/// The first classes by name of each split; of the test and valid splits, those that have a query, where any has.
fn limit(table: &Table, count: usize) -> Table {
    let kept: Vec<_> = [Split::Train, Split::Valid, Split::Test]
        .into_iter()
        .map(|split| {
            let queries = table.queries_of(split);
            let rows = if queries.is_empty() {
                table.rows(split)
            } else {
                queries
            };
            let mut labels = table.classes(&rows).labels().to_vec();
            labels.truncate(count);
            (split, labels)
        })
        .collect();
    let keep = |split: Split, label: &String| {
        kept.iter()
            .any(|(s, labels)| *s == split && labels.binary_search(label).is_ok())
    };
    let mut limited = table.filtered(|item| keep(item.split, &item.label));
    let (before, after) = (table.items.len(), limited.items.len());
    limited.notes.push(format!(
        "limit_classes = {count} keeps {after} of {before} images"
    ));
    limited
}

/// `${NAME}` becomes the environment variable of that name; a leading `~/` the home folder.
fn expand(
    key: &'static str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, DataError> {
    let variable = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| DataError::Setting {
                key,
                message: format!("the environment variable {name} in {text:?} is not set"),
                remedy: format!(
                    "run `export {name}=FOLDER` first, or write the path with --set data.{key}=FOLDER"
                ),
            })
    };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            return Err(DataError::Setting {
                key,
                message: format!("{text:?} opens ${{ without closing it"),
                remedy: "write ${NAME}".into(),
            });
        };
        expanded.push_str(&rest[..start]);
        expanded.push_str(&variable(&rest[start + 2..start + length])?);
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    if let Some(below) = expanded.strip_prefix("~/") {
        return Ok(Path::new(&variable("HOME")?).join(below));
    }
    Ok(expanded.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets::tests::layout;

    fn section(text: &str) -> DatasetSection {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn variables_are_expanded_or_named() {
        let environment = |name: &str| match name {
            "DATA" => Some("/data".to_string()),
            "HOME" => Some("/home/u".to_string()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let expand = |text: &str| expand("root", text, &environment);
        assert_eq!(expand("${DATA}/market").unwrap(), Path::new("/data/market"));
        assert_eq!(expand("a/${DATA}${DATA}b").unwrap(), Path::new("a//data/datab"));
        assert_eq!(expand("~/market").unwrap(), Path::new("/home/u/market"));
        assert_eq!(expand("plain $x {y}").unwrap(), Path::new("plain $x {y}"));
        for name in ["NONE", "EMPTY"] {
            let error = expand(&format!("${{{name}}}/m")).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("data.root: the environment variable {name} in")),
                "{error}"
            );
            assert!(
                miette::Diagnostic::help(&error)
                    .unwrap()
                    .to_string()
                    .contains(&format!("export {name}="))
            );
        }
        assert!(
            expand("${DATA")
                .unwrap_err()
                .to_string()
                .contains("without closing it")
        );
    }

    #[test]
    fn the_keys_are_those_of_the_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(DatasetSection)).unwrap();
        let mut keys: Vec<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut stated = DatasetSection::KEYS.to_vec();
        keys.sort_unstable();
        stated.sort_unstable();
        assert_eq!(keys, stated);
        assert!(toml::from_str::<DatasetSection>("dataset = \"folder\"\nroots = \"a\"").is_err());
        assert_eq!(
            section("dataset = \"dukemtmc-reid\"\nroot = \"a\"").dataset,
            Layout::DukeMtmcReid
        );
    }

    #[test]
    fn keys_that_are_missing_or_mean_nothing_are_named() {
        let error = |text: &str| open(&section(text)).unwrap_err().to_string();
        assert_eq!(
            error("dataset = \"market1501\""),
            "data.root: is missing: dataset = \"market1501\" needs it"
        );
        assert_eq!(
            error("dataset = \"table\""),
            "data.table: is missing: dataset = \"table\" needs it"
        );
        assert!(error("dataset = \"furniture\"\nroot = \"a\"").contains("data.root: means nothing"));
        assert!(
            error("dataset = \"folder\"\nroot = \"a\"\ntable = \"b\"").contains("data.table: means nothing")
        );
        let text = "dataset = \"market1501\"\nroot = \"a\"\ntrain_fraction = 0.5";
        assert!(error(text).contains("data.train_fraction: means nothing to dataset = \"market1501\""));
        assert!(error("dataset = \"furniture\"\nlimit_classes = 0").contains("data.limit_classes"));
    }

    #[test]
    fn limited_classes_are_the_first_of_each_split() {
        let folder = layout(&[
            "train/a/1.jpg",
            "train/b/1.jpg",
            "train/c/1.jpg",
            "query/e/1.jpg",
            "query/f/1.jpg",
            "gallery/d/1.jpg",
            "gallery/e/2.jpg",
            "gallery/f/2.jpg",
        ]);
        let mut section = DatasetSection::new(Layout::Folder);
        section.root = Some(folder.path().to_str().unwrap().into());
        let all = open(&section).unwrap();
        section.limit_classes = Some(1);
        let table = open(&section).unwrap();
        let labels: Vec<&str> = table.items.iter().map(|item| item.label.as_str()).collect();
        assert_eq!(labels, ["e", "e", "a"]);
        assert_ne!(all.fingerprint, table.fingerprint);
        assert_eq!(
            table.notes.last().unwrap(),
            "limit_classes = 1 keeps 3 of 8 images"
        );
    }
}
