//! Grid features of a table's pictures: the cells of a trunk's last map, or patches of pixels, computed once and kept in a cache.
//!
//! Detectors' region features are a large download that nobody can make of pictures of their own. A trunk's last feature map, pooled
//! to g × g cells, is a set of vectors just as well: `[pictures, g · g, channels]`, in a NumPy array of the published form.

mod cache;
mod cells;
mod section;

pub use cache::{Cache, Made};
pub use cells::{Cells, How};
pub use section::{FeatureSection, GridSection, Kind};

use crate::data::image::decode;
use crate::data::pairs::{
    Captioned, Face, Faces, Features, PairError, Part, Pictures, Precomputed, Standard, Template, templates,
};
use crate::data::source::ImageBatch;
use crate::data::text::{SPECIAL, Vocabulary};
use crate::data::transform::Pipeline;
use crate::data::{self, DataError, ImageRef, Split, Table};
use crate::device::Device;
use crate::files::{read_text, write_whole};
use crate::random;
use crate::train::TrainError;
use crate::train::retrieval::each_batch;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The words of a run's captions, in its folder.
const VOCABULARY: &str = "vocabulary.json";
/// The mean and deviation of a run's features, in its folder.
const STANDARD: &str = "standard.json";

/// A table's pictures with their features, captions and vocabulary.
pub struct Grid {
    section: GridSection,
    table: Arc<Table>,
    pictures: Pictures,
    templates: Vec<Template>,
    vocabulary: Vocabulary,
    features: PathBuf,
    /// What the features were made of.
    identity: [u8; 32],
    standard: Option<Arc<Standard>>,
    /// What happened, for people.
    pub notes: Vec<String>,
}

impl Grid {
    /// Opens the data and its features, which are computed on `device` where the cache has not got them. Vocabulary and mean come from
    /// the training split, or, where a run is evaluated, from its folder. What is wrong with the captions of `parts` is said before
    /// anything is computed.
    pub fn open(
        section: &GridSection,
        parts: &[Part],
        run: Option<&Path>,
        device: &Device,
        workers: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> crate::Result<Self> {
        let table = Arc::new(data::open(&section.dataset)?);
        data::check::refuse(&table, section.dataset.closed_set)?;
        let templates = templates(&section.captions, &table)?;
        let pictures = Pictures::of(&table);
        let mut grid = Self {
            section: section.clone(),
            table,
            pictures,
            templates,
            vocabulary: Vocabulary::build([], 1),
            features: PathBuf::new(),
            identity: [0; 32],
            standard: None,
            notes: Vec::new(),
        };
        grid.vocabulary = match run {
            Some(run) => Vocabulary::read(&run.join(VOCABULARY)).map_err(PairError::from)?,
            None => {
                let train = grid.captioned(Part::Train)?;
                Vocabulary::build(train.texts.iter().map(String::as_str), section.least)
            }
        };
        for part in parts {
            grid.captioned(*part)?;
        }
        if grid.vocabulary.len() == SPECIAL.len() {
            return Err(DataError::Setting {
                key: "least",
                message: format!("{} leaves no word of the training captions", section.least),
                remedy: "lower it: 1 keeps every word".into(),
            }
            .into());
        }
        grid.compute(device, workers, progress)?;
        if section.features.standardize {
            let standard = match run {
                Some(run) => read_standard(&run.join(STANDARD))?,
                None => {
                    let train = grid.captioned(Part::Train)?;
                    Standard::of(&Features::open(&grid.features)?, &train.pictures)?
                }
            };
            let [_, _, dim] = Features::open(&grid.features)?.shape();
            if standard.mean.len() != dim || standard.deviation.len() != dim {
                return Err(TrainError::Setting(format!(
                    "the run's features have {} numbers a cell, those of data.features have {dim}: evaluate with the run's own [data.features]",
                    standard.mean.len()
                ))
                .into());
            }
            grid.standard = Some(Arc::new(standard));
        }
        Ok(grid)
    }

    /// Finds the features in the cache or makes them.
    fn compute(
        &mut self,
        device: &Device,
        workers: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> crate::Result<()> {
        let features = &self.section.features;
        let pipeline = Pipeline::new(features.transform.clone())?;
        pipeline.check_deterministic()?;
        let cells = Cells::new(features, pipeline.output(), device)?;
        let mut hash = blake3::Hasher::new();
        hash.update(b"tailor grid features 1\n");
        let mut say = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        say(&serde_json::to_string(&features.transform).expect("operations are plain data"));
        say(&serde_json::to_string(&self.section.decode).expect("options are plain data"));
        say(&cells.identity());
        for &row in &self.pictures.rows {
            let item = &self.table.items[row];
            say(&self.table.image_name(item).replace('\\', "/"));
            say(&format!("{:?}", item.bbox));
            say(&content(&item.image));
        }
        self.identity = *hash.finalize().as_bytes();
        // A file may change and keep its size: then it has another date.
        for &row in &self.pictures.rows {
            hash.update(&changed(&self.table.items[row].image).to_le_bytes());
        }
        let cache = Cache::new(features.folder()?, &hash.finalize());
        let shape = [self.pictures.rows.len(), cells.count(), cells.dim()];
        let made = cache.open_or_make(shape, &mut |write| {
            let mut done = 0;
            let rows = &self.pictures.rows;
            let (decode, size) = (self.section.decode, features.batch);
            each_batch(
                &self.table,
                rows,
                &pipeline,
                decode,
                size,
                workers,
                |batch, real| {
                    let values = cells.of(batch, device)?;
                    write(&values[..real * cells.count() * cells.dim()])?;
                    done += real;
                    progress(done, shape[0]);
                    Ok(())
                },
            )
        })?;
        if let Made::Again(problem) = &made {
            self.notes
                .push(format!("the cached features {problem}: they were computed anew"));
        }
        self.features = cache.array();
        Ok(())
    }

    /// The rows of a part of the table.
    fn rows(&self, part: Part) -> Result<Vec<usize>, DataError> {
        let setting = |message: String, remedy: &str| DataError::Setting {
            key: "valid_fraction",
            message,
            remedy: remedy.into(),
        };
        let own = self.table.rows(Split::Valid);
        let held_out = match (self.section.valid_fraction, own.is_empty()) {
            (Some(_), false) => {
                return Err(setting(
                    format!("is set, and {} has valid rows of its own", self.table.name),
                    "remove the key",
                ));
            }
            (Some(fraction), true) => self.held_out(fraction),
            (None, _) => Vec::new(),
        };
        let is_held_out = |row: usize| {
            let label = self.table.items[row].label.as_str();
            held_out
                .binary_search_by(|held: &String| held.as_str().cmp(label))
                .is_ok()
        };
        let (rows, empty) = match part {
            Part::Test => (self.table.rows(Split::Test), "test"),
            Part::Train => {
                let rows = self.table.train();
                (
                    rows.into_iter().filter(|&row| !is_held_out(row)).collect(),
                    "train",
                )
            }
            Part::Valid if own.is_empty() => {
                let rows: Vec<usize> = self
                    .table
                    .train()
                    .into_iter()
                    .filter(|&row| is_held_out(row))
                    .collect();
                if rows.is_empty() {
                    return Err(setting(
                        format!(
                            "is not set, and {} has no valid rows to choose by",
                            self.table.name
                        ),
                        "hold out some training products with data.valid_fraction = 0.1, or evaluate at the end alone with \
                         train.evaluate_every = 0 and train.finish = \"last\"",
                    ));
                }
                (rows, "valid")
            }
            Part::Valid => (own, "valid"),
        };
        match rows.is_empty() {
            false => Ok(rows),
            true => Err(DataError::Format {
                path: self.table.name.clone().into(),
                message: format!("there are no {empty} rows"),
                remedy: "write train, valid or test in the column `split`, or divide the products with data.train_fraction = 0.8".into(),
            }),
        }
    }

    /// The training products that are held out, sorted: the same whatever the run's seed.
    fn held_out(&self, fraction: f64) -> Vec<String> {
        let classes = self.table.classes(&self.table.train());
        let mut labels = classes.labels().to_vec();
        let seed = self.section.dataset.split_seed.unwrap_or(0);
        random::stream(seed, "held out", &[]).shuffle(&mut labels);
        labels.truncate((fraction * labels.len() as f64).round() as usize);
        labels.sort_unstable();
        labels
    }

    fn captioned(&self, part: Part) -> Result<Captioned, DataError> {
        Captioned::new(&self.table, &self.rows(part)?, &self.pictures, &self.templates)
    }

    /// One part of the data.
    pub fn split(&self, part: Part) -> crate::Result<Precomputed> {
        let features = Features::open(&self.features)?;
        let mut split = Precomputed::of_pictures(
            features,
            self.captioned(part)?,
            &self.vocabulary,
            self.standard.clone(),
            self.identity,
        );
        if let Some(words) = self.section.max_words {
            split.shorten(words);
        }
        Ok(split)
    }

    /// The pictures of a part, in its order.
    pub fn faces(&self, part: Part) -> crate::Result<Faces> {
        let pictures = self.captioned(part)?.pictures;
        let face = |picture: u32| {
            let item = &self.table.items[self.pictures.rows[picture as usize]];
            Face {
                id: item.id.clone(),
                lines: item.category.iter().cloned().collect(),
                picture: Some(item.image.clone()),
                bbox: item.bbox,
            }
        };
        Ok(Faces {
            all: pictures.into_iter().map(face).collect(),
            notes: Vec::new(),
        })
    }

    /// The cells of a picture that need not be the table's, `[cells, dim]`, as those of the table's are made.
    pub fn features_of(&self, image: &ImageRef, device: &Device) -> crate::Result<Vec<f32>> {
        let features = &self.section.features;
        let pipeline = Pipeline::new(features.transform.clone())?;
        let cells = Cells::new(features, pipeline.output(), device)?;
        let picture = decode(&image.read()?, &image.name(), None, &self.section.decode)?;
        // Nothing in the pipeline is drawn at random.
        let pixels = pipeline.apply_vec(&picture, &mut random::stream(0, "one picture", &[]))?;
        let [height, width] = pipeline.output();
        let batch = ImageBatch {
            pixels,
            shape: [1, 3, height, width],
            labels: vec![0],
            real: vec![true],
            rows: vec![0],
        };
        let mut values = cells.of(batch, device)?;
        if let Some(standard) = &self.standard {
            standard.apply(&mut values);
        }
        Ok(values)
    }

    /// Cells in a row and in a column.
    pub fn side(&self) -> usize {
        self.section.features.grid
    }

    /// The part of a picture of that size that the cells divide ([`Pipeline::part`]).
    pub fn part(&self, width: usize, height: usize) -> Option<[f64; 4]> {
        Pipeline::new(self.section.features.transform.clone())
            .ok()?
            .part(width, height)
    }

    /// The words of the training captions.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// Writes what the evaluation of a run needs beside its recipe into its folder.
    pub fn keep(&self, run: &Path) -> crate::Result<()> {
        keep_vocabulary(run, &self.vocabulary)?;
        if let Some(standard) = &self.standard {
            write_whole(&run.join(STANDARD), |file| {
                Ok(serde_json::to_writer(file, standard.as_ref())?)
            })?;
        }
        Ok(())
    }
}

/// Writes the words of a run's captions into its folder.
pub fn keep_vocabulary(run: &Path, vocabulary: &Vocabulary) -> crate::Result<()> {
    Ok(vocabulary.write(&run.join(VOCABULARY)).map_err(PairError::from)?)
}

/// Whether a run's folder holds the words of its captions.
pub fn has_vocabulary(run: &Path) -> bool {
    run.join(VOCABULARY).exists()
}

/// The words of a run's captions.
pub fn vocabulary_of(run: &Path) -> crate::Result<Vocabulary> {
    Ok(Vocabulary::read(&run.join(VOCABULARY)).map_err(PairError::from)?)
}

/// The mean and deviation of a run's features.
pub fn standard_of(run: &Path) -> crate::Result<Standard> {
    read_standard(&run.join(STANDARD))
}

fn read_standard(path: &Path) -> crate::Result<Standard> {
    serde_json::from_str(&read_text(path)?).map_err(|error| {
        DataError::Format {
            path: path.into(),
            message: format!("it is not the mean and deviation of features: {error}"),
            remedy: "the run's folder is damaged: copy the file from where the run was trained".into(),
        }
        .into()
    })
}

/// What tells a picture's content from another's without decoding it.
fn content(image: &ImageRef) -> String {
    match image {
        ImageRef::File(path) => std::fs::metadata(path).map_or(u64::MAX, |m| m.len()).to_string(),
        ImageRef::Memory { bytes, .. } => blake3::hash(bytes).to_hex().to_string(),
        ImageRef::Slice { length, .. } => length.to_string(),
        ImageRef::Drawn(drawn) => format!("{:?}", drawn.identity()),
    }
}

/// When a picture's file was changed, in nanoseconds; 0 where there is none.
fn changed(image: &ImageRef) -> u64 {
    let path = match image {
        ImageRef::File(path) => path.as_path(),
        ImageRef::Slice { archive, .. } => archive,
        ImageRef::Memory { .. } | ImageRef::Drawn(_) => return 0,
    };
    let when = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let since = when.and_then(|when| when.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}
