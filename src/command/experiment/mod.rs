//! `pixmill experiment`: a pipeline on clusters of several shapes, measured.

mod measure;
mod pipeline;
mod results;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::HumanCount;

use self::measure::{ClusterShape, Run, measure};
use self::pipeline::Pipeline;
use self::results::{Results, Row};
use super::cluster::{Roles, Shape};
use super::engine::Threads;
use super::generate;
use super::process::runtime;
use super::template::in_file;
use crate::error::{Error, Result};
use crate::output::Format;

/// Run a pipeline file on clusters of several shapes, and measure each run
///
/// A fresh cluster of processes on this machine is started for each shape. On it the pipeline runs with each number of
/// partitions, as often as --repetitions says. --partitions sets the name `partitions` of the file's header, or where there
/// is none `shards`; the statements have to use it, as in OPTIONS (shards ${shards}).
///
/// Each run writes to a directory of its own, by the header's name `output`, which is removed after the run; --keep keeps it.
///
/// Each statement that gives rows is measured, and is a row of a new Parquet file in the results directory:
///
/// query, shape, executors, vcores, partitions, repetition: what was run; cores: those of this machine;
/// statement: which statement of the file, from 1; started_at;
/// wall_seconds: until its last row was here, of which plan_seconds until its first task could start;
/// executor_cpu_seconds, scheduler_cpu_seconds: of all threads of these processes;
/// bytes_read: of the input files, from disk or cache; files: how many, in record files the parts they are read in;
/// bytes_written, records, rejected: of the shards of a COPY; rows: of the result;
/// disk_bytes_read, disk_bytes_written: what executors fetched from and gave to disks, by the system's count (what is cached
/// is not fetched), with the rows that go from stage to stage;
/// images_per_second: records and rejects of a COPY, else files, by wall_seconds;
/// cost: price x executors x vcores x wall hours; error: why a run failed; version: pixmill's.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill experiment queries/flowers_to_tfrecord.sql --shapes 1x2,2x1 --partitions 2,16 --repetitions 3"
)]
pub(crate) struct Experiment {
    /// The pipeline: a file of SQL statements
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Clusters to run it on: executors x vcores of each
    #[arg(long, value_name = "EXECUTORSxVCORES,...", required = true, value_delimiter = ',')]
    shapes: Vec<ClusterShape>,

    /// Numbers of partitions to run it with
    #[arg(long, value_name = "N,...", required = true, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=100_000))]
    partitions: Vec<u32>,

    /// Runs of each shape and number of partitions
    #[arg(long, value_name = "N", default_value = "1")]
    repetitions: NonZero<u32>,

    /// The price of a vcore for an hour, in any currency
    #[arg(long, value_name = "PRICE_PER_VCORE_HOUR", value_parser = parse_price)]
    price: Option<f64>,

    /// A value for a name of the file's header
    #[arg(long = "set", value_name = "NAME=VALUE")]
    values: Vec<String>,

    /// Where the table of this experiment is written, beside those of earlier ones
    #[arg(long, value_name = "DIR", default_value = "experiments")]
    results: PathBuf,

    /// Keep what each run writes, in a directory of its own in here
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// How rows are printed: all columns, but in tables those that are looked at first
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Experiment {
    pub(crate) fn run(self) -> Result<()> {
        let pipeline = Pipeline::open(&self.file, &self.values)?;
        for request in pipeline.generate().map_err(in_file(&self.file))? {
            generate::make_default_input(&request, Threads::default().count())?;
        }
        let cores = Threads::default().count();
        warn(&self.shapes, cores);
        let mut results = Results::create(&self.results, &self.file, cores, self.price)?;
        let temporary = results.temporary_directory();
        let ended = runtime()?.block_on(async {
            tokio::select! {
                ended = self.measure_all(&pipeline, &temporary, &mut results) => ended,
                _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            }
        });
        remove(&temporary);
        // What was measured before an interruption is kept.
        results.print(self.format)?;
        ended?;
        results.verdict()
    }

    /// All runs, in the order of the arguments.
    async fn measure_all(&self, pipeline: &Pipeline, temporary: &Path, results: &mut Results) -> Result<()> {
        for shape in &self.shapes {
            let mut cluster = None;
            for (partitions, repetition) in self.runs() {
                let run = Run { shape: *shape, partitions, repetition };
                let mut roles = match cluster.take() {
                    Some(roles) => roles,
                    None => match start(*shape, temporary).await {
                        Ok(roles) => roles,
                        Err(error) => {
                            results.add(vec![Row::failed(run, &error)])?;
                            continue;
                        }
                    },
                };
                let output = self.keep.as_deref().unwrap_or(temporary).join(run.name());
                eprintln!("{run} of {}", self.repetitions);
                let rows = measure(&mut roles, run, &pipeline.sql(partitions, &output)?).await;
                if self.keep.is_none() {
                    remove(&output);
                }
                let is_sound = rows.iter().all(|row| row.error.is_none());
                results.add(rows)?;
                match is_sound {
                    true => cluster = Some(roles),
                    // What a failed run has left of a cluster is no fair start for the next.
                    false => roles.stop().await,
                }
            }
            if let Some(roles) = cluster {
                roles.stop().await;
            }
        }
        Ok(())
    }

    /// Partitions and repetitions of all runs of a shape.
    fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        let repetitions = self.repetitions.get();
        self.partitions.iter().flat_map(move |partitions| (1..=repetitions).map(|repetition| (*partitions, repetition)))
    }
}

/// Starts a cluster on free ports.
async fn start(shape: ClusterShape, temporary: &Path) -> Result<Roles> {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let work_dir = Some(temporary.join("executors"));
    Roles::start(bind, &Shape { executors: shape.executors, vcores: shape.vcores, work_dir, ..Shape::default() }).await
}

/// Says that a machine is too small for its cluster.
fn warn(shapes: &[ClusterShape], cores: usize) {
    let large = shapes.iter().filter(|shape| shape.executors * shape.vcores > cores);
    let large: Vec<String> = large.map(ToString::to_string).collect();
    if !large.is_empty() {
        eprintln!(
            "warning: {} {} more vcores than this machine has cores ({}): tasks wait for each other, and times are longer than on machines \
             with as many cores",
            large.join(", "),
            if large.len() == 1 { "has" } else { "have" },
            HumanCount(cores as u64)
        );
    }
}

/// Removes a directory in which processes that were just killed may have written.
fn remove(directory: &Path) {
    for _ in 0..20 {
        if fs::remove_dir_all(directory).is_ok() || !directory.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("warning: '{}' can't be removed; remove it yourself", directory.display());
}

fn parse_price(text: &str) -> std::result::Result<f64, String> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| format!("must be a number from 0, as in 0.048, got '{text}'"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        experiment: Experiment,
    }

    fn parse(arguments: &str) -> std::result::Result<Experiment, String> {
        let line = Line::try_parse_from(std::iter::once("x").chain(arguments.split(' ')));
        line.map(|line| line.experiment).map_err(|error| error.to_string())
    }

    #[test]
    fn every_partition_count_is_repeated() {
        let experiment = parse("f.sql --shapes 1x8,4x2 --partitions 2,16 --repetitions 2").expect("sound");
        let runs: Vec<_> = experiment.runs().collect();
        assert_eq!((experiment.shapes.len(), runs), (2, vec![(2, 1), (2, 2), (16, 1), (16, 2)]));
    }

    #[test]
    fn wrong_lists_and_prices_are_refused() {
        for (arguments, said) in [
            ("f.sql --shapes 4by2 --partitions 2", "must be EXECUTORSxVCORES"),
            ("f.sql --shapes 4x2, --partitions 2", "must be EXECUTORSxVCORES"),
            ("f.sql --shapes 4x2 --partitions 2,0", "0 is not in 1..=100000"),
            ("f.sql --shapes 4x2", "--partitions"),
            ("f.sql --shapes 4x2 --partitions 2 --repetitions 0", "zero"),
            ("f.sql --shapes 4x2 --partitions 2 --price=-1", "must be a number from 0"),
        ] {
            let error = parse(arguments).expect_err(arguments);
            assert!(error.contains(said), "{arguments}: {error}");
        }
    }
}
