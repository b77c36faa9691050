//! From rows to image batches: bytes (or a drawing) → pixels → pipeline → one `[batch, 3, height, width]` buffer. What a [`Loader`](super::loader::Loader)'s workers do.

use std::borrow::Cow;
use std::collections::HashMap;

use super::drawn::Drawn;
use super::image::{DecodeOptions, ImageError, Picture, crop_to, decode_into};
use super::sampler::BatchJob;
use super::transform::{Pipeline, Scratch, TransformError};
use crate::random;

/// A batch of images in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    /// `[batch, 3, height, width]`, row-major, normalised. Blanks are zeros.
    pub pixels: Vec<f32>,
    /// batch, 3, height, width.
    pub shape: [usize; 4],
    /// Class index of each image, also of blanks.
    pub labels: Vec<i32>,
    /// False for blanks.
    pub real: Vec<bool>,
    /// Rows of the table.
    pub rows: Vec<usize>,
}

/// One image as it is stored.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    /// JPEG, PNG, …
    pub bytes: Cow<'a, [u8]>,
    /// Its file or place, for errors.
    pub name: Cow<'a, str>,
    /// The part to use: x1, y1, x2, y2 in pixels.
    pub crop: Option<[f32; 4]>,
}

/// Where images come from. Closures `Fn(row) -> Result<Encoded<'static>, E>` are such a place.
pub trait Images: Send + Sync {
    /// Why one could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The image of a row.
    fn read(&self, row: usize) -> Result<Encoded<'_>, Self::Error>;

    /// What errors call the picture of a row.
    fn name(&self, row: usize) -> String {
        format!("the picture of row {}", row + 1)
    }

    /// The drawing of a row and the part of it to use, where it is drawn and not read: it is then never encoded.
    fn drawn(&self, _row: usize) -> Option<(&Drawn, Option<[f32; 4]>)> {
        None
    }
}

impl<F, E> Images for F
where
    F: Fn(usize) -> Result<Encoded<'static>, E> + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    type Error = E;

    fn read(&self, row: usize) -> Result<Encoded<'_>, E> {
        self(row)
    }
}

/// Why a batch could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError<E: std::error::Error + 'static> {
    /// One of its pictures cannot be used.
    #[error("{picture} cannot be used")]
    #[diagnostic(forward(source))]
    Picture {
        /// Which.
        picture: String,
        /// Why.
        source: PictureError<E>,
    },
    /// A plan for other data.
    #[error(
        "the batch asks for row {row}, but there are {rows} rows: make the plan and the image source from the same table"
    )]
    Row {
        /// The row asked for.
        row: usize,
        /// Rows there are.
        rows: usize,
    },
}

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PictureError<E: std::error::Error + 'static> {
    /// The bytes could not be had.
    #[error(transparent)]
    Read(E),
    /// They are no picture.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    /// The picture does not go through the pipeline.
    #[error("{name}: {source}")]
    #[diagnostic(forward(source))]
    Transform {
        /// The file.
        name: String,
        /// Which operation, and why.
        source: TransformError,
    },
}

/// What a worker keeps between images.
#[derive(Debug, Default)]
pub struct ImageWorker {
    picture: Picture,
    scratch: Scratch,
}

/// Makes batches.
#[derive(Clone, Debug)]
pub struct ImageSource<I> {
    /// Where the bytes come from.
    pub images: I,
    /// Class index of each row.
    pub labels: Vec<i32>,
    /// What is done to each picture.
    pub pipeline: Pipeline,
    /// How bytes are decoded.
    pub decode: DecodeOptions,
    /// The run's seed.
    pub seed: u64,
}

impl<I: Images> ImageSource<I> {
    /// Makes one batch. Augmentation is keyed by (seed, epoch, row), and by the occurrence for a row that the batch holds more than once.
    pub fn batch(
        &self,
        worker: &mut ImageWorker,
        job: &BatchJob,
    ) -> Result<ImageBatch, SourceError<I::Error>> {
        let [height, width] = self.pipeline.output();
        let size = 3 * height * width;
        let count = job.slots.len();
        let mut batch = ImageBatch {
            pixels: vec![0.0; count * size],
            shape: [count, 3, height, width],
            labels: Vec::with_capacity(count),
            real: Vec::with_capacity(count),
            rows: Vec::with_capacity(count),
        };
        let mut seen: HashMap<usize, u64> = HashMap::with_capacity(count);
        for (slot, pixels) in job.slots.iter().zip(batch.pixels.chunks_exact_mut(size)) {
            let label = *self.labels.get(slot.row).ok_or(SourceError::Row {
                row: slot.row,
                rows: self.labels.len(),
            })?;
            if slot.real {
                let occurrence = seen.entry(slot.row).or_insert(0);
                self.image(worker, job.cursor.epoch, slot.row, *occurrence, pixels)
                    .map_err(|source| SourceError::Picture {
                        picture: self.images.name(slot.row),
                        source,
                    })?;
                *occurrence += 1;
            }
            batch.labels.push(label);
            batch.real.push(slot.real);
            batch.rows.push(slot.row);
        }
        Ok(batch)
    }

    fn image(
        &self,
        worker: &mut ImageWorker,
        epoch: u64,
        row: usize,
        occurrence: u64,
        pixels: &mut [f32],
    ) -> Result<(), PictureError<I::Error>> {
        let name = match self.images.drawn(row) {
            Some((drawn, crop)) => {
                drawn.draw(&mut worker.picture);
                crop_to(&mut worker.picture, drawn.name(), crop)?;
                Cow::Borrowed(drawn.name())
            }
            None => {
                let encoded = self.images.read(row).map_err(PictureError::Read)?;
                let picture = &mut worker.picture;
                decode_into(&encoded.bytes, &encoded.name, encoded.crop, &self.decode, picture)?;
                encoded.name
            }
        };
        let key = [epoch, row as u64, occurrence];
        let key = if occurrence == 0 { &key[..2] } else { &key[..] };
        let mut stream = random::stream(self.seed, "augment", key);
        self.pipeline
            .apply(&worker.picture, &mut stream, &mut worker.scratch, pixels)
            .map_err(|source| PictureError::Transform {
                name: name.into_owned(),
                source,
            })
    }
}

#[cfg(test)]
mod tests;
