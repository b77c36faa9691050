//! Batch normalisation with torch's names and torch's running variance.
//!
//! Ioffe & Szegedy 2015. The batch is normalised by its *biased* variance, while the running variance takes the *unbiased*
//! one, `n / (n − 1)` times as large (`n` = values per channel), as `torch.nn.BatchNorm` does and burn's own layer does not;
//! on the small batches of a BNNeck the difference shows.

use super::activation::Activation;
use super::host::norm::{self, Then};
use super::instance_norm::{narrow, widen};
use burn::config::Config;
use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor, TensorData};

/// Settings of a [`BatchNorm`].
#[derive(Config, Debug)]
pub struct BatchNormConfig {
    /// Channels: the size of the input's second axis.
    pub channels: usize,
    /// Added to the variance before its root.
    #[config(default = 1e-5)]
    pub eps: f64,
    /// Weight of the batch in the running statistics: `new = (1 − momentum) · old + momentum · batch`.
    #[config(default = 0.1)]
    pub momentum: f64,
    /// Whether the bias is kept out of training, as in a BNNeck. It stays in the state.
    #[config(default = false)]
    pub frozen_bias: bool,
}

impl BatchNormConfig {
    /// Weight 1, bias 0, running mean 0, running variance 1.
    pub fn init(&self, device: &Device) -> BatchNorm {
        let size = [self.channels];
        let bias = Param::from_tensor(Tensor::zeros(size, device));
        BatchNorm {
            weight: Param::from_tensor(Tensor::ones(size, device)),
            bias: if self.frozen_bias {
                bias.set_require_grad(false)
            } else {
                bias
            },
            running_mean: RunningState::new(Tensor::zeros(size, device)),
            running_var: RunningState::new(Tensor::ones(size, device)),
            training: Param::from_bool(true),
            eps: self.eps,
            momentum: self.momentum,
            frozen_bias: self.frozen_bias,
        }
    }
}

/// `y = (x − mean) / sqrt(var + eps) · weight + bias`, per channel (axis 1), for any rank from 2 on.
///
/// The statistics are those of the batch, and the running ones are updated, iff the input lies on an autodiff device **and**
/// the layer's `training` flag is on (`freeze()` and `freeze_group()` switch it off, `valid()` switches it off until
/// `train()`); otherwise they are the running ones.
///
/// What burn's [`RunningState`] does, and a caller must know:
/// - An update is parked per thread and reaches the value at the next update, at `valid()` or at `train()`. Visiting a module
///   (as records do) reads without that step: call `valid()` first, as [`crate::backbones::weights::collect`] does.
///   When several threads ran forward passes, their updates are averaged: let one thread alone run them.
/// - `clone()` shares the cells. A clone that trains, or that is mapped (loaded, initialised, moved), changes the original's
///   statistics; `module.valid().train()` is a copy of its own.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Shift `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean `[channels]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running unbiased variance `[channels]`.
    pub running_var: RunningState<Tensor<1>>,
    /// Whether the layer takes part in training.
    pub training: Param<Flag>,
    /// Added to the variance before its root.
    #[module(skip)]
    pub eps: f64,
    /// Weight of the batch in the running statistics.
    #[module(skip)]
    pub momentum: f64,
    #[module(skip)]
    frozen_bias: bool,
}

impl BatchNorm {
    /// `[batch, channels, …]` → the same shape.
    ///
    /// A training batch with one value per channel has no variance: the output is the bias and the running statistics
    /// stay (torch refuses such a batch).
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_act(x, Activation::Identity)
    }

    /// [`forward`](Self::forward), then ReLU: one operation on the CPU.
    pub fn forward_relu<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_act(x, Activation::Relu)
    }

    /// [`forward`](Self::forward), then the activation: one operation on the CPU.
    pub fn forward_act<const D: usize>(&self, x: Tensor<D>, act: Activation) -> Tensor<D> {
        self.forward_then(x, Then { add: None, act })
    }

    /// [`forward`](Self::forward) plus `shortcut`, the end of an inverted residual block: one operation on the CPU.
    pub fn forward_add<const D: usize>(&self, x: Tensor<D>, shortcut: Tensor<D>) -> Tensor<D> {
        let (add, act) = (Some(shortcut), Activation::Identity);
        self.forward_then(x, Then { add, act })
    }

    /// ReLU of [`forward`](Self::forward) plus `shortcut`, the end of a residual block: one operation on the CPU.
    pub fn forward_add_relu<const D: usize>(&self, x: Tensor<D>, shortcut: Tensor<D>) -> Tensor<D> {
        let (add, act) = (Some(shortcut), Activation::Relu);
        self.forward_then(x, Then { add, act })
    }

    /// Statistics and normalisation are f32 whatever the input's type is; the output has the input's.
    fn forward_then<const D: usize>(&self, x: Tensor<D>, then: Then<D>) -> Tensor<D> {
        let dtype = x.dtype();
        let x = widen(x);
        let then = Then {
            add: then.add.map(widen),
            ..then
        };
        narrow(self.forward_wide(x, then), dtype)
    }

    fn forward_wide<const D: usize>(&self, x: Tensor<D>, then: Then<D>) -> Tensor<D> {
        if x.device().is_autodiff() && self.training.is_enabled() {
            self.forward_train(x, then)
        } else {
            self.forward_eval(x, then)
        }
    }

    /// What is added to the variance before its root.
    pub fn eps(&self) -> f64 {
        self.eps
    }

    fn bias(&self) -> Tensor<1> {
        // Detached as well as marked: an `unfreeze()` of the whole model must not thaw a bias that the method fixes.
        if self.frozen_bias {
            self.bias.val().detach()
        } else {
            self.bias.val()
        }
    }

    fn forward_eval<const D: usize>(&self, x: Tensor<D>, then: Then<D>) -> Tensor<D> {
        let device = x.device();
        let mean = self.running_mean.value_sync().to_device(&device);
        let var = self.running_var.value_sync().to_device(&device);
        let (weight, bias) = (self.weight.val(), self.bias());
        match norm::fixed_norm(&x, [&mean, &var, &weight, &bias], self.eps, &then) {
            Some(y) => y,
            None => follow(batch_norm(x, weight, bias, mean, var, self.eps), then),
        }
    }

    fn forward_train<const D: usize>(&self, x: Tensor<D>, then: Then<D>) -> Tensor<D> {
        let device = x.device();
        let shape = x.dims();
        let values = shape.iter().product::<usize>() / shape[1].max(1);
        let (weight, bias) = (self.weight.val(), self.bias());
        let (output, mean, variance) = match norm::batch_norm(&x, &weight, &bias, self.eps, &then) {
            Some(batch) => {
                let vector =
                    |values: Vec<f32>| Tensor::from_data(TensorData::from(values.as_slice()), &device);
                (batch.output, vector(batch.mean), vector(batch.variance))
            }
            None => {
                let batch = batch_norm_train(x, weight, bias, self.eps);
                (follow(batch.output, then), batch.mean, batch.variance)
            }
        };
        if values > 1 {
            let unbiased = values as f64 / (values - 1) as f64;
            self.track(&self.running_mean, mean, 1.0, &device);
            self.track(&self.running_var, variance, unbiased, &device);
        }
        output
    }

    fn track(&self, running: &RunningState<Tensor<1>>, batch: Tensor<1>, factor: f64, device: &Device) {
        let old = running.value_sync().to_device(device);
        let new = old
            .mul_scalar(1.0 - self.momentum)
            .add(batch.detach().mul_scalar(self.momentum * factor));
        running.update(new.detach());
    }
}

/// What follows a normalisation, as operations of their own.
fn follow<const D: usize>(y: Tensor<D>, then: Then<D>) -> Tensor<D> {
    let y = match then.add {
        Some(add) => y + add,
        None => y,
    };
    then.act.forward(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use burn::tensor::Tolerance;

    fn near(tensor: Tensor<1>, expected: &[f32]) {
        let expected = TensorData::new(expected.to_vec(), [expected.len()]);
        tensor
            .to_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn running_statistics_are_torchs() {
        let device = cpu().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        let x = Tensor::<2>::from_floats([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0]], &device);
        let y = norm.forward(x);
        // Biased: ±2/sqrt(8/3 + eps).
        near(y.slice([0..3, 0..1]).reshape([3]), &[-1.2247426, 0.0, 1.2247426]);
        near(norm.running_mean.value_sync(), &[0.3, 3.0]);
        near(norm.running_var.value_sync(), &[1.3, 70.9]);
        // The second batch works on the first one's statistics: 0.9·1.3 + 0.1·2 and 0.9·0.3 + 0.1·2.
        norm.forward(Tensor::<2>::from_floats([[1.0, 10.0], [3.0, 10.0]], &device));
        let valid = norm.valid();
        near(valid.running_mean.value(), &[0.47, 3.7]);
        near(valid.running_var.value(), &[1.37, 63.81]);
    }

    #[test]
    fn evaluation_uses_the_running_statistics_and_any_rank() {
        let norm = BatchNormConfig::new(2).with_eps(0.25).init(&cpu());
        let norm = BatchNorm {
            weight: Param::from_data([2.0f32, 4.0], &cpu()),
            bias: Param::from_data([1.0f32, -1.0], &cpu()),
            running_mean: RunningState::new(Tensor::from_floats([1.0, 2.0], &cpu())),
            running_var: RunningState::new(Tensor::from_floats([0.75, 3.75], &cpu())),
            ..norm
        };
        let x = Tensor::<4>::from_floats([[[[1.0, 3.0]], [[2.0, 4.0]]]], &cpu());
        near(norm.forward(x.clone()).reshape([4]), &[1.0, 5.0, -1.0, 3.0]);
        near(
            norm.forward(x.reshape([1, 2, 2])).reshape([4]),
            &[1.0, 5.0, -1.0, 3.0],
        );
        near(norm.running_mean.value_sync(), &[1.0, 2.0]);
    }

    #[test]
    fn a_frozen_layer_neither_trains_nor_tracks() {
        let device = cpu().autodiff();
        let norm = BatchNormConfig::new(1).init(&device).freeze();
        let y = norm.forward(Tensor::<2>::from_floats([[2.0], [4.0]], &device));
        near(y.reshape([2]), &[1.99999, 3.99998]);
        near(norm.running_mean.value_sync(), &[0.0]);
        let thawed = norm.unfreeze();
        thawed.forward(Tensor::<2>::from_floats([[2.0], [4.0]], &device));
        near(thawed.running_mean.value_sync(), &[0.3]);
    }

    #[test]
    fn one_value_per_channel_leaves_finite_statistics() {
        let device = cpu().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        near(
            norm.forward(Tensor::<2>::from_floats([[7.0, 9.0]], &device))
                .reshape([2]),
            &[0.0, 0.0],
        );
        near(norm.running_var.value_sync(), &[1.0, 1.0]);
    }

    /// The loss Σ w·y² of a rank-3 batch, as a function of plain numbers.
    fn loss(x: &[f32], weight: &[f32], bias: &[f32]) -> f64 {
        let (batch, channels, length) = (2, 2, 3);
        let mut total = 0.0;
        for c in 0..channels {
            let at = |b: usize, l: usize| f64::from(x[(b * channels + c) * length + l]);
            let all: Vec<f64> = (0..batch)
                .flat_map(|b| (0..length).map(move |l| (b, l)))
                .map(|(b, l)| at(b, l))
                .collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let var = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
            for (i, v) in all.iter().enumerate() {
                let y = (v - mean) / (var + 1e-5).sqrt() * f64::from(weight[c]) + f64::from(bias[c]);
                total += (i + 1) as f64 * y * y;
            }
        }
        total
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let device = cpu().autodiff();
        let x = [0.3f32, -1.2, 0.7, 2.0, 0.1, -0.4, 1.1, 0.9, -0.8, 0.2, 1.5, -2.0];
        let (weight, bias) = ([1.5f32, 0.7], [0.2f32, -0.3]);
        let norm = BatchNormConfig::new(2).init(&device);
        let norm = BatchNorm {
            weight: Param::from_data(weight, &device),
            bias: Param::from_data(bias, &device),
            ..norm
        };
        let input = Tensor::<3>::from_data(TensorData::new(x.to_vec(), [2, 2, 3]), &device).require_grad();
        let factors = Tensor::<3>::from_floats(
            [
                [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
                [[4.0, 5.0, 6.0], [4.0, 5.0, 6.0]],
            ],
            &device,
        );
        let y = norm.forward(input.clone());
        let total = (y.clone() * y * factors).sum();
        let value: f32 = total.clone().into_scalar();
        assert!((f64::from(value) - loss(&x, &weight, &bias)).abs() < 1e-3 * f64::from(value));
        let grads = total.backward();
        let step = 1e-2f32;
        let check = |grad: Vec<f32>, start: &[f32], f: &dyn Fn(&[f32]) -> f64| {
            for i in 0..start.len() {
                let (mut up, mut down) = (start.to_vec(), start.to_vec());
                up[i] += step;
                down[i] -= step;
                let slope = (f(&up) - f(&down)) / f64::from(up[i] - down[i]);
                assert!(
                    (slope - f64::from(grad[i])).abs() < 2e-2 * slope.abs().max(1.0),
                    "{i}: {slope} {grad:?}"
                );
            }
        };
        let vec = |data: TensorData| data.try_into_vec_as::<f32>().unwrap();
        check(vec(input.grad(&grads).unwrap().into_data()), &x, &|v| {
            loss(v, &weight, &bias)
        });
        check(
            vec(norm.weight.grad(&grads).unwrap().into_data()),
            &weight,
            &|v| loss(&x, v, &bias),
        );
        check(vec(norm.bias.grad(&grads).unwrap().into_data()), &bias, &|v| {
            loss(&x, &weight, v)
        });
    }
}
