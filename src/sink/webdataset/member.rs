//! Which columns become which members of a sample.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{EncoderOptions, make_encoder};
use datafusion::common::{Result, plan_err};
use serde::de::IgnoredAny;

use crate::sink::cast::cast;

/// Extensions of files that the readers of WebDatasets decode, and that are no text.
const BYTES: [&str; 20] = [
    "jpg", "jpeg", "png", "ppm", "pgm", "pbm", "pnm", "gif", "bmp", "webp", "tif", "tiff", "npy", "npz", "pyd",
    "pickle", "pth", "ten", "mp", "msgpack",
];

/// Extensions of files that the readers of WebDatasets decode as JSON.
const JSON: [&str; 2] = ["json", "jsn"];

/// What a column's values are in a file of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    Bytes,
    Text,
    Json,
}

impl MemberKind {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType::{
            Binary, BinaryView, Boolean, Date32, Date64, Dictionary, FixedSizeBinary, LargeBinary, LargeUtf8, Time32,
            Time64, Timestamp, Utf8, Utf8View,
        };
        match data_type {
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => Some(Self::Bytes),
            Utf8 | LargeUtf8 | Utf8View | Boolean | Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) => {
                Some(Self::Text)
            }
            data_type if data_type.is_numeric() => Some(Self::Text),
            Dictionary(_, values) => Self::of(values).filter(|kind| *kind == Self::Text),
            data_type if data_type.is_nested() => is_json(data_type).then_some(Self::Json),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Whether nested values have a place in JSON: bytes have none.
fn is_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => is_json(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_json(field.data_type())),
        DataType::Null => true,
        scalar => MemberKind::of(scalar) == Some(MemberKind::Text),
    }
}

/// The column that holds the keys: `__key__`, else `key`.
pub(super) fn key_column<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let position = |wanted: &str| names.clone().position(|name| name == wanted);
    position("__key__").or_else(|| position("key"))
}

fn columns(schema: &Schema) -> (Option<usize>, impl Iterator<Item = &FieldRef>) {
    let key = key_column(schema.fields().iter().map(|field| field.name().as_str()));
    let members = schema.fields().iter().enumerate().filter(move |(index, _)| Some(*index) != key);
    (key, members.map(|(_, field)| field))
}

/// Checks that every column can be the key or a member.
///
/// # Errors
/// Names the first column that can't and says what to do.
pub(crate) fn check_schema(schema: &Schema) -> Result<()> {
    let (key, members) = columns(schema);
    if let Some(field) = key.map(|key| schema.field(key))
        && MemberKind::of(field.data_type()) != Some(MemberKind::Text)
    {
        return plan_err!(
            "column '{}' holds the keys of samples, which are text, got {}; cast it: CAST(... AS VARCHAR)",
            field.name(),
            field.data_type()
        );
    }
    let mut extensions: Vec<String> = Vec::new();
    for field in members {
        let (name, extension) = (field.name(), field.name().to_lowercase());
        if MemberKind::of(field.data_type()).is_none() {
            let advice = match field.data_type() {
                data_type if *data_type == pixmill_udfs::image_type() => "encode the image: image_encode(image) AS jpg",
                data_type if data_type.is_nested() => {
                    "bytes have no place in JSON: select them as columns of their own"
                }
                DataType::Null => "cast it: CAST(NULL AS VARCHAR)",
                _ => "cast it: CAST(... AS VARCHAR)",
            };
            return plan_err!("column '{name}' of type {} can't be a member of a sample; {advice}", field.data_type());
        }
        let is_extension = !extension.is_empty()
            && !extension.starts_with('.')
            && !extension.starts_with("__")
            && !extension.ends_with('.')
            && !extension.contains(|c: char| c == '/' || c.is_control());
        if !is_extension {
            return plan_err!(
                "column '{name}' can't be a file name extension, which members are named by; rename it: AS jpg"
            );
        }
        let last = extension.rsplit('.').next().unwrap_or(&extension);
        if BYTES.contains(&last) && MemberKind::of(field.data_type()) != Some(MemberKind::Bytes) {
            return plan_err!(
                "column '{name}' of type {} would be decoded as {last}, which is bytes; encode the image: image_encode(image) AS \
                 {last}, or rename it: AS txt",
                field.data_type()
            );
        }
        if extensions.contains(&extension) {
            return plan_err!("two columns have the extension '{extension}'; rename one: AS \"other.{extension}\"");
        }
        extensions.push(extension);
    }
    if extensions.is_empty() {
        return plan_err!("a sample has at least one member: select a column beside the key, such as content AS jpg");
    }
    Ok(())
}

/// The members of a schema with their kinds, for the manifest.
pub(crate) fn member_kinds(schema: &Schema) -> BTreeMap<String, String> {
    let (_, members) = columns(schema);
    let kinds = members.filter_map(|field| {
        let kind = MemberKind::of(field.data_type())?;
        Some((field.name().to_lowercase(), kind.name().to_string()))
    });
    kinds.collect()
}

/// A column of a batch as the contents of files.
pub(super) struct Member {
    pub(super) column: String,
    pub(super) extension: String,
    pub(super) is_image: bool,
    pub(super) contents: BinaryArray,
    /// Rows whose value has no place in JSON, and why.
    not_json: BTreeMap<usize, String>,
}

impl Member {
    pub(super) fn try_new(field: &FieldRef, column: &ArrayRef) -> Result<Self> {
        let name = field.name();
        let mut not_json = BTreeMap::new();
        let contents = match MemberKind::of(field.data_type()) {
            Some(MemberKind::Bytes) => cast(name, column, &DataType::Binary)?.as_binary::<i32>().clone(),
            Some(MemberKind::Text) => {
                let texts = cast(name, column, &DataType::Utf8)?;
                cast(name, &texts, &DataType::Binary)?.as_binary::<i32>().clone()
            }
            Some(MemberKind::Json) => {
                not_json = infinite(column);
                json(field, column)?
            }
            None => return plan_err!("column '{}' can't be a member of a sample", field.name()),
        };
        let extension = field.name().to_lowercase();
        let is_json = JSON.iter().any(|json| extension.rsplit('.').next() == Some(json));
        if is_json && MemberKind::of(field.data_type()) == Some(MemberKind::Text) {
            not_json = faulty(&contents);
        }
        let is_image = crate::sink::is_of_an_image(field);
        Ok(Self { column: field.name().clone(), extension, is_image, contents, not_json })
    }

    /// Why the value of a row has no place in its file.
    pub(super) fn fault(&self, row: usize) -> Option<&str> {
        self.not_json.get(&row).map(String::as_str)
    }
}

/// Rows whose text is not JSON.
fn faulty(texts: &BinaryArray) -> BTreeMap<usize, String> {
    let faults = texts.iter().enumerate().filter_map(|(row, text)| {
        let error = serde_json::from_slice::<IgnoredAny>(text?).err()?;
        Some((row, format!("is not JSON: {error}")))
    });
    faults.collect()
}

/// Rows with a number that JSON has no word for; the encoder would write null.
fn infinite(column: &ArrayRef) -> BTreeMap<usize, String> {
    let reason = "holds NaN or infinity, which JSON has no word for";
    let rows = (0..column.len()).filter(|row| has_infinite(column.as_ref(), *row));
    rows.map(|row| (row, reason.to_string())).collect()
}

fn has_infinite(array: &dyn Array, row: usize) -> bool {
    let any = |array: &ArrayRef| (0..array.len()).any(|row| has_infinite(array.as_ref(), row));
    if array.is_null(row) {
        return false;
    }
    match array.data_type() {
        DataType::Float16 => !array.as_primitive::<Float16Type>().value(row).is_finite(),
        DataType::Float32 => !array.as_primitive::<Float32Type>().value(row).is_finite(),
        DataType::Float64 => !array.as_primitive::<Float64Type>().value(row).is_finite(),
        DataType::List(_) => any(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => any(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => any(&array.as_fixed_size_list().value(row)),
        DataType::ListView(_) => any(&array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => any(&array.as_list_view::<i64>().value(row)),
        DataType::Struct(_) => array.as_struct().columns().iter().any(|column| has_infinite(column.as_ref(), row)),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            (0..entries.len()).any(|row| has_infinite(&entries, row))
        }
        _ => false,
    }
}

fn json(field: &FieldRef, column: &ArrayRef) -> Result<BinaryArray, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = BinaryBuilder::new();
    let mut text = Vec::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(&text);
    }
    Ok(texts.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, Float32Array, Int64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::datatypes::{Field, Int64Type};

    use super::*;

    fn content(name: &str, column: ArrayRef) -> String {
        let field: FieldRef = Arc::new(Field::new(name, column.data_type().clone(), true));
        check_schema(&Schema::new(vec![field.clone()])).expect("a member");
        let member = Member::try_new(&field, &column).expect("a member");
        String::from_utf8(member.contents.value(0).to_vec()).expect("text")
    }

    #[test]
    fn values_are_files_that_readers_decode() {
        assert_eq!(content("cls", Arc::new(Int64Array::from(vec![-3]))), "-3");
        assert_eq!(content("flag", Arc::new(BooleanArray::from(vec![true]))), "true");
        assert_eq!(content("score", Arc::new(Float32Array::from(vec![0.1]))), "0.1");
        assert_eq!(content("txt", Arc::new(StringArray::from(vec!["a\nb"]))), "a\nb");
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
        assert_eq!(content("json", Arc::new(list)), "[1,null]");
        let fields: Vec<(FieldRef, ArrayRef)> = vec![
            (Arc::new(Field::new("a", DataType::Int64, true)), Arc::new(Int64Array::from(vec![None]))),
            (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["\"x\""]))),
        ];
        assert_eq!(content("json", Arc::new(StructArray::from(fields))), r#"{"a":null,"b":"\"x\""}"#);
    }

    #[test]
    fn columns_that_cannot_be_members_are_named() {
        let schema = |names: &[&str]| {
            Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>())
        };
        for bad in [
            &["__key__"][..],
            &["a/b"],
            &[".jpg"],
            &["jpg."],
            &["__url__"],
            &["txt", "TXT"],
            &["jpg"],
            &["seg.PNG"],
            &[],
        ] {
            assert!(check_schema(&schema(bad)).is_err(), "{bad:?}");
        }
        for good in [&["key", "seg.txt", "json"][..], &["__key__", "key"], &["TXT"]] {
            assert!(check_schema(&schema(good)).is_ok(), "{good:?}");
        }
    }
}
