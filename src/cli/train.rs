//! `tailor train`.

use super::run::{self, RunOptions, RunResult};
use super::session::{Session, Verb, for_room};
use super::{RUNS, say};
use crate::device::{self, Choice, Device};
use crate::papers::{Capability, registry};
use crate::recipe::{PaperSection, Recipe};
use crate::train::engine::End;
use crate::train::run_folder::{self, name};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Trains a recipe, evaluates it, and says where to look.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor train recipes/quickstart.toml
  tailor train ctl-market1501 --set data.root=/data/market1501 --device cuda --run first
  tailor train ctl-market1501 --set data.root=/data/market1501 --run first --resume")]
pub struct TrainArgs {
    /// A recipe's file, or the name of a built-in one.
    recipe: String,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set train.epochs=5`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The run's name; otherwise the recipe's and the time.
    #[arg(long)]
    run: Option<String>,
    /// Go on with the run of that name where its last checkpoint stands.
    #[arg(long, requires = "run")]
    resume: bool,
    /// Start from the weights of a file, or of another run by its folder or name.
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "resume")]
    init_from: Option<PathBuf>,
    /// One run for each seed, then mean and deviation.
    #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
    seeds: Vec<u64>,
    /// Stop after this many optimiser steps, counted from the run's beginning.
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Read everything, take one step, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Train on the first N batches again and again: a loss that does not fall points at the model, not at the data.
    #[arg(long, value_name = "N")]
    overfit: Option<u64>,
    /// Show burn's terminal interface instead of the progress bar.
    #[arg(long)]
    tui: bool,
    /// Print the figures as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// The folder that runs land in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// Runs the verb.
pub fn run(args: TrainArgs) -> crate::Result<()> {
    if args.tui && !std::io::stdout().is_terminal() {
        say!("note     --tui needs a terminal: plain lines are printed instead");
    }
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    if args.seeds.is_empty() {
        let recipe = load(&args, &[])?;
        say!("device   {device}");
        let result = train_one(&args, recipe, &device, None)?;
        return result.map_or(Ok(()), |result| show(&args, &result));
    }
    say!("device   {device}");
    let mut results = Vec::new();
    for &seed in &args.seeds {
        let recipe = load(&args, &[format!("train.seed={seed}")])?;
        say!("\nseed     {seed}");
        match train_one(&args, recipe, &device, Some(seed))? {
            Some(result) if result.end == End::Interrupted => {
                return show(&args, &result);
            }
            Some(result) => results.push(result),
            None => {}
        }
    }
    if !args.json || results.len() == 1 {
        for result in &results {
            show(&args, result)?;
        }
    }
    // The same table as `tailor runs compare`, with mean and deviation over the seeds.
    if results.len() > 1 {
        super::runs::run(&super::runs::RunsArgs {
            verb: Some(super::runs::RunsVerb::Compare(super::runs::CompareArgs {
                runs: results.iter().map(|r| r.folder.display().to_string()).collect(),
                dir: args.runs.clone(),
                json: args.json,
            })),
            dir: args.runs.clone(),
            json: args.json,
        })?;
    }
    Ok(())
}

fn load(args: &TrainArgs, more: &[String]) -> crate::Result<Recipe> {
    let sets: Vec<String> = args.sets.iter().chain(more).cloned().collect();
    let recipe = Recipe::load(&args.recipe, &sets)?;
    say!("recipe   {} ({})", recipe.name, recipe.origin);
    for note in &recipe.notes {
        say!("note     {note}");
    }
    Ok(recipe)
}

fn train_one(
    args: &TrainArgs,
    recipe: Recipe,
    device: &device::Resolved,
    seed: Option<u64>,
) -> crate::Result<Option<RunResult>> {
    let base = args
        .run
        .clone()
        .unwrap_or_else(|| name::default(&recipe.name, SystemTime::now()));
    let options = RunOptions {
        runs: args.runs.clone(),
        name: match seed {
            Some(seed) => format!("{base}-seed{seed}"),
            None => base,
        },
        resume: args.resume,
        init_from: args
            .init_from
            .as_ref()
            .map(|from| weights_or_run(from, &args.runs)),
        max_steps: args.max_steps,
        overfit: args.overfit,
        tui: args.tui && std::io::stdout().is_terminal(),
        device_name: device.name.clone(),
    };
    let verb = Train {
        recipe: recipe.clone(),
        device: device.device.clone(),
        options,
        dry_run: args.dry_run,
        json: args.json,
    };
    for_room(&recipe, verb)
}

/// A file or folder that is there, else the run of that name.
fn weights_or_run(from: &Path, runs: &Path) -> PathBuf {
    let run = run_folder::find(runs, &from.to_string_lossy());
    match !from.exists() && run.exists() {
        true => run,
        false => from.to_path_buf(),
    }
}

struct Train {
    recipe: Recipe,
    device: Device,
    options: RunOptions,
    dry_run: bool,
    json: bool,
}

impl Verb for Train {
    type Output = Option<RunResult>;

    fn on<S: Session>(self) -> crate::Result<Option<RunResult>> {
        let session = S::open(S::read(self.recipe)?, &self.device)?;
        say!("{}", session.describe());
        if self.dry_run {
            super::check::one_step(&session, &self.device)?.print(self.json)?;
            say!("dry run: no run was written");
            return Ok(None);
        }
        run::run(&session, &self.device, &self.options).map(Some)
    }
}

fn show(args: &TrainArgs, result: &RunResult) -> crate::Result<()> {
    if result.end == End::Interrupted {
        let name = result
            .folder
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        return Err(crate::Error::Interrupted(format!(
            "a checkpoint is saved. Go on with the same command and `--run {name} --resume`"
        )));
    }
    let Some(report) = &result.report else {
        return Ok(());
    };
    if args.json {
        return super::print(&format!("{}\n", report.to_json(false)));
    }
    let about: Option<PaperSection> = Recipe::load(&args.recipe, &args.sets).ok().and_then(|recipe| {
        let mut reader = recipe.reader();
        reader.section("paper")
    });
    let published = about.as_ref().map(run::published).unwrap_or_default();
    let folder = result.folder.display();
    let look = match &result.page {
        Some(page) => format!("\nlook         {}", page.display()),
        None => String::new(),
    };
    let matches = about.is_some_and(|about| registry::able(Capability::Match).contains(&about.room.as_str()));
    let explain = match matches {
        true => format!("\nexplain      tailor explain {folder} --image 0 --page why.html"),
        false => String::new(),
    };
    super::print(&format!(
        "\n{}
figures      {folder}/eval.json, {folder}/metrics.jsonl{look}
curves       tensorboard --logdir {folder}/events
evaluate     tailor eval {folder}{explain}
export       tailor export {folder} --format safetensors --out model.safetensors\n",
        report.table(&published)
    ))
}
