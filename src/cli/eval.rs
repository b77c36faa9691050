//! `tailor eval`.

use super::session::{EvalFlags, Session, Verb, for_room};
use super::{CliError, RUNS, Which, run_of, say, weights_at, weights_of};
use crate::backbones::layouts::recognised;
use crate::backbones::weights::{self, Import, Tensors, WeightsError};
use crate::device::{self, Choice, Device};
use crate::papers::ImagePaper;
use crate::recipe::{Origin, PaperSection, Recipe};
use crate::report::figures::{EvalReport, Published};
use crate::search::{Expansion, Rerank};
use crate::train::run_folder::{self, EVAL, RunFolder, name};
use burn::module::Module;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Evaluates a run, or a recipe with given weights.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor eval checkpoints/quickstart-20261121-120000
  tailor eval first --weights best --json
  tailor eval first --rerank --qe
  tailor eval ctl-market1501 --weights model.safetensors --set data.root=/data/market1501
  tailor eval sgr-f30k --ensemble saf-f30k
  tailor eval deepfashion-l --on fashion-reid-street2shop-l --set data.root=/data/street2shop")]
pub struct EvalArgs {
    /// A run's folder or name, a recipe's file, or the name of a built-in recipe.
    target: String,
    /// For a run: best, last, ema or a file; without it, ema where the run keeps it, else last. For a recipe: a file; without it, the
    /// recipe's own starting weights.
    #[arg(long)]
    weights: Option<String>,
    /// Measure on the data of another recipe, by its [eval], without adaptation; pictures are prepared as the target's own. `--set
    /// data.…` and `--set eval.…` then change that recipe.
    #[arg(long, value_name = "RECIPE")]
    on: Option<String>,
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
    /// Average the scores with those of another run of the same room, as SGRAF is the average of a SAF and an SGR. Many times. Its
    /// weights are those that `tailor eval` would take.
    #[arg(long, value_name = "RUN")]
    ensemble: Vec<String>,
    /// Show so many pictures in TensorBoard's projector.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1000")]
    projector: Option<usize>,
    /// Write eval.json and report.html into this folder. Without it they go into the run's folder; with --on, --rerank, --qe or --dba
    /// into a folder within it, so that the run's own stay; or, where they are not the run's own figures (a recipe, --set or
    /// --weights), into a new folder beside the runs.
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
    /// The run's folder, if the weights are its own.
    pub source: Option<PathBuf>,
}

/// The run or the recipe that is meant.
pub fn target(name: &str, weights: Option<&str>, sets: &[String], runs: &Path) -> crate::Result<Target> {
    let folder = run_of(name, runs);
    if !folder.join("run.json").is_file() {
        let recipe = Recipe::load(name, sets).inspect_err(|_| say_near(name, runs))?;
        return Ok(Target {
            recipe,
            weights: weights
                .map(|path| weights_at(Path::new(path), None))
                .transpose()?,
            run: None,
            source: None,
        });
    }
    let run = RunFolder::open(&folder)?;
    let origin = Origin::File(folder.join("recipe.toml"));
    let mut recipe = Recipe::from_text("recipe", origin, run.recipe()?, sets)?;
    recipe.name.clone_from(&run.info().recipe);
    let which = weights.map(|which| (which, <Which as clap::ValueEnum>::from_str(which, true)));
    let (weights, own) = match which {
        None => (weights_of(&folder, None)?, true),
        Some((_, Ok(which))) => (weights_of(&folder, Some(which))?, true),
        Some((path, Err(_))) => (weights_at(Path::new(path), None)?, false),
    };
    Ok(Target {
        recipe,
        weights: Some(weights),
        source: own.then(|| folder.clone()),
        run: Some(folder),
    })
}

/// A run may have been meant whose name is nearly that.
fn say_near(name: &str, runs: &Path) {
    let near = run_folder::list(runs).unwrap_or_default();
    let near = near
        .iter()
        .filter_map(|run| run.file_name()?.to_str())
        .find(|run| strsim::jaro_winkler(run, name) > 0.85);
    if let Some(near) = near {
        say!("note     did you mean the run `{near}`?");
    }
}

/// A trained model's weights: a checkpoint's, or an export's of `tailor export --format safetensors`.
pub fn read<P: ImagePaper>(paper: &P, path: &Path) -> crate::Result<Tensors> {
    let tensors = weights::read(path)?;
    Ok(paper.import(&tensors).unwrap_or(tensors))
}

/// A trained model in evaluation mode: all of its weights come from those of the file.
pub fn apply<M: Module>(model: M, tensors: &Tensors, path: &Path) -> crate::Result<M> {
    let import = Import {
        source: path.display().to_string(),
        ..Import::default()
    };
    let (model, _) = weights::apply(model, tensors, &import).map_err(|error| foreign(error, tensors))?;
    Ok(model.valid())
}

/// That a file has no trained model of a room, and what it has instead where that is known.
pub fn no_model(tensors: &Tensors, path: &Path, room: &str) -> WeightsError {
    match recognised(tensors) {
        Some(found) => WeightsError::Other {
            source_name: path.display().to_string(),
            trunk: format!("trained model of room {room}"),
            remedy: format!(
                "it holds {}, a trunk to start from: name a run's folder or checkpoint, or what `tailor export` wrote; to train from \
                 it set model.trunk = {} and model.weights",
                found.what, found.trunk
            ),
        },
        None => WeightsError::Format {
            path: path.to_owned(),
            cause: format!("they are not those of a trained model of room {room}"),
        },
    }
}

/// Published weights are a trunk to start from, not a trained model: the remedy says which, and where they belong.
fn foreign(error: WeightsError, tensors: &Tensors) -> WeightsError {
    match (error, recognised(tensors)) {
        (
            WeightsError::Mismatch {
                source_name, report, ..
            },
            Some(found),
        ) => WeightsError::Mismatch {
            remedy: format!(
                "it holds {}, a trunk to start from; a trained model is wanted here: a run's folder or checkpoint, or what `tailor \
                 export` wrote. What the trunk finds untrained: leave --weights out and add --set 'model.trunk={}' --set \
                 model.weights={source_name}",
                found.what, found.trunk
            ),
            source_name,
            report,
        },
        (error, _) => error,
    }
}

/// Runs the verb.
pub fn run(args: EvalArgs) -> crate::Result<()> {
    let (of_other, own): (Vec<String>, Vec<String>) = args
        .sets
        .iter()
        .cloned()
        .partition(|set| args.on.is_some() && (set.starts_with("data.") || set.starts_with("eval.")));
    let target = target(&args.target, args.weights.as_deref(), &own, &args.runs)?;
    let other = match &args.on {
        Some(name) => Some(Elsewhere::read(name, &of_other)?),
        None => None,
    };
    let device = device::resolve(args.device.parse::<Choice>()?)?;
    say!("recipe   {} ({})", target.recipe.name, target.recipe.origin);
    if let Some(other) = &other {
        say!("on       {} ({})", other.recipe.name, other.recipe.origin);
    }
    say!("device   {device}");
    let recipe = target.recipe.clone();
    let mut ensemble = Vec::new();
    for name in &args.ensemble {
        let member = self::target(name, None, &[], &args.runs)?;
        if member.run.is_none() {
            return Err(CliError::NoWeights(name.clone()).into());
        }
        ensemble.push(member);
    }
    // Settings and other weights change what is measured: only the run's own figures are its eval.json.
    let own = args.weights.is_none() && ensemble.is_empty();
    let (on, with) = (other.as_ref().map(|other| &*other.recipe.name), args.neighbours());
    let folder = match (&args.out, &target.run, on) {
        (Some(folder), ..) => folder.clone(),
        (None, Some(run), Some(_)) if own => within(run, on, with),
        (None, Some(run), None) if own && args.sets.is_empty() => within(run, None, with),
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
            other,
            device: device.device,
            folder: folder.clone(),
            flags: EvalFlags {
                on: None,
                rerank: args.rerank,
                expansion,
                projector: args.projector,
                run: None,
                ensemble,
            },
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

impl EvalArgs {
    /// What is asked for beside the run's own protocols, as a folder's name.
    fn neighbours(&self) -> Option<&'static str> {
        match (self.rerank.is_some(), self.qe.is_some() || self.dba.is_some()) {
            (false, false) => None,
            (true, false) => Some("re-ranked"),
            (false, true) => Some("expanded"),
            (true, true) => Some("expanded-and-re-ranked"),
        }
    }
}

/// Where figures of a run's own weights go: its folder, and for those on other data or with further protocols a folder within, so
/// that its own stay what training and a plain evaluation write.
fn within(run: &Path, on: Option<&str>, with: Option<&str>) -> PathBuf {
    let parts = [on.map(|name| format!("on-{name}")), with.map(str::to_owned)];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
    match name.is_empty() {
        true => run.to_path_buf(),
        false => run.join(name),
    }
}

/// The data of another recipe.
struct Elsewhere {
    recipe: Recipe,
    about: Option<PaperSection>,
}

impl Elsewhere {
    fn read(name: &str, sets: &[String]) -> crate::Result<Self> {
        let recipe = Recipe::load(name, sets)?;
        let mut reader = recipe.reader();
        let about = reader.section("paper");
        reader.skip_rest();
        reader.finish()?;
        Ok(Self { about, recipe })
    }
}

struct Eval {
    target: Target,
    other: Option<Elsewhere>,
    device: Device,
    folder: PathBuf,
    flags: EvalFlags,
}

impl Verb for Eval {
    type Output = (EvalReport, Vec<Published>, Option<PathBuf>);

    fn on<S: Session>(self) -> crate::Result<Self::Output> {
        let plan = S::read(self.target.recipe)?;
        let tensors = match &self.target.weights {
            Some((path, _)) => Some(S::weights(&plan, path)?),
            None => None,
        };
        let flags = EvalFlags {
            on: self.other.as_ref().map(|other| other.recipe.clone()),
            run: self.target.run.clone(),
            ..self.flags
        };
        let session = S::open_to_evaluate(plan, flags, tensors.as_ref(), &self.device)?;
        say!("{}", session.describe());
        let (model, report) = session.model(&self.device)?;
        let (model, which, source) = match self.target.weights.as_ref().zip(tensors) {
            Some(((path, which), tensors)) => {
                say!("weights  {} ({which})", path.display());
                let source = self.target.source.as_ref().unwrap_or(path);
                (apply(model, &tensors, path)?, which.clone(), source.clone())
            }
            None => {
                if let Some(report) = report {
                    say!("weights  {report}");
                }
                (model.valid(), "initial".to_string(), PathBuf::from("the recipe"))
            }
        };
        let mut evaluation = session.evaluate(&model, &self.device, &which, &source)?;
        if let Some(other) = &self.other {
            let (report, published) = (&mut evaluation.report, &mut evaluation.published);
            report.data = format!("{} (recipe {})", report.data, other.recipe.name);
            let mut known = other
                .about
                .as_ref()
                .map(super::run::published)
                .unwrap_or_default();
            for figure in &mut known {
                figure.source = format!("{}, trained on it", figure.source);
            }
            if let Some(run) = &self.target.run {
                beside_its_own(report, published, run);
                known.append(published);
            }
            *published = known;
        }
        evaluation.report.write(&self.folder.join(EVAL))?;
        // The record of a run's training belongs to the run's own weights only.
        let run = self.target.source.as_deref();
        let page = session.look(&evaluation, &self.device, &self.folder, run);
        Ok((evaluation.report, evaluation.published, page))
    }
}

/// Lays a run's figures on its own data, of the same weights, beside those on other data: protocols get the name of their data.
fn beside_its_own(report: &mut EvalReport, published: &mut Vec<Published>, run: &Path) {
    let own = EvalReport::read(&run.join("eval.json"))
        .ok()
        .filter(|own| own.weights_hash == report.weights_hash);
    let Some(own) = own else {
        published.clear();
        return;
    };
    let on = |protocol: &str| format!("{protocol} on {}", own.data);
    for protocol in own.protocols() {
        let mut protocol = protocol.clone();
        protocol.protocol = on(&protocol.protocol);
        report.also.push(protocol);
    }
    for figure in published {
        figure.protocol = on(&figure.protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_figures_of_its_own_data_are_a_run_s_own() {
        let run = Path::new("runs/a");
        let folder = |on, with| within(run, on, with).to_string_lossy().into_owned();
        assert_eq!(folder(None, None), "runs/a");
        assert_eq!(folder(None, Some("re-ranked")), "runs/a/re-ranked");
        assert_eq!(folder(Some("b"), None), "runs/a/on-b");
        assert_eq!(folder(Some("b"), Some("expanded")), "runs/a/on-b-expanded");
    }
}
