//! Manifests: whether the shards of a directory are those that it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::parquet;
use super::places::Places;
use super::report::{Fault, FaultKind, ShardReport};
use super::shard::ShardCheck;
use crate::format::manifest::{MANIFEST, Manifest, Shard, UNFINISHED};
use crate::sink::NameTemplate;
use crate::words::counted;

/// A directory with a manifest.
pub(super) struct Dataset {
    directory: PathBuf,
    /// Whether all of it is to be verified.
    is_whole: bool,
    pub(super) manifest: Manifest,
}

/// The datasets of the locations and above the paths, and the faults of their manifests.
pub(super) fn find<'a>(
    locations: &[PathBuf],
    paths: impl Iterator<Item = &'a Path>,
    places: &Places,
) -> (Vec<Dataset>, Vec<Fault>) {
    let has_manifest = |directory: &&PathBuf| places.exists(&directory.join(MANIFEST));
    let mut directories: BTreeSet<PathBuf> = locations.iter().filter(has_manifest).cloned().collect();
    for path in paths {
        directories.extend(places.manifest_above(path));
    }
    let (mut datasets, mut faults) = (Vec::new(), Vec::new());
    for directory in directories {
        let path = directory.join(MANIFEST).display().to_string();
        let mut fault = |message: String| faults.push(Fault::new(&path, None, FaultKind::Manifest, message));
        match places.manifest(&directory) {
            Ok(Some(manifest)) => {
                let is_whole = locations.iter().any(|location| directory.starts_with(location));
                check_sums(&manifest, &mut fault);
                datasets.push(Dataset { directory, is_whole, manifest });
            }
            Ok(None) => {}
            Err(error) => fault(format!("cannot be read: {error}")),
        }
    }
    let is_unfinished = |location: &&PathBuf| places.exists(&location.join(UNFINISHED)) && !has_manifest(location);
    for location in locations.iter().filter(is_unfinished) {
        let message = "a run that hasn't finished left what is here; there is no manifest".to_string();
        faults.push(Fault::new(&location.display().to_string(), None, FaultKind::Manifest, message));
    }
    (datasets, faults)
}

/// A fault for each dataset whose manifest says something else than that of the first: their shards are counted together.
pub(super) fn disagreements(datasets: &[Dataset]) -> Vec<Fault> {
    let Some((first, others)) = datasets.split_first() else { return Vec::new() };
    let mut faults = Vec::new();
    for other in others {
        for (kind, message) in other.disagreements_with(first) {
            faults.push(Fault::new(&other.manifest_path(), None, kind, message));
        }
    }
    faults
}

fn check_sums(manifest: &Manifest, fault: &mut impl FnMut(String)) {
    let records: u64 = manifest.shards.iter().map(|shard| shard.records).sum();
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    for (what, stated, sum) in [("records", manifest.records, records), ("bytes", manifest.bytes, bytes)] {
        if stated != sum {
            fault(format!("it says {stated} {what}, those of its shards are {sum}"));
        }
    }
}

impl Dataset {
    fn manifest_path(&self) -> String {
        self.directory.join(MANIFEST).display().to_string()
    }

    /// What this manifest says otherwise than that of another dataset.
    fn disagreements_with(&self, other: &Self) -> Vec<(FaultKind, String)> {
        let there = format!("'{}'", other.manifest_path());
        let (mine, theirs) = (&self.manifest, &other.manifest);
        let mut said = Vec::new();
        if mine.format != theirs.format {
            // Features are called otherwise in each format.
            said.push((
                FaultKind::Manifest,
                format!("the format is {}, and {} in {there}", mine.format, theirs.format),
            ));
        } else if let Some(message) = other_features(&mine.features, &theirs.features, &there) {
            said.push((FaultKind::Feature, message));
        }
        if let Some(message) = other_classes(self.classes(), other.classes(), &there) {
            said.push((FaultKind::Manifest, message));
        }
        if mine.partitioned_by != theirs.partitioned_by {
            let columns = |columns: &[String]| match columns {
                [] => "none".to_string(),
                columns => columns.join(", "),
            };
            let (mine, theirs) = (columns(&mine.partitioned_by), columns(&theirs.partitioned_by));
            said.push((
                FaultKind::Manifest,
                format!("the columns that name directories are {mine}, and {theirs} in {there}"),
            ));
        }
        said
    }

    /// The manifest's entry of a shard.
    fn entry(&self, path: &Path) -> Option<&Shard> {
        let below = path.strip_prefix(&self.directory).ok()?;
        self.manifest.shards.iter().find(|shard| Path::new(&shard.path) == below)
    }

    /// A fault for each shard that the manifest lists and that isn't there.
    pub(super) fn missing<T>(&self, paths: &BTreeMap<PathBuf, T>, places: &Places) -> Vec<Fault> {
        let listed = self.manifest.shards.iter().map(|shard| self.directory.join(&shard.path));
        let missing = listed.filter(|path| !paths.contains_key(path) && (self.is_whole || !places.exists(path)));
        let message = || "the manifest lists it, and it isn't there".to_string();
        missing.map(|path| Fault::new(&path.display().to_string(), None, FaultKind::Manifest, message())).collect()
    }

    /// Whether the manifest lists a shard.
    pub(super) fn lists(&self, path: &Path) -> bool {
        self.entry(path).is_some()
    }

    /// The class names.
    pub(super) fn classes(&self) -> Option<&[String]> {
        self.manifest.classes.as_deref()
    }

    /// The features and their kinds.
    pub(super) fn features(&self) -> &BTreeMap<String, String> {
        &self.manifest.features
    }

    /// Compares a checked shard with the manifest.
    pub(super) fn compare(&self, path: &Path, places: &Places, shard: &mut ShardCheck<'_>) {
        let mut faults = Vec::new();
        match self.entry(path) {
            None => faults.push("the manifest doesn't list it".to_string()),
            Some(entry) => {
                let mut differs = |what: &str, stated: &str, found: &str| {
                    if stated != found {
                        faults.push(format!("the manifest says {what} {stated}, it has {found}"));
                    }
                };
                let found = &shard.report;
                differs("format", &self.manifest.format, found.format.unwrap_or("none that is known"));
                differs("records", &entry.records.to_string(), &found.records.to_string());
                differs("bytes", &entry.bytes.to_string(), &found.bytes.to_string());
                // An unreadable file has a fault that says so.
                if let Ok(crc32c) = places.open(path).and_then(checksum) {
                    differs("crc32c", &entry.crc32c, &crc32c);
                }
            }
        }
        for message in faults {
            shard.fault(FaultKind::Manifest, None, message);
        }
        if let Some(message) = self.lie_of(path, shard.report.records) {
            shard.fault(FaultKind::Name, None, message);
        }
        if shard.report.format == Some(self.manifest.format.as_str()) {
            compare_features(&self.manifest, shard);
        }
    }

    /// What is wrong with a listed name whose template tells the number of records.
    fn lie_of(&self, path: &Path, records: u64) -> Option<String> {
        self.entry(path)?;
        let name = path.file_name()?.to_str()?;
        let option = |name: &str| self.manifest.options.get(name)?.as_str();
        let (template, prefix) = (option("name_template")?, option("prefix")?);
        let (before, (width, behind)) =
            template.split_once("{records").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))?;
        let width = width.trim_start_matches(':').parse().unwrap_or(0).min(20);
        let matches = |template: &str| {
            let template = serde_json::from_value::<NameTemplate>(template.into());
            template.is_ok_and(|template| template.matches(prefix, name))
        };
        let is_lie = matches(template) && !matches(&format!("{before}{records:0width$}{behind}"));
        is_lie.then(|| format!("its name, by the template '{template}', isn't that of {}", counted(records, "record")))
    }

    /// A fault for each feature that the manifest lists and that no record has, if all shards were checked.
    pub(super) fn absent_features<'a>(&self, shards: impl Iterator<Item = (&'a Path, &'a ShardReport)>) -> Vec<Fault> {
        let shards: Vec<&ShardReport> = shards.filter(|(path, _)| self.lists(path)).map(|(_, shard)| shard).collect();
        let records: u64 = shards.iter().map(|shard| shard.records).sum();
        if shards.len() != self.manifest.shards.len() || records == 0 {
            return Vec::new();
        }
        let path = self.manifest_path();
        let is_absent = |name: &&String| !shards.iter().any(|shard| shard.features.contains_key(*name));
        let absent = self.manifest.features.keys().filter(is_absent);
        let message = |name: &String| format!("it lists the feature '{name}', which no record has");
        absent.map(|name| Fault::new(&path, None, FaultKind::Feature, message(name))).collect()
    }
}

/// The first class that differs.
fn other_classes(mine: Option<&[String]>, theirs: Option<&[String]>, there: &str) -> Option<String> {
    let (mine, theirs) = match (mine, theirs) {
        (None, None) => return None,
        (Some(mine), Some(theirs)) => (mine, theirs),
        (Some([first, ..]), None) => return Some(format!("class 0 is '{first}', and {there} has no class names")),
        (None, Some([first, ..])) => {
            return Some(format!("it has no class names, and class 0 is '{first}' in {there}"));
        }
        (Some([]), None) | (None, Some([])) => return None,
    };
    let number = (0..mine.len().max(theirs.len())).find(|number| mine.get(*number) != theirs.get(*number))?;
    let named = |classes: &[String]| classes.get(number).map(|class| format!("'{class}'"));
    Some(match (named(mine), named(theirs)) {
        (Some(mine), Some(theirs)) => format!("class {number} is {mine}, and {theirs} in {there}"),
        (Some(mine), None) => {
            format!("class {number} is {mine}, and {there} has {}", counted(theirs.len() as u64, "class name"))
        }
        (None, theirs) => {
            let theirs = theirs.unwrap_or_default();
            format!("it has {}, and class {number} is {theirs} in {there}", counted(mine.len() as u64, "class name"))
        }
    })
}

/// The first feature that differs.
fn other_features(mine: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>, there: &str) -> Option<String> {
    let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    let name = names.into_iter().find(|name| mine.get(*name) != theirs.get(*name))?;
    Some(match (mine.get(name), theirs.get(name)) {
        (Some(mine), Some(theirs)) => format!("feature '{name}' is {mine}, and {theirs} in {there}"),
        (Some(_), None) => format!("feature '{name}' is not in {there}"),
        (None, _) => format!("it has no feature '{name}', which is in {there}"),
    })
}

/// The dataset that a shard is in.
pub(super) fn over<'a>(path: &Path, datasets: &'a [Dataset], places: &Places) -> Option<&'a Dataset> {
    let directory = places.manifest_above(path)?;
    datasets.iter().find(|dataset| dataset.directory == directory)
}

fn compare_features(manifest: &Manifest, shard: &mut ShardCheck<'_>) {
    let mut faults = Vec::new();
    for (name, feature) in &shard.report.features {
        let Some(stated) = manifest.features.get(name) else {
            faults.push((feature.kinds.values().min().copied(), format!("feature '{name}' is not in the manifest")));
            continue;
        };
        let differs = |kind: &str| match manifest.format.as_str() {
            "tfrecord" => kind != stated,
            "parquet" => !parquet::may_be(kind, stated),
            // A member is bytes, which were looked at when it was read.
            _ => false,
        };
        for (kind, place) in feature.kinds.iter().filter(|(kind, _)| differs(kind)) {
            faults.push((Some(*place), format!("feature '{name}' is {kind} here, the manifest says {stated}")));
        }
    }
    for (place, message) in faults {
        shard.fault(FaultKind::Feature, place, message);
    }
}

/// The CRC-32C of a file, as the manifest has it.
fn checksum(mut file: impl Read) -> io::Result<String> {
    let mut bytes = vec![0; 1 << 20];
    let mut crc = 0;
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(format!("{crc:08x}")),
            read => crc = crc32c::crc32c_append(crc, &bytes[..read]),
        }
    }
}
