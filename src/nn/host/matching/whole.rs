//! Similarity vectors of whole images and whole captions, as one operation with a gradient of its own.

use super::super::rows::{add, before_squares, squares};
use super::super::{Gradients, Place, Shared, dense, enter, place, plain, tensor, tracked, values};
use super::project::{Back, Projection, Sums};
use super::{Pairs, TILE, parts, spaced, with_scratch};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::sync::Arc;

/// `unit( (image − caption)² · weight + bias )` of every pair: images `[images, dim]`, captions `[captions, dim]`, weight `[dim, out]`,
/// bias `[out]` → `[pairs, out]`. `None` where this is not for the host.
pub fn global_similarity(
    images: &Tensor<2>,
    captions: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    pairs: &Pairs,
) -> Option<Tensor<2>> {
    let [dim, out] = weight.dims();
    let fits = images.dims() == [pairs.images(), dim]
        && captions.dims() == [pairs.captions(), dim]
        && bias.dims() == [out]
        && [pairs.len(), dim, out].iter().all(|&n| n > 0);
    if !fits {
        return None;
    }
    let run = |inputs: [FlexTensor; 4]| {
        let inputs = inputs.map(dense);
        let (output, roots) = forward(inputs.each_ref().map(values), pairs, [dim, out]);
        let output = tensor(output, [pairs.len(), out]);
        let state = State {
            pairs: pairs.clone(),
            size: [dim, out],
            inputs,
            output: output.clone(),
            roots: Arc::new(roots),
        };
        (output, state)
    };
    match (place(images)?, place(captions)?, place(weight)?, place(bias)?) {
        (Place::Plain(i), Place::Plain(c), Place::Plain(w), Place::Plain(b)) => {
            Some(plain(run([i, c, w, b]).0))
        }
        (Place::Tracked(i), Place::Tracked(c), Place::Tracked(w), Place::Tracked(b)) => {
            let [(i, i_node), (c, c_node), (w, w_node), (b, b_node)] = [i, c, w, b].map(|x| x.into_parts());
            let (output, state) = run([i, c, w, b]);
            Some(tracked(enter(
                GlobalSimilarity,
                [i_node, c_node, w_node, b_node],
                state,
                output,
            )))
        }
        _ => None,
    }
}

#[derive(Debug)]
struct GlobalSimilarity;

#[derive(Clone, Debug)]
struct State {
    pairs: Pairs,
    size: [usize; 2],
    inputs: [FlexTensor; 4],
    output: FlexTensor,
    roots: Arc<Vec<f32>>,
}

/// Squares of the differences of an image and the captions of some pairs, [`spaced`].
fn all_squares(
    image: &[f32],
    captions: &[f32],
    pairs: &Pairs,
    numbers: std::ops::Range<usize>,
    to: &mut [f32],
) {
    let dim = image.len();
    for (row, pair) in to.chunks_exact_mut(spaced(dim)).zip(numbers) {
        squares(image, &captions[pairs.caption(pair) * dim..][..dim], row);
    }
}

/// The pairs of an image, a tile at a time.
fn tiles(pairs: &Pairs, image: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let all = pairs.0.images[image]..pairs.0.images[image + 1];
    all.clone()
        .step_by(TILE)
        .map(move |start| start..(start + TILE).min(all.end))
}

fn forward(
    [images, captions, weight, bias]: [&[f32]; 4],
    pairs: &Pairs,
    [dim, out]: [usize; 2],
) -> (Vec<f32>, Vec<f32>) {
    let (mut output, mut roots) = (vec![0.0f32; pairs.len() * out], vec![0.0f32; pairs.len()]);
    let (to, root_at) = (Shared(output.as_mut_ptr()), Shared(roots.as_mut_ptr()));
    let projection = Projection::new(weight, bias, [dim, out]);
    (0..pairs.images()).into_par_iter().for_each(|image| {
        with_scratch([TILE * spaced(dim), 0, 0, 0], |[buffer, ..]| {
            for tile in tiles(pairs, image) {
                all_squares(
                    &images[image * dim..][..dim],
                    captions,
                    pairs,
                    tile.clone(),
                    buffer,
                );
                // SAFETY: these pairs are in this tile alone.
                let (to, roots) = unsafe {
                    (
                        std::slice::from_raw_parts_mut(to.at(tile.start * out), tile.len() * out),
                        std::slice::from_raw_parts_mut(root_at.at(tile.start), tile.len()),
                    )
                };
                projection.run(buffer, to, roots);
            }
        });
    });
    (output, roots)
}

impl Backward<Flex, 4> for GlobalSimilarity {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let State {
            pairs,
            size: [dim, out],
            inputs,
            output,
            roots,
        } = &ops.state;
        let (dim, out) = (*dim, *out);
        let [images, captions, weight, _] = inputs.each_ref().map(values);
        let (output, gradient) = (values(output), values(&gradient));
        let back = Back::new(weight, [dim, out]);
        let mut of_images = vec![0.0f32; images.len()];
        let to = Shared(of_images.as_mut_ptr());
        let mut sums: Vec<(Vec<f32>, Sums)> = parts(pairs.images())
            .into_par_iter()
            .map(|part| {
                let mut of_captions = vec![0.0f32; captions.len()];
                let mut sums = Sums::new([dim, out]);
                for image in part {
                    // SAFETY: this image is in this part alone.
                    let of_image = unsafe { std::slice::from_raw_parts_mut(to.at(image * dim), dim) };
                    let vector = &images[image * dim..][..dim];
                    with_scratch(
                        [TILE * spaced(dim), TILE * out, 0, 0],
                        |[buffer, projected, ..]| {
                            for tile in tiles(pairs, image) {
                                all_squares(vector, captions, pairs, tile.clone(), buffer);
                                let results = tile.start * out..tile.end * out;
                                back.run(
                                    buffer,
                                    [&output[results.clone()], &gradient[results]],
                                    &roots[tile.clone()],
                                    projected,
                                    &mut sums,
                                );
                                for (change, pair) in buffer.chunks_exact(spaced(dim)).zip(tile) {
                                    let at = pairs.caption(pair) * dim;
                                    let sum = &mut of_captions[at..][..dim];
                                    before_squares(change, [vector, &captions[at..][..dim]], [of_image, sum]);
                                }
                            }
                        },
                    );
                }
                (of_captions, sums)
            })
            .collect();
        let (mut of_captions, mut total) = sums.remove(0);
        for (more, part) in &sums {
            add(&mut of_captions, more);
            total.add(part);
        }
        let found = [
            tensor(of_images, [pairs.images(), dim]),
            tensor(of_captions, [pairs.captions(), dim]),
            tensor(total.weight, [dim, out]),
            tensor(total.bias, [out]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}
