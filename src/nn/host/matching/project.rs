//! Squares of differences, projected, of length 1: what local and global similarity share.

use super::super::panels::Factor;
use super::super::product::{Matrix, product};
use super::super::rows::{add, before_unit, make_unit};
use super::spaced;

/// `unit(x · weight + bias)` of rows: weight `[dim, out]`, bias `[out]`.
pub(super) struct Projection<'a> {
    weight: Factor,
    bias: &'a [f32],
    dim: usize,
    out: usize,
}

impl<'a> Projection<'a> {
    pub fn new(weight: &[f32], bias: &'a [f32], [dim, out]: [usize; 2]) -> Self {
        Self {
            weight: Factor::new([dim, out], Matrix::new(weight, out)),
            bias,
            dim,
            out,
        }
    }

    /// `roots.len()` [`spaced`] rows of `x` to rows of `to`; `roots` hears their lengths before.
    pub fn run(&self, x: &[f32], to: &mut [f32], roots: &mut [f32]) {
        let (rows, out) = (roots.len(), self.out);
        assert!(to.len() >= rows * out, "a tile is longer than its result");
        // SAFETY: `to` is borrowed, and was just found long enough.
        unsafe {
            let x = Matrix::new(x, spaced(self.dim));
            self.weight.product(rows, x, to.as_mut_ptr(), out, false);
        }
        for (row, root) in to.chunks_exact_mut(out).zip(roots) {
            *root = make_unit(row, self.bias);
        }
    }
}

/// The way back through a [`Projection`].
pub(super) struct Back {
    /// The weight, turned.
    weight: Factor,
    dim: usize,
    out: usize,
}

/// The gradients of weight and bias that a part of the rows adds up.
pub(super) struct Sums {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Sums {
    pub fn new([dim, out]: [usize; 2]) -> Self {
        Self {
            weight: vec![0.0; dim * out],
            bias: vec![0.0; out],
        }
    }

    pub fn add(&mut self, other: &Self) {
        add(&mut self.weight, &other.weight);
        add(&mut self.bias, &other.bias);
    }
}

impl Back {
    pub fn new(weight: &[f32], [dim, out]: [usize; 2]) -> Self {
        Self {
            weight: Factor::new([out, dim], Matrix::new(weight, out).transposed()),
            dim,
            out,
        }
    }

    /// From [`spaced`] rows `x`, results `y`, their gradient and the roots: adds to the sums, and leaves the gradient of `x` in `x`.
    /// `scratch` has room for the rows of the result.
    pub fn run(
        &self,
        x: &mut [f32],
        [y, gradient]: [&[f32]; 2],
        roots: &[f32],
        scratch: &mut [f32],
        sums: &mut Sums,
    ) {
        let (rows, dim, out) = (roots.len(), self.dim, self.out);
        let scratch = &mut scratch[..rows * out];
        let from = y.chunks_exact(out).zip(gradient.chunks_exact(out)).zip(roots);
        for (row, ((y, gradient), &root)) in scratch.chunks_exact_mut(out).zip(from) {
            before_unit(gradient, y, root, row);
            add(&mut sums.bias, row);
        }
        assert!(x.len() >= rows * spaced(dim) && sums.weight.len() == dim * out);
        // SAFETY: all targets are borrowed and were found long enough; the second product reads `scratch`, not `x`.
        unsafe {
            product(
                [dim, out, rows],
                Matrix::new(x, spaced(dim)).transposed(),
                Matrix::new(scratch, out),
                sums.weight.as_mut_ptr(),
                out,
                true,
            );
            let changes = Matrix::new(scratch, out);
            self.weight
                .product(rows, changes, x.as_mut_ptr(), spaced(dim), false);
        }
    }
}
