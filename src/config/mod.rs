//! Options: those of the namespace `pixmill.*`, set by `SET pixmill.name = value`, and what sources and sinks have in common about theirs.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod value;

use std::any::Any;
use std::fmt;
use std::time::Duration;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, extensions_options, plan_err};
use datafusion::config::ConfigOptions;

extensions_options! {
    /// Values as declared here are the defaults; the texts are the reference page.
    struct Values {
        /// Most bytes of image files in one batch, 1 to 1073741824; a single larger file is a batch of its own.
        pub batch_bytes: usize, default = 32 * 1024 * 1024

        /// Most bytes that the images of one batch take when decoded to RGB, judged by their headers, 1 to 1073741824.
        pub decoded_batch_bytes: usize, default = 256 * 1024 * 1024

        /// Most bytes of image files that a scan reads ahead of the decoders, all partitions together.
        pub prefetch_bytes: usize, default = 64 * 1024 * 1024

        /// Batches that each partition reads ahead, if prefetch_bytes allows, 1 to 1000.
        pub prefetch_batches: usize, default = 4

        /// Seconds that a statement on a cluster waits for an executor while there is none.
        pub executor_wait: u64, default = 60

        /// Memory for sorting, grouping and joining, such as '2G' or '512M'; what doesn't fit goes to temporary files.
        pub memory_limit: String, default = "2G".to_string()

        /// Whether a COPY keeps the finished shards that a run of the same statement has left, and writes only the others.
        pub resume: bool, default = false
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

    /// Whether a COPY keeps finished shards.
    pub fn resume(&self) -> bool {
        self.0.resume
    }
}

/// The most batches that are read ahead: each is a thread's.
const MOST_PREFETCH_BATCHES: u64 = 1000;
/// The most bytes of a batch: two such values fit into one column, whose offsets are 32-bit.
const MOST_BATCH_BYTES: u64 = 1 << 30;

/// Refuses a number that can't be kept; whether it is one is asked when it is set.
fn check(key: &str, value: &str) -> Result<()> {
    let (range, unit) = match key {
        "batch_bytes" | "decoded_batch_bytes" => (1..=MOST_BATCH_BYTES, " bytes"),
        "prefetch_batches" => (1..=MOST_PREFETCH_BATCHES, ""),
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
