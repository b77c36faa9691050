//! One file per verb of the command line.

pub mod check;
pub mod data;
pub mod devices;
pub mod eval;
pub mod export;
pub mod recipes;
mod run;
pub mod runs;
mod session;
pub mod train;

use crate::train::run_folder::{self, RunFolder};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};

/// Prints one line to stderr: stdout belongs to results.
macro_rules! say {
    ($($part:tt)*) => { eprintln!($($part)*) };
}
pub(crate) use say;

/// Trains, evaluates and exports the models behind visual product search.
#[derive(Debug, Parser)]
#[command(
    name = "tailor",
    version,
    about,
    arg_required_else_help = true,
    infer_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a recipe, evaluate it, and say where to look
    Train(train::TrainArgs),
    /// Evaluate a run, or a recipe with given weights
    Eval(eval::EvalArgs),
    /// Write weights or embeddings for other programs
    Export(export::ExportArgs),
    /// Check a recipe whole: its keys, its data, one training step
    Check(check::CheckArgs),
    /// List, show, copy and compare recipes
    Recipes(recipes::RecipesArgs),
    /// List, show and compare runs
    Runs(runs::RunsArgs),
    /// Check data before it is trained on
    Data(data::DataArgs),
    /// Say which devices were found, and which one `auto` takes
    Devices(devices::DevicesArgs),
}

/// Runs the program.
pub fn run(cli: Cli) -> crate::Result<()> {
    match cli.verb {
        Verb::Train(args) => train::run(args),
        Verb::Eval(args) => eval::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Recipes(args) => recipes::run(args),
        Verb::Runs(args) => runs::run(&args),
        Verb::Data(args) => data::run(&args, check::dataset),
        Verb::Devices(args) => devices::run(args),
    }
}

/// Where runs land unless told otherwise.
pub const RUNS: &str = "checkpoints";

/// Which weights of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// Of the best evaluation.
    Best,
    /// Of the last checkpoint.
    Last,
    /// The moving average at the last checkpoint.
    Ema,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Last => "last",
            Self::Ema => "ema",
        }
    }
}

/// The file of a run's weights, and what it holds. A run that was never evaluated has no best checkpoint: its last one counts.
fn weights_of(run: &Path, which: Which) -> crate::Result<(PathBuf, &'static str)> {
    let folder = RunFolder::open(run)?;
    let last = folder.last()?.ok_or_else(|| {
        crate::train::TrainError::Setting(format!("{} has no complete checkpoint yet", run.display()))
    })?;
    let (checkpoint, which) = match which {
        Which::Best => match folder.best() {
            Some(best) => (best, which),
            None => (last, Which::Last),
        },
        _ => (last, which),
    };
    let file = match which {
        Which::Ema => "ema.safetensors",
        _ => "model.safetensors",
    };
    let path = checkpoint.path.join(file);
    if !path.exists() {
        return Err(crate::train::TrainError::Setting(format!(
            "{} keeps no moving average: set train.ema in its recipe, or take --weights last",
            run.display()
        ))
        .into());
    }
    Ok((path, which.name()))
}

/// The folder of a run that is named or pathed.
fn run_of(name: &str, runs: &Path) -> PathBuf {
    run_folder::find(runs, name)
}

/// A bar on stderr, where that is a terminal.
fn bar(what: &'static str, total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{prefix:8} {bar:30} {pos}/{len}  {per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}
