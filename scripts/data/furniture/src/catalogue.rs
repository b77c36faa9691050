//! The libraries: zip files with a table of products (`PluginFurnitureCatalog.properties`) and their models.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use zip::ZipArchive;

/// The licences under which a product is taken.
pub const CC0: &str = "CC0-1.0";
/// Creative Commons Attribution, 3.0 Unported.
pub const CC_BY: &str = "CC-BY-3.0";
/// Creative Commons Attribution, 3.0 United States.
pub const CC_BY_US: &str = "CC-BY-3.0-US";

/// One product as the catalogue describes it.
#[derive(Clone)]
pub struct Product {
    /// Stable and unique: library and model in lower case, such as `scopia-bed1` or `cc0-armchair`.
    pub label: String,
    pub name: String,
    pub tags: Vec<String>,
    pub category: String,
    pub creator: String,
    pub licence: &'static str,
    pub library: String,
    /// Index in the list of libraries.
    pub shelf: usize,
    /// Paths inside the library.
    pub model: String,
    pub icon: String,
    /// Centimetres along x, y (up) and z (towards the front).
    pub size: [f32; 3],
    /// Row-major rotation from the model's axes to the product's.
    pub rotation: [f32; 9],
}

/// A library's files. Opening one again is cheap: the bytes are shared.
#[derive(Clone)]
pub struct Library {
    pub name: String,
    archive: ZipArchive<Cursor<Arc<[u8]>>>,
    /// Lower-case path → path, since some materials spell their textures in another case.
    paths: Arc<HashMap<String, String>>,
}

impl Library {
    pub fn open(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let archive = ZipArchive::new(Cursor::new(Arc::from(bytes)))
            .map_err(|e| format!("{}: not a readable zip file ({e})", path.display()))?;
        let paths = archive
            .file_names()
            .filter_map(|n| n.ok().map(|n| (n.to_lowercase(), n.into_owned())))
            .collect();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            name,
            archive,
            paths: Arc::new(paths),
        })
    }

    /// The bytes of a file; `path` may begin with `/`, hold `..`, or differ in case.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let mut parts = Vec::new();
        for part in path.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let wanted = parts.join("/").to_lowercase();
        let name = self
            .paths
            .get(&wanted)
            .ok_or_else(|| format!("{}: no file {path}", self.name))?;
        let mut file = self
            .archive
            .by_name(name)
            .map_err(|e| format!("{}: {name}: {e}", self.name))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|e| format!("{}: {name}: {e}", self.name))?;
        Ok(bytes)
    }

    /// Files below a folder, sorted.
    pub fn below(&self, folder: &str) -> Vec<String> {
        let folder = format!("{}/", folder.trim_matches('/'));
        let mut names: Vec<String> = self
            .paths
            .values()
            .filter(|n| n.starts_with(&folder))
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }
}

/// Latin-1 bytes as text.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// Java properties: `key=value` lines, `#` comments, `\uXXXX` and `\` escapes, a trailing `\` continues the line.
pub fn properties(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = latin1(bytes);
    let mut lines = text.lines();
    let mut map = BTreeMap::new();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().trim_end_matches('\r').to_owned();
        if line.starts_with(['#', '!']) {
            continue;
        }
        while line.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1 {
            line.pop();
            line.push_str(
                lines
                    .next()
                    .unwrap_or_default()
                    .trim_start()
                    .trim_end_matches('\r'),
            );
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        map.insert(key.trim().to_owned(), unescape(value.trim()));
    }
    map
}

fn unescape(value: &str) -> String {
    let mut units = Vec::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' {
            chars.next().unwrap_or('\\')
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        };
        match c {
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
            }
            't' => units.push(9),
            'n' | 'r' | 'f' => units.push(32),
            c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
        }
    }
    String::from_utf16_lossy(&units)
}

/// Why entries of the catalogue were not taken, with their labels.
pub type LeftOut = BTreeMap<&'static str, Vec<String>>;

/// Every product of the libraries in `folder` which may be redistributed, in the catalogue's order.
pub fn read(folder: &Path) -> Result<(Vec<Library>, Vec<Product>, LeftOut), String> {
    let remedy = "give the folder that holds Scopia.sh3f and its neighbours \
                  (usr/share/sweethome3d/furniture in the unpacked package)";
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}; {remedy}", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "sh3f"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no .sh3f file; {remedy}", folder.display()));
    }
    let (mut libraries, mut products, mut left_out) = (Vec::new(), Vec::new(), LeftOut::new());
    for file in files {
        let mut library = Library::open(&file)?;
        let table = properties(&library.read("PluginFurnitureCatalog.properties")?);
        let general = licence_named(table.get("license").map_or("", |l| l));
        for n in 1.. {
            let get = |key: &str| table.get(&format!("{key}#{n}")).map_or("", |v| v.trim());
            if get("id").is_empty() {
                break;
            }
            let label = slug(get("id"));
            let model = get("model").to_owned();
            let licence = general.and_then(|l| licence_of(&mut library, &model, l));
            let reason = if get("category") == "Characters" {
                "people and characters"
            } else if licence.is_none() {
                "licence neither CC0 nor CC-BY"
            } else if get("name").starts_with("Bill ") {
                "banknotes: their design is the central bank's"
            } else if label.contains("stationnement") {
                "road markings: white lines cannot be told on white"
            } else {
                ""
            };
            if !reason.is_empty() {
                left_out.entry(reason).or_default().push(label);
                continue;
            }
            let number = |key: &str| get(key).parse().unwrap_or(0.0f32);
            let mut rotation = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
            let given: Vec<f32> = get("modelRotation")
                .split_whitespace()
                .flat_map(str::parse)
                .collect();
            if let Ok(nine) = <[f32; 9]>::try_from(given) {
                rotation = nine;
            }
            let dropped = |t: &&str| t.is_empty() || ["Blend Swap", "SCPTS"].contains(t);
            products.push(Product {
                label,
                name: get("name").to_owned(),
                tags: get("tags")
                    .split(',')
                    .map(str::trim)
                    .filter(|t| !dropped(t))
                    .map(str::to_owned)
                    .collect(),
                category: get("category").to_owned(),
                creator: get("creator").to_owned(),
                licence: licence.unwrap_or(CC_BY),
                library: library.name.clone(),
                shelf: libraries.len(),
                icon: get("icon").to_owned(),
                model,
                size: [number("width"), number("height"), number("depth")],
                rotation,
            });
        }
        libraries.push(library);
    }
    let mut seen = HashMap::new();
    for p in &products {
        if let Some(model) = seen.insert(p.label.clone(), p.model.clone()) {
            return Err(format!(
                "two products are called {} ({model} and {}); ids must differ",
                p.label, p.model
            ));
        }
    }
    Ok((libraries, products, left_out))
}

/// Lower-case letters, digits, underscores and single dashes, the library first.
fn slug(id: &str) -> String {
    let mut slug = String::new();
    for c in id.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches('-');
    // The longest names are the commonest: the table is a tenth shorter without them.
    for (long, short) in [
        ("blend-swap-cc-0-", "cc0-"),
        ("blend-swap-cc-by-", "ccby-"),
        ("kator-legaz-", "kator-"),
    ] {
        if let Some(rest) = slug.strip_prefix(long) {
            return format!("{short}{rest}");
        }
    }
    slug.to_owned()
}

/// The licence that a library's catalogue states.
fn licence_named(stated: &str) -> Option<&'static str> {
    let stated = stated.to_lowercase();
    let plain = !["share", "noncommercial", "non-commercial", "noderiv"]
        .iter()
        .any(|w| stated.contains(w));
    match () {
        () if stated.contains("public domain") || stated.contains("cc0") => Some(CC0),
        () if !plain || !stated.contains("creative commons attribution") => None,
        () if stated.contains("united states") => Some(CC_BY_US),
        () => Some(CC_BY),
    }
}

/// The library's licence, or the stricter one that a licence file beside the model states.
fn licence_of(library: &mut Library, model: &str, general: &'static str) -> Option<&'static str> {
    let folder = model.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut licence = general;
    for path in library.below(folder) {
        let lower = path.to_lowercase();
        if !lower.contains("license") {
            continue;
        }
        let text = latin1(&library.read(&path).ok()?).to_lowercase();
        let own = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if own(&[
            "licenses/by-",
            "sharealike",
            "share alike",
            "attribution-non",
            "gnu general",
        ]) {
            return None;
        }
        if own(&["licenses/by/3.0", "creative commons attribution 3.0"]) && licence == CC0 {
            licence = CC_BY;
        }
    }
    Some(licence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_does() {
        let map = properties(b"# c\nname#1=Caf\xe9 \\u20ac\n  tags#1 = A, \\\n   B\nwidth#1=3.5\nbroken\n");
        assert_eq!(map["name#1"], "Café €");
        assert_eq!(map["tags#1"], "A, B");
        assert_eq!(map["width#1"], "3.5");
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn licences_are_told_apart() {
        assert_eq!(licence_named("Public domain"), Some(CC0));
        assert_eq!(
            licence_named("Creative Commons Attribution 3.0 license"),
            Some(CC_BY)
        );
        assert_eq!(
            licence_named("Creative Commons Attribution 3.0 United States license"),
            Some(CC_BY_US)
        );
        assert_eq!(licence_named("Creative Commons Attribution-ShareAlike"), None);
        assert_eq!(licence_named("All rights reserved"), None);
        assert_eq!(slug("Blend Swap CC-0#L_shaped sofa"), "cc0-l_shaped-sofa");
    }
}
