//! What is shown of a value: images, bytes and tensors by what they are, everything else as text on one line.

use std::fmt::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, LargeStringArray, LargeStringBuilder, OffsetSizeTrait, RecordBatch,
    StringArray, StructArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use indicatif::HumanCount;

use crate::words::push;

pub(super) type ArrowResult<T> = Result<T, ArrowError>;

/// What stands for a value that is not there.
pub(super) const NULL: &str = "NULL";
/// The most values of a tensor that are printed.
const SHOWN_VALUES: i32 = 16;

/// The cells of a column: NULL where the value is, otherwise a text without control characters, or with no other than line feeds
/// where lines are kept. Of a value that is longer than so many columns of a terminal, about as much as they hold.
pub(super) fn texts(column: &ArrayRef, most: Option<usize>, keeps_lines: bool) -> ArrowResult<LargeStringArray> {
    let column = readable(column)?;
    let options = FormatOptions::default().with_null(NULL);
    let formatter = ArrayFormatter::try_new(&column, &options)?;
    let nulls = column.logical_nulls();
    let mut texts = LargeStringBuilder::with_capacity(column.len(), 0);
    let mut cell = Cell { text: String::new(), most, keeps_lines, is_full: false };
    for row in 0..column.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            texts.append_null();
            continue;
        }
        cell.text.clear();
        cell.is_full = false;
        match formatter.value(row).write(&mut cell) {
            Err(error) if !cell.is_full => cell.text = format!("ERROR: {error}"),
            _ => {}
        }
        texts.append_value(&cell.text);
    }
    Ok(texts.finish())
}

/// Nested values as text.
pub(super) fn flat(batch: &RecordBatch) -> ArrowResult<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if !column.data_type().is_nested() {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
            continue;
        }
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let text = |row: usize| column.is_valid(row).then(|| formatter.value(row).to_string());
        fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
        columns.push(Arc::new((0..column.len()).map(text).collect::<StringArray>()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// A cell that is being written.
struct Cell {
    text: String,
    most: Option<usize>,
    keeps_lines: bool,
    is_full: bool,
}

/// No character of one column takes more bytes, those standing on it included, in texts that people write.
const MOST_BYTES: usize = 16;

impl Write for Cell {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character == '\n' && self.keeps_lines {
                self.text.push(character);
            } else {
                push(&mut self.text, character);
            }
            if self.most.is_some_and(|most| self.text.len() > MOST_BYTES * (most + 1)) {
                // Nobody will see more; whoever writes a long list is to stop.
                self.text.push('…');
                self.is_full = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// The column with bytes, images and tensors, also those in lists and structs, replaced by what is said of them.
fn readable(column: &ArrayRef) -> ArrowResult<ArrayRef> {
    if *column.data_type() == pixmill_udfs::image_type() {
        return Ok(Arc::new(images(column.as_struct())));
    }
    match column.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = cast(column, &DataType::LargeBinary)?;
            let texts = bytes.as_binary::<i64>().iter().map(|value| value.map(bytes_text));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
        DataType::FixedSizeList(item, length) if *length > SHOWN_VALUES => {
            let shown = format!("<{} x {}>", HumanCount(length.unsigned_abs().into()), item.data_type());
            let texts = (0..column.len()).map(|row| column.is_valid(row).then_some(shown.as_str()));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }
        DataType::List(item) => list(column.as_list::<i32>(), item),
        DataType::LargeList(item) => list(column.as_list::<i64>(), item),
        DataType::Struct(fields) if !fields.is_empty() => {
            let parts = column.as_struct();
            let mut values = Vec::with_capacity(fields.len());
            for part in parts.columns() {
                values.push(readable(part)?);
            }
            let fields = fields.iter().zip(&values).map(|(field, values)| with_type_of(field, values));
            Ok(Arc::new(StructArray::try_new(fields.collect(), values, parts.nulls().cloned())?))
        }
        _ => Ok(Arc::clone(column)),
    }
}

fn list<O: OffsetSizeTrait>(lists: &GenericListArray<O>, item: &FieldRef) -> ArrowResult<ArrayRef> {
    let values = readable(lists.values())?;
    let item = with_type_of(item, &values);
    let lists = GenericListArray::try_new(item, lists.offsets().clone(), values, lists.nulls().cloned())?;
    Ok(Arc::new(lists))
}

fn with_type_of(field: &FieldRef, values: &ArrayRef) -> FieldRef {
    Arc::new(Field::new(field.name(), values.data_type().clone(), true))
}

fn images(images: &StructArray) -> StringArray {
    let [height, width, channels] = [0, 1, 2].map(|index| images.column(index).as_primitive::<Int32Type>());
    let text = |row: usize| {
        let mode = match channels.value(row) {
            1 => "gray",
            2 => "gray+alpha",
            3 => "rgb",
            4 => "rgba",
            other => return format!("<image {}x{}x{other}>", width.value(row), height.value(row)),
        };
        format!("<image {}x{} {mode}>", width.value(row), height.value(row))
    };
    (0..images.len()).map(|row| images.is_valid(row).then(|| text(row))).collect()
}

/// `<jpeg 640x480 83 KB>`: nobody reads a photo in hexadecimal.
fn bytes_text(bytes: &[u8]) -> String {
    match pixmill_udfs::image_size(bytes) {
        _ if bytes.is_empty() => "<empty>".to_string(),
        Some((format, width, height)) => format!("<{format} {width}x{height} {}>", size(bytes.len())),
        None => format!("<{}>", size(bytes.len())),
    }
}

/// Bytes in two or three digits.
fn size(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        BinaryArray, BinaryBuilder, FixedSizeListArray, Float32Array, Int32Array, Int64Array, ListBuilder, NullArray,
        StringDictionaryBuilder,
    };
    use datafusion::arrow::datatypes::Fields;

    use super::*;

    const GIF: &[u8] = b"GIF89a\x01\0\x02\0\0\0\0,\0\0\0\0\x01\0\x02\0\0\x02\x02D\x01\0;";

    fn shown(column: ArrayRef) -> Vec<String> {
        let texts = texts(&column, None, false).expect("texts");
        texts.iter().map(|text| text.unwrap_or("-").to_string()).collect()
    }

    #[test]
    fn bytes_are_told_by_what_they_are() {
        let bytes = BinaryArray::from_opt_vec(vec![Some(GIF), Some(b""), Some(b"hello"), None]);
        assert_eq!(shown(Arc::new(bytes)), ["<gif 1x2 29 B>", "<empty>", "<5 B>", "-"]);
    }

    #[test]
    fn sizes_have_two_or_three_digits() {
        let cases = [
            (1, "1 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (9_949, "9.9 KB"),
            (9_950, "10 KB"),
            (83_214, "83 KB"),
            (999_499, "999 KB"),
            (999_500, "1.0 MB"),
            (12_000_000_000_000, "12000 GB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn bytes_in_lists_and_structs_are_told_one_by_one() {
        let mut lists = ListBuilder::new(BinaryBuilder::new());
        lists.append_value([Some(GIF), Some(b""), None]);
        lists.append_null();
        let lists: ArrayRef = Arc::new(lists.finish());
        assert_eq!(shown(Arc::clone(&lists)), ["[<gif 1x2 29 B>, <empty>, NULL]", "-"]);
        assert_eq!(shown(lists.slice(1, 1)), ["-"]);
        let fields =
            Fields::from(vec![Field::new("bytes", DataType::Binary, false), Field::new("path", DataType::Utf8, true)]);
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![GIF]));
        let paths: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let structs = StructArray::new(fields, vec![bytes, paths], None);
        assert_eq!(shown(Arc::new(structs)), ["{bytes: <gif 1x2 29 B>, path: NULL}"]);
    }

    #[test]
    fn images_and_tensors_are_told_by_their_shape() {
        let DataType::Struct(fields) = pixmill_udfs::image_type() else { panic!("a struct") };
        let sides = |side: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![side; 5])) };
        let channels: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4, 7]));
        let pixels: ArrayRef = Arc::new(BinaryArray::from(vec![b"".as_slice(); 5]));
        let nulls = vec![true, true, true, true, false].into();
        let images = StructArray::new(fields, vec![sides(2), sides(3), channels, pixels], Some(nulls));
        assert_eq!(
            shown(Arc::new(images)),
            ["<image 3x2 gray>", "<image 3x2 gray+alpha>", "<image 3x2 rgb>", "<image 3x2 rgba>", "-"]
        );
        let tensor = |length: i32| {
            let item = Arc::new(Field::new("item", DataType::Float32, false));
            let values = Arc::new(Float32Array::from(vec![0.5; length as usize]));
            shown(Arc::new(FixedSizeListArray::new(item, length, values, None)))
        };
        assert_eq!([tensor(2), tensor(1728)], [["[0.5, 0.5]"], ["<1,728 x Float32>"]]);
    }

    #[test]
    fn nulls_of_every_kind_are_null() {
        assert_eq!(shown(Arc::new(Int64Array::from(vec![Some(1), None]))), ["1", "-"]);
        assert_eq!(shown(Arc::new(NullArray::new(1))), ["-"]);
        let mut texts = StringDictionaryBuilder::<Int32Type>::new();
        texts.append_null();
        texts.append_value("NULL");
        assert_eq!(shown(Arc::new(texts.finish())), ["-", "NULL"]);
    }

    #[test]
    fn a_long_value_is_written_only_as_far_as_it_is_seen() {
        let column: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(1 << 20), "b\nc".to_string()]));
        let texts = texts(&column, Some(80), true).expect("texts");
        assert!(texts.value(0).len() < 2000 && texts.value(0).ends_with('…'));
        assert_eq!(texts.value(1), "b\nc");
    }
}
