//! `tailor runs`: which runs there are, how far they came, and how they compare.

mod compare;
pub(super) mod table;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Result;
use crate::report::figures::number;
use crate::train::run_folder::{self, RunFolder, name};
use crate::train::sinks::jsonl;
use table::Table;

const FIGURES: [&str; 2] = ["recall@1", "mAP"];

/// `tailor runs …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
    /// What to do, if not to list the runs.
    #[command(subcommand)]
    pub verb: Option<RunsVerb>,
    /// The folder of runs.
    #[arg(default_value = "checkpoints")]
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The verbs of `tailor runs`.
#[derive(Debug, Subcommand)]
pub enum RunsVerb {
    /// All runs of the folder; the same without a verb.
    List(ListArgs),
    /// What one run is: its recipe, data, device, checkpoints and figures.
    Show(ShowArgs),
    /// Figures of several runs side by side, and which keys of their recipes differ.
    Compare(CompareArgs),
}

/// `tailor runs list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The folder of runs.
    #[arg(default_value = "checkpoints")]
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `tailor runs show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run's name or folder.
    pub run: String,
    /// The folder of runs.
    #[arg(long, default_value = "checkpoints")]
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `tailor runs compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Names or folders of runs.
    #[arg(required = true, num_args = 2..)]
    pub runs: Vec<String>,
    /// The folder of runs.
    #[arg(long, default_value = "checkpoints")]
    pub dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb: prints to stdout.
pub fn run(args: &RunsArgs) -> Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let text = match &args.verb {
        None => list(&args.dir, args.json, now)?,
        Some(RunsVerb::List(args)) => list(&args.dir, args.json, now)?,
        Some(RunsVerb::Show(show_args)) => {
            show(&run_folder::find(&show_args.dir, &show_args.run), show_args.json)?
        }
        Some(RunsVerb::Compare(args)) => {
            let folders: Vec<PathBuf> = args
                .runs
                .iter()
                .map(|run| run_folder::find(&args.dir, run))
                .collect();
            let report = compare::compare(&folders)?;
            if args.json {
                format!("{:#}\n", report.to_json())
            } else {
                report.to_text()
            }
        }
    };
    super::print(&text)
}

/// A figure of `eval.json`, with its interval where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    value: f64,
    interval: Option<(f64, f64)>,
}

impl Figure {
    fn read(metric: &Value) -> Option<Self> {
        let field = |name: &str| metric.get(name).and_then(jsonl::as_number);
        let value = jsonl::as_number(metric).or_else(|| field("value"))?;
        Some(Self {
            value,
            interval: field("low").zip(field("high")),
        })
    }

    /// As the table of an evaluation has it: shares as percentages.
    fn to_text(self, metric: &str) -> String {
        let value = number(metric, self.value);
        match self.interval {
            Some((low, high)) => format!("{value} [{}, {}]", number(metric, low), number(metric, high)),
            None => value,
        }
    }

    fn to_json(self) -> Value {
        let mut figure = json!({"value": jsonl::number(self.value)});
        if let Some((low, high)) = self.interval {
            figure["low"] = jsonl::number(low);
            figure["high"] = jsonl::number(high);
        }
        figure
    }
}

/// The figures of an evaluation, in the file's order.
fn figures(eval: &Value) -> Vec<(String, Figure)> {
    let metrics = eval
        .get("metrics")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    metrics
        .filter_map(|(name, metric)| Some((name.clone(), Figure::read(metric)?)))
        .collect()
}

fn headline(eval: Option<&Value>, name: &str) -> Option<Figure> {
    figures(eval?)
        .into_iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, figure)| figure)
}

fn list(dir: &Path, json: bool, now: u64) -> Result<String> {
    let mut table = Table::new(&[
        "run", "recipe", "status", "step", "seed", "best", FIGURES[0], FIGURES[1], "age",
    ]);
    let mut objects = Vec::new();
    // Before the first run there is no folder.
    let roots = match dir.exists() {
        true => run_folder::list(dir)?,
        false => Vec::new(),
    };
    for root in roots {
        let folder_name = root
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        // One damaged run must not hide the others.
        let loaded = RunFolder::open(&root).and_then(|run| Ok((run.eval()?, run)));
        let (eval, run) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                objects.push(json!({"name": folder_name, "status": "damaged", "problem": error.to_string()}));
                table.row([folder_name, String::new(), "damaged".to_string()]);
                table.note(error.to_string());
                continue;
            }
        };
        let info = run.info();
        let best = info.best.as_ref().map_or(String::new(), |b| {
            format!("{} {} @ {}", b.metric, number(&b.metric, b.value), b.step)
        });
        let age = name::seconds(&info.created).map(|created| now.saturating_sub(created));
        let [first, second] = FIGURES.map(|name| headline(eval.as_ref(), name));
        let show = |figure: Option<Figure>| figure.map_or(String::new(), |f| number("", f.value));
        table.row([
            folder_name.clone(),
            info.recipe.clone(),
            run.status().to_string(),
            info.last_step.to_string(),
            info.seed.to_string(),
            best,
            show(first),
            show(second),
            age.map_or(String::new(), age_text),
        ]);
        let mut object = json!({"name": folder_name, "recipe": info.recipe, "status": run.status(), "step": info.last_step,
            "seed": info.seed, "created": info.created, "age_seconds": age, "best": info.best, "metrics": {}});
        for (name, figure) in FIGURES.iter().zip([first, second]) {
            if let Some(figure) = figure {
                object["metrics"][*name] = figure.to_json();
            }
        }
        objects.push(object);
    }
    Ok(if json {
        format!("{:#}\n", json!({"runs": objects}))
    } else if objects.is_empty() {
        format!(
            "no runs in {}: `tailor train RECIPE` begins one, `tailor recipes` lists recipes\n",
            dir.display()
        )
    } else {
        table.to_text()
    })
}

fn show(root: &Path, json: bool) -> Result<String> {
    let run = RunFolder::open(root)?;
    let (info, eval) = (run.info(), run.eval()?);
    let steps: Vec<u64> = run
        .checkpoints()?
        .iter()
        .map(|checkpoint| checkpoint.step)
        .collect();
    if json {
        let object = json!({"run": info, "status": run.status(), "checkpoints": steps, "eval": eval});
        return Ok(format!("{object:#}\n"));
    }
    let mut table = Table::new(&[]);
    let mut line = |name: &str, value: String| table.row([name.to_string(), value]);
    line("run", root.display().to_string());
    line("recipe", format!("{}  {}", info.recipe, info.recipe_fingerprint));
    line("data", info.data_fingerprint.clone());
    line("tailor", info.code_version.clone());
    line("device", info.device.clone());
    line("seed", info.seed.to_string());
    line("created", info.created.clone());
    line("status", format!("{} at step {}", run.status(), info.last_step));
    if let Some(best) = &info.best {
        line(
            "best",
            format!(
                "{} {} at step {}",
                best.metric,
                number(&best.metric, best.value),
                best.step
            ),
        );
    }
    line(
        "checkpoints",
        steps.iter().map(u64::to_string).collect::<Vec<_>>().join(" "),
    );
    match &eval {
        None => line("evaluation", "none yet".to_string()),
        Some(eval) => {
            line("evaluation", compare::conditions(eval));
            for (name, figure) in figures(eval) {
                line(&name, figure.to_text(&name));
            }
        }
    }
    Ok(table.to_text())
}

fn age_text(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
