//! The logical node of a `COPY` to shards, and what makes the parser accept the formats.

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

use super::{Format, SinkOptions, result_schema};

/// Writes its input to shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteShardsNode {
    /// The rows, with the hidden columns behind the visible ones.
    pub input: Arc<LogicalPlan>,
    /// The directory or `file://` URL.
    pub target: String,
    /// Format, names and number of the shards, and what becomes of rows without an image.
    pub options: SinkOptions,
    /// Columns that name directories.
    pub partition_by: Vec<String>,
    /// How many of the input's columns the query selected; three hidden ones may follow.
    pub visible: usize,
    /// The seed that the input was shuffled with.
    pub shuffle_seed: Option<u64>,
    schema: DFSchemaRef,
}

impl WriteShardsNode {
    /// A node that writes `input`.
    ///
    /// # Errors
    /// None in practice: the schema of its result is constant.
    pub fn try_new(
        input: LogicalPlan,
        target: String,
        options: SinkOptions,
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

impl PartialOrd for WriteShardsNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.target, &self.options, &self.input).partial_cmp(&(&other.target, &other.options, &other.input))
    }
}

impl Hash for WriteShardsNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.target, &self.options, &self.partition_by, self.visible).hash(state);
    }
}

impl UserDefinedLogicalNodeCore for WriteShardsNode {
    fn name(&self) -> &str {
        "WriteShards"
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
        write!(f, "WriteShards: format={}, target={}", self.options.format().name(), self.target)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = inputs.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("WriteShards has one input"))?;
        Ok(Self { input: Arc::new(input), ..self.clone() })
    }
}

/// Makes a format known to `COPY`, which an analyzer rule then replaces.
#[derive(Debug)]
pub(crate) struct ShardFormatFactory(pub(crate) Format);

impl GetExt for ShardFormatFactory {
    fn get_ext(&self) -> String {
        self.0.name().to_string()
    }
}

impl FileFormatFactory for ShardFormatFactory {
    fn create(&self, _: &dyn Session, _: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let name = self.0.name().to_uppercase();
        not_impl_err!("{name} is written by COPY (SELECT ...) TO 'dir' STORED AS {name} in a pixmill session")
    }

    /// Never used: `COPY` is the only way to this factory, and it is rewritten before a format is made.
    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(ArrowFormat)
    }
}
