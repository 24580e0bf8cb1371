//! Which values are images, of what formats and sizes, and which of them can't be decoded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::FaultPlace;

/// A format and a size, and how many images have them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ImageSize {
    pub(crate) format: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) count: u64,
}

/// Different sizes that are told apart in one file; images of further ones aren't counted by size.
const MOST_SIZES: usize = 10_000;

/// Counts by format, width and height.
#[derive(Debug, Default)]
pub(super) struct SizeCounts(BTreeMap<(&'static str, u32, u32), u64>);

impl SizeCounts {
    pub(super) fn add(&mut self, content: &[u8]) {
        let Some(size) = pixmill_udfs::image_size(content) else { return };
        if self.0.len() < MOST_SIZES || self.0.contains_key(&size) {
            *self.0.entry(size).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (size, count) in other.0 {
            *self.0.entry(size).or_default() += count;
        }
    }

    /// The most frequent first.
    pub(super) fn sorted(self) -> Vec<ImageSize> {
        let sizes = self.0.into_iter();
        let mut sizes: Vec<_> =
            sizes.map(|((format, width, height), count)| ImageSize { format, width, height, count }).collect();
        sizes.sort_by_key(|size| std::cmp::Reverse(size.count));
        sizes
    }
}

/// Whether bytes begin like an image file; other bytes are text or whatever else.
pub(super) fn looks_like_an_image(bytes: &[u8]) -> bool {
    let starts: [&[u8]; 5] = [b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*"];
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    // "BM" begins many a text; a BMP file says its length next.
    let length = bytes.get(2..6).and_then(|length| length.first_chunk::<4>()).copied().map(u32::from_le_bytes);
    let is_bmp = bytes.starts_with(b"BM") && length.is_some_and(|length| length as usize == bytes.len());
    is_webp || is_bmp || starts.iter().any(|start| bytes.starts_with(start))
}

/// How many values that are no images are remembered.
const MOST_OTHERS: usize = 10;

/// A feature that holds bytes: images, or something else.
#[derive(Debug, Default)]
pub(super) struct BytesFeature {
    images: u64,
    others: u64,
    /// The first values that are no images, and why not.
    listed: Vec<(FaultPlace, String)>,
}

impl BytesFeature {
    pub(super) fn add_image(&mut self) {
        self.images += 1;
    }

    pub(super) fn add_other(&mut self, place: FaultPlace, value: &[u8]) {
        self.others += 1;
        if self.listed.len() < MOST_OTHERS
            && let Some(error) = pixmill_udfs::image_error(value.get(..16).unwrap_or(value))
        {
            self.listed.push((place, error.reason));
        }
    }

    /// The values that should be images, as most of the feature's are; how many more there are that aren't listed.
    pub(super) fn broken(self) -> (Vec<(FaultPlace, String)>, u64) {
        if self.images <= self.others {
            return (Vec::new(), 0);
        }
        let more = self.others - self.listed.len() as u64;
        (self.listed, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_image() {
        for text in [&b"BMW"[..], b"RIFF....WAVE", b"GIF", b"", b"daisy"] {
            assert!(!looks_like_an_image(text), "{text:?}");
        }
        assert!(looks_like_an_image(b"RIFF....WEBP"));
        assert!(looks_like_an_image(b"BM\x06\0\0\0"));
    }
}
