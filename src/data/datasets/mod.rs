//! One reader for each published layout, and the keys of `[data]` that choose among them.

mod duke;
mod folder;
mod furniture;
mod listing;
mod market1501;
mod pedestrians;
mod section;
mod wardrobe;

pub use duke::read as dukemtmc_reid;
pub use folder::{FolderOptions, read as folder};
pub use furniture::read as furniture;
pub use market1501::read as market1501;
pub use section::{DatasetSection, Layout, open};
pub use wardrobe::{Boxes, WardrobeOptions, read as wardrobe};

#[cfg(test)]
mod tests;
