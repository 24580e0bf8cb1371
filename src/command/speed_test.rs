//! `pixmill speed-test`: how fast images and shards are read, into a Parquet file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use datafusion::arrow::array::{AsArray, RecordBatch};

use super::engine::{EngineArgs, StoreArgs, Threads, with_engine};
use super::generate::parse_size;
use super::results::{ResultsFile, looked_at_first, together};
use super::statements::print_all;
use super::template::Template;
use crate::cluster::client::HostPort;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::{Format, Look, RowPrinter, Watched};
use crate::storage::AllowList;
use crate::words::{counted, quoted};

/// Measure how fast images and shards are read
///
/// Each combination of source, batch size and batch number is a task: on one thread it reads so many batches from the
/// beginning of the source, decodes them as a training reader does, and does that again for each repetition. Combinations
/// are measured one at a time, on a cluster one at a time on each executor, because tests on one machine measure each other.
///
/// Each repetition is a row of a new Parquet file in the results directory; `pixmill report` draws them, and the queries
/// speed_test_*.sql average them. docs/speed-tests.md tells what the columns mean.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill speed-test --source photos 'shards/*.tfrec' --batch-sizes 2,4,8 --batch-numbers 3,6 --repetitions 2 --results results"
)]
pub(crate) struct SpeedTest {
    /// Directories or globs of image files or of TFRecord shards
    #[arg(long, value_name = "GLOB", required = true, num_args = 1..)]
    source: Vec<String>,

    /// Images in a batch
    #[arg(long, value_name = "N,...", default_value = "2,4,8,16")]
    batch_sizes: String,

    /// Batches that are read
    #[arg(long, value_name = "N,...", default_value = "3,6,12,24")]
    batch_numbers: String,

    /// How often each combination is measured
    #[arg(long, value_name = "N", default_value = "3")]
    repetitions: String,

    /// Read only: images are not decoded
    #[arg(long)]
    no_decode: bool,

    /// Pixels that images of files are resized to; those of shards are taken to have their size
    #[arg(long, value_name = "WxH", default_value = "192x192", value_parser = parse_size)]
    size: (u16, u16),

    /// Drop the files from the page cache before each repetition, where the system can
    #[arg(long)]
    cold: bool,

    /// Combinations that a process measures at a time
    #[arg(long, value_name = "N", default_value = "1")]
    concurrent: String,

    /// The feature of shards that holds the image; found by its name, else by its bytes
    #[arg(long, value_name = "NAME")]
    image: Option<String>,

    /// Where the rows of this test are written, beside those of earlier ones
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,

    /// How rows are printed: all columns, but in tables those that are looked at first, and the averages behind them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Measure on the cluster of this scheduler instead of in this process
    #[arg(long, value_name = "df://HOST:PORT")]
    cluster: Option<HostPort>,

    /// Locations that may be read, separated by commas; everywhere by default
    #[arg(long, value_name = "LIST", conflicts_with = "cluster")]
    allow: Option<AllowList>,

    #[command(flatten)]
    stores: StoreArgs,
}

/// Columns of a table that is printed: the file has more.
const SHOWN: [&str; 12] = [
    "source",
    "batch_size",
    "batch_number",
    "repetition",
    "images",
    "seconds",
    "images_per_second",
    "mb_per_second",
    "first_batch_seconds",
    "executor",
    "cache",
    "error",
];

/// Notes that are printed, each once; the file has all.
const MOST_NOTES: usize = 10;

/// The query that averages results.
const AVERAGES: &str = include_str!("../../queries/speed_test_averages.sql");

impl SpeedTest {
    pub(crate) fn run(self) -> Result<()> {
        let engine = EngineArgs {
            threads: Threads::default(),
            cluster: self.cluster.clone(),
            allow: self.allow.clone(),
            stores: self.stores.clone(),
        };
        let mut results = Results { file: ResultsFile::create(&self.results, "speed-test")?, rows: Vec::new() };
        let measured = with_engine(&engine, async |engine| self.measure(engine, &mut results).await);
        // What was measured before an interruption is kept.
        let Some(rows) = results.finish()? else {
            measured?;
            return Err(Error::Failed("nothing was measured".to_string()));
        };
        print(&rows, self.format)?;
        if matches!(self.format, Format::Table | Format::Markdown) {
            print_averages(results.file.path(), self.format)?;
        }
        let path = results.file.path().display();
        eprintln!("wrote {} to {path}", counted(rows.num_rows() as u64, "measurement"));
        let notes = notes(&rows);
        for (note, measurements) in notes.iter().take(MOST_NOTES) {
            eprintln!("{}: {note}", counted(*measurements, "measurement"));
        }
        if let Some(more @ 1..) = notes.len().checked_sub(MOST_NOTES) {
            eprintln!("{}: see the column note", counted(more as u64, "other note"));
        }
        measured?;
        match errors(&rows) {
            0 => Ok(()),
            failed => Err(Error::Failed(format!(
                "{} failed; the column error of {path} says why",
                counted(failed as u64, "measurement")
            ))),
        }
    }

    async fn measure(&self, engine: &Engine, results: &mut Results) -> Result<()> {
        for statement in engine.parse(&self.sql())? {
            let running = engine.start(statement).await?;
            // A file that is there can be read, also before the first measurement and between them.
            results.file.write(&RecordBatch::new_empty(running.schema()))?;
            let (mut watched, mut written) = (Watched::new(running), Instant::now());
            while let Some(batch) = watched.next().await {
                results.rows.push(batch?);
                if written.elapsed().as_secs() >= 1 {
                    results.write()?;
                    written = Instant::now();
                }
            }
        }
        Ok(())
    }

    fn sql(&self) -> String {
        let mut arguments: Vec<String> = self.source.iter().map(|source| quoted(source)).collect();
        let mut set = |name: &str, value: &str| arguments.push(format!("{name} => {}", quoted(value)));
        set("batch_sizes", &self.batch_sizes);
        set("batch_numbers", &self.batch_numbers);
        set("repetitions", &self.repetitions);
        set("decode", &(!self.no_decode).to_string());
        set("width", &self.size.0.to_string());
        set("height", &self.size.1.to_string());
        set("cold", &self.cold.to_string());
        set("concurrent", &self.concurrent);
        if let Some(image) = &self.image {
            set("image", image);
        }
        format!("SELECT * FROM speed_test({})", arguments.join(", "))
    }
}

/// What has been measured, and its file.
struct Results {
    file: ResultsFile,
    rows: Vec<RecordBatch>,
}

impl Results {
    fn all(&self) -> Result<Option<RecordBatch>> {
        self.rows.first().map(|first| together(&first.schema(), &self.rows)).transpose()
    }

    fn write(&self) -> Result<()> {
        self.all()?.map_or(Ok(()), |rows| self.file.write(&rows))
    }

    /// Writes all rows, and removes the file of a test that has none.
    fn finish(&self) -> Result<Option<RecordBatch>> {
        let rows = self.all()?;
        match &rows {
            Some(rows) => self.file.write(rows)?,
            None => self.file.remove()?,
        }
        Ok(rows)
    }
}

fn print(rows: &RecordBatch, format: Format) -> Result<()> {
    let rows = match format {
        Format::Table | Format::Markdown => looked_at_first(rows, &SHOWN)?,
        Format::Csv | Format::Json | Format::Jsonl => rows.clone(),
    };
    let mut printer = RowPrinter::new(std::io::stdout(), rows.schema(), format, &Look::of_stdout());
    printer.print(rows)?;
    printer.finish_counted()?;
    Ok(())
}

fn print_averages(results: &Path, format: Format) -> Result<()> {
    let engine = EngineArgs { threads: Threads::default(), cluster: None, allow: None, stores: StoreArgs::default() };
    let template = Template::parse(AVERAGES).and_then(|mut template| {
        template.set("input", &results.display().to_string())?;
        template.sql()
    });
    let sql = template.map_err(Error::Failed)?;
    with_engine(&engine, async |engine| print_all(engine, &sql, format).await)
}

fn texts<'a>(rows: &'a RecordBatch, name: &str) -> impl Iterator<Item = &'a str> {
    let column = rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.into_iter().flat_map(|column| column.iter().flatten())
}

fn errors(rows: &RecordBatch) -> usize {
    texts(rows, "error").count()
}

/// What is to be said of measurements, and of how many.
fn notes(rows: &RecordBatch) -> BTreeMap<&str, u64> {
    let mut notes = BTreeMap::new();
    for note in texts(rows, "note") {
        *notes.entry(note).or_default() += 1;
    }
    notes
}
