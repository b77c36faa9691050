//! What happens at an epoch's end: evaluation, the best so far, early stopping, the plateau schedule, histograms, checkpoints.

use super::{Engine, Hooks};
use crate::data::feed::Feed;
use crate::papers::Objective;
use crate::train::TrainError;
use crate::train::checkpoint::{self, Best};
use crate::train::sinks::{Histogram, Sink};

impl<O, F> Engine<O, F>
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    /// Evaluates, keeps the best, saves. Gives whether to stop early.
    pub(super) fn end_of_epoch(&mut self, hooks: &mut dyn Hooks<O>) -> Result<bool, TrainError> {
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
        self.entry(self.state.epoch as f64, hooks.measured_on(), &values)?;
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
