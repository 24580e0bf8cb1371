//! Sums in two doubles, so that the order in which numbers are added doesn't show in the sum that is read.
//!
//! What rounding loses of a sum is added up beside it (T. Ogita, S. M. Rump, S. Oishi 2005, SIAM J. Sci. Comput. 26, 1955-1988): the order
//! shows in the 30th digit.

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::exact_sum::{two_product, two_sum};

/// Sums beside each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PreciseSums {
    sums: Vec<f64>,
    /// What rounding has left of each.
    rests: Vec<f64>,
}

impl PreciseSums {
    pub(crate) fn new(count: usize) -> Self {
        Self { sums: vec![0.0; count], rests: vec![0.0; count] }
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, index: usize, value: f64) {
        let (sum, lost) = two_sum(self.sums[index], value);
        self.sums[index] = sum;
        self.rests[index] += lost;
    }

    /// Adds numbers to one sum; some of them at a time.
    #[inline(always)]
    pub(crate) fn add_all(&mut self, index: usize, values: &[f64]) {
        const LANES: usize = 8;
        let (mut sums, mut rests) = ([0.0; LANES], [0.0; LANES]);
        let (parts, last) = values.as_chunks::<LANES>();
        for values in parts {
            for lane in 0..LANES {
                let (sum, lost) = two_sum(sums[lane], values[lane]);
                sums[lane] = sum;
                rests[lane] += lost;
            }
        }
        let (mut sum, mut rest) = (self.sums[index], self.rests[index]);
        for value in sums.iter().chain(last) {
            let (rounded, lost) = two_sum(sum, *value);
            sum = rounded;
            rest += lost;
        }
        for lost in rests {
            rest += lost;
        }
        (self.sums[index], self.rests[index]) = (sum, rest);
    }

    /// Adds what rounding has lost of a number that was added.
    #[inline(always)]
    pub(crate) fn add_lost(&mut self, index: usize, lost: f64) {
        self.rests[index] += lost;
    }

    /// Some sums, and what rounding has left of each.
    #[inline(always)]
    pub(crate) fn range_mut(&mut self, start: usize, count: usize) -> (&mut [f64], &mut [f64]) {
        (&mut self.sums[start..start + count], &mut self.rests[start..start + count])
    }

    /// Adds a row of numbers to the sums from `start` on.
    #[inline(always)]
    pub(crate) fn add_row(&mut self, start: usize, row: &[f64]) {
        let (sums, rests) = self.range_mut(start, row.len());
        let (sums, last_sums) = sums.as_chunks_mut::<4>();
        let (rests, last_rests) = rests.as_chunks_mut::<4>();
        let (row, last) = row.as_chunks::<4>();
        for ((sums, rests), values) in sums.iter_mut().zip(rests).zip(row) {
            for lane in 0..4 {
                let (sum, lost) = two_sum(sums[lane], values[lane]);
                sums[lane] = sum;
                rests[lane] += lost;
            }
        }
        for ((sum, rest), value) in last_sums.iter_mut().zip(last_rests).zip(last) {
            let (rounded, lost) = two_sum(*sum, *value);
            *sum = rounded;
            *rest += lost;
        }
    }

    /// Adds the sums of another part, which are as many.
    pub(crate) fn merge(&mut self, other: &Self) {
        let others = other.sums.iter().zip(&other.rests);
        for ((sum, rest), (other_sum, other_rest)) in self.sums.iter_mut().zip(&mut self.rests).zip(others) {
            let (rounded, lost) = two_sum(*sum, *other_sum);
            (*sum, *rest) = two_sum(rounded, lost + (*rest + *other_rest));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }

    /// The double that is nearest to a sum.
    pub(crate) fn value(&self, index: usize) -> f64 {
        self.sums[index] + self.rests[index]
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        (0..self.len()).map(|index| self.value(index)).collect()
    }

    /// A sum in two doubles.
    pub(crate) fn pair(&self, index: usize) -> (f64, f64) {
        two_sum(self.sums[index], self.rests[index])
    }

    /// A sum, divided.
    pub(crate) fn quotient(&self, index: usize, divisor: f64) -> f64 {
        quotient(self.pair(index), divisor)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        (self.sums.capacity() + self.rests.capacity()) * size_of::<f64>()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.numbers(&self.sums);
        writer.numbers(&self.rests);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, count: usize) -> Result<Self, Error> {
        Ok(Self { sums: reader.numbers(count)?, rests: reader.numbers(count)? })
    }
}

/// What two doubles come to, divided.
pub(crate) fn quotient((sum, rest): (f64, f64), divisor: f64) -> f64 {
    let quotient = sum / divisor;
    let (product, lost) = two_product(quotient, divisor);
    let left = ((sum - product) - lost) + rest;
    if left.is_finite() { quotient + left / divisor } else { quotient }
}
