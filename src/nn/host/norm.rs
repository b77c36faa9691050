//! Batch normalisation, with the addition and the ReLU that follow it in a residual block, in three passes over the memory.

mod fixed;
mod gradient;

use super::{Place, act, dense, enter, place, plain, tracked, values, written};
use crate::nn::Activation;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};
use fixed::{Fixed, FixedNorm, FixedNormAdd};
use gradient::{BatchNorm, BatchNormAdd, State};
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
    /// And what is done to each value then.
    pub act: Activation,
}

/// `[batch, channels, …]` by its own mean and biased variance per channel, then `· weight + bias`, then what follows.
/// `None` where this is not for the host (see [the room](super)), the batch is empty, or a SiLU follows an addition.
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
            if add.dims() != x.dims() || then.act == Activation::Silu {
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
        then.act,
    );
    let y = FlexTensor::from_data(TensorData::new(y, dims));
    let state = State {
        shape,
        x,
        y: matches!(then.act, Activation::Relu | Activation::Relu6).then(|| y.clone()),
        act: then.act,
        weight,
        bias,
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

/// The same by given statistics. In a graph, `None` where weight or bias are trained.
pub fn fixed_norm<const D: usize>(
    x: &Tensor<D>,
    [mean, variance, weight, bias]: [&Tensor<1>; 4],
    eps: f64,
    then: &Then<D>,
) -> Option<Tensor<D>> {
    let shape = Shape::of(x)?;
    if weight.is_require_grad() || bias.is_require_grad() {
        return None;
    }
    let flat = |x: &Tensor<1>| {
        let x = dense(match place(x)? {
            Place::Plain(x) => x,
            Place::Tracked(x) => x.into_parts().0,
        });
        (x.layout().num_elements() == shape.channels).then_some(x)
    };
    let (mean, variance, weight, bias) = (flat(mean)?, flat(variance)?, flat(weight)?, flat(bias)?);
    let inverse: Vec<f32> = values(&variance)
        .iter()
        .map(|v| (1.0 / (f64::from(*v) + eps).sqrt()) as f32)
        .collect();
    let affine = Affine::new(values(&mean), &inverse, values(&weight), values(&bias));
    let dims = x.dims();
    if then.add.as_ref().is_some_and(|add| add.dims() != dims) {
        return None;
    }
    let add = match &then.add {
        None => None,
        Some(add) => Some(place(add)?),
    };
    let shaped = |y: Vec<f32>| FlexTensor::from_data(TensorData::new(y, dims));
    match (place(x)?, add) {
        (Place::Plain(x), None) => {
            let y = apply(shape, values(&dense(x)), &affine, None, then.act);
            Some(plain(shaped(y)))
        }
        (Place::Plain(x), Some(Place::Plain(add))) => {
            let (x, add) = (dense(x), dense(add));
            let y = apply(shape, values(&x), &affine, Some(values(&add)), then.act);
            Some(plain(shaped(y)))
        }
        (Place::Tracked(x), add) => {
            let (x, node) = x.into_parts();
            let (x, add) = match add {
                None => (dense(x), None),
                Some(Place::Tracked(add)) if then.act != Activation::Silu => {
                    let (add, node) = add.into_parts();
                    (dense(x), Some((dense(add), node)))
                }
                Some(_) => return None,
            };
            let added = add.as_ref().map(|(add, _)| values(add));
            let y = shaped(apply(shape, values(&x), &affine, added, then.act));
            let fixed = Fixed::new(shape, &affine, then.act, &x, &y);
            Some(tracked(match add {
                None => enter(FixedNorm, [node], fixed, y),
                Some((_, other)) => enter(FixedNormAdd, [node, other], fixed, y),
            }))
        }
        _ => None,
    }
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

fn apply(shape: Shape, x: &[f32], affine: &Affine, add: Option<&[f32]>, act: Activation) -> Vec<f32> {
    match act {
        Activation::Identity => apply_then(shape, x, affine, add, |v| v),
        Activation::Relu => apply_then(shape, x, affine, add, act::rectified),
        Activation::Relu6 => apply_then(shape, x, affine, add, act::rectified_6),
        Activation::Silu => apply_then(shape, x, affine, add, act::silu),
    }
}

fn apply_then(
    shape: Shape,
    x: &[f32],
    affine: &Affine,
    add: Option<&[f32]>,
    then: impl Fn(f32) -> f32 + Sync,
) -> Vec<f32> {
    fill(shape, |plane, y| {
        let channel = plane % shape.channels;
        let (mean, scale, bias) = (affine.mean[channel], affine.scale[channel], affine.bias[channel]);
        let range = plane * shape.positions..(plane + 1) * shape.positions;
        let x = &x[range.clone()];
        match add.map(|add| &add[range]) {
            None => each(y, [x], |[x]| then((x - mean) * scale + bias)),
            Some(add) => each(y, [x, add], |[x, add]| then((x - mean) * scale + bias + add)),
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

#[cfg(test)]
mod tests;
