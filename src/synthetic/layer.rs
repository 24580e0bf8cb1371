//! Pictures in memory, and enlarging them.

/// A picture of `C` values per pixel, row by row.
pub(super) struct Layer<const C: usize> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<[f32; C]>,
}

impl<const C: usize> Layer<C> {
    /// All values 0.
    pub(super) fn new((width, height): (usize, usize)) -> Self {
        Self { width, height, pixels: vec![[0.0; C]; width * height] }
    }

    /// The layer enlarged to a size that [`halved`] once is its own.
    pub(super) fn doubled(&self, size: (usize, usize)) -> Self {
        let row_of = |y: usize| &self.pixels[y * self.width..][..self.width];
        let mut doubled = Self::new(size);
        // A row between two rows of the source, with one more pixel at each end.
        let mut between = vec![[0.0; C]; self.width + 2];
        for (y, row) in doubled.pixels.chunks_exact_mut(doubled.width).enumerate() {
            let near = y / 2;
            let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
            let rows = row_of(near).iter().zip(row_of(far));
            for (pixel, (near, far)) in between[1..].iter_mut().zip(rows) {
                *pixel = three_to_one(near, far);
            }
            between[0] = between[1];
            between[self.width + 1] = between[self.width];
            for (pair, source) in row.chunks_mut(2).zip(between.windows(3)) {
                for (side, pixel) in pair.iter_mut().enumerate() {
                    *pixel = three_to_one(&source[1], &source[2 * side]);
                }
            }
        }
        doubled
    }
}

/// A width and height divided by 2 `times` times, rounded up.
pub(super) fn halved((width, height): (usize, usize), times: u32) -> (usize, usize) {
    (width.div_ceil(1 << times), height.div_ceil(1 << times))
}

#[inline]
fn three_to_one<const C: usize>(near: &[f32; C], far: &[f32; C]) -> [f32; C] {
    let mut mixed = [0.0; C];
    for c in 0..C {
        mixed[c] = 0.75 * near[c] + 0.25 * far[c];
    }
    mixed
}
