//! The marker segments before a JPEG's first scan (ITU-T T.81, annex B): what the header alone tells.

/// One marker segment: the second marker byte and the bytes behind the length field.
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    pub(crate) payload: &'a [u8],
}

/// The frame header (SOF) of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bit_depth: u8,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) components: u8,
    pub(crate) is_progressive: bool,
}

/// The segments from the start of the image to the first scan or the first malformed one.
pub(crate) fn segments(jpeg: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            // Markers may be preceded by any number of fill bytes 0xFF; other bytes between segments are skipped.
            let start = rest.windows(2).position(|pair| {
                pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF | 0x01 | 0xD0..=0xD8)
            })?;
            let marker = rest[start + 1];
            rest = &rest[start + 2..];
            if matches!(marker, 0xD9 | 0xDA) {
                return None;
            }
            let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
            let payload = rest.get(2..length.max(2))?;
            rest = &rest[length.max(2)..];
            return Some(Segment { marker, payload });
        }
    })
}

/// The first frame header.
pub(crate) fn frame(jpeg: &[u8]) -> Option<Frame> {
    segments(jpeg).find_map(|Segment { marker, payload }| match (marker, payload) {
        (0xC4 | 0xC8 | 0xCC, _) => None,
        (0xC0..=0xCF, [bit_depth, h1, h0, w1, w0, components, ..]) => Some(Frame {
            bit_depth: *bit_depth,
            width: u16::from_be_bytes([*w1, *w0]),
            height: u16::from_be_bytes([*h1, *h0]),
            components: *components,
            is_progressive: matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE),
        }),
        _ => None,
    })
}

/// The EXIF block (a TIFF structure) of the first APP1 segment that holds one.
pub(crate) fn exif(jpeg: &[u8]) -> Option<&[u8]> {
    segments(jpeg)
        .filter(|segment| segment.marker == 0xE1)
        .find_map(|segment| segment.payload.strip_prefix(b"Exif\0\0"))
}

/// Whether an Adobe APP14 segment says that CMYK values are stored inverted.
pub(crate) fn has_adobe_segment(jpeg: &[u8]) -> bool {
    segments(jpeg).any(|segment| segment.marker == 0xEE && segment.payload.starts_with(b"Adobe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_found_behind_other_segments_and_fill_bytes() {
        let jpeg = [
            0xFF, 0xD8, 0xFF, 0xEE, 0, 7, b'A', b'd', b'o', b'b', b'e', 0xFF, 0xFF, 0xC2, 0, 9, 8,
            0, 30, 0, 40, 3, 0, 0xFF, 0xDA,
        ];
        let expected = Frame {
            bit_depth: 8,
            width: 40,
            height: 30,
            components: 3,
            is_progressive: true,
        };
        assert_eq!(frame(&jpeg), Some(expected));
        assert!(has_adobe_segment(&jpeg));
        assert_eq!(exif(&jpeg), None);
    }

    #[test]
    fn any_prefix_is_walked_to_its_end() {
        let jpeg = crate::support::testing::jpeg(7, 5);
        for end in 0..jpeg.len() {
            assert!(segments(&jpeg[..end]).count() < 32);
        }
    }
}
