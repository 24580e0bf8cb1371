//! A picture in sixels.

use icy_sixel::{EncodeOptions, sixel_encode};

/// Shows pixels one by one, in at most 256 colours.
///
/// # Errors
/// A picture that is too large.
pub(super) fn picture(rgba: &[u8], width: u32, height: u32) -> Result<String, String> {
    sixel_encode(rgba, width as usize, height as usize, &EncodeOptions::default()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use icy_sixel::SixelImage;

    use super::*;

    #[test]
    fn a_picture_of_one_colour_has_that_colour_and_what_is_not_drawn_none() {
        let mut rgba = [204, 51, 0, 255].repeat(12 * 7);
        rgba[..4].copy_from_slice(&[0; 4]);
        let sequence = picture(&rgba, 12, 7).expect("encoded");
        assert!(sequence.starts_with("\x1bP") && sequence.ends_with("\x1b\\"), "{sequence:?}");
        assert!(sequence.contains("\"1;1;12;7"), "{sequence:?}");
        assert!(sequence.contains(";2;80;20;0"), "{sequence:?}");
        let decoded = SixelImage::decode(sequence.as_bytes()).expect("decoded");
        // Sixels are six pixels high: the decoder gives whole ones.
        assert_eq!((decoded.width, decoded.height), (12, 12));
        assert_eq!(decoded.pixels[3], 0);
        assert_eq!(decoded.pixels[4..8], [204, 51, 0, 255]);
        assert_eq!(decoded.pixels[(12 * 7 - 1) * 4..12 * 7 * 4], [204, 51, 0, 255]);
        assert_eq!(decoded.pixels[12 * 7 * 4 + 3], 0);
    }
}
