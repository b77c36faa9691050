//! The similarity vectors of words and the regions that they attend to, as one operation with a gradient of its own.

use super::super::panels::Factor;
use super::super::product::{Matrix, product};
use super::super::rows::{add, before_unit_squares, unit_and_squares, unit_squares};
use super::super::{Gradients, Place, Shared, dense, enter, place, plain, tensor, tracked, values};
use super::project::{Back, Projection, Sums};
use super::weigh::{Attention, MOST};
use super::{Pairs, TILE, Task, parts, runs, spaced, with_scratch};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// With `A = V Tᵀ` of an image's regions and a caption's words, `α = softmax over regions of sharpness · unit over words of
/// leaky(A)`: `unit( (unit(Σ α V) − T)² · weight + bias )` of every word of every pair.
///
/// regions `[images, regions, dim]`, words `[captions, padded, dim]`, weight `[dim, out]`, bias `[out]` → `[rows, out]`. `None` where
/// this is not for the host.
pub fn local_similarity(
    regions: &Tensor<3>,
    words: &Tensor<3>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    pairs: &Pairs,
    attention: Attention,
) -> Option<Tensor<2>> {
    let [images, slots, dim] = regions.dims();
    let [in_dim, out] = weight.dims();
    let fits = words.dims() == [pairs.captions(), pairs.0.padded, dim]
        && pairs.images() == images
        && in_dim == dim
        && bias.dims() == [out]
        && (0.0..=MOST).contains(&attention.sharpness)
        && [pairs.len(), slots, dim, out].iter().all(|&n| n > 0);
    if !fits {
        return None;
    }
    let about = About {
        pairs: pairs.clone(),
        attention,
        slots,
        dim,
        out,
    };
    let run = |inputs: [FlexTensor; 4], keep: bool| {
        let [regions, words, weight, bias] = inputs.map(dense);
        let words = Arc::new(pairs.compact(values(&words), dim));
        let (output, roots, scores) = about.forward([&regions, &weight, &bias].map(values), &words, keep);
        let output = tensor(output, [pairs.rows(), out]);
        let state = State {
            about: about.clone(),
            regions,
            words,
            weight,
            output: output.clone(),
            roots: Arc::new(roots),
            scores: Arc::new(scores),
        };
        (output, state)
    };
    match (place(regions)?, place(words)?, place(weight)?, place(bias)?) {
        (Place::Plain(r), Place::Plain(t), Place::Plain(w), Place::Plain(b)) => {
            Some(plain(run([r, t, w, b], false).0))
        }
        (Place::Tracked(r), Place::Tracked(t), Place::Tracked(w), Place::Tracked(b)) => {
            let [(r, r_node), (t, t_node), (w, w_node), (b, b_node)] = [r, t, w, b].map(|x| x.into_parts());
            let (output, state) = run([r, t, w, b], true);
            let nodes = [r_node, t_node, w_node, b_node];
            Some(tracked(enter(LocalSimilarity, nodes, state, output)))
        }
        _ => None,
    }
}

#[derive(Clone, Debug)]
struct About {
    pairs: Pairs,
    attention: Attention,
    slots: usize,
    dim: usize,
    out: usize,
}

#[derive(Debug)]
struct LocalSimilarity;

#[derive(Clone, Debug)]
struct State {
    about: About,
    regions: FlexTensor,
    /// `[words, dim]`, spaced.
    words: Arc<Vec<f32>>,
    weight: FlexTensor,
    output: FlexTensor,
    roots: Arc<Vec<f32>>,
    /// `A`, `[rows, slots]`.
    scores: Arc<Vec<f32>>,
}

/// An image's regions as the right factor of two products.
struct Image {
    /// `[dim, slots]`, of words: how much each word is a region.
    asked: Factor,
    /// `[slots, dim]`, of weights: what each word attends to.
    attended: Factor,
}

impl About {
    fn scratch(&self) -> [usize; 4] {
        let tile = TILE * spaced(self.dim);
        [tile, tile, TILE * self.out, 2 * self.slots]
    }

    /// The images of a range.
    fn images(&self, regions: &[f32], range: Range<usize>) -> Vec<Image> {
        let (slots, dim) = (self.slots, self.dim);
        let one = |image: usize| {
            let regions = Matrix::new(&regions[image * slots * dim..][..slots * dim], dim);
            Image {
                asked: Factor::new([dim, slots], regions.transposed()),
                attended: Factor::new([slots, dim], regions),
            }
        };
        range.into_par_iter().map(one).collect()
    }

    /// `A` of a task, `[rows, slots]`.
    fn scores(&self, image: &Image, words: &[f32], sources: &[u32], to: &mut [f32]) {
        let (slots, width) = (self.slots, spaced(self.dim));
        assert_eq!(to.len(), sources.len() * slots);
        for (rows, first) in runs(sources) {
            let words = Matrix::new(&words[first * width..], width);
            // SAFETY: rows of `to`, which is borrowed.
            unsafe {
                let to = to.as_mut_ptr().add(rows.start * slots);
                image.asked.product(rows.len(), words, to, slots, false);
            }
        }
    }

    /// Calls with each caption's rows within the task.
    fn each_caption(&self, task: &Task, mut work: impl FnMut(Range<usize>)) {
        let first = self.pairs.rows_of(&task.pairs).start;
        for pair in task.pairs.clone() {
            let rows = self.pairs.rows_of(&(pair..pair + 1));
            work((rows.start - first) * self.slots..(rows.end - first) * self.slots);
        }
    }

    /// The attended vectors of a tile, [`spaced`], not of length 1 yet.
    fn attend(&self, weights: &[f32], image: &Image, context: &mut [f32]) {
        let (rows, width) = (weights.len() / self.slots, spaced(self.dim));
        assert!(context.len() >= rows * width);
        let weights = Matrix::new(weights, self.slots);
        // SAFETY: `context` is borrowed, and was just found long enough.
        unsafe {
            image
                .attended
                .product(rows, weights, context.as_mut_ptr(), width, false)
        }
    }

    /// Output, its roots, and the scores if they are kept.
    fn forward(
        &self,
        [regions, weight, bias]: [&[f32]; 3],
        words: &[f32],
        keep: bool,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let Self { slots, dim, out, .. } = *self;
        let rows = self.pairs.rows();
        let (mut output, mut roots) = (vec![0.0f32; rows * out], vec![0.0f32; rows]);
        let mut kept = vec![0.0f32; if keep { rows * slots } else { 0 }];
        let [to, root_at, keep_at] = [&mut output, &mut roots, &mut kept].map(|x| Shared(x.as_mut_ptr()));
        let projection = Projection::new(weight, bias, [dim, out]);
        let images = self.images(regions, 0..self.pairs.images());
        self.pairs.tasks().par_iter().for_each(|task| {
            let image = &images[task.image];
            let sources = self.pairs.sources(task);
            let range = self.pairs.rows_of(&task.pairs);
            let mut weights = vec![0.0f32; sources.len() * slots];
            let mut own = Vec::new();
            let scores = match keep {
                // SAFETY: the rows of this task alone.
                true => unsafe { slice(keep_at, range.start * slots, sources.len() * slots) },
                false => {
                    own.resize(sources.len() * slots, 0.0);
                    own.as_mut_slice()
                }
            };
            self.scores(image, words, &sources, scores);
            with_scratch(self.scratch(), |[context, _, _, roots]| {
                self.each_caption(task, |rows| {
                    self.attention
                        .weigh(&scores[rows.clone()], &mut roots[..slots], &mut weights[rows]);
                });
                for (tile, sources) in sources.chunks(TILE).enumerate() {
                    let first = tile * TILE;
                    let weights = &weights[first * slots..][..sources.len() * slots];
                    self.attend(weights, image, context);
                    for (context, &word) in context.chunks_exact_mut(spaced(dim)).zip(sources) {
                        let word = &words[word as usize * spaced(dim)..][..dim];
                        unit_squares(&mut context[..dim], word);
                    }
                    let first = range.start + first;
                    // SAFETY: the rows of this task alone.
                    let (to, roots) = unsafe {
                        (
                            slice(to, first * out, sources.len() * out),
                            slice(root_at, first, sources.len()),
                        )
                    };
                    projection.run(context, to, roots);
                }
            });
        });
        (output, roots, kept)
    }
}

/// A part of a buffer that many tasks write to.
///
/// # Safety
/// The part lies in the buffer, and nobody else uses it meanwhile.
unsafe fn slice<'a>(buffer: Shared, start: usize, length: usize) -> &'a mut [f32] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(buffer.at(start), length) }
}

/// The gradients that a part of the images adds up.
struct PartSums {
    words: Vec<f32>,
    projection: Sums,
}

impl Backward<Flex, 4> for LocalSimilarity {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let state = &ops.state;
        let About {
            pairs,
            slots,
            dim,
            out,
            ..
        } = &state.about;
        let images = pairs.images();
        let mut regions = vec![0.0f32; images * slots * dim];
        let to = Shared(regions.as_mut_ptr());
        let back = Back::new(values(&state.weight), [*dim, *out]);
        let mut sums: Vec<PartSums> = parts(images)
            .into_par_iter()
            .map(|part| {
                let mut sums = PartSums {
                    words: vec![0.0; pairs.words() * dim],
                    projection: Sums::new([*dim, *out]),
                };
                let factors = state.about.images(values(&state.regions), part.clone());
                let tasks: Vec<_> = part.clone().map(|image| pairs.tasks_of(image)).collect();
                // All images with the same captions, then with the next: the words' gradients stay in the cache.
                for nth in 0..tasks.iter().map(Vec::len).max().unwrap_or(0) {
                    for ((image, tasks), factors) in part.clone().zip(&tasks).zip(&factors) {
                        let Some(task) = tasks.get(nth) else { continue };
                        // SAFETY: this image is in this part alone.
                        let regions = unsafe { slice(to, image * slots * dim, slots * dim) };
                        let about = (task, factors, &back);
                        state.backward_task(about, values(&gradient), regions, &mut sums);
                    }
                }
                sums
            })
            .collect();
        let mut total = sums.remove(0);
        for part in &sums {
            add(&mut total.words, &part.words);
            total.projection.add(&part.projection);
        }
        let found = [
            tensor(regions, [images, *slots, *dim]),
            tensor(
                pairs.spread(&total.words, *dim),
                [pairs.captions(), pairs.0.padded, *dim],
            ),
            tensor(total.projection.weight, [*dim, *out]),
            tensor(total.projection.bias, [*out]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}

impl State {
    /// Adds what a task gives to the gradients of its image's regions, of the words and of the projection.
    fn backward_task(
        &self,
        (task, image, back): (&Task, &Image, &Back),
        gradient: &[f32],
        regions_gradient: &mut [f32],
        sums: &mut PartSums,
    ) {
        let About {
            pairs,
            slots,
            dim,
            out,
            attention,
        } = &self.about;
        let (slots, dim, out) = (*slots, *dim, *out);
        let width = spaced(dim);
        let sources = pairs.sources(task);
        let range = pairs.rows_of(&task.pairs);
        let scores = &self.scores[range.start * slots..range.end * slots];
        let output = &values(&self.output)[range.start * out..range.end * out];
        let gradient = &gradient[range.start * out..range.end * out];
        let mut weights = vec![0.0f32; sources.len() * slots];
        let mut changes = vec![0.0f32; sources.len() * slots];
        with_scratch(self.about.scratch(), |[context, squares, projected, buffer]| {
            let (roots, buffer) = buffer.split_at_mut(slots);
            self.about.each_caption(task, |rows| {
                attention.weigh(&scores[rows.clone()], roots, &mut weights[rows]);
            });
            let mut lengths = [0.0f32; TILE];
            for (tile, sources) in sources.chunks(TILE).enumerate() {
                let (first, rows) = (tile * TILE, sources.len());
                let own = first * slots..(first + rows) * slots;
                self.about.attend(&weights[own.clone()], image, context);
                let pairs = context
                    .chunks_exact_mut(width)
                    .zip(squares.chunks_exact_mut(width));
                for (((context, squares), &word), length) in pairs.zip(sources).zip(&mut lengths) {
                    let word = &self.words[word as usize * width..][..dim];
                    *length = unit_and_squares(&mut context[..dim], word, squares);
                }
                let results = first * out..(first + rows) * out;
                let roots = &self.roots[range.start + first..][..rows];
                let ends = [&output[results.clone()], &gradient[results]];
                back.run(squares, ends, roots, projected, &mut sums.projection);
                let pairs = context.chunks_exact(width).zip(squares.chunks_exact_mut(width));
                for (((context, change), &word), &length) in pairs.zip(sources).zip(&lengths) {
                    let (own, all) = (word as usize * width, word as usize * dim);
                    let (word, sum) = (&self.words[own..][..dim], &mut sums.words[all..][..dim]);
                    before_unit_squares(&mut change[..dim], &context[..dim], length, word, sum);
                }
                // SAFETY: both targets are borrowed, and as long as their shapes.
                unsafe {
                    product(
                        [slots, dim, rows],
                        Matrix::new(&weights[own.clone()], slots).transposed(),
                        Matrix::new(squares, width),
                        regions_gradient.as_mut_ptr(),
                        dim,
                        true,
                    );
                    let (squares, to) = (Matrix::new(squares, width), changes[own].as_mut_ptr());
                    image.asked.product(rows, squares, to, slots, false);
                }
            }
            self.about.each_caption(task, |rows| {
                let scores = &scores[rows.clone()];
                attention.roots(scores, roots);
                attention.backward(scores, &weights[rows.clone()], roots, buffer, &mut changes[rows]);
            });
        });
        for (rows, first) in runs(&sources) {
            let changes = Matrix::new(&changes[rows.start * slots..], slots);
            let count = rows.len();
            // SAFETY: both targets are borrowed, and as long as their shapes.
            unsafe {
                product(
                    [slots, dim, count],
                    changes.transposed(),
                    Matrix::new(&self.words[first * width..], width),
                    regions_gradient.as_mut_ptr(),
                    dim,
                    true,
                );
                let to = sums.words[first * dim..][..count * dim].as_mut_ptr();
                image.attended.product(count, changes, to, dim, true);
            }
        }
    }
}
