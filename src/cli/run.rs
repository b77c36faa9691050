//! One training run from recipe to figures.

use super::say;
use super::session::Session;
use crate::backbones::weights;
use crate::data::feed::{Feed, Job};
use crate::device::Device;
use crate::recipe::{PaperSection, Recipe};
use crate::report::figures::{EvalReport, Published};
use crate::train::checkpoint::State;
use crate::train::engine::{End, Engine, Settings};
use crate::train::run_folder::{RunFolder, RunInfo, Status};
use crate::train::settings::Finish;
use crate::train::signals::StopFlag;
use crate::train::sinks::jsonl::Jsonl;
use crate::train::sinks::progress::{self, Progress};
use crate::train::sinks::tensorboard::TensorBoard;
use crate::train::sinks::{Outcome, Sink, Sinks};
use crate::train::{TrainError, checkpoint, learner};
use burn::module::Module;
use std::path::PathBuf;

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

/// Trains, evaluates and writes everything down.
pub fn run<S: Session>(session: &S, device: &Device, options: &RunOptions) -> crate::Result<RunResult> {
    let common = session.common();
    let root = options.runs.join(&options.name);
    let (model, loaded) = session.model(device)?;
    if let Some(report) = loaded {
        say!("weights  {report}");
    }
    let model = match &options.init_from {
        Some(path) => session.init_from(model, path, device)?,
        None => model,
    };
    say!(
        "model    {} parameters, of the paper room {}",
        grouped(weights::parameter_count(&model)),
        S::ROOM
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
                &common.recipe.resolved(),
            )?
        }
        false => RunFolder::create(
            &options.runs,
            &options.name,
            run_info(session, options),
            &common.recipe.resolved(),
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
            name: common.recipe.name.clone(),
            steps,
            epochs: common.train.epochs as f64,
            start: state.step,
            every: std::time::Duration::from_secs(10),
            headline: [common.train.best.as_str()]
                .iter()
                .chain(S::SHOWN)
                .map(|name| name.to_string())
                .collect(),
        }));
    }
    let stop = StopFlag::on_signals();
    let settings = Settings {
        train: common.train.clone(),
        optimizer: common.optimizer.clone(),
        schedule: common.schedule.clone(),
        max_steps: options.max_steps,
        overfit: options.overfit,
    };
    let mut engine = Engine::new(model, device, session.feed().clone(), settings, run, sinks, stop)?;
    match &last {
        Some(checkpoint) => {
            engine = engine.restore(&checkpoint.path)?;
        }
        None => {
            session.keep(&root)?;
            first_words(session, &mut engine)?;
        }
    }
    let (mut engine, end) = learner::train(engine, session.evaluator(device), &root, options.tui);
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
        End::MaxSteps => (Status::Stopped, Outcome::Interrupted),
        End::Interrupted => (Status::Interrupted, Outcome::Interrupted),
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
    let mut model = averaged.unwrap_or_else(|| model.valid());
    let which = if common.train.ema.is_some() { "ema" } else { "last" };
    // In the words of `eval` for the same weights: the two reports are one.
    let mut which = format!("{which}, step {step}");
    if common.train.finish == Finish::Best && run.best().is_some() {
        let (path, name) = super::weights_of(&root, Some(super::Which::Best))?;
        say!("weights  {} ({name})", path.display());
        model = super::eval::apply(model, &weights::read(&path)?, &path)?;
        which = name;
    }
    let evaluation = session.evaluate(&model, device, &which, &root)?;
    run.write_eval(&serde_json::to_value(&evaluation.report).expect("a report is plain data"))?;
    let page = session.look(&evaluation, device, &root, Some(&root));
    Ok(RunResult {
        folder: root,
        end,
        report: Some(evaluation.report),
        page,
    })
}

fn run_info<S: Session>(session: &S, options: &RunOptions) -> RunInfo {
    RunInfo {
        recipe: session.common().recipe.name.clone(),
        recipe_fingerprint: session.common().recipe.fingerprint(),
        data_fingerprint: session.fingerprint().into(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        device: options.device_name.clone(),
        seed: session.common().train.seed,
        ..RunInfo::default()
    }
}

/// A run goes on only with the recipe and the data that it began with.
fn hold_against<S: Session>(session: &S, run: &RunFolder) -> crate::Result<()> {
    let info = run.info();
    let misfit = |problem: String| {
        crate::Error::from(TrainError::Checkpoint {
            path: run.root().into(),
            problem,
        })
    };
    if info.recipe_fingerprint != session.common().recipe.fingerprint() {
        let text = run.recipe()?;
        let origin = crate::recipe::Origin::File(run.root().join("recipe.toml"));
        let before = Recipe::from_text("recipe", origin, text, &[])?;
        let differences: Vec<String> = crate::recipe::diff(&before, &session.common().recipe)
            .iter()
            .map(|d| format!("  {d}"))
            .collect();
        return Err(misfit(format!(
            "the recipe has changed:\n{}",
            differences.join("\n")
        )));
    }
    if info.data_fingerprint != session.fingerprint() {
        return Err(misfit(format!(
            "the data has changed: its fingerprint was {}, now it is {}",
            info.data_fingerprint,
            session.fingerprint()
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
fn first_words<S: Session>(session: &S, engine: &mut Engine<S::Model, S::Feed>) -> crate::Result<()> {
    let recipe = &session.common().recipe;
    let sinks = engine.sinks();
    let text = format!("```toml\n{}\n```", recipe.resolved());
    sinks.text(0, "recipe", &text)?;
    sinks.hparams(
        &recipe.to_json(),
        &[
            format!("{}/{}", session.measured_on().name(), session.common().train.best),
            "train/loss".into(),
        ],
    )?;
    let host = session
        .feed()
        .load(Job { epoch: 0, batch: 0 }, &mut Default::default())
        .map_err(TrainError::from)?;
    if let Some(preview) = session.feed().preview(&host) {
        sinks.image(0, "batch", preview.width, preview.height, &preview.rgb)?;
    }
    Ok(())
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
