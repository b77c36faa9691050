//! The scores of every image with every caption.

use crate::data::feed::FeedError;
use crate::data::pairs::Precomputed;
use crate::device::Device;
use crate::papers::{Match, captions};
use crate::search::{Memory, Scorer, Scores, SearchError};
use crate::train::TrainError;
use burn::tensor::{Tensor, TensorData};
use std::ops::Range;

/// `[images, captions]`, higher is better.
#[derive(Clone, Debug)]
pub struct ScoreMatrix {
    values: Vec<f32>,
    images: usize,
}

impl ScoreMatrix {
    /// Row by row.
    ///
    /// # Panics
    /// If there are no whole rows.
    pub fn new(values: Vec<f32>, images: usize) -> Self {
        assert!(
            images > 0 && values.len().is_multiple_of(images),
            "{} scores of {images} images",
            values.len()
        );
        Self { values, images }
    }

    /// How many images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// How many captions.
    pub fn captions(&self) -> usize {
        self.values.len() / self.images
    }

    /// The scores, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// From logits to scores in (0, 1).
    pub fn sigmoid(mut self) -> Self {
        for value in &mut self.values {
            *value = 1.0 / (1.0 + (-*value).exp());
        }
        self
    }

    /// The mean of several models' scores of the same pairs.
    ///
    /// # Panics
    /// If there is none, or if they are of different pairs.
    pub fn mean(all: &[Self]) -> Self {
        let (images, captions) = (all[0].images(), all[0].captions());
        assert!(
            all.iter()
                .all(|one| (one.images(), one.captions()) == (images, captions)),
            "scores of the same pairs"
        );
        let of = |at: usize| all.iter().map(|one| one.values[at]).sum::<f32>() / all.len() as f32;
        Self {
            values: (0..all[0].values.len()).map(of).collect(),
            images,
        }
    }

    /// Some images and captions; `turned` searches images by captions.
    pub(super) fn part(&self, images: Range<usize>, captions: Range<usize>, turned: bool) -> Part<'_> {
        Part {
            matrix: self,
            images,
            captions,
            turned,
        }
    }
}

/// A part of the scores, searched one way.
pub(super) struct Part<'a> {
    matrix: &'a ScoreMatrix,
    images: Range<usize>,
    captions: Range<usize>,
    turned: bool,
}

impl Scorer for Part<'_> {
    fn queries(&self) -> usize {
        match self.turned {
            true => self.captions.len(),
            false => self.images.len(),
        }
    }

    fn gallery(&self) -> usize {
        match self.turned {
            true => self.images.len(),
            false => self.captions.len(),
        }
    }

    fn tile_shape(&self) -> (usize, usize) {
        (256, 4096)
    }

    fn tile(&mut self, queries: Range<usize>, gallery: Range<usize>) -> Result<Scores, SearchError> {
        let columns = self.matrix.captions();
        let at = |image: usize, caption: usize| {
            self.matrix.values[(self.images.start + image) * columns + self.captions.start + caption]
        };
        let values = queries
            .flat_map(|query| gallery.clone().map(move |item| (query, item)))
            .map(|(query, item)| match self.turned {
                true => at(item, query),
                false => at(query, item),
            })
            .collect();
        Ok(Scores::dense(values, gallery.len()))
    }

    fn memory(&self) -> Memory {
        Memory {
            host: 4 * self.matrix.values.len() as u64,
            device: 0,
        }
    }
}

/// Scores every image of a split with every caption. The model is in evaluation mode, on `device`. Images are encoded once and stay;
/// captions are encoded once, the shortest first, so that a batch of them needs little padding.
pub fn score<M: Match>(
    model: &M,
    split: &Precomputed,
    device: &Device,
    batch: usize,
    captions_at_once: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<ScoreMatrix, TrainError> {
    let broken = |e: &dyn std::fmt::Debug| TrainError::Device(format!("{e:?}"));
    let (images, columns) = (split.images(), split.captions.len());
    let [_, regions, dim] = split.features.shape();
    let mut encoded = Vec::new();
    for start in (0..images).step_by(batch) {
        let end = (start + batch).min(images);
        let mut values = vec![0.0; (end - start) * regions * dim];
        for (image, to) in (start..end).zip(values.chunks_exact_mut(regions * dim)) {
            split.read(image, to).map_err(FeedError::from)?;
        }
        let shape = [end - start, regions, dim];
        let features = Tensor::from_data(TensorData::new(values, shape), device);
        encoded.push((start, end, model.images(features)));
    }
    let mut order: Vec<usize> = (0..columns).collect();
    order.sort_by_key(|&caption| split.captions[caption].len());
    let mut values = vec![0.0f32; images * columns];
    let mut done = 0;
    for own in order.chunks(captions_at_once) {
        let lengths: Vec<usize> = own.iter().map(|&c| split.captions[c].len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut ids = vec![0i32; own.len() * longest];
        for (to, &caption) in ids.chunks_exact_mut(longest.max(1)).zip(own) {
            for (to, &id) in to.iter_mut().zip(&split.captions[caption]) {
                *to = id as i32;
            }
        }
        let (ids, lengths) = captions(ids, lengths, device);
        let words = model.captions(ids, lengths);
        for (start, end, pictures) in &encoded {
            let tile = model
                .logits(pictures, &words)
                .try_into_data()
                .map_err(|e| broken(&e))?
                .try_into_vec_as::<f32>()
                .map_err(|e| broken(&e))?;
            for (image, row) in (*start..*end).zip(tile.chunks_exact(own.len())) {
                for (&caption, &score) in own.iter().zip(row) {
                    values[image * columns + caption] = score;
                }
            }
        }
        done += own.len();
        progress(done);
    }
    Ok(ScoreMatrix::new(values, images))
}
