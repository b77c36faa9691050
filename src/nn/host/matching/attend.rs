//! The similarity vectors of words and the regions that they attend to, as one operation with a gradient of its own.

use super::super::product::{Matrix, product};
use super::super::{Gradients, Place, Shared, dense, enter, place, plain, tensor, tracked, values};
use super::project::{Projection, Sums};
use super::weigh::{Attention, MOST};
use super::{Pairs, TILE, Task, add, before_unit, make_unit, parts, runs, with_scratch};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
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
            bias,
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
    words: Arc<Vec<f32>>,
    weight: FlexTensor,
    bias: FlexTensor,
    output: FlexTensor,
    roots: Arc<Vec<f32>>,
    /// `A`, `[rows, slots]`.
    scores: Arc<Vec<f32>>,
}

impl About {
    fn scratch(&self) -> [usize; 4] {
        [TILE * self.dim, TILE * self.dim, TILE * self.out, 2 * self.slots]
    }

    fn projection<'a>(&self, weight: &'a [f32], bias: &'a [f32]) -> Projection<'a> {
        Projection {
            weight,
            bias,
            dim: self.dim,
            out: self.out,
        }
    }

    /// `A` of a task, `[rows, slots]`.
    fn scores(&self, regions: &[f32], words: &[f32], sources: &[u32], to: &mut [f32]) {
        let (slots, dim) = (self.slots, self.dim);
        assert_eq!(to.len(), sources.len() * slots);
        for (rows, first) in runs(sources) {
            // SAFETY: rows of `to`, which is borrowed.
            unsafe {
                product(
                    [rows.len(), slots, dim],
                    Matrix::new(&words[first * dim..], dim),
                    Matrix::new(regions, dim).transposed(),
                    to.as_mut_ptr().add(rows.start * slots),
                    slots,
                    false,
                );
            }
        }
    }

    /// Calls with each caption's rows within the task.
    fn each_caption(&self, task: &Task, mut work: impl FnMut(std::ops::Range<usize>)) {
        let first = self.pairs.rows_of(&task.pairs).start;
        for pair in task.pairs.clone() {
            let rows = self.pairs.rows_of(&(pair..pair + 1));
            work((rows.start - first) * self.slots..(rows.end - first) * self.slots);
        }
    }

    /// The attended vectors of a tile, each of length 1; `roots` hears what they were divided by.
    fn attend(
        &self,
        weights: &[f32],
        regions: &[f32],
        context: &mut [f32],
        mut roots: impl FnMut(usize, f32),
    ) {
        let rows = weights.len() / self.slots;
        assert!(context.len() >= rows * self.dim);
        // SAFETY: `context` is borrowed, and was just found long enough.
        unsafe {
            product(
                [rows, self.dim, self.slots],
                Matrix::new(weights, self.slots),
                Matrix::new(regions, self.dim),
                context.as_mut_ptr(),
                self.dim,
                false,
            );
        }
        for (row, context) in context.chunks_exact_mut(self.dim).take(rows).enumerate() {
            roots(row, make_unit(context));
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
        let projection = self.projection(weight, bias);
        self.pairs.tasks().par_iter().for_each(|task| {
            let regions = &regions[task.image * slots * dim..][..slots * dim];
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
            self.scores(regions, words, &sources, scores);
            with_scratch(self.scratch(), |[context, _, _, roots]| {
                self.each_caption(task, |rows| {
                    self.attention
                        .weigh(&scores[rows.clone()], &mut roots[..slots], &mut weights[rows]);
                });
                for (tile, sources) in sources.chunks(TILE).enumerate() {
                    let first = tile * TILE;
                    self.attend(
                        &weights[first * slots..][..sources.len() * slots],
                        regions,
                        context,
                        |_, _| (),
                    );
                    for (context, &word) in context.chunks_exact_mut(dim).zip(sources) {
                        let word = &words[word as usize * dim..][..dim];
                        for (context, word) in context.iter_mut().zip(word) {
                            let difference = *context - word;
                            *context = difference * difference;
                        }
                    }
                    let first = range.start + first;
                    // SAFETY: the rows of this task alone.
                    let (to, roots) = unsafe {
                        (
                            slice(to, first * out, sources.len() * out),
                            slice(root_at, first, sources.len()),
                        )
                    };
                    projection.forward(context, to, roots);
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
        let projection = state.about.projection(values(&state.weight), values(&state.bias));
        let mut sums: Vec<PartSums> = parts(images)
            .into_par_iter()
            .map(|part| {
                let mut sums = PartSums {
                    words: vec![0.0; pairs.words() * dim],
                    projection: Sums::new(&projection),
                };
                for image in part {
                    // SAFETY: this image is in this part alone.
                    let regions = unsafe { slice(to, image * slots * dim, slots * dim) };
                    for task in pairs.tasks_of(image) {
                        state.backward_task(&task, values(&gradient), &projection, regions, &mut sums);
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
        task: &Task,
        gradient: &[f32],
        projection: &Projection,
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
        let regions = &values(&self.regions)[task.image * slots * dim..][..slots * dim];
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
                self.about
                    .attend(&weights[own.clone()], regions, context, |row, root| {
                        lengths[row] = root
                    });
                for ((square, context), &word) in squares
                    .chunks_exact_mut(dim)
                    .zip(context.chunks_exact(dim))
                    .zip(sources)
                {
                    let word = &self.words[word as usize * dim..][..dim];
                    for ((square, context), word) in square.iter_mut().zip(context).zip(word) {
                        let difference = context - word;
                        *square = difference * difference;
                    }
                }
                let results = first * out..(first + rows) * out;
                let roots = &self.roots[range.start + first..][..rows];
                projection.backward(
                    squares,
                    [&output[results.clone()], &gradient[results]],
                    roots,
                    projected,
                    &mut sums.projection,
                );
                // Through the square, the difference and length 1.
                for (row, &word) in sources.iter().enumerate() {
                    let at = word as usize * dim;
                    let (word, word_sum) = (&self.words[at..][..dim], &mut sums.words[at..][..dim]);
                    let (context, change) = (&context[row * dim..][..dim], &mut squares[row * dim..][..dim]);
                    for (((change, sum), context), word) in
                        change.iter_mut().zip(word_sum).zip(context).zip(word)
                    {
                        *change *= 2.0 * (context - word);
                        *sum -= *change;
                    }
                    before_unit(change, context, lengths[row]);
                }
                // SAFETY: both targets are borrowed, and as long as their shapes.
                unsafe {
                    product(
                        [slots, dim, rows],
                        Matrix::new(&weights[own.clone()], slots).transposed(),
                        Matrix::new(squares, dim),
                        regions_gradient.as_mut_ptr(),
                        dim,
                        true,
                    );
                    product(
                        [rows, slots, dim],
                        Matrix::new(squares, dim),
                        Matrix::new(regions, dim).transposed(),
                        changes[own].as_mut_ptr(),
                        slots,
                        false,
                    );
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
                    Matrix::new(&self.words[first * dim..], dim),
                    regions_gradient.as_mut_ptr(),
                    dim,
                    true,
                );
                product(
                    [count, dim, slots],
                    changes,
                    Matrix::new(regions, dim),
                    sums.words[first * dim..][..count * dim].as_mut_ptr(),
                    dim,
                    true,
                );
            }
        }
    }
}
