//! One split of the published layout.

use super::{Features, PairError};
use crate::data::text::Vocabulary;
use crate::files::read_text;
use std::path::{Path, PathBuf};

/// Captions of an image in the published files.
pub const PER_IMAGE: usize = 5;
/// Rows of the features whose values take part in a fingerprint.
const SAMPLED: usize = 64;

/// Features and captions of one split.
#[derive(Debug)]
pub struct Precomputed {
    /// The images' features, row by row of the file.
    pub features: Features,
    /// Word ids of every caption, `<start>` and `<end>` included.
    pub captions: Vec<Vec<u32>>,
    /// The captions as they were written.
    pub texts: Vec<String>,
    per_image: usize,
    /// Rows of the file that show one image.
    repeats: usize,
}

impl Precomputed {
    /// `<split>_ims.npy` and `<split>_caps.txt` of a folder. With as many captions as rows of features, one belongs to each, unless the
    /// rows are those published arrays that repeat every image five times.
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
        let [rows, ..] = features.shape();
        let (per_image, repeats) = match texts.len() {
            count if count == rows => match repeated(&features)? {
                true => (PER_IMAGE, PER_IMAGE),
                false => (1, 1),
            },
            count if count == rows * PER_IMAGE => (PER_IMAGE, 1),
            captions => {
                return Err(PairError::Counts {
                    captions_path,
                    images_path,
                    captions,
                    images: rows,
                    per_image: PER_IMAGE,
                });
            }
        };
        Ok(Self {
            features,
            captions: texts.iter().map(|text| vocabulary.encode(text)).collect(),
            texts,
            per_image,
            repeats,
        })
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.captions.len() / self.per_image
    }

    /// The image that a caption belongs to.
    pub fn image_of(&self, caption: usize) -> usize {
        caption / self.per_image
    }

    /// How many captions each image has.
    pub fn per_image(&self) -> usize {
        self.per_image
    }

    /// Reads an image's regions into `to`, `[regions, dim]`.
    pub fn read(&self, image: usize, to: &mut [f32]) -> Result<(), PairError> {
        self.features.read(image * self.repeats, to)
    }

    /// Drops all captions behind the first so many, with their images; an image that is begun is kept whole.
    pub fn keep(&mut self, captions: usize) {
        let captions = captions.div_ceil(self.per_image) * self.per_image;
        self.captions.truncate(captions);
        self.texts.truncate(captions);
    }

    /// Cuts captions off after so many words; `<start>` and `<end>` do not count.
    pub fn shorten(&mut self, words: usize) {
        for caption in self
            .captions
            .iter_mut()
            .filter(|caption| caption.len() > words + 2)
        {
            let end = caption[caption.len() - 1];
            caption.truncate(words + 1);
            caption.push(end);
        }
    }

    /// The longest caption, in words, `<start>` and `<end>` included.
    pub fn longest(&self) -> usize {
        self.captions.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The features' file.
    pub fn path(&self) -> PathBuf {
        self.features.path().to_owned()
    }

    /// Mixes in what identifies the split: its captions' words, the shape of its features and the values of a few rows, evenly
    /// spread, because reading tens of gigabytes would take minutes.
    pub fn identify(&self, hash: &mut blake3::Hasher) -> Result<(), PairError> {
        let [rows, regions, dim] = self.features.shape();
        for number in [rows, regions, dim, self.per_image, self.captions.len()] {
            hash.update(&(number as u64).to_le_bytes());
        }
        for caption in &self.captions {
            hash.update(&(caption.len() as u64).to_le_bytes());
            for id in caption {
                hash.update(&id.to_le_bytes());
            }
        }
        let mut values = vec![0.0; regions * dim];
        let count = SAMPLED.min(rows);
        for sample in 0..count {
            self.features.read_any(sample * rows / count, &mut values)?;
            for value in &values {
                hash.update(&value.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// Whether every group of five rows shows one image: looked for in the first groups and the last.
fn repeated(features: &Features) -> Result<bool, PairError> {
    let [rows, regions, dim] = features.shape();
    if rows % PER_IMAGE != 0 {
        return Ok(false);
    }
    let groups = rows / PER_IMAGE;
    let (mut first, mut other) = (vec![0.0; regions * dim], vec![0.0; regions * dim]);
    for group in (0..groups.min(4)).chain([groups - 1]) {
        features.read_any(group * PER_IMAGE, &mut first)?;
        for row in 1..PER_IMAGE {
            features.read_any(group * PER_IMAGE + row, &mut other)?;
            if first != other {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
