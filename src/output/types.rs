//! Short names of column types.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// The name of a type as it stands below a column's: `utf8`, `timestamp(us, UTC)`, `list<int64>`, `image`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    if *data_type == pixmill_udfs::image_type() {
        return "image".to_string();
    }
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "utf8".to_string(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_string(),
        DataType::FixedSizeBinary(length) => format!("binary({length})"),
        DataType::Boolean => "bool".to_string(),
        DataType::Date32 | DataType::Date64 => "date".to_string(),
        DataType::Timestamp(unit, None) => format!("timestamp({})", short(unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp({}, {zone})", short(unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time({})", short(unit)),
        DataType::Duration(unit) => format!("duration({})", short(unit)),
        DataType::Interval(_) => "interval".to_string(),
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => format!("decimal({digits}, {scale})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            format!("list<{}>", type_name(item.data_type()))
        }
        DataType::FixedSizeList(item, length) => format!("list<{}, {length}>", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{}: {}", field.name(), type_name(field.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let types = fields.iter().map(|field| type_name(field.data_type()));
                format!("map<{}>", types.collect::<Vec<_>>().join(", "))
            }
            other => format!("map<{}>", type_name(other)),
        },
        // How values are stored is nothing that a reader of them sees.
        DataType::Dictionary(_, values) => type_name(values),
        DataType::RunEndEncoded(_, values) => type_name(values.data_type()),
        other => other.to_string().to_lowercase(),
    }
}

fn short(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{Field, Fields};

    use super::*;

    #[test]
    fn names_are_short() {
        let field = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
        let fields = Fields::from(vec![field("bytes", DataType::Binary), field("path", DataType::Utf8View)]);
        let key = Box::new(DataType::Int32);
        let cases = [
            (DataType::Utf8, "utf8"),
            (DataType::Int64, "int64"),
            (DataType::Float32, "float32"),
            (DataType::Null, "null"),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "timestamp(us, UTC)"),
            (DataType::Decimal128(10, 2), "decimal(10, 2)"),
            (DataType::List(field("item", DataType::Int64)), "list<int64>"),
            (DataType::FixedSizeList(field("item", DataType::Float32), 1728), "list<float32, 1728>"),
            (DataType::Struct(fields.clone()), "struct<bytes: binary, path: utf8>"),
            (DataType::Map(field("entries", DataType::Struct(fields)), false), "map<binary, utf8>"),
            (DataType::Dictionary(key, Box::new(DataType::Utf8)), "utf8"),
            (pixmill_udfs::image_type(), "image"),
        ];
        for (data_type, expected) in cases {
            assert_eq!(type_name(&data_type), expected);
        }
    }
}
