//! Columns of record files: what a feature becomes, and the arrays that are built from features.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Float32Array, Int64Array, ListArray, StringArray};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::format::tfrecord::{Entry, FeatureKind, RawFeature, RawList, WireError};

/// What a column of the table is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Column {
    /// A feature.
    Feature(FeatureColumn),
    /// The record as it is.
    Record,
    /// The value of a directory `name=value`.
    Directory(String),
    /// Hidden: the record's file and number.
    Place,
    /// Hidden: nothing.
    Nothing,
}

/// A feature as a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeatureColumn {
    pub(super) name: String,
    pub(super) kind: FeatureKind,
    pub(super) shape: Shape,
    /// Bytes are text.
    pub(super) is_text: bool,
    /// What the values are cast to where it isn't the type of their kind.
    pub(super) cast: Option<DataType>,
}

/// How many values of a feature are one value of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Shape {
    /// One.
    Scalar,
    /// Any number: a list.
    List,
    /// A feature list with one value for each step: a list.
    Steps,
    /// A feature list with any number for each step: a list of lists.
    StepLists,
}

impl FeatureColumn {
    fn value_type(&self) -> DataType {
        match self.kind {
            FeatureKind::Int64 => DataType::Int64,
            FeatureKind::Float => DataType::Float32,
            FeatureKind::Bytes if self.is_text => DataType::Utf8,
            FeatureKind::Bytes => DataType::Binary,
        }
    }

    /// The type before a cast.
    fn own_type(&self) -> DataType {
        let value = self.value_type();
        match self.shape {
            Shape::Scalar => value,
            Shape::List | Shape::Steps => DataType::new_list(value, true),
            Shape::StepLists => DataType::new_list(DataType::new_list(value, true), true),
        }
    }

    /// The column's type.
    pub(super) fn data_type(&self) -> DataType {
        self.cast.clone().unwrap_or_else(|| self.own_type())
    }
}

/// Why a record has no place in the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit(pub(super) String);

impl From<WireError> for Misfit {
    fn from(error: WireError) -> Self {
        Self(format!("can't be decoded: {error}"))
    }
}

type Fit = Result<(), Misfit>;

/// Builds a column from features, row by row.
pub(super) struct ColumnBuilder {
    column: FeatureColumn,
    values: Values,
    /// Which values are there; of scalars and steps, where one may be missing.
    are_there: Vec<bool>,
    /// Ends of the steps' lists in the values.
    steps: Ends,
    /// Ends of the rows' lists in the values or the steps.
    rows: Ends,
    /// What there was when the row began.
    mark: Mark,
    /// The row has its value.
    is_set: bool,
}

enum Values {
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Bytes { bytes: Vec<u8>, ends: Vec<i32> },
}

/// Ends of lists, and which of the lists are there.
#[derive(Default)]
struct Ends {
    ends: Vec<i32>,
    are_there: Vec<bool>,
}

impl Ends {
    /// What is held has been found to be within bounds.
    fn push(&mut self, end: usize, is_there: bool) {
        self.ends.push(i32::try_from(end).unwrap_or(i32::MAX));
        self.are_there.push(is_there);
    }

    fn truncate(&mut self, length: usize) {
        self.ends.truncate(length);
        self.are_there.truncate(length);
    }

    fn finish(self) -> (OffsetBuffer<i32>, NullBuffer) {
        (offsets(self.ends), NullBuffer::from(self.are_there))
    }
}

#[derive(Clone, Copy, Default)]
struct Mark {
    values: usize,
    bytes: usize,
    steps: usize,
}

/// Arrow's offsets in lists and binary columns are 32-bit.
pub(super) fn offset(end: usize) -> Result<i32, Misfit> {
    i32::try_from(end).ok().ok_or_else(|| Misfit("a batch of records holds more than 2 GiB".to_string()))
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

impl Values {
    fn new(kind: FeatureKind) -> Self {
        match kind {
            FeatureKind::Int64 => Self::Int64(Vec::new()),
            FeatureKind::Float => Self::Float(Vec::new()),
            FeatureKind::Bytes => Self::Bytes { bytes: Vec::new(), ends: Vec::new() },
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Int64(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bytes { ends, .. } => ends.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Int64(values) => values.len() * 8,
            Self::Float(values) => values.len() * 4,
            Self::Bytes { bytes, .. } => bytes.len(),
        }
    }

    /// A value that stands where there is none.
    fn push_default(&mut self) {
        match self {
            Self::Int64(values) => values.push(0),
            Self::Float(values) => values.push(0.0),
            Self::Bytes { ends, .. } => ends.push(ends.last().copied().unwrap_or(0)),
        }
    }

    fn truncate(&mut self, mark: Mark) {
        match self {
            Self::Int64(values) => values.truncate(mark.values),
            Self::Float(values) => values.truncate(mark.values),
            Self::Bytes { bytes, ends } => {
                bytes.truncate(mark.bytes);
                ends.truncate(mark.values);
            }
        }
    }

    /// Appends the values of a feature, which are of this kind; says how many they are.
    fn extend(&mut self, feature: &RawFeature<'_>, is_text: bool) -> Result<usize, Misfit> {
        let before = self.len();
        match self {
            Self::Int64(values) => feature.each_int64(|value| values.push(value))?,
            Self::Float(values) => feature.each_float(|value| values.push(value))?,
            Self::Bytes { bytes, ends } => {
                let mut misfit = None;
                feature.each_bytes(|value| {
                    if is_text && std::str::from_utf8(value).is_err() {
                        misfit = Some(Misfit("holds bytes that are not UTF-8 text".to_string()));
                    }
                    bytes.extend_from_slice(value);
                    match offset(bytes.len()) {
                        Ok(end) => ends.push(end),
                        Err(too_much) => misfit = Some(too_much),
                    }
                })?;
                if let Some(misfit) = misfit {
                    return Err(misfit);
                }
            }
        }
        offset(self.len() + 1)?;
        Ok(self.len() - before)
    }

    fn finish(self, is_text: bool, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Int64(values) => Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls)),
            Self::Float(values) => Arc::new(Float32Array::new(ScalarBuffer::from(values), nulls)),
            Self::Bytes { bytes, ends } if is_text => {
                Arc::new(StringArray::try_new(offsets(ends), Buffer::from_vec(bytes), nulls)?)
            }
            Self::Bytes { bytes, ends } => {
                Arc::new(BinaryArray::try_new(offsets(ends), Buffer::from_vec(bytes), nulls)?)
            }
        })
    }
}

impl ColumnBuilder {
    pub(super) fn new(column: FeatureColumn) -> Self {
        Self {
            values: Values::new(column.kind),
            column,
            are_there: Vec::new(),
            steps: Ends::default(),
            rows: Ends::default(),
            mark: Mark::default(),
            is_set: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.column.name
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.values.bytes()
    }

    /// Whether values may be whole image files.
    pub(super) fn holds_bytes(&self) -> bool {
        self.column.kind == FeatureKind::Bytes && !self.column.is_text
    }

    /// Sets the row's value; a second time replaces it.
    pub(super) fn set(&mut self, entry: &Entry<'_>) -> Fit {
        self.roll_back();
        let set = match (entry, self.column.shape) {
            (Entry::Feature(feature), Shape::Scalar) => self.set_scalar(feature),
            (Entry::Feature(feature), Shape::List) => self.set_list(feature),
            (Entry::List(list), Shape::Steps) => self.set_steps(list),
            (Entry::List(list), Shape::StepLists) => self.set_step_lists(list),
            (Entry::Feature(_), _) => Err(Misfit("is a feature, the column is one of feature lists".to_string())),
            (Entry::List(_), _) => Err(Misfit("is a feature list, the column is one of features".to_string())),
        };
        set.map_err(|Misfit(reason)| Misfit(format!("feature '{}' {reason}", self.column.name)))
    }

    fn set_scalar(&mut self, feature: &RawFeature<'_>) -> Fit {
        match self.extend(feature)? {
            None | Some(0) => Ok(()),
            Some(1) => {
                self.is_set = true;
                Ok(())
            }
            Some(count) => Err(Misfit(format!(
                "has {count} values, the column has one for each record; make it a list: by the option lists, or as an array among the table's columns"
            ))),
        }
    }

    fn set_list(&mut self, feature: &RawFeature<'_>) -> Fit {
        self.is_set = self.extend(feature)?.is_some();
        Ok(())
    }

    fn set_steps(&mut self, list: &RawList<'_>) -> Fit {
        self.is_set = true;
        list.each(|step| {
            match self.extend(&step)? {
                None | Some(0) => {
                    self.values.push_default();
                    self.are_there.push(false);
                }
                Some(1) => self.are_there.push(true),
                Some(count) => {
                    return Err(Misfit(format!(
                        "has {count} values in a step, the column has one; make it a list of lists: by the option lists, or as BIGINT[][] and the like"
                    )));
                }
            }
            Ok(())
        })
    }

    fn set_step_lists(&mut self, list: &RawList<'_>) -> Fit {
        self.is_set = true;
        list.each(|step| {
            let is_there = self.extend(&step)?.is_some();
            offset(self.steps.ends.len() + 1)?;
            self.steps.push(self.values.len(), is_there);
            Ok(())
        })
    }

    /// Appends a feature's values; `None` where it has no kind. No value at all fits every column.
    fn extend(&mut self, feature: &RawFeature<'_>) -> Result<Option<usize>, Misfit> {
        match feature.kind() {
            None => Ok(None),
            Some(kind) if kind == self.column.kind => self.values.extend(feature, self.column.is_text).map(Some),
            Some(_) if feature.count()? == 0 => Ok(Some(0)),
            Some(kind) => Err(Misfit(format!("is {}, the column is {}", kind.name(), self.column.data_type()))),
        }
    }

    /// Ends the row; without a value it is NULL.
    pub(super) fn end_row(&mut self) {
        match self.column.shape {
            Shape::Scalar => {
                if !self.is_set {
                    self.values.push_default();
                }
                self.are_there.push(self.is_set);
            }
            Shape::List | Shape::Steps => self.rows.push(self.values.len(), self.is_set),
            Shape::StepLists => self.rows.push(self.steps.ends.len(), self.is_set),
        }
        self.begin_row();
    }

    fn begin_row(&mut self) {
        let bytes = match &self.values {
            Values::Bytes { bytes, .. } => bytes.len(),
            _ => 0,
        };
        self.mark = Mark { values: self.values.len(), bytes, steps: self.steps.ends.len() };
        self.is_set = false;
    }

    /// Forgets what the row has so far.
    pub(super) fn roll_back(&mut self) {
        self.values.truncate(self.mark);
        if self.column.shape == Shape::Steps {
            self.are_there.truncate(self.mark.values);
        }
        self.steps.truncate(self.mark.steps);
        self.is_set = false;
    }

    /// The rows as an array, before the cast.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let FeatureColumn { is_text, shape, .. } = self.column;
        let value_nulls = matches!(shape, Shape::Scalar | Shape::Steps).then(|| NullBuffer::from(self.are_there));
        let values = self.values.finish(is_text, value_nulls)?;
        match shape {
            Shape::Scalar => Ok(values),
            Shape::List | Shape::Steps => list(values, self.rows),
            Shape::StepLists => list(list(values, self.steps)?, self.rows),
        }
    }
}

/// The column as another type; a value that has no place in it is an error.
pub(super) fn cast(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

fn list(values: ArrayRef, ends: Ends) -> Result<ArrayRef, ArrowError> {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let (offsets, nulls) = ends.finish();
    Ok(Arc::new(ListArray::try_new(item, offsets, values, Some(nulls))?))
}
