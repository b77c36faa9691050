//! The heavy layers of a convolutional network on the CPU, each as one operation with a gradient of its own.
//!
//! burn's CPU backend computes a convolution's weight gradient as another convolution, a batch normalisation's as a dozen
//! element-wise passes on one thread, and so on: correct, but several times slower than the same arithmetic in the order that
//! the caches like. The operations here take over where three things hold: the tensors lie on the CPU backend, they are `f32`,
//! and the graph is a plain one (no gradient checkpointing). Everywhere else the functions answer `None`, and the layers call
//! burn's own operations, which every other device has good kernels for.
//!
//! Results do not depend on the number of threads or on their timing: sums are split by shape alone, and every partial sum
//! is added in a fixed order.

mod act;
pub mod conv;
pub mod depthwise;
mod fold;
pub mod gate;
pub mod gru;
pub mod matching;
pub mod norm;
mod panels;
pub mod pool;
mod product;
mod rows;
mod scratch;
#[cfg(test)]
pub(super) mod testing;
pub mod unit;
mod wide;

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, BackendTypes, Flex};
use burn::tensor::{DType, Tensor, TensorData};
use std::mem::MaybeUninit;

/// A tensor of the CPU backend in the graph.
type Tracked = <Autodiff<Flex> as BackendTypes>::FloatTensorPrimitive;

/// Where a tensor lies.
enum Place {
    /// On the CPU, outside of any graph.
    Plain(FlexTensor),
    /// On the CPU, in a graph without checkpointing.
    Tracked(Tracked),
}

/// The CPU's representation of `x`, if it has one and holds `f32`.
fn place<const D: usize>(x: &Tensor<D>) -> Option<Place> {
    if x.dtype() != DType::F32 {
        return None;
    }
    if x.device().is_autodiff() {
        let found = x.clone().try_into_primitive::<Autodiff<Flex>>();
        found.ok().map(Place::Tracked)
    } else {
        x.clone().try_into_primitive::<Flex>().ok().map(Place::Plain)
    }
}

/// Whether the operations here take `x`.
pub fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    place(x).is_some()
}

/// Enters an operation with its saved state into the graph.
fn enter<Op, const N: usize>(op: Op, parents: [NodeGuard; N], state: Op::State, output: FlexTensor) -> Tracked
where
    Op: Backward<Flex, N>,
{
    match op.prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// What a layer of an input and a kernel keeps for its gradients.
#[derive(Clone, Debug)]
struct Kept<How> {
    /// How the two meet.
    how: How,
    x: FlexTensor,
    weight: FlexTensor,
}

/// A layer of an input and a kernel: both outside of any graph, or both in one. `None` where either lies elsewhere.
fn weighted<Op, How>(
    op: Op,
    how: How,
    [x, weight]: [&Tensor<4>; 2],
    forward: impl FnOnce(&How, &FlexTensor, &FlexTensor) -> FlexTensor,
) -> Option<Tensor<4>>
where
    Op: Backward<Flex, 2, State = Kept<How>>,
{
    match (place(x)?, place(weight)?) {
        (Place::Plain(x), Place::Plain(weight)) => Some(plain(forward(&how, &dense(x), &dense(weight)))),
        (Place::Tracked(x), Place::Tracked(weight)) => {
            let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
            let (x, weight) = (dense(x), dense(weight));
            let y = forward(&how, &x, &weight);
            Some(tracked(enter(
                op,
                [x_node, weight_node],
                Kept { how, x, weight },
                y,
            )))
        }
        _ => None,
    }
}

fn tracked<const D: usize>(x: Tracked) -> Tensor<D> {
    Tensor::from_primitive::<Autodiff<Flex>>(x)
}

fn plain<const D: usize>(x: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(x)
}

/// The tensor in row-major order, so that [`values`] can be read.
pub(crate) fn dense(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// The elements of a [`dense`] tensor.
pub(crate) fn values(x: &FlexTensor) -> &[f32] {
    let count = x.layout().num_elements();
    let start = x.layout().start_offset();
    &x.storage::<f32>()[start..start + count]
}

/// A tensor from its elements in row-major order.
fn tensor<const N: usize>(values: Vec<f32>, shape: [usize; N]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A vector of that many elements, all of which `write` writes: nothing is zeroed first.
fn written(count: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    write(&mut values.spare_capacity_mut()[..count]);
    // SAFETY: the capacity is there, and callers write every element (f32 has no invalid bits, and no drop).
    unsafe { values.set_len(count) };
    values
}

/// A value that tasks write to in places which never overlap.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: the pointer is only used inside of calls that borrow the buffer mutably, in regions disjoint by construction.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}
