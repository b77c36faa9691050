//! `tailor export`.

mod pairs;
mod trained;
pub(super) mod vectors;
mod weights;

pub(super) use weights::decimal;

use super::eval::{self, Target};
use super::session::{self, ImageSession, Session};
use super::{CliError, RUNS, say};
use crate::export::dtype::Dtype;
use crate::export::embeddings::table_name;
use crate::papers::registry::Visitor;
use crate::papers::{Capability, ImagePaper, PairPaper};
use clap::ValueEnum;
use std::path::PathBuf;

/// Writes weights or embeddings for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor export first --format onnx --out model.onnx
  tailor export first --format hub --out my-model --dtype f16
  tailor export first --format parquet --out embeddings.parquet --weights best
  tailor export first --format pgvector --out gallery.sql --side gallery

Weights
  onnx         the inference graph, any batch; run again in another runtime and compared with ours before it is kept.
               Beside it `<out>.onnx.json`: the preprocessing, and what of it the graph does itself
  safetensors  the trunk under torchvision's names, the neck as `fc`; beside it `<out>.json` with the preprocessing and
               the lines of Python that make the module which loads it strictly
  hub          a folder for the Hugging Face hub: config.json, model.safetensors, preprocessing.json, the recipe, and a
               model card with the measured figures

Of rooms that score pairs of an image and a caption
  onnx         a folder: image.onnx, text.onnx, score.onnx (run again in another runtime and compared with ours before they
               are kept), vocabulary.json, and model.json with what they take and give
  safetensors  the three state dicts under the names of the paper's released code, `model.0.` to `model.2.`; beside it
               `<out>.json` with the lines of Python that make its checkpoint, and `<out>.vocabulary.json`

Embeddings of the evaluated split, queries first
  npy          an array; beside it `<out>.csv` with its rows' ids and labels
  parquet      one table of ids, labels and embeddings
  fvecs        FAISS's and texmex's format; beside it `.csv` as for npy, and `.ivecs` with a number for each row's label
  qdrant       a body for Qdrant's `PUT /collections/NAME/points` on each line; beside it `.collection.json` for
               `PUT /collections/NAME`
  pgvector     for `psql -f`: the table, its rows as COPY, and an index")]
pub struct ExportArgs {
    /// A run's folder or name.
    run: String,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; for hub, and for onnx of pairs, the folder.
    #[arg(long)]
    out: PathBuf,
    /// best, last or ema; without it, ema where the run keeps it, else last.
    #[arg(long)]
    weights: Option<String>,
    /// How kernels and matrices are stored: vectors (norms, biases) stay f32. For onnx, safetensors and hub.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// onnx: the graph takes levels 0 to 255 and applies mean and standard deviation itself.
    #[arg(long, alias = "with-normalize")]
    with_normalise: bool,
    /// onnx and embeddings: vectors of length 1.
    #[arg(long)]
    l2: bool,
    /// Embeddings: of the queries, the gallery or both.
    #[arg(long, value_enum, default_value = "all")]
    side: Side,
    /// pgvector: the table's name.
    #[arg(long, default_value = "embeddings")]
    table: String,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i]; for embeddings.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set data.root=/elsewhere`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Weights for PyTorch.
    Safetensors,
    /// The inference graph.
    Onnx,
    /// A folder for the Hugging Face hub.
    Hub,
    /// Embeddings as a numpy array.
    Npy,
    /// Embeddings with ids and labels.
    Parquet,
    /// Embeddings for FAISS and its kin.
    Fvecs,
    /// Points for Qdrant.
    Qdrant,
    /// Rows for PostgreSQL with pgvector.
    Pgvector,
}

impl Format {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// Whether it is of the model, not of the data.
    fn is_weights(self) -> bool {
        matches!(self, Self::Safetensors | Self::Onnx | Self::Hub)
    }

    /// The endings of the files beside the one that is named.
    pub(super) fn beside(self) -> &'static [&'static str] {
        match self {
            Self::Safetensors => &["json"],
            // `model.safetensors` and `model.onnx` of one run may lie in one folder.
            Self::Onnx => &["onnx.json"],
            Self::Npy => &["csv"],
            Self::Fvecs => &["csv", "ivecs"],
            Self::Qdrant => &["collection.json"],
            Self::Hub | Self::Parquet | Self::Pgvector => &[],
        }
    }
}

/// Which rows are embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// Queries, then the gallery.
    All,
    /// What is searched with.
    Query,
    /// What is searched in.
    Gallery,
}

/// Options that the format has no use for are refused: they would be taken for granted.
fn check(args: &ExportArgs) -> crate::Result<()> {
    let format = args.format;
    let refuse = |wrong: bool, option: &'static str, formats: &'static str| match wrong {
        true => Err(CliError::Useless {
            option,
            format: format!("--format {}", format.name()),
            formats,
        }),
        false => Ok(()),
    };
    let weights = format.is_weights();
    refuse(
        !weights && args.dtype != Dtype::F32,
        "--dtype",
        "onnx, safetensors and hub",
    )?;
    refuse(
        args.with_normalise && format != Format::Onnx,
        "--with-normalise",
        "onnx",
    )?;
    refuse(
        args.l2 && matches!(format, Format::Safetensors | Format::Hub),
        "--l2",
        "onnx and the formats of embeddings",
    )?;
    refuse(
        weights && args.side != Side::All,
        "--side",
        "the formats of embeddings",
    )?;
    refuse(
        args.table != "embeddings" && format != Format::Pgvector,
        "--table",
        "pgvector",
    )?;
    table_name(&args.table)?;
    Ok(())
}

/// The files beside the one that is named, by their endings, none of which is written over unasked.
fn beside(args: &ExportArgs, endings: &[&str]) -> crate::Result<Vec<PathBuf>> {
    let written = args.out.as_os_str().to_string_lossy();
    if args.format != Format::Hub && (args.out.is_dir() || written.ends_with(['/', '\\'])) {
        return Err(CliError::OneFile {
            out: args.out.clone(),
            format: args.format.name(),
        }
        .into());
    }
    let beside: Vec<PathBuf> = endings
        .iter()
        .map(|ending| args.out.with_extension(ending))
        .collect();
    if beside.contains(&args.out) {
        return Err(CliError::Beside(args.out.clone()).into());
    }
    let there = |path: &&PathBuf| path.exists() && !args.force;
    if let Some(path) = beside.iter().chain([&args.out]).find(there) {
        return Err(CliError::Exists(path.clone()).into());
    }
    Ok(beside)
}

/// Runs the verb.
pub fn run(args: ExportArgs) -> crate::Result<()> {
    check(&args)?;
    let target = eval::target(&args.run, args.weights.as_deref(), &args.sets, &args.runs)?;
    if target.weights.is_none() {
        return Err(CliError::NoWeights(args.run).into());
    }
    let recipe = target.recipe.clone();
    session::visit(&recipe, Export { args, target })
}

struct Export {
    args: ExportArgs,
    target: Target,
}

impl Visitor for Export {
    type Output = crate::Result<()>;

    fn images<P: ImagePaper>(self) -> crate::Result<()> {
        if !P::CAPABILITIES.contains(&Capability::Embed) {
            return Err(session::cannot::<P>("export", Capability::Embed));
        }
        let Self { args, target } = self;
        beside(&args, args.format.beside())?;
        let mut plan = ImageSession::<P>::read(target.recipe)?;
        plan.paper.forget_published_weights();
        let (path, which) = target.weights.unwrap_or_default();
        say!("weights  {} ({which})", path.display());
        match args.format {
            Format::Safetensors => weights::safetensors(&args, plan, &path, &which),
            Format::Onnx => weights::onnx(&args, plan, &path, &which),
            Format::Hub => weights::hub(&args, plan, &path, &which, target.run.as_deref()),
            _ => vectors::run(&args, plan, &path),
        }
    }

    fn pairs<P: PairPaper>(self) -> crate::Result<()> {
        pairs::run::<P>(&self.args, self.target)
    }
}

/// The names of what was written, a line each.
pub(super) fn listed<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    paths
        .into_iter()
        .map(|path| format!("{}\n", path.display()))
        .collect()
}
