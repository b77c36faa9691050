//! Evaluation of a model that embeds pictures: embed queries and gallery, rank exactly, measure.

mod category;
mod embed;
mod measure;
mod section;

pub use category::WITHIN;
pub use embed::embed;
pub use measure::Measured;
pub use section::{EvalSection, EvalSplit, Mode};

use super::TrainError;
use crate::data::check::{Needed, lacking};
use crate::data::feed::FeedError;
use crate::data::image::DecodeOptions;
use crate::data::transform::Pipeline;
use crate::data::{Split, Table};
use crate::device::Device;
use crate::papers::Embed;
use crate::search::{DISTRACTOR, Side, relevance::Names};
pub(crate) use embed::each_batch;
use std::collections::HashMap;
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

/// That many of the rows, in order; the same in every run.
fn drawn(mut rows: Vec<usize>, count: usize) -> Vec<usize> {
    crate::random::stream(0, "evaluation: gallery of training images", &[]).shuffle(&mut rows);
    rows.truncate(count);
    rows.sort_unstable();
    rows
}

/// Refuses queries none of which has a picture of its class, other than itself, in the gallery: training would find that out at its
/// first evaluation.
fn something_to_find(
    table: &Table,
    queries: &[usize],
    gallery: &[usize],
    section: &EvalSection,
) -> Result<(), TrainError> {
    let label = |row: usize| table.items[row].label.as_str();
    let mut pictures: HashMap<&str, usize> = HashMap::new();
    for &row in gallery {
        *pictures.entry(label(row)).or_default() += 1;
    }
    let found = |row: usize| {
        let itself = usize::from(gallery.binary_search(&row).is_ok());
        pictures
            .get(label(row))
            .is_some_and(|&pictures| pictures > itself)
    };
    if queries.iter().any(|&row| found(row)) {
        return Ok(());
    }
    let remedy = match section.train_gallery {
        Some(_) => {
            "remove eval.train_gallery, or divide classes instead of holding some out (data.closed_set = true)"
        }
        None => {
            "queries and gallery must share classes, with two pictures or more where they are the same pictures"
        }
    };
    Err(TrainError::Setting(format!(
        "none of the {} queries of {} has another picture of its class in the gallery: {remedy}",
        queries.len(),
        table.name
    )))
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
        something_to_find(&table, &queries, &gallery, section)?;
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
