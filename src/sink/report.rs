//! What a partition has written, which the commit collects and a later attempt finds again.

use std::io;

use serde::{Deserialize, Serialize};

use super::encode::ChangedKeys;
use super::sweep::is_below;
use super::{Target, hidden};
use crate::format::manifest::Reject;

/// What a partition has written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) shards: Vec<Finished>,
    pub(crate) rejected: u64,
    /// The first of the rejected rows, by path and reason.
    pub(crate) first_reject: Option<Reject>,
    /// The files that list them all, each in order: there may be millions, and reports travel in messages.
    pub(crate) rejects: Vec<HiddenFile>,
    pub(crate) changed_keys: ChangedKeys,
}

impl Report {
    /// The files that it tells of.
    fn files(&self) -> impl Iterator<Item = &HiddenFile> {
        let of_shards = self.shards.iter().flat_map(|shard| [Some(&shard.file), shard.index.as_ref()]);
        of_shards.flatten().chain(&self.rejects)
    }
}

/// A whole shard that the commit has still to name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// The directory of `PARTITIONED BY` that it belongs to, empty where the dataset has none.
    pub(crate) directory: String,
    pub(crate) file: HiddenFile,
    pub(crate) index: Option<HiddenFile>,
    pub(crate) records: u64,
    pub(crate) crc32c: String,
}

/// A file in the dataset's own directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HiddenFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// A report as it stands beside the shards.
#[derive(Serialize, Deserialize)]
struct Saved {
    run: String,
    report: Report,
}

impl Target {
    /// The report of an earlier attempt at a partition, of this run or of one that this one resumes, if its shards are there.
    pub(super) fn earlier_report(&self, partition: usize, fingerprint: Option<&str>) -> Option<Report> {
        let saved = self.directory.read(&self.report_name(partition, fingerprint)).ok()??;
        let Saved { run, report } = serde_json::from_slice(&saved).ok()?;
        let is_of_another = run != self.run;
        if is_of_another && !(self.resume && fingerprint.is_some()) {
            return None;
        }
        // It is text that anybody can change.
        let is_sound = |shard: &Finished| shard.directory.is_empty() || is_below(&shard.directory);
        let is_ours = report.files().all(|file| hidden::is_left(&file.name));
        (is_ours && report.shards.iter().all(is_sound) && self.is_there(&report)).then_some(report)
    }

    /// Keeps a report for later attempts, and tells its name.
    pub(super) fn save_report(
        &self,
        partition: usize,
        fingerprint: Option<&str>,
        report: &Report,
    ) -> io::Result<String> {
        let name = self.report_name(partition, fingerprint);
        let saved = Saved { run: self.run.clone(), report: report.clone() };
        self.directory.write(&name, serde_json::to_vec(&saved)?)?;
        Ok(name)
    }

    /// Whether the files of a report are there, whole and without names.
    pub(super) fn is_there(&self, report: &Report) -> bool {
        let has_length =
            |file: &HiddenFile| self.directory.length(&file.name).is_ok_and(|length| length == Some(file.bytes));
        report.files().all(has_length)
    }

    /// Without a fingerprint only the same run knows what a partition holds.
    fn report_name(&self, partition: usize, fingerprint: Option<&str>) -> String {
        hidden::report(partition, fingerprint.unwrap_or(&self.run))
    }
}
