//! Casts of columns to the types that formats write, which lose no value without a word.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;

use super::failure::refused;

/// The column `name` as another type.
///
/// # Errors
/// A value that has no place in it, instead of making it NULL or infinite.
pub(super) fn cast(name: &str, column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    let cast = |safe| cast_with_options(column, data_type, &CastOptions { safe, ..CastOptions::default() });
    match cast(false) {
        Ok(values) => match first_infinite(column, &values) {
            Some(row) => Err(has_no_place(name, column, row, data_type)?),
            None => Ok(values),
        },
        Err(error) => {
            let lost = cast(true)
                .ok()
                .and_then(|values| (0..column.len()).find(|row| column.is_valid(*row) && values.is_null(*row)));
            match lost {
                Some(row) => Err(has_no_place(name, column, row, data_type)?),
                None => Err(error.into()),
            }
        }
    }
}

/// The first row whose number was finite.
fn first_infinite(from: &ArrayRef, to: &ArrayRef) -> Option<usize> {
    let (from, to) = (from.as_primitive_opt::<Float64Type>()?, to.as_primitive_opt::<Float32Type>()?);
    (0..from.len()).find(|row| from.is_valid(*row) && from.value(*row).is_finite() && to.value(*row).is_infinite())
}

fn has_no_place(
    name: &str,
    column: &ArrayRef,
    row: usize,
    data_type: &DataType,
) -> Result<datafusion::error::DataFusionError> {
    let value = match column.as_primitive_opt::<Float64Type>() {
        // Without hundreds of zeros.
        Some(numbers) => format!("{:e}", numbers.value(row)),
        None => ArrayFormatter::try_new(column, &FormatOptions::default())?.value(row).to_string(),
    };
    Ok(refused(format!(
        "column '{name}' holds {value}, which has no place in {data_type}, as which it is written; leave such rows out, or write it \
         as text: CAST(... AS VARCHAR)"
    )))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float32Array, Float64Array, UInt64Array};

    use super::*;
    use crate::sink::failure::is_refused;

    #[test]
    fn a_value_without_a_place_names_its_column_and_itself() {
        let cases: [(ArrayRef, DataType, &str); 3] = [
            (Arc::new(UInt64Array::from(vec![Some(1), None, Some(u64::MAX)])), DataType::Int64, "18446744073709551615"),
            (Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None, Some(1e300)])), DataType::Float32, "1e300"),
            (Arc::new(Float64Array::from(vec![-3.5e38])), DataType::Float32, "-3.5e38"),
        ];
        for (column, data_type, value) in cases {
            let error = cast("n", &column, &data_type).expect_err("no place");
            let expected = format!("column 'n' holds {value}, which has no place in {data_type}");
            assert!(is_refused(&error) && crate::error::message(&error).starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn what_was_infinite_or_no_number_stays_so() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1]));
        let values = cast("n", &column, &DataType::Float32).expect("values");
        let expected = Float32Array::from(vec![f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.1]);
        assert_eq!(format!("{values:?}"), format!("{:?}", Arc::new(expected) as ArrayRef));
    }
}
