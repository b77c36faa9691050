//! Pictures to vectors, batch by batch.

use crate::data::Table;
use crate::data::feed::FeedError;
use crate::data::image::DecodeOptions;
use crate::data::image_feed::Rows;
use crate::data::loader::Loader;
use crate::data::sampler::{BatchJob, Cursor, SamplerSection};
use crate::data::source::{ImageBatch, ImageSource, ImageWorker};
use crate::data::transform::Pipeline;
use crate::device::Device;
use crate::papers::Embed;
use crate::train::TrainError;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// Embeddings of some rows, `[rows, dim]`. The model is in evaluation mode, on `device`. The last batch is filled up, so that every
/// forward pass has one shape.
#[allow(clippy::too_many_arguments)]
pub fn embed<M: Embed>(
    model: &M,
    table: &Arc<Table>,
    rows: &[usize],
    pipeline: &Pipeline,
    decode: DecodeOptions,
    device: &Device,
    batch: usize,
    workers: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<f32>, TrainError> {
    /// Reading back waits for the device; so many batches at a time keep it busy.
    const TOGETHER: usize = 8;
    let mut all = Vec::with_capacity(rows.len() * model.dim());
    let mut waiting: Vec<(Tensor<2>, usize)> = Vec::new();
    let mut done = 0;
    let read = |waiting: &mut Vec<(Tensor<2>, usize)>, all: &mut Vec<f32>| -> Result<(), TrainError> {
        let parts = waiting
            .drain(..)
            .map(|(rows, real)| rows.narrow(0, 0, real))
            .collect::<Vec<_>>();
        if !parts.is_empty() {
            let values = Tensor::cat(parts, 0)
                .try_into_data()
                .map_err(|e| TrainError::Device(format!("{e:?}")))?;
            all.extend(
                values
                    .try_into_vec_as::<f32>()
                    .map_err(|e| TrainError::Device(format!("{e:?}")))?,
            );
        }
        Ok(())
    };
    each_batch(table, rows, pipeline, decode, batch, workers, |host, real| {
        let pixels = Tensor::from_data(TensorData::new(host.pixels, host.shape), device);
        waiting.push((model.embed(pixels), real));
        done += real;
        if waiting.len() == TOGETHER {
            read(&mut waiting, &mut all)?;
            progress(done);
        }
        Ok(())
    })?;
    read(&mut waiting, &mut all)?;
    progress(done);
    Ok(all)
}

/// Hands over the rows batch by batch, with the number of rows that are no filling.
pub(crate) fn each_batch(
    table: &Arc<Table>,
    rows: &[usize],
    pipeline: &Pipeline,
    decode: DecodeOptions,
    batch: usize,
    workers: usize,
    mut take: impl FnMut(ImageBatch, usize) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let labels = vec![0; rows.len()];
    let plan = SamplerSection::Sequential { batch }
        .plan(0, 0, &labels)
        .map_err(FeedError::from)?;
    let batches = plan.batches.len();
    let jobs = plan
        .batches
        .into_iter()
        .enumerate()
        .map(move |(i, slots)| BatchJob {
            cursor: Cursor { epoch: 0, batch: i },
            batches,
            slots,
        });
    let source = ImageSource {
        images: Rows::new(table.clone(), rows.to_vec()),
        labels,
        pipeline: pipeline.clone(),
        decode,
        seed: 0,
    };
    let jobs: Box<dyn Iterator<Item = BatchJob> + Send> = Box::new(jobs);
    let loader = Loader::spawn(
        workers,
        workers + 2,
        jobs,
        ImageWorker::default,
        move |worker, job: BatchJob| source.batch(worker, &job).map_err(FeedError::from),
    )?;
    for batch in loader {
        let batch = batch?;
        let real = batch.real.iter().filter(|&&real| real).count();
        take(batch, real)?;
    }
    Ok(())
}
