//! Where a recipe's text is found: among the built-in ones, or in a file.

use std::io::{self, Read};
use std::path::Path;

use super::Origin;
use super::load::RecipeError;
use crate::files::FileError;

/// The largest recipe that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// A text before it is parsed.
pub(super) struct Found {
    pub origin: Origin,
    pub text: String,
}

/// Whether a text names a built-in recipe rather than a file.
pub(super) fn is_name(text: &str) -> bool {
    !text.contains(['/', '\\']) && !text.ends_with(".toml")
}

fn built_in<'a>(shelf: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    shelf
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// Finds a name among the built-in recipes, or a path, which begins in `folder`.
pub(super) fn find(
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
            None if is_data(&folder.join(name)) => Err(RecipeError::NotFound {
                name: name.to_owned(),
                help: format!(
                    "{name} is no recipe; if it holds your pictures, `tailor data init {name}` writes a recipe for them"
                ),
            }),
            None if folder.join(name).is_file() => {
                let help = match Path::new(name).extension() {
                    Some(_) => format!(
                        "the file {name} is not a recipe (.toml); `tailor recipes` lists the built-in ones"
                    ),
                    None => format!("a file is named by its path: write ./{name}"),
                };
                Err(RecipeError::NotFound {
                    name: name.to_owned(),
                    help,
                })
            }
            None => Err(RecipeError::NotFound {
                name: name.to_owned(),
                help: nearest(shelf, name, folder),
            }),
        };
    }
    let path = folder.join(name);
    match read(&path) {
        Ok(text) => Ok(Found {
            origin: Origin::File(path),
            text,
        }),
        Err(RecipeError::File(error)) if error.cause().kind() == io::ErrorKind::NotFound => {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // A checkout's folder, named from elsewhere; any other path means the file and nothing else.
            let checkout = Path::new(name).parent().and_then(Path::file_name) == Some("recipes".as_ref());
            match built_in(shelf, &stem).filter(|_| checkout) {
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
                    let help = format!("no file is there; {}", nearest(shelf, name, folder));
                    let name = path.display().to_string();
                    Err(RecipeError::NotFound { name, help })
                }
            }
        }
        Err(error) => Err(error),
    }
}

/// A folder, or a table of pictures: what somebody who begins has instead of a recipe.
fn is_data(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.is_dir()
        || (path.is_file() && ["csv", "jsonl", "parquet"].contains(&extension.to_lowercase().as_str()))
}

/// The most files of a folder that are looked at for a name that was meant.
const LOOKED_AT: usize = 10_000;

/// How alike two names are, from 0 to 1 and 0.5 more where one is a part of the other.
fn likeness(one: &str, other: &str) -> f64 {
    let long = one.len().min(other.len()) > 2;
    let within = long && (other.contains(one) || one.contains(other));
    strsim::normalized_damerau_levenshtein(one, other) + if within { 0.5 } else { 0.0 }
}

/// Up to three of the names that are near enough to have been meant, the nearest first.
fn alike(name: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    if name.len() > 256 {
        return Vec::new();
    }
    let mut near: Vec<(f64, String)> = names
        .map(|other| (likeness(&other, name), other))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    near.into_iter().take(3).map(|(_, other)| other).collect()
}

/// What may have been meant by a name or a path below `folder`: the recipes in files beside it, and the built-in ones.
fn nearest(shelf: &[(&str, &str)], name: &str, folder: &Path) -> String {
    let written = Path::new(name);
    let name = match is_name(name) {
        true => name.into(),
        false => written.file_stem().unwrap_or_default().to_string_lossy(),
    };
    let beside = match folder.join(written).parent() {
        Some(beside) if beside != Path::new("") => beside.to_path_buf(),
        _ => ".".into(),
    };
    let files = std::fs::read_dir(beside).into_iter().flatten().take(LOOKED_AT);
    let stems = files.filter_map(|file| {
        let name = file.ok()?.file_name().into_string().ok()?;
        Some(name.strip_suffix(".toml")?.to_owned())
    });
    let files = alike(&name, stems).into_iter().map(|stem| {
        written
            .with_file_name(format!("{stem}.toml"))
            .display()
            .to_string()
    });
    let quoted = |names: Vec<String>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let files: Vec<String> = files.collect();
    if !files.is_empty() {
        return format!("did you mean {}?", quoted(files));
    }
    let known = alike(&name, shelf.iter().map(|(known, _)| (*known).to_owned()));
    let are = match known.len() {
        0 => return "`tailor recipes` lists the built-in ones".to_owned(),
        1 => "recipe is",
        _ => "recipes are",
    };
    format!(
        "the nearest built-in {are} {}; `tailor recipes` lists them all",
        quoted(known)
    )
}

/// Reads a file that should be a recipe.
fn read(path: &Path) -> Result<String, RecipeError> {
    let fail = |source| FileError::new("read the recipe", path, source);
    if std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Err(RecipeError::NotARecipe {
            path: path.to_owned(),
            problem: "is a folder, not a recipe".to_owned(),
            help: "name the .toml file in it; `tailor data init FOLDER` writes one for pictures",
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
