//! The order of colours in which a model takes images.

use crate::support::arguments::Choice;
use crate::support::pixels::Pixels;

/// What the channels of a model's input are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Color {
    #[default]
    Rgb,
    /// OpenCV's order.
    Bgr,
    Gray,
}

impl Choice for Color {
    const CHOICES: &'static [(&'static str, Self)] = &[("rgb", Self::Rgb), ("bgr", Self::Bgr), ("gray", Self::Gray)];
}

impl Color {
    /// How many channels there are.
    pub(crate) fn channels(self) -> u8 {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }

    /// The image in these colours.
    pub(crate) fn of(self, image: Pixels) -> Pixels {
        let channels = self.channels();
        let mut image = match image.channels == channels {
            true => image,
            false => Pixels { channels, values: image.as_ref().with_channels(channels), ..image },
        };
        if self == Self::Bgr {
            image.values.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_has_its_channels() {
        let image = Pixels { width: 1, height: 1, channels: 4, values: vec![200, 100, 0, 255] };
        assert_eq!(Color::Rgb.of(image.clone()).values, [200, 100, 0]);
        assert_eq!(Color::Bgr.of(image.clone()).values, [0, 100, 200]);
        assert_eq!(Color::Gray.of(image).values, [118]);
    }
}
