//! Columns on the wire.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};

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

/// The type that a column's values are cast to, where it isn't the one that they are read as.
pub(super) fn cast_to(read: &DataType, wanted: &DataType) -> Option<DataType> {
    (read != wanted).then(|| wanted.clone())
}
