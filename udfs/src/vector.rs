//! `vector`: numbers and lists of numbers as one list.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Parameter, columnar};
use crate::support::function::{Function, Scalar};
use crate::support::linear_model::numbers_type;
use crate::support::rows::row_count;
use crate::support::vectors::{VectorBuilder, Vectors};

/// The SQL function `vector`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "One list of Float64 of numbers and lists of numbers, in their order: what `standard_scaler` and `pca` take. NULL if any argument \
is NULL or is a list that holds NULL.",
    syntax_example = "vector(x1, x2, ...)",
    sql_example = r#"```sql
> SELECT vector(width, height > 500, features) AS x FROM (VALUES (640, 480, [0.25, 0.75]), (800, 600, [0.5, NULL]), (800, 600, [0.5, 1])) AS t(width, height, features);
+--------------------------+
| x                        |
+--------------------------+
| [640.0, 0.0, 0.25, 0.75] |
| NULL                     |
| [800.0, 1.0, 0.5, 1.0]   |
+--------------------------+
```"#,
    argument(
        name = "x1, x2, ...",
        description = "1 or more numbers, booleans (1 for true, 0 for false) and lists of numbers."
    )
)]
#[derive(Debug, Default)]
pub(crate) struct Vector;

impl Function for Vector {
    const NAME: &'static str = "vector";
    const PARAMETERS: &'static [Parameter] = &[];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
        if types.is_empty() {
            return plan_err!("vector takes 1 or more numbers and lists of numbers, got nothing");
        }
        let coerce = |(index, given): (usize, &DataType)| match part_of_vector(given) {
            Some(coerced) => Ok(coerced),
            None => {
                plan_err!("vector: x{} must be a number, a boolean or a list of numbers, got {given}", index + 1)
            }
        };
        types.iter().enumerate().map(coerce).collect()
    }
}

/// The type that a part of a vector is cast to; `None` of what can be no part of one.
pub(crate) fn part_of_vector(given: &DataType) -> Option<DataType> {
    use DataType::{Boolean, FixedSizeList, LargeList, List, Null};
    match given {
        List(item) | LargeList(item) | FixedSizeList(item, _)
            if item.data_type().is_numeric() || item.data_type().is_null() =>
        {
            Some(numbers_type())
        }
        Boolean | Null => Some(DataType::Float64),
        given => given.is_numeric().then_some(DataType::Float64),
    }
}

impl Scalar for Vector {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(numbers_type())
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnar(&args.args, assembled(&args.args, row_count(args))?)
    }
}

/// One vector for each row.
///
/// # Errors
/// More numbers than a column can hold.
pub(crate) fn assembled(parts: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let columns = parts.iter().map(|part| Column::try_new(part.to_array(rows)?)).collect::<Result<Vec<_>>>()?;
    let mut vectors = VectorBuilder::default();
    let mut vector: Vec<f64> = Vec::new();
    for row in 0..rows {
        vector.clear();
        let is_whole = columns.iter().all(|column| column.append_to(&mut vector, row));
        vectors.append(is_whole.then(|| vector.iter().copied()));
    }
    vectors.finish(Vector::NAME)
}

/// An argument's values.
enum Column {
    Numbers(Float64Array),
    Vectors(Vectors),
}

impl Column {
    fn try_new(array: ArrayRef) -> Result<Self> {
        if array.as_list_opt::<i32>().is_some() {
            return Vectors::try_new(&array).map(Self::Vectors);
        }
        Ok(Self::Numbers(cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()))
    }

    /// Appends a row's numbers; whether there were any.
    fn append_to(&self, vector: &mut Vec<f64>, row: usize) -> bool {
        match self {
            Self::Numbers(numbers) if numbers.is_valid(row) => vector.push(numbers.value(row)),
            Self::Numbers(_) => return false,
            Self::Vectors(vectors) => match vectors.get(row) {
                Some(numbers) => vector.extend_from_slice(numbers),
                None => return false,
            },
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, ListArray};
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::support::testing::call;

    fn lists(lists: &[Option<Vec<Option<f64>>>]) -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists.iter().cloned()))
    }

    fn vectors(args: Vec<ColumnarValue>) -> Vec<Option<Vec<f64>>> {
        let array = call::<Vector>(args).and_then(|vectors| vectors.into_array(1)).expect("vectors");
        let vectors = Vectors::try_new(&array).expect("lists");
        (0..array.len()).map(|row| vectors.get(row).map(<[f64]>::to_vec)).collect()
    }

    #[test]
    fn null_anywhere_is_null() {
        let number: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(3.0), Some(4.0)]));
        let list = lists(&[Some(vec![Some(5.0), Some(6.0)]), Some(vec![]), None, Some(vec![Some(7.0), None])]);
        let args = vec![ColumnarValue::Array(number), ColumnarValue::Array(list)];
        assert_eq!(vectors(args), [Some(vec![1.0, 5.0, 6.0]), None, None, None]);
    }

    #[test]
    fn a_slice_gives_its_own_rows_and_a_scalar_stands_in_each() {
        let list = lists(&[Some(vec![Some(9.0)]), Some(vec![]), Some(vec![Some(7.0), Some(8.0)])]).slice(1, 2);
        let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]).slice(1, 2));
        let number = ColumnarValue::Scalar(ScalarValue::from(0.5));
        let args = vec![number, ColumnarValue::Array(list), ColumnarValue::Array(booleans)];
        assert_eq!(vectors(args), [Some(vec![0.5, 0.0]), Some(vec![0.5, 7.0, 8.0, 1.0])]);
    }

    #[test]
    fn scalars_give_a_scalar_and_an_empty_batch_one() {
        let one = ColumnarValue::Scalar(ScalarValue::from(0.5));
        let ColumnarValue::Scalar(vector) = call::<Vector>(vec![one.clone(), one.clone()]).expect("a vector") else {
            panic!("a scalar stays one");
        };
        assert_eq!(vector.to_string(), "[0.5, 0.5]");
        assert!(vectors(vec![one, ColumnarValue::Array(lists(&[]))]).is_empty());
    }

    #[test]
    fn only_numbers_and_lists_of_them_are_taken() {
        let error = |types: &[DataType]| Vector::coerce(types).expect_err("refused").strip_backtrace();
        assert_eq!(
            error(&[DataType::Int8, DataType::Utf8]),
            "Error during planning: vector: x2 must be a number, a boolean or a list of numbers, got Utf8"
        );
        assert!(error(&[DataType::new_list(DataType::Utf8, true)]).contains("got List("));
        assert!(error(&[]).contains("got nothing"));
    }
}
