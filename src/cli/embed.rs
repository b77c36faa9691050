//! `tailor embed`: vectors of any pictures, with what is needed to search them again.

use super::eval::{self, Target};
use super::export;
use super::run::weights_hash;
use super::session::{ImagePlan, ImageSession, ImageVerb, Session, for_embedding};
use super::{CliError, RUNS, say};
use crate::data::datasets::pictures;
use crate::data::native::{self, ReadOptions};
use crate::data::table::counted;
use crate::data::transform::Pipeline;
use crate::data::{self, Split, Table};
use crate::device::{self, Choice, Device};
use crate::export::embeddings::{Column, Rows, table_name};
use crate::export::gallery::{Card, Format, Gallery};
use crate::papers::{Embed, ImagePaper};
use crate::recipe::Recipe;
use crate::train::{TrainError, retrieval};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes the embeddings of any pictures, for `tailor search` and for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor embed first --images catalogue/ --out catalogue.parquet
  tailor embed first --data items.csv --out vectors.npy
  tailor embed first --images catalogue/ --format qdrant --out points.jsonl
  tailor embed first --split test --out test.parquet

Without --images, --data or --split: the queries and the gallery of the recipe's evaluation. Beside an .npy stand its rows' ids,
labels and pictures as .csv, and as .json which model made it; a .parquet holds all of that itself. Vectors are as the model
gives them: divide by the L2 norm, or compare by cosine.")]
pub struct EmbedArgs {
    /// A run's folder or name.
    run: String,
    /// A folder of pictures, at any depth, or one picture.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "split"])]
    images: Option<PathBuf>,
    /// A native table: .csv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE", conflicts_with = "split")]
    data: Option<PathBuf>,
    /// What the table's image paths are relative to, if not its own folder.
    #[arg(long, value_name = "DIR", requires = "data")]
    root: Option<PathBuf>,
    /// A part of the recipe's own data.
    #[arg(long, value_enum)]
    split: Option<Part>,
    /// The file to write: .parquet or .npy, or what --format says.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// For a database or for FAISS instead of `tailor search`, as `tailor export` writes them.
    #[arg(long, value_enum)]
    format: Option<Database>,
    /// pgvector: the table's name.
    #[arg(long, default_value = "embeddings")]
    table: String,
    /// best, last, ema or a file; without it, ema where the run keeps it, else last.
    #[arg(long)]
    weights: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set data.root=/elsewhere`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// What other programs take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    /// Embeddings for FAISS and its kin.
    Fvecs,
    /// Points for Qdrant.
    Qdrant,
    /// Rows for PostgreSQL with pgvector.
    Pgvector,
}

impl Database {
    fn format(self) -> export::Format {
        match self {
            Self::Fvecs => export::Format::Fvecs,
            Self::Qdrant => export::Format::Qdrant,
            Self::Pgvector => export::Format::Pgvector,
        }
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What was trained on.
    Train,
    /// What choices come from.
    Valid,
    /// What figures come from.
    Test,
    /// Everything.
    All,
}

/// Runs the verb.
pub fn run(args: EmbedArgs) -> crate::Result<()> {
    table_name(&args.table)?;
    let files = match args.format {
        Some(database) => {
            let beside = database.format().beside().iter();
            let beside = beside.map(|ending| args.out.with_extension(ending));
            [args.out.clone()].into_iter().chain(beside).collect()
        }
        None => Format::of(&args.out)?.files(&args.out),
    };
    for path in files {
        // Not even --force may cost a user the table: `items.npy` has an `items.csv` beside it.
        if args.data.as_ref().is_some_and(|data| same_file(data, &path)) {
            return Err(CliError::Input(path).into());
        }
        if path.exists() && !args.force {
            return Err(CliError::Exists(path).into());
        }
    }
    let target = eval::target(&args.run, args.weights.as_deref(), &args.sets, &args.runs)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    let recipe = target.recipe.clone();
    let device = device.device;
    for_embedding(&recipe, "embed", Embedding { args, target, device })
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

struct Embedding {
    args: EmbedArgs,
    target: Target,
    device: Device,
}

impl ImageVerb for Embedding {
    type Output = ();

    fn on<P: ImagePaper>(self) -> crate::Result<()> {
        let args = self.args;
        let model = Trained::<P>::load(self.target, &self.device)?;
        let table = match (&args.images, &args.data) {
            (Some(picture), _) if picture.is_file() => pictures::files(std::slice::from_ref(picture)),
            (Some(folder), _) => pictures::read(folder)?,
            (None, Some(file)) => {
                let options = ReadOptions {
                    root: args.root.clone(),
                    allow_outside: false,
                };
                native::read(file, &options)?
            }
            _ => data::open(&model.plan.data.dataset)?,
        };
        let whole = args.images.is_some() || args.data.is_some();
        let split = Split::from(model.plan.eval.split);
        let rows: Vec<usize> = match args.split {
            Some(Part::All) => (0..table.items.len()).collect(),
            _ if whole => (0..table.items.len()).collect(),
            Some(Part::Train) => table.train(),
            Some(Part::Valid) => table.rows(Split::Valid),
            Some(Part::Test) => table.rows(Split::Test),
            None => table
                .rows(split)
                .into_iter()
                .filter(|&row| table.items[row].is_query || table.items[row].is_gallery)
                .collect(),
        };
        if rows.is_empty() {
            return Err(TrainError::Setting(format!(
                "{} has no pictures there: take another --split",
                table.name
            ))
            .into());
        }
        for note in &table.notes {
            say!("note     {note}");
        }
        let table = Arc::new(table);
        let vectors = model.embed(&table, &rows)?;
        let items = || rows.iter().map(|&row| &table.items[row]);
        let gallery = Gallery {
            vectors,
            dimensions: model.model.dim(),
            ids: items().map(|item| item.id.clone()).collect(),
            labels: items().map(|item| item.label.clone()).collect(),
            images: items().map(|item| path_of(&item.image)).collect(),
            card: Some(model.card(&table.name)),
        };
        if let Some(database) = args.format {
            let sides = vec!["gallery"; rows.len()];
            let of = |item: &data::Item| (item.id.clone(), item.label.clone());
            let (ids, labels): (Vec<_>, Vec<_>) = items().map(of).unzip();
            let rows = Rows {
                ids: &ids,
                labels: &labels,
                splits: &sides,
                more: &[Column {
                    name: "image".into(),
                    values: gallery.images,
                }],
            };
            let format = database.format();
            let dim = gallery.dimensions;
            let files = export::vectors::write(format, &args.out, &args.table, rows, &gallery.vectors, dim)?;
            say!(
                "embedded {} in {dim} dimensions",
                counted(ids.len(), "picture", "pictures")
            );
            return super::print(&export::listed(&files));
        }
        gallery.write(&args.out)?;
        say!(
            "embedded {} in {} dimensions",
            counted(rows.len(), "picture", "pictures"),
            gallery.dimensions
        );
        let files = Format::of(&args.out)?.files(&args.out);
        let names: Vec<String> = files.iter().map(|path| format!("{}\n", path.display())).collect();
        super::print(&names.concat())
    }
}

/// A picture's path, where it has one that another program could open.
fn path_of(image: &data::ImageRef) -> Option<String> {
    match image {
        data::ImageRef::File(path) => std::path::absolute(path)
            .ok()?
            .into_os_string()
            .into_string()
            .ok(),
        _ => None,
    }
}

/// A trained model with its recipe. The data that it was trained on need not be there.
pub struct Trained<P: ImagePaper> {
    /// What the recipe says.
    pub plan: ImagePlan<P>,
    /// In evaluation mode.
    pub model: P::Model,
    /// Which weights, in words.
    pub which: String,
    device: Device,
}

impl<P: ImagePaper> Trained<P> {
    /// Loads what a verb was told to work with.
    pub fn load(target: Target, device: &Device) -> crate::Result<Self> {
        let (path, which) = target
            .weights
            .ok_or_else(|| CliError::NoWeights(target.recipe.name.clone()))?;
        let mut plan = ImageSession::<P>::read(target.recipe)?;
        plan.paper.forget_published_weights();
        let tensors = eval::read(&plan.paper, &path)?;
        let facts = plan
            .paper
            .facts(&tensors)
            .ok_or_else(|| eval::no_model(&tensors, &path, P::ROOM))?;
        let device = device.clone();
        let (model, _) = plan
            .paper
            .model(&facts, plan.common.train.seed, &device.clone().autodiff())?;
        let model = eval::apply(model, &tensors, &path)?;
        say!("recipe   {}", plan.common.recipe.name);
        say!("weights  {} ({which})", path.display());
        Ok(Self {
            plan,
            model,
            which,
            device,
        })
    }

    /// Vectors of some rows, `[rows, dim]`, with a progress bar.
    pub fn embed(&self, table: &Arc<Table>, rows: &[usize]) -> crate::Result<Vec<f32>> {
        let bar = super::bar("embed", rows.len());
        let vectors = retrieval::embed(
            &self.model,
            table,
            rows,
            &self.plan.eval_pipeline,
            self.plan.data.decode,
            &self.device,
            self.plan.eval.batch.min(rows.len()),
            self.plan.common.train.workers(),
            &mut |done| bar.set_position(done as u64),
        );
        bar.finish_and_clear();
        Ok(vectors?)
    }

    /// What is written with the vectors.
    pub fn card(&self, data: &str) -> Card {
        Card {
            format: 1,
            recipe: self.plan.common.recipe.name.clone(),
            weights: self.which.clone(),
            model: weights_hash(&self.model),
            preprocessing: preprocessing_hash(&self.plan.eval_pipeline, self.plan.data.decode.exif),
            dimensions: self.model.dim(),
            similarity: "cosine".into(),
            data: data.into(),
            tailor: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// A hash of what is done to a picture before the model sees it.
fn preprocessing_hash(pipeline: &Pipeline, exif: bool) -> String {
    let text = pipeline
        .preprocessing(exif)
        .map(|preprocessing| preprocessing.bare().to_json())
        .unwrap_or_default();
    blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
}

/// The recipe's own table, to look pictures up in that have no path; nothing where it is not at hand.
pub fn own_table(recipe: &Recipe) -> Option<Table> {
    let mut reader = recipe.reader();
    let section: data::section::DataSection = reader.section("data")?;
    data::open(&section.dataset).ok()
}
