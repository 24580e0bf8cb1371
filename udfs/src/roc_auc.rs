//! `roc_auc`: how well a score tells what is true from what isn't.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{Accumulator, Documentation};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, required};
use crate::support::function::{Aggregate, Function};
use crate::support::linear_model::numbers_type;
use crate::support::sums::{list, list_of};

/// The SQL function `roc_auc`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "The area below the curve of the receiver operating characteristic, as an aggregate, Float64: how probable it is that a row whose \
label is true has a higher score than one whose label is false, where equal scores count half. 1 for a score that tells all of them apart, 0.5 for \
one that tells nothing. Rows where one of the arguments is NULL are left out; NULL unless there are rows of both labels. NaN is an error. It \
takes 8 bytes of memory for each row. DISTINCT and window frames whose start moves are refused.",
    syntax_example = "roc_auc(label, score)",
    sql_example = r#"```sql
> SELECT roc_auc(label = 'daisy', score) AS auc FROM (VALUES ('rose', 0.1), ('rose', 0.4), ('daisy', 0.35), ('daisy', 0.8)) AS p(label, score);
+------+
| auc  |
+------+
| 0.75 |
+------+
```"#,
    argument(name = "label", description = "True or false, such as `label = 'daisy'`."),
    argument(name = "score", description = "A number, the higher the likelier that the label is true.")
)]
#[derive(Debug, Default)]
pub(crate) struct RocAuc;

impl Function for RocAuc {
    const NAME: &'static str = "roc_auc";
    const PARAMETERS: &'static [Parameter] = &[required("label", Kind::Boolean), required("score", Kind::Number)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Aggregate for RocAuc {
    fn data_type() -> DataType {
        DataType::Float64
    }

    fn state() -> Vec<(&'static str, DataType)> {
        vec![("positive", numbers_type()), ("negative", numbers_type())]
    }

    fn accumulator(_arguments: usize) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Scores::default()))
    }
}

/// The scores of a group, or of a part of it.
#[derive(Debug, Default)]
struct Scores {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Scores {
    fn area(&mut self) -> Option<f64> {
        self.positive.sort_unstable_by(f64::total_cmp);
        self.negative.sort_unstable_by(f64::total_cmp);
        let pairs = self.positive.len() as u128 * self.negative.len() as u128;
        // How many negative scores are lower than a positive one, and how many no higher; pairs of equal ones count half.
        let (mut lower, mut no_higher) = (0, 0);
        let mut halves = 0_u128;
        for score in &self.positive {
            lower += self.negative[lower..].iter().take_while(|negative| *negative < score).count();
            no_higher += self.negative[no_higher..].iter().take_while(|negative| *negative <= score).count();
            halves += (lower + no_higher) as u128;
        }
        (pairs > 0).then(|| halves as f64 / (2 * pairs) as f64)
    }
}

impl Accumulator for Scores {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [labels, scores] = values else { return internal_err!("roc_auc: 2 arguments, got {}", values.len()) };
        for (label, score) in labels.as_boolean().iter().zip(scores.as_primitive::<Float64Type>()) {
            match (label, score) {
                (Some(_), Some(score)) if score.is_nan() => {
                    return exec_err!("roc_auc: score must be a number, got NaN; leave such rows out (NULL is)");
                }
                (Some(true), Some(score)) => self.positive.push(score),
                (Some(false), Some(score)) => self.negative.push(score),
                _ => {}
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.area()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + (self.positive.capacity() + self.negative.capacity()) * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![list(self.positive.iter().copied()), list(self.negative.iter().copied())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [positive, negative] = states else {
            return internal_err!("roc_auc: a state has 2 columns, got {}", states.len());
        };
        for row in 0..positive.len() {
            self.positive.extend(list_of(positive, row)?.values());
            self.negative.extend(list_of(negative, row)?.values());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, Float64Array};

    use super::*;
    use crate::support::testing::{aggregate, assert_close, classes};

    fn auc(parts: &[Vec<(Option<bool>, Option<f64>)>]) -> Result<Option<f64>> {
        let part = |rows: &Vec<(Option<bool>, Option<f64>)>| -> Vec<ArrayRef> {
            let (labels, scores): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
            vec![Arc::new(BooleanArray::from(labels)), Arc::new(Float64Array::from(scores))]
        };
        let ScalarValue::Float64(auc) = aggregate::<RocAuc>(&parts.iter().map(part).collect::<Vec<_>>())? else {
            panic!("a number");
        };
        Ok(auc)
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn is_that_of_scikit_learn_in_any_parts() {
        let row = |(label, classes): &(usize, [f64; 3])| (Some(*label == 0), Some((classes[0] * 8.0).floor()));
        let rows: Vec<_> = classes().iter().map(row).collect();
        let whole = auc(std::slice::from_ref(&rows)).expect("a number");
        assert_close(&[whole.expect("not NULL")], &[0.5467032967032966], 1e-12);
        for size in [20, 6] {
            let parts: Vec<_> = rows.chunks(size).rev().map(<[_]>::to_vec).collect();
            assert_eq!(auc(&parts).expect("a number"), whole, "parts of {size} rows");
        }
    }

    #[test]
    fn equal_scores_count_half_and_rows_with_null_not() {
        let rows = vec![(Some(true), Some(0.0)), (Some(false), Some(-0.0)), (None, Some(1.0)), (Some(true), None)];
        assert_eq!(auc(std::slice::from_ref(&rows)).expect("a number"), Some(0.5));
        assert_eq!(auc(&[rows[1..].to_vec()]).expect("NULL"), None);
    }

    #[test]
    fn scores_may_be_infinite_but_no_nan() {
        let rows = [(Some(true), Some(f64::INFINITY)), (Some(false), Some(f64::NEG_INFINITY))];
        assert_eq!(auc(&[rows.to_vec()]).expect("a number"), Some(1.0));
        let error = auc(&[vec![(Some(true), Some(f64::NAN))]]).expect_err("refused").strip_backtrace();
        assert_eq!(error, "Execution error: roc_auc: score must be a number, got NaN; leave such rows out (NULL is)");
    }
}
