//! The data sets that there are readers for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// DeepFashion In-shop Clothes Retrieval as published, under `root`.
    #[serde(rename = "deepfashion-inshop")]
    DeepFashionInShop,
    /// DeepFashion Consumer-to-Shop as published, under `root`.
    #[serde(rename = "deepfashion-c2s")]
    DeepFashionC2s,
    /// Exact Street2Shop, under `root`: `meta/json/` and the photos.
    Street2Shop,
    /// Stanford Online Products as published, under `root`.
    Sop,
    /// Tar shards in the layout of WebDataset: `shards`.
    Shards,
    /// Our own garments, drawn as they are asked for: `wardrobe`.
    Wardrobe,
}

impl Layout {
    /// Every one.
    pub const ALL: [Layout; 11] = [
        Self::Furniture,
        Self::Folder,
        Self::Table,
        Self::Market1501,
        Self::DukeMtmcReid,
        Self::DeepFashionInShop,
        Self::DeepFashionC2s,
        Self::Street2Shop,
        Self::Sop,
        Self::Shards,
        Self::Wardrobe,
    ];

    /// The value of `dataset` as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Furniture => "furniture",
            Self::Folder => "folder",
            Self::Table => "table",
            Self::Market1501 => "market1501",
            Self::DukeMtmcReid => "dukemtmc-reid",
            Self::DeepFashionInShop => "deepfashion-inshop",
            Self::DeepFashionC2s => "deepfashion-c2s",
            Self::Street2Shop => "street2shop",
            Self::Sop => "sop",
            Self::Shards => "shards",
            Self::Wardrobe => "wardrobe",
        }
    }
}
