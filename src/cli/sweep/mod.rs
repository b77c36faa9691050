//! `tailor sweep`: a recipe at every point of a grid.

mod grid;
mod record;
mod table;

use super::run::{self, RunOptions, RunResult};
use super::session::{Session, Verb, for_room};
use super::{RUNS, panics, say};
use crate::device::{self, Choice, Device};
use crate::files::{self, FileError};
use crate::papers::{Capability, registry};
use crate::recipe::{self, Origin, Recipe};
use crate::train::TrainError;
use crate::train::engine::End;
use crate::train::matching;
use crate::train::run_folder::name;
use record::{CELLS, RECIPE, Record, Setting, Status, TABLE};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Trains a recipe at every point of a grid, and tables the figures.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor sweep quickstart --set optimizer.lr=1e-3,1e-4 --set loss.triplet.margin=0.2,0.3 --run lr
  tailor sweep quickstart --set optimizer.lr=1e-3,1e-4 --seeds 1,2,3 --run seeds
  tailor sweep quickstart --set optimizer.lr=1e-3,1e-4,1e-5 --run lr --resume

Values between commas are points of the grid; a comma inside brackets, braces or quotes belongs to its value:
  --set data.x=[1,2]        one value, a list            --set data.x=[1,2],[3,4]   two lists
  --set 'data.x=\"a,b\"'      one value, a text            --set data.x=a,b           two texts

The folder RUNS/NAME holds sweep.json, table.txt, cells.csv, and one run for each cell, as `tailor runs RUNS/NAME` lists them.
A cell that fails or diverges is written down and the others go on. With --resume finished cells stay as they are, broken ones go
on where they stopped, and more values or seeds may be named.")]
pub struct SweepArgs {
    /// A recipe's file, or the name of a built-in one.
    recipe: String,
    /// `key=a,b,c` is an axis of the grid, `key=a` a setting of every cell. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE,VALUE,…")]
    sets: Vec<String>,
    /// One run for each seed in every cell.
    #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
    seeds: Vec<u64>,
    /// The sweep's name; otherwise the recipe's and the time.
    #[arg(long)]
    run: Option<String>,
    /// Go on with the sweep of that name.
    #[arg(long, requires = "run")]
    resume: bool,
    /// The metric to choose the best cell by; without it recall@1, or rsum where pairs are scored.
    #[arg(long)]
    metric: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Stop every cell after this many optimiser steps.
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Print the sweep as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// The folder that the sweep lands in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// Why a sweep could not begin or go on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SweepError {
    /// A file could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// No value between two commas.
    #[error("`--set {0}` has an empty value in its list")]
    #[diagnostic(help("write --set key=a,b,c; an empty text is \"\""))]
    Empty(String),
    /// A value or a key that comes twice.
    #[error("`--set {0}` names a value or a key a second time")]
    #[diagnostic(help("name each key once, and each of its values once: --set key=a,b,c"))]
    Twice(String),
    /// Seeds that come twice.
    #[error("--seeds names {0} twice")]
    #[diagnostic(help("the same seed gives the same run: name each once"))]
    SeedTwice(u64),
    /// A sweep of that name.
    #[error("{} exists already", .0.display())]
    #[diagnostic(help("add --resume to go on with it, or give another --run"))]
    Exists(PathBuf),
    /// A folder that is no sweep.
    #[error("{} is no sweep: it has no sweep.json", .0.display())]
    #[diagnostic(help("give another --run"))]
    NoSweep(PathBuf),
    /// A sweep that another program has changed, or that was begun by another version.
    #[error("{} cannot be read: {problem}", path.display())]
    #[diagnostic(help("begin a new sweep under another --run; the runs in the folder are untouched"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Other settings than it was begun with.
    #[error("{} was begun otherwise: {difference}", path.display())]
    #[diagnostic(help(
        "go on with the recipe and the settings it was begun with, or begin a new sweep under another --run"
    ))]
    Changed {
        /// The sweep's folder.
        path: PathBuf,
        /// What is different.
        difference: String,
    },
    /// Not one cell came to its end.
    #[error("none of the {0} cells has finished; the first said: {1}")]
    #[diagnostic(help(
        "see table.txt in the sweep's folder; `--resume` tries those again that did not diverge"
    ))]
    AllFailed(usize, String),
}

/// Runs the verb.
pub fn run(args: SweepArgs) -> crate::Result<()> {
    let (fixed, axes) = grid::parse(&args.sets)?;
    if let Some(twice) = args
        .seeds
        .iter()
        .enumerate()
        .find(|(at, seed)| args.seeds[..*at].contains(seed))
    {
        return Err(SweepError::SeedTwice(*twice.1).into());
    }
    let base = Recipe::load(&args.recipe, &fixed)?;
    say!("recipe   {} ({})", base.name, base.origin);
    for note in &base.notes {
        say!("note     {note}");
    }
    let seeds: Vec<Option<u64>> = match args.seeds.is_empty() {
        true => vec![None],
        false => args.seeds.iter().copied().map(Some).collect(),
    };
    // Every cell's recipe is read before the first is trained: a slip in the last value must not show after hours.
    let mut wanted = Vec::new();
    for set in grid::cells(&axes) {
        for &seed in &seeds {
            let recipe = recipe_of(&args.recipe, &fixed, &set, seed)?;
            for_room(&recipe, Check(recipe.clone()))?;
            wanted.push((set.clone(), seed, recipe));
        }
    }
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    say!("device   {device}");
    let name = args
        .run
        .clone()
        .unwrap_or_else(|| name::default(&base.name, SystemTime::now()));
    name::check(&name)?;
    let folder = args.runs.join(&name);
    let mut record = open(&args, &folder, &base)?;
    let mut stopped = None;
    let wanted: Vec<(usize, Recipe)> = wanted
        .into_iter()
        .map(|(set, seed, recipe)| (record.cell(&set, seed), recipe))
        .collect();
    save(&record, &folder)?;
    say!("sweep    {} cells in {}", wanted.len(), folder.display());
    for (number, (at, recipe)) in wanted.iter().enumerate() {
        let cell = &record.cells[*at];
        if cell.status.is_done() {
            say!("skip     {} is {}", cell.run, cell.status.name());
            continue;
        }
        say!("\ncell     {} of {}: {}", number + 1, wanted.len(), cell.run);
        let options = RunOptions {
            runs: folder.clone(),
            name: cell.run.clone(),
            resume: folder.join(&cell.run).exists(),
            init_from: None,
            max_steps: args.max_steps,
            overfit: None,
            tui: false,
            device_name: device.name.clone(),
        };
        record.cells[*at].status = Status::Running;
        save(&record, &folder)?;
        let work = Work {
            recipe: recipe.clone(),
            device: device.device.clone(),
            options,
        };
        let result = panics::caught(|| for_room(recipe, work));
        let interrupted = matches!(&result, Ok(result) if result.end == End::Interrupted);
        settle(&mut record.cells[*at], result);
        save(&record, &folder)?;
        if interrupted {
            stopped = Some(crate::Error::Interrupted(format!(
                "go on with the same command and `--run {name} --resume`"
            )));
            break;
        }
    }
    show(&args, &record, &folder, wanted.iter().map(|(at, _)| *at))?;
    stopped.map_or(Ok(()), Err)
}

fn recipe_of(name: &str, fixed: &[String], set: &[Setting], seed: Option<u64>) -> crate::Result<Recipe> {
    let mut sets = fixed.to_vec();
    sets.extend(set.iter().map(|Setting { key, value }| format!("{key}={value}")));
    sets.extend(seed.map(|seed| format!("train.seed={seed}")));
    Ok(Recipe::load(name, &sets)?)
}

/// A new sweep, or the one that goes on.
fn open(args: &SweepArgs, folder: &Path, base: &Recipe) -> crate::Result<Record> {
    let fingerprint = base.fingerprint();
    if !folder.exists() {
        if args.resume {
            say!(
                "note     there is no sweep {} to resume: it begins",
                folder.display()
            );
        }
        files::create_folder(folder)?;
        let text = base.resolved();
        files::write_whole(&folder.join(RECIPE), |w| w.write_all(text.as_bytes()))?;
        return Ok(Record::new(
            &base.name,
            fingerprint,
            args.max_steps,
            metric(args, base),
        ));
    }
    if !args.resume {
        return Err(SweepError::Exists(folder.to_owned()).into());
    }
    if !folder.join(record::FILE).is_file() {
        return Err(SweepError::NoSweep(folder.to_owned()).into());
    }
    let record = Record::read(folder)?;
    let changed = |difference: String| SweepError::Changed {
        path: folder.to_owned(),
        difference,
    };
    if record.recipe_fingerprint != fingerprint {
        let text = files::read_text(&folder.join(RECIPE))?;
        let origin = Origin::File(folder.join(RECIPE));
        let before = Recipe::from_text("recipe", origin, text, &[])?;
        let lines: Vec<String> = recipe::diff(&before, base)
            .iter()
            .map(|d| format!("  {d}"))
            .collect();
        return Err(changed(format!("the recipe has changed\n{}", lines.join("\n"))).into());
    }
    if record.max_steps != args.max_steps {
        let words = |steps: Option<u64>| steps.map_or("none".into(), |steps| steps.to_string());
        let (before, now) = (words(record.max_steps), words(args.max_steps));
        return Err(changed(format!("--max-steps was {before}, now it is {now}")).into());
    }
    Ok(Record {
        metric: metric(args, base),
        ..record
    })
}

/// What the best cell is chosen by.
fn metric(args: &SweepArgs, base: &Recipe) -> String {
    let room = base.reader().text("paper.room").unwrap_or_default();
    let fallback = match registry::capabilities(&room).contains(&Capability::Match) {
        true => matching::RSUM,
        false => "recall@1",
    };
    args.metric.clone().unwrap_or_else(|| fallback.into())
}

/// Writes down how a cell ended.
fn settle(cell: &mut record::Cell, result: crate::Result<RunResult>) {
    (cell.status, cell.error, cell.eval) = match result {
        Ok(result) if result.end == End::Interrupted => (Status::Interrupted, None, None),
        Ok(result) => (Status::Finished, None, result.report),
        Err(error) => {
            let status = match &error {
                crate::Error::Train(TrainError::NotFinite { .. }) => Status::Diverged,
                _ => Status::Failed,
            };
            say!("{:8} {error}", status.name());
            (status, Some(error.to_string()), None)
        }
    };
}

/// `sweep.json`, and the same for a person and for a spreadsheet.
fn save(record: &Record, folder: &Path) -> Result<(), SweepError> {
    record.write(folder)?;
    let text = table::to_text(record);
    files::write_whole(&folder.join(TABLE), |w| w.write_all(text.as_bytes()))?;
    files::write_whole(&folder.join(CELLS), |w| {
        w.write_all(&table::to_csv(record).map_err(std::io::Error::other)?)
    })?;
    Ok(())
}

fn show(
    args: &SweepArgs,
    record: &Record,
    folder: &Path,
    mut wanted: impl ExactSizeIterator<Item = usize>,
) -> crate::Result<()> {
    let count = wanted.len();
    let text = match args.json {
        true => format!("{}\n", table::to_json(record)),
        false => format!(
            "\n{}\nsweep        {2}/sweep.json, {2}/{1}, {2}/{3}\nruns         tailor runs {2}\n",
            table::to_text(record),
            TABLE,
            folder.display(),
            CELLS
        ),
    };
    super::print(&text)?;
    let first_error = record.cells.iter().find_map(|cell| cell.error.clone());
    match first_error {
        Some(error) if wanted.all(|at| record.cells[at].error.is_some()) => {
            Err(SweepError::AllFailed(count, error).into())
        }
        _ => Ok(()),
    }
}

/// Reads a cell's recipe whole.
struct Check(Recipe);

impl Verb for Check {
    type Output = ();

    fn on<S: Session>(self) -> crate::Result<()> {
        S::read(self.0).map(drop)
    }
}

/// Trains a cell.
struct Work {
    recipe: Recipe,
    device: Device,
    options: RunOptions,
}

impl Verb for Work {
    type Output = RunResult;

    fn on<S: Session>(self) -> crate::Result<RunResult> {
        let session = S::open(S::read(self.recipe)?, &self.device)?;
        say!("{}", session.describe());
        run::run(&session, &self.device, &self.options)
    }
}
