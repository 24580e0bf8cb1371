//! Checking shards: one file per format, and what all formats share.
//!
//! All shards of a call are taken for one dataset: their features are compared, and images that are in two of them found.

mod dataset;
mod duplicates;
mod features;
mod file;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod images;
mod index;
mod labels;
mod look_alikes;
mod name;
mod parquet;
mod places;
mod report;
mod shard;
mod tfrecord;
mod webdataset;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};

use clap::ValueEnum;

use crate::engine::{Progress, UPDATE_INTERVAL};
use crate::error::{Error, Result};
use crate::storage::{FoundFile, Reach, is_object_url, local_path};
use dataset::Dataset;
use places::Places;
use report::{Fault, FaultKind, Summary};
use shard::CheckedShard;

pub(crate) use duplicates::Duplicates;
pub(crate) use folder::{AlikeReport, FolderReport, check_folders};
pub(crate) use labels::{Label, Labels};
pub(crate) use look_alikes::MOST_BITS;
pub(crate) use report::{Report, ShardReport};

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Options {
    /// Every how manieth record's images are decoded; 0 for none.
    pub(crate) decode_every: u64,
    /// The feature whose values are counted.
    pub(crate) label: Option<String>,
    pub(crate) duplicates: DuplicateRule,
    pub(crate) threads: usize,
}

/// What becomes of images that are there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuplicateRule {
    /// Counted and listed
    Report,
    /// Counted, listed, and a fault
    Fail,
    /// Not looked for
    Ignore,
}

impl DuplicateRule {
    fn are_looked_for(self) -> bool {
        self != Self::Ignore
    }
}

/// The files to check.
struct Files {
    /// Shards, and how their paths are shown.
    shards: BTreeMap<PathBuf, String>,
    passed_over: Vec<String>,
    /// Locations that are directories.
    directories: Vec<PathBuf>,
    places: Places,
}

/// Checks all shards at the locations; `show` is told how far it is.
///
/// # Errors
/// Locations without shards.
pub(crate) fn verify(
    locations: &[String],
    options: &Options,
    reach: Reach,
    show: impl FnMut(Progress),
) -> Result<Report> {
    let files = find_files(locations, reach)?;
    let places = &files.places;
    let (datasets, mut faults) = dataset::find(&files.directories, files.shards.keys().map(PathBuf::as_path), places);
    faults.extend(dataset::disagreements(&datasets));
    for dataset in &datasets {
        faults.extend(dataset.missing(&files.shards, places));
    }
    let below = |path: &&Path| files.directories.iter().any(|directory| path.starts_with(directory));
    for (path, message) in name::missing_of_series(files.shards.keys().map(PathBuf::as_path).filter(below)) {
        faults.push(Fault::new(&path.display().to_string(), None, FaultKind::Name, message));
    }
    let mut checked = check_shards(&files.shards, &datasets, (options, places), show);
    check_counts(&files.shards, &datasets, places, &mut checked);
    let reports = || files.shards.keys().map(PathBuf::as_path).zip(checked.iter().map(|checked| &checked.report));
    for dataset in &datasets {
        faults.extend(dataset.absent_features(reports()));
    }
    let classes = classes(&datasets, &files.shards, places);
    Ok(report(checked, files.passed_over, classes, faults, options))
}

fn find_files(locations: &[String], reach: Reach) -> Result<Files> {
    let mut files =
        Files { shards: BTreeMap::new(), passed_over: Vec::new(), directories: Vec::new(), places: Places::new(reach) };
    let mut passed_over = BTreeSet::new();
    for location in locations {
        let all = files.places.reach().files(location)?;
        let directory = match is_object_url(location) {
            true => folder(location, &all),
            false => local_path(location).filter(|path| path.is_dir()).map(|path| path.into_owned()),
        };
        files.places.add(&all, directory.clone().filter(|_| is_object_url(location)));
        let has_manifest = directory
            .as_ref()
            .is_some_and(|directory| files.places.exists(&directory.join(crate::format::manifest::MANIFEST)));
        files.directories.extend(directory);
        let mut holds_shards = false;
        for found in all {
            let Some(shown) = found.shown else {
                passed_over.insert(format!("{} (not valid UTF-8)", found.path.display()));
                continue;
            };
            if found.is_named || file::is_shard(&found.path, &files.places) {
                holds_shards = true;
                files.shards.insert(found.path, shown);
            } else if !crate::format::tfrecord::is_beside_data(&found.path) {
                passed_over.insert(shown);
            }
        }
        if !holds_shards && !has_manifest {
            return Err(Error::Usage(format!("no shards at '{location}'")));
        }
    }
    files.passed_over.extend(passed_over);
    Ok(files)
}

/// The folder that a URL names, unless it names an object or is a pattern.
fn folder(url: &str, found: &[FoundFile]) -> Option<PathBuf> {
    let folder = PathBuf::from(url.trim_end_matches('/'));
    let is_folder = found.iter().all(|found| found.path != folder && found.path.starts_with(&folder));
    is_folder.then_some(folder)
}

/// Checks the shards on several threads; the results are in the order of the shards.
fn check_shards(
    shards: &BTreeMap<PathBuf, String>,
    datasets: &[Dataset],
    (options, places): (&Options, &Places),
    mut show: impl FnMut(Progress),
) -> Vec<CheckedShard> {
    let work: Vec<_> = shards.iter().collect();
    let sizes = work.iter().map(|(path, _)| places.bytes(path).unwrap_or(0));
    let mut progress = Progress { files: work.len() as u64, bytes: sizes.sum(), ..Progress::default() };
    let (next, bytes_read) = (AtomicUsize::new(0), AtomicU64::new(0));
    let results: Mutex<Vec<(usize, CheckedShard)>> = Mutex::new(Vec::with_capacity(work.len()));
    std::thread::scope(|scope| {
        let (done, finished) = mpsc::channel::<()>();
        for _ in 0..options.threads.min(work.len()) {
            let done = done.clone();
            let (work, next, bytes_read, results) = (&work, &next, &bytes_read, &results);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((path, shown)) = work.get(number) else { break };
                    let checked = file::check(path, shown, number, (datasets, places), options, bytes_read);
                    results.lock().unwrap_or_else(|error| error.into_inner()).push((number, checked));
                    // Nobody listens any more when the display has failed.
                    let _ = done.send(());
                }
            });
        }
        drop(done);
        loop {
            match finished.recv_timeout(UPDATE_INTERVAL) {
                Ok(()) => progress.files_done += 1,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress.bytes_done = bytes_read.load(Ordering::Relaxed).min(progress.bytes);
            show(progress);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|error| error.into_inner());
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, checked)| checked).collect()
}

/// Compares the counts in names of shards that no manifest lists with what they hold.
fn check_counts(
    paths: &BTreeMap<PathBuf, String>,
    datasets: &[Dataset],
    places: &Places,
    checked: &mut [CheckedShard],
) {
    let is_unlisted = |path: &Path| dataset::over(path, datasets, places).is_none_or(|dataset| !dataset.lists(path));
    let shards = paths.keys().map(PathBuf::as_path).zip(&mut *checked);
    let shards = shards.filter(|(path, shard)| shard.report.format == Some("tfrecord") && is_unlisted(path));
    let mut shards: Vec<(&Path, &mut CheckedShard)> = shards.collect();
    for difference in name::compare_counts(shards.iter().map(|(path, shard)| (*path, shard.report.records))) {
        let Some((_, shard)) = shards.get_mut(difference.shard) else { continue };
        match difference.is_fault {
            true => shard.fault(FaultKind::Name, difference.message),
            false => shard.report.notes.push(difference.message),
        }
    }
}

fn report(
    checked: Vec<CheckedShard>,
    passed_over: Vec<String>,
    classes: Option<&[String]>,
    mut faults: Vec<Fault>,
    options: &Options,
) -> Report {
    let (mut labels, mut sizes, mut images) =
        (labels::LabelCounts::default(), images::SizeCounts::default(), Vec::new());
    let mut shards = Vec::with_capacity(checked.len());
    let mut listed = Vec::new();
    for checked in checked {
        labels.merge(checked.labels);
        sizes.merge(checked.sizes);
        images.extend(checked.images);
        listed.extend(checked.faults);
        shards.push(checked.report);
    }
    let mut found = faults.len() as u64 + shards.iter().map(|shard| shard.faults).sum::<u64>();
    let (features, conflicts) = features::merge(&shards);
    found += conflicts.len() as u64;
    for conflict in conflicts {
        if let Some(shard) = shards.iter_mut().find(|shard| shard.path == conflict.path) {
            shard.faults += 1;
        }
        listed.push(conflict);
    }
    let duplicates = options.duplicates.are_looked_for().then(|| {
        duplicates::find(images, |shard| shards.get(shard).map(|shard| shard.path.clone()).unwrap_or_default())
    });
    if options.duplicates == DuplicateRule::Fail
        && let Some(duplicates) = &duplicates
    {
        found += duplicates.groups;
        listed.extend(duplicates.faults());
    }
    listed.sort_by(|left, right| left.place().cmp(&right.place()));
    listed.append(&mut faults);
    Report {
        labels: labels.choose(options.label.as_deref(), classes),
        image_sizes: sizes.sorted(),
        summary: summary(&shards, found),
        features,
        shards,
        duplicates,
        passed_over,
        faults: listed,
    }
}

/// The class names, where all shards are in datasets whose manifests have the same.
fn classes<'a>(datasets: &'a [Dataset], shards: &BTreeMap<PathBuf, String>, places: &Places) -> Option<&'a [String]> {
    let (first, others) = datasets.split_first()?;
    if shards.keys().any(|path| dataset::over(path, datasets, places).is_none()) {
        return None;
    }
    first.classes().filter(|classes| others.iter().all(|other| other.classes() == Some(classes)))
}

fn summary(shards: &[ShardReport], faults: u64) -> Summary {
    Summary {
        shards: shards.len(),
        records: shards.iter().map(|shard| shard.records).sum(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        images: shards.iter().map(|shard| shard.images).sum(),
        images_decoded: shards.iter().map(|shard| shard.images_decoded).sum(),
        faults,
    }
}
