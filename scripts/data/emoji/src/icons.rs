//! Icon sets in Iconify's form: SVG bodies by name, and names by code points.

use crate::names::{code, read_json};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Licences of pictures that may go into a training set and be passed on with it, named; share-alike ones would bind what is made.
const LICENCES: [&str; 3] = ["Apache-2.0", "CC-BY-4.0", "MIT"];

/// One vendor's drawings.
pub struct Icons {
    /// The set's short name, such as `noto`.
    pub prefix: String,
    /// Its title, authors and licence.
    pub info: Info,
    file: File,
    /// The icon's name of each concept.
    slugs: BTreeMap<String, String>,
}

/// `info.json`.
#[derive(Deserialize)]
pub struct Info {
    pub name: String,
    pub author: Author,
    pub license: Licence,
}

#[derive(Deserialize)]
pub struct Author {
    pub name: String,
    #[serde(default)]
    pub url: String,
}

#[derive(Deserialize)]
pub struct Licence {
    pub spdx: String,
    #[serde(default)]
    pub url: String,
}

/// `icons.json`.
#[derive(Deserialize)]
struct File {
    prefix: String,
    icons: BTreeMap<String, Body>,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Body {
    body: String,
    left: Option<f64>,
    top: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
}

impl Icons {
    /// Reads an unpacked package.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let info: Info = read_json(&folder.join("info.json"))?;
        if !LICENCES.contains(&info.license.spdx.as_str()) {
            return Err(format!(
                "{} is under {}; only {} are taken",
                info.name,
                info.license.spdx,
                LICENCES.join(", ")
            ));
        }
        let file: File = read_json(&folder.join("icons.json"))?;
        let slugs: BTreeMap<String, String> = read_json(&folder.join("chars.json"))?;
        Ok(Self {
            prefix: file.prefix.clone(),
            info,
            file,
            slugs: slugs.into_iter().map(|(key, slug)| (code(&key), slug)).collect(),
        })
    }

    /// A concept as an SVG document, where the set has it.
    pub fn icon(&self, code: &str) -> Option<String> {
        let body = self.file.icons.get(self.slugs.get(code)?)?;
        // Iconify's own default is 16.
        let width = body.width.or(self.file.width).unwrap_or(16.0);
        let height = body.height.or(self.file.height).unwrap_or(16.0);
        let (left, top) = (body.left.unwrap_or(0.0), body.top.unwrap_or(0.0));
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"{left} {top} {width} {height}\">{}</svg>",
            body.body
        ))
    }
}
