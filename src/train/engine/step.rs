//! One optimiser step: forward and backward passes of every phase, accumulation, clipping, updates, averages.

use super::{Engine, HostBatches};
use crate::data::feed::Feed;
use crate::papers::{Clock, Losses, Objective};
use crate::train::record::StepRecord;
use crate::train::{TrainError, freeze, grads};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

impl<O, F> Engine<O, F>
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    /// One optimiser step of every phase on the next batches.
    pub(super) fn step(&mut self, loader: &mut HostBatches<O::Host>, batches: u64) -> Result<(), TrainError> {
        let training = self.device.clone().autodiff();
        let accumulate = self.settings.optimizer.accumulate;
        let loss_scale = self.settings.optimizer.loss_scale;
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
                    let total = match loss_scale == 1.0 {
                        true => total,
                        false => total * loss_scale,
                    };
                    let grads = GradientsParams::from_grads(total.backward(), &model);
                    sum = Some(match sum {
                        Some(sum) => grads::add(&model, sum, grads),
                        None => grads,
                    });
                }
                let Some(mut grads) = sum else { continue };
                let divisor = accumulate as f64 * loss_scale;
                if divisor != 1.0 {
                    let mean = Tensor::<1>::full([1], 1.0 / divisor, &self.device);
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
    pub(super) fn rates(&self, phase: usize, rate: f64) -> Vec<f64> {
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
