//! Optimisers over parameter groups.
//!
//! The update rules are torch's, with its defaults. They are ours rather than burn's `ModuleOptimizer` because a run must resume
//! bit for bit from files that any machine can read: burn keys its states by random parameter ids and loads them through the
//! process's default device, which need not exist.

mod fused;
mod groups;
mod rule;

pub use groups::{Group, Groups};
pub use rule::{Rule, Slot};

use crate::backbones::weights::Tensors;
use crate::device::Device;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[optimizer]`: the update rule, its settings, and groups of parameters that differ.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSection {
    /// The update rule.
    pub kind: Kind,
    /// The base learning rate, before the schedule.
    #[schemars(range(min = 0.0))]
    pub lr: f64,
    /// Decay rates of Adam's two moments.
    #[serde(default = "default_betas")]
    pub betas: [f64; 2],
    /// Added to Adam's denominator.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Weight decay: added to the gradient (adam, sgd) or applied to the weight (adamw).
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// SGD's momentum.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's form of momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// Clip the gradients' global norm to this.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Average the gradients of this many batches into one step.
    #[serde(default = "default_accumulate")]
    #[schemars(range(min = 1))]
    pub accumulate: u64,
    /// Multiply the loss by this before the backward pass and divide the gradients by it: small gradients survive in f16.
    #[serde(default = "default_loss_scale")]
    #[schemars(range(min = 1.0))]
    pub loss_scale: f64,
    /// Layer-wise decay of the learning rate: that of a parameter below n blocks of the trunk is multiplied by this to the power of
    /// n + 1 (heads keep theirs, the last block's is multiplied once, the stem's most often); on top of what its group says.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub layer_decay: Option<f64>,
    /// Parameters, by a regular expression on their names, that are trained differently; the last match counts.
    #[serde(default)]
    pub groups: Vec<GroupSection>,
}

fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}
fn default_eps() -> f64 {
    1e-8
}
fn default_accumulate() -> u64 {
    1
}
fn default_loss_scale() -> f64 {
    1.0
}

/// An update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Adam with L2 weight decay in the gradient, as `torch.optim.Adam`.
    Adam,
    /// Adam with decoupled weight decay, as `torch.optim.AdamW`.
    Adamw,
    /// Stochastic gradient descent, as `torch.optim.SGD`.
    Sgd,
}

/// One of `[[optimizer.groups]]`; what is absent is as in `[optimizer]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSection {
    /// A regular expression that is searched for in parameter names such as `trunk.layer4.0.conv1.weight`.
    pub params: String,
    /// The update rule.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// The learning rate, instead of the base one.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Times the base learning rate.
    #[serde(default)]
    pub lr_factor: Option<f64>,
    /// Whether the schedule applies.
    #[serde(default = "default_true")]
    pub scheduled: bool,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// SGD's momentum.
    #[serde(default)]
    pub momentum: Option<f64>,
    /// Never updated.
    #[serde(default)]
    pub frozen: bool,
    /// Not updated in the first n epochs.
    #[serde(default)]
    pub frozen_epochs: Option<u64>,
}

fn default_true() -> bool {
    true
}

/// The optimiser of one phase: groups, and a slot of state for each parameter that was ever updated.
pub struct Optimizer {
    groups: Groups,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// An optimiser without state.
    pub fn new(groups: Groups) -> Self {
        Self {
            groups,
            slots: BTreeMap::new(),
        }
    }

    /// The parameter groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Updates every parameter that has a gradient. `lrs` holds a learning rate for each group.
    pub fn step<M: Module>(&mut self, model: M, grads: GradientsParams, lrs: &[f64]) -> M {
        model.map(&mut Update {
            path: Vec::new(),
            grads,
            lrs,
            groups: &self.groups,
            slots: &mut self.slots,
        })
    }

    /// The state as named tensors: `<parameter>.{step, first, second}`.
    pub fn state(&self) -> Tensors {
        let mut tensors = Tensors::new();
        for (path, slot) in &self.slots {
            tensors.insert(
                format!("{path}.step"),
                TensorData::new(vec![slot.steps as i64], [1]),
            );
            if let Some(first) = &slot.first {
                tensors.insert(format!("{path}.first"), first.clone().into_data());
            }
            if let Some(second) = &slot.second {
                tensors.insert(format!("{path}.second"), second.clone().into_data());
            }
        }
        tensors
    }

    /// Takes back what [`state`](Self::state) gave. The text says what does not fit.
    pub fn load(&mut self, tensors: Tensors, device: &Device) -> Result<(), String> {
        self.slots.clear();
        for (name, data) in tensors {
            let (path, field) = name
                .rsplit_once('.')
                .ok_or_else(|| format!("optimiser state `{name}` names no parameter"))?;
            let slot = self.slots.entry(path.to_string()).or_default();
            match field {
                "step" => {
                    let steps = data
                        .try_into_vec_as::<i64>()
                        .map_err(|e| format!("optimiser state `{name}`: {e:?}"))?;
                    slot.steps = *steps
                        .first()
                        .ok_or_else(|| format!("optimiser state `{name}` is empty"))?
                        as u64;
                }
                "first" => slot.first = Some(Tensor::from_data(data, device)),
                "second" => slot.second = Some(Tensor::from_data(data, device)),
                _ => return Err(format!("optimiser state `{name}` is unknown")),
            }
        }
        Ok(())
    }
}

struct Update<'a> {
    path: Vec<String>,
    grads: GradientsParams,
    lrs: &'a [f64],
    groups: &'a Groups,
    slots: &'a mut BTreeMap<String, Slot>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let path = self.path.join(".");
        let (index, factor) = (self.groups.of(&path), self.groups.factor(&path));
        let (id, tensor, mapper) = param.consume();
        let require_grad = tensor.is_require_grad();
        let checkpointing = tensor.gradient_checkpointing_strategy();
        let shape = tensor.shape();
        let count = shape.num_elements();
        let slot = self.slots.entry(path).or_default();
        let updated = self.groups.rule(index).step(
            self.lrs[index] * factor,
            tensor.inner().reshape([count]),
            grad.reshape([count]),
            slot,
        );
        let mut updated = Tensor::from_inner(updated.reshape(shape));
        if let Some(strategy) = checkpointing {
            updated = updated.with_gradient_checkpointing_strategy(strategy);
        }
        if require_grad {
            updated = updated.require_grad();
        }
        Param::from_mapped_value(id, updated, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    fn section(kind: Kind) -> OptimizerSection {
        OptimizerSection {
            kind,
            lr: 0.1,
            betas: default_betas(),
            eps: default_eps(),
            weight_decay: 0.0,
            momentum: 0.9,
            nesterov: false,
            clip_norm: None,
            accumulate: 1,
            loss_scale: 1.0,
            layer_decay: None,
            groups: vec![GroupSection {
                params: "bias$".into(),
                kind: Some(Kind::Sgd),
                lr: Some(1.0),
                lr_factor: None,
                scheduled: false,
                weight_decay: None,
                momentum: Some(0.0),
                frozen: false,
                frozen_epochs: None,
            }],
        }
    }

    fn model(device: &Device) -> Linear {
        let mut linear = LinearConfig::new(2, 1).init(device);
        linear.weight = Param::from_data([[1.0f32], [2.0]], device);
        linear.bias = Some(Param::from_data([0.5f32], device));
        linear
    }

    fn grads(model: &Linear, device: &Device) -> GradientsParams {
        let x = Tensor::<2>::from_floats([[1.0, -1.0]], device);
        GradientsParams::from_grads(model.forward(x).sum().backward(), model)
    }

    #[test]
    fn groups_take_their_own_rule_and_rate() {
        let device = crate::device::cpu().autodiff();
        let model = model(&device);
        let groups = Groups::new(&section(Kind::Adam), "").unwrap();
        let mut optimizer = Optimizer::new(groups);
        let grads = grads(&model, &device);
        let model = optimizer.step(model, grads, &[0.1, 1.0]);
        // Adam's first step moves by lr · sign(gradient); the gradients of the weights are 1 and -1.
        let weight = model.weight.val().into_data().try_into_vec_as::<f32>().unwrap();
        assert!(
            (weight[0] - 0.9).abs() < 1e-6 && (weight[1] - 2.1).abs() < 1e-6,
            "{weight:?}"
        );
        // Plain SGD with lr 1 moves the bias by its gradient, 1.
        let bias = model
            .bias
            .unwrap()
            .val()
            .into_data()
            .try_into_vec_as::<f32>()
            .unwrap();
        assert!((bias[0] + 0.5).abs() < 1e-6);
    }

    #[test]
    fn state_survives_a_round_trip_bit_for_bit() {
        let device = crate::device::cpu().autodiff();
        let groups = || Groups::new(&section(Kind::Adamw), "").unwrap();
        let mut first = Optimizer::new(groups());
        let start = model(&device);
        let g = grads(&start, &device);
        let after = first.step(start, g, &[0.1, 1.0]);

        let mut second = Optimizer::new(groups());
        second.load(first.state(), &device.clone().inner()).unwrap();
        let a = first.step(after.clone(), grads(&after, &device), &[0.1, 1.0]);
        let b = second.step(after.clone(), grads(&after, &device), &[0.1, 1.0]);
        assert_eq!(a.weight.val().into_data(), b.weight.val().into_data());
        assert_eq!(first.state(), second.state());
    }
}
