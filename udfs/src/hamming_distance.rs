//! `hamming_distance`: in how many bits two numbers differ.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int32Array};
use datafusion::arrow::compute::binary;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;

use crate::support::arguments::{Kind, Parameter, columnar, required};
use crate::support::function::{Function, Scalar};
use crate::support::rows::row_count;

/// The SQL function `hamming_distance`.
#[user_doc(
    doc_section(label = "Image functions"),
    description = "In how many of their 64 bits two integers differ, 0 to 64, Int32; of two hashes of `image_hash`, how little the images look \
alike. NULL if one of them is.",
    syntax_example = "hamming_distance(a, b)",
    sql_example = r#"```sql
> SELECT hamming_distance(7, 1) AS distance;
+----------+
| distance |
+----------+
| 2        |
+----------+
```"#,
    argument(name = "a", description = "An integer."),
    argument(name = "b", description = "An integer.")
)]
#[derive(Debug, Default)]
pub(crate) struct HammingDistance;

impl Function for HammingDistance {
    const NAME: &'static str = "hamming_distance";
    const PARAMETERS: &'static [Parameter] = &[required("a", Kind::Integer), required("b", Kind::Integer)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

impl Scalar for HammingDistance {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        let (a, b) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
        let distance = |a: i64, b: i64| (a ^ b).count_ones() as i32;
        let distances: Int32Array = binary(a.as_primitive::<Int64Type>(), b.as_primitive::<Int64Type>(), distance)?;
        columnar(&args.args, Arc::new(distances))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::support::testing::call;

    #[test]
    fn bits_that_differ_are_counted_also_those_of_the_sign() {
        let a = Int64Array::from(vec![Some(0), Some(-1), Some(i64::MIN), None]);
        let args = vec![ColumnarValue::Array(Arc::new(a)), ColumnarValue::Scalar(ScalarValue::from(0_i64))];
        let distances = call::<HammingDistance>(args).and_then(|distances| distances.into_array(4)).expect("distances");
        let distances: Vec<_> = distances.as_primitive::<Int32Type>().iter().collect();
        assert_eq!(distances, [Some(0), Some(64), Some(1), None]);
    }
}
