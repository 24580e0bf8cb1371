//! Decoded images in memory: 8-bit, row-major, interleaved channels.

use super::arguments::Choice;
use super::bad_image::BadImage;

/// The most values (width x height x channels) an image may have.
///
/// The same bound as TensorFlow's JPEG decoder; it is checked on the header, before any pixel is decoded.
pub(crate) const MAX_VALUES: u64 = 1 << 29;

/// Which channels a decoded image has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Luma (ITU-R BT.601).
    Gray,
    /// Red, green, blue, alpha.
    Rgba,
    /// The channels that the file has: 1, 2, 3 or 4.
    Native,
}

impl Choice for Mode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("rgb", Self::Rgb), ("gray", Self::Gray), ("rgba", Self::Rgba), ("native", Self::Native)];
}

impl Mode {
    /// The number of channels of an image that has `native` channels in its file.
    pub(crate) fn channels(self, native: u8) -> u8 {
        match self {
            Mode::Rgb => 3,
            Mode::Gray => 1,
            Mode::Rgba => 4,
            Mode::Native => native,
        }
    }
}

/// An image that owns its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: u8,
    pub(crate) values: Vec<u8>,
}

/// An image whose values are borrowed, usually from an Arrow array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PixelsRef<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: u8,
    pub(crate) values: &'a [u8],
}

impl Pixels {
    pub(crate) fn as_ref(&self) -> PixelsRef<'_> {
        PixelsRef { width: self.width, height: self.height, channels: self.channels, values: &self.values }
    }

    /// The same image with the channels of `mode`.
    pub(crate) fn into_mode(self, mode: Mode) -> Pixels {
        let channels = mode.channels(self.channels);
        if channels == self.channels {
            return self;
        }
        let values = self.as_ref().with_channels(channels);
        Pixels { channels, values, ..self }
    }
}

impl PixelsRef<'_> {
    /// The values with 1 (luma), 2 (luma, alpha), 3 (RGB) or 4 (RGBA) channels; alpha is dropped or made opaque.
    pub(crate) fn with_channels(self, channels: u8) -> Vec<u8> {
        let from = usize::from(self.channels);
        let pixels = self.values.chunks_exact(from);
        let mut values = Vec::with_capacity(pixels.len() * usize::from(channels));
        for pixel in pixels {
            let rgb = if from < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
            let alpha = if from % 2 == 0 { pixel[from - 1] } else { 255 };
            match channels {
                1 => values.push(if from < 3 { pixel[0] } else { luma(rgb) }),
                2 => values.extend_from_slice(&[if from < 3 { pixel[0] } else { luma(rgb) }, alpha]),
                3 => values.extend_from_slice(&rgb),
                _ => values.extend_from_slice(&[rgb[0], rgb[1], rgb[2], alpha]),
            }
        }
        values
    }
}

/// Luma of ITU-R BT.601 in 16-bit fixed point, rounded: Pillow's conversion to mode `L`.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}

/// Checks an image's header against [`MAX_VALUES`] and returns the number of values.
pub(crate) fn checked_size(width: u32, height: u32, channels: u8) -> Result<usize, BadImage> {
    if width == 0 || height == 0 {
        return Err(BadImage::broken("image", format!("it has no pixels: {width}x{height}")));
    }
    let values = u64::from(width) * u64::from(height) * u64::from(channels);
    if values >= MAX_VALUES {
        return Err(BadImage::too_large(format!(
            "{width}x{height} pixels in {channels} channels are {values} values, the limit is {MAX_VALUES}"
        )));
    }
    usize::try_from(values).map_err(BadImage::too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_dropped_and_grey_is_spread() {
        let grey_alpha = PixelsRef { width: 2, height: 1, channels: 2, values: &[10, 0, 20, 255] };
        assert_eq!(grey_alpha.with_channels(3), [10, 10, 10, 20, 20, 20]);
        assert_eq!(grey_alpha.with_channels(4), [10, 10, 10, 0, 20, 20, 20, 255]);
        assert_eq!(grey_alpha.with_channels(1), [10, 20]);
    }

    #[test]
    fn luma_of_white_is_white() {
        assert_eq!(luma([255, 255, 255]), 255);
        assert_eq!(luma([255, 0, 0]), 76);
    }

    #[test]
    fn an_image_over_the_limit_is_refused_by_its_header() {
        let error = checked_size(65_535, 65_535, 3).expect_err("too large");
        assert_eq!(
            error.reason,
            "too large: 65535x65535 pixels in 3 channels are 12884508675 values, the limit is 536870912"
        );
        assert_eq!(checked_size(1, 1, 3), Ok(3));
    }
}
