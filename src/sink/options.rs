//! Options of the sink: those of every format, and each format's own.

use std::collections::HashMap;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use super::format::OwnOptions;
use super::max_rejects::MaxRejects;
use super::name::NameTemplate;
use super::{Format, FormatOptions};
use crate::config::{OptionPage, names, option, value};

/// How a dataset is laid out in files, and what becomes of rows without an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct SinkOptions {
    /// How many shards, or how many in each directory at most; as many as the input has partitions where not given.
    pub shards: Option<usize>,
    /// What shard names begin with.
    pub prefix: String,
    /// How shards are named.
    pub name_template: NameTemplate,
    /// Whether a finished dataset at the target is replaced.
    pub overwrite: bool,
    /// What becomes of the run when a row has no image.
    pub on_reject: OnReject,
    /// The most rows that may be rejected.
    pub max_rejects: Option<MaxRejects>,
    /// The format and its own options.
    #[serde(flatten)]
    pub format: FormatOptions,
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

pub(super) const SHARDS: OptionPage = option(
    "shards",
    "by files and bytes",
    "How many shards, 1 to 100000; of a sorted query each holds rows that follow each other. Record counts differ by one at most, before \
     rejects and before a filter that reads the files of one table. One that would be empty is left out. With `PARTITIONED BY`, the most \
     in each directory.",
);
pub(super) const OVERWRITE: OptionPage =
    option("overwrite", "false", "Whether a finished dataset in the directory is replaced.");
pub(super) const ON_REJECT: OptionPage =
    option("on_reject", "skip", "A row without an image is counted and listed (`skip`) or stops the run (`fail`).");
pub(super) const MAX_REJECTS: OptionPage = option(
    "max_rejects",
    "",
    "The run fails when more rows than this are rejected: a number, or a share of the rows such as '1%' or '0.01'. A number stops it at \
         once; a share as soon as 1000 rows have come and more of them are rejected, and at the end, whatever the number of rows. On a \
         cluster each process stops by the rows that it has seen, and the end is judged by all.",
);

impl SinkOptions {
    /// The defaults of a format.
    pub fn new(format: Format) -> Self {
        Self {
            shards: None,
            prefix: format.prefix().to_string(),
            name_template: NameTemplate::new(format),
            overwrite: false,
            on_reject: OnReject::Skip,
            max_rejects: None,
            format: FormatOptions::new(format),
        }
    }

    /// Reads the options of a `COPY`.
    ///
    /// # Errors
    /// An unknown name, a value that it doesn't take, or values that exclude each other.
    pub fn try_new(format: Format, given: &HashMap<String, String>, partition_by: &[String]) -> Result<Self> {
        let mut options = Self::new(format);
        let is_given = |name: &str| given.keys().any(|key| key.strip_prefix("format.").unwrap_or(key) == name);
        let mut given: Vec<_> = given.iter().collect();
        given.sort();
        for (key, value) in given {
            options.set(key.strip_prefix("format.").unwrap_or(key), value.trim())?;
        }
        options.check(is_given("prefix"))?;
        options.prefix = options.own().checked_prefix(&options, partition_by)?;
        Ok(options)
    }

    /// Checks what options have to do with each other.
    fn check(&self, has_prefix: bool) -> Result<()> {
        if has_prefix && !self.name_template.has_prefix() {
            return plan_err!(
                "prefix: the name template '{}' has no place for it; leave it out, or put {{prefix}} into name_template",
                self.name_template
            );
        }
        if self.on_reject == OnReject::Fail && self.max_rejects.is_some_and(|most| most != MaxRejects::Count(0)) {
            return plan_err!(
                "max_rejects: with on_reject 'fail' the first row that is rejected stops the run; leave one of both out"
            );
        }
        Ok(())
    }

    /// Checks that every column has a place in the format.
    ///
    /// # Errors
    /// Names the first column that has none and says what to do.
    pub(crate) fn check_schema(&self, schema: &Schema) -> Result<()> {
        self.own().check_schema(schema)
    }

    /// What a user should know before these shards are written.
    pub(crate) fn warning(&self) -> Option<String> {
        self.own().warning(self)
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format.format()
    }

    /// The format's own options.
    pub(super) fn own(&self) -> &dyn OwnOptions {
        self.format.own()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "shards" => self.shards = Some(value::count(name, value)?),
            "prefix" if value.contains(['/', '\\', '\0']) || value.starts_with(['.', '_']) => {
                return plan_err!("prefix: must be the start of a file name, got '{value}'");
            }
            "prefix" => {
                self.prefix = value.to_string();
                self.format.own_mut().prefix_is_given();
            }
            "name_template" => self.name_template = NameTemplate::parse(self.format(), value)?,
            "overwrite" => self.overwrite = value::boolean(name, value)?,
            "on_reject" => {
                self.on_reject = value::one_of(name, value, &[("skip", OnReject::Skip), ("fail", OnReject::Fail)])?;
            }
            "max_rejects" => self.max_rejects = Some(MaxRejects::parse(name, value)?),
            _ => {
                if !self.format.own_mut().set(name, value)? {
                    return plan_err!(
                        "unknown option '{name}' for {}; the options are {}",
                        self.format().shown(),
                        names(self.format().options())
                    );
                }
            }
        }
        Ok(())
    }
}

/// Takes the option that asks for a format out of those of a `COPY`, and tells whether it is on. Without such an option a format is
/// asked for by its name.
///
/// # Errors
/// A value that is neither true nor false.
pub(crate) fn is_asked_for(format: Format, given: &mut HashMap<String, String>) -> Result<bool> {
    let Some(option) = format.asked_by() else { return Ok(true) };
    let value = given.remove(&format!("format.{option}")).or_else(|| given.remove(option));
    value.map_or(Ok(false), |value| value::boolean(option, &value))
}

/// Names of columns, separated by commas.
pub(super) fn column_names(value: &str) -> Vec<String> {
    value.split(',').map(|name| name.trim().to_string()).collect()
}

/// Checks that the columns of the option `images` are there and hold what can be images.
pub(super) fn check_images(images: Option<&[String]>, schema: &Schema, can_be: impl Fn(&Field) -> bool) -> Result<()> {
    for name in images.into_iter().flatten() {
        match schema.field_with_name(name) {
            Ok(field) if can_be(field) => {}
            Ok(field) => return plan_err!("images: column '{name}' is not binary, got {}", field.data_type()),
            Err(_) => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return plan_err!("images: there is no column '{name}'; the columns are {}", names.join(", "));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Compression;

    fn parse(format: Format, given: &[(&str, &str)]) -> Result<SinkOptions> {
        let given = given.iter().map(|(key, value)| (format!("format.{key}"), value.to_string()));
        SinkOptions::try_new(format, &given.collect(), &[])
    }

    #[test]
    fn options_are_read_from_what_sql_gives() {
        let given = [("shards", "7"), ("compression", "GZIP"), ("overwrite", "true")];
        let options = parse(Format::TfRecord, &given).expect("options");
        assert_eq!(
            (options.shards, options.own().file_compression(), options.overwrite),
            (Some(7), Compression::Gzip, true)
        );
    }

    #[test]
    fn bad_options_are_answered_with_what_is_allowed() {
        let cases = [
            (Format::TfRecord, "shards", "0", "shards: must be a whole number from 1 to 100000, got '0'"),
            (Format::TfRecord, "compression", "lz4", "compression: must be 'none', 'gzip' or 'zlib', got 'lz4'"),
            (Format::TfRecord, "overwrite", "yes", "overwrite: must be true or false, got 'yes'"),
            (Format::TfRecord, "prefix", "a/b", "prefix: must be the start of a file name, got 'a/b'"),
            (
                Format::TfRecord,
                "shard",
                "1",
                "unknown option 'shard' for STORED AS TFRECORD; the options are shards, prefix, name_template, \
                 compression, index, images, overwrite, on_reject, max_rejects",
            ),
            (
                Format::WebDataset,
                "compression",
                "gzip",
                "unknown option 'compression' for STORED AS WEBDATASET; the options are shards, prefix, name_template, \
                 overwrite, on_reject, max_rejects",
            ),
            (
                Format::WebDataset,
                "name_template",
                "tfds",
                "name_template: must hold {shard}, or all shards have one name, got 'tfds'",
            ),
            (
                Format::Parquet,
                "row_group_bytes",
                "0",
                "row_group_bytes: must be a whole number of bytes from 1024 to 1073741824, got '0'",
            ),
        ];
        for (format, name, value, expected) in cases {
            let error = parse(format, &[(name, value)]).expect_err("a bad value").strip_backtrace();
            assert_eq!(error, format!("Error during planning: {expected}"));
        }
    }

    #[test]
    fn options_that_would_have_no_effect_are_refused() {
        let error = |given: &[(&str, &str)]| parse(Format::TfRecord, given).expect_err("refused").strip_backtrace();
        for template in ["spark", "part-{shard}", "{records}-{shard}.tfrec"] {
            let message = error(&[("prefix", "x"), ("name_template", template)]);
            assert!(
                message.contains("prefix: the name template '") && message.contains("has no place for it"),
                "{message}"
            );
        }
        let message = error(&[("max_rejects", "3"), ("on_reject", "fail")]);
        assert!(message.contains("the first row that is rejected stops the run"), "{message}");
        assert!(error(&[("images", "a")]).contains("images: only TensorFlow Datasets is told"));
        assert!(
            error(&[("index", "true"), ("compression", "zlib")]).contains("leave one of index and compression out")
        );
        for sound in [&[("max_rejects", "0"), ("on_reject", "fail")], &[("prefix", "x"), ("name_template", "tfds")]] {
            parse(Format::TfRecord, sound).expect("options");
        }
    }

    #[test]
    fn a_prefix_names_a_split_by_a_word_of_its_own() {
        let names_split = |prefix| parse(Format::Parquet, &[("prefix", prefix)]).expect("options").warning().is_none();
        assert!(["train", "flowers-test", "2026 validation"].iter().all(|prefix| names_split(prefix)));
        assert!(["flowers", "trained", ""].iter().all(|prefix| !names_split(prefix)));
    }

    #[test]
    fn names_of_tensorflow_datasets_hold_the_dataset_and_its_split() {
        let prefix = |prefix| parse(Format::TfRecord, &[("name_template", "tfds"), ("prefix", prefix)]);
        assert_eq!(prefix("flowers-test").expect("options").prefix, "flowers-test");
        assert_eq!(prefix("flowers").expect("options").prefix, "flowers-train");
        for bad in ["my-flowers-test", "1-test", "flowers-", ""] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }
}
