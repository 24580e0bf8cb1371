//! Rows that no shard has taken: each partition lists its own in a hidden file, and the commit all of them.

use std::collections::BTreeMap;
use std::io;

use super::Target;
use super::report::{HiddenFile, Report};
use crate::format::manifest::{REJECTS, Reject, count_rejects};

/// The rows that are rejected by all partitions.
pub(super) struct Rejects<'a> {
    reports: &'a BTreeMap<usize, Report>,
    pub(super) count: u64,
}

impl<'a> Rejects<'a> {
    pub(super) fn of(reports: &'a BTreeMap<usize, Report>) -> Self {
        Self { reports, count: reports.values().map(|report| report.rejected).sum() }
    }

    /// The first of them, in words.
    pub(super) fn first(&self) -> String {
        let first = self.reports.values().filter_map(|report| report.first_reject.as_ref()).min();
        let first = first.map(|reject| (reject.path.as_deref().unwrap_or("a row"), reject.reason.as_str()));
        first.map_or_else(String::new, |(path, reason)| format!("'{path}': {reason}"))
    }

    /// Lists them in the dataset's directory. A commit before this one may have come as far as to sweep the partitions' lists.
    pub(super) fn write(&self, target: &Target) -> io::Result<()> {
        match target.rejects(self.reports.values()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match target.listed_rejects()? == self.count {
                true => Ok(()),
                false => Err(io::Error::new(error.kind(), "a list of rejected rows is gone; run the statement again")),
            },
            rejects => target.write_rejects(&rejects?),
        }
    }
}

impl Target {
    /// Writes the list of rejected rows; removes an old one where there are none.
    fn write_rejects(&self, rejects: &[Reject]) -> io::Result<()> {
        if rejects.is_empty() {
            return self.directory.remove(&[REJECTS.to_string()]);
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        for reject in rejects {
            table.serialize(reject)?;
        }
        let table = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        self.directory.write_synced(REJECTS, table)
    }

    /// How many rows the list of rejected rows has.
    fn listed_rejects(&self) -> io::Result<u64> {
        self.directory.read(REJECTS)?.map_or(Ok(0), |list| count_rejects(list.as_slice()))
    }

    /// Lists the rows that an attempt has rejected.
    pub(super) fn save_rejects(&self, name: String, rejects: &[Reject]) -> io::Result<HiddenFile> {
        let mut lines = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut lines, reject)?;
            lines.push(b'\n');
        }
        let bytes = lines.len() as u64;
        self.directory.write(&name, lines)?;
        Ok(HiddenFile { name, bytes })
    }

    /// The rows that some partitions have rejected, sorted.
    fn rejects<'a>(&self, reports: impl Iterator<Item = &'a Report>) -> io::Result<Vec<Reject>> {
        let mut rejects: Vec<Reject> = Vec::new();
        for report in reports {
            let Some(file) = &report.rejects else { continue };
            let lines = self.directory.read(&file.name)?;
            let lines = lines.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, file.name.clone()))?;
            let before = rejects.len();
            for reject in serde_json::Deserializer::from_slice(&lines).into_iter() {
                rejects.push(reject?);
            }
            if (rejects.len() - before) as u64 != report.rejected {
                let message = format!("'{}' doesn't list the {} rows that were rejected", file.name, report.rejected);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        rejects.sort();
        Ok(rejects)
    }
}
