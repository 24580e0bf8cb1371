//! Manifests: whether the shards of a directory are those that it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::report::{Fault, FaultKind};
use super::shard::ShardCheck;
use crate::format::manifest::{MANIFEST, Manifest, Shard, UNFINISHED};

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
        directories.extend(path.ancestors().skip(1).take(5).find(has_manifest));
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
    fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.directory)
    }

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

    /// The class names.
    pub(super) fn classes(&self) -> Option<&[String]> {
        self.manifest.classes.as_deref()
    }
}

/// Compares a checked shard with the manifest that is over it.
pub(super) fn compare(path: &Path, datasets: &[Dataset], shard: &mut ShardCheck<'_>) {
    // The directory nearest to the shard is the last: directories are sorted.
    let Some(dataset) = datasets.iter().rev().find(|dataset| dataset.holds(path)) else { return };
    let mut faults = Vec::new();
    match dataset.entry(path) {
        None => faults.push("the manifest doesn't list it".to_string()),
        Some(entry) => {
            let mut differs = |what: &str, stated: &str, found: &str| {
                if stated != found {
                    faults.push(format!("the manifest says {what} {stated}, it has {found}"));
                }
            };
            let found = &shard.report;
            differs("format", &dataset.manifest.format, found.format.unwrap_or("none that is known"));
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
    if dataset.manifest.format == "tfrecord" {
        compare_features(&dataset.manifest, shard);
    }
}

fn compare_features(manifest: &Manifest, shard: &mut ShardCheck<'_>) {
    let mut faults = Vec::new();
    for (name, feature) in &shard.report.features {
        let Some(stated) = manifest.features.get(name) else {
            faults.push((feature.kinds.values().min().copied(), format!("feature '{name}' is not in the manifest")));
            continue;
        };
        for (kind, place) in feature.kinds.iter().filter(|(kind, _)| *kind != stated) {
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
