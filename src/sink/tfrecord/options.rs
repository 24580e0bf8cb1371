//! Options of the sink `TFRECORD`.

use std::collections::HashMap;

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use serde::{Deserialize, Serialize};

use super::name::NameTemplate;
use crate::config::{OptionPage, names, option};

/// How records are laid out in files, and what becomes of rows without an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct TfRecordOptions {
    /// How many shards; as many as the input has partitions where not given.
    pub shards: Option<usize>,
    /// What shard names begin with.
    pub prefix: String,
    /// How shards are named.
    pub name_template: NameTemplate,
    /// Whole-file compression.
    pub compression: Compression,
    /// Whether a DALI index stands beside each shard.
    pub index: bool,
    /// Whether a finished dataset at the target is replaced.
    pub overwrite: bool,
    /// What becomes of the run when a row has no image.
    pub on_reject: OnReject,
    /// The most rows that may be rejected.
    pub max_rejects: Option<u64>,
}

/// Whole-file compression of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is: JPEGs don't get smaller.
    None,
    /// TensorFlow's `GZIP`.
    Gzip,
    /// TensorFlow's `ZLIB`.
    Zlib,
}

impl Compression {
    /// What is added to a shard's name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zlib => ".zlib",
        }
    }
}

/// What becomes of the run when a row has no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReject {
    /// It is counted and listed.
    Skip,
    /// The run fails.
    Fail,
}

impl Default for TfRecordOptions {
    fn default() -> Self {
        Self {
            shards: None,
            prefix: "shard".to_string(),
            name_template: NameTemplate::default(),
            compression: Compression::None,
            index: false,
            overwrite: false,
            on_reject: OnReject::Skip,
            max_rejects: None,
        }
    }
}

impl TfRecordOptions {
    /// What `OPTIONS (...)` knows.
    pub const OPTIONS: [OptionPage; 8] = [
        option(
            "shards",
            "by files and bytes",
            "How many shards, 1 to 100000; record counts differ by one at most before rejects.",
        ),
        option("prefix", "shard", "What shard names begin with."),
        option(
            "name_template",
            "{prefix}{shard:02}-{records}.tfrec",
            "How shards are named: `{prefix}`, `{shard}`, `{shards}`, `{records}`, padded as in `{shard:05}`; or `tfds` or `spark` for the names those tools use.",
        ),
        option(
            "compression",
            "none",
            "`none`, `gzip` or `zlib`: TensorFlow's whole-file compressions. JPEGs don't get smaller.",
        ),
        option("index", "false", "Whether each shard gets an index for NVIDIA DALI beside it, `<shard>.idx`."),
        option("overwrite", "false", "Whether a finished dataset in the directory is replaced."),
        option("on_reject", "skip", "A row without an image is counted and listed (`skip`) or stops the run (`fail`)."),
        option("max_rejects", "", "The run fails when more rows than this are rejected."),
    ];

    /// Reads the options of a `COPY`.
    ///
    /// # Errors
    /// An unknown name or a value that it doesn't take.
    pub fn try_new(given: &HashMap<String, String>) -> Result<Self> {
        let mut options = Self::default();
        let mut given: Vec<_> = given.iter().collect();
        given.sort();
        for (key, value) in given {
            options.set(key.strip_prefix("format.").unwrap_or(key), value.trim())?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "shards" => match value.parse() {
                Ok(shards @ 1..=100_000) => self.shards = Some(shards),
                _ => return plan_err!("shards: must be a whole number from 1 to 100000, got '{value}'"),
            },
            "prefix" if value.contains(['/', '\\', '\0']) || value.starts_with(['.', '_']) => {
                return plan_err!("prefix: must be the start of a file name, got '{value}'");
            }
            "prefix" => self.prefix = value.to_string(),
            "name_template" => self.name_template = NameTemplate::parse(value)?,
            "compression" => {
                self.compression = one_of(
                    name,
                    value,
                    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zlib", Compression::Zlib)],
                )?;
            }
            "index" => self.index = boolean(name, value)?,
            "overwrite" => self.overwrite = boolean(name, value)?,
            "on_reject" => {
                self.on_reject = one_of(name, value, &[("skip", OnReject::Skip), ("fail", OnReject::Fail)])?;
            }
            "max_rejects" => {
                let most = value
                    .parse()
                    .map_err(|_| plan_datafusion_err!("max_rejects: must be a whole number from 0, got '{value}'"))?;
                self.max_rejects = Some(most);
            }
            _ => {
                return plan_err!(
                    "unknown option '{name}' for STORED AS TFRECORD; the options are {}",
                    names(&Self::OPTIONS)
                );
            }
        }
        if self.index && self.compression != Compression::None {
            return plan_err!(
                "index: an index holds byte offsets, which a compressed shard doesn't have; leave one of index and compression out"
            );
        }
        Ok(())
    }
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    one_of(name, value, &[("true", true), ("false", false)])
}

fn one_of<T: Copy>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T> {
    let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("'{word}'")).collect();
        plan_datafusion_err!("{name}: must be {}, got '{value}'", words.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_what_sql_gives() {
        let given = [("format.shards", "7"), ("format.compression", "GZIP"), ("format.overwrite", "true")];
        let given = given.map(|(key, value)| (key.to_string(), value.to_string()));
        let options = TfRecordOptions::try_new(&HashMap::from(given)).expect("options");
        assert_eq!((options.shards, options.compression, options.overwrite), (Some(7), Compression::Gzip, true));
    }

    #[test]
    fn bad_options_are_answered_with_what_is_allowed() {
        let cases = [
            ("shards", "0", "shards: must be a whole number from 1 to 100000, got '0'"),
            ("compression", "lz4", "compression: must be 'none' or 'gzip' or 'zlib', got 'lz4'"),
            ("overwrite", "yes", "overwrite: must be 'true' or 'false', got 'yes'"),
            ("prefix", "a/b", "prefix: must be the start of a file name, got 'a/b'"),
            (
                "shard",
                "1",
                "unknown option 'shard' for STORED AS TFRECORD; the options are shards, prefix, name_template, \
                 compression, index, overwrite, on_reject, max_rejects",
            ),
        ];
        for (name, value, expected) in cases {
            let given = HashMap::from([(format!("format.{name}"), value.to_string())]);
            let error = TfRecordOptions::try_new(&given).expect_err("a bad value").strip_backtrace();
            assert_eq!(error, format!("Error during planning: {expected}"));
        }
    }
}
