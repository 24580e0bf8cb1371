//! Options of the source `IMAGES`.

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use super::Extent;
use crate::config::{OptionPage, names, option, value};
use crate::source::arguments::SourceOptions;
use crate::source::{Partitions, Sample};
use crate::storage::WebOptions;

/// How the images of a table are found, ordered and cut into partitions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImagesOptions {
    /// How many partitions.
    pub partitions: Partitions,
    /// Orders the images by a hash of this seed and their path below the location instead of by path.
    pub shuffle_seed: Option<u64>,
    /// The labels in the order of their class numbers; the labels found, sorted, where not given.
    pub classes: Option<Vec<String>>,
    /// Which file name extensions are images; `*` for all. Those of the option page where not given.
    pub extensions: Option<Vec<String>>,
    /// Whether folders below a directory are searched, too. A glob says so itself.
    pub is_recursive: Option<bool>,
    /// Which part of the images.
    pub sample: Option<Sample>,
    /// The list whose rows are the table's, where they aren't the images of a location.
    pub files: Option<String>,
    /// The column of the list that holds the places.
    pub url: Option<String>,
    /// How images of the web are asked for.
    pub web: WebOptions,
    /// How much of each file is the content.
    #[serde(default)]
    pub(in crate::source) extent: Extent,
}

impl SourceOptions for ImagesOptions {
    const OPTIONS: &'static [OptionPage] = &[
        option(
            "partitions",
            "by files and bytes",
            "How many parts the images are cut into, 1 to 100000; their counts differ by one at most. `shards` of a COPY outranks it.",
        ),
        option(
            "shuffle_seed",
            "",
            "Orders the images by a hash of this seed and their path below the location, before they are cut into partitions; by path where \
             not given. However the location is written, and wherever the images are moved, the order is the same.",
        ),
        option(
            "classes",
            "the labels found, sorted",
            "Labels in the order of their class numbers, separated by commas; other labels have no class.",
        ),
        option(
            "extensions",
            "bmp, gif, ico, jfif, jpe, jpeg, jpg, pbm, pgm, png, pnm, ppm, qoi, tga, tif, tiff, webp",
            "Which file name extensions are images, in any case; `*` for all. A glob that names an extension needs none.",
        ),
        option(
            "recursive",
            "true",
            "Whether folders below a directory are searched, too; a pattern says itself how deep it goes.",
        ),
        option(
            "files",
            "",
            "A list of images in place of a location: Parquet, CSV or JSON files by path, pattern or URL of a store, one image in each row. The \
             table has the list's columns, and behind them content and read_error. See docs/web.md.",
        ),
        option(
            "url",
            "url, else path, else bucket and key",
            "The column of the list that holds the places of images: paths, URLs of stores and of the web. With it, a LOCATION is a list.",
        ),
        option(
            "timeout_seconds",
            "10",
            "Seconds that an attempt at an image of the web may take, redirects and the whole body included, 1 to 3600.",
        ),
        option(
            "retries",
            "2",
            "How often an image of the web is asked for again after 408, 429 or 5xx, a broken connection or a body that doesn't come in time, 0 to 20. `Retry-After` \
             is kept to, up to 30 seconds.",
        ),
        option("requests_per_host", "32", "Requests that a process has under way at one host of the web, 1 to 512."),
        option(
            "user_agent",
            "pixmill and its version",
            "What `User-Agent` says to hosts of the web; what stands before its slash is the name that `X-Robots-Tag` may be for.",
        ),
        option(
            "respect_opt_out",
            "true",
            "Whether an image of the web is left out whose `X-Robots-Tag` has noai, noimageai, noindex or noimageindex for all or for this agent.",
        ),
        option(
            "max_bytes",
            "100000000",
            "Most bytes of an image of the web, 1 to 2147483647; larger ones are not read to their end.",
        ),
    ];

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "partitions" => {
                self.partitions = Partitions::Exactly(value::count(name, value)?);
            }
            "shuffle_seed" => {
                self.shuffle_seed = Some(value::whole_number_from_0(name, value)?);
            }
            "classes" => self.classes = Some(parse_classes(value)?),
            "extensions" => {
                let extension = |part: &str| part.trim_start_matches('.').to_ascii_lowercase();
                self.extensions = Some(value::list(value).map(extension).collect());
            }
            "recursive" => self.is_recursive = Some(value::boolean(name, value)?),
            "files" => self.files = Some(value.to_string()),
            "url" => self.url = Some(value.to_string()),
            "timeout_seconds" => self.web.timeout_seconds = value::whole_number(name, value, 1..=3600, "")?,
            "retries" => self.web.retries = value::whole_number(name, value, 0..=20, "")?,
            "requests_per_host" => self.web.requests_per_host = value::whole_number(name, value, 1..=512, "")?,
            "user_agent" => self.web.user_agent = agent(value)?,
            "respect_opt_out" => self.web.respects_opt_out = value::boolean(name, value)?,
            "max_bytes" => self.web.max_bytes = value::whole_number(name, value, 1..=i32::MAX as u64, " of bytes")?,
            _ => {
                return plan_err!("unknown option '{name}' for images; the options are {}", names(Self::OPTIONS));
            }
        }
        Ok(())
    }
}

impl ImagesOptions {
    /// Whether the location is a list.
    pub(super) fn is_list(&self) -> bool {
        self.files.is_some() || self.url.is_some()
    }

    /// An option that was given and is about folders alone.
    pub(super) fn only_of_folders(&self) -> Option<&'static str> {
        let given = [
            ("classes", self.classes.is_some()),
            ("extensions", self.extensions.is_some()),
            ("recursive", self.is_recursive.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

/// A value of `User-Agent`.
fn agent(value: &str) -> Result<String> {
    let is_sent = |letter: char| letter == ' ' || letter.is_ascii_graphic();
    match !value.trim().is_empty() && value.chars().all(is_sent) {
        true => Ok(value.trim().to_string()),
        false => plan_err!("user_agent: must be letters, digits and signs of ASCII, got '{value}'"),
    }
}

fn parse_classes(value: &str) -> Result<Vec<String>> {
    let classes: Vec<String> = value::list(value).map(str::to_string).collect();
    if classes.is_empty() {
        return plan_err!("classes: must name at least one label, got '{value}'");
    }
    for (index, class) in classes.iter().enumerate() {
        if classes[..index].contains(class) {
            return plan_err!("classes: '{class}' is listed twice");
        }
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::kind::IMAGE_EXTENSIONS;

    fn error(name: &str, value: &str) -> String {
        let result = ImagesOptions::default().set(name, value);
        result.expect_err("a bad value").strip_backtrace()
    }

    #[test]
    fn bad_options_are_answered_with_what_is_allowed() {
        let prefix = "Error during planning: ";
        let cases = [
            ("partitions", "0", "partitions: must be a whole number from 1 to 100000, got '0'"),
            ("shuffle_seed", "x", "shuffle_seed: must be a whole number from 0, got 'x'"),
            ("classes", "a,b,a", "classes: 'a' is listed twice"),
            ("timeout_seconds", "0", "timeout_seconds: must be a whole number from 1 to 3600, got '0'"),
            ("user_agent", "a\nb", "user_agent: must be letters, digits and signs of ASCII, got 'a\nb'"),
            ("recursive", "maybe", "recursive: must be true or false, got 'maybe'"),
            (
                "shards",
                "3",
                "unknown option 'shards' for images; the options are partitions, shuffle_seed, classes, extensions, recursive, \
                 files, url, timeout_seconds, retries, requests_per_host, user_agent, respect_opt_out, max_bytes",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(error(name, value), format!("{prefix}{expected}"));
        }
    }

    #[test]
    fn the_page_tells_the_default_extensions() {
        assert_eq!(ImagesOptions::OPTIONS[3].default, IMAGE_EXTENSIONS.join(", "));
    }

    #[test]
    fn every_name_is_known() {
        for OptionPage { name, .. } in ImagesOptions::OPTIONS {
            let result = ImagesOptions::default().set(name, "?");
            let is_unknown = result.is_err_and(|error| error.strip_backtrace().contains("unknown option"));
            assert!(!is_unknown, "{name}");
        }
    }
}
