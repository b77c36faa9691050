//! A depthwise convolution, one small kernel per channel, plane by plane in the caches.
//!
//! A plane is laid out once, with its zeros around it, as `stride × stride` sub-planes: sub-plane (p, q) holds the pixels of rows
//! p, p + stride, … and columns q, q + stride, …. There every element of the kernel reads at a fixed distance from the output's
//! place, whatever the stride, so that a whole map is one run over memory per element, rows and all: short rows cost no more
//! than long ones. Places between two rows of the map are computed along and dropped.

mod kernel;

use super::fold::Window;
use super::scratch::{Scratch, with_scratch};
use super::{Gradients, Kept, Shared, dense, tensor, values, weighted, written};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use kernel::{LANES, correlate, products};
use rayon::prelude::*;
use std::cell::Cell;

/// `[batch, channels, height, width]` with kernels `[channels, 1, kernel height, kernel width]` → `[batch, channels, height',
/// width']`, padded by zeros (`padding`: those above and left, then those below and right); `None` where this is not for the host
/// (see [the room](super)), or no window fits.
pub fn conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Option<Tensor<4>> {
    let [output, input, height, width] = weight.dims();
    let window = Window::new(x.dims(), [height, width], stride, padding)?;
    if input != 1 || output != window.channels {
        return None;
    }
    weighted(Depthwise, Layout::new(window), [x, weight], forward)
}

#[derive(Debug)]
struct Depthwise;

impl Backward<Flex, 2> for Depthwise {
    type State = Kept<Layout>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Kept { how: lay, x, weight } = ops.state;
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let [x_node, weight_node] = ops.parents;
        let wanted = [x_node.is_some(), weight_node.is_some()];
        let (by_x, by_weight) = gradients(&lay, values(&x), values(&weight), values(&grad), wanted);
        let Window {
            batch,
            channels,
            image: [height, width],
            kernel: [rows, columns],
            ..
        } = lay.window;
        if let (Some(node), Some(found)) = (weight_node, by_weight) {
            grads.register::<Flex>(node.id, tensor(found, [channels, 1, rows, columns]));
        }
        if let (Some(node), Some(found)) = (x_node, by_x) {
            grads.register::<Flex>(node.id, tensor(found, [batch, channels, height, width]));
        }
    }
}

/// Where the pixels of a plane lie in its sub-planes.
#[derive(Clone, Debug)]
struct Layout {
    window: Window,
    /// Elements of the kernel per sub-plane and axis, at most.
    reach: [usize; 2],
    /// Height and width of a sub-plane.
    sub: [usize; 2],
    /// Of each element of the kernel, its sub-plane and its distance from the output's place there.
    taps: Vec<(usize, usize)>,
}

impl Layout {
    fn new(window: Window) -> Self {
        let Window {
            kernel, stride, map, ..
        } = window;
        let reach = [0, 1].map(|axis| kernel[axis].div_ceil(stride[axis]));
        let sub = [0, 1].map(|axis| map[axis] - 1 + reach[axis]);
        let tap = |i: usize, j: usize| {
            let plane = i % stride[0] * stride[1] + j % stride[1];
            (plane, i / stride[0] * sub[1] + j / stride[1])
        };
        let taps = (0..kernel[0])
            .flat_map(|i| (0..kernel[1]).map(move |j| (i, j)))
            .map(|(i, j)| tap(i, j))
            .collect();
        Self {
            window,
            reach,
            sub,
            taps,
        }
    }

    /// Elements of a sub-plane.
    fn size(&self) -> usize {
        self.sub[0] * self.sub[1]
    }

    /// The largest distance of an element of the kernel.
    fn farthest(&self) -> usize {
        (self.reach[0] - 1) * self.sub[1] + self.reach[1] - 1
    }

    /// Places of the map and those between its rows, up to a whole number of vectors.
    fn run(&self) -> usize {
        ((self.window.map[0] - 1) * self.sub[1] + self.window.map[1]).next_multiple_of(LANES)
    }

    /// Elements of all sub-planes, with what a run reads beyond them.
    fn packed(&self) -> usize {
        let [down, right] = self.window.stride;
        (down * right - 1) * self.size() + self.farthest() + self.run().max(self.size())
    }

    /// The rows of a plane, and for each the first place of its row of sub-planes; the columns are [`spread`](Self::spread) over.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let [down, right] = self.window.stride;
        let above = self.window.padding[0];
        (0..self.window.image[0]).filter_map(move |row| {
            let at = row + above;
            let start = at % down * right * self.size() + at / down * self.sub[1];
            (at / down < self.sub[0]).then_some((row, start))
        })
    }

    /// For each sub-plane beside the other: its first place from the row's start, the first column of the image in it, and how
    /// many.
    fn spread(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let right = self.window.stride[1];
        let left = self.window.padding[1];
        (0..right).filter_map(move |phase| {
            // Columns phase, phase + right, … of the padded plane; the first that is of the image.
            let skipped = left.saturating_sub(phase).div_ceil(right);
            let first = phase + skipped * right - left;
            let inside = self.window.image[1].saturating_sub(first).div_ceil(right);
            let count = inside.min(self.sub[1].saturating_sub(skipped));
            (count > 0).then_some((phase * self.size() + skipped, first, count))
        })
    }

    fn pack(&self, plane: &[f32], to: &mut [f32]) {
        let (width, right) = (self.window.image[1], self.window.stride[1]);
        to.fill(0.0);
        for (row, start) in self.rows() {
            let row = &plane[row * width..][..width];
            for (at, first, count) in self.spread() {
                let to = &mut to[start + at..][..count];
                if right == 1 {
                    to.copy_from_slice(&row[first..][..count]);
                } else {
                    for (to, from) in to.iter_mut().zip(row[first..].iter().step_by(right)) {
                        *to = *from;
                    }
                }
            }
        }
    }

    /// The other way; pixels that no window sees become 0.
    fn unpack(&self, from: &[f32], plane: &mut [f32]) {
        let (width, right) = (self.window.image[1], self.window.stride[1]);
        plane.fill(0.0);
        for (row, start) in self.rows() {
            let row = &mut plane[row * width..][..width];
            for (at, first, count) in self.spread() {
                let from = &from[start + at..][..count];
                for (from, to) in from.iter().zip(row[first..].iter_mut().step_by(right)) {
                    *to = *from;
                }
            }
        }
    }
}

thread_local! {
    static SCRATCH: Scratch<3> = const { Cell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

fn forward(lay: &Layout, x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let Window {
        batch,
        channels,
        map: [height, width],
        ..
    } = lay.window;
    let (x, weight) = (values(x), values(weight));
    let (pixels, positions, area) = (lay.window.pixels(), lay.window.positions(), lay.taps.len());
    let y = written(batch * channels * positions, |y| {
        y.par_chunks_mut(positions)
            .with_min_len((8192 / pixels).max(1))
            .enumerate()
            .for_each(|(plane, y)| {
                let weight = &weight[plane % channels * area..][..area];
                with_scratch(&SCRATCH, [lay.packed(), lay.run(), 0], |[packed, run, _]| {
                    lay.pack(&x[plane * pixels..][..pixels], packed);
                    let taps: Vec<(usize, f32)> = lay
                        .taps
                        .iter()
                        .zip(weight)
                        .map(|(&(sub, distance), &w)| (sub * lay.size() + distance, w))
                        .collect();
                    correlate(packed, &taps, run);
                    for (y, row) in y.chunks_exact_mut(width).zip(run.chunks(lay.sub[1])) {
                        for (y, v) in y.iter_mut().zip(row) {
                            y.write(*v);
                        }
                    }
                });
            });
    });
    tensor(y, [batch, channels, height, width])
}

/// The gradients by the input and by the kernels, where `wanted`. A task has a channel, and adds its images up in order.
fn gradients(
    lay: &Layout,
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
    wanted: [bool; 2],
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let Window { batch, channels, .. } = lay.window;
    let (pixels, area) = (lay.window.pixels(), lay.taps.len());
    let mut by_x = Vec::new();
    let mut by_weight = vec![0.0f32; if wanted[1] { channels * area } else { channels }];
    let channel = |to: Shared, channel: usize, by_weight: &mut [f32]| {
        let lengths = [
            lay.packed(),
            lay.farthest() + lay.run().max(lay.size().next_multiple_of(LANES)),
            lay.packed() + LANES,
        ];
        with_scratch(&SCRATCH, lengths, |[packed, run, found]| {
            let mut totals = vec![0.0f64; area];
            for image in 0..batch {
                let plane = image * channels + channel;
                lay.pack_gradient(grad, plane, run);
                if wanted[1] {
                    lay.pack(&x[plane * pixels..][..pixels], packed);
                    lay.kernel_gradient(packed, run, &mut totals);
                }
                if wanted[0] {
                    lay.input_gradient(&weight[channel * area..][..area], run, found);
                    let at = to.at(plane * pixels);
                    // SAFETY: inside of `by_x`, and no other task has this plane.
                    let to = unsafe { std::slice::from_raw_parts_mut(at, pixels) };
                    lay.unpack(found, to);
                }
            }
            if wanted[1] {
                for (to, total) in by_weight.iter_mut().zip(totals) {
                    *to = total as f32;
                }
            }
        });
    };
    let mut run = |to: Shared| {
        by_weight
            .par_chunks_mut(if wanted[1] { area } else { 1 })
            .with_min_len((8192 / (pixels * batch)).max(1))
            .enumerate()
            .for_each(|(index, by_weight)| channel(to, index, by_weight));
    };
    if wanted[0] {
        // Zeroed by the system as its pages are touched; `unpack` writes every plane whole.
        by_x = vec![0.0f32; batch * channels * pixels];
        run(Shared(by_x.as_mut_ptr()));
    } else {
        run(Shared(std::ptr::null_mut()));
    }
    (wanted[0].then_some(by_x), wanted[1].then_some(by_weight))
}

impl Layout {
    /// The map's gradient with zeros between its rows, before it and behind it.
    fn pack_gradient(&self, grad: &[f32], plane: usize, to: &mut [f32]) {
        let [_, width] = self.window.map;
        let grad = &grad[plane * self.window.positions()..][..self.window.positions()];
        to.fill(0.0);
        let rows = to[self.farthest()..].chunks_mut(self.sub[1]);
        for (to, from) in rows.zip(grad.chunks_exact(width)) {
            to[..width].copy_from_slice(from);
        }
    }

    fn kernel_gradient(&self, packed: &[f32], run: &[f32], totals: &mut [f64]) {
        let run = &run[self.farthest()..][..self.run()];
        let distances: Vec<usize> = self
            .taps
            .iter()
            .map(|&(sub, distance)| sub * self.size() + distance)
            .collect();
        products(packed, &distances, run, totals);
    }

    fn input_gradient(&self, weight: &[f32], run: &[f32], found: &mut [f32]) {
        let [down, right] = self.window.stride;
        let count = self.size().next_multiple_of(LANES);
        for sub in 0..down * right {
            // An element of the kernel brings the gradient back from where it had looked.
            let taps: Vec<(usize, f32)> = self
                .taps
                .iter()
                .zip(weight)
                .filter(|((of, _), _)| *of == sub)
                .map(|(&(_, distance), &w)| (self.farthest() - distance, w))
                .collect();
            // Its last vector may reach into the next sub-plane, which is written after it.
            correlate(run, &taps, &mut found[sub * self.size()..][..count]);
        }
    }
}

#[cfg(test)]
mod tests;
