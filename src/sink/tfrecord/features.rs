//! Which columns become which features of `tf.train.Example`.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema};
use datafusion::common::{Result, exec_err, plan_err};
use prost::bytes::Bytes;

use super::TfRecordOptions;
use crate::format::tfrecord::{BytesList, Feature, FloatList, Int64List, Values};
use crate::sink::cast::cast;
use crate::sink::options::check_images;
use crate::sink::{holds_images, is_of_an_image};

/// What a column's values are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListKind {
    Bytes,
    Float,
    Int64,
}

impl ListKind {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType::{
            Binary, BinaryView, Boolean, Date32, Date64, FixedSizeBinary, Float16, Float32, Float64, LargeBinary,
            LargeUtf8, Timestamp, Utf8, Utf8View,
        };
        match data_type {
            data_type if data_type.is_integer() => Some(Self::Int64),
            Boolean | Date32 | Date64 | Timestamp(..) => Some(Self::Int64),
            Float16 | Float32 | Float64 => Some(Self::Float),
            Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => Some(Self::Bytes),
            _ => None,
        }
    }

    /// The one Arrow type that values of this kind are read from.
    fn arrow_type(self) -> DataType {
        match self {
            Self::Bytes => DataType::Binary,
            Self::Float => DataType::Float32,
            Self::Int64 => DataType::Int64,
        }
    }

    /// The name in the manifest's schema, TensorFlow's own.
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes_list",
            Self::Float => "float_list",
            Self::Int64 => "int64_list",
        }
    }
}

/// The type of a list's values; `None` for what is no list.
pub(super) fn element_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item) => Some(item.data_type()),
        _ => None,
    }
}

fn kind_of(field: &Field) -> Option<ListKind> {
    match field.data_type() {
        DataType::Dictionary(_, values) => ListKind::of(values),
        data_type => ListKind::of(element_type(data_type).unwrap_or(data_type)),
    }
}

/// Checks that every column can be a feature.
///
/// # Errors
/// Names the first column that can't and says what to cast it to.
pub(crate) fn check_schema(options: &TfRecordOptions, schema: &Schema) -> Result<()> {
    check_images(options.images.as_deref(), schema, holds_images)?;
    if schema.fields().is_empty() {
        return plan_err!("a record has at least one feature: select at least one column");
    }
    for (index, field) in schema.fields().iter().enumerate() {
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return plan_err!(
                "column '{0}' is there twice, and a feature has one value; rename one: AS other",
                field.name()
            );
        }
        if kind_of(field).is_none() {
            let advice = match field.data_type() {
                DataType::Struct(fields) if fields.iter().any(|f| f.name() == "channels") => {
                    "encode the image: image_encode(image)"
                }
                DataType::Struct(_) | DataType::Map(..) => "select its fields as columns of their own",
                DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..) => "cast it: CAST(... AS DOUBLE)",
                DataType::Null => "cast it: CAST(NULL AS BIGINT)",
                _ => "cast it to BIGINT, REAL, VARCHAR, BYTEA or a list of one of these",
            };
            return plan_err!(
                "column '{}' of type {} can't be a feature of tf.train.Example; {advice}",
                field.name(),
                field.data_type()
            );
        }
    }
    Ok(())
}

/// The features of a schema with their kinds, for the manifest.
pub(crate) fn feature_kinds(schema: &Schema) -> BTreeMap<String, String> {
    let kinds = schema.fields().iter().filter_map(|field| {
        let kind = kind_of(field)?;
        Some((field.name().clone(), kind.name().to_string()))
    });
    kinds.collect()
}

/// The kind of a column's feature, in TensorFlow's own word.
pub(super) fn kind_name(field: &Field) -> &'static str {
    kind_of(field).map_or("", ListKind::name)
}

/// A batch's column, ready to be read row by row.
pub(crate) struct FeatureColumn {
    name: String,
    kind: ListKind,
    rejects_null: bool,
    /// The rows: values themselves, or lists of values.
    rows: FeatureValues,
}

enum FeatureValues {
    Scalars(ArrayRef),
    Lists(Vec<Option<ArrayRef>>),
}

impl FeatureColumn {
    /// Casts a column to the type its feature is written from; that of an image is left as it is.
    pub(crate) fn try_new(field: &Field, column: &ArrayRef) -> Result<Self> {
        let Some(kind) = kind_of(field) else {
            return plan_err!("column '{}' can't be a feature", field.name());
        };
        let rows = match element_type(field.data_type()) {
            None => FeatureValues::Scalars(cast_to(field.name(), column, kind)?),
            Some(_) => {
                let lists = cast_lists(field.name(), column, kind)?;
                let lists: Vec<Option<ArrayRef>> = lists.iter().collect();
                if lists.iter().flatten().any(|list| list.null_count() > 0) {
                    return exec_err!(
                        "column '{}' has a list with a NULL in it, which a feature has no place for; take it out: \
                         array_remove_all({0}, NULL)",
                        field.name()
                    );
                }
                FeatureValues::Lists(lists)
            }
        };
        Ok(Self { name: field.name().clone(), kind, rejects_null: is_of_an_image(field), rows })
    }

    /// Whether a row of this column rejects the record.
    pub(crate) fn is_rejected(&self, row: usize) -> bool {
        let is_null = match &self.rows {
            FeatureValues::Scalars(array) => array.is_null(row),
            FeatureValues::Lists(lists) => lists[row].is_none(),
        };
        self.rejects_null && is_null
    }

    /// Whether a row has no value where there is one of most rows; a list may be of none.
    pub(crate) fn is_missing(&self, row: usize) -> bool {
        matches!(&self.rows, FeatureValues::Scalars(array) if array.is_null(row))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The feature of a row; `None` for NULL, which is a feature that isn't there.
    pub(crate) fn feature(&self, row: usize) -> Option<(String, Feature)> {
        let values = match &self.rows {
            FeatureValues::Scalars(array) => array.is_valid(row).then(|| self.values(array, row..row + 1)),
            FeatureValues::Lists(lists) => lists[row].as_ref().map(|list| self.values(list, 0..list.len())),
        };
        values.map(|values| (self.name.clone(), Feature { values: Some(values) }))
    }

    fn values(&self, array: &ArrayRef, rows: std::ops::Range<usize>) -> Values {
        // None of these rows is NULL: NULL is no feature, and a list with NULLs in it is refused above.
        match self.kind {
            ListKind::Int64 => {
                let array = array.as_primitive::<Int64Type>();
                Values::Int64(Int64List { value: array.values()[rows].to_vec() })
            }
            ListKind::Float => {
                let array = array.as_primitive::<Float32Type>();
                Values::Float(FloatList { value: array.values()[rows].to_vec() })
            }
            ListKind::Bytes => {
                let array = array.as_binary::<i32>();
                // The bytes stay where they are: slices of the array's buffer.
                let buffer = Bytes::from_owner(Owned(array.values().clone()));
                let slice = |row: usize| {
                    let offsets = array.value_offsets();
                    buffer.slice(offsets[row] as usize..offsets[row + 1] as usize)
                };
                Values::Bytes(BytesList { value: rows.map(slice).collect() })
            }
        }
    }
}

/// An Arrow buffer as an owner of bytes.
struct Owned(Buffer);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn cast_to(name: &str, column: &ArrayRef, kind: ListKind) -> Result<ArrayRef> {
    let column = match column.data_type() {
        // Text is bytes, but Arrow casts it only by way of its own offsets' width.
        DataType::Utf8View | DataType::LargeUtf8 => cast(name, column, &DataType::Utf8)?,
        DataType::Dictionary(_, values) => return cast_to(name, &cast(name, column, values)?, kind),
        DataType::Date32 => cast(name, column, &DataType::Int32)?,
        _ => column.clone(),
    };
    cast(name, &column, &kind.arrow_type())
}

/// The values cast on their own, the lists around them kept.
fn cast_lists(name: &str, column: &ArrayRef, kind: ListKind) -> Result<ListArray> {
    let element = element_type(column.data_type()).cloned().unwrap_or(DataType::Null);
    let lists = cast(name, column, &DataType::new_list(element, true))?;
    let lists = lists.as_list::<i32>();
    let values = cast_to(name, lists.values(), kind)?;
    let item = Arc::new(Field::new_list_field(kind.arrow_type(), true));
    Ok(ListArray::try_new(item, lists.offsets().clone(), values, lists.nulls().cloned())?)
}
