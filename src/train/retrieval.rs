//! Evaluation of a model that embeds pictures: embed queries and gallery, rank exactly, measure.

use super::TrainError;
use crate::data::feed::FeedError;
use crate::data::image::{DecodeOptions, Filter};
use crate::data::image_feed::Rows;
use crate::data::loader::Loader;
use crate::data::sampler::{BatchJob, Cursor, SamplerSection};
use crate::data::source::{ImageBatch, ImageSource, ImageWorker};
use crate::data::transform::{Op, Pipeline};
use crate::data::{Split, Table};
use crate::device::Device;
use crate::metrics::{Figures, Metric, Ranks, Resampling, bootstrap, retrieval_metrics};
use crate::papers::Embed;
use crate::search::{
    self, CentroidGallery, CentroidRule, DISTRACTOR, Embeddings, LabelRelevance, Options, Plan, Side,
    Similarity, relevance::Names,
};
use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `[eval]`: what is measured, on what, by which rules.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalSection {
    /// The split that is evaluated.
    pub split: EvalSplit,
    /// Single gallery images, class means, or both.
    pub modes: Vec<Mode>,
    /// Leave the query's own camera out of its identity's images, where the data has cameras.
    pub same_camera_rule: bool,
    /// In centroid mode with cameras, also give centroids to identities without queries and keep distractors as single images.
    pub unqueried_centroids: bool,
    /// The label of gallery images that show no identity (Market-1501's `0000`).
    pub distractor: Option<String>,
    /// Pictures per forward pass.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Resamples of the 95 % intervals.
    pub resamples: usize,
    /// Also rank by 16 × 16 pixels, to say what the model adds to no model.
    pub pixel_baseline: bool,
}

impl Default for EvalSection {
    fn default() -> Self {
        Self {
            split: EvalSplit::Test,
            modes: vec![Mode::Instance],
            same_camera_rule: true,
            unqueried_centroids: true,
            distractor: None,
            batch: 64,
            resamples: 1000,
            pixel_baseline: false,
        }
    }
}

/// A split that can be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvalSplit {
    /// What choices come from.
    Valid,
    /// What figures come from.
    Test,
}

impl From<EvalSplit> for Split {
    fn from(split: EvalSplit) -> Self {
        match split {
            EvalSplit::Valid => Split::Valid,
            EvalSplit::Test => Split::Test,
        }
    }
}

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Single gallery images.
    Instance,
    /// Means of gallery images of one identity.
    Centroid,
}

impl Mode {
    /// `instance` or `centroid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Centroid => "centroid",
        }
    }
}

/// The queries and the gallery of a split.
pub struct Task {
    table: Arc<Table>,
    queries: Vec<usize>,
    gallery: Vec<usize>,
    query_side: Side,
    gallery_side: Side,
    own: Vec<Option<u32>>,
    section: EvalSection,
    seed: u64,
}

/// Embeddings of a task, `[queries, dim]` and `[gallery, dim]`, not normalised.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Of the queries.
    pub queries: Vec<f32>,
    /// Of the gallery.
    pub gallery: Vec<f32>,
    /// Length of one.
    pub dim: usize,
}

/// The figures of one mode.
#[derive(Clone, Debug)]
pub struct Measured {
    /// `instance`, `centroid`, `centroid, every identity` or `pixels`.
    pub protocol: String,
    /// Figures with intervals.
    pub figures: Figures,
    /// Queries, the skipped included.
    pub queries: usize,
    /// Queries with nothing to find.
    pub skipped: usize,
    /// Items that were ranked.
    pub gallery: usize,
    /// The ranks behind the figures.
    pub ranks: Ranks,
}

impl Task {
    /// The task of a table's split. An error where there is nothing to search with or in.
    pub fn new(table: Arc<Table>, section: &EvalSection, seed: u64) -> Result<Self, TrainError> {
        let split = Split::from(section.split);
        let (queries, gallery) = (table.queries_of(split), table.gallery_of(split));
        for (rows, what) in [(&queries, "query"), (&gallery, "gallery item")] {
            if rows.is_empty() {
                return Err(TrainError::Setting(format!(
                    "the {split} split of {} has no {what}: mark rows with is_query and is_gallery, or set eval.split",
                    table.name
                )));
            }
        }
        let mut names = Names::default();
        let mut side = |rows: &[usize]| {
            let labels = rows
                .iter()
                .map(|&row| match &table.items[row].label {
                    label if Some(label) == section.distractor.as_ref() => DISTRACTOR,
                    label => names.number(label),
                })
                .collect();
            let cameras: Option<Vec<i64>> = rows.iter().map(|&row| table.items[row].camera).collect();
            match cameras {
                Some(cameras) if section.same_camera_rule => Side::with_cameras(labels, cameras),
                _ => Side::labels(labels),
            }
        };
        let (query_side, gallery_side) = (side(&queries), side(&gallery));
        let own = queries
            .iter()
            .map(|row| gallery.binary_search(row).ok().map(|place| place as u32))
            .collect();
        Ok(Self {
            table,
            queries,
            gallery,
            query_side,
            gallery_side,
            own,
            section: section.clone(),
            seed,
        })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The table's rows that are searched with.
    pub fn queries(&self) -> &[usize] {
        &self.queries
    }

    /// The table's rows that are searched in.
    pub fn gallery(&self) -> &[usize] {
        &self.gallery
    }

    /// The label number of each query, by which the bootstrap resamples.
    pub fn identities(&self) -> &[u32] {
        &self.query_side.labels
    }

    /// The section that it was made from.
    pub fn section(&self) -> &EvalSection {
        &self.section
    }

    /// Ranks and measures in every mode of the section; nothing is resampled if `quick`.
    pub fn measure(&self, embedded: &Embedded, device: &Device, quick: bool) -> crate::Result<Vec<Measured>> {
        let mut measured = Vec::new();
        for mode in &self.section.modes {
            match mode {
                Mode::Instance => measured.push(self.instance("instance", embedded, device, quick)?),
                Mode::Centroid => {
                    let cameras = self.query_side.cameras.is_some() && self.gallery_side.cameras.is_some();
                    match cameras {
                        false => measured.push(self.centroid(
                            "centroid",
                            CentroidRule::Labels,
                            embedded,
                            device,
                            quick,
                        )?),
                        true => {
                            let rule = |unqueried| CentroidRule::Cameras { unqueried };
                            measured.push(self.centroid("centroid", rule(false), embedded, device, quick)?);
                            if self.section.unqueried_centroids && !quick {
                                let name = "centroid, every identity";
                                measured.push(self.centroid(name, rule(true), embedded, device, quick)?);
                            }
                        }
                    }
                }
            }
        }
        Ok(measured)
    }

    /// How much memory the ranking of single images takes, in words.
    pub fn plan(&self, embedded: &Embedded, device: &Device) -> crate::Result<String> {
        Ok(Plan::new(&self.scorer(embedded, device)?, &Options::default()).to_string())
    }

    fn scorer(&self, embedded: &Embedded, device: &Device) -> crate::Result<Embeddings> {
        Ok(Embeddings::new(
            embedded.queries.clone(),
            embedded.gallery.clone(),
            embedded.dim,
            Similarity::Cosine,
            device,
        )?)
    }

    fn instance(
        &self,
        protocol: &str,
        embedded: &Embedded,
        device: &Device,
        quick: bool,
    ) -> crate::Result<Measured> {
        let relevance = LabelRelevance::new(self.query_side.clone(), self.gallery_side.clone())
            .with_own(self.own.clone());
        let ranks = search::rank(
            &mut self.scorer(embedded, device)?,
            &relevance,
            &Options::default(),
        )?;
        self.figures(protocol, ranks, self.gallery.len(), quick)
    }

    fn centroid(
        &self,
        protocol: &str,
        rule: CentroidRule,
        embedded: &Embedded,
        device: &Device,
        quick: bool,
    ) -> crate::Result<Measured> {
        let centroids = CentroidGallery::new(
            &embedded.gallery,
            embedded.dim,
            &self.gallery_side,
            &self.query_side,
            rule,
        )?;
        let relevance = centroids.relevance(self.query_side.clone());
        let count = centroids.labels.len();
        let mut scorer = Embeddings::new(
            embedded.queries.clone(),
            centroids.embeddings,
            embedded.dim,
            Similarity::Cosine,
            device,
        )?;
        let ranks = search::rank(&mut scorer, &relevance, &Options::default())?;
        self.figures(protocol, ranks, count, quick)
    }

    fn figures(&self, protocol: &str, ranks: Ranks, gallery: usize, quick: bool) -> crate::Result<Measured> {
        let metrics: Vec<Metric> = retrieval_metrics();
        let resampling = Resampling {
            resamples: if quick { 0 } else { self.section.resamples },
            seed: self.seed,
        };
        let figures = bootstrap::figures(&ranks, &self.query_side.labels, &metrics, &resampling)?;
        Ok(Measured {
            protocol: protocol.into(),
            figures,
            queries: ranks.queries.len(),
            skipped: ranks.skipped,
            gallery,
            ranks,
        })
    }

    /// The figures of no model: pictures as 16 × 16 pixels, each less its mean colour, ranked by cosine.
    pub fn pixel_baseline(&self, workers: usize) -> crate::Result<Measured> {
        let pipeline = Pipeline::new(vec![
            Op::Resize {
                height: 16,
                width: 16,
                filter: Filter::default(),
            },
            Op::Normalize {
                mean: [0.0; 3],
                std: [1.0; 3],
            },
        ])?;
        let embed = |rows: &[usize]| -> Result<Vec<f32>, TrainError> {
            let mut all = Vec::new();
            each_batch(&self.table, rows, &pipeline, 64, workers, |batch, real| {
                for pixels in batch.pixels.chunks_exact(3 * 16 * 16).take(real) {
                    for channel in pixels.chunks_exact(16 * 16) {
                        let mean = channel.iter().sum::<f32>() / 256.0;
                        all.extend(channel.iter().map(|v| v - mean));
                    }
                }
                Ok(())
            })?;
            Ok(all)
        };
        let embedded = Embedded {
            queries: embed(&self.queries)?,
            gallery: embed(&self.gallery)?,
            dim: 3 * 16 * 16,
        };
        self.instance("pixels", &embedded, &crate::device::cpu(), false)
    }

    /// Embeds queries and gallery; `progress` hears how many pictures are done.
    pub fn embed<M: Embed>(
        &self,
        model: &M,
        pipeline: &Pipeline,
        device: &Device,
        workers: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Embedded, TrainError> {
        let total = self.queries.len() + self.gallery.len();
        let batch = self.section.batch;
        let mut before = 0;
        let mut run = |rows: &[usize]| {
            let rows = embed(
                model,
                &self.table,
                rows,
                pipeline,
                device,
                batch,
                workers,
                &mut |done| progress(before + done, total),
            );
            before = self.queries.len();
            rows
        };
        Ok(Embedded {
            queries: run(&self.queries)?,
            gallery: run(&self.gallery)?,
            dim: model.dim(),
        })
    }
}

/// Embeddings of some rows, `[rows, dim]`. The model is in evaluation mode, on `device`. The last batch is filled up, so that every
/// forward pass has one shape.
#[allow(clippy::too_many_arguments)]
pub fn embed<M: Embed>(
    model: &M,
    table: &Arc<Table>,
    rows: &[usize],
    pipeline: &Pipeline,
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
    each_batch(table, rows, pipeline, batch, workers, |host, real| {
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
fn each_batch(
    table: &Arc<Table>,
    rows: &[usize],
    pipeline: &Pipeline,
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
        decode: DecodeOptions::default(),
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
