//! Pairs of a true and a predicted number, of which metrics are made.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::common::{Result, exec_err, internal_err};

use super::arguments::{Kind, Parameter, required};

/// What metrics of numbers take.
pub(crate) const Y_AND_YHAT: &[Parameter] = &[required("y", Kind::Number), required("yhat", Kind::Number)];

/// The largest size of a number whose square may be summed.
pub(crate) const LARGEST: f64 = 1e140;

/// Calls `each` with every y and yhat; rows where one of them is NULL are left out.
pub(crate) fn for_each_pair(function: &str, values: &[ArrayRef], mut each: impl FnMut(f64, f64)) -> Result<()> {
    let columns: Vec<_> = values.iter().filter_map(|column| column.as_primitive_opt::<Float64Type>()).collect();
    let [y, yhat] = columns.as_slice() else { return internal_err!("{function}: y and yhat must be Float64") };
    for (y, yhat) in y.iter().zip(yhat.iter()) {
        if let (Some(y), Some(yhat)) = (y, yhat) {
            each(checked(function, "y", y)?, checked(function, "yhat", yhat)?);
        }
    }
    Ok(())
}

/// A number that sums can hold.
fn checked(function: &str, name: &str, value: f64) -> Result<f64> {
    if value.abs() <= LARGEST {
        return Ok(value);
    }
    if value.is_finite() {
        return exec_err!("{function}: {name} must be at most {LARGEST:e} in size, got {value:e}");
    }
    exec_err!("{function}: {name} must be finite, got {value}; leave such rows out (NULL is)")
}
