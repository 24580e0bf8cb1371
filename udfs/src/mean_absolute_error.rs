//! `mean_absolute_error`: how far predicted numbers are off, on average.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::Parameter;
use crate::support::function::{Aggregate, Function};
use crate::support::number_pairs::{Y_AND_YHAT, for_each_pair};
use crate::support::sums::{Metric, Sums};

/// The SQL function `mean_absolute_error`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The mean of |y - yhat|, as an aggregate, Float64: how far predictions are off. Rows where y or yhat is NULL are \
left out; NULL without a row. NaN, an infinite value or one above 1e140 in size is an error. The sum is exact: the result is the same whatever \
the order and the partitions are. DISTINCT and window frames whose start moves are refused.",
    syntax_example = "mean_absolute_error(y, yhat)",
    sql_example = r#"```sql
> SELECT mean_absolute_error(y, yhat) AS error FROM (VALUES (3.0, 2.5), (-0.5, 0.0), (2.0, 2.0), (7.0, 8.0)) AS p(y, yhat);
+-------+
| error |
+-------+
| 0.5   |
+-------+
```"#,
    argument(name = "y", description = "The true number."),
    argument(name = "yhat", description = "The predicted one.")
)]
#[derive(Debug, Default)]
pub(crate) struct MeanAbsoluteError;

impl Function for MeanAbsoluteError {
    const NAME: &'static str = "mean_absolute_error";
    const PARAMETERS: &'static [Parameter] = Y_AND_YHAT;

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for MeanAbsoluteError {
    fn data_type() -> DataType {
        DataType::Float64
    }

    fn state() -> Vec<(&'static str, DataType)> {
        Sums::state_fields()
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Metric::mean(update))
    }
}

fn update(sums: &mut Sums, values: &[ArrayRef]) -> Result<()> {
    for_each_pair(MeanAbsoluteError::NAME, values, |y, yhat| {
        sums.rows += 1;
        sums.sums[0].add((y - yhat).abs());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{assert_close, of_pairs, y_and_yhat};

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn is_that_of_scikit_learn_in_any_parts() {
        let whole = of_pairs::<MeanAbsoluteError>(&[y_and_yhat()]).expect("a number").expect("not NULL");
        assert_close(&[whole], &[0.30632022471910103], 1e-12);
        for size in [20, 6] {
            let parts: Vec<_> = y_and_yhat().chunks(size).rev().map(<[_]>::to_vec).collect();
            assert_eq!(of_pairs::<MeanAbsoluteError>(&parts).expect("a number"), Some(whole), "parts of {size} rows");
        }
    }
}
