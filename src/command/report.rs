//! `pixmill report`: the results of speed tests on one page.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::HumanBytes;

use super::check_out;
use super::engine::{EngineArgs, StoreArgs, Threads, with_engine};
use crate::error::{Error, Result};
use crate::report::Report as Results;
use crate::storage::write_whole;
use crate::words::counted;

/// Write the results of speed tests as one page of findings, tables and charts
///
/// The page is one HTML file that needs no network: throughput by batch size, batch number and their product, linear
/// regressions and where they break down, files against shards, the time to the first batch, the spread of repetitions and
/// executors, and a model of latency, bandwidth and the cost of an image that predicts the whole source on more workers.
///
/// Results of several runs are taken together, as long as all files have the columns of this version. Repetitions that
/// failed are listed, and are in no average.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill report speed --out report.html\n  \
                  pixmill report 'speed/2026-11-*.parquet' --out report.html --svg charts")]
pub(crate) struct Report {
    /// What 'pixmill speed-test' has written: a directory, a Parquet file or a glob, local or in a store
    #[arg(value_name = "RESULTS")]
    results: String,

    /// The page to write, an .html file; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Also write each chart here, as an .svg file of its own
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,

    /// Only the results of this run; the page lists the runs there are
    #[arg(long, value_name = "ID")]
    run: Option<String>,

    #[command(flatten)]
    stores: StoreArgs,
}

impl Report {
    pub(crate) fn run(self) -> Result<()> {
        let started = Instant::now();
        self.check()?;
        let engine =
            EngineArgs { threads: Threads::default(), cluster: None, allow: None, stores: self.stores.clone() };
        let results =
            with_engine(&engine, async |engine| Results::of(engine, &self.results, self.run.as_deref()).await)?;
        let charts = results.charts()?;
        if let Some(directory) = &self.svg {
            fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
            for chart in &charts {
                let path = directory.join(format!("{}.svg", chart.name));
                write_whole(&path, chart.alone().as_bytes()).map_err(Error::file("write", &path))?;
            }
        }
        let page = results.page(&charts);
        write_whole(&self.out, page.as_bytes()).map_err(Error::file("write", &self.out))?;
        let beside = self.svg.as_ref().map(|directory| format!(" and, as files, to {}", directory.display()));
        eprintln!(
            "wrote a report on {}, with {}, {}, to {}{} in {:.1} s",
            results.summary(),
            counted(charts.len() as u64, "chart"),
            HumanBytes(page.len() as u64),
            self.out.display(),
            beside.unwrap_or_default(),
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Refuses what can't end well before anything is read.
    fn check(&self) -> Result<()> {
        let extension = self.out.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        if !matches!(extension.as_deref(), Some("html" | "htm")) {
            return Err(Error::Usage(format!("--out must end in .html, got '{}'", self.out.display())));
        }
        if let Some(directory) = self.svg.as_ref().filter(|directory| directory.exists() && !directory.is_dir()) {
            return Err(Error::Usage(format!("--svg must be a directory, got the file '{}'", directory.display())));
        }
        check_out(&self.out)
    }
}
