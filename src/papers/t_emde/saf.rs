//! SAF, similarity attention filtration: which words of a pair count (Diao et al. 2021, section 3.4; the released code).

use crate::nn::host::matching::{self, Filter, Pairs, Statistics};
use crate::nn::{unit, unit_sum};
use burn::module::{Flag, Module, Param, RunningState};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};

/// Added to the variance.
pub(crate) const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// `β = unit-sum of σ(BN(E w + b))` over the global row and the words, `f = unit(Σ β E)`.
#[derive(Module, Debug)]
pub struct Saf {
    /// w and b.
    pub attn_sim_w: Linear,
    /// The batch norm of one channel.
    pub bn: CaptionNorm,
}

impl Saf {
    /// For similarity vectors of that length.
    pub fn init(dim: usize, device: &Device) -> Self {
        Self {
            attn_sim_w: LinearConfig::new(dim, 1).init(device),
            bn: CaptionNorm::init(device),
        }
    }

    /// β: the weights of the global row (first) and of every word, `[images, captions, 1 + tokens]`.
    pub fn weights(&self, whole: &Tensor<3>, words: &Tensor<4>, mask: &Tensor<3>) -> Tensor<3> {
        let [images, captions, tokens, dim] = words.dims();
        let score = |rows: Tensor<2>| self.attn_sim_w.forward(rows);
        let first = score(whole.clone().reshape([images * captions, dim])).reshape([images, captions, 1]);
        let rest = score(words.clone().reshape([images * captions * tokens, dim]))
            .reshape([images, captions, tokens]);
        let mask = Tensor::cat(vec![mask.clone().narrow(2, 0, 1).ones_like(), mask.clone()], 2);
        let scores = self.bn.forward(Tensor::cat(vec![first, rest], 2), &mask);
        unit_sum(sigmoid(scores) * mask, 2)
    }

    /// Global similarity `[images, captions, dim]`, word similarities `[images, captions, tokens, dim]` and their mask
    /// `[1 or images, captions, tokens]` → f `[images, captions, dim]`.
    pub fn forward(&self, whole: Tensor<3>, words: Tensor<4>, mask: Tensor<3>) -> Tensor<3> {
        let [images, captions, tokens, dim] = words.dims();
        let weights = self.weights(&whole, &words, &mask);
        let first = weights.clone().narrow(2, 0, 1);
        let rest = weights
            .narrow(2, 1, tokens)
            .reshape([images * captions, 1, tokens]);
        let local = rest
            .matmul(words.reshape([images * captions, tokens, dim]))
            .reshape([images, captions, dim]);
        unit(whole * first + local, 2)
    }

    /// The same of some pairs, `[pairs, dim]`: global similarities `[pairs, dim]`, word similarities `[rows, dim]`. One operation on the
    /// CPU, `None` elsewhere.
    pub fn on_host(&self, whole: &Tensor<2>, words: &Tensor<2>, pairs: &Pairs) -> Option<Tensor<2>> {
        let device = whole.device();
        let value = |running: &RunningState<Tensor<1>>| running.value_sync().into_scalar::<f32>();
        let fixed = match self.bn.in_training(&device) {
            true => None,
            false => Some([value(&self.bn.running_mean), value(&self.bn.running_var)]),
        };
        let filter = Filter {
            weight: &self.attn_sim_w.weight.val(),
            bias: &self.attn_sim_w.bias.as_ref()?.val(),
            gamma: &self.bn.weight.val(),
            beta: &self.bn.bias.val(),
            eps: EPS as f32,
            fixed,
        };
        let (found, statistics) = matching::filtered(whole, words, filter, pairs)?;
        self.bn.track_each(&statistics, &device);
        Some(unit(found, 1))
    }
}

/// A batch norm of one channel whose training statistics are those of *one caption* over all images and its own rows, because the
/// reference scores captions in a loop. The running statistics take one step of 0.1 for every caption, in their order. Normalises by
/// the biased variance and keeps the unbiased one, as torch does.
#[derive(Module, Debug)]
pub struct CaptionNorm {
    /// Scale `[1]`.
    pub weight: Param<Tensor<1>>,
    /// Shift `[1]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean `[1]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running unbiased variance `[1]`.
    pub running_var: RunningState<Tensor<1>>,
    /// Whether the layer takes part in training.
    pub training: Param<Flag>,
}

impl CaptionNorm {
    fn init(device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([1], device)),
            bias: Param::from_tensor(Tensor::zeros([1], device)),
            running_mean: RunningState::new(Tensor::zeros([1], device)),
            running_var: RunningState::new(Tensor::ones([1], device)),
            training: Param::from_bool(true),
        }
    }

    /// Whether a forward pass on that device takes its statistics from the batch.
    pub(super) fn in_training(&self, device: &Device) -> bool {
        device.is_autodiff() && self.training.is_enabled()
    }

    /// `[images, captions, rows]` with a mask `[1 or images, captions, rows]`. Masked values are any.
    pub fn forward(&self, x: Tensor<3>, mask: &Tensor<3>) -> Tensor<3> {
        let device = x.device();
        let (weight, bias) = (
            self.weight.val().reshape([1, 1, 1]),
            self.bias.val().reshape([1, 1, 1]),
        );
        if !self.in_training(&device) {
            let mean = self
                .running_mean
                .value_sync()
                .to_device(&device)
                .reshape([1, 1, 1]);
            let var = self
                .running_var
                .value_sync()
                .to_device(&device)
                .reshape([1, 1, 1]);
            return (x - mean) / (var + EPS).sqrt() * weight + bias;
        }
        let [images, captions, rows] = x.dims();
        let mask = mask.clone().expand([images, captions, rows]);
        // Sums over images and rows of one caption, [1, captions, 1].
        let sum = |x: Tensor<3>| x.sum_dim(2).sum_dim(0);
        let count = sum(mask.clone());
        let mean = sum(x.clone() * mask.clone()) / count.clone();
        let centred = (x - mean.clone()) * mask;
        let var = sum(centred.clone() * centred.clone()) / count.clone();
        self.track(&mean, &var, &count, &device);
        centred / (var + EPS).sqrt() * weight + bias
    }

    /// [`Self::track`] of statistics on the host.
    fn track_each(&self, statistics: &[Statistics], device: &Device) {
        if statistics.is_empty() {
            return;
        }
        let unbiased = |s: &Statistics| s.variance * s.count as f64 / (s.count.max(2) - 1) as f64;
        let means = statistics.iter().map(|s| s.mean).collect::<Vec<_>>();
        let variances = statistics.iter().map(unbiased).collect::<Vec<_>>();
        for (running, each) in [(&self.running_mean, means), (&self.running_var, variances)] {
            let old = f64::from(running.value_sync().into_scalar::<f32>());
            let new = each
                .iter()
                .fold(old, |run, value| (1.0 - MOMENTUM) * run + MOMENTUM * value);
            running.update(Tensor::<1>::from_floats([new as f32], device));
        }
    }

    /// `run ← 0.9 · run + 0.1 · caption` for every caption in turn, in closed form.
    fn track(&self, mean: &Tensor<3>, var: &Tensor<3>, count: &Tensor<3>, device: &Device) {
        let [_, captions, _] = mean.dims();
        let left: Vec<f32> = (0..captions)
            .map(|c| (MOMENTUM * (1.0 - MOMENTUM).powi((captions - 1 - c) as i32)) as f32)
            .collect();
        let left = Tensor::<1>::from_floats(left.as_slice(), device);
        let kept = (1.0 - MOMENTUM).powi(captions as i32);
        let count = count.clone().detach();
        let unbiased = var.clone().detach() * count.clone() / (count - 1.0).clamp_min(1.0);
        for (running, each) in [
            (&self.running_mean, mean.clone().detach()),
            (&self.running_var, unbiased),
        ] {
            let old = running.value_sync().to_device(device);
            let new = old * kept + (each.reshape([captions]) * left.clone()).sum();
            running.update(new.detach());
        }
    }
}
