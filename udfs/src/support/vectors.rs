//! Columns of vectors: lists of Float64.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err};

use super::linear_model::numbers_type;

/// The vectors of a batch.
pub(crate) struct Vectors {
    lists: ListArray,
    values: Float64Array,
}

impl Vectors {
    /// Reads a column of lists of numbers.
    pub(crate) fn try_new(lists: &ArrayRef) -> Result<Self> {
        let lists = cast(lists, &numbers_type())?.as_list::<i32>().clone();
        let values = lists.values().as_primitive::<Float64Type>().clone();
        Ok(Self { lists, values })
    }

    /// A row's vector; `None` if it is NULL or holds NULL.
    pub(crate) fn get(&self, row: usize) -> Option<&[f64]> {
        let start = *self.lists.value_offsets().get(row)? as usize;
        let length = self.lists.value_length(row) as usize;
        let mut inside = start..start + length;
        let is_whole = self.values.null_count() == 0 || inside.all(|index| self.values.is_valid(index));
        (self.lists.is_valid(row) && is_whole).then(|| &self.values.values()[start..start + length])
    }
}

/// A column of vectors in the making.
#[derive(Debug, Default)]
pub(crate) struct VectorBuilder {
    values: Vec<f64>,
    /// The length of each vector; `None` for NULL.
    lengths: Vec<Option<usize>>,
}

impl VectorBuilder {
    /// Appends a vector, or NULL.
    pub(crate) fn append(&mut self, vector: Option<impl Iterator<Item = f64>>) {
        let start = self.values.len();
        let is_null = vector.is_none();
        self.values.extend(vector.into_iter().flatten());
        self.lengths.push((!is_null).then(|| self.values.len() - start));
    }

    /// The column.
    ///
    /// # Errors
    /// More numbers than a column of lists can hold.
    pub(crate) fn finish(self, function: &str) -> Result<ArrayRef> {
        if i32::try_from(self.values.len()).is_err() {
            return exec_err!("{function}: a batch can't hold {} numbers; use smaller batches", self.values.len());
        }
        let nulls = NullBuffer::from_iter(self.lengths.iter().map(Option::is_some));
        let offsets = OffsetBuffer::from_lengths(self.lengths.into_iter().map(Option::unwrap_or_default));
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        let values = Arc::new(Float64Array::from(self.values));
        Ok(Arc::new(ListArray::try_new(item, offsets, values, Some(nulls).filter(|nulls| nulls.null_count() > 0))?))
    }
}

/// The sum of the products of two vectors' numbers.
pub(crate) fn dot(one: &[f64], other: &[f64]) -> f64 {
    sum(one, other, |one, other| one * other)
}

/// The square of the distance of two vectors.
pub(crate) fn square_of_distance(one: &[f64], other: &[f64]) -> f64 {
    sum(one, other, |one, other| (one - other) * (one - other))
}

/// The sum over two vectors' numbers, in an order that is always the same and allows for vectors of processors.
fn sum(one: &[f64], other: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest = ones.remainder().iter().zip(others.remainder());
    let rest: f64 = rest.map(|(one, other)| term(*one, *other)).sum();
    let mut sums = [0.0; LANES];
    for (ones, others) in ones.zip(others) {
        for ((sum, one), other) in sums.iter_mut().zip(ones).zip(others) {
            *sum += term(*one, *other);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A number of numbers in words.
pub(crate) fn numbers_of(length: usize) -> String {
    if length == 1 { "1 number".to_string() } else { format!("{length} numbers") }
}
