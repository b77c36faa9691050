//! One file per verb of the command line.

pub mod check;
pub mod codes;
pub mod data;
pub mod devices;
pub mod embed;
pub mod eval;
pub mod explain;
pub mod export;
mod look;
mod near;
pub mod panics;
pub mod recipes;
mod run;
pub mod runs;
pub mod search;
mod session;
pub mod sweep;
pub mod tips;
pub mod train;

use crate::recipe::tree::Value;
use crate::recipe::{Origin, Recipe};
use crate::train::checkpoint::read_state;
use crate::train::run_folder::{self, RunFolder};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Prints one line to stderr: stdout belongs to results. A closed pipe must not stop a run.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($part)*);
    }};
}
pub(crate) use say;

/// Prints a result to stdout. `tailor … | head` is no failure.
fn print(text: &str) -> crate::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(crate::Error::Output(error)),
        _ => Ok(()),
    }
}

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
    /// Train a recipe at every point of a grid, and table the figures
    Sweep(sweep::SweepArgs),
    /// Evaluate a run, or a recipe with given weights
    Eval(eval::EvalArgs),
    /// Show why an image and a caption score as they do
    Explain(explain::ExplainArgs),
    /// Write weights or embeddings for other programs
    Export(export::ExportArgs),
    /// Embed any pictures: a folder, a table, or the recipe's own data
    Embed(embed::EmbedArgs),
    /// Find the nearest of embedded pictures for pictures that are given
    Search(search::SearchArgs),
    /// Hash vectors into regions, and count sets of items in them (EMDE)
    Codes(codes::CodesArgs),
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

/// What the verbs themselves may fail with.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CliError {
    /// A file that would be overwritten.
    #[error("{} exists already", .0.display())]
    #[diagnostic(help("name another file, or add --force to overwrite it"))]
    Exists(PathBuf),
    /// A name that nothing has which could be checked.
    #[error("there is no folder, table or recipe `{name}`")]
    NoData {
        /// The name that was asked for.
        name: String,
        /// The nearest recipes.
        #[help]
        help: String,
    },
    /// A run that has nothing to evaluate or export.
    #[error("{} has no complete checkpoint", .0.display())]
    #[diagnostic(help(
        "train it further (`tailor train … --run NAME --resume`), or name a file of weights with --weights FILE"
    ))]
    NoCheckpoint(PathBuf),
    /// A run without averaged weights.
    #[error("{} keeps no moving average", .0.display())]
    #[diagnostic(help(
        "take --weights last or best; runs keep an average where their recipe sets train.ema"
    ))]
    NoAverage(PathBuf),
    /// A verb that a room's trained systems have no answer for.
    #[error("`tailor {verb}` needs a system that can {needs}: those of room {room} can {can}")]
    #[diagnostic(help(
        "a room is a paper's model with its losses ([paper] room in the recipe); those whose systems can {needs} are {others}"
    ))]
    Cannot {
        /// The verb.
        verb: &'static str,
        /// The room.
        room: &'static str,
        /// What the verb needs.
        needs: &'static str,
        /// What the room can do instead.
        can: String,
        /// The rooms that can do it.
        others: String,
    },
    /// A format that a room's trained systems cannot be written in.
    #[error("--format {format} needs a system that can {needs}: those of room {room} can {can}")]
    #[diagnostic(help("{remedy}; the rooms whose systems can {needs} are {others}"))]
    NoFormat {
        /// The format.
        format: String,
        /// The room.
        room: &'static str,
        /// What the format needs.
        needs: &'static str,
        /// What the room can do instead.
        can: &'static str,
        /// What to do.
        remedy: &'static str,
        /// The rooms that can do it.
        others: String,
    },
    /// A flag of `tailor eval` that a room has no use for.
    #[error("{flag} means nothing in room {room}")]
    #[diagnostic(help("leave it out: it is for {rooms}"))]
    NoFlag {
        /// The flag.
        flag: &'static str,
        /// The room.
        room: &'static str,
        /// The rooms that have a use for it.
        rooms: String,
    },
    /// Runs that cannot be averaged.
    #[error("the scores of {run} cannot be averaged with these: {problem}")]
    #[diagnostic(help("average runs of one room that were trained with one vocabulary"))]
    Ensemble {
        /// The other run.
        run: String,
        /// Why.
        problem: String,
    },
    /// Data that a matcher cannot be measured on.
    #[error("these weights cannot be measured on {other}: {problem}")]
    #[diagnostic(help(
        "images have to be described, and words numbered, as in training: name a run, and a recipe of the same room whose [data] is of the same \
         kind"
    ))]
    Elsewhere {
        /// The other recipe.
        other: String,
        /// Why.
        problem: String,
    },
    /// A file that is read and would be written.
    #[error("{} is read: it cannot be written as well", .0.display())]
    #[diagnostic(help("give --out another name; an .npy has a .csv and a .json of its name beside it"))]
    Input(PathBuf),
    /// An option that says nothing about this format.
    #[error("{option} means nothing for {format}")]
    #[diagnostic(help("it is for {formats}: leave it out, or choose another format"))]
    Useless {
        /// The option.
        option: &'static str,
        /// The format.
        format: String,
        /// What it is for.
        formats: &'static str,
    },
    /// Two files of one name.
    #[error("{} would be written over by the file that belongs beside it", .0.display())]
    #[diagnostic(help(
        "give --out the ending of its format, such as .onnx, .safetensors, .npy, .fvecs or .jsonl"
    ))]
    Beside(PathBuf),
    /// A folder where a file goes.
    #[error("{} is a folder, and --format {format} writes one file", out.display())]
    #[diagnostic(help("name the file, such as --out {}", out.join("model").display()))]
    OneFile {
        /// What was named.
        out: PathBuf,
        /// The format.
        format: String,
    },
    /// A recipe where trained weights are needed.
    #[error("{0} is a recipe, not a run: it has no trained weights")]
    #[diagnostic(help("name a run (`tailor runs` lists them), or a file of weights with --weights FILE"))]
    NoWeights(String),
}

/// Runs the program.
pub fn run(cli: Cli) -> crate::Result<()> {
    crate::train::signals::limits_are_errors();
    match cli.verb {
        Verb::Train(args) => train::run(args),
        Verb::Sweep(args) => sweep::run(args),
        Verb::Eval(args) => eval::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Embed(args) => embed::run(args),
        Verb::Search(args) => search::run(args),
        Verb::Codes(args) => codes::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Recipes(args) => recipes::run(args),
        Verb::Runs(args) => runs::run(&args),
        Verb::Data(args) => data::run(&args, check::data_of),
        Verb::Devices(args) => devices::run(args),
    }
}

/// Where runs land unless told otherwise.
pub const RUNS: &str = "checkpoints";

/// The file of a checkpoint's averaged weights.
const EMA: &str = "ema.safetensors";

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

/// The file of a run's weights, and what it holds. Without a wish, the weights that training evaluated at its end: the best where the
/// recipe's `train.finish` says so, else the moving average where there is one. A run that was never evaluated has no best checkpoint: its last one counts.
fn weights_of(run: &Path, which: Option<Which>) -> crate::Result<(PathBuf, String)> {
    let folder = RunFolder::open(run)?;
    let last = folder
        .last()?
        .ok_or_else(|| CliError::NoCheckpoint(run.to_path_buf()))?;
    let has_ema = last.path.join(EMA).exists();
    let which = match which {
        None if finishes_with_best(&folder)? => Some(Which::Best),
        which => which,
    };
    let (checkpoint, which) = match which {
        Some(Which::Best) => match folder.best() {
            Some(best) => (best, Which::Best),
            None => (last, Which::Last),
        },
        Some(which) => (last, which),
        None => (last, if has_ema { Which::Ema } else { Which::Last }),
    };
    let file = match which {
        Which::Ema => EMA,
        // The best figure may have been the averaged weights'.
        Which::Best if read_state(&checkpoint.path)?.best.is_some_and(|best| best.ema) => EMA,
        _ => "model.safetensors",
    };
    let path = checkpoint.path.join(file);
    if !path.exists() {
        return Err(CliError::NoAverage(run.to_path_buf()).into());
    }
    Ok((path, format!("{}, step {}", which.name(), checkpoint.step)))
}

/// Whether the run's recipe ends with the weights of the best evaluation.
fn finishes_with_best(run: &RunFolder) -> crate::Result<bool> {
    let origin = Origin::File(run.root().join("recipe.toml"));
    let recipe = Recipe::from_text("recipe", origin, run.recipe()?, &[])?;
    let finish = recipe.get("train.finish").map(|node| &node.value);
    Ok(matches!(finish, Some(Value::String(finish)) if finish == "best"))
}

/// A file of weights as it is, or those of a run's folder, and what they are.
fn weights_at(path: &Path, which: Option<Which>) -> crate::Result<(PathBuf, String)> {
    match path.is_dir() {
        true => weights_of(path, which),
        false => Ok((path.to_path_buf(), "file".into())),
    }
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
