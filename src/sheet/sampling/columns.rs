//! Which columns of some rows hold the images, their labels and their paths.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::format::kind::{IMAGE_COLUMNS, LABEL_COLUMNS};

/// Names of columns that say which image it is.
const PATHS: [&str; 7] = ["path", "__key__", "key", "filename", "file_name", "image/filename", "id"];

/// The columns that the user names.
#[derive(Debug, Default, Clone)]
pub(super) struct Asked {
    pub(super) image: Option<String>,
    pub(super) label: Option<String>,
    /// Whether there are no options to name them with.
    pub(super) without_options: bool,
}

/// Positions of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) image: usize,
    pub(super) label: Option<usize>,
    pub(super) path: Option<usize>,
}

/// What is shown of some rows.
pub(crate) struct ImageRows {
    /// Images or the bytes of image files.
    pub(crate) images: ArrayRef,
    pub(crate) labels: Vec<Option<String>>,
    pub(crate) paths: Vec<Option<String>>,
}

impl Columns {
    /// Finds the columns by what the user says, else by their names, else by what is in the first rows.
    pub(super) fn choose(rows: &RecordBatch, asked: &Asked) -> Result<Self> {
        let schema = rows.schema();
        let position = |name: &str| {
            schema.index_of(name).map_err(|_| Error::Usage(format!("there is no column '{name}'; {}", listed(rows))))
        };
        let image = match &asked.image {
            Some(name) => position(name)?,
            None => image_column(rows, asked.without_options)?,
        };
        let field = schema.field(image);
        if !can_be_image(field.data_type()) {
            return Err(Error::Usage(format!(
                "column '{}' is {}, no image; an image column is an image struct, BINARY or STRUCT(bytes, path); {}",
                field.name(),
                field.data_type(),
                listed(rows)
            )));
        }
        let first = |names: &[&str]| {
            let found = names.iter().find_map(|name| schema.index_of(name).ok());
            found.filter(|index| *index != image)
        };
        let label = match &asked.label {
            Some(name) => Some(position(name)?),
            None => first(&LABEL_COLUMNS),
        };
        let path = first(&PATHS);
        let text = || schema.fields().iter().position(|field| field.data_type().is_string());
        // Of rows without a name, the first text says most.
        let label = label.or_else(|| if path.is_none() { text() } else { None });
        Ok(Self { image, label, path })
    }

    /// The names of the columns.
    pub(super) fn names<'a>(&self, rows: &'a RecordBatch) -> Vec<&'a String> {
        let mut columns: Vec<usize> = [Some(self.image), self.label, self.path].into_iter().flatten().collect();
        columns.dedup();
        columns.into_iter().map(|column| rows.schema_ref().field(column).name()).collect()
    }

    /// Takes rows apart. Class numbers become the names in `classes`.
    pub(super) fn rows(&self, rows: &RecordBatch, classes: Option<&[String]>) -> Result<ImageRows> {
        let (images, inner_paths) = images_of(rows.column(self.image))?;
        let none = || vec![None; rows.num_rows()];
        let paths = match (inner_paths, self.path) {
            (Some(paths), _) => texts(&paths, None)?,
            (None, Some(path)) => texts(rows.column(path), None)?,
            (None, None) => none(),
        };
        let labels = self.label.map(|label| texts(rows.column(label), classes)).transpose()?;
        Ok(ImageRows { images, labels: labels.unwrap_or_else(none), paths })
    }
}

/// The images of a column, or the bytes of their files, and their paths where a column of structs has them.
///
/// # Errors
/// A column that is neither.
pub(crate) fn images_of(column: &ArrayRef) -> Result<(ArrayRef, Option<ArrayRef>)> {
    let (images, inner_paths) = match column.as_struct_opt() {
        Some(parts) if *column.data_type() != pixmill_udfs::image_type() => {
            let bytes = parts.column_by_name("bytes").map(Arc::clone).ok_or_else(|| no_bytes(column))?;
            // A NULL struct may hide bytes that are none of its own.
            let bytes = match parts.nulls() {
                Some(nulls) => {
                    let is_null = datafusion::arrow::array::BooleanArray::new(!nulls.inner(), None);
                    datafusion::arrow::compute::nullif(&bytes, &is_null).map_err(arrow)?
                }
                None => bytes,
            };
            (bytes, parts.column_by_name("path").map(Arc::clone))
        }
        _ => (Arc::clone(column), None),
    };
    let images = match images.data_type() {
        DataType::LargeBinary | DataType::BinaryView => cast(&images, &DataType::Binary).map_err(arrow)?,
        _ => images,
    };
    Ok((images, inner_paths))
}

fn arrow(error: datafusion::arrow::error::ArrowError) -> Error {
    Error::Query(error.into())
}

fn no_bytes(column: &ArrayRef) -> Error {
    Error::Usage(format!("an image column of structs has a field bytes, got {}", column.data_type()))
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Whether a column may hold images.
pub(crate) fn can_be_image(data_type: &DataType) -> bool {
    let has_bytes = |field: &Arc<Field>| field.name() == "bytes" && is_binary(field.data_type());
    match data_type {
        DataType::Struct(fields) => *data_type == pixmill_udfs::image_type() || fields.iter().any(has_bytes),
        other => is_binary(other),
    }
}

fn image_column(rows: &RecordBatch, without_options: bool) -> Result<usize> {
    let schema = rows.schema();
    let fits = |index: &usize| can_be_image(schema.field(*index).data_type());
    let named = IMAGE_COLUMNS.iter().filter_map(|name| schema.index_of(name).ok()).find(fits);
    if let Some(named) = named {
        return Ok(named);
    }
    let candidates: Vec<usize> = (0..schema.fields().len()).filter(fits).collect();
    let structs = candidates.iter().filter(|index| schema.field(**index).data_type().is_nested());
    let looking: Vec<usize> =
        candidates.iter().copied().filter(|index| looks_like_an_image(rows.column(*index))).collect();
    let listed = match without_options {
        true => format!("{}; select one", listed(rows)),
        false => format!("{}; name one with --image COLUMN", listed(rows)),
    };
    match (structs.copied().collect::<Vec<_>>().as_slice(), looking.as_slice()) {
        ([only], _) | ([], [only]) => Ok(*only),
        ([], []) => Err(Error::Usage(format!("no column holds images: {listed}"))),
        _ => Err(Error::Usage(format!("several columns hold images: {listed}"))),
    }
}

/// Whether the first value that is there has the header of an image.
fn looks_like_an_image(column: &ArrayRef) -> bool {
    let Ok(column) = cast(column, &DataType::LargeBinary) else { return false };
    let first = column.as_binary::<i64>().iter().flatten().next();
    first.is_some_and(|bytes| pixmill_udfs::decoded_bytes(bytes) > 0)
}

/// The columns in words.
pub(crate) fn listed(rows: &RecordBatch) -> String {
    let name = |field: &Arc<Field>| match field.data_type() {
        nested if nested.is_nested() => format!("{} (nested)", field.name()),
        plain => format!("{} ({plain})", field.name()),
    };
    let names: Vec<String> = rows.schema().fields().iter().map(name).collect();
    format!("the columns are {}", names.join(", "))
}

/// Values as text: bytes as UTF-8, class numbers by their names.
///
/// # Errors
/// Values that can't be written.
pub(crate) fn texts(column: &ArrayRef, classes: Option<&[String]>) -> Result<Vec<Option<String>>> {
    let is_number = column.data_type().is_integer();
    if let (true, Some(classes)) = (is_number, classes) {
        let numbers = cast(column, &DataType::Int64).map_err(arrow)?;
        let name = |number: i64| {
            let name = usize::try_from(number).ok().and_then(|number| classes.get(number));
            name.cloned().unwrap_or_else(|| number.to_string())
        };
        return Ok(numbers.as_primitive::<Int64Type>().iter().map(|number| number.map(name)).collect());
    }
    if is_binary(column.data_type()) {
        let bytes = cast(column, &DataType::LargeBinary).map_err(arrow)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_LABEL_BYTES)]).into_owned();
        return Ok(bytes.as_binary::<i64>().iter().map(|value| value.map(text)).collect());
    }
    if let Some(lists) = column.as_list_opt::<i32>() {
        // Of several objects in an image, each kind is named once.
        let values = texts(lists.values(), classes)?;
        let joined = |row: usize| {
            let (start, end) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
            let kinds: BTreeSet<&str> = values[start..end].iter().flatten().map(String::as_str).collect();
            (lists.is_valid(row) && !kinds.is_empty()).then(|| kinds.into_iter().collect::<Vec<_>>().join(", "))
        };
        return Ok((0..lists.len()).map(joined).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(arrow)?;
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        texts.push(column.is_valid(row).then(|| formatter.value(row).to_string()));
    }
    Ok(texts)
}

/// More of a label nobody reads, and it may be the bytes of anything.
const MOST_LABEL_BYTES: usize = 1000;

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{BinaryArray, BinaryBuilder, Int64Array, ListBuilder, StringArray, StructArray};
    use datafusion::arrow::datatypes::Fields;

    use super::*;

    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .expect("a batch")
    }

    fn bytes(value: &[u8]) -> ArrayRef {
        Arc::new(BinaryArray::from(vec![value]))
    }

    fn numbers(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let rows = batch(vec![("id", bytes(b"a")), ("class", numbers(1)), ("image/encoded", bytes(b"x"))]);
        let columns = Columns::choose(&rows, &Asked::default()).expect("found");
        assert_eq!(columns, Columns { image: 2, label: Some(1), path: Some(0) });
        let classes = ["daisy".to_string(), "roses".to_string()];
        let named = columns.rows(&rows, Some(&classes)).expect("taken apart");
        assert_eq!((named.labels, named.paths), (vec![Some("roses".to_string())], vec![Some("a".to_string())]));
        let plain = columns.rows(&rows, Some(&classes[..1])).expect("taken apart");
        assert_eq!(plain.labels, [Some("1".to_string())]);
    }

    #[test]
    fn the_only_column_that_looks_like_an_image_is_it() {
        let rows = batch(vec![("a", bytes(b"text")), ("b", bytes(GIF)), ("n", numbers(1))]);
        assert_eq!(Columns::choose(&rows, &Asked::default()).expect("found").image, 1);
        let rows = batch(vec![("a", bytes(GIF)), ("b", bytes(GIF))]);
        let error = Columns::choose(&rows, &Asked::default()).expect_err("two").to_string();
        assert_eq!(
            error,
            "several columns hold images: the columns are a (Binary), b (Binary); name one with --image COLUMN"
        );
    }

    #[test]
    fn without_an_image_the_columns_are_listed() {
        let rows = batch(vec![("a", bytes(b"text")), ("n", numbers(1))]);
        let error = |asked: &Asked| Columns::choose(&rows, asked).expect_err("no image").to_string();
        let listed = "the columns are a (Binary), n (Int64)";
        assert_eq!(error(&Asked::default()), format!("no column holds images: {listed}; name one with --image COLUMN"));
        let asked = |image: &str| Asked { image: Some(image.to_string()), ..Asked::default() };
        assert_eq!(error(&asked("b")), format!("there is no column 'b'; {listed}"));
        assert!(error(&asked("n")).starts_with("column 'n' is Int64, no image; "));
    }

    #[test]
    fn rows_without_a_name_are_labelled_by_their_first_text() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a flower"]));
        let rows =
            batch(vec![("n", numbers(1)), ("caption", Arc::clone(&text)), ("other", text), ("image", bytes(GIF))]);
        let label = |rows: &RecordBatch| Columns::choose(rows, &Asked::default()).expect("found").label;
        assert_eq!(label(&rows), Some(1));
        assert_eq!(label(&batch(vec![("n", numbers(1)), ("image", bytes(GIF))])), None);
    }

    #[test]
    fn a_list_of_labels_names_each_once() {
        let mut lists = ListBuilder::new(BinaryBuilder::new());
        for row in [&["cat", "dog", "cat"][..], &[]] {
            row.iter().for_each(|value| lists.values().append_value(value));
            lists.append(true);
        }
        let lists: ArrayRef = Arc::new(lists.finish());
        assert_eq!(texts(&lists, None).expect("texts"), [Some("cat, dog".to_string()), None]);
        assert_eq!(texts(&lists.slice(1, 1), None).expect("texts"), [None]);
    }

    #[test]
    fn a_struct_of_bytes_and_path_is_an_image() {
        let fields =
            Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]);
        let paths: ArrayRef = Arc::new(StringArray::from(vec!["a.gif", "b.gif"]));
        let values: ArrayRef = Arc::new(BinaryArray::from(vec![GIF, GIF]));
        let nulls = vec![true, false].into();
        let images: ArrayRef = Arc::new(StructArray::new(fields, vec![values, paths], Some(nulls)));
        let rows = batch(vec![("picture", images)]);
        let columns = Columns::choose(&rows, &Asked::default()).expect("found");
        let rows = columns.rows(&rows, None).expect("taken apart");
        assert_eq!(rows.paths[0].as_deref(), Some("a.gif"));
        assert_eq!((rows.images.is_null(0), rows.images.is_null(1)), (false, true));
    }
}
