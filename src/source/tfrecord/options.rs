//! Options of the source `TFRECORD`.

use std::collections::BTreeSet;

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::config::{OptionPage, names, option, value};
use crate::source::Partitions;
use crate::source::arguments::SourceOptions;

/// How record files are found, understood and cut into partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TfRecordReadOptions {
    /// What a record is; found out from a sample where not given.
    pub record_type: Option<RecordType>,
    /// What becomes of a record that can't be read.
    pub on_corrupt: OnCorrupt,
    /// Features whose bytes are text; `*` for all.
    pub text: BTreeSet<String>,
    /// Features that are lists, even if each of the sampled ones has one value; `*` for all.
    pub lists: BTreeSet<String>,
    /// From how many files records are sampled to find the columns.
    pub sample_files: usize,
    /// How many records of each of those files.
    pub sample_records: usize,
    /// How many partitions.
    pub partitions: Partitions,
    /// Whether directories named `column=value` are columns.
    pub directories: bool,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordType {
    /// `tf.train.Example`.
    Example,
    /// `tf.train.SequenceExample`.
    SequenceExample,
    /// Bytes that are left as they are.
    Bytes,
}

/// What becomes of a record that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnCorrupt {
    /// The query fails.
    Error,
    /// It is left out; so is the rest of its file where no further record can be found.
    SkipRecord,
    /// Its whole file is left out.
    SkipFile,
}

/// What to do about a fault.
pub(super) const SKIP_ADVICE: &str = "use on_corrupt 'skip_record' or 'skip_file' to read what is sound";

impl Default for TfRecordReadOptions {
    fn default() -> Self {
        Self {
            record_type: None,
            on_corrupt: OnCorrupt::Error,
            text: BTreeSet::new(),
            lists: BTreeSet::new(),
            sample_files: 10,
            sample_records: 100,
            partitions: Partitions::Auto,
            directories: true,
        }
    }
}

impl SourceOptions for TfRecordReadOptions {
    const OPTIONS: &'static [OptionPage] = &[
        option(
            "record_type",
            "found out from the sample",
            "`example`, `sequence_example` or `bytes` (one column `record`). Spark's name `recordType` and its values work, too.",
        ),
        option(
            "on_corrupt",
            "error",
            "A record with a wrong checksum, a cut-off one, or one that doesn't fit the columns: `error` stops, `skip_record` leaves it out \
             (after a wrong length the rest of the file, because no further record can be found), `skip_file` leaves its whole file out. \
             What is left out is counted and named by file, record and byte offset.",
        ),
        option("text", "", "Features whose bytes are text, separated by commas; `*` for all. Others are BINARY."),
        option(
            "lists",
            "",
            "Features that are lists although every sampled record has one value, separated by commas; `*` for all.",
        ),
        option("sample_files", "10", "From how many files, spread over all, records are sampled to find the columns."),
        option("sample_records", "100", "How many records of each of these files; at most 4 MiB of them."),
        option(
            "partitions",
            "by bytes and cores",
            "How many parts the records are cut into, 1 to 100000; their counts differ by one at most. `shards` of a COPY outranks it.",
        ),
        option(
            "directories",
            "true",
            "Whether directories named `column=value`, as PARTITIONED BY makes them, are columns.",
        ),
    ];

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "record_type" | "recordtype" => {
                let choices = [
                    ("example", RecordType::Example),
                    ("sequence_example", RecordType::SequenceExample),
                    ("sequenceexample", RecordType::SequenceExample),
                    ("bytes", RecordType::Bytes),
                    ("bytearray", RecordType::Bytes),
                ];
                self.record_type = Some(value::one_of("record_type", value, &choices)?);
            }
            "on_corrupt" => {
                let choices = [
                    ("error", OnCorrupt::Error),
                    ("skip_record", OnCorrupt::SkipRecord),
                    ("skip_file", OnCorrupt::SkipFile),
                ];
                self.on_corrupt = value::one_of(name, value, &choices)?;
            }
            "text" => self.text = features(value),
            "lists" => self.lists = features(value),
            "sample_files" => self.sample_files = value::count(name, value)?,
            "sample_records" => self.sample_records = value::count(name, value)?,
            "partitions" => self.partitions = Partitions::Exactly(value::count(name, value)?),
            "directories" => self.directories = value::boolean(name, value)?,
            _ => {
                return plan_err!(
                    "unknown option '{name}' for TFRecord files; the options are {}",
                    names(Self::OPTIONS)
                );
            }
        }
        Ok(())
    }
}

impl TfRecordReadOptions {
    /// The options that name features.
    pub(super) fn lists_of_names(&self) -> [(&'static str, &BTreeSet<String>); 2] {
        [("text", &self.text), ("lists", &self.lists)]
    }

    /// Refuses options that name features where a table's columns don't come from a sample of them.
    ///
    /// # Errors
    /// One of them is given; `reason` says why it has no effect.
    pub(super) fn refuse_names(&self, reason: &str) -> Result<()> {
        match self.lists_of_names().into_iter().find(|(_, names)| !names.is_empty()) {
            Some((option, _)) => plan_err!("{option}: {reason}; leave it out"),
            None => Ok(()),
        }
    }
}

fn features(list: &str) -> BTreeSet<String> {
    value::list(list).map(str::to_string).collect()
}

/// Whether a list of features names one of them.
pub(super) fn is_listed(list: &BTreeSet<String>, feature: &str) -> bool {
    list.contains(feature) || list.contains("*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_options_are_answered_with_what_is_allowed() {
        let cases = [
            ("record_type", "proto", "record_type: must be 'example', 'sequence_example' or 'bytes', got 'proto'"),
            ("on_corrupt", "ignore", "on_corrupt: must be 'error', 'skip_record' or 'skip_file', got 'ignore'"),
            ("sample_files", "0", "sample_files: must be a whole number from 1 to 100000, got '0'"),
            ("directories", "1", "directories: must be true or false, got '1'"),
            (
                "shards",
                "3",
                "unknown option 'shards' for TFRecord files; the options are record_type, on_corrupt, text, lists, sample_files, \
                 sample_records, partitions, directories",
            ),
        ];
        for (name, value, expected) in cases {
            let error = TfRecordReadOptions::default().set(name, value).expect_err("a bad value");
            assert_eq!(error.strip_backtrace(), format!("Error during planning: {expected}"));
        }
    }

    #[test]
    fn every_name_on_the_page_is_known_and_so_are_those_of_spark() {
        let is_unknown = |name: &str| {
            let result = TfRecordReadOptions::default().set(name, "?");
            result.is_err_and(|error| error.strip_backtrace().contains("unknown option"))
        };
        for OptionPage { name, .. } in TfRecordReadOptions::OPTIONS {
            assert!(!is_unknown(name), "{name}");
        }
        let mut options = TfRecordReadOptions::default();
        options.set("recordType", "SequenceExample").expect("Spark's name");
        assert_eq!(options.record_type, Some(RecordType::SequenceExample));
    }
}
