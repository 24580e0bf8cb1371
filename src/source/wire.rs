//! Sources on the wire: what a remote process is told of tables and of the nodes that read.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::cifar10::{Cifar10Reader, Cifar10ReaderMessage, Cifar10Table, Cifar10TableMessage};
use super::images::{ImageReader, ImageReaderMessage, ImagesTable, ImagesTableMessage};
use super::node::{ReadExec, Reader};
use super::speed_test::{SpeedTestReader, SpeedTestReaderMessage, SpeedTestTable, SpeedTestTableMessage};
use super::tfrecord::{RecordsReader, RecordsReaderMessage, TfRecordTable, TfRecordTableMessage};

/// Columns, by the message that DataFusion has for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Columns(String);

impl Columns {
    pub(super) fn of(schema: &Schema) -> Result<Self> {
        let message = protobuf::Schema::try_from(schema)?;
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, message.encode_to_vec());
        Ok(Self(text))
    }

    pub(super) fn schema(&self) -> Result<SchemaRef> {
        let unreadable = || internal_datafusion_err!("columns of a table can't be read from a plan");
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &self.0);
        let message = protobuf::Schema::decode(bytes.map_err(|_| unreadable())?.as_slice());
        Ok(Arc::new(Schema::try_from(&message.map_err(|_| unreadable())?)?))
    }
}

/// A table on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "table", rename_all = "lowercase")]
pub(crate) enum TableMessage {
    Images(ImagesTableMessage),
    TfRecord(TfRecordTableMessage),
    Cifar10(Cifar10TableMessage),
    SpeedTest(SpeedTestTableMessage),
}

impl TableMessage {
    /// The message of a table of ours; `None` of others.
    ///
    /// # Errors
    /// Columns of types that have no message.
    pub(crate) fn of(table: &dyn TableProvider) -> Result<Option<Self>> {
        if let Some(table) = table.downcast_ref::<ImagesTable>() {
            return Ok(Some(Self::Images(table.to_message())));
        }
        if let Some(table) = table.downcast_ref::<TfRecordTable>() {
            return Ok(Some(Self::TfRecord(table.to_message()?)));
        }
        if let Some(table) = table.downcast_ref::<SpeedTestTable>() {
            return Ok(Some(Self::SpeedTest(table.to_message())));
        }
        Ok(table.downcast_ref::<Cifar10Table>().map(|table| Self::Cifar10(table.to_message())))
    }

    /// The same table somewhere else.
    pub(crate) fn with_location(mut self, change: impl Fn(&str) -> String) -> Self {
        let locations = match &mut self {
            Self::Images(message) => std::slice::from_mut(&mut message.location),
            Self::TfRecord(message) => std::slice::from_mut(&mut message.location),
            Self::Cifar10(message) => std::slice::from_mut(&mut message.location),
            Self::SpeedTest(message) => message.options.sources.as_mut_slice(),
        };
        for location in locations {
            *location = change(location);
        }
        self
    }

    /// The table.
    ///
    /// # Errors
    /// A message that makes none.
    pub(crate) fn table(self) -> Result<Arc<dyn TableProvider>> {
        Ok(match self {
            Self::Images(message) => Arc::new(ImagesTable::from_message(message)),
            Self::TfRecord(message) => Arc::new(TfRecordTable::from_message(message)?),
            Self::Cifar10(message) => Arc::new(Cifar10Table::from_message(message)),
            Self::SpeedTest(message) => Arc::new(SpeedTestTable::from_message(message)),
        })
    }
}

/// A node that reads, on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reader", rename_all = "lowercase")]
pub(crate) enum ReaderMessage {
    Images(ImageReaderMessage),
    TfRecord(RecordsReaderMessage),
    Cifar10(Cifar10ReaderMessage),
    SpeedTest(SpeedTestReaderMessage),
}

impl ReaderMessage {
    /// The node, above its work items.
    ///
    /// # Errors
    /// A message that makes none.
    pub(crate) fn node(self, items: Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> Result<ReadExec> {
        let reader: Arc<dyn Reader> = match self {
            Self::Images(message) => Arc::new(ImageReader::from_message(message)?),
            Self::TfRecord(message) => Arc::new(RecordsReader::from_message(message)?),
            Self::Cifar10(message) => Arc::new(Cifar10Reader::from_message(message)?),
            Self::SpeedTest(message) => Arc::new(SpeedTestReader::from_message(message)?),
        };
        ReadExec::try_new(items, reader, fetch)
    }
}

/// The type that a column's values are cast to, where it isn't the one that they are read as.
pub(super) fn cast_to(read: &DataType, wanted: &DataType) -> Option<DataType> {
    (read != wanted).then(|| wanted.clone())
}
