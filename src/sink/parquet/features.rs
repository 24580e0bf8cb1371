//! The features of Hugging Face's `datasets`, and the Arrow types that it keeps them in.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use datafusion::common::{Result, plan_err};
use serde_json::{Map, Value, json};

use super::ParquetOptions;
use crate::sink::Target;
use crate::sink::options::check_images;

fn is_binary(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// The feature that a column has in the files that it comes from; that of bytes only where they stay bytes.
fn carried<'a>(target: &'a Target, field: &Field) -> Option<&'a Value> {
    let feature = target.carried.get(field.name())?;
    (!is_binary(field) || !is_type(feature, "Image")).then_some(feature)
}

fn is_type(feature: &Value, name: &str) -> bool {
    feature.get("_type").and_then(Value::as_str) == Some(name)
}

/// Whether a column becomes an image of bytes and path: bytes that are known as something else don't, unless they are asked for.
pub(super) fn is_image(target: &Target, options: &ParquetOptions, field: &Field) -> bool {
    let is_known_otherwise = || carried(target, field).is_some();
    is_binary(field)
        && match &options.images {
            Some(images) => images.contains(field.name()),
            None => !is_known_otherwise(),
        }
}

/// The type of an image column.
pub(super) fn image_fields() -> Fields {
    Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)])
}

/// Checks that every column has a place in a dataset.
///
/// # Errors
/// Names the first column that has none and says what to do.
pub(crate) fn check_schema(options: &ParquetOptions, schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return plan_err!("a dataset has at least one column beside those of PARTITIONED BY");
    }
    check_images(options.images.as_deref(), schema, is_binary)?;
    for (index, field) in schema.fields().iter().enumerate() {
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return plan_err!("column '{0}' is there twice; rename one: AS other", field.name());
        }
        if *field.data_type() == pixmill_udfs::image_type() {
            return plan_err!("column '{}' holds pixels; encode the image: image_encode(image)", field.name());
        }
        if stored(field.data_type()).is_none() {
            let advice = match field.data_type() {
                DataType::Map(..) => "select its values as columns of their own",
                _ => "cast it: CAST(... AS VARCHAR)",
            };
            return plan_err!(
                "column '{}' of type {} can't be a column of a dataset; {advice}",
                field.name(),
                field.data_type()
            );
        }
    }
    Ok(())
}

/// The type that `datasets` keeps values in; `None` where it has none.
fn stored(data_type: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Decimal32, Decimal64, Decimal128, Dictionary, FixedSizeBinary, FixedSizeList, Interval,
        LargeList, LargeListView, List, ListView, Map, RunEndEncoded, Struct, Union, Utf8, Utf8View,
    };
    let item = |field: &FieldRef| stored_field(field).map(Arc::new);
    Some(match data_type {
        Utf8View => Utf8,
        BinaryView | FixedSizeBinary(_) => Binary,
        Dictionary(_, values) => stored(values)?,
        Decimal32(precision, scale) | Decimal64(precision, scale) => Decimal128(*precision, *scale),
        List(field) | ListView(field) => List(item(field)?),
        LargeList(field) | LargeListView(field) => LargeList(item(field)?),
        FixedSizeList(field, length) => FixedSizeList(item(field)?, *length),
        Struct(fields) => Struct(fields.iter().map(stored_field).collect::<Option<Vec<_>>>()?.into()),
        Interval(_) | Map(..) | Union(..) | RunEndEncoded(..) => return None,
        other => other.clone(),
    })
}

/// Every column may be NULL, as in the files that `datasets` writes itself.
fn stored_field(field: &FieldRef) -> Option<Field> {
    Some(Field::new(field.name(), stored(field.data_type())?, true))
}

/// The schema of the files, its metadata included.
pub(super) fn file_schema(target: &Target, options: &ParquetOptions) -> Result<Schema> {
    let mut fields = Vec::new();
    let mut features = Map::new();
    for field in target.schema.fields() {
        let (data_type, feature) = if is_image(target, options, field) {
            let feature = target.carried.get(field.name()).cloned();
            (DataType::Struct(image_fields()), feature.unwrap_or_else(|| json!({ "_type": "Image" })))
        } else if let (Some(feature), Some(data_type)) = (carried(target, field), stored(field.data_type())) {
            (if is_type(feature, "ClassLabel") { DataType::Int64 } else { data_type }, feature.clone())
        } else if let Some(classes) = target.classes_of(field) {
            (DataType::Int64, json!({ "_type": "ClassLabel", "names": classes }))
        } else {
            let Some(data_type) = stored(field.data_type()) else {
                return plan_err!("column '{}' can't be a column of a dataset", field.name());
            };
            let feature = feature(&data_type);
            (data_type, feature)
        };
        fields.push(Field::new(field.name(), data_type, true));
        features.insert(field.name().clone(), feature);
    }
    let metadata = json!({ "info": { "features": features } }).to_string();
    Ok(Schema::new(fields).with_metadata([("huggingface".to_string(), metadata)].into()))
}

/// The feature of a stored type, as `datasets` writes it down.
fn feature(data_type: &DataType) -> Value {
    match data_type {
        DataType::List(item) => json!({ "_type": "List", "feature": feature(item.data_type()) }),
        DataType::LargeList(item) => json!({ "_type": "LargeList", "feature": feature(item.data_type()) }),
        DataType::FixedSizeList(item, length) => {
            json!({ "_type": "List", "feature": feature(item.data_type()), "length": length })
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| (field.name().clone(), feature(field.data_type())));
            Value::Object(fields.collect())
        }
        scalar => json!({ "_type": "Value", "dtype": dtype(scalar) }),
    }
}

/// The name of a scalar type.
fn dtype(data_type: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match data_type {
        DataType::Boolean => "bool".to_string(),
        DataType::Utf8 => "string".to_string(),
        DataType::LargeUtf8 => "large_string".to_string(),
        DataType::LargeBinary => "large_binary".to_string(),
        DataType::Timestamp(resolution, None) => format!("timestamp[{}]", unit(resolution)),
        DataType::Timestamp(resolution, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit(resolution)),
        DataType::Time32(resolution) => format!("time32[{}]", unit(resolution)),
        DataType::Time64(resolution) => format!("time64[{}]", unit(resolution)),
        DataType::Duration(resolution) => format!("duration[{}]", unit(resolution)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        // int8 to float64, date32, binary and null are called as Arrow's types are.
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The columns and their features in short, for the manifest.
pub(crate) fn feature_kinds(options: &ParquetOptions, target: &Target) -> BTreeMap<String, String> {
    let kind = |field: &FieldRef| {
        if is_image(target, options, field) {
            return "Image".to_string();
        }
        if let Some(feature) = carried(target, field) {
            return kind_of(feature);
        }
        match (target.classes_of(field), stored(field.data_type())) {
            (Some(_), _) => "ClassLabel".to_string(),
            (None, Some(data_type)) => short(&data_type),
            (None, None) => field.data_type().to_string(),
        }
    };
    target.schema.fields().iter().map(|field| (field.name().clone(), kind(field))).collect()
}

/// A feature in short, as it is written down.
fn kind_of(feature: &Value) -> String {
    match feature {
        Value::Array(items) => format!("List({})", items.iter().map(kind_of).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => match (fields.get("_type").and_then(Value::as_str), fields.get("feature")) {
            (Some("Value"), _) => fields.get("dtype").and_then(Value::as_str).unwrap_or("Value").to_string(),
            (Some("List" | "LargeList" | "Sequence"), Some(item)) => format!("List({})", kind_of(item)),
            (Some(name), _) => name.to_string(),
            (None, _) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, feature)| format!("{name}: {}", kind_of(feature))).collect();
                format!("{{{}}}", fields.join(", "))
            }
        },
        other => other.to_string(),
    }
}

fn short(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("List({})", short(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name(), short(field.data_type()))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => dtype(scalar),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::IntervalUnit;

    use super::*;

    #[test]
    fn types_are_called_as_datasets_calls_them() {
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let cases = [
            (DataType::Int64, "int64"),
            (DataType::UInt8, "uint8"),
            (DataType::Float32, "float32"),
            (DataType::Boolean, "bool"),
            (DataType::Utf8View, "string"),
            (DataType::FixedSizeBinary(4), "binary"),
            (DataType::Date32, "date32"),
            (DataType::Null, "null"),
            (zoned, "timestamp[us, tz=UTC]"),
            (DataType::Decimal128(10, 2), "decimal128(10, 2)"),
            (DataType::new_list(DataType::Utf8, true), "List(string)"),
        ];
        for (data_type, expected) in cases {
            let stored = stored(&data_type).expect("a type");
            assert_eq!(short(&stored), expected, "{data_type}");
        }
        assert_eq!(stored(&DataType::Interval(IntervalUnit::DayTime)), None);
    }

    #[test]
    fn lists_and_structs_are_features_of_features() {
        let list = DataType::new_list(DataType::Int64, true);
        let fields = Fields::from(vec![Field::new("boxes", list, true)]);
        let expected = json!({ "boxes": { "_type": "List", "feature": { "_type": "Value", "dtype": "int64" } } });
        assert_eq!(feature(&DataType::Struct(fields)), expected);
    }
}
