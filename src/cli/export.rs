//! `tailor export`.

use super::eval::{self, Target};
use super::run::embed_all;
use super::session::{Plan, for_room};
use super::{RUNS, say};
use crate::backbones::trunk::TorchvisionLayout;
use crate::backbones::weights;
use crate::data::transform::Preprocessing;
use crate::device::{self, Choice, Device};
use crate::export::embeddings;
use crate::files;
use crate::papers::Paper;
use crate::papers::registry::Visitor;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Writes weights or embeddings for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor export first --format safetensors --out model.safetensors
  tailor export first --format parquet --out embeddings.parquet --weights best

safetensors: the trunk under torchvision's names, the neck as `fc`; beside it `<out>.json` with the preprocessing and the lines of
Python that make the module which loads it strictly. npy and parquet: embeddings of the evaluated split, queries first; beside an
.npy its rows' ids and labels as `<out>.csv`.")]
pub struct ExportArgs {
    /// A run's folder or name.
    run: String,
    /// What to write.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// best, last or ema; without it, ema where the run keeps it, else last.
    #[arg(long)]
    weights: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i]; for embeddings.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set data.root=/elsewhere`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Weights for PyTorch.
    Safetensors,
    /// Embeddings as a numpy array.
    Npy,
    /// Embeddings with ids and labels.
    Parquet,
}

/// Runs the verb.
pub fn run(args: ExportArgs) -> crate::Result<()> {
    let beside = match args.format {
        Format::Safetensors => Some(args.out.with_extension("json")),
        Format::Npy => Some(args.out.with_extension("csv")),
        Format::Parquet => None,
    };
    for path in [Some(&args.out), beside.as_ref()].into_iter().flatten() {
        if path.exists() && !args.force {
            return Err(super::CliError::Exists(path.to_path_buf()).into());
        }
    }
    let target = eval::target(&args.run, args.weights.as_deref(), &args.sets, &args.runs)?;
    let choice: Choice = args.device.parse()?;
    // Weights are written as they stand: no device is needed, nor searched for.
    let device = match args.format {
        Format::Safetensors => device::resolve(Choice::Cpu)?,
        _ => device::resolve(choice)?,
    };
    let recipe = target.recipe.clone();
    for_room(
        &recipe,
        Export {
            args,
            target,
            device: device.device,
            beside,
        },
    )
}

/// What is written beside the weights: all that is needed to use them.
#[derive(serde::Serialize)]
struct Card<'a> {
    recipe: &'a str,
    weights: &'a str,
    pytorch: TorchvisionLayout,
    embedding: Embedding,
    preprocessing: Preprocessing,
}

#[derive(serde::Serialize)]
struct Embedding {
    normalise: &'static str,
    similarity: &'static str,
}

struct Export {
    args: ExportArgs,
    target: Target,
    device: Device,
    beside: Option<PathBuf>,
}

impl Visitor for Export {
    type Output = crate::Result<()>;

    fn visit<P: Paper>(self) -> Self::Output {
        let mut plan = Plan::<P>::read(self.target.recipe)?;
        let (path, which) = self.target.weights.expect("export has weights");
        say!("weights  {} ({which})", path.display());
        if self.args.format == Format::Safetensors {
            let (tensors, layout) = plan.paper.export(&weights::read(&path)?);
            // Nothing that may differ where the weights are the same.
            let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
            weights::write(&self.args.out, &tensors, &metadata)?;
            let preprocessing = plan
                .eval_pipeline
                .preprocessing(plan.data.decode.exif)
                .map_err(|e| crate::train::TrainError::Setting(e.to_string()))?;
            let card = Card {
                recipe: &plan.recipe.name,
                weights: &which,
                pytorch: layout,
                embedding: Embedding {
                    normalise: "L2",
                    similarity: "cosine",
                },
                preprocessing,
            };
            let beside = self.beside.expect("safetensors have a card");
            files::write_whole(&beside, |w| {
                serde_json::to_writer_pretty(&mut *w, &card)?;
                w.write_all(b"\n")
            })?;
            return super::print(&format!("{}\n{}\n", self.args.out.display(), beside.display()));
        }
        plan.paper.forget_published_weights();
        let session = plan.open()?;
        say!("{}", session.describe());
        let (model, _) = session.model(&self.device)?;
        let model = eval::load(model, &path)?;
        let embedded = embed_all(&session, &model, &self.device)?;
        let task = &session.task;
        let rows: Vec<usize> = task.queries().iter().chain(task.gallery()).copied().collect();
        let mut values = embedded.queries;
        values.extend(embedded.gallery);
        let items = || rows.iter().map(|&row| &session.table.items[row]);
        let ids: Vec<String> = items().map(|item| item.id.clone()).collect();
        let labels: Vec<String> = items().map(|item| item.label.clone()).collect();
        let sides: Vec<&str> = (0..rows.len())
            .map(|i| {
                if i < task.queries().len() {
                    "query"
                } else {
                    "gallery"
                }
            })
            .collect();
        let shape = [rows.len(), embedded.dim];
        let rows = embeddings::Rows {
            ids: &ids,
            labels: &labels,
            splits: &sides,
        };
        match self.args.format {
            Format::Npy => {
                embeddings::write_npy(&self.args.out, &values, shape)?;
                let beside = self.beside.expect("an array has a list of its rows");
                embeddings::write_rows(&beside, rows)?;
                super::print(&format!("{}\n{}\n", self.args.out.display(), beside.display()))
            }
            _ => {
                embeddings::write_parquet(&self.args.out, rows, &values, embedded.dim)?;
                super::print(&format!("{}\n", self.args.out.display()))
            }
        }
    }
}
