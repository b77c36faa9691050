//! What a recipe says: how it is found, merged, checked and printed.
//!
//! A recipe is one TOML file of sections: `[paper] [data] [model] [loss] [optimizer] [schedule] [train] [eval] [export]`.
//! It may lay itself on another (`extends = "ctl"`, one level), and the command line on both (`--set loss.margin=0.3`).
//! What comes out is a tree whose every value remembers its file and line ([`tree`]). Each section is then read by the
//! room it belongs to, into that room's own type, and everything that is wrong is said at once ([`Reader`]):
//!
//! ```
//! use tailor::recipe::{Origin, Recipe};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Loss {
//!     /// The distance that a negative is kept away by.
//!     #[schemars(range(min = 0.0))]
//!     margin: f32,
//! }
//!
//! let recipe = Recipe::from_text("mine", Origin::BuiltIn("mine".into()), "[loss]\nmargn = 1\n".into(), &[])?;
//! let mut reader = recipe.reader();
//! let loss: Option<Loss> = reader.section_required("loss");
//! let errors = reader.finish().unwrap_err(); // `margn` is unknown (did you mean `margin`?), `margin` is missing
//! assert!(loss.is_none() && errors.faults().len() == 2);
//! # Ok::<(), tailor::recipe::RecipeError>(())
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

mod builtin;
mod check;
mod de;
mod fault;
mod find;
mod load;
pub mod paper;
mod print;
mod read;
pub mod schema;
mod set;
#[cfg(test)]
mod tests;
pub mod tree;

pub(crate) use check::alias;
pub use fault::{Fault, RecipeErrors};
pub use load::RecipeError;
pub use paper::{PaperSection, Published};
pub use print::{Difference, diff};
pub use read::Reader;

use tree::{Node, Place, Table, Value};

/// The sections of a recipe in the order in which they are printed.
pub const SECTIONS: [&str; 9] = [
    "paper",
    "data",
    "model",
    "loss",
    "optimizer",
    "schedule",
    "train",
    "eval",
    "export",
];

/// Where a recipe comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled into the binary, under this name.
    BuiltIn(String),
    /// Read from this file.
    File(PathBuf),
}

impl Origin {
    /// The folder that a relative `extends` begins in; empty for a built-in recipe.
    fn folder(&self) -> &Path {
        match self {
            Self::File(path) => path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
            Self::BuiltIn(_) => Path::new(""),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "{name} (built-in)"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A recipe, merged with its base and with the command line.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The file's name without `.toml`.
    pub name: String,
    /// Where it was found.
    pub origin: Origin,
    /// The recipe that it extends, and where it says so.
    pub base: Option<(Origin, Place)>,
    /// The recipe's own text, before anything was laid over or under it.
    pub text: String,
    /// What a person should know about how it was found. The verbs print these to stderr.
    pub notes: Vec<String>,
    /// The merged tree.
    pub table: Table,
}

impl Recipe {
    /// The names of all built-in recipes.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        builtin::ALL.iter().map(|(name, _)| *name)
    }

    /// The value at a dotted path (`loss.margin`, `data.train[1].size`).
    pub fn get(&self, path: &str) -> Option<&Node> {
        let mut keys = path.split('.');
        let mut node = step(
            self.table.get(keys.next()?.split('[').next()?)?,
            path.split('.').next()?,
        )?;
        for key in keys {
            let Value::Table(table) = &node.value else {
                return None;
            };
            node = step(table.get(key.split('[').next()?)?, key)?;
        }
        Some(node)
    }
}

/// Follows the indices of `key[1][2]`.
fn step<'a>(mut node: &'a Node, key: &str) -> Option<&'a Node> {
    for index in key.split('[').skip(1) {
        let Value::Array(items) = &node.value else {
            return None;
        };
        node = items.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
    }
    Some(node)
}
