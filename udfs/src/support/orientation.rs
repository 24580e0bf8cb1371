//! The EXIF orientation, wherever a format keeps it.

use image::metadata::Orientation;

use super::format::Format;
use super::jpeg_segments;
use super::tiff;

/// The orientation that an image file tells, as stored by cameras; a broken EXIF block is no reason to lose the image.
pub(crate) fn orientation(content: &[u8], format: Format) -> Orientation {
    let exif = match format {
        Format::Jpeg => jpeg_segments::exif(content),
        Format::Png => png_exif(content),
        Format::WebP => webp_exif(content),
        Format::Tiff => Some(content),
        _ => None,
    };
    // Some writers keep the prefix of JPEG's APP1 segment.
    let exif = exif.map(|exif| exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
    exif.and_then(tiff::orientation).unwrap_or(Orientation::NoTransforms)
}

/// The `eXIf` chunk of a PNG, before its pixels or behind them.
fn png_exif(content: &[u8]) -> Option<&[u8]> {
    let mut rest = content.get(8..)?;
    while let [a, b, c, d, kind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if kind.starts_with(b"eXIf") {
            return kind.get(4..length.checked_add(4)?);
        }
        rest = rest.get(length.checked_add(12)?..)?;
    }
    None
}

/// The `EXIF` chunk of a WebP.
fn webp_exif(content: &[u8]) -> Option<&[u8]> {
    let mut rest = content.get(12..)?;
    while let [kind @ .., a, b, c, d] = rest.get(..8)? {
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if kind == b"EXIF" {
            return rest.get(8..length.checked_add(8)?);
        }
        rest = rest.get(length.checked_add(8 + length % 2)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EXIF block whose one entry is the orientation 6, of a type.
    fn exif(kind: u8) -> Vec<u8> {
        let value = if kind == 4 { [0, 0, 0, 6] } else { [0, 6, 0, 0] };
        let value = if kind == 1 { [6, 0, 0, 0] } else { value };
        let entry = [&[1, 0x12, 0, kind, 0, 0, 0, 1][..], &value].concat();
        [&b"MM\0*\0\0\0\x08\0\x01"[..], &entry, &[0; 4]].concat()
    }

    #[test]
    fn an_orientation_is_a_number_of_two_or_four_bytes() {
        let turned = |kind| tiff::orientation(&exif(kind));
        assert_eq!([turned(3), turned(4)], [Some(Orientation::Rotate90); 2]);
        // Pillow takes a BYTE for text, and leaves the image as it is.
        assert_eq!([turned(1), turned(2), turned(7)], [None; 3]);
    }

    #[test]
    fn a_block_that_is_cut_off_tells_what_it_has() {
        let whole = exif(3);
        assert_eq!(tiff::orientation(&whole[..whole.len() - 4]), Some(Orientation::Rotate90));
        for end in 0..whole.len() - 4 {
            assert_eq!(tiff::orientation(&whole[..end]), None);
        }
    }

    #[test]
    fn a_png_may_have_it_behind_the_pixels() {
        let mut png = crate::support::testing::png(3, 2);
        let end = png.len() - 12;
        let chunk = [&(exif(3).len() as u32).to_be_bytes()[..], b"eXIf", &exif(3), &[0; 4]].concat();
        png.splice(end..end, chunk);
        assert_eq!(orientation(&png, Format::Png), Orientation::Rotate90);
    }
}
