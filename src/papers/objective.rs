//! What is trained by gradients: a module, the phases of a step, and the losses of a phase.

use crate::backbones::weights::Tensors;
use crate::device::Device;
use burn::module::{Module, ModuleDisplay};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Where training stands when a loss is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// The run's seed; chance in a loss comes from [`crate::random::stream`] keyed by it and the step.
    pub seed: u64,
    /// Optimiser steps taken before this one.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Which of the batches whose gradients are averaged into this step, from 0.
    pub micro: u64,
}

/// One optimisation within a step: which parameters, by which optimiser, how often.
///
/// Most papers have one. A GAN has two: its critic, repeated, then its generator.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Names the phase in logs and checkpoints.
    pub name: &'static str,
    /// A regular expression on parameter names: what this phase updates.
    pub params: &'static str,
    /// How many updates per step.
    pub repeat: usize,
}

impl Phase {
    /// The only phase of an ordinary model: every parameter, once a step.
    pub fn only() -> Vec<Phase> {
        vec![Phase {
            name: "model",
            params: "",
            repeat: 1,
        }]
    }
}

/// The loss of one batch, with the terms that it is the sum of.
pub struct Losses {
    /// What is differentiated: one value.
    pub total: Tensor<1>,
    /// Named terms for the logs, one value each, already weighted; the same names in every step.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

impl Losses {
    /// The sum of weighted terms, each `[1]`. Without any term the loss is 0; `like` says on which device.
    pub fn sum<const D: usize>(terms: Vec<(&'static str, Tensor<1>)>, like: &Tensor<D>) -> Self {
        let mut total: Option<Tensor<1>> = None;
        for (_, value) in &terms {
            total = Some(match total {
                Some(total) => total + value.clone(),
                None => value.clone(),
            });
        }
        let total = total.unwrap_or_else(|| Tensor::zeros([1], &like.device()));
        Self { total, terms }
    }
}

/// A model with what it is trained for.
pub trait Objective: Module + ModuleDisplay + 'static {
    /// A batch as the loader's threads make it.
    type Host: Send + 'static;
    /// The batch on the device.
    type Batch;

    /// Moves a batch to the device.
    fn upload(&self, host: Self::Host, device: &Device) -> Self::Batch;

    /// The phases of a step, in order; the same in every step.
    fn phases(&self) -> Vec<Phase> {
        Phase::only()
    }

    /// The losses of one phase.
    fn loss(&self, phase: usize, batch: &Self::Batch, clock: &Clock) -> Losses;

    /// Changes gradients before they are clipped and applied.
    fn edit_grads(&self, _phase: usize, grads: GradientsParams) -> GradientsParams {
        grads
    }

    /// What follows an update: momentum encoders, memories.
    fn after_step(self, _phase: usize, _batch: &Self::Batch, _clock: &Clock) -> Self {
        self
    }

    /// State that is no parameter but must survive a resume.
    fn extra_state(&self) -> Tensors {
        Tensors::new()
    }

    /// Takes back what [`extra_state`](Self::extra_state) gave; the text says what does not fit.
    fn load_extra(self, _state: Tensors) -> Result<Self, String> {
        Ok(self)
    }
}
