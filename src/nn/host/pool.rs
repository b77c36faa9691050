//! Max pooling that remembers where each maximum was.

use super::fold::Window;
use super::{Gradients, Place, dense, enter, place, plain, tensor, tracked, values};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `[batch, channels, height, width]` → `[batch, channels, height', width']`, the largest value of each window; values outside
/// of the image do not count, and what is no number is the largest. Of equal values the first, in row-major order, gets the
/// gradient, as in torch. `None` where this is not for the host (see [the room](super)), or a window might be empty.
pub fn max_pool2d(
    x: &Tensor<4>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Option<Tensor<4>> {
    let window = Window::new(x.dims(), kernel, stride, [padding; 2])?;
    if padding[0] >= kernel[0] || padding[1] >= kernel[1] || window.pixels() > u32::MAX as usize {
        return None;
    }
    let shape = [window.batch, window.channels, window.map[0], window.map[1]];
    match place(x)? {
        Place::Plain(x) => {
            let (y, _) = forward(&window, values(&dense(x)));
            Some(plain(tensor(y, shape)))
        }
        Place::Tracked(x) => {
            let (x, node) = x.into_parts();
            let (y, places) = forward(&window, values(&dense(x)));
            Some(tracked(enter(
                MaxPool,
                [node],
                State { window, places },
                tensor(y, shape),
            )))
        }
    }
}

#[derive(Debug)]
struct MaxPool;

#[derive(Clone, Debug)]
struct State {
    window: Window,
    /// Of each output, the pixel in its plane.
    places: Vec<u32>,
}

impl Backward<Flex, 1> for MaxPool {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let State { window, places } = ops.state;
        let grad = dense(grads.consume::<Flex>(&ops.node));
        let [node] = ops.parents;
        let Some(node) = node else { return };
        let grad = values(&grad);
        let mut found = vec![0.0; window.batch * window.channels * window.pixels()];
        let (positions, pixels) = (window.positions(), window.pixels());
        found
            .par_chunks_exact_mut(pixels)
            .zip(
                grad.par_chunks_exact(positions)
                    .zip(places.par_chunks_exact(positions)),
            )
            .for_each(|(to, (grad, places))| {
                for (grad, place) in grad.iter().zip(places) {
                    to[*place as usize] += *grad;
                }
            });
        let shape = [window.batch, window.channels, window.image[0], window.image[1]];
        grads.register::<Flex>(node.id, tensor(found, shape));
    }
}

fn forward(window: &Window, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let (positions, pixels) = (window.positions(), window.pixels());
    let count = window.batch * window.channels * positions;
    let (mut y, mut places) = (vec![0.0; count], vec![0; count]);
    y.par_chunks_exact_mut(positions)
        .zip(places.par_chunks_exact_mut(positions))
        .zip(x.par_chunks_exact(pixels))
        .for_each(|((y, places), plane)| {
            let outputs = y.iter_mut().zip(places);
            for (at, (y, place)) in outputs.enumerate() {
                let [rows, columns] = window.extent([at / window.map[1], at % window.map[1]]);
                let mut best = (f32::NEG_INFINITY, rows.start * window.image[1] + columns.start);
                for row in rows {
                    let start = row * window.image[1];
                    for (index, value) in plane[start + columns.start..start + columns.end]
                        .iter()
                        .enumerate()
                    {
                        if *value > best.0 || value.is_nan() {
                            best = (*value, start + columns.start + index);
                        }
                    }
                }
                (*y, *place) = (best.0, best.1 as u32);
            }
        });
    (y, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::host::testing::vector;
    use crate::nn::init::tests::noise;
    use burn::tensor::TensorData;
    use burn::tensor::module::max_pool2d as burns;
    use burn::tensor::ops::MaxPoolOptions;

    #[test]
    fn output_and_gradient_are_burns() {
        let device = cpu().autodiff();
        for (shape, kernel, stride, padding) in [
            ([2, 3, 9, 8], [3, 3], [2, 2], [1, 1]),
            ([2, 3, 8, 9], [3, 3], [2, 2], [1, 1]),
            ([2, 3, 7, 5], [2, 3], [1, 2], [0, 1]),
            ([1, 2, 6, 6], [2, 2], [3, 3], [1, 0]),
            ([1, 1, 1, 1], [3, 3], [2, 2], [1, 1]),
        ] {
            let run = |ours: bool| {
                let x = Tensor::<4>::from_data(noise(shape, 1).into_data(), &device).require_grad();
                let y = match ours {
                    true => max_pool2d(&x, kernel, stride, padding).unwrap(),
                    false => {
                        let options = MaxPoolOptions::new(kernel)
                            .with_stride(stride)
                            .with_padding(padding);
                        burns(x.clone(), options)
                    }
                };
                let factors = Tensor::from_data(noise(y.dims(), 2).into_data(), &device);
                let grads = (y.clone() * factors).sum().backward();
                (y.dims(), vector(y), vector(x.grad(&grads).unwrap()))
            };
            let (ours, theirs) = (run(true), run(false));
            assert_eq!((ours.0, &ours.1), (theirs.0, &theirs.1), "{shape:?}");
            for (a, b) in ours.2.iter().zip(&theirs.2) {
                assert!((a - b).abs() < 1e-5, "{shape:?}: {a} {b}");
            }
            let outside = max_pool2d(&noise(shape, 1), kernel, stride, padding).unwrap();
            assert_eq!(vector(outside), ours.1);
        }
    }

    #[test]
    fn the_first_of_equals_gets_the_gradient_and_no_number_is_the_largest() {
        let device = cpu().autodiff();
        let x = TensorData::new(
            vec![2.0f32, 2.0, f32::NAN, 3.0, -1.0, 0.0, 1.0, f32::NEG_INFINITY],
            [1, 1, 2, 4],
        );
        let x = Tensor::<4>::from_data(x, &device).require_grad();
        let y = max_pool2d(&x, [2, 2], [2, 2], [0, 0]).unwrap();
        let grads = y.clone().sum().backward();
        let y = vector(y);
        assert!(y[0] == 2.0 && y[1].is_nan(), "{y:?}");
        assert_eq!(
            vector(x.grad(&grads).unwrap()),
            [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
        assert!(max_pool2d(&x, [2, 2], [2, 2], [2, 0]).is_none());
    }
}
