//! Rows of length 1, as one operation with a gradient of its own: a tensor of a few megabytes is read once and written once, by all
//! threads, where burn's operations would be six passes and twice as many backwards.

use super::rows::{before_unit, to_unit};
use super::{Gradients, Place, dense, enter, place, plain, tensor, tracked, values};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::Arc;

/// [`crate::nn::unit`] along the last axis. `None` where this is not for the host.
pub fn unit<const D: usize>(x: &Tensor<D>) -> Option<Tensor<D>> {
    let dims = x.dims();
    let width = dims[D - 1];
    if dims.iter().product::<usize>() == 0 {
        return None;
    }
    let run = |x: FlexTensor| {
        let x = dense(x);
        let from = values(&x);
        let (mut to, mut roots) = (vec![0.0f32; from.len()], vec![0.0f32; from.len() / width]);
        let rows = to.par_chunks_exact_mut(width).zip(from.par_chunks_exact(width));
        rows.zip(&mut roots)
            .for_each(|((to, from), root)| *root = to_unit(from, to));
        (tensor(to, dims), roots)
    };
    match place(x)? {
        Place::Plain(x) => Some(plain(run(x).0)),
        Place::Tracked(x) => {
            let (x, node) = x.into_parts();
            let (y, roots) = run(x);
            let state = State {
                y: y.clone(),
                roots: Arc::new(roots),
            };
            Some(tracked(enter(Unit::<D>, [node], state, y)))
        }
    }
}

#[derive(Debug)]
struct Unit<const D: usize>;

#[derive(Clone, Debug)]
struct State {
    y: FlexTensor,
    roots: Arc<Vec<f32>>,
}

impl<const D: usize> Backward<Flex, 1> for Unit<D> {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let State { y, roots } = &ops.state;
        let (from, y) = (values(&gradient), values(y));
        let width = y.len() / roots.len();
        let mut to = vec![0.0f32; y.len()];
        let rows = to.par_chunks_exact_mut(width).zip(from.par_chunks_exact(width));
        let rows = rows.zip(y.par_chunks_exact(width)).zip(&**roots);
        rows.for_each(|(((to, from), y), &root)| before_unit(from, y, root, to));
        let [node] = ops.parents;
        if let Some(node) = node {
            let dims: [usize; D] = gradient.layout().shape().dims();
            grads.register::<Flex>(node.id, tensor(to, dims));
        }
    }
}
