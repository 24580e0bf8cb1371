//! Sums of the products of each two numbers of vectors, to twice the precision of a double.
//!
//! Products are taken without their rounding errors, and so are sums, whose errors are summed beside them (T. Ogita, S. M. Rump,
//! S. Oishi 2005, SIAM J. Sci. Comput. 26, 1955-1988). Nothing is subtracted before: means, which differ from part to part of the
//! rows, play no part in the sums. So order and parts show in the 30th digit at most, and not at all where the exact sum fits into
//! two doubles, as that of Float32 values of like size does.

use pixmill_learn::exact_sum::{high_half, product_of_halves, two_sum};

/// How many rows wait until they are added, so that the sums, which are many, pass through the processor's cache less often.
const ROWS: usize = 32;
/// How many sums are worked on at a time for all of these rows.
const TILE: usize = 32;

/// For each two different places in a vector the sum of their products over the rows.
#[derive(Debug, Default)]
pub(crate) struct Products {
    columns: usize,
    /// The sums of place i with the places behind it, i by i, then what rounding has left of each.
    sums: Vec<f64>,
    /// The rows that wait.
    rows: Vec<f64>,
    /// The upper halves of their numbers.
    high_halves: Vec<f64>,
}

impl Products {
    /// Of vectors of so many numbers.
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, sums: vec![0.0; 2 * pairs(columns)], ..Self::default() }
    }

    /// Adds a vector of finite numbers.
    pub(crate) fn add(&mut self, vector: &[f64]) {
        self.rows.extend_from_slice(vector);
        self.high_halves.extend(vector.iter().map(|value| high_half(*value)));
        if self.rows.len() >= ROWS * self.columns {
            self.add_rows();
        }
    }

    /// Adds the rows that wait.
    fn add_rows(&mut self) {
        let (mut sums, mut rests) = self.sums.split_at_mut(pairs(self.columns));
        for first in 0..self.columns {
            let (ours, behind) = sums.split_at_mut(self.columns - first - 1);
            let (our_rests, rests_behind) = rests.split_at_mut(ours.len());
            (sums, rests) = (behind, rests_behind);
            let tiles = ours.chunks_mut(TILE).zip(our_rests.chunks_mut(TILE));
            for (tile, (sums, rests)) in tiles.enumerate() {
                let start = first + 1 + tile * TILE;
                let end = start + sums.len();
                let rows = self.rows.chunks_exact(self.columns).zip(self.high_halves.chunks_exact(self.columns));
                for (row, high_halves) in rows {
                    // Many features are 0 in most rows.
                    if row[first] != 0.0 {
                        let x = (row[first], high_halves[first]);
                        add_products(sums, rests, x, &row[start..end], &high_halves[start..end]);
                    }
                }
                for (sum, rest) in sums.iter_mut().zip(rests) {
                    (*sum, *rest) = two_sum(*sum, *rest);
                }
            }
        }
        self.rows.clear();
        self.high_halves.clear();
    }

    /// What travels: the sums of all rows.
    pub(crate) fn sums(&mut self) -> &[f64] {
        self.add_rows();
        &self.sums
    }

    /// Adds the sums of another part of the rows, which are as many.
    pub(crate) fn merge(&mut self, other: &[f64]) {
        self.add_rows();
        let count = pairs(self.columns);
        let (sums, rests) = self.sums.split_at_mut(count);
        let other = other[..count].iter().zip(&other[count..]);
        for ((sum, rest), (other_sum, other_rest)) in sums.iter_mut().zip(rests).zip(other) {
            let (rounded, lost) = two_sum(*sum, *other_sum);
            (*sum, *rest) = two_sum(rounded, lost + (*rest + *other_rest));
        }
    }

    /// Calls `each` with every two places, i before j, and the two doubles of their sum.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(usize, usize, [f64; 2])) {
        self.add_rows();
        let (sums, rests) = self.sums.split_at(pairs(self.columns));
        let places = (0..self.columns).flat_map(|i| (i + 1..self.columns).map(move |j| (i, j)));
        for ((i, j), (sum, rest)) in places.zip(sums.iter().zip(rests)) {
            each(i, j, [*sum, *rest]);
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        (self.sums.capacity() + self.rows.capacity() + self.high_halves.capacity()) * size_of::<f64>()
    }
}

/// Adds x * y for each y to the sum of that place; numbers come with their upper halves.
#[inline(always)]
fn add_products(sums: &mut [f64], rests: &mut [f64], x: (f64, f64), y: &[f64], high_halves: &[f64]) {
    for (((sum, rest), y), high_half) in sums.iter_mut().zip(rests).zip(y).zip(high_halves) {
        let (product, lost) = product_of_halves(x, (*y, *high_half));
        let (rounded, also_lost) = two_sum(*sum, product);
        *sum = rounded;
        *rest += also_lost + lost;
    }
}

/// How many pairs of different places there are.
pub(crate) fn pairs(columns: usize) -> usize {
    columns * columns.saturating_sub(1) / 2
}
