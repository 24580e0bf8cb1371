//! How much of an image file a query needs.

use pixmill_udfs::{image_size, tells_all};
use serde::{Deserialize, Serialize};

use super::load::MOST_BYTES;
use crate::format::kind::is_jpeg;

/// How much of each file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// What `image_info` looks at.
    Header,
    /// What tells format, width and height.
    Size,
}

/// Bytes of a file that hold its header, unless a profile or a preview stands before it.
const HEADER_BYTES: u64 = 64 * 1024;

impl Extent {
    /// How many bytes of a file of this name and length are read at first, where that is not all of it.
    pub(super) fn beginning(self, path: &str, length: u64) -> Option<u64> {
        let is_some = match self {
            Self::Whole => false,
            // Of others something may stand at the end, and what is too large to be read is so in any case.
            Self::Header => length > HEADER_BYTES && length <= MOST_BYTES as u64 && is_jpeg(path),
            // A range of nothing is an error.
            Self::Size => length > 0,
        };
        is_some.then_some(HEADER_BYTES)
    }

    /// Whether a beginning is enough.
    pub(super) fn is_enough(self, beginning: &[u8]) -> bool {
        match self {
            Self::Whole => false,
            Self::Header => tells_all(beginning),
            Self::Size => (beginning.len() as u64) < HEADER_BYTES || image_size(beginning).is_some(),
        }
    }

    /// What of a file is read, in a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Whole => "content",
            Self::Header | Self::Size => "headers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_files_that_tell_all_at_their_beginning_are_read_in_part() {
        let first = |extent: Extent, path: &str, length| extent.beginning(path, length);
        assert_eq!(first(Extent::Header, "s3://b/a.JPG", 1 << 20), Some(HEADER_BYTES));
        for (path, length) in [("a.jpeg", HEADER_BYTES), ("a.png", 1 << 20), ("a", 1 << 20), ("a.jpg", 3 << 30)] {
            assert_eq!(first(Extent::Header, path, length), None, "{path}");
        }
        assert_eq!(first(Extent::Size, "a.png", 10), Some(HEADER_BYTES));
        assert_eq!(first(Extent::Size, "a.png", 0), None);
        assert_eq!(first(Extent::Whole, "a.jpg", 1 << 20), None);
    }
}
