//! The table of the data set that a section names.

use std::path::PathBuf;

use super::adjust::adjust;
use super::expand::expand;
use super::split::split;
use super::{DatasetSection, Layout};
use crate::data::datasets::deepfashion_c2s::ConsumerToShopOptions;
use crate::data::datasets::street2shop::Street2ShopOptions;
use crate::data::datasets::{self, FolderOptions};
use crate::data::error::DataError;
use crate::data::native::ReadOptions;
use crate::data::table::Table;

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
    let division = FolderOptions {
        train_fraction: section.train_fraction,
        queries_per_class: section.queries_per_class,
        closed_set: section.closed_set,
        seed: section.split_seed.unwrap_or(0),
    };
    let table = match section.dataset {
        Layout::Furniture => datasets::furniture()?,
        Layout::Folder => datasets::folder(&needed(root), &division)?,
        Layout::Table => {
            let options = ReadOptions {
                root,
                allow_outside: section.allow_outside,
            };
            let table = crate::data::native::read(&needed(table), &options)?;
            match section.train_fraction {
                Some(_) => split(table, &division)?,
                None => table,
            }
        }
        Layout::Market1501 => datasets::market1501(&needed(root))?,
        Layout::DukeMtmcReid => datasets::dukemtmc_reid(&needed(root))?,
        Layout::DeepFashionInShop => datasets::deepfashion_inshop(&needed(root))?,
        Layout::DeepFashionC2s => {
            let options = ConsumerToShopOptions {
                images: section.images.clone(),
                val: section.val.unwrap_or_default(),
                legacy_crop: section.legacy_df_crop,
            };
            datasets::deepfashion_c2s(&needed(root), &options)?
        }
        Layout::Street2Shop => {
            let options = Street2ShopOptions {
                images: section.images.clone(),
                categories: section.categories.clone(),
            };
            datasets::street2shop(&needed(root), &options)?
        }
        Layout::Sop => datasets::sop(&needed(root))?,
        Layout::Shards => {
            let shards = path("shards", &section.shards)?;
            crate::data::shards::read(&needed(shards).to_string_lossy())?
        }
        Layout::Wardrobe => {
            let options = section.wardrobe.clone().unwrap_or_default();
            datasets::wardrobe(&options, section.train_fraction)?
        }
    };
    Ok(adjust(table, section))
}
