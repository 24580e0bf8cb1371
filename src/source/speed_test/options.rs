//! Options of the table function `speed_test`.

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::config::{OptionPage, names, option, value};
use crate::source::arguments::SourceOptions;

/// What is measured, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedTestOptions {
    /// Directories, files or globs of images or of TFRecord shards.
    pub sources: Vec<String>,
    /// Images in a batch.
    pub batch_sizes: Vec<usize>,
    /// Batches that are read.
    pub batch_numbers: Vec<usize>,
    /// How often each combination of them is measured.
    pub repetitions: usize,
    /// Whether images are decoded, and those of files resized.
    pub decode: bool,
    /// Pixels that images of files are resized to.
    pub width: u32,
    /// As `width`.
    pub height: u32,
    /// Whether the files are dropped from the page cache before each repetition.
    pub cold: bool,
    /// Combinations that a process measures at a time.
    pub concurrent: usize,
    /// The feature of records that holds the image.
    pub image: Option<String>,
}

impl Default for SpeedTestOptions {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            batch_sizes: vec![2, 4, 8, 16],
            batch_numbers: vec![3, 6, 12, 24],
            repetitions: 3,
            decode: true,
            width: 192,
            height: 192,
            cold: false,
            concurrent: 1,
            image: None,
        }
    }
}

/// The most combinations at a time.
const MOST_CONCURRENT: usize = 1024;
/// The most combinations: each is a task.
const MOST_COMBINATIONS: usize = 100_000;

impl SourceOptions for SpeedTestOptions {
    const OPTIONS: &'static [OptionPage] = &[
        option("source", "", "A further location, as those that stand before the options."),
        option("batch_sizes", "2,4,8,16", "Images in a batch: numbers, as in `[2, 4, 8]` or `'2,4,8'`."),
        option("batch_numbers", "3,6,12,24", "Batches that are read, one after the other."),
        option("repetitions", "3", "How often each combination of batch size and number is measured."),
        option(
            "decode",
            "true",
            "Whether images are decoded, as a training reader does; those of files are resized, too, those of shards are taken to \
             have their size.",
        ),
        option("width", "192", "Pixels that images of files are resized to, cut to fit (`fit => 'cover'`)."),
        option("height", "192", "As width."),
        option(
            "cold",
            "false",
            "Whether the files that a repetition reads are dropped from the system's page cache before it begins. Caches of disks, \
             hosts and servers can't be dropped; the column note says where it had no effect.",
        ),
        option(
            "concurrent",
            "1",
            "Combinations that one process measures at a time, 1 to 1024. More of them measure each other.",
        ),
        option("image", "found by its name, else by its bytes", "The feature of TFRecord shards that holds the image."),
    ];

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "source" => self.sources.push(value.to_string()),
            "batch_sizes" => self.batch_sizes = parse_counts(name, value)?,
            "batch_numbers" => self.batch_numbers = parse_counts(name, value)?,
            "repetitions" => self.repetitions = value::count(name, value)?,
            "decode" => self.decode = value::boolean(name, value)?,
            "width" => self.width = value::whole_number(name, value, 1..=65_535, " of pixels")?,
            "height" => self.height = value::whole_number(name, value, 1..=65_535, " of pixels")?,
            "cold" => self.cold = value::boolean(name, value)?,
            "concurrent" => self.concurrent = value::whole_number(name, value, 1..=MOST_CONCURRENT, "")?,
            "image" => self.image = Some(value.to_string()),
            _ => {
                return plan_err!("unknown option '{name}' for speed_test; the options are {}", names(Self::OPTIONS));
            }
        }
        Ok(())
    }
}

impl SpeedTestOptions {
    /// Checks what only all options together tell.
    ///
    /// # Errors
    /// Nothing to read, the same thing twice, or too much.
    pub(super) fn check(&self) -> Result<()> {
        if self.sources.is_empty() {
            return plan_err!("speed_test takes one or more locations, as in speed_test('photos', 'shards')");
        }
        if let Some(twice) = first_repeated(&self.sources) {
            return plan_err!("speed_test: source '{twice}' is listed twice");
        }
        let default = Self::default();
        if !self.decode && (self.width, self.height) != (default.width, default.height) {
            return plan_err!(
                "speed_test: width and height are those of decoded images, got {}x{} and decode false; leave them out",
                self.width,
                self.height
            );
        }
        let combinations = self.sources.len() * self.batch_sizes.len() * self.batch_numbers.len();
        if combinations > MOST_COMBINATIONS {
            return plan_err!("speed_test: {combinations} combinations are more than {MOST_COMBINATIONS}");
        }
        Ok(())
    }
}

/// Numbers as `2,4,8` or `[2, 4, 8]`.
fn parse_counts(name: &str, value: &str) -> Result<Vec<usize>> {
    let counts: Result<Vec<usize>> = value.split(',').map(|part| value::count(name, part.trim())).collect();
    let counts = counts?;
    match first_repeated(&counts) {
        Some(twice) => plan_err!("{name}: {twice} is listed twice"),
        None => Ok(counts),
    }
}

fn first_repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_options_are_answered_with_what_is_allowed() {
        let cases = [
            ("batch_sizes", "", "batch_sizes: must be a whole number from 1 to 100000, got ''"),
            ("batch_sizes", "2,0", "batch_sizes: must be a whole number from 1 to 100000, got '0'"),
            ("batch_numbers", "2,4,2", "batch_numbers: 2 is listed twice"),
            ("repetitions", "0", "repetitions: must be a whole number from 1 to 100000, got '0'"),
            ("decode", "1", "decode: must be true or false, got '1'"),
            ("width", "0", "width: must be a whole number of pixels from 1 to 65535, got '0'"),
            ("concurrent", "2000", "concurrent: must be a whole number from 1 to 1024, got '2000'"),
            (
                "batch_size",
                "2",
                "unknown option 'batch_size' for speed_test; the options are source, batch_sizes, batch_numbers, repetitions, decode, \
                 width, height, cold, concurrent, image",
            ),
        ];
        for (name, value, expected) in cases {
            let error = SpeedTestOptions::default().set(name, value).expect_err("a bad value");
            assert_eq!(error.strip_backtrace(), format!("Error during planning: {expected}"));
        }
    }

    #[test]
    fn the_page_tells_the_defaults() {
        let mut from_page = SpeedTestOptions::default();
        for OptionPage { name, default, .. } in SpeedTestOptions::OPTIONS {
            if !matches!(*name, "source" | "image") {
                from_page.set(name, default).expect("a default");
            }
        }
        assert_eq!(from_page, SpeedTestOptions::default());
    }

    #[test]
    fn nothing_to_read_and_the_same_thing_twice_are_refused() {
        let error = |sources: &[&str]| {
            let sources = sources.iter().map(|source| (*source).to_string()).collect();
            let options = SpeedTestOptions { sources, ..SpeedTestOptions::default() };
            options.check().expect_err("refused").strip_backtrace()
        };
        assert!(error(&[]).ends_with("speed_test takes one or more locations, as in speed_test('photos', 'shards')"));
        assert!(error(&["a", "b", "a"]).ends_with("speed_test: source 'a' is listed twice"));
    }
}
