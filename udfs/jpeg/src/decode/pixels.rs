//! From rows of samples to rows of pixels.

use super::Channels;
use crate::kernels::Kernels;

/// What a file's components mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    Gray,
    YCbCr,
    Rgb,
    /// Cyan, magenta, yellow, black; Adobe's programs store all of them inverted, 255 being no ink.
    Cmyk {
        is_inverted: bool,
    },
    /// CMYK whose first three are stored as YCbCr, of which they are the complement.
    Ycck {
        is_inverted: bool,
    },
}

impl Color {
    /// How many channels pixels have.
    pub(super) fn channels(self, channels: Channels) -> u8 {
        match (channels, self) {
            (Channels::Gray, _) | (Channels::Native, Self::Gray) => 1,
            (Channels::Native, Self::Cmyk { .. } | Self::Ycck { .. }) | (Channels::Rgbx, _) => 4,
            (Channels::Rgb | Channels::Native, _) => 3,
        }
    }

    /// How many of the components the pixels are made from: grey needs no chroma.
    pub(super) fn components(self, channels: Channels) -> usize {
        match (self, channels) {
            (Self::Gray, _) | (Self::YCbCr, Channels::Gray) => 1,
            (Self::YCbCr | Self::Rgb, _) => 3,
            (Self::Cmyk { .. } | Self::Ycck { .. }, _) => 4,
        }
    }
}

/// Makes rows of pixels.
pub(super) struct PixelRows {
    pub(super) color: Color,
    pub(super) channels: Channels,
    pub(super) kernels: &'static Kernels,
    /// Of pixels whose colours take two steps.
    between: Vec<u8>,
}

impl PixelRows {
    pub(super) fn new(color: Color, channels: Channels, kernels: &'static Kernels) -> Self {
        Self { color, channels, kernels, between: Vec::new() }
    }

    /// Makes a row of pixels of the components' rows, which are padded to 16 samples. So are rows of four bytes a pixel.
    pub(super) fn convert(&mut self, rows: &[&[u8]], pixels: &mut [u8]) {
        match (self.color, self.channels, rows) {
            (Color::Gray, Channels::Native, [gray]) | (Color::Gray | Color::YCbCr, Channels::Gray, [gray]) => {
                pixels.copy_from_slice(&gray[..pixels.len()]);
            }
            (Color::Gray, Channels::Rgb, [gray]) => each_pixel(pixels, *gray, |gray| [*gray; 3]),
            (Color::Gray, Channels::Rgbx, [gray]) => each_pixel(pixels, *gray, |gray| [*gray, *gray, *gray, 0]),
            (Color::YCbCr, Channels::Rgbx, [luma, blue, red]) => (self.kernels.ycc_to_rgbx)(luma, blue, red, pixels),
            (Color::YCbCr, _, [luma, blue, red]) => (self.kernels.ycc_to_rgb)(luma, blue, red, pixels),
            (Color::Rgb, channels, [red, green, blue]) => {
                let samples = red.iter().zip(green.iter().zip(*blue)).map(|(red, (green, blue))| [*red, *green, *blue]);
                write_rgb(pixels, samples, channels);
            }
            (Color::Cmyk { is_inverted }, channels, [cyan, magenta, yellow, black]) => {
                let inks = cyan
                    .iter()
                    .zip(magenta.iter().zip(*yellow))
                    .map(|(cyan, (magenta, yellow))| [*cyan, *magenta, *yellow]);
                write_cmyk(pixels, inks.zip(black.iter().copied()), is_inverted, channels);
            }
            (Color::Ycck { is_inverted }, channels, [luma, blue, red, black]) => {
                let mut between = std::mem::take(&mut self.between);
                between.resize(3 * luma.len(), 0);
                (self.kernels.ycc_to_rgb)(luma, blue, red, &mut between);
                let inks = between.as_chunks::<3>().0.iter().map(|pixel| pixel.map(|value| 255 - value));
                write_cmyk(pixels, inks.zip(black.iter().copied()), is_inverted, channels);
                self.between = between;
            }
            (_, _, _) => debug_assert!(false, "{} rows for {:?}", rows.len(), self.color),
        }
    }
}

fn each_pixel<T, const N: usize>(
    pixels: &mut [u8],
    samples: impl IntoIterator<Item = T>,
    pixel: impl Fn(T) -> [u8; N],
) {
    for (target, sample) in pixels.as_chunks_mut().0.iter_mut().zip(samples) {
        *target = pixel(sample);
    }
}

fn write_rgb(pixels: &mut [u8], samples: impl Iterator<Item = [u8; 3]>, channels: Channels) {
    match channels {
        Channels::Gray => each_pixel(pixels, samples, |rgb| [luma(rgb)]),
        Channels::Rgbx => each_pixel(pixels, samples, |[red, green, blue]| [red, green, blue, 0]),
        Channels::Rgb | Channels::Native => each_pixel(pixels, samples, |rgb| rgb),
    }
}

fn write_cmyk(pixels: &mut [u8], samples: impl Iterator<Item = ([u8; 3], u8)>, is_inverted: bool, channels: Channels) {
    if channels == Channels::Native {
        each_pixel(pixels, samples, |([cyan, magenta, yellow], black)| [cyan, magenta, yellow, black]);
        return;
    }
    let light = move |ink: u8| u16::from(if is_inverted { ink } else { 255 - ink });
    let rgb = samples.map(|(inks, black)| inks.map(|ink| (light(ink) * light(black) / 255) as u8));
    write_rgb(pixels, rgb, channels);
}

/// Luma of ITU-R BT.601, rounded from 16-bit fixed point, as libjpeg and Pillow have it.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + (1 << 15)) >> 16) as u8
}
