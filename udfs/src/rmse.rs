//! `rmse`: how far predicted numbers are off, as the root of the mean square.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::Parameter;
use crate::support::function::{Aggregate, Function};
use crate::support::number_pairs::{Y_AND_YHAT, for_each_pair};
use crate::support::sums::{Metric, Sums};

/// The SQL function `rmse`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The root of the mean of (y - yhat)^2, as an aggregate, Float64: how far predictions are off. Rows where y or yhat is NULL are \
left out; NULL without a row. NaN, an infinite value or one above 1e140 in size is an error. The sum is exact: the result is the same whatever \
the order and the partitions are. DISTINCT and window frames whose start moves are refused.",
    syntax_example = "rmse(y, yhat)",
    sql_example = r#"```sql
> SELECT rmse(y, yhat) AS rmse FROM (VALUES (3.0, 2.5), (-0.5, 0.0), (2.0, 2.0), (7.0, 8.0)) AS p(y, yhat);
+--------------------+
| rmse               |
+--------------------+
| 0.6123724356957945 |
+--------------------+
```"#,
    argument(name = "y", description = "The true number."),
    argument(name = "yhat", description = "The predicted one.")
)]
#[derive(Debug, Default)]
pub(crate) struct Rmse;

impl Function for Rmse {
    const NAME: &'static str = "rmse";
    const PARAMETERS: &'static [Parameter] = Y_AND_YHAT;

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for Rmse {
    fn data_type() -> DataType {
        DataType::Float64
    }

    fn state() -> Vec<(&'static str, DataType)> {
        Sums::state_fields()
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Metric::accumulator(1, update, |sums| Some((sums.sums[0].value() / sums.rows as f64).sqrt())))
    }
}

fn update(sums: &mut Sums, values: &[ArrayRef]) -> Result<()> {
    for_each_pair(Rmse::NAME, values, |y, yhat| {
        sums.rows += 1;
        sums.sums[0].add_product(y - yhat, y - yhat);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{assert_close, of_pairs, y_and_yhat};

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn is_that_of_scikit_learn_in_any_parts() {
        let whole = of_pairs::<Rmse>(&[y_and_yhat()]).expect("a number").expect("not NULL");
        assert_close(&[whole], &[0.37526239609907547], 1e-12);
        for size in [20, 6] {
            let parts: Vec<_> = y_and_yhat().chunks(size).rev().map(<[_]>::to_vec).collect();
            assert_eq!(of_pairs::<Rmse>(&parts).expect("a number"), Some(whole), "parts of {size} rows");
        }
    }

    #[test]
    fn rows_with_null_are_left_out() {
        let rows = vec![(Some(1.0), None), (None, Some(1.0)), (Some(5.0), Some(2.0))];
        assert_eq!(of_pairs::<Rmse>(std::slice::from_ref(&rows)).expect("a number"), Some(3.0));
        assert_eq!(of_pairs::<Rmse>(&[rows[..2].to_vec()]).expect("NULL"), None);
    }

    #[test]
    fn what_sums_cant_hold_is_told() {
        let error = |y, yhat| of_pairs::<Rmse>(&[vec![(Some(y), Some(yhat))]]).expect_err("refused").strip_backtrace();
        assert_eq!(
            error(1.0, f64::NAN),
            "Execution error: rmse: yhat must be finite, got NaN; leave such rows out (NULL is)"
        );
        assert_eq!(error(-1e200, 1.0), "Execution error: rmse: y must be at most 1e140 in size, got -1e200");
    }
}
