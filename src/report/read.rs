//! Results come in: files are checked and become two tables, `results` (all rows) and `measured` (those with measures).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::reader::ChunkReader;

use super::columns;
use super::query::{QueryRows, arrow, only};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::storage::{FoundFile, ObjectParts, Parts, Reach};
use crate::words::{counted, quoted};

/// A row that can be compared with others: it has all measures, and something was measured.
const IS_MEASURED: &str = "error IS NULL AND source IS NOT NULL AND batch_size > 0 AND batch_number > 0 AND images > 0 \
                           AND bytes IS NOT NULL AND seconds > 0 AND images_per_second > 0 AND mb_per_second IS NOT NULL";

/// Reads the results at a location into the engine's tables; of one run only, where it is named.
///
/// # Errors
/// No files, a file of something else or of another version, no rows, or none that hold measures.
pub(super) async fn read(engine: &Engine, location: &str, run: Option<&str>) -> Result<()> {
    let schema = Arc::new(columns::schema());
    let (reach, place, columns) =
        (Reach::of(engine.context().state().config()), location.to_string(), Arc::clone(&schema));
    let work = tokio::task::spawn_blocking(move || {
        let files = files(&place, &reach)?;
        let rows = files.iter().map(|file| rows(file, &reach, &columns)).collect::<Result<Vec<_>>>()?;
        Ok::<_, Error>((files, rows.concat()))
    });
    let (files, batches) =
        work.await.map_err(|error| Error::Failed(format!("reading '{location}' stopped: {error}")))??;
    let all = concat_batches(&schema, &batches).map_err(arrow)?;
    if all.num_rows() == 0 {
        let count = counted(files.len() as u64, "file");
        return Err(Error::Failed(format!(
            "no results in '{location}': {count} without a row; nothing was measured yet"
        )));
    }
    engine.context().register_batch("every_result", all)?;
    let chosen = run.map(|run| format!("WHERE run = {}", quoted(run))).unwrap_or_default();
    let results = format!(
        "CREATE VIEW results AS SELECT *, coalesce({IS_MEASURED}, false) AS is_measured FROM every_result {chosen}"
    );
    engine.sql(&results).await?;
    check_rows(engine, location, run).await?;
    // A series is what may be compared: the same images, read in the same way.
    let measured = "CREATE TABLE measured AS
                    SELECT dense_rank() OVER (ORDER BY format, source, decode, width, height, concurrent) AS series,
                           batch_size * batch_number AS product, *
                    FROM results WHERE is_measured";
    engine.sql(measured).await?;
    Ok(())
}

/// Whether there is anything to report.
async fn check_rows(engine: &Engine, location: &str, run: Option<&str>) -> Result<()> {
    let counts = "SELECT count(*) AS all_rows, count(*) FILTER (WHERE is_measured) AS measured FROM results";
    let counts = QueryRows::of(engine, counts).await?;
    let all = only(&counts.integers("all_rows")?).unwrap_or(0);
    if let (0, Some(run)) = (all, run) {
        let runs =
            QueryRows::of(engine, "SELECT DISTINCT run FROM every_result WHERE run IS NOT NULL ORDER BY run").await?;
        let runs: Vec<String> = runs.texts("run")?.into_iter().flatten().collect();
        let there =
            if runs.is_empty() { "no row names one".to_string() } else { format!("there are {}", runs.join(", ")) };
        return Err(Error::Usage(format!("no run '{run}' in '{location}'; {there}")));
    }
    if only(&counts.integers("measured")?).unwrap_or(0) == 0 {
        let reason = "SELECT error FROM results WHERE error IS NOT NULL ORDER BY started_at LIMIT 1";
        let reason = QueryRows::of(engine, reason).await?.texts("error")?.into_iter().flatten().next();
        let reason = reason.map(|reason| format!("; the first: {reason}")).unwrap_or_default();
        let all = counted(all.unsigned_abs(), "row");
        return Err(Error::Failed(format!("nothing to report: '{location}' has {all}, and all failed{reason}")));
    }
    Ok(())
}

fn files(location: &str, reach: &Reach) -> Result<Vec<FoundFile>> {
    let is_wanted = |found: &FoundFile| {
        let is_parquet = found.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
        is_parquet || found.is_named
    };
    let files: Vec<FoundFile> = reach.files(location)?.into_iter().filter(is_wanted).collect();
    if files.is_empty() {
        return Err(Error::Failed(format!(
            "no results in '{location}': no Parquet file there; 'pixmill speed-test --results DIR' writes them"
        )));
    }
    Ok(files)
}

/// The rows of a file, brought to the schema.
fn rows(found: &FoundFile, reach: &Reach, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let path = found.path.as_path();
    match ObjectParts::of(found, reach) {
        Some(object) => rows_of(path, || Ok(object.clone()), schema),
        None => rows_of(path, || File::open(path).map_err(Error::file("read", path)), schema),
    }
}

/// The rows of what `open` opens.
fn rows_of<R: ChunkReader + 'static>(
    path: &Path,
    open: impl Fn() -> Result<R>,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    let file = open()?;
    let bad = |what: String| Error::Failed(format!("'{}' {what}", path.display()));
    let unreadable = |error: &dyn std::fmt::Display| bad(format!("cannot be read as Parquet: {error}"));
    // The reader is somebody else's: its panic is the file's fault.
    let read = pixmill_udfs::catch_panic(|| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(Parts(file)).map_err(|error| unreadable(&error))?;
        let found = Arc::clone(builder.schema());
        if let Some(fault) = columns::fault(&found, version(&open, &found).as_deref()) {
            return Err(bad(fault));
        }
        let reader = builder.build().map_err(|error| unreadable(&error))?;
        let batches = reader.map(|batch| brought_to(&batch.map_err(|error| unreadable(&error))?, schema));
        batches.collect::<Result<Vec<_>>>()
    });
    read.unwrap_or_else(|panic| Err(unreadable(&panic)))
}

/// The columns of the schema, by their names.
fn brought_to(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().filter_map(|field| {
        let column = batch.column_by_name(field.name())?;
        Some(cast(column, field.data_type()))
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>().map_err(arrow)?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(arrow)
}

/// The version that wrote a file, if the file says so.
fn version<R: ChunkReader + 'static>(open: impl Fn() -> Result<R>, schema: &Schema) -> Option<String> {
    let (column, _) = schema.column_with_name("version")?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(Parts(open().ok()?)).ok()?;
    let only_version = ProjectionMask::roots(builder.parquet_schema(), [column]);
    let mut reader = builder.with_projection(only_version).with_batch_size(64).build().ok()?;
    let batch = reader.next()?.ok()?;
    let versions = cast(batch.column(0), &DataType::Utf8).ok()?;
    versions.as_string::<i32>().iter().flatten().next().map(str::to_string)
}
