//! Images that aren't whole: what could be decoded of them, the rest grey.

use std::ops::Range;

use super::bad_image::BadImage;
use super::pixels::Pixels;

/// What a row that couldn't be decoded holds in its colours; its alpha is 255.
pub(crate) const GRAY: u8 = 128;

/// An image, or the part of it that could be decoded.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) pixels: Pixels,
    /// The rows that are complete.
    pub(crate) rows: Range<usize>,
    /// Why there are no more.
    pub(crate) fault: Option<BadImage>,
}

impl Part {
    pub(crate) fn whole(pixels: Pixels) -> Self {
        Self { rows: 0..pixels.height as usize, pixels, fault: None }
    }

    /// An image whose first rows alone are there.
    pub(crate) fn cut(pixels: Pixels, rows: usize, fault: BadImage) -> Self {
        Self { pixels, rows: 0..rows, fault: Some(fault) }
    }

    /// The image, if all of it is there.
    ///
    /// # Errors
    /// Why it isn't.
    pub(crate) fn into_whole(self) -> Result<Pixels, BadImage> {
        self.fault.map_or(Ok(self.pixels), Err)
    }

    /// The image with grey where rows are missing, and how many of a hundred rows are there; `None` if none is.
    pub(crate) fn into_gray(mut self) -> Option<(Pixels, usize)> {
        let height = self.pixels.height as usize;
        if self.rows.is_empty() || height == 0 {
            return None;
        }
        let (channels, width) = (usize::from(self.pixels.channels), self.pixels.width as usize);
        let missing = (0..self.rows.start).chain(self.rows.end..height);
        let mut gray = vec![GRAY; channels];
        if channels.is_multiple_of(2) {
            gray[channels - 1] = 255;
        }
        for row in missing {
            let start = row * width * channels;
            for pixel in self.pixels.values[start..start + width * channels].chunks_exact_mut(channels) {
                pixel.copy_from_slice(&gray);
            }
        }
        Some((self.pixels, 100 * self.rows.len() / height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rows_are_gray() {
        let pixels = Pixels { width: 2, height: 3, channels: 2, values: vec![7; 12] };
        let part = Part { pixels, rows: 1..2, fault: None };
        let (pixels, percent) = part.into_gray().expect("a row");
        assert_eq!(pixels.values, [128, 255, 128, 255, 7, 7, 7, 7, 128, 255, 128, 255]);
        assert_eq!(percent, 33);
        let none = Pixels { width: 1, height: 1, channels: 1, values: vec![0] };
        assert!(Part::cut(none, 0, BadImage::empty()).into_gray().is_none());
    }
}
