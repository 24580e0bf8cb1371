//! Options of the source `IMAGES`.

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use crate::config::{OptionPage, names, option, value};
use crate::source::arguments::SourceOptions;
use crate::source::{Partitions, Sample};

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
    /// Whether the content is no more of each file than its header takes.
    #[serde(default)]
    pub(in crate::source) is_headers_only: bool,
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
            "bmp, gif, jfif, jpe, jpeg, jpg, png, tif, tiff, webp",
            "Which file name extensions are images, in any case; `*` for all. A glob that names an extension needs none.",
        ),
        option(
            "recursive",
            "true",
            "Whether folders below a directory are searched, too; a pattern says itself how deep it goes.",
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
            _ => {
                return plan_err!("unknown option '{name}' for images; the options are {}", names(Self::OPTIONS));
            }
        }
        Ok(())
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
            ("recursive", "maybe", "recursive: must be true or false, got 'maybe'"),
            (
                "shards",
                "3",
                "unknown option 'shards' for images; the options are partitions, shuffle_seed, classes, extensions, recursive",
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
