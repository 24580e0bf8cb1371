//! `r2_score`: how much of what numbers vary by a prediction tells.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;
use pixmill_learn::exact_sum::deviations;

use crate::support::arguments::Parameter;
use crate::support::function::{Aggregate, Function};
use crate::support::number_pairs::{Y_AND_YHAT, for_each_pair};
use crate::support::sums::{Metric, Sums};

/// The SQL function `r2_score`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The coefficient of determination, as an aggregate, Float64: 1 less the sum of (y - yhat)^2 divided by that of (y - mean of y)^2. It is 1 for predictions that are right, 0 for those that are no better than the mean, and negative for worse ones; NULL if y is constant. Rows where y or yhat is NULL are \
left out; NULL without a row. NaN, an infinite value or one above 1e140 in size is an error. Sums are exact: the result is the same whatever \
the order and the partitions are. DISTINCT and window frames whose start moves are refused.",
    syntax_example = "r2_score(y, yhat)",
    sql_example = r#"```sql
> SELECT r2_score(y, yhat) AS r2 FROM (VALUES (3.0, 2.5), (-0.5, 0.0), (2.0, 2.0), (7.0, 8.0)) AS p(y, yhat);
+--------------------+
| r2                 |
+--------------------+
| 0.9486081370449679 |
+--------------------+
```"#,
    argument(name = "y", description = "The true number."),
    argument(name = "yhat", description = "The predicted one.")
)]
#[derive(Debug, Default)]
pub(crate) struct R2Score;

impl Function for R2Score {
    const NAME: &'static str = "r2_score";
    const PARAMETERS: &'static [Parameter] = Y_AND_YHAT;

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for R2Score {
    fn data_type() -> DataType {
        DataType::Float64
    }

    fn state() -> Vec<(&'static str, DataType)> {
        Sums::state_fields()
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Metric::accumulator(3, update, r2))
    }
}

fn update(sums: &mut Sums, values: &[ArrayRef]) -> Result<()> {
    for_each_pair(R2Score::NAME, values, |y, yhat| {
        sums.rows += 1;
        sums.sums[0].add_product(y - yhat, y - yhat);
        sums.sums[1].add(y);
        sums.sums[2].add_product(y, y);
    })
}

fn r2(sums: &Sums) -> Option<f64> {
    let [residuals, y, squares] = sums.sums.as_slice() else { return None };
    let total = deviations(sums.rows, squares.parts(), y.parts(), y.parts()) / sums.rows as f64;
    (total > 0.0).then(|| 1.0 - residuals.value() / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::testing::{assert_close, of_pairs, y_and_yhat};

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn is_that_of_scikit_learn_in_any_parts() {
        let whole = of_pairs::<R2Score>(&[y_and_yhat()]).expect("a number").expect("not NULL");
        assert_close(&[whole], &[0.9834783090498452], 1e-12);
        for size in [20, 6] {
            let parts: Vec<_> = y_and_yhat().chunks(size).rev().map(<[_]>::to_vec).collect();
            assert_eq!(of_pairs::<R2Score>(&parts).expect("a number"), Some(whole), "parts of {size} rows");
        }
    }

    #[test]
    fn a_constant_y_has_none() {
        let rows = vec![(Some(0.1), Some(0.1)), (Some(0.1), Some(0.2)), (Some(0.1), Some(0.3))];
        assert_eq!(of_pairs::<R2Score>(&[rows]).expect("NULL"), None);
    }
}
