//! Where pairs come from: the published layout of region features, or a table's pictures with features that are computed here.

use crate::cli::export::decimal;
use crate::cli::{bar, say};
use crate::data::image::DecodeOptions;
use crate::data::pairs::{Faces, PairSection, Part, Precomputed, Standard};
use crate::data::text::Vocabulary;
use crate::data::transform::Pipeline;
use crate::device::{Device, cpu};
use crate::recipe::Reader;
use crate::train::TrainError;
use crate::train::grid::{self, Cells, FeatureSection, Grid, GridSection};
use serde_json::{Value, json};
use std::path::Path;

/// `[data]` of a room that learns from pairs, either kind.
pub enum PairData {
    /// Features and captions in files.
    Precomputed(PairSection),
    /// A table's pictures.
    Grid(Box<GridSection>),
}

/// What makes the features of a picture.
pub struct Making {
    /// From a prepared picture to its cells.
    pub cells: Cells,
    /// The prepared picture's height and width.
    pub output: [usize; 2],
    /// Shift and scale, if the run has them.
    pub standard: Option<Standard>,
}

/// Opened data of either kind.
pub enum Source {
    /// Features and captions in files.
    Precomputed(Box<PairSection>, Vocabulary),
    /// A table's pictures.
    Grid(Box<Grid>),
}

impl PairData {
    /// A section that names a `dataset` is of a table.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        Some(match reader.text("data.dataset") {
            Some(_) => Self::Grid(reader.section_required("data")?),
            None => Self::Precomputed(reader.section_required("data")?),
        })
    }

    /// Pairs in a batch.
    pub fn batch(&self) -> usize {
        match self {
            Self::Precomputed(section) => section.batch,
            Self::Grid(section) => section.batch,
        }
    }

    /// How its pictures are decoded.
    pub fn decode(&self) -> DecodeOptions {
        match self {
            Self::Precomputed(_) => DecodeOptions::default(),
            Self::Grid(section) => section.decode,
        }
    }

    /// The words after which captions are cut off.
    pub fn max_words(&self) -> Option<usize> {
        match self {
            Self::Precomputed(section) => section.max_words,
            Self::Grid(section) => section.max_words,
        }
    }

    /// The vocabulary of a run with this data; without a run, that of the recipe.
    pub fn vocabulary_of(&self, run: Option<&Path>) -> crate::Result<Vocabulary> {
        match (self, run) {
            (Self::Precomputed(section), run) => words_of(section, run),
            (Self::Grid(_), Some(run)) => grid::vocabulary_of(run),
            (Self::Grid(_), None) => Err(TrainError::Setting(
                "the numbers of words lie in the folder of the run that was trained: name the run, not a recipe".into(),
            )
            .into()),
        }
    }

    /// What a region's features are, for those who make more of them: of a run with this data, `dim` numbers a region.
    pub fn features_of(&self, run: &Path, dim: usize) -> crate::Result<Value> {
        Ok(match self {
            Self::Precomputed(section) => json!({
                "kind": "regions of a detector, or whatever the arrays hold that the model was trained on",
                "array": format!("{}_ims.npy", section.train),
                "dim": dim,
                "taken": "as they are",
            }),
            Self::Grid(section) => {
                let standard = match section.features.standardize {
                    true => Some(grid::standard_of(run)?),
                    false => None,
                };
                json!({
                    "kind": "cells of a grid over the picture, row by row",
                    "regions": section.features.grid * section.features.grid,
                    "dim": dim,
                    "made": decimal(&FeatureSection { cache: None, ..section.features.clone() }),
                    "decode": section.decode,
                    "steps": Pipeline::new(section.features.transform.clone())?.preprocessing(section.decode.exif)?.steps,
                    "taken": match &standard {
                        Some(_) => "each number less its mean, divided by its deviation",
                        None => "as they are",
                    },
                    "standard": decimal(&standard),
                })
            }
        })
    }

    /// What makes features of a picture, its height and width, and the shift and scale of a run with this data; none where features come
    /// from elsewhere.
    pub fn cells_of(&self, run: &Path) -> crate::Result<Option<Making>> {
        let Self::Grid(section) = self else {
            return Ok(None);
        };
        let output = Pipeline::new(section.features.transform.clone())?.output();
        let cells = Cells::new(&section.features, output, &cpu())?;
        let standard = match section.features.standardize {
            true => Some(grid::standard_of(run)?),
            false => None,
        };
        Ok(Some(Making {
            cells,
            output,
            standard,
        }))
    }

    /// How a caption becomes words, in words.
    pub fn captions(&self) -> Value {
        let (most, templates) = match self {
            Self::Precomputed(section) => (section.max_words, None),
            Self::Grid(section) => (section.max_words, Some(&section.captions)),
        };
        json!({
            "words": "lower case, split as NLTK's word_tokenize does; <start> before, <end> behind; <unk> for what the vocabulary lacks",
            "most_words": most,
            "columns": templates,
        })
    }

    /// Whether both describe images by the same numbers, as far as recipes say.
    pub fn sees_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Precomputed(_), Self::Precomputed(_)) => true,
            (Self::Grid(one), Self::Grid(other)) => one.features.makes_as(&other.features),
            _ => false,
        }
    }

    /// The images and captions of another section, seen and read as here: features are made as here, words have the numbers that they
    /// have here.
    pub fn on(&self, other: Self) -> Result<Self, &'static str> {
        match (self, other) {
            (Self::Precomputed(own), Self::Precomputed(other)) => Ok(Self::Precomputed(PairSection {
                vocabulary: own.vocabulary.clone(),
                batch: own.batch,
                max_words: own.max_words,
                ..other
            })),
            (Self::Grid(own), Self::Grid(other)) => Ok(Self::Grid(Box::new(GridSection {
                features: own.features.clone(),
                least: own.least,
                batch: own.batch,
                max_words: own.max_words,
                decode: own.decode,
                ..*other
            }))),
            (Self::Precomputed(_), Self::Grid(_)) => Err(
                "its images are pictures, and the weights are for region features that were computed elsewhere",
            ),
            (Self::Grid(_), Self::Precomputed(_)) => {
                Err("its images are region features, and the weights are for cells of pictures")
            }
        }
    }

    /// Opens the data, of which some parts will be asked for; features that have to be computed first are, with a progress bar. `run`:
    /// what is evaluated.
    pub fn open(
        &self,
        parts: &[Part],
        run: Option<&Path>,
        device: &Device,
        workers: usize,
    ) -> crate::Result<Source> {
        let section = match self {
            Self::Precomputed(section) => {
                // A folder that is missing is said before a training, not after it.
                section.pictures()?;
                let vocabulary = words_of(section, run)?;
                return Ok(Source::Precomputed(Box::new(section.clone()), vocabulary));
            }
            Self::Grid(section) => section,
        };
        let mut shown = None;
        let grid = Grid::open(section, parts, run, device, workers, &mut |done, all| {
            let bar = shown.get_or_insert_with(|| {
                say!("features of {all} pictures are computed once and kept");
                bar("features", all)
            });
            bar.set_position(done as u64);
        });
        if let Some(bar) = shown {
            bar.finish_and_clear();
        }
        let grid = grid?;
        for note in &grid.notes {
            say!("note     {note}");
        }
        Ok(Source::Grid(Box::new(grid)))
    }
}

/// The words that captions are read with: those of the run, if it is one, which the section's file must not contradict.
fn words_of(section: &PairSection, run: Option<&Path>) -> crate::Result<Vocabulary> {
    let given = section.vocabulary();
    // Runs from before the copy was kept have none.
    let Some(run) = run.filter(|run| grid::has_vocabulary(run)) else {
        return given;
    };
    let own = grid::vocabulary_of(run)?;
    match given {
        Ok(given) if given != own => Err(TrainError::Setting(format!(
            "{} numbers words otherwise than the run {} was trained with: leave data.vocabulary as it was, or train anew",
            section.vocabulary,
            run.display()
        ))
        .into()),
        _ => Ok(own),
    }
}

impl Source {
    /// One part of the data.
    pub fn split(&self, part: Part) -> crate::Result<Precomputed> {
        match self {
            Self::Precomputed(section, vocabulary) => section.open(part, vocabulary),
            Self::Grid(grid) => grid.split(part),
        }
    }

    /// The images of a part as a person knows them; `split` is what [`Self::split`] gave for it.
    pub fn faces(&self, part: Part, split: &Precomputed) -> crate::Result<Faces> {
        match self {
            Self::Precomputed(section, _) => {
                let [rows, ..] = split.features.shape();
                Ok(section.faces(section.name(part), split.images(), rows, split.repeats())?)
            }
            Self::Grid(grid) => grid.faces(part),
        }
    }

    /// The grid of cells that features are of, where they are computed here.
    pub fn grid(&self) -> Option<&Grid> {
        match self {
            Self::Precomputed(..) => None,
            Self::Grid(grid) => Some(grid),
        }
    }

    /// The numbers of words.
    pub fn vocabulary(&self) -> &Vocabulary {
        match self {
            Self::Precomputed(_, vocabulary) => vocabulary,
            Self::Grid(grid) => grid.vocabulary(),
        }
    }

    /// The data's name: that of its folder, or of its table.
    pub fn name(&self) -> String {
        match self {
            Self::Precomputed(section, _) => {
                let root = section.root().unwrap_or_default();
                root.file_name()
                    .map_or_else(|| "pairs".into(), |name| name.to_string_lossy().into_owned())
            }
            Self::Grid(grid) => grid.name().into(),
        }
    }

    /// What a part is called.
    pub fn part(&self, part: Part) -> &str {
        match (self, part) {
            (Self::Precomputed(section, _), part) => section.name(part),
            (Self::Grid(_), Part::Train) => "train",
            (Self::Grid(_), Part::Valid) => "valid",
            (Self::Grid(_), Part::Test) => "test",
        }
    }

    /// Writes what the evaluation of a run needs of its training data.
    pub fn keep(&self, run: &Path) -> crate::Result<()> {
        match self {
            Self::Precomputed(_, vocabulary) => grid::keep_vocabulary(run, vocabulary),
            Self::Grid(grid) => grid.keep(run),
        }
    }
}
