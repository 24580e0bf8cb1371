//! Exact sums over rows, as an aggregate keeps and sends them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::logical_expr::Accumulator;
use pixmill_learn::exact_sum::ExactSum;

use super::linear_model::numbers_type;

/// How many rows were added, and what they come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) rows: i64,
    pub(crate) sums: Vec<ExactSum>,
}

impl Sums {
    /// So many sums of no rows.
    pub(crate) fn new(count: usize) -> Self {
        Self { rows: 0, sums: vec![ExactSum::default(); count] }
    }

    /// What travels: names and types.
    pub(crate) fn state_fields() -> Vec<(&'static str, DataType)> {
        vec![("rows", DataType::Int64), ("sums", DataType::Int64), ("parts", numbers_type())]
    }

    /// The rows, how many sums there are, and the parts of each, filled up with zeros to the same number.
    pub(crate) fn state(&self) -> Vec<ScalarValue> {
        let width = self.sums.iter().map(|sum| sum.parts().len()).max().unwrap_or_default();
        let zeros = |sum: &ExactSum| std::iter::repeat_n(0.0, width - sum.parts().len());
        let parts = self.sums.iter().flat_map(|sum| sum.parts().iter().copied().chain(zeros(sum)));
        vec![ScalarValue::from(self.rows), ScalarValue::from(self.sums.len() as i64), list(parts)]
    }

    /// Calls `each` with the sums of other parts of the rows.
    pub(crate) fn for_each(states: &[ArrayRef], mut each: impl FnMut(Self) -> Result<()>) -> Result<()> {
        let [rows, counts, parts] = states else {
            return internal_err!("a state of sums has 3 columns, got {}", states.len());
        };
        let (rows, counts) = (rows.as_primitive::<Int64Type>(), counts.as_primitive::<Int64Type>());
        for row in 0..rows.len() {
            let parts = list_of(parts, row)?;
            let count = counts.value(row) as usize;
            let mut sums = Self { rows: rows.value(row), ..Self::new(count) };
            let width = parts.len().checked_div(count).unwrap_or_default();
            for (sum, parts) in sums.sums.iter_mut().zip(parts.values().chunks_exact(width.max(1))) {
                parts.iter().for_each(|part| sum.add(*part));
            }
            each(sums)?;
        }
        Ok(())
    }

    /// Adds other rows, of which there are as many sums.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (sum, other) in self.sums.iter_mut().zip(&other.sums) {
            other.parts().iter().for_each(|part| sum.add(*part));
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let parts = self.sums.iter().map(ExactSum::heap_bytes);
        self.sums.capacity() * size_of::<ExactSum>() + parts.sum::<usize>()
    }
}

/// Numbers as a list.
pub(crate) fn list(numbers: impl Iterator<Item = f64>) -> ScalarValue {
    SingleRowListArrayBuilder::new(Arc::new(Float64Array::from_iter_values(numbers))).build_list_scalar()
}

/// The numbers of a list in a state.
pub(crate) fn list_of(lists: &ArrayRef, row: usize) -> Result<Float64Array> {
    let numbers = lists.as_list_opt::<i32>().map(|lists| lists.value(row));
    let numbers = numbers.as_ref().and_then(|numbers| numbers.as_primitive_opt::<Float64Type>());
    numbers.cloned().ok_or_else(|| internal_datafusion_err!("a state has no list of Float64"))
}

/// An aggregate of a few sums: a metric of predictions.
#[derive(Debug)]
pub(crate) struct Metric {
    sums: Sums,
    /// Adds the rows of a batch.
    update: fn(&mut Sums, &[ArrayRef]) -> Result<()>,
    /// What the sums of one row or more come to.
    evaluate: fn(&Sums) -> Option<f64>,
}

impl Metric {
    /// What takes rows for a metric of so many sums.
    pub(crate) fn accumulator(
        count: usize,
        update: fn(&mut Sums, &[ArrayRef]) -> Result<()>,
        evaluate: fn(&Sums) -> Option<f64>,
    ) -> Box<dyn Accumulator> {
        Box::new(Self { sums: Sums::new(count), update, evaluate })
    }

    /// What takes rows for a metric that is the mean of one number of each row.
    pub(crate) fn mean(update: fn(&mut Sums, &[ArrayRef]) -> Result<()>) -> Box<dyn Accumulator> {
        Self::accumulator(1, update, |sums| Some(sums.sums[0].value() / sums.rows as f64))
    }
}

impl Accumulator for Metric {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        (self.update)(&mut self.sums, values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let is_empty = self.sums.rows == 0;
        Ok(ScalarValue::Float64(if is_empty { None } else { (self.evaluate)(&self.sums) }))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.sums.state())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        Sums::for_each(states, |other| {
            self.sums.merge(&other);
            Ok(())
        })
    }
}
