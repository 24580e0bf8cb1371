//! The value of a scalar subquery that was run before its statement is sent, as a function without arguments: a literal of a model would
//! stand in the names of columns, over and over, and take seconds for each megabyte.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use pixmill_udfs::{catch_panic, decode_prediction, encode_prediction};

use super::memory_rows::batches;
use crate::sink::Fingerprint;

/// Values that take no more than this are literals, which optimizers understand.
const MOST_LITERAL_BYTES: usize = 1024;

/// What the names of such functions begin with, before the value's fingerprint: plans and their fingerprints show names alone.
const NAME: &str = "subquery_value_";

/// The value of a subquery as an expression.
///
/// # Errors
/// A value of a type that can't be sent.
pub(crate) fn subquery_value(value: ScalarValue) -> Result<Expr> {
    if value.size() <= MOST_LITERAL_BYTES {
        return Ok(Expr::Literal(value, None));
    }
    let function = ScalarUDF::new_from_impl(SubqueryValue::try_new(value)?);
    Ok(function.call(Vec::new()))
}

/// Stands in a plan that is only shown for a subquery that isn't run.
///
/// # Errors
/// A type that has no NULL.
pub(crate) fn subquery_not_run(data_type: &DataType) -> Result<Expr> {
    let value = SubqueryValue::try_new(ScalarValue::try_from(data_type)?)?;
    let function = SubqueryValue { name: format!("{NAME}not_run"), ..value };
    Ok(ScalarUDF::new_from_impl(function).call(Vec::new()))
}

/// A function that returns one value.
#[derive(Debug)]
struct SubqueryValue {
    value: ScalarValue,
    /// The value in a stream of Arrow's.
    bytes: Vec<u8>,
    /// With the fingerprint of the bytes: equal values are taken for the same.
    name: String,
    signature: Signature,
}

impl SubqueryValue {
    fn try_new(value: ScalarValue) -> Result<Self> {
        let field = Field::new("value", value.data_type(), true);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![value.to_array()?])?;
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(&batch)?;
        let bytes = writer.into_inner()?;
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&bytes);
        Ok(Self::named(format!("{NAME}{}", fingerprint.finish()), value, bytes))
    }

    fn named(name: String, value: ScalarValue, bytes: Vec<u8>) -> Self {
        // One that could be worked out while planning would become a literal.
        Self { value, bytes, name, signature: Signature::nullary(Volatility::Volatile) }
    }

    fn decode(name: &str, bytes: &[u8]) -> Result<Self> {
        let value = || match batches(bytes)?.as_slice() {
            [batch] if batch.num_rows() == 1 && batch.num_columns() == 1 => {
                ScalarValue::try_from_array(batch.column(0), 0)
            }
            _ => internal_err!("the value of a subquery is none"),
        };
        // Arrow's reader panics on some that are damaged.
        let value = catch_panic(value);
        let value =
            value.map_err(|panic| internal_datafusion_err!("the value of a subquery is damaged: {panic}"))??;
        Ok(Self::named(name.to_string(), value, bytes.to_vec()))
    }
}

impl PartialEq for SubqueryValue {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SubqueryValue {}

impl Hash for SubqueryValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for SubqueryValue {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// Appends what a function is besides its name: nothing of those that everybody has.
pub(super) fn encode_function(function: &ScalarUDF, buf: &mut Vec<u8>) {
    if let Some(value) = function.inner().downcast_ref::<SubqueryValue>() {
        buf.extend(&value.bytes);
    }
    encode_prediction(function, buf);
}

/// The function of an encoding; `None` where it is none of these.
///
/// # Errors
/// Bytes that are none.
pub(super) fn decode_function(name: &str, bytes: &[u8]) -> Result<Option<Arc<ScalarUDF>>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if let Some(prediction) = decode_prediction(name, bytes)? {
        return Ok(Some(Arc::new(prediction)));
    }
    if !name.starts_with(NAME) {
        return Ok(None);
    }
    Ok(Some(Arc::new(ScalarUDF::new_from_impl(SubqueryValue::decode(name, bytes)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(length: usize) -> ScalarValue {
        let values: Vec<ScalarValue> = (0..length).map(|number| ScalarValue::from(number as f64)).collect();
        ScalarValue::List(ScalarValue::new_list(&values, &DataType::Float64, true))
    }

    #[test]
    fn small_values_are_literals_and_large_ones_are_not() {
        assert!(matches!(subquery_value(ScalarValue::from(1.5)).expect("a value"), Expr::Literal(..)));
        let large = subquery_value(list(1000)).expect("a value");
        assert!(large.is_volatile() && large.to_string().len() < 60, "{large}");
        let (same, other) =
            (subquery_value(list(1000)).expect("a value"), subquery_value(list(1001)).expect("a value"));
        assert_eq!((&large, large.to_string()), (&same, same.to_string()));
        // What was written with another value is another dataset.
        assert!(large != other && large.to_string() != other.to_string(), "{other}");
    }

    #[test]
    fn a_value_arrives_as_it_was_and_damaged_ones_are_refused_or_others() {
        let sent = ScalarUDF::new_from_impl(SubqueryValue::try_new(list(300)).expect("a value"));
        let mut bytes = Vec::new();
        encode_function(&sent, &mut bytes);
        let arrived = decode_function(sent.name(), &bytes).expect("bytes").expect("a function");
        assert_eq!((arrived.as_ref(), arrived.name()), (&sent, sent.name()));
        assert_eq!(arrived.inner().downcast_ref::<SubqueryValue>().expect("a value").value, list(300));
        assert!(decode_function("sum", &bytes).expect("another").is_none());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            let _ = decode_function(NAME, &damaged);
        }
        assert!(decode_function(NAME, &bytes[..bytes.len() / 2]).is_err());
    }
}
