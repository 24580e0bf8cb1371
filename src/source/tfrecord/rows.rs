//! Rows of records: which bytes of a record go into which column, and which records have no place there.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::Field;
use datafusion::common::{Result, internal_err};

use super::columns::{Column, ColumnBuilder, Misfit, cast, offset};
use super::items::Item;
use super::options::{OnCorrupt, RecordType};
use super::read::{Bounds, Fault, Reading};
use crate::format::tfrecord::{MessageType, read_record};

/// Rows of a batch without images.
pub(super) const MOST_ROWS: usize = 8192;

/// Rows being built.
pub(super) struct RecordRows {
    message_type: Option<MessageType>,
    builders: Vec<ColumnBuilder>,
    by_name: HashMap<String, usize>,
    /// The records themselves, where they are a column.
    records: Option<BinaryBuilder>,
    record_bytes: usize,
    /// The number and the offset of each row's record.
    places: Vec<(u64, u64)>,
}

impl RecordRows {
    pub(super) fn new(reading: &Reading) -> Self {
        let features = reading.columns.iter().filter_map(|column| match column {
            Column::Feature(feature) => Some(ColumnBuilder::new(feature.clone())),
            _ => None,
        });
        let builders: Vec<ColumnBuilder> = features.collect();
        let by_name = builders.iter().enumerate().map(|(index, builder)| (builder.name().to_string(), index)).collect();
        Self {
            message_type: match reading.record_type {
                RecordType::Bytes => None,
                // Where bad records are left out, they are whatever columns are asked for.
                _ if builders.is_empty() && reading.on_corrupt == OnCorrupt::Error => None,
                RecordType::Example => Some(MessageType::Example),
                RecordType::SequenceExample => Some(MessageType::SequenceExample),
            },
            builders,
            by_name,
            records: reading.columns.contains(&Column::Record).then(BinaryBuilder::new),
            record_bytes: 0,
            places: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The most rows of a batch: fewer where they may be images.
    pub(super) fn most(&self, bounds: Bounds) -> usize {
        let holds_bytes = self.records.is_some() || self.builders.iter().any(ColumnBuilder::holds_bytes);
        if holds_bytes { bounds.rows } else { MOST_ROWS.max(bounds.rows) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.record_bytes + self.builders.iter().map(ColumnBuilder::bytes).sum::<usize>()
    }

    pub(super) fn push(&mut self, data: &[u8], place: (u64, u64)) -> std::result::Result<(), Misfit> {
        let fits = self.set(data);
        if fits.is_err() {
            self.builders.iter_mut().for_each(ColumnBuilder::roll_back);
            return fits;
        }
        self.builders.iter_mut().for_each(ColumnBuilder::end_row);
        if let Some(records) = &mut self.records {
            records.append_value(data);
            self.record_bytes += data.len();
        }
        self.places.push(place);
        Ok(())
    }

    /// Adds a record of which nothing is looked at.
    pub(super) fn pass(&mut self, place: (u64, u64)) {
        self.places.push(place);
    }

    fn set(&mut self, data: &[u8]) -> std::result::Result<(), Misfit> {
        if self.records.is_some() {
            offset(self.record_bytes + data.len())?;
        }
        let Some(message_type) = self.message_type else { return Ok(()) };
        read_record(data, message_type, |name, entry| match self.by_name.get(name) {
            Some(index) => self.builders[*index].set(&entry),
            None => Ok(()),
        })
    }

    /// The rows, and the faults of those that don't fit into the columns' types, which are left out.
    pub(super) fn finish(mut self, item: &Item, reading: &Reading) -> Result<(RecordBatch, Vec<Fault>)> {
        let mut own = self.own_columns(item, reading)?;
        let (mut faults, mut keeps) = (Vec::new(), vec![true; self.len()]);
        for (column, field) in own.iter().zip(reading.schema.fields()) {
            for (row, reason) in misfits(column, field) {
                if std::mem::replace(&mut keeps[row], false) {
                    let (record, offset) = self.places[row];
                    faults.push(Fault::of_record(record, Some(offset), reason));
                }
            }
        }
        let rows = self.len() - faults.len();
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.record);
            let keeps = BooleanArray::from(keeps);
            own = own.iter().map(|column| filter(column, &keeps)).collect::<std::result::Result<_, _>>()?;
        }
        let columns: std::result::Result<Vec<ArrayRef>, _> =
            own.iter().zip(reading.schema.fields()).map(|(column, field)| cast(column, field.data_type())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok((RecordBatch::try_new_with_options(Arc::clone(&reading.schema), columns?, &options)?, faults))
    }

    /// The columns before they are cast.
    fn own_columns(&mut self, item: &Item, reading: &Reading) -> Result<Vec<ArrayRef>> {
        let mut builders = std::mem::take(&mut self.builders).into_iter();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(reading.columns.len());
        for (column, field) in reading.columns.iter().zip(reading.schema.fields()) {
            columns.push(match column {
                Column::Feature(_) => match builders.next() {
                    Some(builder) => builder.finish()?,
                    None => return internal_err!("no builder for '{}'", field.name()),
                },
                Column::Record => Arc::new(self.records.take().unwrap_or_default().finish()),
                Column::Place => {
                    let shown = self.places.iter().map(|(record, _)| format!("{} record {record}", item.path));
                    Arc::new(StringArray::from_iter_values(shown))
                }
                Column::Nothing => new_null_array(field.data_type(), self.len()),
                Column::Directory(name) => {
                    let index = reading.directory_columns.iter().position(|column| column == name);
                    let value = index.and_then(|index| item.directories.get(index)?.as_deref());
                    Arc::new(std::iter::repeat_n(value, self.len()).collect::<StringArray>())
                }
            });
        }
        Ok(columns)
    }
}

/// The rows whose value the column's type has no place for, and why.
fn misfits(column: &ArrayRef, field: &Field) -> Vec<(usize, String)> {
    let mut misfits = Vec::new();
    if !field.is_nullable() && column.null_count() > 0 {
        let nulls = (0..column.len()).filter(|row| column.is_null(*row));
        misfits.extend(nulls.map(|row| (row, format!("column '{}' is NOT NULL, and it has no value", field.name()))));
    }
    if cast(column, field.data_type()).is_err() {
        for row in 0..column.len() {
            if let Err(error) = cast(&column.slice(row, 1), field.data_type()) {
                misfits.push((row, format!("column '{}': {error}", field.name())));
            }
        }
    }
    misfits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use datafusion::arrow::array::{AsArray, ListArray};
    use datafusion::arrow::datatypes::{Float32Type, Int64Type, Schema};
    use proptest::prelude::*;
    use prost::Message;

    use super::super::columns::{FeatureColumn, Shape};
    use super::*;
    use crate::format::tfrecord::{BytesList, Example, Feature, FeatureKind, Features, FloatList, Int64List, Values};

    fn reading() -> Reading {
        let columns = [
            ("integers", FeatureKind::Int64, Shape::List),
            ("float", FeatureKind::Float, Shape::Scalar),
            ("texts", FeatureKind::Bytes, Shape::List),
            ("bytes", FeatureKind::Bytes, Shape::Scalar),
        ];
        let columns = columns.map(|(name, kind, shape)| FeatureColumn {
            name: name.to_string(),
            kind,
            shape,
            is_text: name == "texts",
            cast: None,
        });
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, c.data_type(), true)).collect();
        Reading {
            columns: columns.into_iter().map(Column::Feature).collect(),
            schema: Arc::new(Schema::new(fields)),
            record_type: RecordType::Example,
            on_corrupt: OnCorrupt::Error,
            directory_columns: Vec::new(),
            classes: None,
        }
    }

    fn item() -> Item {
        Item {
            path: "f".to_string(),
            version: Default::default(),
            bytes: 0,
            place: Default::default(),
            first: 0,
            records: None,
            reads_on: true,
            directories: Vec::new(),
        }
    }

    /// A record that may lack any of its features, or have them empty.
    #[derive(Debug, Clone)]
    struct Ragged {
        integers: Option<Vec<i64>>,
        float: Option<f32>,
        texts: Option<Vec<String>>,
        bytes: Option<Vec<u8>>,
        /// More values than the column has a place for: the record fits none.
        is_unfit: bool,
    }

    impl Ragged {
        fn record(&self) -> Vec<u8> {
            let mut feature = BTreeMap::new();
            let mut add = |name: &str, values: Values| {
                feature.insert(name.to_string(), Feature { values: Some(values) });
            };
            if let Some(value) = self.integers.clone() {
                add("integers", Values::Int64(Int64List { value }));
            }
            if let Some(value) = self.float {
                add("float", Values::Float(FloatList { value: vec![value] }));
            }
            if let Some(texts) = &self.texts {
                let value = texts.iter().map(|text| text.clone().into_bytes().into()).collect();
                add("texts", Values::Bytes(BytesList { value }));
            }
            if let Some(bytes) = &self.bytes {
                let value = vec![bytes.clone().into(); if self.is_unfit { 2 } else { 1 }];
                add("bytes", Values::Bytes(BytesList { value }));
            }
            Example { features: Some(Features { feature }) }.encode_to_vec()
        }
    }

    fn ragged() -> impl Strategy<Value = Ragged> {
        (
            prop::option::of(prop::collection::vec(any::<i64>(), 0..3)),
            prop::option::of(-1e9_f32..1e9),
            prop::option::of(prop::collection::vec("[a-zä]{0,3}", 0..3)),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
            prop::bool::weighted(0.2),
        )
            .prop_map(|(integers, float, texts, bytes, is_unfit)| Ragged {
                is_unfit: is_unfit && bytes.is_some(),
                integers,
                float,
                texts,
                bytes,
            })
    }

    proptest! {
        #[test]
        fn no_value_leaks_from_one_row_to_the_next(records in prop::collection::vec(ragged(), 0..12)) {
            let reading = reading();
            let mut rows = RecordRows::new(&reading);
            for (number, record) in records.iter().enumerate() {
                let fits = rows.push(&record.record(), (number as u64, 0));
                prop_assert_eq!(fits.is_err(), record.is_unfit);
            }
            let (batch, misfits) = rows.finish(&item(), &reading).expect("rows");
            prop_assert!(misfits.is_empty());
            let expected: Vec<&Ragged> = records.iter().filter(|record| !record.is_unfit).collect();
            prop_assert_eq!(batch.num_rows(), expected.len());
            let list = |lists: &ListArray, row: usize| lists.is_valid(row).then(|| lists.value(row));
            for (row, expected) in expected.into_iter().enumerate() {
                let integers = list(batch.column(0).as_list(), row);
                let integers = integers.map(|values| values.as_primitive::<Int64Type>().values().to_vec());
                prop_assert_eq!(&integers, &expected.integers);
                let float = batch.column(1).as_primitive::<Float32Type>();
                prop_assert_eq!(float.is_valid(row).then(|| float.value(row)), expected.float);
                let texts = list(batch.column(2).as_list(), row);
                let texts = texts.map(|values| values.as_string::<i32>().iter().flatten().map(str::to_string).collect());
                prop_assert_eq!(&texts, &expected.texts);
                let bytes = batch.column(3).as_binary::<i32>();
                prop_assert_eq!(bytes.is_valid(row).then(|| bytes.value(row).to_vec()), expected.bytes.clone());
            }
        }
    }
}
