//! What became of each tensor.

use serde::Serialize;
use std::fmt;

/// A tensor whose shape in the file is not the model's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapeMismatch {
    /// The model's name.
    pub name: String,
    /// Shape in the file.
    pub file: Vec<usize>,
    /// Shape in the model, in torch's layout.
    pub model: Vec<usize>,
}

/// What an import did with each tensor, by the model's names (or, where it has none, the file's names after renaming).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Put into the model.
    pub loaded: Vec<String>,
    /// In the model, not in the file: the model's own values stay.
    pub missing: Vec<String>,
    /// In the file, not in the model.
    pub unused: Vec<String>,
    /// In both with different shapes: the model's own values stay.
    pub mismatched: Vec<ShapeMismatch>,
    /// Left out on purpose: what `skip` names, and torch's batch counters.
    pub ignored: Vec<String>,
}

const NAMED: usize = 8;

fn names(items: &[String]) -> String {
    let mut text = items
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if items.len() > NAMED {
        text += &format!(" and {} more", items.len() - NAMED);
    }
    text
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loaded", self.loaded.len())?;
        for (what, items) in [("missing", &self.missing), ("unused", &self.unused)] {
            if !items.is_empty() {
                write!(f, "; {} {what} ({})", items.len(), names(items))?;
            }
        }
        if !self.mismatched.is_empty() {
            let items: Vec<String> = self
                .mismatched
                .iter()
                .map(|m| format!("{}: file {:?}, model {:?}", m.name, m.file, m.model))
                .collect();
            write!(f, "; {} of another shape ({})", items.len(), names(&items))?;
        }
        if !self.ignored.is_empty() {
            write!(f, "; {} ignored", self.ignored.len())?;
        }
        Ok(())
    }
}
