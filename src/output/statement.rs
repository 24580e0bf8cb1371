//! A statement under way: its rows to where they are printed, its progress and its summary to stderr.

use std::io::Write;
use std::pin::pin;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use indicatif::{HumanBytes, HumanCount};
use tokio::time::{Interval, MissedTickBehavior};

use super::{Format, ListingDisplay, Look, ProgressDisplay, RowPrinter, Shown};
use crate::engine::{RunningStatement, Session, Statement, UPDATE_INTERVAL};
use crate::error::{Error, Result};

/// How rows are printed.
pub(crate) struct Printing {
    /// As what.
    pub(crate) format: Format,
    /// How a table is drawn.
    pub(crate) look: Look,
    /// Whether a table's rows are counted below it.
    pub(crate) is_counted: bool,
}

/// Runs a statement and prints its rows; progress and summaries go to stderr. Dropped, it is cancelled.
pub(crate) async fn run_one(
    session: &Session,
    statement: Statement,
    mut out: impl Write,
    printing: &Printing,
) -> Result<Shown> {
    let started = Instant::now();
    let running = start(session, statement).await?;
    let target = running.target();
    let mut printer = RowPrinter::new(&mut out, running.schema(), printing.format, &printing.look);
    let mut watched = Watched::new(running);
    let mut written = Written::default();
    while let Some(batch) = watched.next().await {
        let batch = batch?;
        if target.is_some() {
            written.add(&batch);
        }
        printer.print(batch)?;
    }
    let left_out = watched.finish();
    let shown = if printing.is_counted { printer.finish_counted()? } else { printer.finish()? };
    out.flush().map_err(Error::output)?;
    if let Some(text) = left_out {
        eprintln!("{text}");
    }
    if let Some(target) = target {
        eprintln!("{}", written.summary(&target, started.elapsed()));
    }
    Ok(shown)
}

/// Plans a statement and starts it; what is listed for that is shown meanwhile.
async fn start(session: &Session, statement: Statement) -> Result<RunningStatement> {
    let mut display = ListingDisplay::new(session.listed());
    let mut planned = pin!(session.start(statement));
    let mut tick = ticks();
    loop {
        tokio::select! {
            running = &mut planned => return running,
            _ = tick.tick() => display.update(session.listed()),
        }
    }
}

fn ticks() -> Interval {
    let mut tick = tokio::time::interval(UPDATE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tick
}

/// A statement under way whose progress is shown.
pub(crate) struct Watched {
    running: RunningStatement,
    display: ProgressDisplay,
    tick: Interval,
}

impl Watched {
    pub(crate) fn new(running: RunningStatement) -> Self {
        Self { running, display: ProgressDisplay::new(), tick: ticks() }
    }

    /// The next rows; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            tokio::select! {
                batch = self.running.next() => return batch,
                _ = self.tick.tick() => {
                    self.display.update(self.running.progress());
                    self.display.rounds(self.running.rounds());
                    self.display.stalled(self.running.stalled());
                }
            }
        }
    }

    /// Takes the display away and says what was left out, if anything was.
    pub(crate) fn finish(self) -> Option<String> {
        self.running.progress().left_out()
    }
}

/// What a sink's rows add up to.
#[derive(Default)]
pub(crate) struct Written {
    shards: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) rejected: u64,
}

impl Written {
    /// Takes up rows of a sink.
    pub(crate) fn add(&mut self, rows: &RecordBatch) {
        let sum = |column: usize| -> u64 {
            let column = rows.column(column).as_primitive::<Int64Type>();
            column.values().iter().map(|value| value.unsigned_abs()).sum()
        };
        self.shards += (rows.num_rows() - rows.column(0).null_count()) as u64;
        self.records += sum(1);
        self.bytes += sum(2);
        self.rejected += sum(3);
    }

    fn summary(&self, target: &str, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = (self.records + self.rejected) as f64 / seconds.max(0.001);
        let mut text = format!(
            "wrote {} {} in {} {}, {} to {} in {seconds:.1} s ({rate:.0} images/s)",
            HumanCount(self.records),
            if self.records == 1 { "record" } else { "records" },
            HumanCount(self.shards),
            if self.shards == 1 { "shard" } else { "shards" },
            HumanBytes(self.bytes),
            target,
        );
        if self.rejected > 0 {
            text.push_str(&format!(
                "; {} rejected, listed in {}",
                HumanCount(self.rejected),
                crate::format::manifest::REJECTS
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_was_written_and_what_was_not() {
        let written = Written { shards: 16, records: 1, bytes: 3 << 20, rejected: 2 };
        assert_eq!(
            written.summary("out", Duration::from_secs(2)),
            "wrote 1 record in 16 shards, 3.00 MiB to out in 2.0 s (2 images/s); 2 rejected, listed in _rejects.csv"
        );
    }
}
