//! Batch normalisation, with the addition and the ReLU that follow it in a residual block, in three passes over the memory.

use super::{Gradients, Place, dense, enter, place, plain, tensor, tracked, values, written};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A normalised batch and what it was normalised by.
pub struct Normalised<const D: usize> {
    /// The input's shape.
    pub output: Tensor<D>,
    /// Mean per channel.
    pub mean: Vec<f32>,
    /// Biased variance per channel.
    pub variance: Vec<f32>,
}

/// What follows the normalisation.
#[derive(Clone, Debug)]
pub struct Then<const D: usize> {
    /// Something of the input's shape is added.
    pub add: Option<Tensor<D>>,
    /// And negative values become 0.
    pub relu: bool,
}

/// `[batch, channels, …]` by its own mean and biased variance per channel, then `· weight + bias`, then what follows.
/// `None` where this is not for the host (see [the room](super)) or the batch is empty.
pub fn batch_norm<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
    then: &Then<D>,
) -> Option<Normalised<D>> {
    let shape = Shape::of(x)?;
    if [weight.dims(), bias.dims()] != [[shape.channels]; 2] {
        return None;
    }
    let add = match &then.add {
        None => None,
        Some(add) => {
            if add.dims() != x.dims() {
                return None;
            }
            match place(add)? {
                Place::Tracked(add) => Some(add),
                Place::Plain(_) => return None,
            }
        }
    };
    let (Place::Tracked(x), Place::Tracked(weight), Place::Tracked(bias)) =
        (place(x)?, place(weight)?, place(bias)?)
    else {
        return None;
    };
    let ((x, x_node), (weight, weight_node), (bias, bias_node)) =
        (x.into_parts(), weight.into_parts(), bias.into_parts());
    let (x, weight, bias) = (dense(x), dense(weight), dense(bias));
    let dims = x.layout().shape().to_vec();
    let (mean, variance) = statistics(shape, values(&x));
    let inverse: Vec<f32> = variance
        .iter()
        .map(|v| (1.0 / (f64::from(*v) + eps).sqrt()) as f32)
        .collect();
    let add = add.map(|add| {
        let (add, node) = add.into_parts();
        (dense(add), node)
    });
    let affine = Affine::new(&mean, &inverse, values(&weight), values(&bias));
    let y = apply(
        shape,
        values(&x),
        &affine,
        add.as_ref().map(|(add, _)| values(add)),
        then.relu,
    );
    let y = FlexTensor::from_data(TensorData::new(y, dims));
    let state = State {
        shape,
        x,
        y: then.relu.then(|| y.clone()),
        weight,
        mean: mean.clone(),
        inverse,
    };
    let output = match add {
        None => enter(BatchNorm, [x_node, weight_node, bias_node], state, y),
        Some((_, node)) => enter(BatchNormAdd, [x_node, weight_node, bias_node, node], state, y),
    };
    Some(Normalised {
        output: tracked(output),
        mean,
        variance,
    })
}

/// The same by given statistics, outside of any graph.
pub fn fixed_norm<const D: usize>(
    x: &Tensor<D>,
    [mean, variance, weight, bias]: [&Tensor<1>; 4],
    eps: f64,
    then: &Then<D>,
) -> Option<Tensor<D>> {
    let shape = Shape::of(x)?;
    let flat = |x: &Tensor<1>| match place(x)? {
        Place::Plain(x) if x.layout().num_elements() == shape.channels => Some(dense(x)),
        _ => None,
    };
    let (mean, variance, weight, bias) = (flat(mean)?, flat(variance)?, flat(weight)?, flat(bias)?);
    let Place::Plain(input) = place(x)? else {
        return None;
    };
    let add = match &then.add {
        None => None,
        Some(add) if add.dims() != x.dims() => return None,
        Some(add) => match place(add)? {
            Place::Plain(add) => Some(dense(add)),
            Place::Tracked(_) => return None,
        },
    };
    let inverse: Vec<f32> = values(&variance)
        .iter()
        .map(|v| (1.0 / (f64::from(*v) + eps).sqrt()) as f32)
        .collect();
    let affine = Affine::new(values(&mean), &inverse, values(&weight), values(&bias));
    let input = dense(input);
    let y = apply(
        shape,
        values(&input),
        &affine,
        add.as_ref().map(values),
        then.relu,
    );
    Some(plain(FlexTensor::from_data(TensorData::new(y, x.dims()))))
}

/// `[batch, channels, positions]`.
#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    channels: usize,
    positions: usize,
}

impl Shape {
    fn of<const D: usize>(x: &Tensor<D>) -> Option<Self> {
        let dims = x.dims();
        let [batch, channels] = [*dims.first()?, *dims.get(1)?];
        let positions = dims[2..].iter().product();
        (batch * channels * positions > 0).then_some(Self {
            batch,
            channels,
            positions,
        })
    }

    fn plane(&self, image: usize, channel: usize) -> std::ops::Range<usize> {
        let start = (image * self.channels + channel) * self.positions;
        start..start + self.positions
    }
}

/// `y = (x − mean) · scale + bias`, per channel: centred first, so that a mean far from 0 costs no digits.
struct Affine<'a> {
    mean: &'a [f32],
    scale: Vec<f32>,
    bias: &'a [f32],
}

impl<'a> Affine<'a> {
    fn new(mean: &'a [f32], inverse: &[f32], weight: &[f32], bias: &'a [f32]) -> Self {
        let scale = inverse.iter().zip(weight).map(|(i, w)| i * w).collect();
        Self { mean, scale, bias }
    }
}

/// Sums over the elements of planes of one length of what `f` makes of them, in sixteen interleaved sums each, which a few
/// instructions can hold, and in blocks, which bound the rounding error.
#[inline(always)]
fn sums<const N: usize, const M: usize>(planes: [&[f32]; N], f: impl Fn([f32; N]) -> [f32; M]) -> [f64; M] {
    const LANES: usize = 16;
    const BLOCK: usize = 4096;
    let mut totals = [0.0f64; M];
    let count = planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
    for start in (0..count).step_by(BLOCK) {
        let block = planes.map(|plane| &plane[start..(start + BLOCK).min(count)]);
        let whole = block[0].len() / LANES * LANES;
        let mut lanes = [[0.0f32; LANES]; M];
        for i in (0..whole).step_by(LANES) {
            let rows = block.map(|plane| &plane[i..i + LANES]);
            for lane in 0..LANES {
                let terms = f(rows.map(|row| row[lane]));
                for (sum, term) in lanes.iter_mut().zip(terms) {
                    sum[lane] += term;
                }
            }
        }
        for (total, lanes) in totals.iter_mut().zip(lanes) {
            *total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        }
        for i in whole..block[0].len() {
            for (total, term) in totals.iter_mut().zip(f(block.map(|plane| plane[i]))) {
                *total += f64::from(term);
            }
        }
    }
    totals
}

/// Mean and biased variance per channel, in two passes: no difference of large squares.
fn statistics(shape: Shape, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let count = (shape.batch * shape.positions) as f64;
    (0..shape.channels)
        .into_par_iter()
        .map(|channel| {
            let planes = || (0..shape.batch).map(|image| &x[shape.plane(image, channel)]);
            let mean = planes().map(|plane| sums([plane], |[x]| [x])[0]).sum::<f64>() / count;
            let centre = mean as f32;
            let squares: f64 = planes()
                .map(|plane| sums([plane], |[x]| [(x - centre) * (x - centre)])[0])
                .sum();
            (centre, (squares / count) as f32)
        })
        .unzip()
}

/// The rayon task's least work: planes of some 16 thousand values.
fn planes_per_task(shape: Shape) -> usize {
    (16384 / shape.positions).max(1)
}

fn apply(shape: Shape, x: &[f32], affine: &Affine, add: Option<&[f32]>, relu: bool) -> Vec<f32> {
    fill(shape, |plane, y| {
        let channel = plane % shape.channels;
        let (mean, scale, bias) = (affine.mean[channel], affine.scale[channel], affine.bias[channel]);
        let range = plane * shape.positions..(plane + 1) * shape.positions;
        let x = &x[range.clone()];
        match (add.map(|add| &add[range]), relu) {
            (None, false) => each(y, [x], |[x]| (x - mean) * scale + bias),
            (None, true) => each(y, [x], |[x]| rectified((x - mean) * scale + bias)),
            (Some(add), false) => each(y, [x, add], |[x, add]| (x - mean) * scale + bias + add),
            (Some(add), true) => each(y, [x, add], |[x, add]| rectified((x - mean) * scale + bias + add)),
        }
    })
}

/// A tensor of that shape, each plane of which `write` fills.
fn fill(shape: Shape, write: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    let count = shape.batch * shape.channels * shape.positions;
    written(count, |values| {
        values
            .par_chunks_mut(shape.positions)
            .with_min_len(planes_per_task(shape))
            .enumerate()
            .for_each(|(plane, values)| write(plane, values));
    })
}

/// `to[i] = f([from[0][i], from[1][i], …])`; all have one length.
#[inline(always)]
fn each<const N: usize>(to: &mut [MaybeUninit<f32>], from: [&[f32]; N], f: impl Fn([f32; N]) -> f32) {
    let from = from.map(|plane| &plane[..to.len()]);
    for (i, to) in to.iter_mut().enumerate() {
        to.write(f(from.map(|plane| plane[i])));
    }
}

/// Negative values become 0, and what is no number stays so.
#[inline(always)]
fn rectified(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

#[derive(Clone, Debug)]
struct State {
    shape: Shape,
    x: FlexTensor,
    /// Kept if a ReLU followed.
    y: Option<FlexTensor>,
    weight: FlexTensor,
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

#[derive(Debug)]
struct BatchNorm;

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
struct BatchNormAdd;

impl Backward<Flex, 4> for BatchNormAdd {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut grad = dense(grads.consume::<Flex>(&ops.node));
        let mut state = ops.state;
        if let Some(y) = state.y.take() {
            grad = masked(&y, &grad);
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

/// The gradient where the ReLU let something through.
fn masked(y: &FlexTensor, grad: &FlexTensor) -> FlexTensor {
    let dims = grad.layout().shape().to_vec();
    let (y, grad) = (values(y), values(grad));
    let found = written(grad.len(), |found| {
        found
            .par_chunks_mut(1 << 14)
            .zip(y.par_chunks(1 << 14).zip(grad.par_chunks(1 << 14)))
            .for_each(|(to, (y, grad))| each(to, [y, grad], |[y, grad]| if y > 0.0 { grad } else { 0.0 }));
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
        let (by_bias, by_scale): (Vec<f32>, Vec<f32>) = (0..shape.channels)
            .into_par_iter()
            .map(|channel| {
                let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
                let mut totals = [0.0f64; 2];
                for image in 0..shape.batch {
                    let range = shape.plane(image, channel);
                    let (x, grad) = (&x[range.clone()], &grad[range.clone()]);
                    let found = match y {
                        None => sums([x, grad], |[x, g]| [g, g * (x - mean)]),
                        Some(y) => sums([x, grad, &y[range]], |[x, g, y]| {
                            let g = if y > 0.0 { g } else { 0.0 };
                            [g, g * (x - mean)]
                        }),
                    };
                    totals[0] += found[0];
                    totals[1] += found[1];
                }
                (totals[0] as f32, (totals[1] * f64::from(inverse)) as f32)
            })
            .unzip();
        let by_input = by_x.then(|| {
            let count = (shape.batch * shape.positions) as f32;
            let weight = values(&self.weight);
            let found = fill(shape, |plane, to| {
                let channel = plane % shape.channels;
                // w · i · (g − Σg/n − x̂ · Σ(g·x̂)/n), with x̂ = (x − mean) · i
                let scale = weight[channel] * self.inverse[channel];
                let slope = -scale * self.inverse[channel] * (by_scale[channel] / count);
                let level = -scale * (by_bias[channel] / count);
                let mean = self.mean[channel];
                let range = plane * shape.positions..(plane + 1) * shape.positions;
                let (x, grad) = (&x[range.clone()], &grad[range.clone()]);
                match y {
                    None => each(to, [x, grad], |[x, g]| g * scale + ((x - mean) * slope + level)),
                    Some(y) => each(to, [x, grad, &y[range]], |[x, g, y]| {
                        let g = if y > 0.0 { g } else { 0.0 };
                        g * scale + ((x - mean) * slope + level)
                    }),
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

#[cfg(test)]
mod tests;
