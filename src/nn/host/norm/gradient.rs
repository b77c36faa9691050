//! The gradients of a batch normalisation and of what follows it.

use super::super::{Gradients, act, dense, tensor, values, written};
use super::{Shape, each, fill, sums};
use crate::nn::Activation;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use rayon::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct State {
    pub shape: Shape,
    pub x: FlexTensor,
    /// Kept if a ReLU followed: it says where something came through.
    pub y: Option<FlexTensor>,
    pub act: Activation,
    pub weight: FlexTensor,
    pub bias: FlexTensor,
    pub mean: Vec<f32>,
    pub inverse: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct BatchNorm;

impl Backward<Flex, 3> for BatchNorm {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let found = ops.state.gradients(&grad, ops.parents[0].is_some());
        for (node, found) in ops.parents.into_iter().zip([found.x, found.weight, found.bias]) {
            if let (Some(node), Some(found)) = (node, found) {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct BatchNormAdd;

impl Backward<Flex, 4> for BatchNormAdd {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut grad = dense(grads.consume::<Flex>(&ops.node));
        let mut state = ops.state;
        if let Some(y) = state.y.take() {
            grad = masked(&y, &grad, below(state.act));
        }
        let found = state.gradients(&grad, ops.parents[0].is_some());
        for (node, found) in ops
            .parents
            .into_iter()
            .zip([found.x, found.weight, found.bias, Some(grad)])
        {
            if let (Some(node), Some(found)) = (node, found) {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}

/// The largest output through which a ReLU passes the gradient on: at a ReLU6's 6, as at 0, it does not.
pub(super) fn below(act: Activation) -> f32 {
    match act {
        Activation::Relu6 => 6f32.next_down(),
        _ => f32::INFINITY,
    }
}

#[inline(always)]
fn passed(y: f32, below: f32, grad: f32) -> f32 {
    if y > 0.0 && y <= below { grad } else { 0.0 }
}

/// The gradient where the ReLU let something through.
pub(super) fn masked(y: &FlexTensor, grad: &FlexTensor, below: f32) -> FlexTensor {
    let dims = grad.layout().shape().to_vec();
    let (y, grad) = (values(y), values(grad));
    let found = written(grad.len(), |found| {
        found
            .par_chunks_mut(1 << 14)
            .zip(y.par_chunks(1 << 14).zip(grad.par_chunks(1 << 14)))
            .for_each(|(to, (y, grad))| each(to, [y, grad], |[y, grad]| passed(y, below, grad)));
    });
    FlexTensor::from_data(TensorData::new(found, dims))
}

struct Found {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    bias: Option<FlexTensor>,
}

impl State {
    fn gradients(&self, grad: &FlexTensor, by_x: bool) -> Found {
        let shape = self.shape;
        let (x, grad, y) = (values(&self.x), values(grad), self.y.as_ref().map(values));
        let (weight, bias) = (values(&self.weight), values(&self.bias));
        let (silu, below) = (self.act == Activation::Silu, below(self.act));
        let (by_bias, by_scale): (Vec<f32>, Vec<f32>) = (0..shape.channels)
            .into_par_iter()
            .map(|channel| {
                let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
                let (scale, bias) = (inverse * weight[channel], bias[channel]);
                let mut totals = [0.0f64; 2];
                for image in 0..shape.batch {
                    let range = shape.plane(image, channel);
                    let (x, grad) = (&x[range.clone()], &grad[range.clone()]);
                    let found = match y {
                        Some(y) => sums([x, grad, &y[range]], |[x, g, y]| {
                            let g = passed(y, below, g);
                            [g, g * (x - mean)]
                        }),
                        None if silu => sums([x, grad], |[x, g]| {
                            let g = g * act::silu_slope((x - mean) * scale + bias);
                            [g, g * (x - mean)]
                        }),
                        None => sums([x, grad], |[x, g]| [g, g * (x - mean)]),
                    };
                    totals[0] += found[0];
                    totals[1] += found[1];
                }
                (totals[0] as f32, (totals[1] * f64::from(inverse)) as f32)
            })
            .unzip();
        let by_input = by_x.then(|| {
            let count = (shape.batch * shape.positions) as f32;
            let found = fill(shape, |plane, to| {
                let channel = plane % shape.channels;
                // w · i · (g − Σg/n − x̂ · Σ(g·x̂)/n), with x̂ = (x − mean) · i
                let scale = weight[channel] * self.inverse[channel];
                let slope = -scale * self.inverse[channel] * (by_scale[channel] / count);
                let level = -scale * (by_bias[channel] / count);
                let (mean, bias) = (self.mean[channel], bias[channel]);
                let range = plane * shape.positions..(plane + 1) * shape.positions;
                let (x, grad) = (&x[range.clone()], &grad[range.clone()]);
                let whole = |g: f32, x: f32| g * scale + ((x - mean) * slope + level);
                match y {
                    Some(y) => each(to, [x, grad, &y[range]], |[x, g, y]| {
                        whole(passed(y, below, g), x)
                    }),
                    None if silu => each(to, [x, grad], |[x, g]| {
                        whole(g * act::silu_slope((x - mean) * scale + bias), x)
                    }),
                    None => each(to, [x, grad], |[x, g]| whole(g, x)),
                }
            });
            FlexTensor::from_data(TensorData::new(found, self.x.layout().shape().to_vec()))
        });
        Found {
            x: by_input,
            weight: Some(tensor(by_scale, [shape.channels])),
            bias: Some(tensor(by_bias, [shape.channels])),
        }
    }
}
