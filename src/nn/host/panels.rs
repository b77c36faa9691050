//! A right factor that many products share, laid out once.
//!
//! A general product copies both factors into the order in which it reads them, each time. Where a factor meets hundreds of tiles
//! (the projection of matched words, a recurrent unit's weights step by step), or has as few columns as an image has regions, that
//! is a large part of its time. Here the right factor is copied once, and the left one is read where it lies.
//!
//! The loop is written for the 16 registers of AVX2. On processors with AVX-512, and on those without AVX2, the general product
//! has the better loop, and is what runs.

use super::Shared;
use super::product::{Matrix, product};
use rayon::prelude::*;
use std::ops::Range;

/// Columns of a panel: two vectors.
const COLUMNS: usize = 16;
/// Rows of the result that are added up in registers.
const ROWS: usize = 6;
/// Depth at a time: of a panel as much as the first cache holds beside the left factor.
const DEPTH: usize = 256;
/// Rows at a time, whose part of the left factor stays in the second cache.
const TALL: usize = 40 * ROWS;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([f32; COLUMNS]);

/// A right factor `[depth, columns]`.
#[derive(Debug)]
pub(super) struct Factor {
    /// In panels: line after line of the first 16 columns, then of the next. Otherwise row by row.
    lines: Vec<Line>,
    depth: usize,
    columns: usize,
    panels: bool,
}

/// Whether the loop below is the best there is.
fn ours() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && !is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl Factor {
    /// A copy of `matrix`.
    pub fn new(sizes: [usize; 2], matrix: Matrix) -> Self {
        Self::laid_out(sizes, matrix, ours())
    }

    fn laid_out([depth, columns]: [usize; 2], matrix: Matrix, panels: bool) -> Self {
        assert!(
            depth > 0 && columns > 0 && matrix.holds(depth, columns),
            "a factor is smaller than its shape"
        );
        let across = columns.div_ceil(COLUMNS);
        let mut lines = vec![Line([0.0; COLUMNS]); depth * across];
        let copy = |panel: usize, lines: &mut [Line], step: usize| {
            let first = panel * COLUMNS;
            let wide = COLUMNS.min(columns - first);
            if matrix.columns == 1 {
                for (row, line) in lines.iter_mut().step_by(step).enumerate() {
                    line.0[..wide].copy_from_slice(&matrix.values[row * matrix.rows + first..][..wide]);
                }
                return;
            }
            // A few lines at a time, so that they stay in the cache while they are filled column by column.
            for start in (0..depth).step_by(64) {
                for lane in 0..wide {
                    let from = &matrix.values[(first + lane) * matrix.columns..];
                    for row in start..depth.min(start + 64) {
                        lines[row * step].0[lane] = from[row * matrix.rows];
                    }
                }
            }
        };
        if panels {
            let least = 1 + (1 << 12) / depth;
            let each = lines.par_chunks_mut(depth).with_min_len(least).enumerate();
            each.for_each(|(panel, lines)| copy(panel, lines, 1));
        } else {
            (0..across).for_each(|panel| copy(panel, &mut lines[panel..], across));
        }
        Self {
            lines,
            depth,
            columns,
            panels,
        }
    }

    /// `to = left · self`, or `to += left · self`, where `left` is `[rows, depth]` and `to` row-major with `width` elements from row to
    /// row, on this thread.
    ///
    /// # Safety
    /// `to` is valid for writes (and reads, if `add`) at `row · width + column` for every such row and column, and nothing else touches
    /// those places during the call.
    pub unsafe fn product(&self, rows: usize, left: Matrix, to: *mut f32, width: usize, add: bool) {
        // SAFETY: the caller's promise.
        unsafe { self.part(0..rows, 0..self.columns, left, to, width, add) }
    }

    /// [`Self::product`] on all threads.
    ///
    /// # Safety
    /// As of [`Self::product`].
    pub unsafe fn wide_product(&self, rows: usize, left: Matrix, to: *mut f32, width: usize, add: bool) {
        let (to, threads) = (Shared(to), rayon::current_num_threads());
        let chunks = self.columns.div_ceil(COLUMNS).div_ceil(4 * threads).max(2) * COLUMNS;
        let tasks: Vec<_> = (0..rows)
            .step_by(TALL)
            .flat_map(|row| (0..self.columns).step_by(chunks).map(move |column| (row, column)))
            .collect();
        tasks.into_par_iter().for_each(|(row, column)| {
            let columns = column..self.columns.min(column + chunks);
            // SAFETY: the caller's promise; each task has its own rows and columns.
            unsafe { self.part(row..rows.min(row + TALL), columns, left, to.at(0), width, add) }
        });
    }

    /// Rows and columns of the product, the first of which starts a panel.
    unsafe fn part(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        left: Matrix,
        to: *mut f32,
        width: usize,
        add: bool,
    ) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        assert!(
            left.holds(rows.end, self.depth) && columns.end <= self.columns,
            "a factor is smaller than its shape"
        );
        if self.panels {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there are panels only where the processor has what the function was compiled for; the rest was checked, or is
            // the caller's promise.
            return unsafe { self.panels(rows, columns, left, to, width, add) };
        }
        let across = self.columns.div_ceil(COLUMNS) * COLUMNS;
        // SAFETY: the lines lie one after the other.
        let values = unsafe {
            std::slice::from_raw_parts(self.lines.as_ptr().cast::<f32>(), self.lines.len() * COLUMNS)
        };
        let left = Matrix {
            values: &left.values[rows.start * left.rows..],
            ..left
        };
        let right = Matrix::new(&values[columns.start..], across);
        let at = to.wrapping_add(rows.start * width + columns.start);
        // SAFETY: the caller's promise.
        unsafe {
            product(
                [rows.len(), columns.len(), self.depth],
                left,
                right,
                at,
                width,
                add,
            )
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn panels(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        left: Matrix,
        to: *mut f32,
        width: usize,
        add: bool,
    ) {
        for tall in rows.clone().step_by(TALL) {
            let rows = tall..rows.end.min(tall + TALL);
            for start in (0..self.depth).step_by(DEPTH) {
                let depth = DEPTH.min(self.depth - start);
                let add = add || start > 0;
                for column in columns.clone().step_by(COLUMNS) {
                    let right = &self.lines[column / COLUMNS * self.depth + start..][..depth];
                    let wide = COLUMNS.min(columns.end - column);
                    for row in rows.clone().step_by(ROWS) {
                        let from = &left.values[row * left.rows + start * left.columns..];
                        let to = to.wrapping_add(row * width + column);
                        let strides = [left.rows, left.columns];
                        // SAFETY: `left` was found to hold these rows and this depth, `to` is the caller's promise.
                        unsafe {
                            match rows.end - row {
                                1 => block::<1>(from, strides, right, to, [width, wide], add),
                                2 => block::<2>(from, strides, right, to, [width, wide], add),
                                3 => block::<3>(from, strides, right, to, [width, wide], add),
                                4 => block::<4>(from, strides, right, to, [width, wide], add),
                                5 => block::<5>(from, strides, right, to, [width, wide], add),
                                _ => block::<ROWS>(from, strides, right, to, [width, wide], add),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `N` rows of the product by one panel, of which `wide` columns are wanted.
///
/// # Safety
/// `from` holds `N` rows of the panel's depth by those strides; `to` is valid at `row · width + column`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn block<const N: usize>(
    from: &[f32],
    [down, along]: [usize; 2],
    right: &[Line],
    to: *mut f32,
    [width, wide]: [usize; 2],
    add: bool,
) {
    let mut sums = [[0.0f32; COLUMNS]; N];
    let mut from = from.as_ptr();
    for Line(right) in right {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let left = unsafe { *from.add(row * down) };
            for lane in 0..COLUMNS {
                sums[lane] = left.mul_add(right[lane], sums[lane]);
            }
        }
        from = from.wrapping_add(along);
    }
    for (row, sums) in sums.iter().enumerate() {
        let to = to.wrapping_add(row * width);
        if wide == COLUMNS {
            // SAFETY: the caller's promise.
            let to = unsafe { &mut *to.cast::<[f32; COLUMNS]>() };
            for lane in 0..COLUMNS {
                to[lane] = if add { to[lane] + sums[lane] } else { sums[lane] };
            }
            continue;
        }
        for (lane, sum) in sums.iter().enumerate().take(wide) {
            // SAFETY: the caller's promise.
            unsafe {
                let to = to.add(lane);
                *to = if add { *to + sum } else { *sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::host::testing::near;
    use crate::nn::init::tests::noise;

    /// Every remainder of rows, columns and depth, both orders of both factors, with and without what was there before.
    #[test]
    fn products_are_those_of_f64() {
        let values = |count: usize, seed: u64| crate::nn::host::testing::vector(noise([count], seed));
        for (rows, columns, depth) in [
            (1, 1, 1),
            (6, 16, 256),
            (7, 17, 3),
            (11, 36, 300),
            (257, 5, 9),
            (4, 96, 513),
        ] {
            let (left, right) = (values(rows * depth, 1), values(depth * columns, 2));
            let width = columns + 3;
            let before = values(rows * width, 3);
            for (turned, add, panels) in [
                (false, false, false),
                (false, true, true),
                (true, false, true),
                (true, true, false),
            ] {
                let panels = panels && ours();
                let of = |values, [height, wide]: [usize; 2]| match turned {
                    false => Matrix::new(values, wide),
                    true => Matrix::new(values, height).transposed(),
                };
                let (a, b) = (of(&left, [rows, depth]), of(&right, [depth, columns]));
                let at = |m: &Matrix, row: usize, column: usize| {
                    f64::from(m.values[row * m.rows + column * m.columns])
                };
                let mut expected = before.clone();
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 = (0..depth).map(|k| at(&a, row, k) * at(&b, k, column)).sum();
                        let to = &mut expected[row * width + column];
                        *to = (sum + if add { f64::from(*to) } else { 0.0 }) as f32;
                    }
                }
                let factor = Factor::laid_out([depth, columns], b, panels);
                let name = format!("{rows} {columns} {depth} {turned} {add} {panels}");
                let (mut one, mut all) = (before.clone(), before.clone());
                // SAFETY: the targets have room for all rows.
                unsafe {
                    factor.product(rows, a, one.as_mut_ptr(), width, add);
                    factor.wide_product(rows, a, all.as_mut_ptr(), width, add);
                }
                near(&name, &one, &expected, 2e-5, 1.0);
                assert!(one.iter().zip(&all).all(|(a, b)| (a - b).abs() <= 1e-4), "{name}");
            }
        }
    }
}
