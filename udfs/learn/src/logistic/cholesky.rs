//! The Cholesky factor of a positive definite matrix.

use pulp::{Arch, Simd, WithSimd};

/// L, where L L' is the matrix; row by row, with zeros or anything above the diagonal.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    size: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    /// Factors a matrix whose lower triangle is given.
    ///
    /// # Errors
    /// The first place at which no more than `tolerance` of the diagonal is left: what is there depends on what is before it.
    pub(crate) fn new(mut rows: Vec<f64>, size: usize, tolerance: f64) -> Result<Self, usize> {
        Arch::new().dispatch(Factor { rows: &mut rows, size, tolerance })?;
        Ok(Self { size, rows })
    }

    fn row(&self, index: usize) -> &[f64] {
        &self.rows[index * self.size..(index + 1) * self.size]
    }

    /// Solves L L' x = `right`.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        self.solve_lower(&mut x, 0);
        for i in (0..self.size).rev() {
            let row = self.row(i);
            x[i] /= row[i];
            let (before, value) = x.split_at_mut(i);
            before.iter_mut().zip(row).for_each(|(x, l)| *x -= l * value[0]);
        }
        x
    }

    /// v' A^-1 v, where v is zero before `first`.
    pub(crate) fn inverse_form(&self, mut v: Vec<f64>, first: usize) -> f64 {
        self.solve_lower(&mut v, first);
        v.iter().map(|value| value * value).sum()
    }

    fn solve_lower(&self, x: &mut [f64], first: usize) {
        Arch::new().dispatch(SolveLower { factor: self, x, first });
    }
}

/// Compiled for each width of vectors, as the next one.
struct Factor<'a> {
    rows: &'a mut [f64],
    size: usize,
    tolerance: f64,
}

impl WithSimd for Factor<'_> {
    type Output = Result<(), usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Result<(), usize> {
        let Self { rows, size, tolerance } = self;
        for i in 0..size {
            let (above, row) = rows.split_at_mut(i * size);
            let row = &mut row[..size];
            for (j, other) in above.chunks_exact(size).enumerate() {
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let left = row[i] - dot(&row[..i], &row[..i]);
            if left <= tolerance * row[i] || !left.is_finite() {
                return Err(i);
            }
            row[i] = left.sqrt();
        }
        Ok(())
    }
}

struct SolveLower<'a> {
    factor: &'a Cholesky,
    x: &'a mut [f64],
    first: usize,
}

impl WithSimd for SolveLower<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { factor, x, first } = self;
        for i in first..factor.size {
            let row = factor.row(i);
            x[i] = (x[i] - dot(&row[first..i], &x[first..i])) / row[i];
        }
    }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, last_a) = a.as_chunks::<16>();
    let (b, last_b) = b.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut sum = 0.0;
    for (a, b) in last_a.iter().zip(last_b) {
        sum += a * b;
    }
    for part in sums {
        sum += part;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored_and_names_the_dependent_place() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let factor = Cholesky::new(matrix, 3, 1e-12).unwrap();
        let x = factor.solve(&[7.0, 10.0, 10.0]);
        x.iter().for_each(|x| assert!((x - 1.0).abs() < 1e-14, "{x}"));
        assert!((factor.inverse_form(vec![0.0, 0.0, 1.0], 2) - 16.0 / 67.0).abs() < 1e-15);
        assert_eq!(Cholesky::new(vec![1.0, 0.0, 2.0, 4.0], 2, 1e-12).unwrap_err(), 1);
    }
}
