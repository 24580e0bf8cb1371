//! `pixmill verify`: whether shards are what they say.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::engine::{EngineArgs, PATIENCE, StoreArgs, Threads, with_engine};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::output::{ProgressDisplay, aligned};
use crate::storage::{AllowList, Reach, is_object_url};
use crate::verify::{
    AlikeReport, DuplicateRule, Duplicates, FolderReport, Label, Labels, MOST_BITS, Options, Report, ShardReport,
    check_folders, verify,
};
use crate::words::{counted, printable};

/// Check shards: TFRecord, WebDataset and Parquet files, told apart by what is in them
///
/// Framing and checksums; record counts against names, manifest and indexes; features and labels; images that can't be
/// decoded, or that are there twice. All shards of a call are taken for one dataset. Looking for duplicates takes 16 bytes of
/// memory for each image.
///
/// Exits with 1 when there is a fault.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill verify out/flowers\n  pixmill verify --images data/flowers")]
pub(crate) struct Verify {
    /// Shards, or with --images folders of images: directories, files or globs, local or in stores
    #[arg(value_name = "GLOB", required = true)]
    locations: Vec<String>,

    /// The locations are folders of images: decode all of them, and tell what can't be read or decoded, formats and sizes, copies, and
    /// images that look alike, in about 60 bytes of memory for each
    #[arg(long, conflicts_with_all = ["decode_every", "label"])]
    images: bool,

    /// With --images: in how many of 64 bits the hashes of images that look alike may differ
    #[arg(long, value_name = "BITS", default_value_t = 3, requires = "images", value_parser = clap::value_parser!(u32).range(0..=i64::from(MOST_BITS)))]
    look_alike_bits: u32,

    /// Decode the images of every N-th record; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10)]
    decode_every: u64,

    /// The feature that is the label, which every record must have; by default class, label and the like
    #[arg(long, value_name = "NAME")]
    label: Option<String>,

    /// What becomes of images that are there twice, by a hash of their bytes
    #[arg(long, value_enum, default_value_t = DuplicateRule::Report)]
    duplicates: DuplicateRule,

    /// How the findings are printed
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,

    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    stores: StoreArgs,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// A table
    Table,
    /// An object
    Json,
}

impl Verify {
    pub(crate) fn run(self) -> Result<()> {
        if self.images {
            return self.run_on_folders();
        }
        let options = Options {
            decode_every: self.decode_every,
            label: self.label,
            duplicates: self.duplicates,
            threads: self.threads.count(),
        };
        let mut display = ProgressDisplay::new();
        // Only what is in a store needs the threads of an engine.
        let is_of_store = self.locations.iter().any(|location| is_object_url(location));
        let settings = || self.stores.settings();
        let engine = is_of_store.then(|| Engine::local_within(1, AllowList::default(), settings()?)).transpose()?;
        let reach = engine.as_ref().map(|engine| Reach::of(engine.context().state().config())).unwrap_or_default();
        let report = verify(&self.locations, &options, reach, |progress| display.update(progress));
        drop(display);
        if let Some(engine) = engine {
            engine.close(PATIENCE);
        }
        let report = report?;
        print(self.format, &report, text)?;
        end(report.summary.faults)
    }

    fn run_on_folders(self) -> Result<()> {
        let engine = EngineArgs { threads: self.threads, cluster: None, allow: None, stores: self.stores };
        let (locations, bits) = (&self.locations, self.look_alike_bits);
        let report = with_engine(&engine, async |engine| check_folders(engine, locations, bits).await)?;
        print(self.format, &report, text_of_folders)?;
        let copies = if self.duplicates == DuplicateRule::Fail { report.copies.images } else { 0 };
        end(report.summary.faults + copies)
    }
}

fn print<T: Serialize>(format: ReportFormat, report: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
    let text = match format {
        // Names of files and values may be anything.
        ReportFormat::Table => text(report).lines().map(|line| printable(line) + "\n").collect(),
        ReportFormat::Json => match serde_json::to_string_pretty(report) {
            Ok(json) => format!("{json}\n"),
            Err(error) => return Err(Error::Failed(format!("cannot print the findings: {error}"))),
        },
    };
    io::stdout().write_all(text.as_bytes()).map_err(Error::output)
}

fn end(faults: u64) -> Result<()> {
    match faults {
        0 => Ok(()),
        faults => Err(Error::Failed(format!("{} found", counted(faults, "fault")))),
    }
}

fn text_of_folders(report: &FolderReport) -> String {
    let mut rows = vec![["label", "images", "state"].map(str::to_string)];
    for label in &report.labels {
        for (state, images) in &label.states {
            rows.push([label.label.clone().unwrap_or_default(), images.to_string(), state.clone()]);
        }
    }
    let mut text = aligned(&rows, 1..2);
    for size in report.image_sizes.iter().take(MOST_LINES) {
        let (format, width, height) = (&size.format, size.width, size.height);
        text.push_str(&format!("{} {format} {width}x{height}\n", HumanCount(size.count)));
    }
    text.push_str(&alike("copies", &report.copies));
    text.push_str(&alike("look alike", &report.look_alikes));
    for fault in &report.faults {
        text.push_str(&format!("{}: {}: {}\n", fault.path, fault.class, fault.message));
    }
    let summary = &report.summary;
    let unlisted = summary.faults.saturating_sub(report.faults.len() as u64);
    if unlisted > 0 {
        text.push_str(&format!("{}, not listed\n", counted(unlisted, "more fault")));
    }
    let (images, bytes) = (counted(summary.images, "image"), HumanBytes(summary.bytes));
    text.push_str(&format!("{images}, {bytes}, {}\n", counted(summary.faults, "fault")));
    text
}

fn alike(what: &str, found: &AlikeReport) -> String {
    if found.images == 0 {
        return String::new();
    }
    let mut text = format!("{what}: {}\n", counted(found.images, "image"));
    for pair in &found.listed {
        text.push_str(&format!("  {} and {}\n", pair.first, pair.again));
    }
    text
}

/// How many labels and image sizes are printed; JSON has all.
const MOST_LINES: usize = 20;

fn text(report: &Report) -> String {
    let mut text = table(&report.shards);
    let records = report.summary.records;
    for (name, feature) in &report.features {
        text.push_str(&format!("feature {name}: {}\n", feature.describe(records)));
    }
    text.push_str(&sizes(report));
    text.push_str(&report.labels.as_ref().map(labels).unwrap_or_default());
    text.push_str(&report.duplicates.as_ref().map(duplicates).unwrap_or_default());
    for shard in &report.shards {
        for note in &shard.notes {
            text.push_str(&format!("{}: note: {note}\n", shard.path));
        }
    }
    if !report.passed_over.is_empty() {
        text.push_str(&format!("no shards, passed over: {}\n", report.passed_over.join(", ")));
    }
    for fault in &report.faults {
        text.push_str(&format!("{fault}\n"));
    }
    let summary = &report.summary;
    let unlisted = summary.faults.saturating_sub(report.faults.len() as u64);
    if unlisted > 0 {
        let more = counted(unlisted, "more fault");
        text.push_str(&format!("{more}, not listed\n"));
    }
    text.push_str(&format!(
        "{}, {}, {}, {} of {} decoded, {}\n",
        counted(summary.shards as u64, "shard"),
        counted(summary.records, "record"),
        HumanBytes(summary.bytes),
        HumanCount(summary.images_decoded),
        counted(summary.images, "image"),
        counted(summary.faults, "fault")
    ));
    text
}

/// One row per shard.
fn table(shards: &[ShardReport]) -> String {
    let mut rows = vec![["shard", "format", "records", "bytes", "images", "decoded", "state"].map(str::to_string)];
    for shard in shards {
        let format = [shard.format, shard.compression].into_iter().flatten().collect::<Vec<_>>().join(" ");
        rows.push([
            shard.path.clone(),
            if format.is_empty() { "?".to_string() } else { format },
            shard.records.to_string(),
            shard.bytes.to_string(),
            shard.images.to_string(),
            shard.images_decoded.to_string(),
            match shard.faults {
                0 => "ok".to_string(),
                1 => "1 FAULT".to_string(),
                faults => format!("{faults} FAULTS"),
            },
        ]);
    }
    aligned(&rows, 2..6)
}

fn sizes(report: &Report) -> String {
    let sizes = report.image_sizes.iter();
    let lines = sizes.map(|size| format!("{} {}x{}: {}", size.format, size.width, size.height, HumanCount(size.count)));
    listed("images", lines.collect())
}

fn labels(labels: &Labels) -> String {
    let lines = labels.values.iter().map(|label| {
        let value = match &label.value {
            Label::Number(number) => number.to_string(),
            Label::Text(text) => text.escape_debug().to_string(),
        };
        let name = label.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{value}{name}: {}", HumanCount(label.count))
    });
    listed(&format!("label {}", labels.feature), lines.collect())
}

fn duplicates(duplicates: &Duplicates) -> String {
    let mut text = String::new();
    for duplicate in &duplicates.listed {
        let (first, again) = (&duplicate.first, &duplicate.again);
        let more = match duplicate.places - 2 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        text.push_str(&format!(
            "same image: {}, record {}; {}, record {}{more}\n",
            first.path, first.record, again.path, again.record
        ));
    }
    if duplicates.images > 0 {
        let are = if duplicates.images == 1 { "is a copy" } else { "are copies" };
        let images = counted(duplicates.images, "image");
        text.push_str(&format!("{images} {are} of {}\n", counted(duplicates.groups, "other")));
    }
    text
}

/// A title and a line for each entry, as far as they are printed.
fn listed(title: &str, lines: Vec<String>) -> String {
    let mut text = String::new();
    for line in lines.iter().take(MOST_LINES) {
        text.push_str(&format!("{title} {line}\n"));
    }
    if lines.len() > MOST_LINES {
        text.push_str(&format!("{title}: {} more, see --format json\n", lines.len() - MOST_LINES));
    }
    text
}
