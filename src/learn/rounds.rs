//! Rows that rounds go over, and what a round over all of them comes to.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::catalog::MemTable;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF, col, lit};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use pixmill_learn::{Pass, Sums};
use pixmill_udfs::Round;

use super::gather::KeptRows;
use super::spill::SpilledRows;

/// Vectors, and numbers of labels where there are some.
pub(super) struct RowsOfModel {
    frame: DataFrame,
    threads: usize,
    has_label: bool,
    held: Held,
}

/// What is given back when nobody goes over the rows any more.
enum Held {
    Memory(MemoryReservation),
    Files(#[expect(dead_code, reason = "it is there to be dropped")] SpilledRows),
}

impl RowsOfModel {
    /// Rows over which so many threads of this process go, or the session of the statement where all of its executors reach them.
    pub(super) fn new(kept: KeptRows, ctx: &SessionContext, context: &TaskContext, threads: usize) -> Result<Self> {
        let rows = match kept {
            KeptRows::InMemory(batches, memory) => return Self::in_memory(batches, memory, threads),
            KeptRows::Spilled(rows) => rows,
        };
        let frame = match rows.are_beside() {
            true => {
                // Rounds have the statement's name.
                let mut state = ctx.state();
                state.config_mut().clone_from(context.session_config());
                let rows = ctx.read_table(rows.table()?)?;
                DataFrame::new(state, rows.into_unoptimized_plan())
            }
            false => session_here(threads).read_table(rows.table()?)?,
        };
        let has_label = frame.schema().fields().len() > 1;
        Ok(Self { frame, threads, has_label, held: Held::Files(rows) })
    }

    fn in_memory(batches: Vec<RecordBatch>, memory: MemoryReservation, threads: usize) -> Result<Self> {
        let schema = batches.first().map(RecordBatch::schema);
        let schema = schema.ok_or_else(|| exec_datafusion_err!("internal error: a model of no rows"))?;
        let has_label = schema.fields().len() > 1;
        let mut partitions = vec![Vec::new(); threads.max(1)];
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        // A batch goes wherever there is least to do, in pieces that are small enough to be dealt out evenly.
        let piece = rows.div_ceil(threads.max(1)).max(1);
        let mut before = 0;
        for batch in batches {
            let mut start = 0;
            while start < batch.num_rows() {
                let place = before / piece;
                let length = (batch.num_rows() - start).min((place + 1) * piece - before);
                partitions[place].push(batch.slice(start, length));
                (start, before) = (start + length, before + length);
            }
        }
        let frame = session_here(threads).read_table(Arc::new(MemTable::try_new(schema, partitions)?))?;
        Ok(Self { frame, threads, has_label, held: Held::Memory(memory) })
    }

    /// What an aggregate of the vectors comes to.
    pub(super) async fn aggregate(&self, aggregate: &AggregateUDF, more: Vec<Expr>) -> Result<ArrayRef> {
        let mut arguments = vec![col("x")];
        arguments.extend(more);
        let call = aggregate.call(arguments).alias("found");
        let found = self.frame.clone().aggregate(vec![], vec![call])?.collect().await?;
        let found = found.into_iter().find(|batch| batch.num_rows() == 1);
        let found = found.ok_or_else(|| exec_datafusion_err!("internal error: an aggregate without a row"))?;
        Ok(Arc::clone(found.column(0)))
    }

    /// What a pass over all rows comes to.
    pub(super) async fn pass(&self, pass: &Pass, classes: &[f64]) -> Result<Sums> {
        let more = if self.has_label { vec![col("y")] } else { Vec::new() };
        Round::sums(&self.aggregate(&Round::new(pass, classes).aggregate(), more).await?)
    }

    /// The rows with what a function makes of their vectors.
    pub(super) async fn transformed(self, function: &ScalarUDF) -> Result<Self> {
        let mut columns = vec![function.call(vec![col("x")]).alias("x")];
        if self.has_label {
            columns.push(col("y"));
        }
        let frame = self.frame.select(columns)?;
        match self.held {
            Held::Memory(memory) => {
                let batches = frame.collect_partitioned().await?.into_iter().flatten().collect();
                Self::in_memory(batches, memory, self.threads)
            }
            // Each round transforms what it reads.
            held => Ok(Self { frame, held, ..self }),
        }
    }

    /// The principal components of the vectors.
    pub(super) async fn pca(&self, aggregate: &AggregateUDF, k: usize) -> Result<ArrayRef> {
        self.aggregate(aggregate, vec![lit(k as i64)]).await
    }
}

/// A plain session: what is in this process needs no cluster.
fn session_here(threads: usize) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(threads.max(1)).with_round_robin_repartition(false);
    SessionContext::new_with_config(config)
}
