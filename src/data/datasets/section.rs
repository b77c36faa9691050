//! The keys of a recipe's `[data]` that choose a data set.

mod adjust;
mod expand;
mod open;
mod split;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WardrobeOptions;
use super::deepfashion_c2s::Val;
use super::layout::Layout;
use crate::data::error::DataError;

pub(crate) use expand::expand_path;
pub use open::open;

/// What becomes of rows whose picture is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// They are an error, which names them.
    #[default]
    Error,
    /// They are left out and counted: files that are not there, that are empty, or that do not begin as a picture does.
    Skip,
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
    /// For a folder of classes and for the wardrobe (default 0.5), and for a table without splits: the share of the classes to train
    /// on; the others are tested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_fraction: Option<f64>,
    /// For a folder or a table that is divided so: how many images of each held-out class are queries, the others being the gallery. By default every
    /// held-out image is both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_per_class: Option<usize>,
    /// For a folder or a table that is divided so: draws the classes and queries. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Keep this many classes of each split, the first by name: for trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_classes: Option<usize>,
    /// Whether classes may stand in both the train and the test split, as in category retrieval; without it that is an error. A folder
    /// or a table without splits is then divided within each class: `train_fraction` is the share of its images.
    #[serde(default)]
    pub closed_set: bool,
    /// Whether image paths of a table may leave its root by `..`.
    #[serde(default)]
    pub allow_outside: bool,
    /// What becomes of rows whose picture is not there: an error, or left out with a count.
    #[serde(default)]
    pub missing: Missing,
    /// Leave out training classes with fewer images than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_images: Option<usize>,
    /// Whether pictures are cropped by their boxes, where the data has boxes. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<bool>,
    /// Boxes grow by this share of their width and height on each side; what lies outside of the picture is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub box_margin: Option<f32>,
    /// For deepfashion-c2s and street2shop: the folder of the pictures below `root`, where it is not the usual one
    /// (`"img_highres"` for DeepFashion's large pictures, whose boxes are then scaled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<String>,
    /// For street2shop: these categories alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// For deepfashion-c2s: what the validation items are for. Default: their shop photos belong to the test gallery, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val: Option<Val>,
    /// For deepfashion-c2s: read boxes as x, y, width, height, as the authors of the centroid triplet loss did by mistake. Only to
    /// reproduce their figures.
    #[serde(default)]
    pub legacy_df_crop: bool,
    /// For shards: a folder of them, a file, or a pattern such as `data/train-{000000..000012}.tar` or `data/*.tar`. `${NAME}` is an
    /// environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<String>,
    /// For the wardrobe: how many products, and what of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wardrobe: Option<WardrobeOptions>,
}

impl DatasetSection {
    /// Every key of this section: the others of `[data]` belong to transforms, sampler and loader.
    pub const KEYS: [&'static str; 19] = [
        "dataset",
        "root",
        "table",
        "train_fraction",
        "queries_per_class",
        "split_seed",
        "limit_classes",
        "closed_set",
        "allow_outside",
        "missing",
        "min_images",
        "boxes",
        "box_margin",
        "images",
        "categories",
        "val",
        "legacy_df_crop",
        "shards",
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
            missing: Missing::Error,
            min_images: None,
            boxes: None,
            box_margin: None,
            images: None,
            categories: None,
            val: None,
            legacy_df_crop: false,
            shards: None,
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
            Layout::Furniture | Layout::Wardrobe => {
                unused("root", self.root.is_some(), "data sets in files")?
            }
            Layout::Table => needs("table", self.table.is_some(), "catalogue.csv")?,
            Layout::Folder => needs("root", self.root.is_some(), "images")?,
            Layout::Shards => {
                needs("shards", self.shards.is_some(), "data/train-{000000..000012}.tar")?;
                unused(
                    "root",
                    self.root.is_some(),
                    "data sets in files: name the shards with shards",
                )?;
            }
            _ => needs("root", self.root.is_some(), &format!("${{TAILOR_DATA}}/{name}"))?,
        }
        if self.dataset != Layout::Table {
            unused("table", self.table.is_some(), "dataset = \"table\"")?;
            unused("allow_outside", self.allow_outside, "dataset = \"table\"")?;
        }
        if self.dataset == Layout::Table && self.train_fraction.is_none() {
            let of = "a table that is divided here: set train_fraction too";
            unused("queries_per_class", self.queries_per_class.is_some(), of)?;
            unused("split_seed", self.split_seed.is_some(), of)?;
        } else if !matches!(self.dataset, Layout::Folder | Layout::Table) {
            let of = "dataset = \"folder\" or \"table\"; this one says its split itself";
            let drawn = self.dataset == Layout::Wardrobe;
            unused("train_fraction", self.train_fraction.is_some() && !drawn, of)?;
            unused("queries_per_class", self.queries_per_class.is_some(), of)?;
            unused("split_seed", self.split_seed.is_some(), of)?;
        }
        if self.dataset != Layout::Street2Shop {
            unused(
                "categories",
                self.categories.is_some(),
                "dataset = \"street2shop\"",
            )?;
        }
        if self.dataset != Layout::DeepFashionC2s {
            let of = "dataset = \"deepfashion-c2s\"";
            unused("val", self.val.is_some(), of)?;
            unused("legacy_df_crop", self.legacy_df_crop, of)?;
            if self.dataset != Layout::Street2Shop {
                let of = "dataset = \"deepfashion-c2s\" or \"street2shop\"";
                unused("images", self.images.is_some(), of)?;
            }
        }
        if self
            .box_margin
            .is_some_and(|margin| !(0.0..=10.0).contains(&margin))
        {
            return Err(DataError::Setting {
                key: "box_margin",
                message: format!("{} is not a share of a box", self.box_margin.unwrap_or_default()),
                remedy: "write 0.1 for a tenth of its width and height on each side".into(),
            });
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
        self.dataset.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> DatasetSection {
        toml::from_str(text).unwrap()
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
}
