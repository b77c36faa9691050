//! Squared differences between attended and own vectors, projected and normalised: the inner loop of cross-modal matching.
//!
//! Done as separate operations, the attended vectors, their differences and the squares are each a tensor as long as
//! (pairs · words · dim): gigabytes that are written once and read once. Here a tile of them lives in a core's cache, forwards and
//! backwards; what is kept for the backward pass is the inputs, the output and one number a row.

use super::product::{Matrix, product};
use super::{Gradients, Place, Shared, dense, enter, place, plain, tensor, tracked, values};
use crate::nn::unit::{INSIDE, OUTSIDE};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::cell::Cell;
use std::sync::Arc;

/// Rows of a tile.
const TILE: usize = 128;

/// Which columns (words) hold something, for all sets or for each.
#[derive(Clone, Debug)]
pub struct Columns {
    lists: Arc<Vec<Vec<u32>>>,
}

impl Columns {
    /// The same columns of every set, ascending.
    pub fn shared(columns: Vec<u32>) -> Self {
        Self {
            lists: Arc::new(vec![columns]),
        }
    }

    /// Columns of each set.
    pub fn of_sets(lists: Vec<Vec<u32>>) -> Self {
        Self {
            lists: Arc::new(lists),
        }
    }

    fn of(&self, set: usize) -> &[u32] {
        &self.lists[if self.lists.len() == 1 { 0 } else { set }]
    }

    fn fits(&self, sets: usize, columns: usize) -> bool {
        (self.lists.len() == 1 || self.lists.len() == sets)
            && self
                .lists
                .iter()
                .all(|list| list.iter().all(|&column| (column as usize) < columns))
    }
}

/// `unit( (unit(attention · regions) − words)² · weight + bias )` of the given columns, 0 in all others:
/// attention `[sets, columns, regions]`, regions `[sets, regions, dim]`, words `[1 or sets, columns, dim]`, weight `[dim, out]`,
/// bias `[out]` → `[sets, columns, out]`. `None` where this is not for the host.
pub fn attended_difference(
    attention: &Tensor<3>,
    regions: &Tensor<3>,
    words: &Tensor<3>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    columns: &Columns,
) -> Option<Tensor<3>> {
    let [sets, count, slots] = attention.dims();
    let [dim, out] = weight.dims();
    let [word_sets, word_count, word_dim] = words.dims();
    let fits = regions.dims() == [sets, slots, dim]
        && (word_sets == 1 || word_sets == sets)
        && [word_count, word_dim] == [count, dim]
        && bias.dims() == [out]
        && columns.fits(sets, count)
        && [sets, count, slots, dim, out].iter().all(|&n| n > 0);
    if !fits {
        return None;
    }
    let shape = Shape {
        sets,
        columns: count,
        slots,
        dim,
        out,
        shared: word_sets == 1,
    };
    let places = (
        place(attention)?,
        place(regions)?,
        place(words)?,
        place(weight)?,
        place(bias)?,
    );
    match places {
        (Place::Plain(a), Place::Plain(r), Place::Plain(w), Place::Plain(p), Place::Plain(b)) => {
            let inputs = [a, r, w, p, b].map(dense);
            Some(plain(forward(&shape, &inputs, columns).0))
        }
        (Place::Tracked(a), Place::Tracked(r), Place::Tracked(w), Place::Tracked(p), Place::Tracked(b)) => {
            let [(a, a_node), (r, r_node), (w, w_node), (p, p_node), (b, b_node)] =
                [a, r, w, p, b].map(|x| x.into_parts());
            let inputs = [a, r, w, p, b].map(dense);
            let (output, roots) = forward(&shape, &inputs, columns);
            let state = State {
                shape,
                inputs,
                columns: columns.clone(),
                output: output.clone(),
                roots: Arc::new(roots),
            };
            let nodes = [a_node, r_node, w_node, p_node, b_node];
            Some(tracked(enter(AttendedDifference, nodes, state, output)))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    sets: usize,
    columns: usize,
    slots: usize,
    dim: usize,
    out: usize,
    shared: bool,
}

impl Shape {
    fn words(&self, set: usize) -> usize {
        if self.shared {
            0
        } else {
            set * self.columns * self.dim
        }
    }
}

#[derive(Debug)]
struct AttendedDifference;

#[derive(Clone, Debug)]
struct State {
    shape: Shape,
    inputs: [FlexTensor; 5],
    columns: Columns,
    output: FlexTensor,
    roots: Arc<Vec<f32>>,
}

thread_local! {
    static SCRATCH: Cell<[Vec<f32>; 4]> = const { Cell::new([Vec::new(), Vec::new(), Vec::new(), Vec::new()]) };
}

/// Four buffers of the thread: attention rows `[TILE, slots]`, two of `[TILE, dim]`, one of `[TILE, out]`, with any content.
fn with_scratch<T>(shape: &Shape, work: impl FnOnce([&mut [f32]; 4]) -> T) -> T {
    let mut buffers = SCRATCH.take();
    let lengths = [shape.slots, shape.dim, shape.dim, shape.out];
    for (buffer, length) in buffers.iter_mut().zip(lengths) {
        buffer.resize((TILE * length).max(buffer.len()), 0.0);
    }
    let answer = work(buffers.each_mut().map(Vec::as_mut_slice));
    SCRATCH.set(buffers);
    answer
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a8.zip(b8) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// √(Σ x² + 1e-12) and what [`crate::nn::unit`] divides by.
fn root(x: &[f32]) -> (f32, f32) {
    let root = (dot(x, x) + INSIDE).sqrt();
    (root, root + OUTSIDE)
}

/// The attended vectors of a tile, each of length 1, in `context`; `roots` hears their lengths before.
fn attend(
    shape: &Shape,
    [attention, regions]: [&[f32]; 2],
    columns: &[u32],
    rows: &mut [f32],
    context: &mut [f32],
    mut roots: impl FnMut(usize, f32),
) {
    let Shape { slots, dim, .. } = *shape;
    for (row, &column) in rows.chunks_exact_mut(slots).zip(columns) {
        row.copy_from_slice(&attention[column as usize * slots..][..slots]);
    }
    let sizes = [columns.len(), dim, slots];
    // SAFETY: the buffer is this thread's own, of TILE rows.
    unsafe {
        product(
            sizes,
            Matrix::new(rows, slots),
            Matrix::new(regions, dim),
            context.as_mut_ptr(),
            dim,
            false,
        );
    }
    for (index, row) in context.chunks_exact_mut(dim).take(columns.len()).enumerate() {
        let (length, divisor) = root(row);
        let factor = 1.0 / divisor;
        for value in row.iter_mut() {
            *value *= factor;
        }
        roots(index, length);
    }
}

fn forward(shape: &Shape, inputs: &[FlexTensor; 5], columns: &Columns) -> (FlexTensor, Vec<f32>) {
    let Shape {
        sets,
        columns: count,
        slots,
        dim,
        out,
        ..
    } = *shape;
    let [attention, regions, words, weight, bias] = inputs.each_ref().map(values);
    let mut output = vec![0.0f32; sets * count * out];
    let mut roots = vec![0.0f32; sets * count];
    let (to, root_at) = (Shared(output.as_mut_ptr()), Shared(roots.as_mut_ptr()));
    let tiles: Vec<(usize, &[u32])> = (0..sets)
        .flat_map(|set| columns.of(set).chunks(TILE).map(move |tile| (set, tile)))
        .collect();
    tiles.par_iter().for_each(|&(set, tile)| {
        with_scratch(shape, |[rows, context, squares, projected]| {
            let own = [
                &attention[set * count * slots..][..count * slots],
                &regions[set * slots * dim..][..slots * dim],
            ];
            attend(shape, own, tile, rows, context, |_, _| ());
            let words = &words[shape.words(set)..];
            for (index, &column) in tile.iter().enumerate() {
                let word = &words[column as usize * dim..][..dim];
                let (context, square) = (&context[index * dim..][..dim], &mut squares[index * dim..][..dim]);
                for ((square, context), word) in square.iter_mut().zip(context).zip(word) {
                    let difference = context - word;
                    *square = difference * difference;
                }
            }
            // SAFETY: the buffer is this thread's own, of TILE rows.
            unsafe {
                product(
                    [tile.len(), out, dim],
                    Matrix::new(squares, dim),
                    Matrix::new(weight, out),
                    projected.as_mut_ptr(),
                    out,
                    false,
                );
            }
            for (row, &column) in projected.chunks_exact_mut(out).zip(tile) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                }
                let (length, divisor) = root(row);
                let factor = 1.0 / divisor;
                for value in row.iter_mut() {
                    *value *= factor;
                }
                let place = set * count + column as usize;
                // SAFETY: inside of both buffers, and no other tile has this column of this set.
                unsafe {
                    to.at(place * out).copy_from_nonoverlapping(row.as_ptr(), out);
                    root_at.at(place).write(length);
                }
            }
        });
    });
    (tensor(output, [sets, count, out]), roots)
}

/// The gradients that a part of the sets adds up.
struct Sums {
    words: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.words, &other.words),
            (&mut self.weight, &other.weight),
            (&mut self.bias, &other.bias),
        ] {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}

impl Backward<Flex, 5> for AttendedDifference {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let shape = ops.state.shape;
        let Shape {
            sets,
            columns,
            slots,
            dim,
            out,
            shared,
        } = shape;
        let mut attention = vec![0.0f32; sets * columns * slots];
        let mut regions = vec![0.0f32; sets * slots * dim];
        // The words' gradient of a set is its own unless they are shared; then each part has a sum.
        let mut own_words = if shared {
            Vec::new()
        } else {
            vec![0.0f32; sets * columns * dim]
        };
        let parts = if columns * dim <= 1 << 20 { 16 } else { 8 }.min(sets);
        let to = [&mut attention, &mut regions, &mut own_words].map(|x| Shared(x.as_mut_ptr()));
        let mut sums: Vec<Sums> = (0..parts)
            .into_par_iter()
            .map(|part| {
                let mut sums = Sums {
                    words: vec![0.0; if shared { columns * dim } else { 0 }],
                    weight: vec![0.0; dim * out],
                    bias: vec![0.0; out],
                };
                for set in sets * part / parts..sets * (part + 1) / parts {
                    for tile in ops.state.columns.of(set).chunks(TILE) {
                        backward_tile(&ops.state, values(&gradient), set, tile, to, &mut sums);
                    }
                }
                sums
            })
            .collect();
        let mut total = sums.remove(0);
        for part in &sums {
            total.add(part);
        }
        let words = if shared { total.words } else { own_words };
        let word_sets = if shared { 1 } else { sets };
        let found = [
            tensor(attention, [sets, columns, slots]),
            tensor(regions, [sets, slots, dim]),
            tensor(words, [word_sets, columns, dim]),
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

/// Adds what a tile gives to the gradients of attention, regions, own words (`to`) and to the part's sums.
fn backward_tile(
    state: &State,
    gradient: &[f32],
    set: usize,
    tile: &[u32],
    to: [Shared; 3],
    sums: &mut Sums,
) {
    let shape = &state.shape;
    let Shape {
        columns: count,
        slots,
        dim,
        out,
        shared,
        ..
    } = *shape;
    let [attention, regions, words, weight, _] = state.inputs.each_ref().map(values);
    let own = [
        &attention[set * count * slots..][..count * slots],
        &regions[set * slots * dim..][..slots * dim],
    ];
    let words = &words[shape.words(set)..];
    let output = values(&state.output);
    let mut lengths = [0.0f32; TILE];
    with_scratch(shape, |[rows, context, squares, projected]| {
        attend(shape, own, tile, rows, context, |row, length| {
            lengths[row] = length
        });
        // Through the last normalisation.
        for (row, &column) in projected.chunks_exact_mut(out).zip(tile) {
            let place = set * count + column as usize;
            let (y, dy) = (&output[place * out..][..out], &gradient[place * out..][..out]);
            let length = state.roots[place];
            let (inner, factor) = (dot(y, dy) / length, 1.0 / (length + OUTSIDE));
            for (((to, y), dy), bias) in row.iter_mut().zip(y).zip(dy).zip(sums.bias.iter_mut()) {
                *to = dy * factor - y * inner;
                *bias += *to;
            }
        }
        for (index, &column) in tile.iter().enumerate() {
            let word = &words[column as usize * dim..][..dim];
            let (context, square) = (&context[index * dim..][..dim], &mut squares[index * dim..][..dim]);
            for ((square, context), word) in square.iter_mut().zip(context).zip(word) {
                let difference = context - word;
                *square = difference * difference;
            }
        }
        let sizes = [dim, out, tile.len()];
        // SAFETY: the part's own sum, and the thread's own buffers of TILE rows.
        unsafe {
            product(
                sizes,
                Matrix::new(squares, dim).transposed(),
                Matrix::new(projected, out),
                sums.weight.as_mut_ptr(),
                out,
                true,
            );
            product(
                [tile.len(), dim, out],
                Matrix::new(projected, out),
                Matrix::new(weight, out).transposed(),
                squares.as_mut_ptr(),
                dim,
                false,
            );
        }
        // Through the square, the difference and the first normalisation.
        for (index, &column) in tile.iter().enumerate() {
            let word = &words[column as usize * dim..][..dim];
            let (context, change) = (&context[index * dim..][..dim], &mut squares[index * dim..][..dim]);
            for ((change, context), word) in change.iter_mut().zip(context).zip(word) {
                *change *= 2.0 * (context - word);
            }
            let word_sum = match shared {
                true => &mut sums.words[column as usize * dim..][..dim],
                // SAFETY: this column of this set is nobody else's.
                false => unsafe {
                    let at = to[2].at((set * count + column as usize) * dim);
                    std::slice::from_raw_parts_mut(at, dim)
                },
            };
            for (to, change) in word_sum.iter_mut().zip(change.iter()) {
                *to -= change;
            }
            let (inner, factor) = (
                dot(context, change) / lengths[index],
                1.0 / (lengths[index] + OUTSIDE),
            );
            for (change, context) in change.iter_mut().zip(context) {
                *change = *change * factor - context * inner;
            }
        }
        let changes = Matrix::new(squares, dim);
        // SAFETY: the regions' gradient of this set belongs to this part alone; the second product has the thread's own buffer.
        unsafe {
            product(
                [slots, dim, tile.len()],
                Matrix::new(rows, slots).transposed(),
                changes,
                to[1].at(set * slots * dim),
                dim,
                true,
            );
            product(
                [tile.len(), slots, dim],
                changes,
                Matrix::new(own[1], dim).transposed(),
                rows.as_mut_ptr(),
                slots,
                false,
            );
        }
        for (row, &column) in rows.chunks_exact(slots).zip(tile) {
            // SAFETY: this column of this set is nobody else's.
            unsafe {
                to[0]
                    .at((set * count + column as usize) * slots)
                    .copy_from_nonoverlapping(row.as_ptr(), slots);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::nn::unit;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Device, TensorData};

    fn random<const D: usize>(shape: [usize; D], purpose: &str, device: &Device) -> Tensor<D> {
        let mut stream = crate::random::stream(9, purpose, &[]);
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| stream.normal() as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn values_of<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_into_vec_as().unwrap()
    }

    /// The same by burn's own operations.
    fn plainly(inputs: &Inputs, mask: &Tensor<3>) -> Tensor<3> {
        let context = unit(inputs.attention.clone().matmul(inputs.regions.clone()), 2);
        let difference = context - inputs.words.clone();
        let projected = (difference.clone() * difference).matmul(inputs.weight.clone().unsqueeze::<3>());
        unit(projected + inputs.bias.clone().reshape([1, 1, -1]), 2) * mask.clone()
    }

    struct Inputs {
        attention: Tensor<3>,
        regions: Tensor<3>,
        words: Tensor<3>,
        weight: Tensor<2>,
        bias: Tensor<1>,
    }

    fn compare(sets: usize, columns: usize, own: bool, lists: Columns) {
        let (slots, dim, out) = (5, 19, 7);
        let device = cpu().autodiff();
        let word_sets = if own { sets } else { 1 };
        let inputs = Inputs {
            attention: softmax(random([sets, columns, slots], "a", &device), 2)
                .detach()
                .require_grad(),
            regions: random([sets, slots, dim], "r", &device).require_grad(),
            words: random([word_sets, columns, dim], "w", &device).require_grad(),
            weight: random([dim, out], "p", &device).require_grad(),
            bias: random([out], "b", &device).require_grad(),
        };
        let mut mask = vec![0.0f32; sets * columns];
        for set in 0..sets {
            for &column in lists.of(set) {
                mask[set * columns + column as usize] = 1.0;
            }
        }
        let mask = Tensor::<3>::from_data(TensorData::new(mask, [sets, columns, 1]), &device);
        let factors = random([sets, columns, out], "f", &device);
        let gradients = |y: Tensor<3>| {
            let grads = (y * factors.clone()).sum().backward();
            [
                values_of(inputs.attention.grad(&grads).unwrap()),
                values_of(inputs.regions.grad(&grads).unwrap()),
                values_of(inputs.words.grad(&grads).unwrap()),
                values_of(inputs.weight.grad(&grads).unwrap()),
                values_of(inputs.bias.grad(&grads).unwrap()),
            ]
        };
        let ours = attended_difference(
            &inputs.attention,
            &inputs.regions,
            &inputs.words,
            &inputs.weight,
            &inputs.bias,
            &lists,
        )
        .unwrap();
        let theirs = plainly(&inputs, &mask);
        let close = |what: &str, a: &[f32], b: &[f32]| {
            let scale = b.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 2e-5 * scale, "{what}: {a} {b}");
            }
        };
        close("output", &values_of(ours.clone()), &values_of(theirs.clone()));
        let names = ["attention", "regions", "words", "weight", "bias"];
        for ((ours, theirs), name) in gradients(ours).iter().zip(gradients(theirs)).zip(names) {
            close(name, ours, &theirs);
        }
    }

    #[test]
    fn it_is_burns_operations_in_one_with_shared_words() {
        // More columns than a tile has rows, more sets than parts.
        let real = (0..300).filter(|c| c % 7 != 3).collect();
        compare(18, 300, false, Columns::shared(real));
        compare(1, 1, false, Columns::shared(vec![0]));
    }

    #[test]
    fn it_is_burns_operations_in_one_with_own_words() {
        let lists = (0..5).map(|set| (0..=set).collect()).collect();
        compare(5, 6, true, Columns::of_sets(lists));
    }

    #[test]
    fn a_shape_that_does_not_fit_is_left_to_burn() {
        let device = cpu();
        let found = attended_difference(
            &random([2, 3, 4], "a", &device),
            &random([2, 4, 5], "r", &device),
            &random([1, 3, 6], "w", &device),
            &random([5, 2], "p", &device),
            &random([2], "b", &device),
            &Columns::shared(vec![0]),
        );
        assert!(found.is_none());
    }
}
