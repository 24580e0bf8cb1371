//! `hash_fraction`: where a key falls between 0 and 1, for splits that stay the same.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs};
use datafusion_macros::user_doc;
use twox_hash::XxHash3_64;

use crate::support::arguments::{Kind, Parameter, RowOptions, Values, columnar, optional, required};
use crate::support::function::{Function, Scalar};
use crate::support::rows::row_count;

/// The SQL function `hash_fraction`.
#[user_doc(
    doc_section(label = "Statistical functions"),
    description = "Where a key falls between 0 (which it may be) and 1 (which it is never), Float64: the same in every run and on every machine, and \
evenly spread over many keys. So `hash_fraction(path) < 0.8` are four fifths of the rows to train with, and those with `>= 0.8` the rest to test with, \
whichever rows come or go. Rows of the same key fall together: give a group's key to keep groups together, and a key that tells rows apart to \
part them. NULL if the key is NULL, so that such a row is in neither part. It is the upper 53 bits of the 64-bit XXH3 of the key's bytes, those of \
its text if it isn't binary.",
    syntax_example = "hash_fraction(key, seed)",
    sql_example = r#"```sql
> SELECT key, hash_fraction(key) AS fraction, hash_fraction(key, seed => 7) < 0.5 AS train FROM (VALUES ('a.jpg'), ('b.jpg'), ('c.jpg')) AS t(key);
+-------+----------------------+-------+
| key   | fraction             | train |
+-------+----------------------+-------+
| a.jpg | 0.005510772834444455 | false |
| b.jpg | 0.35481370998467066  | true  |
| c.jpg | 0.35024693729190726  | false |
+-------+----------------------+-------+
```"#,
    argument(
        name = "key",
        description = "Text, bytes, an integer, a decimal, a date or a boolean; an integer falls where its text does."
    ),
    argument(name = "seed", description = "An integer, 0 unless given: another seed gives another split.")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct HashFraction {
    seed: i64,
}

impl Function for HashFraction {
    const NAME: &'static str = "hash_fraction";
    const PARAMETERS: &'static [Parameter] = &[required("key", Kind::Key), optional("seed", Kind::Integer)];

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }

    fn from_values(values: &Values<'_>) -> Result<Self> {
        Ok(Self { seed: values.integer("seed", i64::MIN..=i64::MAX, "", Some(0))? })
    }
}

impl Scalar for HashFraction {
    fn data_type(_: &ReturnFieldArgs<'_>) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = row_count(args);
        let keys = args.args[0].to_array(rows)?;
        let options = RowOptions::<Self>::try_new(&args.args, rows)?;
        let bytes = |row: usize| match keys.data_type() {
            _ if keys.is_null(row) => Ok(None),
            DataType::Utf8 => Ok(Some(keys.as_string::<i32>().value(row).as_bytes())),
            DataType::Binary => Ok(Some(keys.as_binary::<i32>().value(row))),
            other => exec_err!("hash_fraction: key must be text or bytes, got {other}"),
        };
        let mut fractions = Vec::with_capacity(rows);
        for row in 0..rows {
            let key = bytes(row)?.zip(options.row(row)?);
            fractions.push(key.map(|(key, options)| options.fraction(key)));
        }
        columnar(&args.args, Arc::new(Float64Array::from(fractions)))
    }
}

impl HashFraction {
    fn fraction(&self, key: &[u8]) -> f64 {
        const BITS: u32 = f64::MANTISSA_DIGITS;
        let hash = XxHash3_64::oneshot_with_seed(self.seed as u64, key) >> (u64::BITS - BITS);
        hash as f64 / (1_u64 << BITS) as f64
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::arrow::datatypes::Float64Type;
    use datafusion::common::ScalarValue;

    use super::*;
    use crate::support::testing::call;

    fn fractions(args: Vec<ColumnarValue>) -> Vec<Option<f64>> {
        let array = call::<HashFraction>(args).and_then(|fractions| fractions.into_array(1)).expect("fractions");
        array.as_primitive::<Float64Type>().iter().collect()
    }

    fn keys(keys: &[Option<&str>]) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from(keys.to_vec())))
    }

    /// `python3 -c "import xxhash; print((xxhash.xxh3_64_intdigest('a.jpg', seed=7) >> 11) / 2**53)"`, with xxhash 4.1.
    #[test]
    fn fractions_are_those_of_pythons_xxhash() {
        let long = "x".repeat(300);
        let expected = [
            ("a.jpg", 0, 0.005510772834444455),
            ("a.jpg", 7, 0.5015296032918096),
            ("a.jpg", -1, 0.882037436481512),
            ("", 0, 0.1758804333447428),
            (&long, 7, 0.3972110967288537),
        ];
        for (key, seed, fraction) in expected {
            let seed = ColumnarValue::Scalar(ScalarValue::from(seed as i64));
            assert_eq!(fractions(vec![keys(&[Some(key)]), seed]), [Some(fraction)], "{key}");
        }
    }

    #[test]
    fn null_is_null_and_a_seed_may_come_from_a_column() {
        let both = keys(&[Some("a"), None, Some("a"), Some("b")]);
        let seeds = ColumnarValue::Array(Arc::new(Int64Array::from(vec![Some(7), Some(7), None, Some(7)])));
        let mixed = fractions(vec![both.clone(), seeds]);
        let (plain, seeded) =
            (fractions(vec![both.clone()]), fractions(vec![both, ColumnarValue::Scalar(7_i64.into())]));
        assert_eq!(mixed, [seeded[0], None, plain[2], seeded[3]]);
        assert_eq!((plain[0] == seeded[0], plain[0] == plain[2]), (false, true));
    }

    #[test]
    fn many_keys_are_spread_evenly() {
        let names: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
        let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let mut parts = [0; 10];
        for fraction in fractions(vec![keys(&names)]).into_iter().flatten() {
            parts[(fraction * 10.0) as usize] += 1;
        }
        assert!(parts.iter().all(|part| (900..1100).contains(part)), "{parts:?}");
    }

    #[test]
    fn keys_are_what_is_written_in_one_way() {
        let types = [DataType::UInt64, DataType::Int8];
        assert_eq!(HashFraction::coerce(&types).expect("coerced"), [DataType::Utf8, DataType::Int64]);
        let error = HashFraction::coerce(&[DataType::Float64]).expect_err("refused").strip_backtrace();
        assert!(error.contains("hash_fraction: key must be text, bytes, an integer"), "{error}");
        let error = HashFraction::coerce(&[DataType::Utf8, DataType::Float64]).expect_err("refused").strip_backtrace();
        assert!(error.contains("hash_fraction: seed must be an integer, got Float64"), "{error}");
    }
}
