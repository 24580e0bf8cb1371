//! The numbers that a network computes with, and the product of matrices of them.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Single or double precision. Networks are trained in single; double is for proofs.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + MulAssign
    + Neg<Output = Self>
    + Sub<Output = Self>
    + SubAssign
    + 'static
{
    /// The nearest number.
    fn of(value: f64) -> Self;
    /// The same number.
    fn to_f64(self) -> f64;
    /// The root.
    fn sqrt(self) -> Self;
    /// `out = a b`, or `out += a b`, of matrices row by row; on this thread, with the same bits each time.
    fn multiply(out: Out<'_, Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>);
}

/// A matrix, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    /// Its numbers.
    pub values: &'a [T],
    /// How many rows they are, before it is turned.
    pub rows: usize,
    /// Whether rows are taken for columns.
    pub is_turned: bool,
}

/// Where a product goes.
#[derive(Debug)]
pub struct Out<'a, T> {
    /// The numbers, row by row.
    pub values: &'a mut [T],
    /// How many rows they are.
    pub rows: usize,
    /// Whether the product is added to what is there.
    pub adds: bool,
}

/// A matrix of so many rows.
pub(super) fn matrix<T>(values: &[T], rows: usize) -> Matrix<'_, T> {
    Matrix { values, rows, is_turned: false }
}

/// The same with rows for columns.
pub(super) fn turned<T>(values: &[T], rows: usize) -> Matrix<'_, T> {
    Matrix { values, rows, is_turned: true }
}

fn view<T>(matrix: Matrix<'_, T>) -> MatRef<'_, T> {
    let columns = matrix.values.len() / matrix.rows.max(1);
    let rows = MatRef::from_row_major_slice(matrix.values, matrix.rows, columns);
    if matrix.is_turned { rows.transpose() } else { rows }
}

macro_rules! real {
    ($type:ty) => {
        impl Real for $type {
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }

            fn multiply(out: Out<'_, Self>, a: Matrix<'_, Self>, b: Matrix<'_, Self>) {
                let columns = out.values.len() / out.rows.max(1);
                let product = MatMut::from_row_major_slice_mut(out.values, out.rows, columns);
                let accumulate = if out.adds { Accum::Add } else { Accum::Replace };
                matmul(product, accumulate, view(a), view(b), 1.0, Par::Seq);
            }
        }
    };
}

real!(f32);
real!(f64);
