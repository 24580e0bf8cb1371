//! The rows of a list, read while planning: filtered, sampled, shuffled and cut into partitions. No image is asked for.
//!
//! Of the list's columns only those are kept that the query looks at and that say where images are.

use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, interleave_record_batch};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, Result, internal_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use twox_hash::XxHash3_64;

use super::columns::{ListColumns, USUAL_BYTES, check_list};
use crate::exec::most_items;
use crate::source::Sample;
use crate::source::images::{CONTENT, ImagesOptions, READ_ERROR};
use crate::source::listed::{table_at_url, table_by_name};
use crate::source::work::{Load, cut};
use crate::storage::{AllowList, Reach, check_web_location, is_object_url, is_web_url};

/// Rows that are put together into one batch: their texts have room in its 32-bit offsets.
const CHUNK_ROWS: usize = 256 * 1024;
/// Bytes after which a batch is closed, too.
const CHUNK_BYTES: usize = 512 << 20;

/// The columns of a list.
///
/// # Errors
/// A list that can't be read, or says of no column that it holds places.
pub(in crate::source::images) async fn columns_of(
    list: &str,
    options: &ImagesOptions,
    state: &SessionState,
) -> Result<ListColumns> {
    check_list(list)?;
    let table = open(list, state).await?;
    ListColumns::try_new(table.schema(), options.url.as_deref(), list)
}

async fn open(list: &str, state: &SessionState) -> Result<Arc<dyn TableProvider>> {
    let reach = Reach::of(state.config());
    match is_object_url(list) {
        true => table_at_url(list, state, &reach).await,
        false => table_by_name(list, state, &reach).await,
    }
}

/// The leaf of a scan: the work items of each partition.
///
/// # Errors
/// A list that can't be read, or has changed since its table was made.
pub(in crate::source::images) async fn scan(
    (list, columns, options): (&str, &ListColumns, &ImagesOptions),
    session: &dyn Session,
    projection: &[&str],
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let kept = kept(columns, projection)?;
    let filter = Filter::try_new(columns, session, filters)?;
    let reads_content = projection.iter().any(|name| [CONTENT, READ_ERROR].contains(name));
    let is_whole = options.sample.is_none() && options.shuffle_seed.is_none();
    let most = limit.filter(|_| is_whole).unwrap_or(usize::MAX);
    let mut rows = match is_web_url(list) {
        true => {
            // Whoever plans may reach less than who asked.
            check_web_location(list, &AllowList::of(session.config()))?;
            Rows { chunks: filter.kept(columns.one(list)?, &kept)?.into_iter().collect(), schema: kept }
        }
        false => Rows::read((list, columns), session, &filter, kept, most).await?,
    };
    if let Some(sample) = options.sample {
        rows = rows.sampled(sample, columns)?;
    }
    if let Some(seed) = options.shuffle_seed {
        rows = rows.shuffled(seed, columns)?;
    }
    let rows = rows.first(limit.unwrap_or(usize::MAX));
    let load = Load {
        rows: rows.count(),
        bytes: rows.bytes(columns)?,
        cores: session.config().target_partitions(),
        is_local: most_items(session.config()).is_none(),
        reads_content,
    };
    let partitions = rows.cut(load.partitions(options.partitions));
    let largest = partitions.iter().map(|part| part.iter().map(RecordBatch::num_rows).sum()).max().unwrap_or(0_usize);
    if let Some(most) = most_items(session.config()).filter(|most| largest > *most) {
        return plan_err!(
            "'{list}' has {} rows in {} partitions, and a task of a cluster takes at most {most}; use more partitions (option partitions, \
             or shards of COPY)",
            rows.count(),
            partitions.len()
        );
    }
    Ok(MemorySourceConfig::try_new_exec(&partitions, rows.schema, None)?)
}

/// The columns of work items: those that the query looks at, and those that reading needs, in the order of the list.
fn kept(columns: &ListColumns, projection: &[&str]) -> Result<SchemaRef> {
    let needed = columns.needed();
    let fields = columns.schema().fields().iter();
    let is_kept = |name: &str| projection.contains(&name) || needed.contains(&name);
    let kept = fields.filter(|field| is_kept(field.name()));
    Ok(Arc::new(Schema::new(kept.cloned().collect::<Vec<_>>())))
}

/// What rows a query wants, and the columns of the list that tell.
struct Filter {
    filter: Option<Arc<dyn PhysicalExpr>>,
    columns: Vec<String>,
}

impl Filter {
    fn try_new(columns: &ListColumns, session: &dyn Session, filters: &[Expr]) -> Result<Self> {
        // Filters come with the table's name or alias on their columns; the list has none.
        let filter = conjunction(filters.iter().cloned()).map(unnormalize_col);
        let names = filter.iter().flat_map(|filter| filter.column_refs().into_iter().map(|column| column.name.clone()));
        let names: Vec<String> = names.collect();
        let fields = columns.schema().fields().iter().filter(|field| names.contains(field.name())).cloned();
        let schema = DFSchema::try_from(Schema::new(fields.collect::<Vec<_>>()))?;
        let filter = filter.map(|filter| session.create_physical_expr(filter, &schema)).transpose()?;
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { filter, columns })
    }

    /// The rows that are wanted, and of them the columns that are; `None` where there is none.
    fn kept(&self, batch: RecordBatch, kept: &SchemaRef) -> Result<Option<RecordBatch>> {
        let batch = match &self.filter {
            Some(filter) => {
                let seen = projected(&batch, self.columns.iter())?;
                let mask = filter.evaluate(&seen)?.into_array(seen.num_rows())?;
                filter_record_batch(&batch, as_boolean_array(&mask)?)?
            }
            None => batch,
        };
        let rows = projected(&batch, kept.fields().iter().map(|field| field.name()))?;
        // The list's own fields may know of no NULL where the table's do.
        let rows = RecordBatch::try_new(Arc::clone(kept), rows.columns().to_vec())?;
        Ok((rows.num_rows() > 0).then_some(rows))
    }
}

fn projected<'a>(batch: &RecordBatch, names: impl Iterator<Item = &'a String>) -> Result<RecordBatch> {
    let indices = names.map(|name| batch.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(batch.project(&indices)?)
}

/// Rows of a list.
struct Rows {
    schema: SchemaRef,
    chunks: Vec<RecordBatch>,
}

impl Rows {
    /// The rows that are wanted, in the order of the list, at most `most`.
    async fn read(
        (list, columns): (&str, &ListColumns),
        session: &dyn Session,
        filter: &Filter,
        schema: SchemaRef,
        most: usize,
    ) -> Result<Self> {
        let state = session.as_any().downcast_ref::<SessionState>();
        let state = state.ok_or_else(|| internal_datafusion_err!("a list is read in a session's state"))?;
        let table = open(list, state).await?;
        let is_read = |name: &String| schema.column_with_name(name).is_some() || filter.columns.contains(name);
        let mut projection = Vec::new();
        for field in columns.schema().fields().iter().filter(|field| is_read(field.name())) {
            let now = table.schema();
            match now.column_with_name(field.name()) {
                Some((index, now)) if now.data_type() == field.data_type() => projection.push(index),
                _ => {
                    return plan_err!(
                        "'{list}' has changed since its table was made: it has no column '{}' of {} any more; make the table again",
                        field.name(),
                        field.data_type()
                    );
                }
            }
        }
        let plan = table.scan(session, Some(&projection), &[], None).await?;
        let mut chunks = Chunks::new(Arc::clone(&schema));
        'partitions: for partition in 0..plan.properties().output_partitioning().partition_count() {
            let mut batches = plan.execute(partition, state.task_ctx())?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| plan_datafusion_err!("cannot read '{list}': {error}"))?;
                if let Some(rows) = filter.kept(batch, &schema)? {
                    chunks.push(rows)?;
                }
                if chunks.rows >= most {
                    break 'partitions;
                }
            }
        }
        Ok(Self { chunks: chunks.closed()?, schema }.first(most))
    }

    fn count(&self) -> usize {
        self.chunks.iter().map(RecordBatch::num_rows).sum()
    }

    /// The bytes of all images, those of usual ones where the list tells none.
    fn bytes(&self, columns: &ListColumns) -> Result<u64> {
        let mut bytes = 0;
        for chunk in &self.chunks {
            let lengths = columns.lengths(chunk)?;
            bytes += lengths.iter().map(|length| length.map_or(USUAL_BYTES, i64::unsigned_abs)).sum::<u64>();
        }
        Ok(bytes)
    }

    fn first(mut self, most: usize) -> Self {
        let mut left = most;
        self.chunks.retain_mut(|chunk| {
            *chunk = chunk.slice(0, chunk.num_rows().min(left));
            left -= chunk.num_rows();
            chunk.num_rows() > 0
        });
        self
    }

    /// Parts of rows that follow each other.
    fn cut(&self, count: usize) -> Vec<Vec<RecordBatch>> {
        let mut chunks = self.chunks.iter().cloned();
        let mut left: Option<RecordBatch> = None;
        let parts = cut(self.count(), count).map(|(_, rows)| {
            let (mut part, mut missing) = (Vec::new(), rows);
            while missing > 0 {
                let Some(chunk) = left.take().or_else(|| chunks.next()) else { break };
                let taken = chunk.num_rows().min(missing);
                part.push(chunk.slice(0, taken));
                missing -= taken;
                left = (taken < chunk.num_rows()).then(|| chunk.slice(taken, chunk.num_rows() - taken));
            }
            part
        });
        parts.collect()
    }

    /// The rows in the order of the hashes of seed and place: the same wherever the list is. Rows of one place keep their order.
    fn shuffled(self, seed: u64, columns: &ListColumns) -> Result<Self> {
        let mut order = self.hashes(seed, columns)?;
        order.sort_unstable();
        let (from, mut chunks): (Vec<&RecordBatch>, Vec<RecordBatch>) = (self.chunks.iter().collect(), Vec::new());
        for part in order.chunks(CHUNK_ROWS) {
            let rows: Vec<(usize, usize)> = part.iter().map(|row| (row.chunk as usize, row.row as usize)).collect();
            chunks.push(interleave_record_batch(&from, &rows)?);
        }
        Ok(Self { chunks, schema: self.schema })
    }

    /// A part of the rows, in their order.
    fn sampled(self, sample: Sample, columns: &ListColumns) -> Result<Self> {
        let (seed, most, fraction) = match sample {
            Sample::Fraction { fraction, seed } => (seed, usize::MAX, fraction),
            Sample::Rows { rows, seed } => (seed, rows, 1.0),
        };
        let mut rows = self.hashes(!seed, columns)?;
        // 2^53 steps are what a double holds exactly.
        let below = (fraction * (1_u64 << 53) as f64) as u64;
        rows.retain(|row| row.hash >> 11 < below);
        if rows.len() > most {
            rows.sort_unstable();
            rows.truncate(most);
        }
        let mut is_chosen: Vec<Vec<bool>> = self.chunks.iter().map(|chunk| vec![false; chunk.num_rows()]).collect();
        rows.iter().for_each(|row| is_chosen[row.chunk as usize][row.row as usize] = true);
        let chosen = self.chunks.iter().zip(is_chosen);
        let chunks = chosen.map(|(chunk, mask)| Ok(filter_record_batch(chunk, &BooleanArray::from(mask))?));
        let chunks: Vec<RecordBatch> = chunks.collect::<Result<_>>()?;
        let chunks = chunks.into_iter().filter(|chunk| chunk.num_rows() > 0).collect();
        Ok(Self { chunks, schema: self.schema })
    }

    fn hashes(&self, seed: u64, columns: &ListColumns) -> Result<Vec<HashedRow>> {
        let mut hashes = Vec::with_capacity(self.count());
        for (number, chunk) in self.chunks.iter().enumerate() {
            let places = columns.places(chunk, "")?;
            hashes.extend((0..places.len()).map(|row| {
                let place = if places.is_null(row) { "" } else { places.value(row) };
                let hash = XxHash3_64::oneshot_with_seed(seed, place.as_bytes());
                HashedRow { hash, chunk: number as u32, row: row as u32 }
            }));
        }
        Ok(hashes)
    }
}

/// A row and its hash, by which rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HashedRow {
    hash: u64,
    chunk: u32,
    row: u32,
}

/// Puts batches together as they come, so that each row takes no more room than its values.
struct Chunks {
    schema: SchemaRef,
    closed: Vec<RecordBatch>,
    open: Vec<RecordBatch>,
    open_rows: usize,
    open_bytes: usize,
    rows: usize,
}

impl Chunks {
    fn new(schema: SchemaRef) -> Self {
        Self { schema, closed: Vec::new(), open: Vec::new(), open_rows: 0, open_bytes: 0, rows: 0 }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.open_rows += batch.num_rows();
        self.open_bytes += batch.get_array_memory_size();
        self.open.push(batch);
        if self.open_rows >= CHUNK_ROWS || self.open_bytes >= CHUNK_BYTES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if !self.open.is_empty() {
            self.closed.push(concat_batches(&self.schema, &self.open)?);
        }
        self.open.clear();
        (self.open_rows, self.open_bytes) = (0, 0);
        Ok(())
    }

    fn closed(mut self) -> Result<Vec<RecordBatch>> {
        self.close()?;
        Ok(self.closed)
    }
}
