//! Labelled pictures of a table's training split as a [`Feed`].

use super::check::{Needed, lacking};
use super::drawn::Drawn;
use super::feed::{Feed, FeedError, Job, Preview};
use super::image::DecodeOptions;
use super::sampler::{BatchJob, Cursor, EpochPlan, SamplerSection};
use super::source::{Encoded, ImageBatch, ImageSource, ImageWorker, Images};
use super::transform::Pipeline;
use super::{Classes, ImageRef, Table};
use crate::files::FileError;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Some rows of a table as encoded pictures.
#[derive(Clone, Debug)]
pub struct Rows {
    table: Arc<Table>,
    rows: Arc<Vec<usize>>,
}

impl Rows {
    /// These rows, in this order.
    pub fn new(table: Arc<Table>, rows: Vec<usize>) -> Self {
        Self {
            table,
            rows: Arc::new(rows),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Images for Rows {
    type Error = FileError;

    fn read(&self, row: usize) -> Result<Encoded<'_>, FileError> {
        let item = &self.table.items[self.rows[row]];
        let bytes = match &item.image {
            ImageRef::Memory { bytes, .. } => Cow::Borrowed(bytes.as_ref()),
            file => Cow::Owned(file.read()?.to_vec()),
        };
        Ok(Encoded {
            bytes,
            name: item.image.name(),
            crop: item.bbox,
        })
    }

    fn name(&self, row: usize) -> String {
        let item = &self.table.items[self.rows[row]];
        let (name, split) = (self.table.image_name(item), item.split);
        format!(
            "the picture {name} of the {split} split (row {})",
            self.rows[row] + 1
        )
    }

    fn drawn(&self, row: usize) -> Option<(&Drawn, Option<[f32; 4]>)> {
        let item = &self.table.items[self.rows[row]];
        match &item.image {
            ImageRef::Drawn(drawn) => Some((drawn, item.bbox)),
            _ => None,
        }
    }
}

/// Batches of labelled pictures.
pub struct ImageFeed {
    source: ImageSource<Rows>,
    sampler: SamplerSection,
    classes: Classes,
    /// The archive that each row lies in; empty where there are none.
    archives: Vec<u32>,
    /// The plans of the epochs that the loader and the engine stand in.
    plans: Mutex<BTreeMap<u64, Arc<EpochPlan>>>,
}

impl ImageFeed {
    /// The pictures of `rows` (of `table`), batched by `sampler`, each through `pipeline`.
    pub fn new(
        table: Arc<Table>,
        rows: Vec<usize>,
        sampler: SamplerSection,
        pipeline: Pipeline,
        decode: DecodeOptions,
        seed: u64,
    ) -> Self {
        let classes = table.classes(&rows);
        let archives = archives(&table, &rows);
        let labels = rows
            .iter()
            .map(|&row| {
                classes
                    .index(&table.items[row].label)
                    .map_or(-1, |index| index as i32)
            })
            .collect();
        Self {
            source: ImageSource {
                images: Rows::new(table, rows),
                labels,
                pipeline,
                decode,
                seed,
            },
            sampler,
            classes,
            archives,
            plans: Mutex::new(BTreeMap::new()),
        }
    }

    /// The classes, whose indices are the labels.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    fn plan(&self, epoch: u64) -> Result<Arc<EpochPlan>, FeedError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&epoch) {
            return Ok(plan.clone());
        }
        if self.source.images.is_empty() {
            return Err(lacking(&self.source.images.table, Needed::Train).into());
        }
        let plan = self
            .sampler
            .plan_of(self.source.seed, epoch, &self.source.labels, &self.archives)?;
        let plan = Arc::new(plan);
        plans.insert(epoch, plan.clone());
        // The loader runs ahead of the engine by less than two epochs, except where an epoch is a single batch.
        while plans.len() > 8 {
            plans.pop_first();
        }
        Ok(plan)
    }
}

/// The archives of rows, numbered as they come.
fn archives(table: &Table, rows: &[usize]) -> Vec<u32> {
    let mut numbers: BTreeMap<&std::path::Path, u32> = BTreeMap::new();
    let archive = |&row: &usize| match &table.items[row].image {
        ImageRef::Slice { archive, .. } => {
            let next = numbers.len() as u32;
            Some(*numbers.entry(archive).or_insert(next))
        }
        _ => None,
    };
    rows.iter()
        .map(archive)
        .collect::<Option<_>>()
        .unwrap_or_default()
}

impl Feed for ImageFeed {
    type Host = ImageBatch;
    type Scratch = ImageWorker;

    fn batches(&self, epoch: u64) -> Result<u64, FeedError> {
        Ok(self.plan(epoch)?.batches.len() as u64)
    }

    fn load(&self, job: Job, scratch: &mut ImageWorker) -> Result<ImageBatch, FeedError> {
        let plan = self.plan(job.epoch)?;
        let job = BatchJob {
            cursor: Cursor {
                epoch: job.epoch,
                batch: job.batch as usize,
            },
            batches: plan.batches.len(),
            slots: plan.batches[job.batch as usize].clone(),
        };
        Ok(self.source.batch(scratch, &job)?)
    }

    fn items(&self) -> u64 {
        self.sampler.batch_size() as u64
    }

    fn preview(&self, host: &ImageBatch) -> Option<Preview> {
        let (mean, std) = self.source.pipeline.normalization();
        let [batch, _, height, width] = host.shape;
        let columns = batch.min(8);
        let rows = batch.min(32).div_ceil(columns.max(1));
        let mut rgb = vec![0u8; rows * height * columns * width * 3];
        for (i, pixels) in host
            .pixels
            .chunks_exact(3 * height * width)
            .take(rows * columns)
            .enumerate()
        {
            let (top, left) = (i / columns * height, i % columns * width);
            for y in 0..height {
                for x in 0..width {
                    let to = ((top + y) * columns * width + left + x) * 3;
                    for channel in 0..3 {
                        let value = pixels[(channel * height + y) * width + x] * std[channel] + mean[channel];
                        rgb[to + channel] = (value * 255.0).round().clamp(0.0, 255.0) as u8;
                    }
                }
            }
        }
        Some(Preview {
            width: (columns * width) as u32,
            height: (rows * height) as u32,
            rgb,
        })
    }
}
