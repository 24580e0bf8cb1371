//! A thumbnail's pixels: opaque or transparent, enlarged where they are few, encoded for a page.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use pixmill_jpeg::{Encoder, Encoding, PixelLayout, Subsampling};

/// The sides of a square of the checkerboard behind transparent pixels.
const CHECKER: u32 = 8;
/// Its two greys.
const CHECKER_GREYS: [u8; 2] = [255, 224];
/// An image with no side longer than this is an icon: it is kept to the pixel.
const ICON: u32 = 64;
/// The quality of thumbnails on a page.
const JPEG_QUALITY: u8 = 88;

/// A small image: red, green, blue and alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thumbnail {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

impl Thumbnail {
    /// A thumbnail of interleaved values: luma, luma and alpha, RGB or RGBA.
    ///
    /// # Errors
    /// Values that are no such image.
    pub(crate) fn new(width: u32, height: u32, channels: u8, values: &[u8]) -> Result<Self, String> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || !(1..=4).contains(&channels) || pixels * u64::from(channels) != values.len() as u64 {
            return Err(format!("{width}x{height}x{channels} pixels can't be {} values", values.len()));
        }
        let pixels = values.chunks_exact(usize::from(channels));
        let rgba = pixels.flat_map(|pixel| match *pixel {
            [luma] => [luma, luma, luma, 255],
            [luma, alpha] => [luma, luma, luma, alpha],
            [red, green, blue] => [red, green, blue, 255],
            [red, green, blue, alpha, ..] => [red, green, blue, alpha],
            [] => [0; 4],
        });
        Ok(Self { width, height, rgba: rgba.collect() })
    }

    /// Whether light shines through some pixel.
    pub(super) fn is_transparent(&self) -> bool {
        self.rgba.chunks_exact(4).any(|pixel| pixel[3] < 255)
    }

    /// How often each pixel is repeated, each way, so that a tiny image can be seen and isn't blurred.
    pub(super) fn enlargement(&self, side: u32) -> u32 {
        (side / self.width.max(self.height)).max(1)
    }

    /// That enlargement, and the size that the thumbnail is drawn in then.
    pub(super) fn drawn_size(&self, side: u32) -> (u32, (u32, u32)) {
        let times = self.enlargement(side);
        (times, (self.width * times, self.height * times))
    }

    /// The colour at a place, before a checkerboard where it is transparent.
    pub(super) fn on_checkerboard(&self, x: u32, y: u32, enlargement: u32) -> [u8; 3] {
        let at = (y / enlargement) as usize * self.width as usize + (x / enlargement) as usize;
        let Some([red, green, blue, alpha]) = self.rgba.get(4 * at..4 * at + 4) else { return [255; 3] };
        let behind = u16::from(CHECKER_GREYS[((x / CHECKER + y / CHECKER) % 2) as usize]);
        let alpha = u16::from(*alpha);
        [red, green, blue].map(|value| ((u16::from(*value) * alpha + behind * (255 - alpha) + 127) / 255) as u8)
    }

    /// The thumbnail as a file, with its media type: a JPEG, or a PNG where that would lose something.
    pub(crate) fn encoded(&self) -> Result<(&'static str, Vec<u8>), String> {
        let mut bytes = Vec::new();
        if self.is_transparent() || self.width.max(self.height) <= ICON {
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
                .write_image(&self.rgba, self.width, self.height, ExtendedColorType::Rgba8)
                .map_err(|error| error.to_string())?;
            return Ok(("image/png", bytes));
        }
        let encoding = Encoding { quality: JPEG_QUALITY, subsampling: Subsampling::Quarter, optimize: true };
        Encoder::default()
            .encode(&self.rgba, self.width, self.height, PixelLayout::Rgbx, &encoding, &mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(("image/jpeg", bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_channels_is_drawn() {
        let cases: [(u8, &[u8], [u8; 3]); 4] =
            [(1, &[9], [9; 3]), (2, &[9, 0], [255; 3]), (3, &[1, 2, 3], [1, 2, 3]), (4, &[0, 0, 0, 128], [127; 3])];
        for (channels, values, expected) in cases {
            let thumbnail = Thumbnail::new(1, 1, channels, values).expect("an image");
            assert_eq!(thumbnail.on_checkerboard(0, 0, 1), expected, "{channels} channels");
        }
        assert_eq!(Thumbnail::new(2, 1, 3, &[0; 5]), Err("2x1x3 pixels can't be 5 values".to_string()));
    }

    #[test]
    fn transparent_pixels_show_a_checkerboard() {
        let glass = Thumbnail::new(16, 8, 4, &[0; 16 * 8 * 4]).expect("an image");
        assert_eq!([glass.on_checkerboard(0, 0, 1), glass.on_checkerboard(8, 0, 1)], [[255; 3], [224; 3]]);
    }

    #[test]
    fn only_tiny_images_are_enlarged_by_whole_pixels() {
        let enlargement =
            |side: u32| Thumbnail::new(side, 1, 1, &vec![0; side as usize]).expect("one").enlargement(160);
        assert_eq!([16, 32, 60, 81, 160].map(enlargement), [10, 5, 2, 1, 1]);
    }

    #[test]
    fn photos_are_jpegs_and_what_a_jpeg_would_spoil_is_a_png() {
        let media_type = |side: u32, pixel: [u8; 4]| {
            let values = pixel.repeat((side * side) as usize);
            Thumbnail::new(side, side, 4, &values).expect("an image").encoded().expect("encoded").0
        };
        assert_eq!(media_type(100, [9, 9, 9, 255]), "image/jpeg");
        assert_eq!(media_type(100, [9, 9, 9, 254]), "image/png");
        assert_eq!(media_type(32, [9, 9, 9, 255]), "image/png");
    }
}
