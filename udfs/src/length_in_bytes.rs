//! `octet_length`, `bit_length` and `length` of BINARY; of texts they stay what they are in DataFusion.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::string::{bit_length, octet_length};
use datafusion::functions::unicode::character_length;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// DataFusion's functions of a text's length, which take BINARY, too.
pub(crate) fn of_binary() -> Vec<ScalarUDF> {
    // The length of bytes is their number, also by the functions that count the characters of texts.
    let functions = [(octet_length(), 1), (character_length(), 1), (bit_length(), 8)];
    functions.map(|(of_text, unit)| ScalarUDF::from(LengthInBytes::new(of_text, unit))).into()
}

/// A function of a text's length, by whose name BINARY has one, too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LengthInBytes {
    of_text: Arc<ScalarUDF>,
    /// How many of what is counted are a byte.
    unit: i64,
    signature: Signature,
}

impl LengthInBytes {
    fn new(of_text: Arc<ScalarUDF>, unit: i64) -> Self {
        Self { of_text, unit, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn lengths(&self, contents: &ArrayRef) -> Result<ArrayRef> {
        let bytes = cast(&length(contents.as_ref())?, &DataType::Int64)?;
        let bytes = bytes.as_primitive::<Int64Type>();
        Ok(Arc::new(bytes.iter().map(|bytes| Some(bytes? * self.unit)).collect::<Int64Array>()))
    }
}

fn is_binary(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(data_type, Binary | BinaryView | FixedSizeBinary(_) | LargeBinary)
}

impl ScalarUDFImpl for LengthInBytes {
    fn name(&self) -> &str {
        self.of_text.name()
    }

    fn aliases(&self) -> &[String] {
        self.of_text.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [data_type] if is_binary(data_type) => Ok(types.to_vec()),
            [DataType::Dictionary(_, values)] if is_binary(values) => Ok(vec![values.as_ref().clone()]),
            _ => {
                let field = |data_type: &DataType| Arc::new(Field::new("argument", data_type.clone(), true));
                let fields = fields_with_udf(&types.iter().map(field).collect::<Vec<_>>(), self.of_text.as_ref())?;
                Ok(fields.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type] if is_binary(data_type) => Ok(DataType::Int64),
            _ => self.of_text.return_type(types),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(contents)] if is_binary(contents.data_type()) => {
                Ok(ColumnarValue::Array(self.lengths(contents)?))
            }
            [ColumnarValue::Scalar(content)] if is_binary(&content.data_type()) => {
                let lengths = self.lengths(&content.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&lengths, 0)?))
            }
            _ => self.of_text.invoke_with_args(args),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.of_text.documentation()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray};
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn every_kind_of_binary_has_a_length_and_null_has_none() {
        let rows: [Option<&[u8]>; 4] = [Some(b"\xff\xd8"), None, Some(b""), Some(b"\xc3\xa4\x00")];
        let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some([1, 2]), None].into_iter(), 2);
        let contents: [ArrayRef; 4] = [
            Arc::new(BinaryArray::from(rows.to_vec())),
            Arc::new(LargeBinaryArray::from(rows.to_vec())),
            Arc::new(BinaryViewArray::from(rows.to_vec())),
            Arc::new(fixed.expect("an array")),
        ];
        let function = LengthInBytes::new(character_length(), 1);
        for content in &contents[..3] {
            let lengths = function.lengths(content).expect("lengths");
            assert_eq!(lengths.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(2), None, Some(0), Some(3)]));
            let slice = function.lengths(&content.slice(3, 1)).expect("lengths");
            assert_eq!(slice.as_primitive::<Int64Type>(), &Int64Array::from(vec![3]));
            assert_eq!(function.lengths(&content.slice(0, 0)).expect("lengths").len(), 0);
        }
        let lengths = function.lengths(&contents[3]).expect("lengths");
        assert_eq!(lengths.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(2), None]));
    }

    #[tokio::test]
    async fn texts_have_the_lengths_that_datafusion_gives_them() {
        let (plain, ours) = (SessionContext::new(), SessionContext::new());
        crate::register_all(&ours);
        for function in ["octet_length", "bit_length", "length", "char_length", "character_length"] {
            for argument in [
                "'\u{c5}ngstr\u{f6}m'",
                "NULL",
                "''",
                "arrow_cast('\u{e4}', 'LargeUtf8')",
                "arrow_cast('\u{e4}', 'Utf8View')",
                "arrow_cast('\u{e4}', 'Dictionary(Int32, Utf8)')",
                "12345",
                "column1 FROM (VALUES ('a'), (NULL), ('\u{e4}b'))",
            ] {
                let query = match argument.split_once(" FROM ") {
                    Some((column, from)) => format!("SELECT {function}({column}) AS n FROM {from}"),
                    None => format!("SELECT {function}({argument}) AS n"),
                };
                let run = async |ctx: &SessionContext| match ctx.sql(&query).await {
                    Ok(rows) => rows.collect().await.map_err(|error| error.strip_backtrace()),
                    Err(error) => Err(error.strip_backtrace()),
                };
                match (run(&plain).await, run(&ours).await) {
                    (Ok(plain), Ok(ours)) => assert_eq!(plain, ours, "{query}"),
                    (plain, ours) => assert_eq!(plain.is_err(), ours.is_err(), "{query}"),
                }
            }
        }
    }
}
