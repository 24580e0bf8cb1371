//! `standard_scores`: a vector as its numbers lie about their means, in standard deviations.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Parameter, columnar};
use crate::support::function::{Function, Scalar};
use crate::support::linear_model::numbers_type;
use crate::support::rows::row_count;
use crate::support::vector_model::{MODEL_AND_X, Models, check_lengths, check_model};
use crate::support::vectors::{VectorBuilder, Vectors};

/// The SQL function `standard_scores`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Applies a model of `standard_scaler`: (x - mean) / std, number by number, a list of Float64. 0 where std is 0. NULL if the model or x \
is or holds NULL. Any struct with lists mean and std is a model. Over the rows that the model is of, each place has mean 0 and standard deviation 1.",
    syntax_example = "standard_scores(model, x)",
    sql_example = r#"```sql
> WITH t AS (SELECT vector(width, height) AS x FROM (VALUES (640, 480), (800, 480), (960, 480)) AS t(width, height)) SELECT x, standard_scores((SELECT standard_scaler(x) FROM t), x) AS scores FROM t;
+----------------+-------------+
| x              | scores      |
+----------------+-------------+
| [640.0, 480.0] | [-1.0, 0.0] |
| [800.0, 480.0] | [0.0, 0.0]  |
| [960.0, 480.0] | [1.0, 0.0]  |
+----------------+-------------+
```"#,
    argument(name = "model", description = "A struct, from `standard_scaler`."),
    argument(name = "x", description = "A list of as many numbers as the model's vectors have.")
)]
#[derive(Debug, Default)]
pub(crate) struct StandardScores;

impl Function for StandardScores {
    const NAME: &'static str = "standard_scores";
    const PARAMETERS: &'static [Parameter] = MODEL_AND_X;

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for StandardScores {
    fn data_type(args: &ReturnFieldArgs<'_>) -> Result<DataType> {
        check_model(Self::NAME, "standard_scaler", args, ["mean", "std"])?;
        Ok(numbers_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        let models = Models::try_new(&args.args[0])?;
        let (means, stds) = (models.vectors(Self::NAME, "mean")?, models.vectors(Self::NAME, "std")?);
        let vectors = Vectors::try_new(&args.args[1].to_array(rows)?)?;
        let mut scores = VectorBuilder::default();
        for row in 0..rows {
            let model = models.vector(&means, row).zip(models.vector(&stds, row));
            let (Some((mean, std)), Some(x)) = (model, vectors.get(row)) else {
                scores.append(None::<std::iter::Empty<f64>>);
                continue;
            };
            check_lengths(Self::NAME, mean.len(), x.len())?;
            check_lengths(Self::NAME, std.len(), x.len())?;
            let score = |((x, mean), std): ((&f64, &f64), &f64)| {
                // A constant has no deviation; what is no number stays none.
                if *std == 0.0 { (x - mean).abs() * 0.0 } else { (x - mean) / std }
            };
            scores.append(Some(x.iter().zip(mean).zip(std).map(score)));
        }
        columnar(&args.args, scores.finish(Self::NAME)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, ArrayRef};
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::standard_scaler::StandardScaler;
    use crate::support::testing::{aggregate, assert_close, call, flat, six_numbers, vectors};

    fn model(rows: &[Vec<f64>]) -> ScalarValue {
        aggregate::<StandardScaler>(&[vec![vectors(rows)]]).expect("a scaler")
    }

    fn models(models: &[ScalarValue]) -> ColumnarValue {
        ColumnarValue::Array(ScalarValue::iter_to_array(models.iter().cloned()).expect("models"))
    }

    fn scores(model: ColumnarValue, x: ArrayRef) -> Result<ArrayRef> {
        call::<StandardScores>(vec![model, ColumnarValue::Array(x)])?.into_array(1)
    }

    /// scikit-learn 1.9: `python3 tests/python/machine_learning.py`.
    #[test]
    fn scores_are_those_of_scikit_learn() {
        let model = ColumnarValue::Scalar(model(&six_numbers()));
        let first = scores(model, vectors(&six_numbers()[..1])).expect("scores");
        let expected = [
            -1.669315002529113,
            -1.6556513961675554,
            -1.6822414398860324,
            -0.2809583392302132,
            0.0,
            -1.652325759849324,
        ];
        assert_close(&flat(&first), &expected, 1e-12);
    }

    #[test]
    fn each_row_may_have_its_model_and_null_is_null() {
        let (one, two) = (model(&[vec![0.0], vec![2.0]]), model(&[vec![5.0]]));
        let null = ScalarValue::try_from(&one.data_type()).expect("NULL");
        let x = vectors(&[vec![9.0], vec![1.0], vec![2.0], vec![3.0]]);
        let scores = scores(models(&[one.clone(), null, two, one]), Arc::clone(&x)).expect("scores");
        assert_eq!(scores.logical_nulls().map(|nulls| nulls.iter().collect()), Some(vec![true, false, false, true]));
        assert_close(&flat(&scores), &[8.0 / 2.0_f64.sqrt(), 2.0_f64.sqrt()], 1e-15);
    }

    #[test]
    fn a_slice_gives_its_own_rows_and_an_empty_batch_one() {
        let model = ColumnarValue::Scalar(model(&[vec![0.0, 1.0], vec![2.0, 1.0]]));
        let x = vectors(&[vec![9.0, 9.0], vec![1.0, 7.0]]);
        assert_eq!(flat(&scores(model.clone(), x.slice(1, 1)).expect("scores")), [0.0, 0.0]);
        assert_eq!(scores(model, x.slice(1, 0)).expect("scores").len(), 0);
    }

    #[test]
    fn no_number_stays_none_also_where_the_deviation_is_0() {
        let model = ColumnarValue::Scalar(model(&[vec![0.0, 1.0], vec![2.0, 1.0]]));
        let scores = flat(&scores(model, vectors(&[vec![f64::INFINITY, f64::NAN]])).expect("scores"));
        assert!(scores[0] == f64::INFINITY && scores[1].is_nan(), "{scores:?}");
    }

    #[test]
    fn only_models_and_vectors_of_their_length_are_taken() {
        let model = ColumnarValue::Scalar(model(&[vec![0.0, 1.0], vec![2.0, 1.0]]));
        let error = scores(model, vectors(&[vec![1.0]])).expect_err("too short").strip_backtrace();
        assert_eq!(error, "Execution error: standard_scores: the model is of vectors of 2 numbers, got one of 1");
        let text = ColumnarValue::Scalar(ScalarValue::from("model"));
        let error = scores(text, vectors(&[vec![1.0]])).expect_err("no model").strip_backtrace();
        assert_eq!(
            error,
            "Error during planning: standard_scores: model must be a struct with the lists mean and std, as standard_scaler gives, got Utf8"
        );
    }
}
