//! Squares of differences, projected, of length 1: what local and global similarity share.

use super::super::product::{Matrix, product};
use super::{add, before_unit, make_unit};

/// `unit(x · weight + bias)` of rows: weight `[dim, out]`, bias `[out]`.
#[derive(Clone, Copy)]
pub(super) struct Projection<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub dim: usize,
    pub out: usize,
}

/// The gradients of weight and bias that a part of the rows adds up.
pub(super) struct Sums {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Sums {
    pub fn new(projection: &Projection) -> Self {
        Self {
            weight: vec![0.0; projection.dim * projection.out],
            bias: vec![0.0; projection.out],
        }
    }

    pub fn add(&mut self, other: &Self) {
        add(&mut self.weight, &other.weight);
        add(&mut self.bias, &other.bias);
    }
}

impl Projection<'_> {
    /// `roots.len()` rows of `x` to rows of `to`; `roots` hears their lengths before.
    pub fn forward(&self, x: &[f32], to: &mut [f32], roots: &mut [f32]) {
        let (rows, out) = (roots.len(), self.out);
        assert!(to.len() >= rows * out, "a tile is longer than its result");
        // SAFETY: `to` is borrowed, and was just found long enough.
        unsafe {
            product(
                [rows, out, self.dim],
                Matrix::new(x, self.dim),
                Matrix::new(self.weight, out),
                to.as_mut_ptr(),
                out,
                false,
            );
        }
        for (row, root) in to.chunks_exact_mut(out).zip(roots) {
            add(row, self.bias);
            *root = make_unit(row);
        }
    }

    /// From rows `x`, results `y`, their gradient and the roots: adds to the sums, and leaves the gradient of `x` in `x`.
    /// `scratch` has room for the rows of the result.
    pub fn backward(
        &self,
        x: &mut [f32],
        [y, gradient]: [&[f32]; 2],
        roots: &[f32],
        scratch: &mut [f32],
        sums: &mut Sums,
    ) {
        let (rows, dim, out) = (roots.len(), self.dim, self.out);
        let scratch = &mut scratch[..rows * out];
        scratch.copy_from_slice(&gradient[..rows * out]);
        for ((row, y), &root) in scratch.chunks_exact_mut(out).zip(y.chunks_exact(out)).zip(roots) {
            before_unit(row, y, root);
            add(&mut sums.bias, row);
        }
        assert!(x.len() >= rows * dim && sums.weight.len() == dim * out);
        // SAFETY: all targets are borrowed and were found long enough; the second product reads `scratch`, not `x`.
        unsafe {
            product(
                [dim, out, rows],
                Matrix::new(x, dim).transposed(),
                Matrix::new(scratch, out),
                sums.weight.as_mut_ptr(),
                out,
                true,
            );
            product(
                [rows, dim, out],
                Matrix::new(scratch, out),
                Matrix::new(self.weight, out).transposed(),
                x.as_mut_ptr(),
                dim,
                false,
            );
        }
    }
}
