//! Manifests: whether the shards of a directory are those that it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::parquet;
use super::report::{Fault, FaultKind, ShardReport};
use super::shard::ShardCheck;
use crate::counted::counted;
use crate::format::manifest::{MANIFEST, Manifest, Shard, UNFINISHED};
use crate::sink::NameTemplate;

/// A directory with a manifest.
pub(super) struct Dataset {
    directory: PathBuf,
    /// Whether all of it is to be verified.
    is_whole: bool,
    pub(super) manifest: Manifest,
}

/// The datasets of the locations and above the paths, and the faults of their manifests.
pub(super) fn find<'a>(locations: &[PathBuf], paths: impl Iterator<Item = &'a Path>) -> (Vec<Dataset>, Vec<Fault>) {
    let mut directories: BTreeSet<&Path> = locations.iter().map(PathBuf::as_path).filter(has_manifest).collect();
    for path in paths {
        directories.extend(Manifest::above(path));
    }
    let (mut datasets, mut faults) = (Vec::new(), Vec::new());
    for directory in directories {
        let path = directory.join(MANIFEST).display().to_string();
        let mut fault = |message: String| faults.push(Fault::new(&path, None, FaultKind::Manifest, message));
        match Manifest::read(directory) {
            Ok(Some(manifest)) => {
                let is_whole = locations.iter().any(|location| directory.starts_with(location));
                check_sums(&manifest, &mut fault);
                datasets.push(Dataset { directory: directory.to_path_buf(), is_whole, manifest });
            }
            Ok(None) => {}
            Err(error) => fault(format!("cannot be read: {error}")),
        }
    }
    for location in
        locations.iter().filter(|location| location.join(UNFINISHED).exists() && !has_manifest(&location.as_path()))
    {
        let message = "a run that hasn't finished left what is here; there is no manifest".to_string();
        faults.push(Fault::new(&location.display().to_string(), None, FaultKind::Manifest, message));
    }
    (datasets, faults)
}

fn has_manifest(directory: &&Path) -> bool {
    directory.join(MANIFEST).exists()
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
    /// The manifest's entry of a shard.
    fn entry(&self, path: &Path) -> Option<&Shard> {
        let below = path.strip_prefix(&self.directory).ok()?;
        self.manifest.shards.iter().find(|shard| Path::new(&shard.path) == below)
    }

    /// A fault for each shard that the manifest lists and that isn't there.
    pub(super) fn missing<T>(&self, paths: &BTreeMap<PathBuf, T>) -> Vec<Fault> {
        let listed = self.manifest.shards.iter().map(|shard| self.directory.join(&shard.path));
        let missing = listed.filter(|path| !paths.contains_key(path) && (self.is_whole || !path.exists()));
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
    pub(super) fn compare(&self, path: &Path, shard: &mut ShardCheck<'_>) {
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
                if let Ok(crc32c) = checksum(path) {
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
        let path = self.directory.join(MANIFEST).display().to_string();
        let is_absent = |name: &&String| !shards.iter().any(|shard| shard.features.contains_key(*name));
        let absent = self.manifest.features.keys().filter(is_absent);
        let message = |name: &String| format!("it lists the feature '{name}', which no record has");
        absent.map(|name| Fault::new(&path, None, FaultKind::Feature, message(name))).collect()
    }
}

/// The dataset that a shard is in.
pub(super) fn over<'a>(path: &Path, datasets: &'a [Dataset]) -> Option<&'a Dataset> {
    let directory = Manifest::above(path)?;
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
