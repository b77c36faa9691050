//! The step loop.
//!
//! Every step is a function of (recipe, seed, step): the order of batches comes from the feed, chance from streams keyed by the
//! step, and the device's own generator is seeded before each pass. What a step leaves behind is in [`State`], the weights, the
//! optimisers and the averages; so a resumed run repeats the interrupted one bit for bit on the CPU.

mod jobs;
mod judge;
mod log;
mod step;

use super::TrainError;
use super::checkpoint::{self, Optimizers, State};
use super::ema::Ema;
use super::freeze;
use super::meter::Meter;
use super::optim::{Groups, Optimizer, OptimizerSection};
use super::run_folder::RunFolder;
use super::schedule::ScheduleSection;
use super::settings::TrainSection;
use super::signals::StopFlag;
use super::sinks::{EntrySplit, Sink, Sinks};
use crate::data::feed::{Feed, FeedError, Job};
use crate::data::loader::Loader;
use crate::device::Device;
use crate::papers::Objective;
use burn::tensor::Tensor;
use jobs::{Jobs, usable};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Figures of one evaluation, by name; higher is better for the one that `train.best` names.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Names and values.
    pub figures: Vec<(String, f64)>,
}

/// What the engine asks of the verb that runs it.
pub trait Hooks<O> {
    /// What [`evaluate`](Self::evaluate) measures on.
    fn measured_on(&self) -> EntrySplit {
        EntrySplit::Valid
    }

    /// Evaluates a model that is in evaluation mode.
    fn evaluate(&mut self, model: &O, state: &State) -> crate::Result<Evaluated>;

    /// Hears of every finished step, with the total loss when it was read back.
    fn on_step(&mut self, _state: &State, _batches: u64, _loss: Option<f64>) {}
}

/// What a run is set to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[train]`.
    pub train: TrainSection,
    /// `[optimizer]`.
    pub optimizer: OptimizerSection,
    /// `[schedule]`.
    pub schedule: ScheduleSection,
    /// Stop after this many optimiser steps, whatever the recipe's horizon.
    pub max_steps: Option<u64>,
    /// Train on the first n batches again and again, to see whether the model can learn at all.
    pub overfit: Option<u64>,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every epoch is done.
    Finished,
    /// `max_steps` is reached.
    MaxSteps,
    /// Early stopping.
    Early,
    /// The user asked to stop; a checkpoint is saved.
    Interrupted,
}

/// A training run in progress.
pub struct Engine<O, F> {
    /// Taken and put back in every step, so that each tensor has one owner and may be reused in place.
    model: Option<O>,
    /// Parameters that the model itself holds fixed.
    fixed: BTreeSet<String>,
    device: Device,
    optimizers: Optimizers,
    ema: Option<Ema>,
    state: State,
    terms: Vec<String>,
    unread: Vec<Tensor<1>>,
    settings: Settings,
    feed: Arc<F>,
    run: RunFolder,
    sinks: Sinks,
    stop: StopFlag,
    frozen_for: Option<u64>,
}

impl<O, F> Engine<O, F>
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    /// A run at its first step. `device` is plain; the model lives on its autodiff twin.
    pub fn new(
        model: O,
        device: &Device,
        feed: Arc<F>,
        settings: Settings,
        run: RunFolder,
        sinks: Sinks,
        stop: StopFlag,
    ) -> Result<Self, TrainError> {
        let mut optimizers = Vec::new();
        let names = freeze::names(&model);
        for phase in model.phases() {
            let groups = Groups::new(&settings.optimizer, phase.params)
                .and_then(|groups| groups.with_layers(names.iter().map(String::as_str)))
                .map_err(TrainError::Setting)?;
            optimizers.push((phase.name, Optimizer::new(groups)));
        }
        let ema = settings.train.ema.map(|decay| Ema::new(&model, decay));
        Ok(Self {
            fixed: freeze::fixed(&model),
            model: Some(model),
            device: device.clone(),
            optimizers,
            ema,
            state: State::default(),
            terms: Vec::new(),
            unread: Vec::new(),
            settings,
            feed,
            run,
            sinks,
            stop,
            frozen_for: None,
        })
    }

    /// Goes back to where a checkpoint stood. The logs must have been opened at its offsets.
    pub fn restore(mut self, folder: &Path) -> Result<Self, TrainError> {
        self.state = checkpoint::read_state(folder)?;
        let model = self.take();
        self.model = Some(checkpoint::read(
            folder,
            model,
            &mut self.optimizers,
            self.ema.as_mut(),
            &self.device,
        )?);
        Ok(self)
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The sinks, for what is logged once.
    pub fn sinks(&mut self) -> &mut Sinks {
        &mut self.sinks
    }

    /// The run's folder.
    pub fn run_folder(&mut self) -> &mut RunFolder {
        &mut self.run
    }

    /// The model as it is trained.
    pub fn model(&self) -> &O {
        self.model
            .as_ref()
            .expect("the model is put back after every update")
    }

    pub(super) fn take(&mut self) -> O {
        self.model
            .take()
            .expect("the model is put back after every update")
    }

    pub(super) fn put(&mut self, model: O) {
        self.model = Some(model);
    }

    pub(super) fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// The recipe's number of epochs.
    pub fn epochs(&self) -> u64 {
        self.settings.train.epochs
    }

    /// The model to evaluate or export: the averaged one if there is an average.
    pub fn averaged(&self) -> Option<O> {
        self.ema.as_ref().map(|ema| ema.model(self.model()))
    }

    /// Gives the model back, with the run's folder and sinks.
    pub fn into_parts(mut self) -> (O, Option<Ema>, State, RunFolder, Sinks) {
        (self.take(), self.ema, self.state, self.run, self.sinks)
    }

    fn batches(&self, epoch: u64) -> Result<u64, TrainError> {
        let accumulate = self.settings.optimizer.accumulate;
        match usable(&*self.feed, epoch, self.settings.overfit, accumulate)? {
            0 => Err(TrainError::NoStep {
                epoch,
                batches: self.feed.batches(epoch)?,
                accumulate,
            }),
            batches => Ok(batches),
        }
    }

    /// Trains until an end is reached. On an error the last checkpoint is as it was.
    pub fn train(&mut self, hooks: &mut dyn Hooks<O>) -> Result<End, TrainError> {
        if self.state.stopped_early {
            return Ok(End::Early);
        }
        let epochs = self.settings.train.epochs;
        let mut loader = self.loader()?;
        let mut meter = Meter::start();
        loop {
            if self.state.epoch >= epochs {
                return Ok(End::Finished);
            }
            if self.settings.max_steps.is_some_and(|max| self.state.step >= max) {
                self.checkpoint()?;
                return Ok(End::MaxSteps);
            }
            if self.stop.is_raised() {
                self.checkpoint()?;
                return Ok(End::Interrupted);
            }
            let batches = self.batches(self.state.epoch)?;
            self.step(&mut loader, batches)?;
            let every = self.settings.train.log_every;
            let mut loss = None;
            if self.state.step.is_multiple_of(every) {
                loss = self.log(batches, &mut meter, &mut loader)?;
            }
            self.sinks.tick(self.state.step, self.progress(batches));
            if self.state.batch == batches {
                self.state.batch = 0;
                self.state.epoch += 1;
                if self.end_of_epoch(hooks)? {
                    self.checkpoint()?;
                    return Ok(End::Early);
                }
            } else if let Some(every) = self.settings.train.checkpoint_every
                && self.state.step.is_multiple_of(every)
            {
                self.checkpoint()?;
            }
            hooks.on_step(&self.state, batches, loss);
        }
    }

    fn progress(&self, batches: u64) -> f64 {
        self.state.epoch as f64 + self.state.batch as f64 / batches as f64
    }

    /// Batches from here to the last epoch's end, made ahead of need.
    fn loader(&self) -> Result<HostBatches<O::Host>, TrainError> {
        // An epoch that cannot be planned fails here, not on a loader thread.
        self.batches(self.state.epoch)?;
        let jobs = Jobs {
            feed: self.feed.clone(),
            next: Job {
                epoch: self.state.epoch,
                batch: self.state.batch,
            },
            epochs: self.settings.train.epochs,
            accumulate: self.settings.optimizer.accumulate,
            overfit: self.settings.overfit,
            left: self
                .settings
                .max_steps
                .map(|max| max.saturating_sub(self.state.step) * self.settings.optimizer.accumulate),
        };
        let feed = self.feed.clone();
        let jobs: Box<dyn Iterator<Item = Job> + Send> = Box::new(jobs);
        Ok(Loader::spawn(
            self.settings.train.workers(),
            self.settings.train.queue,
            jobs,
            F::Scratch::default,
            move |scratch: &mut F::Scratch, job: Job| feed.load(job, scratch),
        )?)
    }
}

/// What the loader's threads make, in order.
type HostBatches<H> = Loader<Box<dyn Iterator<Item = Job> + Send>, H, FeedError>;
