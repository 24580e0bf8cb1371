//! Passes and sums as plain numbers, as they travel.

use crate::error::Error;

/// Puts numbers behind each other.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    numbers: Vec<f64>,
}

impl Writer {
    /// A count of rows or columns: below 2^53.
    pub(crate) fn count(&mut self, value: u64) {
        self.numbers.push(value as f64);
    }

    /// All 64 bits, as two numbers: the bits of a double may be changed on the way where it is NaN.
    pub(crate) fn word(&mut self, value: u64) {
        self.numbers.push((value >> 32) as f64);
        self.numbers.push((value & 0xffff_ffff) as f64);
    }

    pub(crate) fn numbers(&mut self, values: &[f64]) {
        self.numbers.extend_from_slice(values);
    }

    pub(crate) fn finish(self) -> Vec<f64> {
        self.numbers
    }
}

/// Takes numbers from the front, and trusts none of them.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    numbers: &'a [f64],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(numbers: &'a [f64]) -> Self {
        Self { numbers }
    }

    pub(crate) fn number(&mut self) -> Result<f64, Error> {
        let (first, rest) = self.numbers.split_first().ok_or(Error::Damaged("it ends too early"))?;
        self.numbers = rest;
        Ok(*first)
    }

    pub(crate) fn count(&mut self) -> Result<u64, Error> {
        let number = self.number()?;
        let is_count = (0.0..9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
        if is_count { Ok(number as u64) } else { Err(Error::Damaged("a count is not a whole number")) }
    }

    /// A count of what needs at least one number each, so that it can be no larger than what there is.
    pub(crate) fn size(&mut self) -> Result<usize, Error> {
        let count = usize::try_from(self.count()?).unwrap_or(usize::MAX);
        if count <= self.numbers.len() { Ok(count) } else { Err(Error::Damaged("it ends too early")) }
    }

    pub(crate) fn word(&mut self) -> Result<u64, Error> {
        let (high, low) = (self.count()?, self.count()?);
        if high.max(low) >> 32 == 0 { Ok(high << 32 | low) } else { Err(Error::Damaged("a word is too large")) }
    }

    pub(crate) fn numbers(&mut self, count: usize) -> Result<Vec<f64>, Error> {
        let (numbers, rest) = self.numbers.split_at_checked(count).ok_or(Error::Damaged("it ends too early"))?;
        self.numbers = rest;
        Ok(numbers.to_vec())
    }

    /// `rows` times `columns` numbers.
    pub(crate) fn matrix(&mut self, rows: usize, columns: usize) -> Result<Vec<f64>, Error> {
        self.numbers(rows.checked_mul(columns).ok_or(Error::Damaged("a size is too large"))?)
    }

    /// How many numbers are left.
    pub(crate) fn left(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.numbers.is_empty() { Ok(()) } else { Err(Error::Damaged("something stands behind its end")) }
    }
}
