//! One row: an image and what is known of it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::data::drawn::Drawn;
use crate::files::FileError;

/// What a row is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Gradients come from here.
    Train,
    /// Choices (early stopping, the best checkpoint) come from here.
    Valid,
    /// Figures come from here.
    Test,
}

impl Split {
    /// `train`, `valid` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Valid => "valid",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the encoded bytes of an image are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageRef {
    /// A file.
    File(PathBuf),
    /// Encoded bytes in memory: those of the embedded catalogue are part of the binary and are never copied.
    Memory {
        /// The encoded image (JPEG, PNG, …).
        bytes: Bytes,
        /// What errors call it: the path inside its archive.
        name: String,
    },
    /// A part of an archive file, which is read when it is needed and never unpacked.
    Slice {
        /// The archive.
        archive: Arc<Path>,
        /// Where the encoded image begins, in bytes.
        offset: u64,
        /// How many bytes it has.
        length: u64,
        /// The archive's file name and the path inside.
        name: String,
    },
    /// Nowhere: it is drawn when it is asked for.
    Drawn(Drawn),
}

impl ImageRef {
    /// What errors and reports call this image.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            ImageRef::File(path) => path.to_string_lossy(),
            ImageRef::Memory { name, .. } | ImageRef::Slice { name, .. } => Cow::Borrowed(name),
            ImageRef::Drawn(drawn) => Cow::Borrowed(drawn.name()),
        }
    }

    /// The encoded bytes; of a drawing, those of a PNG.
    pub fn read(&self) -> Result<Bytes, FileError> {
        match self {
            ImageRef::File(path) => crate::files::read_bytes(path).map(Bytes::from),
            ImageRef::Memory { bytes, .. } => Ok(bytes.clone()),
            ImageRef::Slice {
                archive,
                offset,
                length,
                ..
            } => crate::files::read_part(archive, *offset, *length).map(Bytes::from),
            ImageRef::Drawn(drawn) => drawn.png(),
        }
    }
}

/// One row: an image, or one box of it, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique in its table.
    pub id: String,
    /// The picture.
    pub image: ImageRef,
    /// The identity (product, person) whose images belong together.
    pub label: String,
    /// The kind of thing, where the data says so.
    pub category: Option<String>,
    /// A title or description.
    pub text: Option<String>,
    /// What the row is used for.
    pub split: Split,
    /// Searched with, when its split is evaluated.
    pub is_query: bool,
    /// Searched in, when its split is evaluated.
    pub is_gallery: bool,
    /// Who took it: retrieval protocols of people leave out the query's own camera.
    pub camera: Option<i64>,
    /// Studio, street, a shop's name.
    pub domain: Option<String>,
    /// The part of the image that is meant, in its pixels: x1, y1, x2, y2 with x1 < x2 and y1 < y2.
    pub bbox: Option<[f32; 4]>,
}
