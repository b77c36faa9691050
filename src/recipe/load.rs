//! How a recipe is found, and put together from its base, its file and the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Fault, RecipeErrors};
use super::find::{Found, find, is_name};
use super::set::Setting;
use super::tree::{self, Node, Place, SourceFile, Table, Value};
use super::{Origin, Recipe, builtin};
use crate::files::FileError;

/// A recipe that cannot be loaded or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RecipeError {
    /// Its file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// No built-in recipe and no file is called so.
    #[error("there is no recipe `{name}`")]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The nearest names.
        #[help]
        help: String,
    },
    /// The file is no recipe.
    #[error("{} {problem}", path.display())]
    NotARecipe {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: String,
        /// What to do.
        #[help]
        help: &'static str,
    },
    /// Its text is wrong, in one or more places.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Content(#[from] RecipeErrors),
}

/// What a file says about its making, and the rest of it.
struct Document {
    table: Table,
    extends: Option<(String, Place)>,
    replaces: Vec<String>,
}

impl Recipe {
    /// Finds a recipe by the name of a built-in one (`ctl`) or by the path of a file (`recipes/ctl.toml`), lays it on
    /// the recipe that it `extends`, and applies every `--set` in order (`loss.margin=0.3`; the last one wins).
    ///
    /// # Errors
    /// When nothing is found, a file cannot be read, or a text is not TOML; what the sections say is checked by
    /// [`Recipe::reader`].
    pub fn load(name_or_path: &str, sets: &[String]) -> Result<Self, RecipeError> {
        load_from(builtin::ALL, name_or_path, sets)
    }

    /// A recipe from a text in memory. `origin` is what errors call it, and where a relative `extends` begins.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn from_text(name: &str, origin: Origin, text: String, sets: &[String]) -> Result<Self, RecipeError> {
        assemble(
            builtin::ALL,
            name.to_owned(),
            Found { origin, text },
            Vec::new(),
            sets,
        )
    }
}

/// [`Recipe::load`] with built-in recipes of the caller's.
pub(crate) fn load_from(shelf: &[(&str, &str)], name: &str, sets: &[String]) -> Result<Recipe, RecipeError> {
    let mut notes = Vec::new();
    let found = find(shelf, name, Path::new(""), &mut notes)?;
    let stem = match &found.origin {
        Origin::BuiltIn(name) => name.clone(),
        Origin::File(path) => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    assemble(shelf, stem, found, notes, sets)
}

impl Found {
    fn parse(&self) -> Result<Document, Vec<Fault>> {
        let source = Arc::new(SourceFile {
            name: self.origin.to_string(),
            text: self.text.clone(),
        });
        let mut table = tree::parse(&source)?;
        let mut faults = Vec::new();
        let extends = table.remove("extends").and_then(|entry| match entry.node.value {
            Value::String(name) if !name.is_empty() => Some((name, entry.node.at)),
            _ => {
                faults.push(
                    Fault::new("`extends` names no recipe")
                        .at(&entry.node.at, "a string is expected")
                        .help("write extends = \"ctl\" for a built-in recipe, extends = \"mine.toml\" for a file"),
                );
                None
            }
        });
        let mut replaces = Vec::new();
        if let Some(entry) = table.remove("replaces") {
            let at = entry.node.at.clone();
            match strings(entry.node) {
                Some(paths) if extends.is_some() => replaces = paths,
                _ => faults.push(
                    Fault::new("`replaces` names no sections of the base")
                        .at(&at, "a list of names, beside `extends`")
                        .help("write replaces = [\"loss\"] to take [loss] from this file alone"),
                ),
            }
            for path in replaces.iter().filter(|path| !holds_table(&table, path)) {
                faults.push(
                    Fault::new(format!(
                        "`replaces` names `{path}`, which this file does not have"
                    ))
                    .at(&at, "no such table below")
                    .help(format!(
                        "write the section [{path}], or take the name out of `replaces`"
                    )),
                );
            }
        }
        if faults.is_empty() {
            Ok(Document {
                table,
                extends,
                replaces,
            })
        } else {
            Err(faults)
        }
    }
}

fn strings(node: Node) -> Option<Vec<String>> {
    let Value::Array(items) = node.value else {
        return None;
    };
    let text = |item: Node| match item.value {
        Value::String(text) => Some(text),
        _ => None,
    };
    items.into_iter().map(text).collect()
}

fn holds_table(table: &Table, path: &str) -> bool {
    let mut level = Some(table);
    for key in path.split('.') {
        level = level
            .and_then(|table| table.get(key))
            .and_then(|node| match &node.value {
                Value::Table(table) => Some(table),
                _ => None,
            });
    }
    level.is_some()
}

fn assemble(
    shelf: &[(&str, &str)],
    name: String,
    found: Found,
    mut notes: Vec<String>,
    sets: &[String],
) -> Result<Recipe, RecipeError> {
    let subject = found.origin.to_string();
    let one = |fault: Fault| RecipeError::Content(RecipeErrors::new(&subject, vec![fault]));
    let document = found
        .parse()
        .map_err(|faults| RecipeErrors::new(&subject, faults))?;
    let mut base_origin = None;
    let mut table = document.table;
    if let Some((extends, at)) = document.extends {
        let folder = found.origin.folder();
        if matches!(found.origin, Origin::BuiltIn(_)) && !is_name(&extends) {
            return Err(one(Fault::new("a built-in recipe extends a file")
                .at(&at, "a file")
                .help("extend a built-in recipe by its name")));
        }
        let base = find(shelf, &extends, folder, &mut notes).map_err(|error| match error {
            RecipeError::NotFound { name, help } => {
                one(Fault::new(format!("there is no recipe `{name}` to extend"))
                    .at(&at, "not found")
                    .help(help))
            }
            other => other,
        })?;
        if same(&base.origin, &found.origin) {
            return Err(one(Fault::new("a recipe cannot extend itself")
                .at(&at, "this is the file itself")
                .help("name another recipe; `tailor recipes` lists the built-in ones")));
        }
        let under = base
            .parse()
            .map_err(|faults| RecipeErrors::new(base.origin.to_string(), faults))?;
        if let Some((further, further_at)) = under.extends {
            let fault = match find(shelf, &further, base.origin.folder(), &mut Vec::new()) {
                Ok(back) if same(&back.origin, &found.origin) => {
                    Fault::new(format!("{subject} and {} extend each other", base.origin))
                        .at(&at, "a circle")
                        .help(format!(
                            "take `extends` out of one of the two; the other is at {further_at}"
                        ))
                }
                _ => Fault::new(format!(
                    "{} itself extends `{further}`: one level is the most",
                    base.origin
                ))
                .at(&at, "this base has a base")
                .help(format!(
                    "extend `{further}` here and repeat what {} changes",
                    base.origin
                )),
            };
            return Err(one(fault));
        }
        let replaces = document.replaces;
        let mut merged = under.table;
        merged.merge(table, &mut Vec::new(), &|path| {
            replaces.iter().any(|whole| *whole == path.join("."))
        });
        table = merged;
        base_origin = Some((base.origin, at));
    }
    let mut faults = Vec::new();
    for set in sets {
        if let Err(fault) = Setting::parse(set).and_then(|setting| setting.apply(&mut table)) {
            faults.push(fault);
        }
    }
    if !faults.is_empty() {
        return Err(RecipeErrors::new(&subject, faults).into());
    }
    Ok(Recipe {
        name,
        origin: found.origin,
        base: base_origin,
        text: found.text,
        notes,
        table,
    })
}

fn same(a: &Origin, b: &Origin) -> bool {
    match (a, b) {
        (Origin::BuiltIn(a), Origin::BuiltIn(b)) => a == b,
        (Origin::File(a), Origin::File(b)) => match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => a == b,
        },
        _ => false,
    }
}
