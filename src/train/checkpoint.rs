//! What a checkpoint holds: `model.safetensors`, `optimizer.<phase>.safetensors`, `ema.safetensors`, `extra.safetensors` and
//! `state.json`. Everything else that a run depends on is a pure function of the recipe, the seed and the step.

use super::TrainError;
use super::ema::Ema;
use super::optim::Optimizer;
use super::schedule::Plateau;
use super::sinks::Offsets;
use crate::backbones::weights::{self, Import, Tensors};
use crate::device::Device;
use crate::files;
use crate::papers::Objective;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The best evaluation so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its figure.
    pub value: f64,
    /// Optimiser steps when it was measured.
    pub step: u64,
    /// Whether the averaged weights were the better ones.
    pub ema: bool,
}

/// Where a run stands. Counts are of optimiser steps taken, epochs finished, batches used of the current epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The format's version.
    pub format: u32,
    /// Optimiser steps taken.
    pub step: u64,
    /// Epochs finished.
    pub epoch: u64,
    /// Batches used of the current epoch.
    pub batch: u64,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Evaluations since then.
    pub stale: u32,
    /// Early stopping has ended the run.
    pub stopped_early: bool,
    /// The plateau schedule's memory.
    pub plateau: Plateau,
    /// Loss terms of the steps since the last log line, in order.
    pub pending: Vec<Vec<f32>>,
    /// Lengths of the logs.
    pub offsets: Offsets,
}

/// An optimiser for each phase, with the phase's name.
pub type Optimizers = Vec<(&'static str, Optimizer)>;

/// Writes a checkpoint's tensors into an empty folder that nobody reads yet; gives what `state.json` is to say.
pub fn write<O: Objective>(
    folder: &Path,
    model: &O,
    optimizers: &Optimizers,
    ema: Option<&Ema>,
    state: &State,
) -> Result<Map<String, Value>, TrainError> {
    let save = |name: &str, tensors: &Tensors| match first_not_finite(tensors) {
        // A run could not go on from such a checkpoint, so the one before it has to stay the last.
        Some((name, value)) => Err(TrainError::NotFinite {
            name,
            value,
            step: state.step,
        }),
        None => Ok(weights::write(&folder.join(name), tensors, &BTreeMap::new())?),
    };
    save("model.safetensors", &weights::collect(model))?;
    for (phase, optimizer) in optimizers {
        save(&format!("optimizer.{phase}.safetensors"), &optimizer.state())?;
    }
    if let Some(ema) = ema {
        save("ema.safetensors", &ema.state(model))?;
    }
    let extra = model.extra_state();
    if !extra.is_empty() {
        save("extra.safetensors", &extra)?;
    }
    let state = State {
        format: FORMAT,
        ..state.clone()
    };
    match serde_json::to_value(state) {
        Ok(Value::Object(map)) => Ok(map),
        _ => unreachable!("a state is a map of plain data"),
    }
}

/// Reads where a run stood.
pub fn read_state(folder: &Path) -> Result<State, TrainError> {
    let misfit = |problem: String| TrainError::Checkpoint {
        path: folder.into(),
        problem,
    };
    let text = files::read_text(&folder.join("state.json"))?;
    let state: State = serde_json::from_str(&text).map_err(|e| misfit(format!("state.json: {e}")))?;
    if state.format != FORMAT {
        return Err(misfit(format!(
            "it has format {}, this version reads {FORMAT}",
            state.format
        )));
    }
    Ok(state)
}

/// Reads the tensors back; the model is returned because loading makes a new one.
pub fn read<O: Objective>(
    folder: &Path,
    model: O,
    optimizers: &mut Optimizers,
    ema: Option<&mut Ema>,
    device: &Device,
) -> Result<O, TrainError> {
    let misfit = |problem: String| TrainError::Checkpoint {
        path: folder.into(),
        problem,
    };
    let tensors = weights::read(&folder.join("model.safetensors"))?;
    let (mut model, _) = weights::apply(model, &tensors, &Import::default())?;
    for (phase, optimizer) in optimizers {
        let state = weights::read(&folder.join(format!("optimizer.{phase}.safetensors")))?;
        optimizer.load(state, device).map_err(misfit)?;
    }
    if let Some(ema) = ema {
        ema.load(&model, &weights::read(&folder.join("ema.safetensors"))?)?;
    }
    let extra = folder.join("extra.safetensors");
    if extra.exists() {
        model = model.load_extra(weights::read(&extra)?).map_err(misfit)?;
    }
    Ok(model)
}

fn first_not_finite(tensors: &Tensors) -> Option<(String, f32)> {
    tensors.iter().find_map(|(name, data)| {
        let values = data.as_slice::<f32>().ok()?;
        values.iter().find(|v| !v.is_finite()).map(|&v| (name.clone(), v))
    })
}
