//! One training run from recipe to figures.

use super::say;
use super::session::Session;
use crate::backbones::layouts::translate;
use crate::backbones::weights::{self, Import, WeightsError};
use crate::data::feed::{Feed, Job};
use crate::device::Device;
use crate::metrics::Ranks;
use crate::papers::{Embed, Paper};
use crate::recipe::{PaperSection, Recipe};
use crate::report::figures::{EvalReport, Protocol, Published};
use crate::train::checkpoint::State;
use crate::train::engine::{End, Engine, Evaluated, Hooks, Settings};
use crate::train::retrieval::{Embedded, Measured, Mode, Task, WITHIN};
use crate::train::run_folder::{RunFolder, RunInfo, Status};
use crate::train::signals::StopFlag;
use crate::train::sinks::jsonl::Jsonl;
use crate::train::sinks::progress::{self, Progress};
use crate::train::sinks::tensorboard::TensorBoard;
use crate::train::sinks::{Outcome, Sink, Sinks};
use crate::train::{TrainError, checkpoint, learner};
use burn::module::Module;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the command line says of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder that runs land in.
    pub runs: PathBuf,
    /// The run's name.
    pub name: String,
    /// Go on with the run of that name.
    pub resume: bool,
    /// Weights to start from.
    pub init_from: Option<PathBuf>,
    /// Stop after this many optimiser steps.
    pub max_steps: Option<u64>,
    /// Train on the first n batches only.
    pub overfit: Option<u64>,
    /// Show burn's terminal interface.
    pub tui: bool,
    /// How the device was chosen, for the record.
    pub device_name: String,
}

/// What a run came to.
pub struct RunResult {
    /// Where it is.
    pub folder: PathBuf,
    /// How it ended.
    pub end: End,
    /// Its figures, if it was evaluated.
    pub report: Option<EvalReport>,
    /// The page to look at, if it was written.
    pub page: Option<PathBuf>,
}

/// What an evaluation found, and what it found it with.
pub struct Evaluation {
    /// The figures.
    pub report: EvalReport,
    /// Queries and gallery as vectors.
    pub embedded: Embedded,
    /// The ranks among single pictures, where that mode was measured.
    pub ranks: Option<Ranks>,
}

/// Evaluates without intervals while training goes on.
struct Evaluator<P: Paper> {
    task: Arc<Task>,
    pipeline: crate::data::transform::Pipeline,
    device: Device,
    workers: usize,
    paper: std::marker::PhantomData<fn() -> P>,
}

impl<P: Paper> Hooks<P::Model> for Evaluator<P> {
    fn evaluate(&mut self, model: &P::Model, _state: &State) -> crate::Result<Evaluated> {
        let embedded = self
            .task
            .embed(model, &self.pipeline, &self.device, self.workers, &mut |_, _| {})?;
        let mut figures = Vec::new();
        for measured in self.task.measure(&embedded, &self.device, true)? {
            let prefix = match figures.is_empty() {
                true => String::new(),
                false => format!("{}/", measured.protocol),
            };
            for (name, figure) in measured.figures.0 {
                figures.push((format!("{prefix}{name}"), figure.value));
            }
        }
        Ok(Evaluated { figures })
    }
}

/// Trains, evaluates and writes everything down.
pub fn run<P: Paper>(
    session: &Session<P>,
    device: &Device,
    options: &RunOptions,
) -> crate::Result<RunResult> {
    let plan = &session.plan;
    let root = options.runs.join(&options.name);
    let (model, loaded) = session.model(device)?;
    if let Some(report) = loaded {
        say!("weights  {report}");
    }
    let model = match &options.init_from {
        Some(path) => init_from(model, path, plan.paper.new_classifier())?,
        None => model,
    };
    say!(
        "model    {} parameters in room {}",
        grouped(weights::parameter_count(&model)),
        P::ROOM
    );

    let mut run = match options.resume && root.exists() {
        true => {
            // Nothing of the run is touched before it is known to be the right one.
            hold_against(session, &RunFolder::open(&root)?)?;
            RunFolder::resume(&root)?
        }
        false if options.resume => {
            say!(
                "note     there is no run {} to resume: it begins at step 0",
                root.display()
            );
            RunFolder::create(
                &options.runs,
                &options.name,
                run_info(session, options),
                &plan.recipe.resolved(),
            )?
        }
        false => RunFolder::create(
            &options.runs,
            &options.name,
            run_info(session, options),
            &plan.recipe.resolved(),
        )?,
    };
    for note in run.take_notes() {
        say!("note     {note}");
    }
    let last = run.last()?;
    let state = match &last {
        Some(checkpoint) => checkpoint::read_state(&checkpoint.path)?,
        None => State::default(),
    };
    let steps = session.steps()?;
    let steps = options.max_steps.map_or(steps, |max| max.min(steps));
    let mut sinks = sinks(&run, &state, last.is_some())?;
    if let Some(checkpoint) = &last {
        say!("resume   from step {}", checkpoint.step);
    }
    say!("run      {}", root.display());
    // Nothing is said between the bar's first line and its last: it would be painted over.
    if !options.tui {
        // burn's interface takes the whole terminal.
        sinks.push(Progress::stderr(progress::Plan {
            name: plan.recipe.name.clone(),
            steps,
            epochs: plan.train.epochs as f64,
            start: state.step,
            every: std::time::Duration::from_secs(10),
            headline: vec![plan.train.best.clone(), "recall@1".into(), "mAP".into()],
        }));
    }
    let stop = StopFlag::on_signals();
    let settings = Settings {
        train: plan.train.clone(),
        optimizer: plan.optimizer.clone(),
        schedule: plan.schedule.clone(),
        max_steps: options.max_steps,
        overfit: options.overfit,
    };
    let mut engine = Engine::new(model, device, session.feed.clone(), settings, run, sinks, stop)?;
    match &last {
        Some(checkpoint) => {
            engine = engine.restore(&checkpoint.path)?;
        }
        None => first_words(session, &mut engine)?,
    }
    let evaluator = Evaluator::<P> {
        task: session.task.clone(),
        pipeline: plan.eval_pipeline.clone(),
        device: device.clone(),
        workers: plan.train.workers(),
        paper: std::marker::PhantomData,
    };
    let (mut engine, end) = learner::train(engine, Box::new(evaluator), &root, options.tui);
    let step = engine.state().step;
    let end = match end {
        Ok(end) => end,
        Err(error) => {
            let _ = engine.sinks().finish(Outcome::Failed);
            let _ = engine.run_folder().set_status(Status::Failed, step);
            return Err(error.into());
        }
    };
    let (status, outcome) = match end {
        End::Finished | End::Early => (Status::Finished, Outcome::Finished),
        End::MaxSteps | End::Interrupted => (Status::Interrupted, Outcome::Interrupted),
    };
    engine.sinks().finish(outcome).map_err(TrainError::from)?;
    engine.run_folder().set_status(status, step)?;
    if end == End::Interrupted {
        return Ok(RunResult {
            folder: root,
            end,
            report: None,
            page: None,
        });
    }
    let averaged = engine.averaged();
    let (model, _, _, run, _) = engine.into_parts();
    let model = averaged.unwrap_or_else(|| model.valid());
    let weights = if plan.train.ema.is_some() { "ema" } else { "last" };
    let evaluation = evaluate(session, &model, device, weights, &root)?;
    run.write_eval(&serde_json::to_value(&evaluation.report).expect("a report is plain data"))?;
    let page = super::look::report(session, &evaluation, device, &root, Some(&root));
    super::look::projector(session, &evaluation, &root);
    Ok(RunResult {
        folder: root,
        end,
        report: Some(evaluation.report),
        page,
    })
}

fn run_info<P: Paper>(session: &Session<P>, options: &RunOptions) -> RunInfo {
    RunInfo {
        recipe: session.plan.recipe.name.clone(),
        recipe_fingerprint: session.plan.recipe.fingerprint(),
        data_fingerprint: session.table.fingerprint.clone(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        device: options.device_name.clone(),
        seed: session.plan.train.seed,
        ..RunInfo::default()
    }
}

/// A run goes on only with the recipe and the data that it began with.
fn hold_against<P: Paper>(session: &Session<P>, run: &RunFolder) -> crate::Result<()> {
    let info = run.info();
    let misfit = |problem: String| {
        crate::Error::from(TrainError::Checkpoint {
            path: run.root().into(),
            problem,
        })
    };
    if info.recipe_fingerprint != session.plan.recipe.fingerprint() {
        let text = run.recipe()?;
        let origin = crate::recipe::Origin::File(run.root().join("recipe.toml"));
        let before = Recipe::from_text("recipe", origin, text, &[])?;
        let differences: Vec<String> = crate::recipe::diff(&before, &session.plan.recipe)
            .iter()
            .map(|d| format!("  {d}"))
            .collect();
        return Err(misfit(format!(
            "the recipe has changed:\n{}",
            differences.join("\n")
        )));
    }
    if info.data_fingerprint != session.table.fingerprint {
        return Err(misfit(format!(
            "the data has changed: its fingerprint was {}, now it is {}",
            info.data_fingerprint, session.table.fingerprint
        )));
    }
    Ok(())
}

/// The records of a run, begun or cut back to where a checkpoint stands.
fn sinks(run: &RunFolder, state: &State, resumed: bool) -> crate::Result<Sinks> {
    let mut sinks = Sinks::new();
    let root = run.root();
    match resumed {
        true => {
            sinks.push(Jsonl::resume(root, &state.offsets)?);
            sinks.push(TensorBoard::resume(root, &state.offsets)?);
        }
        false => {
            sinks.push(Jsonl::create(root)?);
            sinks.push(TensorBoard::create(root)?);
        }
    }
    Ok(sinks)
}

/// What is logged once, before the first step: the recipe, the settings, and the first batch as the model will see it.
fn first_words<P: Paper>(
    session: &Session<P>,
    engine: &mut Engine<P::Model, crate::data::image_feed::ImageFeed>,
) -> crate::Result<()> {
    let recipe = &session.plan.recipe;
    let sinks = engine.sinks();
    let text = format!("```toml\n{}\n```", recipe.resolved());
    sinks.text(0, "recipe", &text)?;
    sinks.hparams(
        &recipe.to_json(),
        &[format!("valid/{}", session.plan.train.best), "train/loss".into()],
    )?;
    let host = session
        .feed
        .load(Job { epoch: 0, batch: 0 }, &mut Default::default())
        .map_err(TrainError::from)?;
    if let Some(preview) = session.feed.preview(&host) {
        sinks.image(0, "batch", preview.width, preview.height, &preview.rgb)?;
    }
    Ok(())
}

/// Weights of another run or file, the trunk whole. A classifier (and centres) of other classes starts anew if `new_classifier`
/// (`model.new_classifier`), else that is an error; a file that is no run's gives the trunk alone.
pub fn init_from<M: Embed>(model: M, path: &Path, new_classifier: bool) -> crate::Result<M> {
    let path = match path.is_dir() {
        true => super::weights_of(path, Some(super::Which::Best))?.0,
        false => path.to_path_buf(),
    };
    let tensors = weights::read(&path)?;
    let mut import = Import {
        source: path.display().to_string(),
        allow_missing: vec!["^head\\.".into()],
        ..Import::default()
    };
    let tensors = if tensors.keys().any(|name| name.starts_with("trunk.")) {
        import.allow_missing = vec!["^head\\.centers$".into()];
        import.allow_unused = vec!["^head\\.centers$".into()];
        if new_classifier {
            import.allow_mismatched = vec!["^head\\.(classifier\\.weight|centers)$".into()];
        }
        tensors
    } else {
        import.rename = vec![("^".into(), "trunk.".into())];
        import.allow_unused = vec!["^trunk\\.(fc|classifier|_fc)\\.".into()];
        translate(tensors).tensors
    };
    let (model, report) = weights::apply(model, &tensors, &import).map_err(other_classes)?;
    say!("weights  {}: {report}", path.display());
    Ok(model)
}

/// Where nothing but the number of classes differs, the error says so.
fn other_classes(error: WeightsError) -> WeightsError {
    match &error {
        WeightsError::Mismatch {
            source_name, report, ..
        } if report.missing.is_empty()
            && report.unused.is_empty()
            && report.mismatched.iter().all(|m| m.name.starts_with("head.")) =>
        {
            let classes = |shape: &Vec<usize>| shape.first().copied().unwrap_or_default();
            let Some(m) = report.mismatched.first() else {
                return error;
            };
            WeightsError::Classes {
                source_name: source_name.clone(),
                file: classes(&m.file),
                model: classes(&m.model),
            }
        }
        _ => error,
    }
}

/// Embeds, ranks and measures; says what it does on stderr.
pub fn evaluate<P: Paper>(
    session: &Session<P>,
    model: &P::Model,
    device: &Device,
    weights: &str,
    source: &Path,
) -> crate::Result<Evaluation> {
    let plan = &session.plan;
    let embedded = embed_all(session, model, device)?;
    say!("evaluate {}", session.task.plan(&embedded, device)?);
    let mut measured = session.task.measure(&embedded, device, false)?;
    if let Some(within) = measured.iter().find(|m| m.protocol == WITHIN) {
        for (name, queries, figures) in session.task.by_category(&within.ranks)? {
            let figure = |metric: &str| {
                figures
                    .get(metric)
                    .map_or(f64::NAN, |figure| 100.0 * figure.value)
            };
            say!(
                "category {name}: {} queries, recall@1 {:.1}, recall@20 {:.1}, mAP {:.1}",
                grouped(queries),
                figure("recall@1"),
                figure("recall@20"),
                figure("mAP")
            );
        }
    }
    if plan.eval.pixel_baseline {
        measured.push(session.task.pixel_baseline(plan.train.workers())?);
    }
    let ranks = measured.iter().find(|m| m.protocol == Mode::Instance.name());
    let ranks = ranks.map(|measured| measured.ranks.clone());
    let mut protocols = measured.into_iter().map(protocol);
    let split = match plan.eval.split {
        crate::train::retrieval::EvalSplit::Valid => "valid",
        crate::train::retrieval::EvalSplit::Test => "test",
    };
    let report = EvalReport {
        recipe: plan.recipe.name.clone(),
        data: session.table.name.clone(),
        split: split.into(),
        seed: Some(plan.train.seed),
        weights: Some(format!("{} ({weights})", source.display())),
        weights_hash: Some(weights_hash(model)),
        data_fingerprint: Some(session.table.fingerprint.clone()),
        headline: protocols.next().expect("a plan has a mode to evaluate in"),
        also: protocols.collect(),
    };
    Ok(Evaluation {
        report,
        embedded,
        ranks,
    })
}

/// Embeds queries and gallery with a progress bar.
pub fn embed_all<P: Paper>(
    session: &Session<P>,
    model: &P::Model,
    device: &Device,
) -> crate::Result<Embedded> {
    let bar = super::bar(
        "embed",
        session.task.queries().len() + session.task.gallery().len(),
    );
    let embedded = session.task.embed(
        model,
        &session.plan.eval_pipeline,
        device,
        session.plan.train.workers(),
        &mut |done, _| bar.set_position(done as u64),
    )?;
    bar.finish_and_clear();
    Ok(embedded)
}

fn protocol(measured: Measured) -> Protocol {
    let cmc = crate::metrics::cmc::curve(&measured.ranks, 50);
    Protocol {
        protocol: measured.protocol,
        settings: measured.settings,
        queries: measured.queries,
        skipped: measured.skipped,
        gallery: measured.gallery,
        metrics: measured.figures,
        cmc,
    }
}

/// A hash of all weights, so that figures can be traced to them.
pub fn weights_hash<M: Module>(model: &M) -> String {
    let mut hash = blake3::Hasher::new();
    for (name, data) in weights::collect(model) {
        hash.update(name.as_bytes());
        hash.update(data.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_string()
}

/// The recipe's published figures as the table wants them.
pub fn published(about: &PaperSection) -> Vec<Published> {
    about
        .published
        .iter()
        .map(|p| Published {
            protocol: p.protocol.clone(),
            metric: p.metric.clone(),
            value: p.value,
            source: p.note.clone(),
            confirmed: !p.unconfirmed,
        })
        .collect()
}

/// 23508032 → "23,508,032".
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
