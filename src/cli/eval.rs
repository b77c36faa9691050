//! `tailor eval`.

use super::run::{evaluate, published};
use super::session::{Plan, for_room};
use super::{RUNS, Which, run_of, say, weights_of};
use crate::backbones::weights::{self, Import, Tensors};
use crate::device::{self, Choice, Device};
use crate::papers::Paper;
use crate::papers::registry::Visitor;
use crate::recipe::{Origin, Recipe};
use crate::report::figures::{EvalReport, Published};
use crate::train::run_folder::RunFolder;
use burn::module::Module;
use std::path::{Path, PathBuf};

/// Evaluates a run, or a recipe with given weights.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor eval checkpoints/quickstart-20261121-120000
  tailor eval first --weights best --json
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
    apply(model, &weights::read(path)?, path)
}

/// As [`load`], with the weights that were read from the file.
pub fn apply<M: Module>(model: M, tensors: &Tensors, path: &Path) -> crate::Result<M> {
    let import = Import {
        source: path.display().to_string(),
        ..Import::default()
    };
    let (model, _) = weights::apply(model, tensors, &import)?;
    Ok(model.valid())
}

/// Runs the verb.
pub fn run(args: EvalArgs) -> crate::Result<()> {
    let target = target(&args.target, args.weights.as_deref(), &args.sets, &args.runs)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    say!("recipe   {} ({})", target.recipe.name, target.recipe.origin);
    say!("device   {device}");
    let recipe = target.recipe.clone();
    let run = target.run.clone();
    let (report, published) = for_room(
        &recipe,
        Eval {
            target,
            device: device.device,
        },
    )?;
    // Settings of the command line may have changed what was measured: only the run's own figures are its eval.json.
    if let Some(folder) = &run
        && args.sets.is_empty()
    {
        RunFolder::open(folder)?
            .write_eval(&serde_json::to_value(&report).expect("a report is plain data"))?;
    }
    match args.json {
        true => super::print(&format!("{}\n", report.to_json(false))),
        false => super::print(&format!("\n{}", report.table(&published))),
    }
}

struct Eval {
    target: Target,
    device: Device,
}

impl Visitor for Eval {
    type Output = crate::Result<(EvalReport, Vec<Published>)>;

    fn visit<P: Paper>(self) -> Self::Output {
        let mut plan = Plan::<P>::read(self.target.recipe)?;
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
        let report = evaluate(&session, &model, &self.device, &which, &source)?;
        Ok((report, published))
    }
}
