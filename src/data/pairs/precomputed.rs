//! One split of the published layout.

use super::{Features, PairError};
use crate::data::text::Vocabulary;
use crate::files::read_text;
use std::path::{Path, PathBuf};

/// Captions of an image in the published files.
pub const PER_IMAGE: usize = 5;

/// Features and captions of one split.
#[derive(Debug)]
pub struct Precomputed {
    /// The images' features.
    pub features: Features,
    /// Word ids of every caption, `<start>` and `<end>` included.
    pub captions: Vec<Vec<u32>>,
    /// The captions as they were written.
    pub texts: Vec<String>,
    per_image: usize,
}

impl Precomputed {
    /// `<split>_ims.npy` and `<split>_caps.txt` of a folder. With as many captions as images, one belongs to each; the published arrays
    /// that repeat every image five times are read like that, too.
    pub fn open(folder: &Path, split: &str, vocabulary: &Vocabulary) -> Result<Self, PairError> {
        let images_path = folder.join(format!("{split}_ims.npy"));
        let captions_path = folder.join(format!("{split}_caps.txt"));
        let features = Features::open(&images_path)?;
        let text = read_text(&captions_path)?;
        let texts: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
        if let Some(empty) = texts.iter().position(String::is_empty) {
            return Err(PairError::EmptyCaption {
                path: captions_path,
                line: empty + 1,
            });
        }
        let [images, ..] = features.shape();
        let per_image = match texts.len() {
            count if count == images => 1,
            count if count == images * PER_IMAGE => PER_IMAGE,
            captions => {
                return Err(PairError::Counts {
                    captions_path,
                    images_path,
                    captions,
                    images,
                    per_image: PER_IMAGE,
                });
            }
        };
        Ok(Self {
            features,
            captions: texts.iter().map(|text| vocabulary.encode(text)).collect(),
            texts,
            per_image,
        })
    }

    /// The image's row that a caption belongs to.
    pub fn image_of(&self, caption: usize) -> usize {
        caption / self.per_image
    }

    /// How many captions each row of the features has.
    pub fn per_image(&self) -> usize {
        self.per_image
    }

    /// The longest caption, in words.
    pub fn longest(&self) -> usize {
        self.captions.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The features' file.
    pub fn path(&self) -> PathBuf {
        self.features.path().to_owned()
    }
}
