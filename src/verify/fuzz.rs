//! What fuzzing and tests run of `verify`: any file is a shard with or without faults, or none.

#![allow(clippy::panic, reason = "a test that can't go on stops")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use super::file::{check, is_shard};
use super::name::{compare_counts, missing_of_series};
use super::places::Places;
use super::{DuplicateRule, Options};

/// Held by whoever uses the file.
static TURN: Mutex<()> = Mutex::new(());

/// A shard.
pub(crate) fn shards(input: &[u8]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let path = std::env::temp_dir().join(format!("pixmill-fuzz-shard-{}", std::process::id()));
    if let Err(error) = fs::write(&path, input) {
        panic!("cannot write '{}': {error}", path.display());
    }
    let options = Options { decode_every: 1, label: None, duplicates: DuplicateRule::Report, threads: 1 };
    let places = Places::default();
    let _ = is_shard(&path, &places);
    let checked = check(&path, "x", 0, (&[], &places), &options, &AtomicU64::new(0));
    let report = checked.report;
    assert_eq!(report.bytes, input.len() as u64);
    assert!(report.images_decoded <= report.images, "{report:?}");
    assert!(report.format.is_some() || report.faults > 0, "what is no shard has no fault: {report:?}");
    let _ = fs::remove_file(&path);
}

/// Names of shards, one in each line.
pub(crate) fn names(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let paths: Vec<PathBuf> = text.lines().take(50).map(PathBuf::from).collect();
    let paths = || paths.iter().map(PathBuf::as_path);
    let there: Vec<&Path> = paths().collect();
    for (missing, _) in missing_of_series(paths()) {
        assert!(!there.contains(&missing.as_path()), "'{}' is there", missing.display());
    }
    for difference in compare_counts(paths().map(|path| (path, 7))) {
        assert!(difference.shard < there.len());
    }
}
