//! What can be wrong with features and captions.

use crate::data::text::VocabularyError;
use crate::files::FileError;
use std::path::PathBuf;

/// Features and captions that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PairError {
    /// A file could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// The vocabulary.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The file is no array of features.
    #[error("{}: {problem}", path.display())]
    #[diagnostic(help(
        "features are a NumPy array of float32 in C order, [images, regions, dim]: numpy.save(path, array.astype('float32'))"
    ))]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Captions and images do not belong together.
    #[error("{} has {captions} captions for the {images} images of {}", captions_path.display(), images_path.display())]
    #[diagnostic(help(
        "there are either as many captions as images or {per_image} consecutive lines an image: the features are cut off, or the files \
         are of two splits"
    ))]
    Counts {
        /// The captions' file.
        captions_path: PathBuf,
        /// The features' file.
        images_path: PathBuf,
        /// Lines.
        captions: usize,
        /// Rows.
        images: usize,
        /// Captions of an image.
        per_image: usize,
    },
    /// A caption that holds nothing.
    #[error("{}, line {line}: the caption is empty", path.display())]
    #[diagnostic(help(
        "write a caption there, or leave the image out of the features and the captions alike"
    ))]
    EmptyCaption {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A feature that is no number.
    #[error("{}, row {image} (from 0): region {region} holds a value that is not finite", path.display())]
    #[diagnostic(help(
        "compute this image's features anew; a broken picture or an overflow in half precision leaves NaN behind"
    ))]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row.
        image: usize,
        /// The region.
        region: usize,
    },
    /// A line of region features that cannot be used.
    #[error("{}, line {line}: {problem}", path.display())]
    #[diagnostic(help(
        "a line holds image_id, image_w, image_h, num_boxes, boxes and features between tabs, the last two as base64 of float32, and every \
         image has the same number of regions"
    ))]
    Regions {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// An image of the list that no file has.
    #[error("image {id} of the list is in none of the {files} files, which hold {images} images")]
    #[diagnostic(help(
        "name all files of the split (a folder will do), and ids as their first column has them"
    ))]
    NoRegions {
        /// The image.
        id: String,
        /// How many files were read.
        files: usize,
        /// How many images they hold.
        images: usize,
    },
    /// Too few pairs for a batch.
    #[error("the split has {pairs} pairs of an image and a caption, fewer than a batch of {batch}")]
    #[diagnostic(help(
        "set data.batch to {pairs} or less, and to 2 at least: a single pair has no negative"
    ))]
    FewPairs {
        /// Pairs.
        pairs: usize,
        /// Pairs in a batch.
        batch: usize,
    },
}
