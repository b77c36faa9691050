//! A two-dimensional convolution as products of its unfolded input, tile by tile, in the caches.

use super::fold::{Tile, Window};
use super::product::{Matrix, product};
use super::scratch::{Scratch, with_scratch};
use super::{Gradients, Kept, Shared, dense, tensor, values, weighted, written};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// `[batch, input, height, width]` with a kernel `[output, input, kernel height, kernel width]` → `[batch, output, height', width']`,
/// padded by zeros (`padding`: those above and left, then those below and right); `None` where this is not for the host (see [the room](super)) or no window fits.
pub fn conv2d(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Option<Tensor<4>> {
    let [output, input, height, width] = weight.dims();
    let window = Window::new(x.dims(), [height, width], stride, padding)?;
    if input != window.channels || output == 0 {
        return None;
    }
    weighted(Convolution, window, [x, weight], forward)
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 2> for Convolution {
    type State = Kept<Window>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Kept {
            how: window,
            x,
            weight,
        } = ops.state;
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let output = weight.layout().shape()[0];
        let [x_node, weight_node] = ops.parents;
        if let Some(node) = weight_node {
            let found = weight_gradient(&window, output, values(&x), values(&grad));
            let [height, width] = window.kernel;
            let shape = [output, window.channels, height, width];
            grads.register::<Flex>(node.id, tensor(found, shape));
        }
        if let Some(node) = x_node {
            let found = input_gradient(&window, output, values(&weight), values(&grad));
            let [height, width] = window.image;
            let shape = [window.batch, window.channels, height, width];
            grads.register::<Flex>(node.id, tensor(found, shape));
        }
    }
}

fn forward(window: &Window, x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let output = weight.layout().shape()[0];
    let kernel = Matrix::new(values(weight), window.channels * window.area());
    let found = convolve(window, output, values(x), kernel);
    tensor(found, [window.batch, output, window.map[0], window.map[1]])
}

thread_local! {
    static SCRATCH: Scratch<2> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Columns per tile: the unfolded input should stay in a core's cache, and a product should be worth its start.
fn tile_columns(depth: usize) -> usize {
    ((1 << 17) / depth).clamp(128, 1024)
}

/// `kernel` `[output, input · area]` times the unfolded input.
fn convolve(window: &Window, output: usize, x: &[f32], kernel: Matrix) -> Vec<f32> {
    let depth = window.channels * window.area();
    let (positions, pixels) = (window.positions(), window.pixels());
    let tiles = window.tiles(tile_columns(depth));
    let one = |to: Shared, tile: &Tile| {
        let count = tile.columns(window);
        let single = tile.images.len() == 1;
        let direct = single && window.is_pointwise();
        let lengths = [
            if direct { 0 } else { depth * count },
            if single { 0 } else { output * count },
        ];
        with_scratch(&SCRATCH, lengths, |[columns, result]| {
            let first = tile.rows.start * window.map[1];
            let right = if direct {
                let image = &x[tile.images.start * window.channels * pixels..][..window.channels * pixels];
                Matrix::new(&image[first..], pixels)
            } else {
                window.unfold(x, tile, 0..window.channels, columns);
                Matrix::new(columns, count)
            };
            let sizes = [output, count, depth];
            if single {
                let at = to.at(tile.images.start * output * positions + first);
                // SAFETY: inside of `y`, and no other tile has these positions.
                unsafe { product(sizes, kernel, right, at, positions, false) };
                return;
            }
            // SAFETY: the buffer is this thread's own, of that size.
            unsafe { product(sizes, kernel, right, result.as_mut_ptr(), count, false) };
            for (index, image) in tile.images.clone().enumerate() {
                for channel in 0..output {
                    let from = &result[channel * count + index * positions..][..positions];
                    let at = to.at((image * output + channel) * positions);
                    // SAFETY: inside of `y`, and no other tile has these images.
                    unsafe { at.copy_from_nonoverlapping(from.as_ptr(), positions) };
                }
            }
        });
    };
    written(window.batch * output * positions, |y| {
        let to = Shared(y.as_mut_ptr().cast());
        tiles.par_iter().for_each(|tile| one(to, tile));
    })
}

/// A tile of a map `[batch, output, positions]` as a matrix `[output, columns]`; gathered in `buffer` if it has several images.
fn tile_of<'a>(
    window: &Window,
    output: usize,
    map: &'a [f32],
    tile: &Tile,
    buffer: &'a mut [f32],
) -> Matrix<'a> {
    let positions = window.positions();
    if tile.images.len() == 1 {
        let image = &map[tile.images.start * output * positions..][..output * positions];
        return Matrix::new(&image[tile.rows.start * window.map[1]..], positions);
    }
    let count = tile.columns(window);
    for (index, image) in tile.images.clone().enumerate() {
        for channel in 0..output {
            let from = &map[(image * output + channel) * positions..][..positions];
            buffer[channel * count + index * positions..][..positions].copy_from_slice(from);
        }
    }
    Matrix::new(buffer, count)
}

fn gathered(tile: &Tile, window: &Window, output: usize) -> usize {
    if tile.images.len() == 1 {
        0
    } else {
        output * tile.columns(window)
    }
}

/// The gradient by the kernel, `[output, input · area]`.
///
/// A small kernel: the batch in up to 16 parts, whose sums are added in order. A large one: the input's channels in blocks.
fn weight_gradient(window: &Window, output: usize, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let area = window.area();
    let depth = window.channels * area;
    let size = output * depth;
    let tiles = window.tiles(512);
    if size <= 1 << 18 {
        let parts = (if size <= 1 << 16 { 16 } else { 8 }).min(tiles.len());
        let mut sums = written(parts * size, |sums| {
            sums.par_chunks_exact_mut(size)
                .enumerate()
                .for_each(|(part, sum)| {
                    let range = tiles.len() * part / parts..tiles.len() * (part + 1) / parts;
                    let at = Shared(sum.as_mut_ptr().cast());
                    accumulate(window, output, [x, grad], &tiles[range], 0..window.channels, at);
                });
        });
        let (total, rest) = sums.split_at_mut(size);
        total
            .par_chunks_mut(1 << 14)
            .enumerate()
            .for_each(|(chunk, total)| {
                for part in rest.chunks_exact(size) {
                    for (a, b) in total.iter_mut().zip(&part[chunk << 14..]) {
                        *a += *b;
                    }
                }
            });
        sums.truncate(size);
        sums.shrink_to_fit();
        return sums;
    }
    let block = 144usize.div_ceil(area).min(window.channels);
    let blocks: Vec<_> = (0..window.channels)
        .step_by(block)
        .map(|c| c..(c + block).min(window.channels))
        .collect();
    written(size, |sum| {
        let at = Shared(sum.as_mut_ptr().cast());
        blocks.into_par_iter().for_each(|channels| {
            accumulate(window, output, [x, grad], &tiles, channels, at);
        });
    })
}

/// Writes the gradient of the tiles, at least one, by the kernel's channels `channels` to `sum`, a whole kernel's.
fn accumulate(
    window: &Window,
    output: usize,
    [x, grad]: [&[f32]; 2],
    tiles: &[Tile],
    channels: Range<usize>,
    sum: Shared,
) {
    let area = window.area();
    let height = channels.len() * area;
    for (index, tile) in tiles.iter().enumerate() {
        let count = tile.columns(window);
        let direct = tile.images.len() == 1 && window.is_pointwise();
        let lengths = [
            if direct { 0 } else { height * count },
            gathered(tile, window, output),
        ];
        with_scratch(&SCRATCH, lengths, |[columns, buffer]| {
            let left = tile_of(window, output, grad, tile, buffer);
            let right = if direct {
                let pixels = window.pixels();
                let first = (tile.images.start * window.channels + channels.start) * pixels;
                Matrix::new(&x[first + tile.rows.start * window.map[1]..], pixels)
            } else {
                window.unfold(x, tile, channels.clone(), columns);
                Matrix::new(columns, count)
            };
            let at = sum.at(channels.start * area);
            // SAFETY: these columns of the sum belong to this caller alone.
            unsafe {
                product(
                    [output, height, count],
                    left,
                    right.transposed(),
                    at,
                    window.channels * area,
                    index > 0,
                )
            };
        });
    }
}

/// The gradient by the input, `[batch, input, height, width]`.
fn input_gradient(window: &Window, output: usize, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let area = window.area();
    let depth = window.channels * area;
    let [height, width] = window.map;
    let [i, j] = window.kernel;
    let inner = |padding: [usize; 2]| padding[0] < i && padding[1] < j;
    if window.stride == [1, 1] && inner(window.padding) && inner(window.after) {
        // A convolution with the kernel turned by half a turn, its inputs and outputs exchanged.
        let padding = [window.padding, window.after].map(|[above, left]| [i - 1 - above, j - 1 - left]);
        let back = Window::new(
            [window.batch, output, height, width],
            window.kernel,
            [1, 1],
            padding,
        );
        if let Some(back) = back {
            if area == 1 {
                return convolve(
                    &back,
                    window.channels,
                    grad,
                    Matrix::new(weight, depth).transposed(),
                );
            }
            let turned = turned(window.channels, output, area, weight);
            return convolve(&back, window.channels, grad, Matrix::new(&turned, output * area));
        }
    }
    let mut found = vec![0.0; window.batch * window.channels * window.pixels()];
    let group = (256 / window.positions()).clamp(1, window.batch);
    let groups = window.groups(group);
    let block = 288usize.div_ceil(area).min(window.channels);
    let at = Shared(found.as_mut_ptr());
    groups.par_iter().for_each(|tile| {
        let count = tile.columns(window);
        let images = window.channels * window.pixels();
        let at = at.at(tile.images.start * images);
        // SAFETY: inside of `found`, and no other group has these images.
        let found = unsafe { std::slice::from_raw_parts_mut(at, tile.images.len() * images) };
        let lengths = [block * area * count, gathered(tile, window, output)];
        with_scratch(&SCRATCH, lengths, |[columns, buffer]| {
            let right = tile_of(window, output, grad, tile, buffer);
            for start in (0..window.channels).step_by(block) {
                let channels = start..(start + block).min(window.channels);
                let rows = channels.len() * area;
                let left = Matrix::new(&weight[start * area..], depth).transposed();
                // SAFETY: the buffer is this thread's own, of that size.
                unsafe {
                    product(
                        [rows, count, output],
                        left,
                        right,
                        columns.as_mut_ptr(),
                        count,
                        false,
                    )
                };
                window.fold(columns, tile, channels, found);
            }
        });
    });
    found
}

/// `[output, input, area]` → `[input, output, area]`, each kernel backwards.
fn turned(input: usize, output: usize, area: usize, weight: &[f32]) -> Vec<f32> {
    let mut turned = vec![0.0; weight.len()];
    turned
        .par_chunks_exact_mut(output * area)
        .enumerate()
        .for_each(|(channel, kernels)| {
            for (o, kernel) in kernels.chunks_exact_mut(area).enumerate() {
                let from = &weight[(o * input + channel) * area..][..area];
                for (to, from) in kernel.iter_mut().zip(from.iter().rev()) {
                    *to = *from;
                }
            }
        });
    turned
}

#[cfg(test)]
mod tests;
