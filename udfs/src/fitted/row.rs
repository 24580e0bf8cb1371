//! A model as a table of one row, which anything can read, and back.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use pixmill_learn::Numbers;
use sha2::{Digest, Sha256};

use super::model::{FittedFeature, FittedLabel, FittedStep, FittedTo};
use super::steps::StepKind;
use crate::support::guard::catch_panic;

/// The version of the columns; it changes with them.
const FORMAT: i64 = 1;

/// The column that tells such tables from others.
const FORMAT_COLUMN: &str = "pixmill_model";

/// A column in the making.
type Column = (&'static str, ArrayRef);

fn text(values: impl IntoIterator<Item = impl AsRef<str>>) -> ArrayRef {
    // It asks how many there are before it looks at them.
    Arc::new(StringArray::from_iter_values(values.into_iter().collect::<Vec<_>>()))
}

fn integer(value: u64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)]))
}

fn structs(columns: Vec<Column>) -> Result<ArrayRef> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) =
        columns.into_iter().map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column)).unzip();
    Ok(Arc::new(StructArray::try_new(fields.into(), columns, None)?))
}

/// Values as lists of these lengths.
fn lists(values: ArrayRef, lengths: impl IntoIterator<Item = usize>) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, None)?))
}

/// One row of a model.
pub(super) fn to_row(steps: &[FittedStep], fitted_to: &FittedTo) -> Result<RecordBatch> {
    let numbers: Vec<&Numbers> = steps.iter().flat_map(|step| &step.numbers).collect();
    let values = numbers.iter().flat_map(|numbers| &numbers.values);
    let values: Float64Array = values.map(|value| Some(*value).filter(|value| !value.is_nan())).collect();
    let shapes: Int64Array = numbers.iter().flat_map(|numbers| &numbers.shape).map(|size| *size as i64).collect();
    let all_numbers = structs(vec![
        ("name", text(numbers.iter().map(|numbers| &numbers.name))),
        ("shape", lists(Arc::new(shapes), numbers.iter().map(|numbers| numbers.shape.len()))?),
        ("values", lists(Arc::new(values), numbers.iter().map(|numbers| numbers.values.len()))?),
    ])?;
    let notes = text(steps.iter().flat_map(|step| &step.notes));
    let all_steps = structs(vec![
        ("step", text(steps.iter().map(|step| step.kind.name()))),
        ("arguments", text(steps.iter().map(|step| &step.arguments))),
        ("rounds", Arc::new(steps.iter().map(|step| Some(step.rounds as i64)).collect::<Int64Array>())),
        ("converged", Arc::new(steps.iter().map(|step| Some(step.converged)).collect::<BooleanArray>())),
        ("numbers", lists(all_numbers, steps.iter().map(|step| step.numbers.len()))?),
        ("notes", lists(notes, steps.iter().map(|step| step.notes.len()))?),
    ])?;
    let features = &fitted_to.features;
    let all_features = structs(vec![
        ("name", text(features.iter().map(|feature| &feature.name))),
        ("type", text(features.iter().map(|feature| &feature.data_type))),
        ("numbers", Arc::new(features.iter().map(|feature| Some(feature.numbers as i64)).collect::<Int64Array>())),
    ])?;
    let label = fitted_to.label.as_ref();
    let classes = label.and_then(|label| label.classes.clone());
    let class_lists: ArrayRef = match classes {
        Some(classes) => {
            let length = classes.len();
            lists(classes, [length])?
        }
        None => {
            let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
            let nothing = Arc::new(StringArray::from(Vec::<&str>::new()));
            let offsets = OffsetBuffer::from_lengths([0]);
            Arc::new(ListArray::try_new(item, offsets, nothing, Some(NullBuffer::new_null(1)))?)
        }
    };
    let columns: Vec<Column> = vec![
        (FORMAT_COLUMN, integer(FORMAT as u64)),
        ("steps", lists(all_steps, [steps.len()])?),
        ("features", lists(all_features, [features.len()])?),
        ("label", Arc::new(StringArray::from(vec![label.map(|label| label.name.as_str())]))),
        ("classes", class_lists),
        ("rows", integer(fitted_to.rows)),
        ("left_out", integer(fitted_to.left_out)),
        ("query", text([&fitted_to.query])),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// The model of a row.
///
/// # Errors
/// A table that is none.
pub(super) fn from_row(batch: &RecordBatch) -> Result<(Vec<FittedStep>, FittedTo)> {
    let Some(format) = batch.column_by_name(FORMAT_COLUMN) else {
        return exec_err!("it is no model: it has no column {FORMAT_COLUMN}");
    };
    if batch.num_rows() != 1 {
        return exec_err!("it is no model: a model has 1 row, and this has {}", batch.num_rows());
    }
    let format = integers(format)?.first().copied().unwrap_or_default();
    if format != FORMAT {
        return exec_err!(
            "the model has version {format}, and this pixmill reads version {FORMAT}; fit it again, or use the pixmill that wrote it"
        );
    }
    let column = |name: &str| column(batch.column_by_name(name), name);
    let steps = Structs::of_list(&column("steps")?)?;
    let (kinds, arguments) = (steps.texts("step")?, steps.texts("arguments")?);
    let (rounds, converged) = (integers(&steps.column("rounds")?)?, booleans(&steps.column("converged")?)?);
    let (numbers, notes) = (steps.column("numbers")?, steps.column("notes")?);
    let mut fitted = Vec::with_capacity(kinds.len());
    for (place, name) in kinds.iter().enumerate() {
        let Some(kind) = StepKind::named(name) else {
            return exec_err!("the model has a step '{name}', which this pixmill doesn't know");
        };
        fitted.push(FittedStep {
            kind,
            arguments: arguments[place].clone(),
            rounds: rounds[place].max(0) as u64,
            converged: converged[place],
            numbers: numbers_of(&list(&numbers, place)?)?,
            notes: texts(&list(&notes, place)?)?,
        });
    }
    let features = Structs::of_list(&column("features")?)?;
    let (names, types) = (features.texts("name")?, features.texts("type")?);
    let counts = integers(&features.column("numbers")?)?;
    let features = names.into_iter().zip(types).zip(counts).map(|((name, data_type), numbers)| FittedFeature {
        name,
        data_type,
        numbers: numbers.max(0) as usize,
    });
    let features = features.collect();
    let label = column("label")?;
    let label = match label.is_valid(0) {
        true => {
            let classes = column("classes")?;
            let classes = if classes.is_valid(0) { Some(list(&classes, 0)?) } else { None };
            Some(FittedLabel { name: texts(&label)?.swap_remove(0), classes })
        }
        false => None,
    };
    let count = |name: &str| Ok::<u64, datafusion::common::DataFusionError>(integers(&column(name)?)?[0].max(0) as u64);
    let query = texts(&column("query")?)?.swap_remove(0);
    Ok((fitted, FittedTo { features, label, rows: count("rows")?, left_out: count("left_out")?, query }))
}

fn numbers_of(structs: &ArrayRef) -> Result<Vec<Numbers>> {
    let all = Structs::new(structs)?;
    let (names, shapes, values) = (all.texts("name")?, all.column("shape")?, all.column("values")?);
    let mut numbers = Vec::with_capacity(names.len());
    for (place, name) in names.into_iter().enumerate() {
        let shape = integers(&list(&shapes, place)?)?;
        let shape: Vec<usize> = shape.into_iter().map(|size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
        let values = cast(&list(&values, place)?, &DataType::Float64)?;
        let values: Vec<f64> =
            values.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        if shape.iter().try_fold(1_usize, |size, side| size.checked_mul(*side)) != Some(values.len()) {
            return exec_err!("the model is damaged: its {name} are {} numbers of shape {shape:?}", values.len());
        }
        numbers.push(Numbers { name, shape, values });
    }
    Ok(numbers)
}

/// A column of structs.
struct Structs(StructArray);

impl Structs {
    fn new(array: &ArrayRef) -> Result<Self> {
        match array.as_struct_opt() {
            Some(structs) => Ok(Self(structs.clone())),
            None => exec_err!("the model is damaged: {} where structs are expected", array.data_type()),
        }
    }

    /// The structs in a list of the only row.
    fn of_list(lists: &ArrayRef) -> Result<Self> {
        Self::new(&list(lists, 0)?)
    }

    fn column(&self, name: &str) -> Result<ArrayRef> {
        column(self.0.column_by_name(name), name)
    }

    fn texts(&self, name: &str) -> Result<Vec<String>> {
        texts(&self.column(name)?)
    }
}

fn column(found: Option<&ArrayRef>, name: &str) -> Result<ArrayRef> {
    found.cloned().ok_or_else(|| exec_datafusion_err!("the model is damaged: it has no {name}"))
}

/// The list at a place; Parquet readers may give any of Arrow's kinds of lists.
fn list(lists: &ArrayRef, place: usize) -> Result<ArrayRef> {
    let found = match lists.data_type() {
        DataType::List(_) => lists.as_list_opt::<i32>().map(|lists| lists.value(place)),
        DataType::LargeList(_) => lists.as_list_opt::<i64>().map(|lists| lists.value(place)),
        _ => None,
    };
    let is_there = place < lists.len() && lists.is_valid(place);
    found.filter(|_| is_there).ok_or_else(|| exec_datafusion_err!("the model is damaged: a list is missing"))
}

fn integers(array: &ArrayRef) -> Result<Vec<i64>> {
    let array = cast(array, &DataType::Int64)?;
    all_of(array.as_primitive::<Int64Type>().iter())
}

fn booleans(array: &ArrayRef) -> Result<Vec<bool>> {
    let array = cast(array, &DataType::Boolean)?;
    all_of(array.as_boolean().iter())
}

fn texts(array: &ArrayRef) -> Result<Vec<String>> {
    let array = cast(array, &DataType::Utf8)?;
    all_of(array.as_string::<i32>().iter().map(|text| text.map(str::to_string)))
}

fn all_of<T>(values: impl Iterator<Item = Option<T>>) -> Result<Vec<T>> {
    let values: Option<Vec<T>> = values.collect();
    values.ok_or_else(|| exec_datafusion_err!("the model is damaged: a value is missing"))
}

/// The row as a stream of Arrow's.
pub(super) fn to_bytes(row: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema())?;
    writer.write(row)?;
    Ok(writer.into_inner()?)
}

/// The row of a stream of Arrow's. No more room is made than it has bytes, whatever lengths it claims.
pub(super) fn of_bytes(bytes: &[u8]) -> Result<RecordBatch> {
    // Arrow's reader panics on some that are damaged.
    let batch = catch_panic(|| StreamDecoder::new().decode(&mut Buffer::from(bytes)));
    let batch = batch.map_err(|panic| exec_datafusion_err!("the model is damaged: {panic}"))??;
    batch.ok_or_else(|| exec_datafusion_err!("the model is damaged: it has no row"))
}

/// By which models are told apart.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
