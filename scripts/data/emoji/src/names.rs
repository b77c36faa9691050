//! Names and tags of concepts in several languages, from emojibase-data.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// What stands for parts of emoji (skin tones, hair), not for things.
const PARTS: &str = "component";

/// Concepts with their names.
pub struct Names {
    pub languages: Vec<String>,
    concepts: BTreeMap<String, Concept>,
    /// The licence's text.
    pub licence: String,
    /// The package's version.
    pub version: String,
}

/// A concept in every language.
pub struct Concept {
    /// `animals-nature`.
    pub group: String,
    /// `animal-mammal`.
    pub subgroup: String,
    /// Name and tags in each language.
    pub words: Vec<(String, Vec<String>)>,
}

/// An entry of `<language>/data.json`.
#[derive(Deserialize)]
struct Entry {
    label: String,
    hexcode: String,
    #[serde(default)]
    tags: Vec<String>,
    group: Option<u32>,
    subgroup: Option<u32>,
}

#[derive(Deserialize)]
struct Groups {
    groups: BTreeMap<String, String>,
    subgroups: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Package {
    version: String,
}

impl Names {
    /// The concepts that have a name in every language.
    pub fn read(folder: &Path, languages: &[String]) -> Result<Self, String> {
        let groups: Groups = read_json(&folder.join("meta/groups.json"))?;
        let package: Package = read_json(&folder.join("package.json"))?;
        let mut concepts: BTreeMap<String, Concept> = BTreeMap::new();
        for (at, language) in languages.iter().enumerate() {
            let entries: Vec<Entry> = read_json(&folder.join(language).join("data.json"))?;
            for entry in entries {
                let (Some(group), Some(subgroup)) = (
                    named(&groups.groups, entry.group),
                    named(&groups.subgroups, entry.subgroup),
                ) else {
                    continue;
                };
                if group == PARTS {
                    continue;
                }
                let concept = concepts.entry(code(&entry.hexcode)).or_insert(Concept {
                    group,
                    subgroup,
                    words: Vec::new(),
                });
                if concept.words.len() == at {
                    let name = plain(&entry.label);
                    let mut tags: Vec<String> = Vec::new();
                    for tag in entry.tags.iter().map(|tag| plain(tag)) {
                        // The name among its own tags says nothing more.
                        if !tag.is_empty()
                            && tag.to_lowercase() != name.to_lowercase()
                            && !tags.contains(&tag)
                        {
                            tags.push(tag);
                        }
                    }
                    concept.words.push((name, tags));
                }
            }
        }
        concepts.retain(|_, concept| {
            concept.words.len() == languages.len() && concept.words.iter().all(|(name, _)| !name.is_empty())
        });
        Ok(Self {
            languages: languages.to_vec(),
            concepts,
            licence: read_text(&folder.join("LICENSE"))?,
            version: package.version,
        })
    }

    /// All concepts, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.concepts.keys().map(String::as_str)
    }

    pub fn get(&self, code: &str) -> Option<&Concept> {
        self.concepts.get(code)
    }
}

fn named(names: &BTreeMap<String, String>, number: Option<u32>) -> Option<String> {
    names.get(&number?.to_string()).cloned()
}

/// One kind of space: French names hold narrow ones before colons.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key that sets and names are joined by: lower case, without the variation selector that some write and others leave out.
pub fn code(hexcode: &str) -> String {
    hexcode.to_lowercase().replace("-fe0f", "")
}

pub fn read_text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| {
        format!(
            "{}: {e}; unpack the packages as scripts/data/emoji.sh does",
            path.display()
        )
    })
}

pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    serde_json::from_str(&read_text(path)?).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_write_the_selector_meet_those_that_do_not() {
        assert_eq!(code("2764-FE0F"), "2764");
        assert_eq!(code("1F3F3-FE0F-200D-1F308"), code("1f3f3-200d-1f308"));
        assert_eq!(plain("homme\u{202f}: chauve "), "homme : chauve");
    }
}
