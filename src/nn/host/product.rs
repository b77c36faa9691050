//! One matrix product, on one thread or on all.

/// A matrix in a slice: element `(row, column)` lies at `row · rows + column · columns`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    /// Distance from a row to the next.
    pub rows: usize,
    /// Distance from a column to the next.
    pub columns: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, `width` elements from row to row.
    pub fn new(values: &'a [f32], width: usize) -> Self {
        Self {
            values,
            rows: width,
            columns: 1,
        }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            ..self
        }
    }

    pub fn holds(&self, height: usize, width: usize) -> bool {
        (height - 1) * self.rows + (width - 1) * self.columns < self.values.len()
    }
}

/// `to = left · right`, or `to += left · right`, where `left` is `[m, k]`, `right` `[k, n]`, and `to` is row-major `[m, n]` with
/// `width` elements from row to row.
///
/// # Safety
/// `to` is valid for writes (and reads, if `add`) at `row · width + column` for every `row < m` and `column < n`, and nothing
/// else touches those places during the call.
pub(super) unsafe fn product(
    sizes: [usize; 3],
    left: Matrix,
    right: Matrix,
    to: *mut f32,
    width: usize,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe { run(sizes, [left, right], to, width, add, gemm::Parallelism::None) }
}

/// [`product`] on all threads, for those that wait for one large product. Threads share rows and columns, never a sum.
///
/// # Safety
/// As of [`product`].
pub(super) unsafe fn wide_product(
    sizes: [usize; 3],
    left: Matrix,
    right: Matrix,
    to: *mut f32,
    width: usize,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe { run(sizes, [left, right], to, width, add, gemm::Parallelism::Rayon(0)) }
}

unsafe fn run(
    [m, n, k]: [usize; 3],
    [left, right]: [Matrix; 2],
    to: *mut f32,
    width: usize,
    add: bool,
    parallelism: gemm::Parallelism,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(
        left.holds(m, k) && right.holds(k, n),
        "a factor is smaller than its shape"
    );
    // SAFETY: the factors were checked, the target is the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            to,
            1,
            width as isize,
            add,
            left.values.as_ptr(),
            left.columns as isize,
            left.rows as isize,
            right.values.as_ptr(),
            right.columns as isize,
            right.rows as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
