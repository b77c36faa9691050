//! One step of graph reasoning (SGR) in a graph of gradients, as one operation: what [`super::reasoned`] does without one.

use super::super::product::{Matrix, product};
use super::super::rows::add;
use super::super::{Gradients, Place, Shared, dense, enter, place, tensor, tracked, values};
use super::reason::softmax;
use super::{Pairs, TILE, parts};
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::ops::Range;

/// `ReLU(softmax((E M + u) Eᵀ) E W + b)` of the nodes `E` of each pair.
///
/// nodes `[pairs + rows, dim]`: the global nodes of all pairs, then the rows of all words; matrices `[asked, shift]` = M `[dim, dim]`, u
/// `[1, dim]` and `[weight, bias]` = W `[dim, dim]`, b `[1, dim]` → the same form, or the global nodes `[pairs, dim]` alone if `only_first`.
/// `None` outside of a graph, and where this is not for the host.
pub fn graph_step(
    nodes: &Tensor<2>,
    [asked, shift]: [&Tensor<2>; 2],
    [weight, bias]: [&Tensor<2>; 2],
    pairs: &Pairs,
    only_first: bool,
) -> Option<Tensor<2>> {
    let [count, dim] = nodes.dims();
    let fits = count == pairs.len() + pairs.rows()
        && [asked, weight].iter().all(|x| x.dims() == [dim, dim])
        && [shift, bias].iter().all(|x| x.dims() == [1, dim])
        && pairs.len() > 0;
    if !fits {
        return None;
    }
    let mut inputs = Vec::new();
    for x in [nodes, asked, shift, weight, bias] {
        match place(x)? {
            Place::Tracked(x) => inputs.push(x),
            Place::Plain(_) => return None,
        }
    }
    let [a, b, c, d, e] = <[_; 5]>::try_from(inputs).ok()?.map(|x| x.into_parts());
    let inputs = [a.0, b.0, c.0, d.0, e.0].map(dense);
    let about = About {
        pairs: pairs.clone(),
        dim,
        only_first,
    };
    let output = about.forward(inputs.each_ref().map(values));
    let rows = output.len() / dim;
    let output = tensor(output, [rows, dim]);
    let state = State {
        about,
        inputs,
        output: output.clone(),
    };
    Some(tracked(enter(
        GraphStep,
        [a.1, b.1, c.1, d.1, e.1],
        state,
        output,
    )))
}

#[derive(Debug)]
struct GraphStep;

#[derive(Clone, Debug)]
struct State {
    about: About,
    /// nodes, M, u, W, b.
    inputs: [FlexTensor; 5],
    output: FlexTensor,
}

#[derive(Clone, Debug)]
struct About {
    pairs: Pairs,
    dim: usize,
    only_first: bool,
}

/// A few pairs of one image.
struct Tile {
    pairs: Range<usize>,
    /// Nodes of each.
    lengths: Vec<usize>,
    /// Rows of the nodes.
    nodes: Vec<f32>,
    /// The nodes that ask: all, or the global ones.
    asking: Vec<f32>,
    /// `P = asking · M + u`.
    questions: Vec<f32>,
    /// The softmax of each asking node over its pair's nodes, pair after pair.
    edges: Vec<f32>,
    /// `edges · nodes`.
    heard: Vec<f32>,
}

/// `left · right` into a new matrix.
fn times(sizes: [usize; 3], left: Matrix, right: Matrix) -> Vec<f32> {
    let mut to = vec![0.0f32; sizes[0] * sizes[1]];
    plus(sizes, left, right, &mut to);
    to
}

/// `to += left · right`.
fn plus(sizes: [usize; 3], left: Matrix, right: Matrix, to: &mut [f32]) {
    assert!(
        to.len() >= sizes[0] * sizes[1],
        "a product is longer than its place"
    );
    // SAFETY: `to` is borrowed, and was just found long enough.
    unsafe { product(sizes, left, right, to.as_mut_ptr(), sizes[1], true) }
}

impl About {
    /// Pairs of an image, as many at a time as a tile holds, at least one.
    fn tiles(&self, image: usize) -> Vec<Range<usize>> {
        let all = self.pairs.0.images[image]..self.pairs.0.images[image + 1];
        let nodes = |pairs: &Range<usize>| self.pairs.rows_of(pairs).len() + pairs.len();
        let mut tiles: Vec<Range<usize>> = Vec::new();
        for pair in all {
            match tiles.last_mut() {
                Some(tile) if nodes(&(tile.start..pair + 1)) <= TILE => tile.end = pair + 1,
                _ => tiles.push(pair..pair + 1),
            }
        }
        tiles
    }

    /// Rows of the nodes of a pair, the global one and the words'.
    fn places(&self, pair: usize) -> [Range<usize>; 2] {
        let rows = self.pairs.rows_of(&(pair..pair + 1));
        let words = self.pairs.len();
        [pair..pair + 1, words + rows.start..words + rows.end]
    }

    /// Copies the rows of a tile out of a tensor of nodes.
    fn gather(&self, pairs: &Range<usize>, from: &[f32]) -> Vec<f32> {
        let mut rows = Vec::new();
        for pair in pairs.clone() {
            for place in self.places(pair) {
                rows.extend_from_slice(&from[place.start * self.dim..place.end * self.dim]);
            }
        }
        rows
    }

    /// The opposite.
    ///
    /// # Safety
    /// `to` is a tensor of nodes, and nobody else touches these pairs' rows.
    unsafe fn scatter(&self, pairs: &Range<usize>, rows: &[f32], to: Shared) {
        let mut rows = rows;
        for pair in pairs.clone() {
            for place in self.places(pair) {
                let (own, rest) = rows.split_at(place.len() * self.dim);
                // SAFETY: the caller's promise.
                unsafe {
                    to.at(place.start * self.dim)
                        .copy_from_nonoverlapping(own.as_ptr(), own.len())
                };
                rows = rest;
            }
        }
    }

    /// The first row of each pair within a tile.
    fn global<'a>(&self, lengths: &[usize], rows: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let dim = self.dim;
        let firsts: Vec<usize> = lengths
            .iter()
            .scan(0, |at, length| Some(std::mem::replace(at, *at + length)))
            .collect();
        firsts.into_iter().map(move |first| &rows[first * dim..][..dim])
    }

    /// Everything up to what the nodes hear.
    fn tile(&self, pairs: Range<usize>, nodes: &[f32], [asked, shift]: [&[f32]; 2]) -> Tile {
        let dim = self.dim;
        let nodes = self.gather(&pairs, nodes);
        let lengths: Vec<usize> = pairs
            .clone()
            .map(|pair| 1 + self.pairs.rows_of(&(pair..pair + 1)).len())
            .collect();
        let asking = match self.only_first {
            true => self.global(&lengths, &nodes).flatten().copied().collect(),
            false => nodes.clone(),
        };
        let count = asking.len() / dim;
        let mut questions = times(
            [count, dim, dim],
            Matrix::new(&asking, dim),
            Matrix::new(asked, dim),
        );
        questions.chunks_exact_mut(dim).for_each(|row| add(row, shift));
        let mut tile = Tile {
            pairs,
            lengths,
            nodes,
            asking,
            questions,
            edges: Vec::new(),
            heard: Vec::with_capacity(count * dim),
        };
        for own in self.own(&tile.lengths) {
            let nodes = Matrix::new(&tile.nodes[own.nodes.start * dim..], dim);
            let questions = Matrix::new(&tile.questions[own.asking.start * dim..], dim);
            let sizes = [own.asking.len(), own.nodes.len(), dim];
            let mut edges = times(sizes, questions, nodes.transposed());
            edges.chunks_exact_mut(own.nodes.len()).for_each(softmax);
            let sizes = [own.asking.len(), dim, own.nodes.len()];
            tile.heard
                .extend(times(sizes, Matrix::new(&edges, own.nodes.len()), nodes));
            tile.edges.extend(edges);
        }
        tile
    }

    /// Where each pair's nodes, asking nodes and edges lie within a tile.
    fn own(&self, lengths: &[usize]) -> Vec<Own> {
        let (mut nodes, mut asking, mut edges) = (0, 0, 0);
        lengths
            .iter()
            .map(|&length| {
                let askers = if self.only_first { 1 } else { length };
                let own = Own {
                    nodes: nodes..nodes + length,
                    asking: asking..asking + askers,
                    edges: edges..edges + askers * length,
                };
                (nodes, asking, edges) = (own.nodes.end, own.asking.end, own.edges.end);
                own
            })
            .collect()
    }

    fn forward(&self, [nodes, asked, shift, weight, bias]: [&[f32]; 5]) -> Vec<f32> {
        let (pairs, dim) = (&self.pairs, self.dim);
        let rows = pairs.len() + if self.only_first { 0 } else { pairs.rows() };
        let mut output = vec![0.0f32; rows * dim];
        let to = Shared(output.as_mut_ptr());
        (0..pairs.images()).into_par_iter().for_each(|image| {
            for range in self.tiles(image) {
                let tile = self.tile(range, nodes, [asked, shift]);
                let count = tile.heard.len() / dim;
                let mut next = times(
                    [count, dim, dim],
                    Matrix::new(&tile.heard, dim),
                    Matrix::new(weight, dim),
                );
                for row in next.chunks_exact_mut(dim) {
                    add(row, bias);
                    row.iter_mut()
                        .for_each(|v| *v = crate::nn::host::act::rectified(*v));
                }
                // SAFETY: these pairs are in this tile alone; the global nodes of a tile lie together.
                unsafe {
                    match self.only_first {
                        true => to
                            .at(tile.pairs.start * dim)
                            .copy_from_nonoverlapping(next.as_ptr(), next.len()),
                        false => self.scatter(&tile.pairs, &next, to),
                    }
                }
            }
        });
        output
    }
}

/// Rows of a pair within a tile.
struct Own {
    nodes: Range<usize>,
    asking: Range<usize>,
    edges: Range<usize>,
}

/// The gradients of the parameters that a part of the images adds up: M, u, W, b.
struct Sums([Vec<f32>; 4]);

impl Backward<Flex, 5> for GraphStep {
    type State = State;

    fn backward(self, ops: Ops<State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = dense(grads.consume::<Flex>(&ops.node));
        let state = &ops.state;
        let (pairs, dim) = (&state.about.pairs, state.about.dim);
        let mut of_nodes = vec![0.0f32; (pairs.len() + pairs.rows()) * dim];
        let to = Shared(of_nodes.as_mut_ptr());
        let mut sums: Vec<Sums> = parts(pairs.images())
            .into_par_iter()
            .map(|part| {
                let mut sums = Sums([dim * dim, dim, dim * dim, dim].map(|length| vec![0.0f32; length]));
                for range in part.flat_map(|image| state.about.tiles(image)) {
                    let of_nodes = state.backward_tile(range.clone(), values(&gradient), &mut sums);
                    // SAFETY: these pairs are in this tile alone.
                    unsafe { state.about.scatter(&range, &of_nodes, to) };
                }
                sums
            })
            .collect();
        let Sums(mut total) = sums.remove(0);
        for Sums(part) in &sums {
            total.iter_mut().zip(part).for_each(|(to, from)| add(to, from));
        }
        let [asked, shift, weight, bias] = total;
        let found = [
            tensor(of_nodes, [pairs.len() + pairs.rows(), dim]),
            tensor(asked, [dim, dim]),
            tensor(shift, [1, dim]),
            tensor(weight, [dim, dim]),
            tensor(bias, [1, dim]),
        ];
        for (node, found) in ops.parents.into_iter().zip(found) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, found);
            }
        }
    }
}

impl State {
    /// The gradient of a tile's nodes; adds to the sums.
    fn backward_tile(&self, range: Range<usize>, gradient: &[f32], sums: &mut Sums) -> Vec<f32> {
        let (about, dim) = (&self.about, self.about.dim);
        let [nodes, asked, shift, weight, _] = self.inputs.each_ref().map(values);
        let tile = about.tile(range, nodes, [asked, shift]);
        let count = tile.heard.len() / dim;
        let of_tile = |from: &[f32]| match about.only_first {
            true => from[tile.pairs.start * dim..tile.pairs.end * dim].to_vec(),
            false => about.gather(&tile.pairs, from),
        };
        let (output, mut change) = (of_tile(values(&self.output)), of_tile(gradient));
        for (change, output) in change.iter_mut().zip(&output) {
            *change = if *output > 0.0 { *change } else { 0.0 };
        }
        let Sums([of_asked, of_shift, of_weight, of_bias]) = sums;
        plus(
            [dim, dim, count],
            Matrix::new(&tile.heard, dim).transposed(),
            Matrix::new(&change, dim),
            of_weight,
        );
        change.chunks_exact(dim).for_each(|row| add(of_bias, row));
        let of_heard = times(
            [count, dim, dim],
            Matrix::new(&change, dim),
            Matrix::new(weight, dim).transposed(),
        );
        let mut of_nodes = vec![0.0f32; tile.nodes.len()];
        let mut of_questions = Vec::with_capacity(count * dim);
        let pairs = about.own(&tile.lengths);
        for own in &pairs {
            let (length, askers) = (own.nodes.len(), own.asking.len());
            let nodes = Matrix::new(&tile.nodes[own.nodes.start * dim..], dim);
            let of_heard = Matrix::new(&of_heard[own.asking.start * dim..], dim);
            let edges = &tile.edges[own.edges.clone()];
            let of_own = &mut of_nodes[own.nodes.start * dim..own.nodes.end * dim];
            plus(
                [length, dim, askers],
                Matrix::new(edges, length).transposed(),
                of_heard,
                of_own,
            );
            let mut of_edges = times([askers, length, dim], of_heard, nodes.transposed());
            for (of_edges, edges) in of_edges.chunks_exact_mut(length).zip(edges.chunks_exact(length)) {
                let inner: f32 = of_edges.iter().zip(edges).map(|(g, e)| g * e).sum();
                of_edges
                    .iter_mut()
                    .zip(edges)
                    .for_each(|(g, e)| *g = e * (*g - inner));
            }
            let questions = Matrix::new(&tile.questions[own.asking.start * dim..], dim);
            plus(
                [length, dim, askers],
                Matrix::new(&of_edges, length).transposed(),
                questions,
                of_own,
            );
            of_questions.extend(times(
                [askers, dim, length],
                Matrix::new(&of_edges, length),
                nodes,
            ));
        }
        let changes = Matrix::new(&of_questions, dim);
        plus(
            [dim, dim, count],
            Matrix::new(&tile.asking, dim).transposed(),
            changes,
            of_asked,
        );
        of_questions.chunks_exact(dim).for_each(|row| add(of_shift, row));
        let of_asking = times([count, dim, dim], changes, Matrix::new(asked, dim).transposed());
        for own in &pairs {
            let rows = &of_asking[own.asking.start * dim..own.asking.end * dim];
            add(&mut of_nodes[own.nodes.start * dim..], rows);
        }
        of_nodes
    }
}
