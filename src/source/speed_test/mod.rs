//! The table function `speed_test`: reads images as a training reader does, and gives a row for each time that it did.

mod cache;
mod item;
mod machine;
mod measure;
mod options;
mod reader;
mod row;
mod turn;

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

pub use options::SpeedTestOptions;
use reader::{SpeedTestReader, SpeedTestReaderMessage};
pub(crate) use row::schema;

use super::format::{Function, SourceTable};
use super::node::{ReadExec, Reader};
use crate::exec::boxed_scan;
use crate::storage::{Location, ObjectLocation, Reach, is_object_url};

/// A table whose rows are measurements, made anew whenever it is queried.
#[derive(Debug, Clone)]
pub struct SpeedTestTable {
    options: SpeedTestOptions,
    schema: SchemaRef,
}

/// A [`SpeedTestTable`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpeedTestTableMessage {
    pub(super) options: SpeedTestOptions,
}

/// How combinations are measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    /// Names the rows of one test.
    run: String,
    repetitions: u64,
    decode: bool,
    width: u32,
    height: u32,
    cold: bool,
    concurrent: usize,
}

impl SpeedTestTable {
    /// A table of measurements.
    ///
    /// # Errors
    /// Options that make no test, or a source that isn't there or may not be reached.
    pub(crate) fn try_new(options: SpeedTestOptions, reach: &Reach) -> Result<Self> {
        options.check()?;
        for source in &options.sources {
            match is_object_url(source) {
                true if options.cold => {
                    return plan_err!(
                        "speed_test: cold drops files from the page cache, and '{source}' is read from a store; leave cold out"
                    );
                }
                true => ObjectLocation::parse_within(source, &reach.allow).map(|_| ())?,
                false => Location::parse_within(source, &reach.allow).map(|_| ())?,
            }
        }
        Ok(Self { options, schema: row::schema() })
    }
}

impl SpeedTestTable {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (options, reach) = (self.options.clone(), Reach::of(session.config()));
        let listed = tokio::task::spawn_blocking(move || item::combinations(&options, &reach));
        let items = listed.await.map_err(|error| exec_datafusion_err!("listing for speed_test stopped: {error}"))?;
        // One partition for each combination, so that each is a task.
        let partitions: Result<Vec<_>> = items?.iter().map(|item| Ok(vec![item::to_batch(item)?])).collect();
        let leaf = MemorySourceConfig::try_new_exec(&partitions?, item::items_schema(), None)?;
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema(),
        };
        let settings = Settings {
            run: Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            repetitions: self.options.repetitions as u64,
            decode: self.options.decode,
            width: self.options.width,
            height: self.options.height,
            cold: self.options.cold,
            concurrent: self.options.concurrent,
        };
        Ok(Arc::new(ReadExec::try_new(leaf, Arc::new(SpeedTestReader::new(schema, settings)), limit)?))
    }
}

impl TableProvider for SpeedTestTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    boxed_scan!(SpeedTestTable::planned_scan);
}

impl SourceTable for SpeedTestTable {
    const FUNCTION: Function = Function {
        name: "speed_test",
        syntax: "speed_test('photos', 'shards/*.tfrec', batch_sizes => [2, 4, 8])",
        description: "Measures how fast image files and shards are read: a row for each repetition of each combination.",
        columns: Some(schema),
    };
    const PAGE: (&'static str, &'static str) = (
        "Speed tests",
        "`speed_test('photos', 'shards/*.tfrec', batch_sizes => [2, 4, 8], batch_numbers => [3, 6])`, a table of measurements: locations of \
         image files or TFRecord shards, then options.",
    );
    type Options = SpeedTestOptions;
    type Message = SpeedTestTableMessage;
    type ReaderMessage = SpeedTestReaderMessage;

    fn called(mut locations: Vec<String>, options: SpeedTestOptions, reach: &Reach) -> Result<Self> {
        locations.extend(options.sources);
        Self::try_new(SpeedTestOptions { sources: locations, ..options }, reach)
    }

    fn to_message(&self) -> SpeedTestTableMessage {
        SpeedTestTableMessage { options: self.options.clone() }
    }

    fn from_message(message: SpeedTestTableMessage) -> Result<Self> {
        Ok(Self { options: message.options, schema: row::schema() })
    }

    fn locations(message: &mut SpeedTestTableMessage) -> &mut [String] {
        &mut message.options.sources
    }

    fn reader(message: SpeedTestReaderMessage) -> Result<Arc<dyn Reader>> {
        Ok(Arc::new(SpeedTestReader::from_message(message)?))
    }
}
