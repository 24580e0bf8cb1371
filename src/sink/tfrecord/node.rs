//! The logical node of `COPY ... STORED AS TFRECORD`, and what makes the parser accept the format.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, GetExt, Result, internal_datafusion_err, not_impl_err};
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::{FORMAT, TfRecordOptions, result_schema};

/// Writes its input to TFRecord shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TfRecordWriteNode {
    /// The rows, with the hidden columns behind the visible ones.
    pub input: Arc<LogicalPlan>,
    /// The directory or `file://` URL.
    pub target: String,
    /// How.
    pub options: TfRecordOptions,
    /// Columns that name directories.
    pub partition_by: Vec<String>,
    /// How many of the input's columns the query selected; three hidden ones may follow.
    pub visible: usize,
    /// The seed that the input was shuffled with.
    pub shuffle_seed: Option<u64>,
    schema: DFSchemaRef,
}

impl TfRecordWriteNode {
    /// A node that writes `input`.
    ///
    /// # Errors
    /// None in practice: the schema of its result is constant.
    pub fn try_new(
        input: LogicalPlan,
        target: String,
        options: TfRecordOptions,
        partition_by: Vec<String>,
        visible: usize,
        shuffle_seed: Option<u64>,
    ) -> Result<Self> {
        Ok(Self {
            input: Arc::new(input),
            target,
            options,
            partition_by,
            visible,
            shuffle_seed,
            schema: Arc::new(DFSchema::try_from(result_schema())?),
        })
    }
}

impl PartialOrd for TfRecordWriteNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.target, &self.options, &self.input).partial_cmp(&(&other.target, &other.options, &other.input))
    }
}

impl Hash for TfRecordWriteNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.target, &self.options, &self.partition_by, self.visible).hash(state);
    }
}

impl UserDefinedLogicalNodeCore for TfRecordWriteNode {
    fn name(&self) -> &str {
        "TfRecordWrite"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TfRecordWrite: target={}", self.target)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = inputs.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("TfRecordWrite has one input"))?;
        Ok(Self { input: Arc::new(input), ..self.clone() })
    }
}

/// Makes `STORED AS TFRECORD` a known format of `COPY`, which an analyzer rule then replaces.
#[derive(Debug)]
pub(crate) struct TfRecordFormatFactory;

impl GetExt for TfRecordFormatFactory {
    fn get_ext(&self) -> String {
        FORMAT.to_string()
    }
}

impl FileFormatFactory for TfRecordFormatFactory {
    fn create(&self, _: &dyn Session, _: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        not_impl_err!("TFRECORD is written by COPY (SELECT ...) TO 'dir' STORED AS TFRECORD in a pixmill session")
    }

    /// Never used: `COPY` is the only way to this factory, and it is rewritten before a format is made.
    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(ArrowFormat)
    }
}
