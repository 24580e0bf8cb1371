//! The largest value, or the mean, of windows that don't overlap.

use super::real::Real;

/// The sizes of a pooling layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) size: usize,
    /// Height, width and channels of an image.
    pub(super) input: [usize; 3],
    /// Height and width of what comes out.
    pub(super) output: [usize; 2],
}

impl Pool {
    /// Calls `each` for every pixel of every window: where the output's pixel begins, where the input's does, and its number in the window.
    #[inline(always)]
    fn each_pixel(&self, images: usize, mut each: impl FnMut(usize, usize, usize)) {
        let [height, width, channels] = self.input;
        for image in 0..images {
            for top in 0..self.output[0] {
                for left in 0..self.output[1] {
                    let out = ((image * self.output[0] + top) * self.output[1] + left) * channels;
                    for row in 0..self.size {
                        let y = image * height + top * self.size + row;
                        for column in 0..self.size {
                            let x = left * self.size + column;
                            each(out, (y * width + x) * channels, row * self.size + column);
                        }
                    }
                }
            }
        }
    }

    /// The largest values; `places` keeps which pixel of its window each comes from, of equal ones the first.
    #[inline(always)]
    pub(super) fn largest<T: Real>(&self, x: &[T], images: usize, places: &mut Vec<u32>, out: &mut [T]) {
        let channels = self.input[2];
        places.clear();
        places.resize(out.len(), 0);
        self.each_pixel(images, |to, from, number| {
            let (out, places) = (&mut out[to..to + channels], &mut places[to..to + channels]);
            let values = &x[from..from + channels];
            if number == 0 {
                out.copy_from_slice(values);
                return;
            }
            for ((most, place), value) in out.iter_mut().zip(places).zip(values) {
                let is_more = *value > *most;
                *most = if is_more { *value } else { *most };
                *place = if is_more { number as u32 } else { *place };
            }
        });
    }

    /// Where the gradient of the largest values goes.
    #[inline(always)]
    pub(super) fn largest_backward<T: Real>(&self, images: usize, places: &[u32], of_output: &[T], of_input: &mut [T]) {
        let channels = self.input[2];
        of_input.fill(T::default());
        self.each_pixel(images, |from, to, number| {
            let sources = of_output[from..from + channels].iter().zip(&places[from..from + channels]);
            for (gradient, (value, place)) in of_input[to..to + channels].iter_mut().zip(sources) {
                *gradient = if *place == number as u32 { *value } else { T::default() };
            }
        });
    }

    #[inline(always)]
    pub(super) fn mean<T: Real>(&self, x: &[T], images: usize, out: &mut [T]) {
        let channels = self.input[2];
        let share = T::of(1.0 / (self.size * self.size) as f64);
        out.fill(T::default());
        self.each_pixel(images, |to, from, _| {
            for (sum, value) in out[to..to + channels].iter_mut().zip(&x[from..from + channels]) {
                *sum += *value * share;
            }
        });
    }

    #[inline(always)]
    pub(super) fn mean_backward<T: Real>(&self, images: usize, of_output: &[T], of_input: &mut [T]) {
        let channels = self.input[2];
        let share = T::of(1.0 / (self.size * self.size) as f64);
        of_input.fill(T::default());
        self.each_pixel(images, |from, to, _| {
            for (gradient, value) in of_input[to..to + channels].iter_mut().zip(&of_output[from..from + channels]) {
                *gradient = *value * share;
            }
        });
    }
}
