//! Options: those of the namespace `pixmill.*`, set by `SET pixmill.name = value`, and what sources and sinks have in common about theirs.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod value;

use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, extensions_options, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::prelude::SessionContext;
use pixmill_udfs::ImageLimits;

extensions_options! {
    /// Values as declared here are the defaults; the texts are the reference page.
    struct Values {
        /// Most bytes of image files in one batch, 1 to 1073741824; a single larger file is a batch of its own.
        pub batch_bytes: usize, default = 32 * 1024 * 1024

        /// Most bytes that the images of one batch take when decoded to RGB, judged by their headers, 1 to 1073741824.
        pub decoded_batch_bytes: usize, default = 256 * 1024 * 1024

        /// Most bytes of an image file, 1 to 2147483647; a larger one is not read, and its row has no content. Images of the web have max_bytes.
        pub max_file_bytes: usize, default = 2147483647

        /// Most pixels (width x height) of an image, by its header; a larger one can't be decoded. Width x height x channels is less than 2^29 anyway.
        pub max_image_pixels: u64, default = 536870912

        /// Most pixels of an image's longer side, by its header.
        pub max_image_side: u64, default = 1000000

        /// Most frames of an image file; they are counted where this is less than 4294967295.
        pub max_image_frames: u64, default = 4294967295

        /// Most bytes of memory that decoding an image takes, as far as its header tells.
        pub max_decode_bytes: u64, default = 1610612736

        /// Most seconds that decoding an image takes, 1 to 86400; a slower one is given up. What is slow depends on the machine.
        pub max_image_seconds: u64, default = 60

        /// Most bytes of image files that a scan reads ahead of the decoders, all partitions together.
        pub prefetch_bytes: usize, default = 64 * 1024 * 1024

        /// Batches that each partition reads ahead, if prefetch_bytes allows, 1 to 1000.
        pub prefetch_batches: usize, default = 4

        /// Seconds that a statement on a cluster waits for an executor while there is none.
        pub executor_wait: u64, default = 60

        /// Memory for sorting, grouping and joining, such as '2G' or '512M'; what doesn't fit goes to temporary files.
        pub memory_limit: String, default = "2G".to_string()

        /// Most bytes of models, by their files, that a process keeps loaded, such as '1G' or '500M'. Models that are used at the same time are loaded again and again where they don't fit together.
        pub model_cache: String, default = "1G".to_string()

        /// The library of ONNX Runtime that runs models, by its absolute path, such as '/usr/lib/libonnxruntime.so' (1.24 or newer); without it the built-in runtime does. It is code that the process runs: where an allow-list is set, it must be the one that PIXMILL_ONNXRUNTIME names in the environment of the process.
        pub onnxruntime: String, default = String::new()

        /// Whether a COPY keeps the finished shards that a run of the same statement has left, and writes only the others.
        pub resume: bool, default = false

        /// Whether a COPY tries the rejected rows of the dataset that it has written again, and adds those that come through.
        pub retry_rejects: bool, default = false
    }
}

/// An option of a source or a sink, as the reference page has it.
#[derive(Debug, Clone, Copy)]
pub struct OptionPage {
    /// The name.
    pub name: &'static str,
    /// The default, in words where it is no constant.
    pub default: &'static str,
    /// What it does and which values it takes.
    pub description: &'static str,
}

/// The names of some options, for a message.
pub(crate) fn names(options: &[OptionPage]) -> String {
    let names: Vec<&str> = options.iter().map(|option| option.name).collect();
    names.join(", ")
}

/// Shortens a table of options.
pub(crate) const fn option(name: &'static str, default: &'static str, description: &'static str) -> OptionPage {
    OptionPage { name, default, description }
}

/// The `pixmill.*` options of a session.
#[derive(Clone, Default)]
pub struct PixmillOptions(Values);

impl PixmillOptions {
    /// The options of a session, the defaults where it has none.
    pub(crate) fn of(options: &ConfigOptions) -> Self {
        options.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Most bytes of image files in one batch.
    pub fn batch_bytes(&self) -> usize {
        self.0.batch_bytes
    }

    /// Most bytes of one batch's images, decoded.
    pub fn decoded_batch_bytes(&self) -> usize {
        self.0.decoded_batch_bytes
    }

    /// Most bytes of an image file.
    pub fn max_file_bytes(&self) -> usize {
        self.0.max_file_bytes
    }

    /// How large images may be, and how long decoding one may take.
    pub fn image_limits(&self) -> ImageLimits {
        ImageLimits {
            pixels: self.0.max_image_pixels,
            side: self.0.max_image_side,
            frames: self.0.max_image_frames,
            decode_bytes: self.0.max_decode_bytes,
            time: Duration::from_secs(self.0.max_image_seconds),
        }
    }

    /// Most bytes read ahead.
    pub fn prefetch_bytes(&self) -> usize {
        self.0.prefetch_bytes
    }

    /// Batches read ahead by a partition.
    pub fn prefetch_batches(&self) -> usize {
        self.0.prefetch_batches
    }

    /// How long a statement on a cluster waits for an executor while there is none.
    pub fn executor_wait(&self) -> Duration {
        Duration::from_secs(self.0.executor_wait)
    }

    /// Memory for sorting, grouping and joining.
    pub fn memory_limit(&self) -> &str {
        &self.0.memory_limit
    }

    /// Most bytes of models that a process keeps loaded.
    ///
    /// # Errors
    /// No size, which can't be set.
    pub fn model_cache(&self) -> Result<u64> {
        Ok(SessionContext::parse_capacity_limit("pixmill.model_cache", &self.0.model_cache)? as u64)
    }

    /// The library of ONNX Runtime, where one is named.
    pub fn onnxruntime(&self) -> Option<PathBuf> {
        (!self.0.onnxruntime.is_empty()).then(|| PathBuf::from(&self.0.onnxruntime))
    }

    /// Whether a COPY keeps finished shards.
    pub fn resume(&self) -> bool {
        self.0.resume
    }

    /// Whether a `COPY` tries the rejected rows of its dataset again.
    pub fn retry_rejects(&self) -> bool {
        self.0.retry_rejects
    }
}

/// The most batches that are read ahead: each is a thread's.
const MOST_PREFETCH_BATCHES: u64 = 1000;
/// The most bytes of a batch: two such values fit into one column, whose offsets are 32-bit.
const MOST_BATCH_BYTES: u64 = 1 << 30;
/// The most bytes of a file: those that a column of binary values can hold.
const MOST_FILE_BYTES: u64 = i32::MAX as u64;
/// The most seconds of an image: a day.
const MOST_IMAGE_SECONDS: u64 = 86_400;

/// Refuses a number that can't be kept; whether it is one is asked when it is set.
fn check(key: &str, value: &str) -> Result<()> {
    let (range, unit) = match key {
        "batch_bytes" | "decoded_batch_bytes" => (1..=MOST_BATCH_BYTES, " bytes"),
        "prefetch_batches" => (1..=MOST_PREFETCH_BATCHES, ""),
        "max_file_bytes" => (1..=MOST_FILE_BYTES, " bytes"),
        "max_image_pixels" | "max_image_side" => (1..=u64::MAX, " pixels"),
        "max_image_frames" => (1..=u64::MAX, ""),
        "max_decode_bytes" => (1..=u64::MAX, " bytes"),
        "max_image_seconds" => (1..=MOST_IMAGE_SECONDS, " seconds"),
        "model_cache" => {
            return match SessionContext::parse_capacity_limit("pixmill.model_cache", value)? as u64 {
                0 => plan_err!("pixmill.model_cache: must be a size such as '1G' or '500M', got '{value}'"),
                _ => Ok(()),
            };
        }
        "onnxruntime" if !value.is_empty() && !Path::new(value).is_absolute() => {
            return plan_err!(
                "pixmill.onnxruntime: must be the absolute path of a library such as '/usr/lib/libonnxruntime.so', or '' for the \
                 built-in runtime, got '{value}'"
            );
        }
        _ => return Ok(()),
    };
    match value.trim().parse::<u64>() {
        Ok(number) if !range.contains(&number) => {
            plan_err!(
                "{}.{key}: must be {} to {}{unit}, got {number}",
                PixmillOptions::PREFIX,
                range.start(),
                range.end()
            )
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for PixmillOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConfigExtension for PixmillOptions {
    const PREFIX: &'static str = "pixmill";
}

impl ExtensionOptions for PixmillOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        check(key, value)?;
        ExtensionOptions::set(&mut self.0, key, value)
    }

    /// With full keys: a remote role sets its options from these, and `SHOW` finds them by these.
    fn entries(&self) -> Vec<ConfigEntry> {
        let mut entries = ExtensionOptions::entries(&self.0);
        for entry in &mut entries {
            entry.key = format!("{}.{}", Self::PREFIX, entry.key);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_full_keys_and_a_text() {
        for entry in PixmillOptions::default().entries() {
            assert!(entry.key.starts_with("pixmill."), "{}", entry.key);
            assert!(entry.value.is_some() && !entry.description.is_empty(), "{}", entry.key);
        }
    }

    #[test]
    fn an_option_set_by_its_full_key_is_read_back() {
        let mut options = ConfigOptions::default();
        options.extensions.insert(PixmillOptions::default());
        options.set("pixmill.batch_bytes", "1000").expect("known option");
        assert_eq!(PixmillOptions::of(&options).batch_bytes(), 1000);
        assert!(options.set("pixmill.batch_byte", "1").is_err());
    }

    #[test]
    fn what_no_batch_can_keep_is_refused_as_a_value() {
        let mut options = ConfigOptions::default();
        options.extensions.insert(PixmillOptions::default());
        for (name, value) in [
            ("batch_bytes", "1073741825"),
            ("batch_bytes", "3000000000"),
            ("batch_bytes", "0"),
            ("decoded_batch_bytes", "2147483648"),
            ("decoded_batch_bytes", "0"),
            ("prefetch_batches", "0"),
            ("max_file_bytes", "2147483648"),
            ("max_image_pixels", "0"),
            ("max_image_seconds", "86401"),
        ] {
            let message = options.set(&format!("pixmill.{name}"), value).expect_err(name).strip_backtrace();
            assert!(message.contains(&format!("pixmill.{name}: must be ")), "{message}");
            assert!(message.contains(&format!("got {value}")), "{message}");
        }
        for (name, value) in [
            ("batch_bytes", "1073741824"),
            ("batch_bytes", "1"),
            ("decoded_batch_bytes", "1073741824"),
            ("prefetch_bytes", "0"),
            ("prefetch_bytes", "100000000000"),
            ("prefetch_batches", "1"),
        ] {
            options.set(&format!("pixmill.{name}"), value).expect(name);
        }
        assert_eq!(PixmillOptions::of(&options).batch_bytes(), 1);
    }
}
