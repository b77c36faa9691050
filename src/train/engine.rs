//! The step loop: phases, accumulation, clipping, updates, averages, logs, evaluations and checkpoints.
//!
//! Every step is a function of (recipe, seed, step): the order of batches comes from the feed, chance from streams keyed by the
//! step, and the device's own generator is seeded before each pass. What a step leaves behind is in [`State`], the weights, the
//! optimisers and the averages; so a resumed run repeats the interrupted one bit for bit on the CPU.

use super::checkpoint::{self, Best, Optimizers, State};
use super::ema::Ema;
use super::meter::Meter;
use super::optim::{Groups, Optimizer, OptimizerSection};
use super::record::StepRecord;
use super::run_folder::RunFolder;
use super::schedule::ScheduleSection;
use super::settings::TrainSection;
use super::signals::StopFlag;
use super::sinks::{Entry, EntrySplit, Histogram, Sink, Sinks};
use super::{TrainError, freeze, grads};
use crate::data::feed::{Feed, FeedError, Job};
use crate::data::loader::Loader;
use crate::device::Device;
use crate::papers::{Clock, Losses, Objective};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Figures of one evaluation, by name; higher is better for the one that `train.best` names.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Names and values.
    pub figures: Vec<(String, f64)>,
}

/// What the engine asks of the verb that runs it.
pub trait Hooks<O> {
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
        for phase in model.phases() {
            let groups = Groups::new(&settings.optimizer, phase.params).map_err(TrainError::Setting)?;
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

    /// One optimiser step of every phase on the next batches.
    fn step(&mut self, loader: &mut HostBatches<O::Host>, batches: u64) -> Result<(), TrainError> {
        let training = self.device.clone().autodiff();
        let accumulate = self.settings.optimizer.accumulate;
        self.freeze();
        let mut model = self.take();
        let mut micro_batches = Vec::with_capacity(accumulate as usize);
        for _ in 0..accumulate {
            match loader.next() {
                Some(Ok(host)) => micro_batches.push(model.upload(host, &training)),
                Some(Err(error)) => {
                    self.model = Some(model);
                    return Err(error.into());
                }
                None => unreachable!("the loop ends before its batches do"),
            }
        }
        let rate = self.rate(batches);
        let mut record = StepRecord::new(model.phases().len() > 1);
        for (index, phase) in model.phases().into_iter().enumerate() {
            for repeat in 0..phase.repeat {
                let last = repeat + 1 == phase.repeat;
                let mut sum: Option<GradientsParams> = None;
                for (micro, batch) in micro_batches.iter().enumerate() {
                    let clock = self.clock(micro as u64);
                    self.device.seed(pass_seed(&clock, index, repeat));
                    let Losses { total, terms } = model.loss(index, batch, &clock);
                    if last {
                        record.losses(phase.name, &total, terms);
                    }
                    let grads = GradientsParams::from_grads(total.backward(), &model);
                    sum = Some(match sum {
                        Some(sum) => grads::add(&model, sum, grads),
                        None => grads,
                    });
                }
                let Some(mut grads) = sum else { continue };
                if accumulate > 1 {
                    let mean = Tensor::<1>::full([1], 1.0 / accumulate as f64, &self.device);
                    grads = grads::scale(&model, grads, mean);
                }
                let epoch = self.state.epoch;
                let groups = self.optimizers[index].1.groups();
                grads = grads::retain(&model, grads, |path| groups.trains(path, epoch));
                grads = model.edit_grads(index, grads);
                if let Some(limit) = self.settings.optimizer.clip_norm {
                    let (clipped, norm) = grads::clip(&model, grads, limit);
                    grads = clipped;
                    if let (Some(norm), true) = (norm, last) {
                        record.value(phase.name, "grad_norm", norm);
                    }
                }
                let lrs = self.rates(index, rate);
                model = self.optimizers[index].1.step(model, grads, &lrs);
                model = model.after_step(index, &micro_batches[0], &self.clock(0));
            }
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&model);
        }
        self.model = Some(model);
        self.state.batch += accumulate;
        self.state.step += 1;
        let (names, values) = record.finish(accumulate);
        self.terms = names;
        self.unread.push(values);
        Ok(())
    }

    fn clock(&self, micro: u64) -> Clock {
        Clock {
            seed: self.settings.train.seed,
            step: self.state.step,
            epoch: self.state.epoch,
            micro,
        }
    }

    /// The schedule's factor for the step that is about to be taken.
    fn rate(&self, batches: u64) -> f64 {
        self.settings.schedule.factor(
            self.state.epoch,
            self.state.batch,
            batches,
            self.settings.train.epochs,
            &self.state.plateau,
        )
    }

    /// The learning rate of every group of a phase.
    fn rates(&self, phase: usize, rate: f64) -> Vec<f64> {
        let groups = self.optimizers[phase].1.groups();
        groups
            .iter()
            .map(|g| g.lr * if g.scheduled { rate } else { 1.0 })
            .collect()
    }

    /// Frozen parameters take no part in the backward pass, and their batch norms keep their statistics.
    fn freeze(&mut self) {
        let epoch = self.state.epoch;
        if self.frozen_for == Some(epoch) {
            return;
        }
        self.frozen_for = Some(epoch);
        let model = self.take();
        let trains = |path: &str| {
            self.optimizers
                .iter()
                .any(|(_, o)| o.groups().trains(path, epoch))
        };
        self.model = Some(freeze::apply(model, &self.fixed, trains));
    }

    /// Reads the losses of all steps since the last time: the only wait for the device in the loop.
    fn read_back(&mut self) -> Result<(), TrainError> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let steps = self.unread.len();
        let all = Tensor::cat(std::mem::take(&mut self.unread), 0);
        let all: Vec<f32> = all
            .try_into_data()
            .map_err(|e| TrainError::Device(format!("{e:?}")))?
            .try_into_vec_as()
            .map_err(|e| TrainError::Device(format!("{e:?}")))?;
        for (i, row) in all.chunks(self.terms.len()).enumerate() {
            let bad: Vec<usize> = (0..row.len()).filter(|&i| !row[i].is_finite()).collect();
            // The total is the sum of the others: one of them is to blame, if there is one.
            let is_total = |i: usize| self.terms[i].rsplit('/').next() == Some("loss");
            if let Some(&bad) = bad.iter().find(|&&i| !is_total(i)).or(bad.first()) {
                return Err(TrainError::NotFinite {
                    name: self.terms[bad].clone(),
                    value: row[bad],
                    step: self.state.step - (steps - 1 - i) as u64,
                });
            }
            self.state.pending.push(row.to_vec());
        }
        Ok(())
    }

    /// Logs the mean losses since the last line, and the learning rates of the step just taken. Gives the total loss.
    fn log(
        &mut self,
        batches: u64,
        meter: &mut Meter,
        loader: &mut HostBatches<O::Host>,
    ) -> Result<Option<f64>, TrainError> {
        self.read_back()?;
        let rows = std::mem::take(&mut self.state.pending);
        if rows.is_empty() {
            return Ok(None);
        }
        let mut values: Vec<(String, f64)> = self
            .terms
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let sum: f64 = rows.iter().map(|row| f64::from(row[i])).sum();
                (name.clone(), sum / rows.len() as f64)
            })
            .collect();
        let loss = values.first().map(|(_, value)| *value);
        let taken = self.state.batch - self.settings.optimizer.accumulate;
        let rate = self.settings.schedule.factor(
            self.state.epoch,
            taken,
            batches,
            self.settings.train.epochs,
            &self.state.plateau,
        );
        for (index, (phase, optimizer)) in self.optimizers.iter().enumerate() {
            let names = optimizer.groups().iter().map(|g| g.name.clone());
            for (name, lr) in names.zip(self.rates(index, rate)) {
                let name = match self.optimizers.len() {
                    1 => format!("lr/{name}"),
                    _ => format!("lr/{phase}/{name}"),
                };
                values.push((name, lr));
            }
        }
        let epoch = self.progress(batches);
        self.entry(epoch, EntrySplit::Train, &values)?;
        let images = rows.len() as u64 * self.settings.optimizer.accumulate * self.feed.items();
        let system = meter.lap(images, loader.wait_seconds());
        self.entry(epoch, EntrySplit::System, &system)?;
        Ok(loss)
    }

    fn entry(&mut self, epoch: f64, split: EntrySplit, values: &[(String, f64)]) -> Result<(), TrainError> {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64());
        self.sinks.scalars(&Entry {
            step: self.state.step,
            epoch,
            split,
            values,
            wall,
        })?;
        Ok(())
    }

    /// Evaluates, keeps the best, saves. Gives whether to stop early.
    fn end_of_epoch(&mut self, hooks: &mut dyn Hooks<O>) -> Result<bool, TrainError> {
        let train = self.settings.train.clone();
        let epoch = self.state.epoch;
        if train.histograms_every > 0 && epoch.is_multiple_of(train.histograms_every) {
            self.histograms()?;
        }
        let last = epoch == train.epochs;
        if train.evaluate_every == 0 || !(last || epoch.is_multiple_of(train.evaluate_every)) {
            if last || train.checkpoint_every.is_none() {
                self.checkpoint()?;
            }
            return Ok(false);
        }
        // Nothing is evaluated, let alone kept as the best, before the losses that led to it are known to be finite.
        self.read_back()?;
        let mut value = self.evaluate(hooks, false)?;
        let mut ema = false;
        if self.ema.is_some() {
            let averaged = self.evaluate(hooks, true)?;
            ema = averaged >= value;
            value = value.max(averaged);
        }
        if self.state.best.as_ref().is_none_or(|best| value > best.value) {
            self.state.best = Some(Best {
                value,
                step: self.state.step,
                ema,
            });
            self.state.stale = 0;
        } else {
            self.state.stale += 1;
        }
        self.state.plateau.observe(&self.settings.schedule, value);
        self.state.stopped_early = train
            .early_stopping
            .is_some_and(|patience| self.state.stale > patience);
        if !self.state.stopped_early {
            self.checkpoint()?;
        }
        Ok(self.state.stopped_early)
    }

    /// Evaluates the model or its average; gives the figure that `train.best` names.
    fn evaluate(&mut self, hooks: &mut dyn Hooks<O>, averaged: bool) -> Result<f64, TrainError> {
        let model = match self.averaged() {
            Some(model) if averaged => model,
            _ => self.model().valid(),
        };
        let evaluated = hooks
            .evaluate(&model, &self.state)
            .map_err(|source| TrainError::Evaluation {
                step: self.state.step,
                source: Box::new(source),
            })?;
        let best = &self.settings.train.best;
        let value = evaluated.figures.iter().find(|(name, _)| name == best);
        let value = value.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = evaluated.figures.iter().map(|(name, _)| name.as_str()).collect();
            TrainError::Setting(format!(
                "train.best = \"{best}\" is none of the evaluated figures: {}",
                names.join(", ")
            ))
        })?;
        let prefix = if averaged { "ema/" } else { "" };
        let values: Vec<(String, f64)> = evaluated
            .figures
            .into_iter()
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect();
        self.entry(self.state.epoch as f64, EntrySplit::Valid, &values)?;
        Ok(value)
    }

    fn histograms(&mut self) -> Result<(), TrainError> {
        for (name, data) in crate::backbones::weights::collect(self.model()) {
            if let Ok(values) = data.as_slice::<f32>() {
                self.sinks.histogram(
                    self.state.step,
                    &format!("weights/{name}"),
                    &Histogram::new(values),
                )?;
            }
        }
        Ok(())
    }

    /// Saves everything that the rest of the run depends on.
    pub fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.read_back()?;
        self.state.offsets = self.sinks.sync()?;
        let step = self.state.step;
        let model = self
            .model
            .as_ref()
            .expect("the model is put back after every update");
        let (optimizers, ema, state) = (&self.optimizers, self.ema.as_ref(), &self.state);
        self.run.save_checkpoint(step, |folder| {
            checkpoint::write(folder, model, optimizers, ema, state)
        })?;
        if let Some(best) = self.state.best.as_ref().filter(|best| best.step == step) {
            self.run.mark_best(step, &self.settings.train.best, best.value)?;
        }
        self.run.retain(self.settings.train.keep)?;
        Ok(())
    }
}

/// What the loader's threads make, in order.
type HostBatches<H> = Loader<Box<dyn Iterator<Item = Job> + Send>, H, FeedError>;

/// The batches of an epoch that make whole steps: a step never averages over two epochs, so what is left over is dropped.
fn usable(feed: &impl Feed, epoch: u64, overfit: Option<u64>, accumulate: u64) -> Result<u64, FeedError> {
    let batches = match overfit {
        Some(few) => feed.batches(0)?.min(few.max(1)),
        None => feed.batches(epoch)?,
    };
    Ok(batches / accumulate * accumulate)
}

/// All batches from a place on. Epochs are planned when they are reached.
struct Jobs<F> {
    feed: Arc<F>,
    next: Job,
    epochs: u64,
    accumulate: u64,
    overfit: Option<u64>,
    left: Option<u64>,
}

impl<F: Feed> Iterator for Jobs<F> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        if self.left == Some(0) {
            return None;
        }
        loop {
            if self.next.epoch >= self.epochs {
                return None;
            }
            // The engine meets the same error when it gets there.
            let batches = usable(&*self.feed, self.next.epoch, self.overfit, self.accumulate).ok()?;
            if self.next.batch < batches {
                break;
            }
            self.next = Job {
                epoch: self.next.epoch + 1,
                batch: 0,
            };
        }
        let job = Job {
            epoch: if self.overfit.is_some() {
                0
            } else {
                self.next.epoch
            },
            ..self.next
        };
        self.next.batch += 1;
        self.left = self.left.map(|left| left - 1);
        Some(job)
    }
}

/// The seed of the device's own generator for one pass.
fn pass_seed(clock: &Clock, phase: usize, repeat: usize) -> u64 {
    crate::random::stream(
        clock.seed,
        "pass",
        &[clock.step, clock.micro, phase as u64, repeat as u64],
    )
    .bits()
}
