//! Evaluation of a model that embeds pictures: embed queries and gallery, rank exactly, measure.

mod category;
mod embed;
mod section;

pub use category::WITHIN;
pub use embed::embed;
pub use section::{EvalSection, EvalSplit, Mode};

use super::TrainError;
use crate::data::check::{Needed, lacking};
use crate::data::feed::FeedError;
use crate::data::image::{DecodeOptions, Filter};
use crate::data::transform::{Op, Pipeline};
use crate::data::{Split, Table};
use crate::device::Device;
use crate::metrics::{Figures, Metric, Ranks, Resampling, bootstrap, retrieval_metrics};
use crate::papers::Embed;
use crate::search::{
    self, CentroidGallery, CentroidRule, DISTRACTOR, Embeddings, LabelRelevance, Options, Plan, Rerank,
    Reranked, Scorer, Side, Similarity, relevance::Names,
};
pub(crate) use embed::each_batch;
use std::collections::HashSet;
use std::sync::Arc;

/// The queries and the gallery of a split.
pub struct Task {
    table: Arc<Table>,
    queries: Vec<usize>,
    gallery: Vec<usize>,
    query_side: Side,
    gallery_side: Side,
    own: Vec<Option<u32>>,
    section: EvalSection,
    decode: DecodeOptions,
    seed: u64,
    notes: Vec<String>,
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
    /// `instance`, `centroid`, `centroid, every identity`, `pixels`, `instance, re-ranked`, `instance, expanded` or
    /// `instance, expanded and re-ranked`.
    pub protocol: String,
    /// What re-ranking and expansion were set to.
    pub settings: Option<String>,
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

/// That many of the rows, in order; the same in every run.
fn drawn(mut rows: Vec<usize>, count: usize) -> Vec<usize> {
    crate::random::stream(0, "evaluation: gallery of training images", &[]).shuffle(&mut rows);
    rows.truncate(count);
    rows.sort_unstable();
    rows
}

impl Task {
    /// The task of a table's split. An error where there is nothing to search with or in.
    pub fn new(table: Arc<Table>, section: &EvalSection, seed: u64) -> Result<Self, TrainError> {
        let split = Split::from(section.split);
        let mut notes = Vec::new();
        let queries = table.queries_of(split);
        let gallery = match section.train_gallery {
            None => table.gallery_of(split),
            Some(count) => {
                let train = table.train();
                let all = train.len();
                let drawn = drawn(train, count);
                notes.push(format!(
                    "the gallery is {} of the {all} training images, not that of the {split} split",
                    drawn.len()
                ));
                drawn
            }
        };
        let from = section
            .train_gallery
            .map_or(Needed::Gallery(split), |_| Needed::Train);
        for (rows, needed) in [(&queries, Needed::Queries(split)), (&gallery, from)] {
            if rows.is_empty() {
                return Err(FeedError::from(lacking(&table, needed)).into());
            }
        }
        // Said before training, which would find it out at its first evaluation.
        let labels: HashSet<&str> = gallery
            .iter()
            .map(|&row| table.items[row].label.as_str())
            .collect();
        if !queries
            .iter()
            .any(|&row| labels.contains(table.items[row].label.as_str()))
        {
            let from = match section.train_gallery {
                Some(_) => {
                    " of training pictures: remove eval.train_gallery, or divide classes instead of holding some out \
                            (data.closed_set = true)"
                }
                None => ": queries and gallery must share classes",
            };
            return Err(TrainError::Setting(format!(
                "none of the {} queries of {} has a picture of its class in the gallery{from}",
                queries.len(),
                table.name
            )));
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
        let own: Vec<Option<u32>> = queries
            .iter()
            .map(|row| gallery.binary_search(row).ok().map(|place| place as u32))
            .collect();
        let mut section = section.clone();
        if own.iter().any(Option::is_some) && section.modes.contains(&Mode::Centroid) {
            section.modes.retain(|&mode| mode != Mode::Centroid);
            notes.push(
                "centroid mode is left out: queries stand in the gallery, and their own pictures would be in the means"
                    .to_string(),
            );
        }
        if section.modes.is_empty() {
            return Err(TrainError::Setting(format!(
                "eval.modes leaves nothing to measure on {}: {}; mark some rows as queries only (data.queries_per_class does \
                 it for a folder), or add \"instance\"",
                table.name,
                notes.join("; ")
            )));
        }
        Ok(Self {
            table,
            queries,
            gallery,
            query_side,
            gallery_side,
            own,
            section,
            decode: DecodeOptions::default(),
            seed,
            notes,
        })
    }

    /// Reads pictures in this way: the way in which training reads them.
    pub fn with_decode(mut self, decode: DecodeOptions) -> Self {
        self.decode = decode;
        self
    }

    /// What was decided about the section, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
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
        if !quick {
            self.neighbours(embedded, device, &mut measured)?;
        }
        if self.section.per_category && !quick {
            measured.extend(self.per_category(embedded, device)?);
        }
        Ok(measured)
    }

    /// Re-ranking and expansion of the search among single pictures, where the section asks for them.
    fn neighbours(
        &self,
        embedded: &Embedded,
        device: &Device,
        measured: &mut Vec<Measured>,
    ) -> crate::Result<()> {
        let mut add = |protocol: &str, settings: String, scorer: &mut dyn Scorer| -> crate::Result<()> {
            let ranks = search::rank(scorer, &self.relevance(), &Options::default())?;
            let mut found = self.figures(protocol, ranks, self.gallery.len(), false)?;
            found.settings = Some(settings);
            measured.push(found);
            Ok(())
        };
        let reranked = |embedded: &Embedded, settings: &Rerank| {
            let Embedded {
                queries,
                gallery,
                dim,
            } = embedded;
            Reranked::new(queries, gallery, *dim, &self.own, settings, device)
        };
        if let Some(settings) = &self.section.rerank {
            let mut scorer = reranked(embedded, settings)?;
            add("instance, re-ranked", settings.to_string(), &mut scorer)?;
        }
        let Some(settings) = &self.section.query_expansion else {
            return Ok(());
        };
        let (queries, gallery) = search::expand(
            &embedded.queries,
            &embedded.gallery,
            embedded.dim,
            &self.own,
            settings,
            device,
        )?;
        let expanded = Embedded {
            queries,
            gallery,
            dim: embedded.dim,
        };
        add(
            "instance, expanded",
            settings.to_string(),
            &mut self.scorer(&expanded, device)?,
        )?;
        if let Some(rerank) = &self.section.rerank {
            let mut scorer = reranked(&expanded, rerank)?;
            add(
                "instance, expanded and re-ranked",
                format!("{settings}; {rerank}"),
                &mut scorer,
            )?;
        }
        Ok(())
    }

    /// How much memory the ranking of single images takes, in words.
    pub fn plan(&self, embedded: &Embedded, device: &Device) -> crate::Result<String> {
        Ok(Plan::new(&self.scorer(embedded, device)?, &Options::default()).to_string())
    }

    /// Which gallery pictures each query should find, and which are left out of its ranking.
    pub fn relevance(&self) -> LabelRelevance {
        LabelRelevance::new(self.query_side.clone(), self.gallery_side.clone()).with_own(self.own.clone())
    }

    /// The scores of single gallery pictures: cosines.
    pub fn scorer(&self, embedded: &Embedded, device: &Device) -> crate::Result<Embeddings> {
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
        let ranks = search::rank(
            &mut self.scorer(embedded, device)?,
            &self.relevance(),
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
            settings: None,
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
            each_batch(
                &self.table,
                rows,
                &pipeline,
                self.decode,
                64,
                workers,
                |batch, real| {
                    for pixels in batch.pixels.chunks_exact(3 * 16 * 16).take(real) {
                        for channel in pixels.chunks_exact(16 * 16) {
                            let mean = channel.iter().sum::<f32>() / 256.0;
                            all.extend(channel.iter().map(|v| v - mean));
                        }
                    }
                    Ok(())
                },
            )?;
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
                self.decode,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageRef, Item};

    fn table(overlapping: bool) -> Arc<Table> {
        let item = |id: usize, is_query: bool| Item {
            id: id.to_string(),
            image: ImageRef::File(format!("{id}.jpg").into()),
            label: (id % 2).to_string(),
            category: None,
            text: None,
            split: Split::Test,
            is_query,
            is_gallery: overlapping || !is_query,
            camera: None,
            domain: None,
            bbox: None,
        };
        let items = (0..8).map(|id| item(id, overlapping || id < 2)).collect();
        Arc::new(Table::new("t", None, items))
    }

    #[test]
    fn a_gallery_of_training_images_is_the_same_in_every_run() {
        let mut both = Table::clone(&table(true));
        for item in &mut both.items[..6] {
            (item.split, item.is_query, item.is_gallery) = (Split::Train, false, false);
        }
        let table = Arc::new(both);
        let section = |count| EvalSection {
            train_gallery: Some(count),
            ..EvalSection::default()
        };
        let task = |count, seed| Task::new(table.clone(), &section(count), seed).unwrap();
        let some = task(4, 0);
        assert_eq!(some.queries(), [6, 7]);
        assert_eq!(some.gallery().len(), 4);
        assert!(some.gallery().is_sorted() && some.gallery().iter().all(|&row| row < 6));
        assert_eq!(some.gallery(), task(4, 9).gallery());
        assert!(some.own.iter().all(Option::is_none));
        assert!(
            some.notes()[0].contains("4 of the 6 training images"),
            "{:?}",
            some.notes()
        );
        assert_eq!(task(100, 0).gallery(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_query_is_never_part_of_the_means_that_it_is_ranked_among() {
        let section = EvalSection {
            modes: vec![Mode::Instance, Mode::Centroid],
            ..EvalSection::default()
        };
        let apart = Task::new(table(false), &section, 0).unwrap();
        assert_eq!(apart.section().modes, section.modes);
        assert!(apart.notes().is_empty());
        let together = Task::new(table(true), &section, 0).unwrap();
        assert_eq!(together.section().modes, [Mode::Instance]);
        assert_eq!(together.notes().len(), 1);
        let only = EvalSection {
            modes: vec![Mode::Centroid],
            ..section
        };
        let error = Task::new(table(true), &only, 0).err().unwrap().to_string();
        assert!(error.contains("queries stand in the gallery"), "{error}");
    }
}
