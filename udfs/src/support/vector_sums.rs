//! Exact sums of the numbers of vectors and of their squares, from which means and variances follow.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use pixmill_learn::exact_sum::deviations;

use super::number_pairs::LARGEST;
use super::sums::Sums;
use super::vectors::numbers_of;

/// What is known of the vectors so far.
#[derive(Debug)]
pub(crate) struct VectorSums {
    function: &'static str,
    /// For each place in a vector the sum of its numbers and that of their squares; none before the first vector.
    sums: Sums,
    /// The rows without a vector.
    left_out: i64,
}

impl VectorSums {
    /// No rows yet.
    pub(crate) fn new(function: &'static str) -> Self {
        Self { function, sums: Sums::default(), left_out: 0 }
    }

    /// What travels: names and types.
    pub(crate) fn state_fields() -> Vec<(&'static str, DataType)> {
        let mut fields = Sums::state_fields();
        fields.push(("left_out", DataType::Int64));
        fields
    }

    pub(crate) fn state(&self) -> Vec<ScalarValue> {
        let mut state = self.sums.state();
        state.push(ScalarValue::from(self.left_out));
        state
    }

    /// The vectors that were added.
    pub(crate) fn rows(&self) -> i64 {
        self.sums.rows
    }

    pub(crate) fn left_out(&self) -> i64 {
        self.left_out
    }

    /// How many numbers a vector has.
    pub(crate) fn columns(&self) -> usize {
        self.sums.sums.len() / 2
    }

    /// Adds a vector.
    ///
    /// # Errors
    /// One of another length than those before, or of numbers that sums can't hold.
    pub(crate) fn add(&mut self, vector: &[f64]) -> Result<()> {
        self.check_length(vector.len())?;
        check_numbers(self.function, vector)?;
        self.sums.rows += 1;
        for (sums, value) in self.sums.sums.chunks_exact_mut(2).zip(vector) {
            if let [sum, squares] = sums {
                sum.add(*value);
                squares.add_product(*value, *value);
            }
        }
        Ok(())
    }

    /// Counts a row without a vector.
    pub(crate) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Adds the rows of other parts.
    ///
    /// # Errors
    /// Vectors of another length.
    pub(crate) fn merge(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums @ .., left_out] = states else { return internal_err!("{}: an empty state", self.function) };
        self.left_out += left_out.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Sums::for_each(sums, |other| {
            if other.rows > 0 {
                self.check_length(other.sums.len() / 2)?;
                self.sums.merge(&other);
            }
            Ok(())
        })
    }

    fn check_length(&mut self, length: usize) -> Result<()> {
        if self.sums.rows == 0 {
            if length == 0 {
                return exec_err!("{}: x must have 1 number or more, got an empty list", self.function);
            }
            self.sums = Sums::new(2 * length);
        }
        if self.columns() != length {
            // Whichever comes first, the message is the same.
            let (shorter, longer) = (self.columns().min(length), self.columns().max(length));
            return exec_err!(
                "{}: the vectors of all rows must have the same length, got one of {} and one of {longer}",
                self.function,
                numbers_of(shorter)
            );
        }
        Ok(())
    }

    /// The mean of each place.
    pub(crate) fn means(&self) -> impl Iterator<Item = f64> {
        let rows = self.sums.rows as f64;
        self.sums.sums.iter().step_by(2).map(move |sum| sum.value() / rows)
    }

    /// The variance of each place, by n - 1; exactly 0 if it is constant. Of two rows or more.
    pub(crate) fn variances(&self) -> impl Iterator<Item = f64> {
        let rows = self.sums.rows;
        self.sums.sums.chunks_exact(2).map(move |sums| match sums {
            [sum, squares] => variance(rows, deviations(rows, squares.parts(), sum.parts(), sum.parts())),
            _ => 0.0,
        })
    }

    /// The covariance of two places, by n - 1, from the parts of the sum of their products.
    pub(crate) fn covariance(&self, products: &[f64], i: usize, j: usize) -> f64 {
        let (x, y) = (self.sums.sums[2 * i].parts(), self.sums.sums[2 * j].parts());
        variance(self.sums.rows, deviations(self.sums.rows, products, x, y))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.sums.heap_bytes()
    }
}

/// The variance of n rows, or a covariance, from n times the sum of the products of their deviations. What is below the smallest number
/// that has all of its digits is nothing but rounding: the squares of numbers of 1e-150 lose theirs.
fn variance(rows: i64, deviations: f64) -> f64 {
    let variance = deviations / rows as f64 / (rows - 1) as f64;
    if variance.abs() < f64::MIN_POSITIVE { 0.0 } else { variance }
}

/// Checks that sums can hold the numbers of a vector.
fn check_numbers(function: &str, vector: &[f64]) -> Result<()> {
    let Some(place) = vector.iter().position(|value| value.is_nan() || value.abs() > LARGEST) else { return Ok(()) };
    let (number, value) = (place + 1, vector[place]);
    let first: Vec<String> = vector.iter().take(4).map(f64::to_string).collect();
    let more = if vector.len() > 4 { ", ..." } else { "" };
    let of = format!("of the vector [{}{more}]", first.join(", "));
    if value.is_finite() {
        return exec_err!("{function}: x[{number}] must be at most {LARGEST:e} in size, got {value:e} {of}");
    }
    exec_err!("{function}: x[{number}] must be finite, got {value} {of}; leave such rows out (NULL is)")
}
