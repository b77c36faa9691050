//! The gradient of a normalisation by given statistics: a frozen layer's, inside of a network that trains.

use super::super::{Gradients, act, dense, values};
use super::gradient::{below, masked};
use super::{Affine, Shape, each, fill};
use crate::nn::Activation;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

/// What the gradient needs.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    shape: Shape,
    /// Of a SiLU the input, of a ReLU the output.
    kept: Option<FlexTensor>,
    act: Activation,
    mean: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Fixed {
    pub fn new(shape: Shape, affine: &Affine, act: Activation, x: &FlexTensor, y: &FlexTensor) -> Self {
        Self {
            shape,
            kept: match act {
                Activation::Identity => None,
                Activation::Relu | Activation::Relu6 => Some(y.clone()),
                Activation::Silu => Some(x.clone()),
            },
            act,
            mean: affine.mean.to_vec(),
            scale: affine.scale.clone(),
            bias: affine.bias.to_vec(),
        }
    }

    /// The gradient before the ReLU.
    fn unrectified(&self, grad: FlexTensor) -> FlexTensor {
        match (&self.kept, self.act) {
            (Some(y), Activation::Relu | Activation::Relu6) => masked(y, &grad, below(self.act)),
            _ => grad,
        }
    }

    /// The gradient by the input, from [`unrectified`](Self::unrectified).
    fn by_input(&self, grad: &FlexTensor) -> FlexTensor {
        let dims = grad.layout().shape().to_vec();
        let (shape, grad) = (self.shape, values(grad));
        let x = self
            .kept
            .as_ref()
            .map(values)
            .filter(|_| self.act == Activation::Silu);
        let found = fill(shape, |plane, to| {
            let channel = plane % shape.channels;
            let (mean, scale, bias) = (self.mean[channel], self.scale[channel], self.bias[channel]);
            let range = plane * shape.positions..(plane + 1) * shape.positions;
            let grad = &grad[range.clone()];
            match x {
                None => each(to, [grad], |[g]| g * scale),
                Some(x) => each(to, [grad, &x[range]], |[g, x]| {
                    g * act::silu_slope((x - mean) * scale + bias) * scale
                }),
            }
        });
        FlexTensor::from_data(TensorData::new(found, dims))
    }
}

#[derive(Debug)]
pub(super) struct FixedNorm;

impl Backward<Flex, 1> for FixedNorm {
    type State = Fixed;

    fn backward(self, ops: Ops<Fixed, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let [node] = ops.parents;
        if let Some(node) = node {
            let grad = ops.state.unrectified(grad);
            grads.register::<Flex>(node.id, ops.state.by_input(&grad));
        }
    }
}

#[derive(Debug)]
pub(super) struct FixedNormAdd;

impl Backward<Flex, 2> for FixedNormAdd {
    type State = Fixed;

    fn backward(self, ops: Ops<Fixed, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let grad = ops.state.unrectified(grad);
        let [node, added] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, ops.state.by_input(&grad));
        }
        if let Some(node) = added {
            grads.register::<Flex>(node.id, grad);
        }
    }
}
