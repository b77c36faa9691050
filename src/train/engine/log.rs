//! The only wait for the device in the loop: losses are read back for many steps at once, held against infinity, and logged.

use super::{Engine, HostBatches};
use crate::data::feed::Feed;
use crate::papers::Objective;
use crate::train::TrainError;
use crate::train::meter::Meter;
use crate::train::sinks::{Entry, EntrySplit, Sink};
use burn::tensor::Tensor;
use std::time::{SystemTime, UNIX_EPOCH};

impl<O, F> Engine<O, F>
where
    O: Objective,
    F: Feed<Host = O::Host>,
{
    /// Reads the losses of all steps since the last time: the only wait for the device in the loop.
    pub(super) fn read_back(&mut self) -> Result<(), TrainError> {
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
    pub(super) fn log(
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
            for (group, lr) in optimizer.groups().iter().zip(self.rates(index, rate)) {
                // What never moves has no rate to look at.
                let Some(lr) = group.rate_in(self.state.epoch, lr) else {
                    continue;
                };
                let name = &group.name;
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

    pub(super) fn entry(
        &mut self,
        epoch: f64,
        split: EntrySplit,
        values: &[(String, f64)],
    ) -> Result<(), TrainError> {
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
}
