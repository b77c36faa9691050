//! How a recipe is found, and put together from its base, its file and the command line.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Fault, RecipeErrors};
use super::tree::{self, Node, Place, Setting, SourceFile, Table, Value};
use super::{Origin, Recipe, builtin};
use crate::files::FileError;

/// The largest recipe that is read, in bytes.
const LIMIT: u64 = 1 << 20;

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

/// A text before it is parsed.
struct Found {
    origin: Origin,
    text: String,
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

/// Whether a text names a built-in recipe rather than a file.
pub(crate) fn is_name(text: &str) -> bool {
    !text.contains(['/', '\\']) && !text.ends_with(".toml")
}

fn built_in<'a>(shelf: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    shelf
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Finds a name among the built-in recipes, or a path, which begins in `folder`.
fn find(
    shelf: &[(&str, &str)],
    name: &str,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Found, RecipeError> {
    if is_name(name) {
        let beside = folder.join(format!("{name}.toml"));
        return match built_in(shelf, name) {
            Some(text) => {
                if folder != Path::new("")
                    && std::fs::read_to_string(&beside).is_ok_and(|other| other != text)
                {
                    let file = beside.display();
                    notes.push(format!("extends the built-in recipe `{name}`; {file} is another text, and a file is extended as \"{name}.toml\""));
                }
                Ok(Found {
                    origin: Origin::BuiltIn(name.to_owned()),
                    text: text.to_owned(),
                })
            }
            None if beside.is_file() => {
                let help = format!("a file is named by its path: write {name}.toml");
                Err(RecipeError::NotFound {
                    name: name.to_owned(),
                    help,
                })
            }
            None if folder.join(name).is_file() => {
                let help = format!("a file is named by its path: write ./{name}");
                Err(RecipeError::NotFound {
                    name: name.to_owned(),
                    help,
                })
            }
            None => Err(RecipeError::NotFound {
                name: name.to_owned(),
                help: nearest_names(shelf, name),
            }),
        };
    }
    let path = folder.join(name);
    match read(&path) {
        Ok(text) => Ok(Found {
            origin: Origin::File(path),
            text,
        }),
        Err(RecipeError::File(error)) if error.source().kind() == io::ErrorKind::NotFound => {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            match built_in(shelf, &stem) {
                Some(text) => {
                    notes.push(format!(
                        "{} is not there; the built-in recipe `{stem}` is used",
                        path.display()
                    ));
                    Ok(Found {
                        origin: Origin::BuiltIn(stem),
                        text: text.to_owned(),
                    })
                }
                None => {
                    let name = path.display().to_string();
                    let help = format!("no file is there, and {}", nearest_names(shelf, &stem));
                    Err(RecipeError::NotFound { name, help })
                }
            }
        }
        Err(error) => Err(error),
    }
}

fn nearest_names(shelf: &[(&str, &str)], name: &str) -> String {
    let mut names: Vec<&str> = shelf.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return "this build has no built-in recipes".to_owned();
    }
    let likeness = |other: &str| {
        let within = other.contains(name) || name.contains(other);
        strsim::jaro_winkler(other, name) + if within && !name.is_empty() { 1.0 } else { 0.0 }
    };
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(3);
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the nearest built-in recipes are {}; `tailor recipes` lists them all",
        names.join(", ")
    )
}

/// Reads a file that should be a recipe.
fn read(path: &Path) -> Result<String, RecipeError> {
    let fail = |source| FileError::new("read the recipe", path, source);
    if std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Err(RecipeError::NotARecipe {
            path: path.to_owned(),
            problem: "is a folder, not a recipe".to_owned(),
            help: "name the .toml file in it",
        });
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(fail)?;
    if bytes.len() as u64 > LIMIT {
        return Err(RecipeError::NotARecipe {
            path: path.to_owned(),
            problem: "is larger than 1 MiB, which no recipe is".to_owned(),
            help: "a recipe names its data by path and holds none; check that this is the file you mean",
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        RecipeError::NotARecipe {
            path: path.to_owned(),
            problem: format!("is not UTF-8 text: line {line} holds other bytes"),
            help: "save the file as UTF-8",
        }
    })
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
        }
        for path in &replaces {
            if !holds_table(&table, path) {
                let at = Place {
                    source: source.clone(),
                    span: 0..0,
                };
                faults.push(
                    Fault::new(format!(
                        "`replaces` names `{path}`, which this file does not have"
                    ))
                    .at(&at, "in this file")
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
        let folder = match &found.origin {
            Origin::File(path) => path
                .parent()
                .filter(|p| !p.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
            Origin::BuiltIn(_) => Path::new(""),
        };
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
            let message = format!(
                "{} itself extends `{further}`: one level is the most",
                base.origin
            );
            return Err(one(Fault::new(message).at(&at, "this base has a base").help(
                format!("extend `{further}` here and repeat what {further_at} changes"),
            )));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_beats_the_file_which_beats_its_base() {
        let shelf = [
            (
                "base",
                "[loss]\nmargin = 0.1\nkind = 'a'\nother = 1\n[train]\nsteps = [1, 2, 3]\n",
            ),
            (
                "mine",
                "extends = 'base'\n[loss]\nmargin = 0.2\nkind = 'b'\n[train]\nsteps = [4]\n",
            ),
        ];
        let recipe = load_from(
            &shelf,
            "mine",
            &["loss.margin=0.3".to_owned(), "a.b=/x/y".to_owned()],
        )
        .unwrap();
        let text = |path: &str| {
            let at = &recipe.get(path).unwrap().at;
            (
                at.source.name.clone(),
                at.line(),
                at.source.text[at.span.clone()].to_owned(),
            )
        };
        assert_eq!(
            text("loss.margin"),
            ("command line".to_owned(), 1, "0.3".to_owned())
        );
        assert_eq!(
            text("loss.kind"),
            ("mine (built-in)".to_owned(), 4, "'b'".to_owned())
        );
        assert_eq!(
            text("loss.other"),
            ("base (built-in)".to_owned(), 4, "1".to_owned())
        );
        assert_eq!(
            text("train.steps"),
            ("mine (built-in)".to_owned(), 6, "[4]".to_owned())
        );
        assert!(matches!(&recipe.get("a.b").unwrap().value, Value::String(path) if path == "/x/y"));
    }
}
