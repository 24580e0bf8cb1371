//! Convolutions as products of matrices: each window of an image is a row (im2col).

use super::layer::Windows;
use super::real::{Out, Real, matrix, turned};

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub(super) windows: Windows,
    pub(super) filters: usize,
    /// Height, width and channels of an image.
    pub(super) input: [usize; 3],
    /// Height and width of what comes out.
    pub(super) output: [usize; 2],
}

impl Conv {
    /// Numbers of a window.
    fn window(&self) -> usize {
        self.windows.size * self.windows.size * self.input[2]
    }

    fn rows(&self, images: usize) -> usize {
        images * self.output[0] * self.output[1]
    }

    /// What becomes of some images; `columns` keeps their windows for the way back.
    #[inline(always)]
    pub(super) fn forward<T: Real>(&self, weights: &[T], x: &[T], images: usize, columns: &mut Vec<T>, out: &mut [T]) {
        let (factors, constants) = weights.split_at(self.window() * self.filters);
        self.unroll(x, images, columns);
        let rows = self.rows(images);
        for row in out.chunks_exact_mut(self.filters) {
            row.copy_from_slice(constants);
        }
        T::multiply(Out { values: out, rows, adds: true }, matrix(columns, rows), matrix(factors, self.window()));
    }

    /// Adds to the gradients of the weights what that of the output says; that of the input, where it is asked for, is made anew.
    #[inline(always)]
    pub(super) fn backward<T: Real>(
        &self,
        weights: &[T],
        images: usize,
        columns: &mut [T],
        of_output: &[T],
        of_weights: &mut [T],
        of_input: Option<&mut [T]>,
    ) {
        let count = self.window() * self.filters;
        let rows = self.rows(images);
        let (of_factors, of_constants) = of_weights.split_at_mut(count);
        add_columns(of_output, of_constants);
        let product = Out { values: of_factors, rows: self.window(), adds: true };
        T::multiply(product, turned(columns, rows), matrix(of_output, rows));
        if let Some(of_input) = of_input {
            // The windows have done their work.
            let factors = turned(&weights[..count], self.window());
            T::multiply(Out { values: columns, rows, adds: false }, matrix(of_output, rows), factors);
            self.roll(columns, images, of_input);
        }
    }

    /// Calls `each` for every row of pixels of every window, as far as it lies in the image: where it begins in the images, where in the
    /// windows, and how many numbers it has.
    #[inline(always)]
    fn each_row(&self, images: usize, mut each: impl FnMut(usize, usize, usize)) {
        let [height, width, channels] = self.input;
        let Windows { size, stride, .. } = self.windows;
        let (above, left) = (self.windows.before(height), self.windows.before(width));
        let window = self.window();
        for image in 0..images {
            for top in 0..self.output[0] {
                for column in 0..self.output[1] {
                    let to = ((image * self.output[0] + top) * self.output[1] + column) * window;
                    let x = column * stride;
                    // Pixels of the window's rows that lie in the image.
                    let (first, last) = (left.saturating_sub(x), size.min((width + left).saturating_sub(x)));
                    for row in 0..size {
                        let y = top * stride + row;
                        if y < above || y - above >= height || first >= last {
                            continue;
                        }
                        let from = ((image * height + y - above) * width + x + first - left) * channels;
                        each(from, to + (row * size + first) * channels, (last - first) * channels);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn unroll<T: Real>(&self, x: &[T], images: usize, columns: &mut Vec<T>) {
        let length = self.rows(images) * self.window();
        columns.clear();
        columns.resize(length, T::default());
        self.each_row(images, |from, to, count| columns[to..to + count].copy_from_slice(&x[from..from + count]));
    }

    #[inline(always)]
    fn roll<T: Real>(&self, columns: &[T], images: usize, x: &mut [T]) {
        x.fill(T::default());
        self.each_row(images, |to, from, count| {
            for (sum, value) in x[to..to + count].iter_mut().zip(&columns[from..from + count]) {
                *sum += *value;
            }
        });
    }
}

/// Adds the rows of a matrix to a row.
#[inline(always)]
pub(super) fn add_columns<T: Real>(rows: &[T], sums: &mut [T]) {
    for row in rows.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += *value;
        }
    }
}
