//! `tailor eval`.

use super::run::{evaluate, published};
use super::session::{Plan, for_room};
use super::{RUNS, Which, look, run_of, say, weights_of};
use crate::backbones::weights::{self, Import};
use crate::device::{self, Choice, Device};
use crate::papers::Paper;
use crate::papers::registry::Visitor;
use crate::recipe::{Origin, Recipe};
use crate::report::figures::{EvalReport, Published};
use crate::search::{Expansion, Rerank};
use crate::train::run_folder::{EVAL, RunFolder, name};
use burn::module::Module;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Evaluates a run, or a recipe with given weights.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor eval checkpoints/quickstart-20261121-120000
  tailor eval first --weights best --json
  tailor eval first --rerank --qe
  tailor eval ctl-market1501 --weights model.safetensors --set data.root=/data/market1501")]
pub struct EvalArgs {
    /// A run's folder or name, a recipe's file, or the name of a built-in recipe.
    target: String,
    /// For a run: best, last, ema or a file; without it, ema where the run keeps it, else last. For a recipe: a file; without it, the
    /// recipe's own starting weights.
    #[arg(long)]
    weights: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set eval.batch=16`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Print the figures as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// Re-rank by k-reciprocal neighbours too: `--rerank`, or `--rerank=K1,K2,LAMBDA` (20,6,0.3).
    #[arg(long, value_name = "K1,K2,LAMBDA", num_args = 0..=1, require_equals = true, default_missing_value = "20,6,0.3")]
    rerank: Option<Rerank>,
    /// Expand queries too: `--qe`, or `--qe=N,ALPHA` (5,3): the N nearest, weighted by their cosine to the power ALPHA.
    #[arg(long, value_name = "N,ALPHA", num_args = 0..=1, require_equals = true, default_missing_value = "5,3")]
    qe: Option<Expansion>,
    /// Augment the gallery by each item's N nearest before queries are expanded.
    #[arg(long, value_name = "N")]
    dba: Option<usize>,
    /// Show so many pictures in TensorBoard's projector.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1000")]
    projector: Option<usize>,
    /// Write eval.json and report.html into this folder. Without it they go into the run's folder, or, where they are not the
    /// run's own figures (a recipe, or --set), into a new folder beside the runs.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// What a verb on trained weights works with.
pub struct Target {
    /// The recipe.
    pub recipe: Recipe,
    /// The file of weights, and what it holds.
    pub weights: Option<(PathBuf, String)>,
    /// The run's folder, if it is one.
    pub run: Option<PathBuf>,
}

/// The run or the recipe that is meant.
pub fn target(name: &str, weights: Option<&str>, sets: &[String], runs: &Path) -> crate::Result<Target> {
    let folder = run_of(name, runs);
    if !folder.join("run.json").is_file() {
        let recipe = Recipe::load(name, sets)?;
        return Ok(Target {
            recipe,
            weights: weights.map(|path| (PathBuf::from(path), "file".to_string())),
            run: None,
        });
    }
    let run = RunFolder::open(&folder)?;
    let origin = Origin::File(folder.join("recipe.toml"));
    let mut recipe = Recipe::from_text("recipe", origin, run.recipe()?, sets)?;
    recipe.name.clone_from(&run.info().recipe);
    let which = weights.map(|which| (which, <Which as clap::ValueEnum>::from_str(which, true)));
    let weights = match which {
        None => weights_of(&folder, None)?,
        Some((_, Ok(which))) => weights_of(&folder, Some(which))?,
        Some((path, Err(_))) => (PathBuf::from(path), "file".into()),
    };
    Ok(Target {
        recipe,
        weights: Some(weights),
        run: Some(folder),
    })
}

/// A trained model in evaluation mode: all of its weights come from the file.
pub fn load<M: Module>(model: M, path: &Path) -> crate::Result<M> {
    let tensors = weights::read(path)?;
    let import = Import {
        source: path.display().to_string(),
        ..Import::default()
    };
    let (model, _) = weights::apply(model, &tensors, &import)?;
    Ok(model.valid())
}

/// Runs the verb.
pub fn run(args: EvalArgs) -> crate::Result<()> {
    let target = target(&args.target, args.weights.as_deref(), &args.sets, &args.runs)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    say!("recipe   {} ({})", target.recipe.name, target.recipe.origin);
    say!("device   {device}");
    let recipe = target.recipe.clone();
    // Settings of the command line may have changed what was measured: only the run's own figures are its eval.json.
    let own = target.weights.as_ref().is_none_or(|(_, which)| which != "file");
    let folder = match (&args.out, &target.run) {
        (Some(folder), _) => folder.clone(),
        (None, Some(run)) if args.sets.is_empty() && own => run.clone(),
        _ => {
            let name = name::default(&recipe.name, SystemTime::now());
            args.runs.join(format!("eval-{name}"))
        }
    };
    let expansion = match (args.qe, args.dba) {
        (None, None) => None,
        (expansion, database) => Some(Expansion {
            database: database.unwrap_or(0),
            ..expansion.unwrap_or(Expansion::NONE)
        }),
    };
    let (report, published, page) = for_room(
        &recipe,
        Eval {
            target,
            device: device.device,
            folder: folder.clone(),
            rerank: args.rerank,
            expansion,
            projector: args.projector,
        },
    )?;
    if args.json {
        return super::print(&format!("{}\n", report.to_json(false)));
    }
    let mut text = format!(
        "\n{}\nfigures      {}",
        report.table(&published),
        folder.join(EVAL).display()
    );
    if let Some(page) = page {
        text.push_str(&format!("\nlook         {}", page.display()));
    }
    text.push('\n');
    super::print(&text)
}

struct Eval {
    target: Target,
    device: Device,
    folder: PathBuf,
    rerank: Option<Rerank>,
    expansion: Option<Expansion>,
    projector: Option<usize>,
}

impl Visitor for Eval {
    type Output = crate::Result<(EvalReport, Vec<Published>, Option<PathBuf>)>;

    fn visit<P: Paper>(self) -> Self::Output {
        let mut plan = Plan::<P>::read(self.target.recipe)?;
        plan.eval.rerank = self.rerank.or(plan.eval.rerank);
        plan.eval.query_expansion = self.expansion.or(plan.eval.query_expansion);
        plan.eval.projector = self.projector.unwrap_or(plan.eval.projector);
        let published = published(&plan.about);
        if self.target.weights.is_some() {
            plan.paper.forget_published_weights();
        }
        let session = plan.open()?;
        say!("{}", session.describe());
        let (model, report) = session.model(&self.device)?;
        let (model, which, source) = match &self.target.weights {
            Some((path, which)) => {
                say!("weights  {} ({which})", path.display());
                let source = self
                    .target
                    .run
                    .as_ref()
                    .filter(|_| which != "file")
                    .unwrap_or(path);
                (load(model, path)?, which.clone(), source.clone())
            }
            None => {
                if let Some(report) = report {
                    say!("weights  {report}");
                }
                (model.valid(), "initial".to_string(), PathBuf::from("the recipe"))
            }
        };
        let evaluation = evaluate(&session, &model, &self.device, &which, &source)?;
        evaluation.report.write(&self.folder.join(EVAL))?;
        // The record of a run's training belongs to the run's own weights only.
        let run = self.target.run.as_deref().filter(|_| which != "file");
        let page = look::report(&session, &evaluation, &self.device, &self.folder, run);
        look::projector(&session, &evaluation, &self.folder);
        Ok((evaluation.report, published, page))
    }
}
