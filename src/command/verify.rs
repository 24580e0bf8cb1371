//! `pixmill verify`: whether shards are what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount};
use prost::Message;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{MANIFEST, Manifest};
use crate::format::tfrecord::{Example, RecordFile, RecordReader, Values};
use crate::storage::Location;

/// Check shards: framing, checksums, counts, features, and whether a sample of the images decodes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill verify out/flowers")]
pub(crate) struct Verify {
    /// Shards: directories, files or globs
    #[arg(value_name = "GLOB", required = true)]
    locations: Vec<String>,

    /// Decode every N-th record's images; 0 for none
    #[arg(long, value_name = "N", default_value_t = 10)]
    decode_every: u64,

    /// How the findings are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table
    Table,
    /// An object
    Json,
}

/// What was found in a shard.
#[derive(Debug, Default, Serialize)]
struct Finding {
    path: String,
    records: u64,
    bytes: u64,
    /// Features and the kinds they have.
    features: BTreeMap<String, BTreeSet<&'static str>>,
    images_decoded: u64,
    /// What is wrong.
    faults: Vec<String>,
    #[serde(skip)]
    feature_counts: BTreeMap<String, u64>,
    #[serde(skip)]
    crc32c: String,
}

#[derive(Serialize)]
struct Summary {
    shards: usize,
    records: u64,
    bytes: u64,
    images_decoded: u64,
    faults: usize,
}

impl Verify {
    pub(crate) fn run(self) -> Result<()> {
        let mut paths = BTreeMap::new();
        for location in &self.locations {
            let parsed = Location::parse(location)?;
            let before = paths.len();
            for found in parsed.files(true) {
                let found = found?;
                if let Some(shown) = parsed.shown(&found.path).filter(|_| found.is_named || is_shard(&found.path)) {
                    paths.insert(found.path, shown);
                }
            }
            if paths.len() == before && !Path::new(location).join(MANIFEST).exists() {
                return Err(Error::Usage(format!("no shards at '{location}'")));
            }
        }
        let mut findings = Vec::with_capacity(paths.len());
        for (path, shown) in &paths {
            findings.push(verify(path, shown, self.decode_every));
        }
        let faults = check_manifests(&self.locations, &paths, &mut findings)?;
        let summary = summary(&findings, faults.len());
        let text = match self.format {
            Format::Table => table(&findings, &faults, &summary),
            Format::Json => {
                let findings = serde_json::json!({ "shards": findings, "datasets": faults, "summary": summary });
                format!("{findings:#}\n")
            }
        };
        io::stdout().write_all(text.as_bytes()).map_err(Error::output)?;
        match summary.faults {
            0 => Ok(()),
            1 => Err(Error::Failed("1 fault found".to_string())),
            faults => Err(Error::Failed(format!("{faults} faults found"))),
        }
    }
}

/// Whether a file of a directory is a shard: neither hidden, nor beside the data, nor an index.
fn is_shard(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with(['_', '.']) && !name.ends_with(".idx")
}

fn verify(path: &Path, shown: &str, decode_every: u64) -> Finding {
    let mut finding = Finding { path: shown.to_string(), ..Finding::default() };
    let result = read_records(path, &mut finding, decode_every);
    if let Err(fault) = result {
        finding.faults.push(fault);
    }
    let named = path.file_name().and_then(|name| count_in_name(name.to_str()?));
    if let Some(named) = named.filter(|named| *named != finding.records) {
        finding.faults.push(format!("its name says {named} records, it holds {}", finding.records));
    }
    finding
}

fn read_records(path: &Path, finding: &mut Finding, decode_every: u64) -> std::result::Result<(), String> {
    finding.bytes = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if finding.bytes == 0 {
        return Err("empty file (0 bytes)".to_string());
    }
    finding.crc32c = checksum(path).map_err(|error| format!("cannot be read: {error}"))?;
    let input = RecordFile::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut reader = RecordReader::new(input);
    while let Some(data) = reader.next().map_err(|error| format!("record {}: {error}", finding.records))? {
        let record = finding.records;
        finding.records += 1;
        match Example::decode(data) {
            Ok(example) => {
                let decodes = decode_every > 0 && record.is_multiple_of(decode_every);
                check_example(&example, record, decodes, finding);
            }
            Err(error) => finding.faults.push(format!("record {record}: not a tf.train.Example: {error}")),
        }
    }
    Ok(())
}

/// The CRC-32C of a file, as the manifest has it.
fn checksum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; 1 << 20];
    let mut crc = 0;
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(format!("{crc:08x}")),
            read => crc = crc32c::crc32c_append(crc, &bytes[..read]),
        }
    }
}

fn check_example(example: &Example, record: u64, decodes: bool, finding: &mut Finding) {
    let features = example.features.iter().flat_map(|features| &features.feature);
    for (name, feature) in features {
        let Some(values) = &feature.values else { continue };
        let kind = match values {
            Values::Bytes(_) => "bytes_list",
            Values::Float(_) => "float_list",
            Values::Int64(_) => "int64_list",
        };
        finding.features.entry(name.clone()).or_default().insert(kind);
        *finding.feature_counts.entry(name.clone()).or_default() += 1;
        let Values::Bytes(list) = values else { continue };
        for value in list.value.iter().filter(|value| decodes && looks_like_an_image(value)) {
            finding.images_decoded += 1;
            if let Some(reason) = pixmill_udfs::image_error(value) {
                finding.faults.push(format!("record {record}: feature '{name}': {reason}"));
            }
        }
    }
}

/// Whether bytes begin like an image file; other bytes are text or whatever else.
fn looks_like_an_image(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 6] = [b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*"];
    starts.iter().any(|start| bytes.starts_with(start))
}

/// The record count in a name of the form `...-<count>.<extension>`, unless it is the `n` of `00000-of-n`.
fn count_in_name(name: &str) -> Option<u64> {
    let (stem, _) = name.split_once('.')?;
    let (before, count) = stem.rsplit_once('-')?;
    let is_number_of_shards = before.ends_with("-of") || before == "part";
    count.parse().ok().filter(|_| !is_number_of_shards)
}

/// Compares shards with the manifests beside them; returns the faults that belong to no shard.
fn check_manifests(
    locations: &[String],
    paths: &BTreeMap<PathBuf, String>,
    findings: &mut [Finding],
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for directory in dataset_directories(locations, paths) {
        let read = Manifest::read(&directory).map_err(Error::file("read", directory.join(MANIFEST)));
        let Some(manifest) = read? else { continue };
        let mut listed = BTreeMap::new();
        for shard in &manifest.shards {
            listed.insert(directory.join(&shard.path), shard);
        }
        let is_whole = locations.iter().any(|location| Path::new(location) == directory);
        for (path, shard) in &listed {
            if !paths.contains_key(path) && (is_whole || !path.exists()) {
                faults.push(format!(
                    "{}: the manifest lists it, and it isn't there",
                    directory.join(&shard.path).display()
                ));
            }
        }
        for (path, finding) in paths.keys().zip(findings.iter_mut()).filter(|(path, _)| path.starts_with(&directory)) {
            let Some(shard) = listed.get(path) else {
                finding.faults.push("the manifest doesn't list it".to_string());
                continue;
            };
            let differs = |what: &str, listed: String, found: String| {
                (listed != found).then(|| format!("the manifest says {what} {listed}, it has {found}"))
            };
            let crc32c = if finding.crc32c.is_empty() { shard.crc32c.clone() } else { finding.crc32c.clone() };
            finding.faults.extend(differs("records", shard.records.to_string(), finding.records.to_string()));
            finding.faults.extend(differs("bytes", shard.bytes.to_string(), finding.bytes.to_string()));
            finding.faults.extend(differs("crc32c", shard.crc32c.clone(), crc32c));
            check_features(&manifest, finding);
        }
    }
    Ok(faults)
}

fn check_features(manifest: &Manifest, finding: &mut Finding) {
    for (name, kind) in &manifest.features {
        if let Some(other) = finding.features.get(name).and_then(|kinds| kinds.iter().find(|found| *found != kind)) {
            finding.faults.push(format!("feature '{name}' is {other} in some record, the manifest says {kind}"));
        }
    }
    let unknown = finding.features.keys().filter(|name| !manifest.features.contains_key(*name));
    let unknown: Vec<String> = unknown.map(|name| format!("feature '{name}' is not in the manifest")).collect();
    finding.faults.extend(unknown);
}

/// The directories that hold, or whose subdirectories are, the shards.
fn dataset_directories(locations: &[String], paths: &BTreeMap<PathBuf, String>) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for location in locations {
        if Path::new(location).join(MANIFEST).exists() {
            directories.insert(PathBuf::from(location));
        }
    }
    for path in paths.keys() {
        let found = path.ancestors().skip(1).take(5).find(|directory| directory.join(MANIFEST).exists());
        directories.extend(found.map(Path::to_path_buf));
    }
    directories
}

fn summary(findings: &[Finding], other_faults: usize) -> Summary {
    Summary {
        shards: findings.len(),
        records: findings.iter().map(|finding| finding.records).sum(),
        bytes: findings.iter().map(|finding| finding.bytes).sum(),
        images_decoded: findings.iter().map(|finding| finding.images_decoded).sum(),
        faults: findings.iter().map(|finding| finding.faults.len()).sum::<usize>() + other_faults,
    }
}

fn table(findings: &[Finding], faults: &[String], summary: &Summary) -> String {
    let mut rows = vec![["shard", "records", "bytes", "features", "state"].map(str::to_string)];
    for finding in findings {
        let feature = |(name, kinds): (&String, &BTreeSet<&str>)| {
            let kinds: Vec<&str> = kinds.iter().copied().collect();
            let count = finding.feature_counts.get(name).copied().unwrap_or(0);
            let missing = finding.records.saturating_sub(count);
            let note = if missing > 0 { format!(" (not in {missing})") } else { String::new() };
            format!("{name} {}{note}", kinds.join("|"))
        };
        let features: Vec<String> = finding.features.iter().map(feature).collect();
        rows.push([
            finding.path.clone(),
            finding.records.to_string(),
            finding.bytes.to_string(),
            features.join(", "),
            if finding.faults.is_empty() { "ok".to_string() } else { "FAULT".to_string() },
        ]);
    }
    let widths: Vec<usize> =
        (0..5).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            1 | 2 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    for finding in findings {
        for fault in &finding.faults {
            text.push_str(&format!("{}: {fault}\n", finding.path));
        }
    }
    for fault in faults {
        text.push_str(&format!("{fault}\n"));
    }
    text.push_str(&format!(
        "{} shards, {} records, {}, {} images decoded, {} faults\n",
        HumanCount(summary.shards as u64),
        HumanCount(summary.records),
        HumanBytes(summary.bytes),
        HumanCount(summary.images_decoded),
        summary.faults
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_from_names_that_hold_one() {
        assert_eq!(count_in_name("flowers00-230.tfrec"), Some(230));
        assert_eq!(count_in_name("flowers00-230.tfrec.gz"), Some(230));
        assert_eq!(count_in_name("mnist.tfrecord-00001-of-00003"), None);
        assert_eq!(count_in_name("train-00001-of-00003.tfrecord"), None);
        assert_eq!(count_in_name("part-00001.tfrecord"), None);
    }
}
