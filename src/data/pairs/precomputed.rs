//! One split: features of its images in a file, captions, and which belong together.

use super::{Captioned, Features, PairError, Truth};
use crate::data::text::{UNKNOWN, Vocabulary};
use crate::files::read_text;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Which captions are right for which images.
    pub truth: Truth,
    rows: Rows,
    /// What is done to a region's features as they are read.
    standard: Option<Arc<Standard>>,
    /// What the features were made of, where that is known.
    identity: Option<[u8; 32]>,
}

/// The row of an image in its file.
#[derive(Debug)]
enum Rows {
    /// So many rows show one image.
    Repeated(usize),
    /// The row of each image.
    Listed(Vec<u32>),
}

/// Shifts and scales each of a region's numbers, so that over the training images its mean is 0 and its deviation 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standard {
    /// `[dim]`.
    pub mean: Vec<f32>,
    /// `[dim]`; 1 for what never changes.
    pub deviation: Vec<f32>,
}

impl Standard {
    /// Of the regions of some rows of a file.
    pub fn of(features: &Features, rows: &[u32]) -> Result<Self, PairError> {
        let [_, regions, dim] = features.shape();
        let mut row = vec![0.0; regions * dim];
        let (mut sum, mut squares) = (vec![0.0f64; dim], vec![0.0f64; dim]);
        for &at in rows {
            features.read(at as usize, &mut row)?;
            for (at, &value) in row.iter().enumerate() {
                sum[at % dim] += f64::from(value);
                squares[at % dim] += f64::from(value) * f64::from(value);
            }
        }
        let count = (rows.len() * regions).max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let deviation = squares.iter().zip(&mean).map(|(squares, mean)| {
            let variance = (squares / count - mean * mean).max(0.0);
            match variance.sqrt() as f32 {
                small if small < 1e-6 => 1.0,
                deviation => deviation,
            }
        });
        Ok(Self {
            deviation: deviation.collect(),
            mean: mean.iter().map(|&mean| mean as f32).collect(),
        })
    }

    /// Shifts and scales regions `[regions, dim]`.
    pub fn apply(&self, values: &mut [f32]) {
        for region in values.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), deviation) in region.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }
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
            truth: Truth::consecutive(texts.len() / per_image, per_image),
            texts,
            rows: Rows::Repeated(repeats),
            standard: None,
            identity: None,
        })
    }

    /// Pictures of a table: picture p has row p of the file. `identity` says what the features were made of.
    pub fn of_pictures(
        features: Features,
        split: Captioned,
        vocabulary: &Vocabulary,
        standard: Option<Arc<Standard>>,
        identity: [u8; 32],
    ) -> Self {
        let Captioned {
            pictures,
            texts,
            truth,
        } = split;
        Self {
            features,
            captions: texts.iter().map(|text| vocabulary.encode(text)).collect(),
            texts,
            truth,
            rows: Rows::Listed(pictures),
            standard,
            identity: Some(identity),
        }
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.truth.images()
    }

    /// Rows of the features that show one image.
    pub fn repeats(&self) -> usize {
        match self.rows {
            Rows::Repeated(repeats) => repeats,
            Rows::Listed(_) => 1,
        }
    }

    /// The first image that a caption belongs to.
    pub fn image_of(&self, caption: usize) -> usize {
        self.truth
            .images_of(caption)
            .first()
            .map_or(0, |&image| image as usize)
    }

    /// Reads an image's regions into `to`, `[regions, dim]`.
    pub fn read(&self, image: usize, to: &mut [f32]) -> Result<(), PairError> {
        let row = match &self.rows {
            Rows::Repeated(repeats) => image * repeats,
            Rows::Listed(rows) => rows[image] as usize,
        };
        self.features.read(row, to)?;
        if let Some(standard) = &self.standard {
            standard.apply(to);
        }
        Ok(())
    }

    /// Drops all captions behind the first so many, with their images; an image that is begun is kept whole.
    pub fn keep(&mut self, captions: usize) {
        self.truth = self.truth.keep(captions);
        self.captions.truncate(self.truth.captions());
        self.texts.truncate(self.truth.captions());
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

    /// The share of the captions' words that the vocabulary lacks.
    pub fn unknown(&self) -> f64 {
        let words: usize = self.captions.iter().map(|caption| caption.len() - 2).sum();
        let unknown = self
            .captions
            .iter()
            .flatten()
            .filter(|&&id| id == UNKNOWN)
            .count();
        unknown as f64 / words.max(1) as f64
    }

    /// The features' file.
    pub fn path(&self) -> PathBuf {
        self.features.path().to_owned()
    }

    /// Mixes in what identifies the split: its captions' words, the shape of its features and what these were made of; where that is
    /// not known, the values of a few rows, evenly spread, because reading tens of gigabytes would take minutes.
    pub fn identify(&self, hash: &mut blake3::Hasher) -> Result<(), PairError> {
        let [rows, regions, dim] = self.features.shape();
        let per_image = self.truth.per_image().unwrap_or(0);
        for number in [rows, regions, dim, per_image, self.captions.len()] {
            hash.update(&(number as u64).to_le_bytes());
        }
        for caption in &self.captions {
            hash.update(&(caption.len() as u64).to_le_bytes());
            for id in caption {
                hash.update(&id.to_le_bytes());
            }
        }
        if per_image == 0 {
            for caption in 0..self.captions.len() {
                for image in self.truth.images_of(caption) {
                    hash.update(&image.to_le_bytes());
                }
                hash.update(&u32::MAX.to_le_bytes());
            }
        }
        if let Rows::Listed(rows) = &self.rows {
            for row in rows {
                hash.update(&row.to_le_bytes());
            }
        }
        if let Some(identity) = &self.identity {
            hash.update(identity);
            return Ok(());
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
