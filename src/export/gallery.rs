//! Embeddings that can be searched again: vectors with ids, labels and pictures, and a card that says which model they are of.
//!
//! - Parquet: the columns `id`, `label`, `image` (a path, where there is one) and `embedding`; the card in the file's own
//!   metadata under the key `tailor`.
//! - `.npy`: the vectors; beside it `<name>.csv` with the other columns and `<name>.json` with the card.
//!
//! Files of other tools are read too, where they have a column `embedding` (a list of numbers) and, if they know them, `id`,
//! `label` and `image` or `path`. All of them are untrusted.

mod npy;
mod parquet;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::embeddings::EmbeddingsError;
use crate::files::FileError;

/// Vectors and what is known of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    /// `[rows, dimensions]`, row-major, as the model gives them: not normalised.
    pub vectors: Vec<f32>,
    /// Length of one.
    pub dimensions: usize,
    /// One for each row; the row's number where the file has none.
    pub ids: Vec<String>,
    /// One for each row; empty where the file has none.
    pub labels: Vec<String>,
    /// Where the picture is, for those rows of which it is known; one for each row.
    pub images: Vec<Option<String>>,
    /// Which model they are of.
    pub card: Option<Card>,
}

/// Which model made the vectors. Those of different models cannot be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Of this form: 1.
    pub format: u32,
    /// The recipe's name.
    pub recipe: String,
    /// Which weights, in words.
    pub weights: String,
    /// The hash of all weights.
    pub model: String,
    /// The hash of what is done to a picture before the model sees it.
    pub preprocessing: String,
    /// Length of a vector.
    pub dimensions: usize,
    /// What vectors are compared by.
    pub similarity: String,
    /// What they are of.
    pub data: String,
    /// The version that wrote them.
    pub tailor: String,
}

impl Card {
    /// Why vectors of these two cards cannot be compared, in a sentence; nothing if they can be.
    pub fn differs(&self, other: &Self) -> Option<String> {
        if self.model != other.model {
            return Some(format!(
                "its vectors are of other weights: {} of {} ({}), not {} of {} ({})",
                self.weights, self.recipe, self.model, other.weights, other.recipe, other.model
            ));
        }
        if self.preprocessing != other.preprocessing {
            return Some("its pictures were prepared in another way (data.eval_transform differs)".into());
        }
        None
    }
}

/// The formats, by the extension of the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One file.
    Parquet,
    /// Three files.
    Npy,
}

impl Format {
    /// By the extension.
    pub fn of(path: &Path) -> Result<Self, GalleryError> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("npy") => Ok(Self::Npy),
            _ => Err(GalleryError::Extension(path.to_owned())),
        }
    }

    /// All files that are written for this one, itself the first.
    pub fn files(self, path: &Path) -> Vec<PathBuf> {
        match self {
            Self::Parquet => vec![path.to_owned()],
            Self::Npy => vec![
                path.to_owned(),
                path.with_extension("csv"),
                path.with_extension("json"),
            ],
        }
    }
}

/// Embeddings that cannot be written or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GalleryError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// Embeddings could not be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Write(#[from] EmbeddingsError),
    /// A file of another kind.
    #[error("{}: embeddings are .parquet or .npy files", .0.display())]
    #[diagnostic(help("give the file one of these extensions"))]
    Extension(PathBuf),
    /// A file that does not hold what it should.
    #[error("{}: {problem}", path.display())]
    #[diagnostic(help("{remedy}"))]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
}

pub(super) fn broken(path: &Path, problem: impl Into<String>) -> GalleryError {
    GalleryError::Broken {
        path: path.to_owned(),
        problem: problem.into(),
        remedy: "write the embeddings anew with `tailor embed`; a copy that was cut short cannot be read",
    }
}

impl Gallery {
    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Writes the file, and what belongs beside it.
    ///
    /// # Errors
    /// When the columns are not of one length, or the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), GalleryError> {
        let shape = [self.len(), self.dimensions];
        for (what, found) in [("labels", self.labels.len()), ("images", self.images.len())] {
            if found != self.len() {
                return Err(EmbeddingsError::Shape {
                    path: path.to_owned(),
                    what,
                    found,
                    rows: shape[0],
                    dimensions: shape[1],
                }
                .into());
            }
        }
        match Format::of(path)? {
            Format::Parquet => parquet::write(self, path),
            Format::Npy => npy::write(self, path),
        }
    }

    /// Reads a file, and what stands beside it.
    ///
    /// # Errors
    /// When it is not there, not whole, or says something impossible.
    pub fn read(path: &Path) -> Result<Self, GalleryError> {
        let format = Format::of(path)?;
        let gallery = match format {
            Format::Parquet => parquet::read(path)?,
            Format::Npy => npy::read(path)?,
        };
        if gallery.is_empty() {
            return Err(broken(path, "there is no vector in it"));
        }
        let values = gallery.vectors.iter();
        if let Some(at) = values.clone().position(|value| !value.is_finite()) {
            let (row, dimension) = (at / gallery.dimensions, at % gallery.dimensions);
            return Err(broken(
                path,
                format!(
                    "the vector of row {row} holds {} at dimension {dimension}",
                    gallery.vectors[at]
                ),
            ));
        }
        if let Some(card) = &gallery.card
            && card.dimensions != gallery.dimensions
        {
            return Err(broken(
                path,
                format!(
                    "its vectors have {} dimensions, its card says {}",
                    gallery.dimensions, card.dimensions
                ),
            ));
        }
        Ok(gallery)
    }
}
