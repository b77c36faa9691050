//! One reader for each published layout, and the keys of `[data]` that choose among them.

mod deepfashion_c2s;
mod deepfashion_inshop;
mod duke;
mod folder;
mod furniture;
mod layout;
mod listing;
mod lists;
mod market1501;
mod pedestrians;
pub mod pictures;
mod section;
mod sop;
mod street2shop;
mod wardrobe;

pub use deepfashion_c2s::{ConsumerToShopOptions, Val, read as deepfashion_c2s};
pub use deepfashion_inshop::read as deepfashion_inshop;
pub use duke::read as dukemtmc_reid;
pub use folder::{FolderOptions, read as folder};
pub use furniture::read as furniture;
pub use layout::Layout;
pub use market1501::read as market1501;
pub(crate) use section::expand_path;
pub use section::{DatasetSection, Missing, open};
pub use sop::read as sop;
pub use street2shop::{CATEGORIES as STREET2SHOP_CATEGORIES, Street2ShopOptions, read as street2shop};
pub use wardrobe::{Boxes, WardrobeOptions, read as wardrobe};

#[cfg(test)]
mod tests;
