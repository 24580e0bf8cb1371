//! Options of the source `WEBDATASET`.

use std::collections::BTreeSet;

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::config::{OptionPage, names, option, value};
use crate::source::Partitions;
use crate::source::arguments::SourceOptions;

/// How tar shards are found, understood and dealt to partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebDatasetReadOptions {
    /// What becomes of a sample that can't be read.
    pub on_corrupt: OnCorrupt,
    /// Extensions whose bytes are text; `*` for all.
    pub text: BTreeSet<String>,
    /// From how many files samples are looked at to find the columns.
    pub sample_files: usize,
    /// How many samples of each of those files.
    pub sample_records: usize,
    /// How many partitions, at most.
    pub partitions: Partitions,
    /// Whether directories named `column=value` are columns.
    pub directories: bool,
}

/// What becomes of a sample that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnCorrupt {
    /// The query fails.
    Error,
    /// It is left out; so is the rest of its file where the archive is broken.
    SkipRecord,
}

/// What to do about a fault.
pub(super) const SKIP_ADVICE: &str = "use on_corrupt 'skip_record' to read what is sound";

impl Default for WebDatasetReadOptions {
    fn default() -> Self {
        Self {
            on_corrupt: OnCorrupt::Error,
            text: BTreeSet::new(),
            sample_files: 10,
            sample_records: 100,
            partitions: Partitions::Auto,
            directories: true,
        }
    }
}

impl SourceOptions for WebDatasetReadOptions {
    const OPTIONS: &'static [OptionPage] = &[
        option(
            "on_corrupt",
            "error",
            "A sample whose member doesn't fit its column, or an archive that is cut short or broken: `error` stops, `skip_record` leaves the \
             sample out, and of a broken archive what comes behind the fault. What is left out is counted and named by file and key.",
        ),
        option(
            "text",
            "txt, text, transcript, json, jsn, and what a manifest says",
            "Further extensions whose bytes are text, separated by commas; `*` for all. Others are BINARY, but for `cls` and its like.",
        ),
        option(
            "sample_files",
            "10",
            "From how many files, spread over all, samples are looked at to find the columns.",
        ),
        option("sample_records", "100", "How many samples of each of these files."),
        option(
            "partitions",
            "by bytes and cores",
            "How many parts the files are dealt to, 1 to 100000, at most one for each file: a tar file is read from its start to its end. For `shards` of \
             a COPY the files are read one after the other; without it each becomes a shard.",
        ),
        option(
            "directories",
            "true",
            "Whether directories named `column=value`, as PARTITIONED BY makes them, are columns.",
        ),
    ];

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = value.trim();
        match name {
            "on_corrupt" => {
                let choices = [("error", OnCorrupt::Error), ("skip_record", OnCorrupt::SkipRecord)];
                self.on_corrupt = value::one_of(name, value, &choices)?;
            }
            "text" => {
                let extension = |part: &str| part.trim_start_matches('.').to_ascii_lowercase();
                self.text = value::list(value).map(extension).collect();
            }
            "sample_files" => self.sample_files = value::count(name, value)?,
            "sample_records" => self.sample_records = value::count(name, value)?,
            "partitions" => self.partitions = Partitions::Exactly(value::count(name, value)?),
            "directories" => self.directories = value::boolean(name, value)?,
            _ => {
                return plan_err!("unknown option '{name}' for WebDatasets; the options are {}", names(Self::OPTIONS));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known() {
        for OptionPage { name, .. } in WebDatasetReadOptions::OPTIONS {
            let result = WebDatasetReadOptions::default().set(name, "?");
            let is_unknown = result.is_err_and(|error| error.strip_backtrace().contains("unknown option"));
            assert!(!is_unknown, "{name}");
        }
        let error = WebDatasetReadOptions::default().set("shards", "3").expect_err("none of its").strip_backtrace();
        assert!(error.contains("the options are on_corrupt, text, sample_files"), "{error}");
    }
}
