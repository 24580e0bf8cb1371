//! What crosses the wire: this crate's tables and nodes beside those that DataFusion and Ballista know.

use std::path::PathBuf;
use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{
    DataFusionError, Result, TableReference, exec_err, internal_datafusion_err, internal_err, not_impl_err,
    plan_datafusion_err,
};
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{AsExecutionPlan, PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::PhysicalPlanNode;
use pixmill_udfs::{decode_round, encode_round};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::forget_constants::ForgetExec;
use super::image_work::ImageWorkExec;
use super::memory_rows::{self, rows_in_memory};
use super::one_task::{Known, OneTaskExec, TaskInputExec};
use super::subquery_value::{decode_function, encode_function};
use super::wire_errors::marked;
use crate::sink::{CommitExec, ShardSinkExec, WriteShardsNode};
use crate::source::{ReadExec, ReaderMessage, TableMessage};
use crate::storage::local_path;

/// What messages of this crate begin with: no protobuf message does.
pub(super) const MAGIC: u8 = 0xFF;
/// What the rows of a table begin with.
pub(super) const ROWS_MAGIC: u8 = 0xFE;
/// What the plan of one task begins with.
pub(super) const WORK_MAGIC: u8 = 0xFD;
/// Changes with the messages: processes of different versions must not guess what the other means.
pub(crate) const WIRE_VERSION: u8 = 9;

/// Appends a message.
fn encode(message: &impl Serialize, buf: &mut Vec<u8>) -> Result<()> {
    buf.extend([MAGIC, WIRE_VERSION]);
    serde_json::to_writer(buf, message).map_err(|error| internal_datafusion_err!("a plan can't be sent: {error}"))
}

/// The message in these bytes; `None` where it is none of this crate's.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>> {
    match bytes {
        [MAGIC, WIRE_VERSION, message @ ..] => match serde_json::from_slice(message) {
            Ok(message) => Ok(Some(message)),
            Err(error) => internal_err!("a plan can't be read: {error}"),
        },
        [MAGIC, version, ..] => exec_err!(
            "a plan came in version {version} of pixmill's messages, and this process reads version {WIRE_VERSION}; run the same \
             version of pixmill as client, scheduler and executors"
        ),
        _ => Ok(None),
    }
}

fn json(bytes: &[u8]) -> Result<serde_json::Value> {
    serde_json::from_slice(bytes).map_err(|error| internal_datafusion_err!("a plan can't be sent: {error}"))
}

/// Plans from the client to the scheduler.
#[derive(Debug, Default)]
pub(crate) struct LogicalCodec {
    ballista: BallistaLogicalExtensionCodec,
    /// What relative locations start from, where the scheduler's own directory is another.
    directory: Option<PathBuf>,
}

impl LogicalCodec {
    /// Sends relative locations as absolute ones.
    pub(crate) fn from_directory(directory: Option<PathBuf>) -> Self {
        Self { directory, ..Self::default() }
    }

    /// A location as the scheduler understands it.
    fn location(&self, location: &str) -> String {
        let is_relative = local_path(location).is_some_and(|path| path.is_relative());
        match &self.directory {
            Some(directory) if is_relative => format!("{}/{location}", directory.display()),
            _ => location.to_string(),
        }
    }
}

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], ctx: &TaskContext) -> Result<Extension> {
        let Some(message) = decode::<serde_json::Value>(buf)? else {
            return self.ballista.try_decode(buf, inputs, ctx);
        };
        let input = inputs.first().cloned();
        let input = input.ok_or_else(|| internal_datafusion_err!("WriteShards has one input"))?;
        Ok(Extension { node: Arc::new(WriteShardsNode::decode(message.to_string().as_bytes(), input)?) })
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        match node.node.as_any().downcast_ref::<WriteShardsNode>() {
            Some(node) => {
                let mut node = node.clone();
                node.target = self.location(&node.target);
                encode(&json(&node.encode()?)?, buf)
            }
            None => self.ballista.try_encode(node, buf),
        }
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        table_ref: &TableReference,
        schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        if let [ROWS_MAGIC, WIRE_VERSION, rows @ ..] = buf {
            return memory_rows::decode(rows, schema);
        }
        match decode::<TableMessage>(buf)? {
            Some(message) => message.table(),
            None => self.ballista.try_decode_table_provider(buf, table_ref, schema, ctx),
        }
    }

    fn try_encode_table_provider(
        &self,
        table_ref: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        if let Some(message) = TableMessage::of(node.as_ref()) {
            return encode(&message.with_location(|location| self.location(location)), buf);
        }
        if let Some(rows) = rows_in_memory(node.as_ref()) {
            buf.extend([ROWS_MAGIC, WIRE_VERSION]);
            return memory_rows::encode(table_ref, rows, buf).map_err(marked);
        }
        match self.ballista.try_encode_table_provider(table_ref, node, buf) {
            Err(DataFusionError::NotImplemented(_)) => Err(marked(plan_datafusion_err!(
                "table '{table_ref}' is made in this process and can't be sent to the cluster; write its rows as VALUES or into a file, or \
                 run the statement without --cluster"
            ))),
            sent => sent,
        }
    }

    fn try_decode_file_format(&self, buf: &[u8], ctx: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.ballista.try_decode_file_format(buf, ctx)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.ballista.try_encode_file_format(buf, node)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        decode_function(name, buf)?.map_or_else(|| unknown_function(name), Ok)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        encode_function(function, buf);
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        decode_round(name, buf)?.map_or_else(|| unknown_function(name), |function| Ok(Arc::new(function)))
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        encode_round(function, buf);
        Ok(())
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        unknown_function(name)
    }
}

/// Functions travel by name, but for the values of subqueries: who reads the plan must have them.
fn unknown_function<T>(name: &str) -> Result<T> {
    not_impl_err!(
        "a plan calls '{name}', which this process doesn't know; run the same version of pixmill as client, scheduler and executors"
    )
}

/// A node of this crate on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "node", rename_all = "lowercase")]
enum NodeMessage {
    Read {
        reader: ReaderMessage,
        fetch: Option<usize>,
    },
    Sink {
        sink: serde_json::Value,
    },
    Commit {
        commit: serde_json::Value,
    },
    ImageWork,
    /// Input of the task whose plan this is in.
    Input {
        number: usize,
        known: Known,
    },
    Forget,
}

impl NodeMessage {
    fn of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        if let Some(read) = node.downcast_ref::<ReadExec>() {
            let (reader, fetch) = read.to_message();
            return Ok(Some(Self::Read { reader, fetch }));
        }
        if let Some(sink) = node.downcast_ref::<ShardSinkExec>() {
            return Ok(Some(Self::Sink { sink: json(&sink.encode()?)? }));
        }
        if node.is::<ImageWorkExec>() {
            return Ok(Some(Self::ImageWork));
        }
        if node.is::<ForgetExec>() {
            return Ok(Some(Self::Forget));
        }
        if let Some(input) = node.downcast_ref::<TaskInputExec>() {
            let known = input.known(&PhysicalCodec::default())?;
            return Ok(Some(Self::Input { number: input.number(), known }));
        }
        let commit = node.downcast_ref::<CommitExec>();
        commit.map(|commit| Ok(Self::Commit { commit: json(&commit.encode()?)? })).transpose()
    }

    fn node(self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match self {
            Self::Read { reader, fetch } => Arc::new(reader.node(input, fetch)?),
            Self::ImageWork => Arc::new(ImageWorkExec::new(input)),
            Self::Sink { sink } => Arc::new(ShardSinkExec::decode(sink.to_string().as_bytes(), input)?),
            Self::Commit { commit } => Arc::new(CommitExec::decode(commit.to_string().as_bytes(), input)?),
            Self::Forget => Arc::new(ForgetExec::new(input)),
            Self::Input { number, .. } => return internal_err!("input {number} of a task came without that task"),
        })
    }
}

/// The plan of one task, from bytes.
fn decode_work(bytes: &[u8], inputs: &[Arc<dyn ExecutionPlan>], ctx: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    let codec = WorkCodec { codec: PhysicalCodec::default(), inputs: inputs.to_vec() };
    let work = PhysicalPlanNode::try_decode(bytes)?.try_into_physical_plan(ctx, &codec)?;
    Ok(Arc::new(OneTaskExec::try_new(work, inputs.to_vec())?))
}

/// Reads the plan of one task, whose inputs are at hand.
#[derive(Debug)]
struct WorkCodec {
    codec: PhysicalCodec,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
}

impl PhysicalExtensionCodec for WorkCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match decode::<NodeMessage>(buf) {
            Ok(Some(NodeMessage::Input { number, known })) => {
                let input = self.inputs.get(number);
                let input = input.ok_or_else(|| internal_datafusion_err!("a task has no input {number}"))?;
                Ok(Arc::new(TaskInputExec::from_known(number, input, &known, ctx, &self.codec)?))
            }
            _ => self.codec.try_decode(buf, inputs, ctx, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        self.codec.try_encode(node, buf, converter)
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        self.codec.try_decode_udf(name, buf)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.codec.try_encode_udf(function, buf)
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.codec.try_decode_udaf(name, buf)
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.codec.try_encode_udaf(function, buf)
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        self.codec.try_decode_udwf(name, buf)
    }
}

/// Plans from the scheduler to the executors.
#[derive(Debug, Default)]
pub(crate) struct PhysicalCodec(BallistaPhysicalExtensionCodec);

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let [WORK_MAGIC, WIRE_VERSION, work @ ..] = buf {
            return decode_work(work, inputs, ctx);
        }
        let Some(message) = decode::<NodeMessage>(buf)? else {
            return self.0.try_decode(buf, inputs, ctx, converter);
        };
        let input = inputs.first().cloned();
        message.node(input.ok_or_else(|| internal_datafusion_err!("a node of pixmill's has one input"))?)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(task) = node.downcast_ref::<OneTaskExec>() {
            let work = PhysicalPlanNode::try_from_physical_plan(Arc::clone(task.work()), self)?;
            buf.extend([WORK_MAGIC, WIRE_VERSION]);
            return work.try_encode(buf);
        }
        match NodeMessage::of(&node)? {
            Some(message) => encode(&message, buf),
            None => self.0.try_encode(node, buf, converter),
        }
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        decode_function(name, buf)?.map_or_else(|| unknown_function(name), Ok)
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        encode_function(function, buf);
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        decode_round(name, buf)?.map_or_else(|| unknown_function(name), |function| Ok(Arc::new(function)))
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        encode_round(function, buf);
        Ok(())
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        unknown_function(name)
    }
}
