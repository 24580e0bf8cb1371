//! From samples to 8-bit grey, RGB and alpha, by what the file says that they mean.

use super::super::bad_image::BadImage;
use super::super::pixels::Pixels;
use super::directory::{Directory, tag};
use super::samples::{Samples, Values, scaled};
use super::{Tiff, unsupported};

/// What samples mean.
#[derive(Debug)]
pub(super) struct Photometric {
    color: Color,
    /// Behind the colours; other extra samples are left out.
    alpha: Option<Alpha>,
    /// What a sample of fewer than 8 bits is at most; 255 for others.
    most: u8,
    is_jpeg_ycbcr: bool,
}

#[derive(Debug)]
enum Color {
    Gray { is_inverted: bool },
    Rgb,
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr(YCbCr),
    Lab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alpha {
    Separate,
    /// Colours are multiplied by it.
    Associated,
}

/// How luma and chroma become RGB (TIFF 6.0, section 21).
#[derive(Debug, Clone, PartialEq)]
struct YCbCr {
    /// The weights of red, green and blue in luma.
    luma: [f64; 3],
    /// Black and white of each sample.
    range: [f64; 6],
    subsampling: (usize, usize),
}

impl Photometric {
    pub(super) fn read(directory: &Directory<'_>, samples: u16, bits: u64) -> Result<Self, BadImage> {
        let compression = directory.number(tag::COMPRESSION, 1)?;
        // As libtiff guesses where nothing is said: CCITT's codes are for black on white.
        let interpretation = match directory.numbers(tag::PHOTOMETRIC)?.and_then(|numbers| numbers.first().copied()) {
            Some(interpretation) => interpretation,
            None if samples >= 3 => 2,
            None => 0,
        };
        let format = directory.number(tag::SAMPLE_FORMAT, 1)?;
        let is_number = format == 3 || (format == 2 && bits > 8);
        let (color, count) = match interpretation {
            // Numbers that are no light aren't inverted.
            0 => (Color::Gray { is_inverted: !is_number }, 1),
            1 => (Color::Gray { is_inverted: false }, 1),
            2 => (Color::Rgb, 3),
            3 => (Color::Palette(palette(directory, bits)?), 1),
            5 => (Color::Cmyk, 4),
            // What JPEG holds in YCbCr, comes out of it as RGB.
            6 if matches!(compression, 6 | 7) => (Color::Rgb, 3),
            6 => (Color::YCbCr(YCbCr::read(directory)?), 3),
            8 => (Color::Lab, 3),
            other => {
                let name = match other {
                    4 => " (a mask)",
                    9 => " (icc lab)",
                    10 => " (itu lab)",
                    32_803 => " (a camera's raw data)",
                    32_844 | 32_845 => " (logluv)",
                    34_892 => " (linear raw data)",
                    _ => "",
                };
                return Err(unsupported(format!("photometric interpretation {other}{name}")));
            }
        };
        if usize::from(samples) < count {
            return Err(super::broken(format!("{samples} samples a pixel, where its colours need {count}")));
        }
        if bits != 8 && matches!(color, Color::YCbCr(_) | Color::Lab) {
            return Err(unsupported(format!("photometric interpretation {interpretation} with {bits} bits")));
        }
        let extra = directory.numbers(tag::EXTRA_SAMPLES)?.and_then(|extra| extra.first().copied());
        let alpha = match (usize::from(samples) > count, extra) {
            (true, Some(1)) => Some(Alpha::Associated),
            (true, Some(2)) => Some(Alpha::Separate),
            // A fourth sample of which nothing is said.
            (true, None) if interpretation == 2 => Some(Alpha::Separate),
            _ => None,
        };
        let most = if bits < 8 { ((1 << bits) - 1) as u8 } else { 255 };
        let is_jpeg_ycbcr = interpretation == 6 && matches!(compression, 6 | 7);
        Ok(Self { color, alpha, most, is_jpeg_ycbcr })
    }

    /// Luma samples for each of chroma, across and down; `None` where there is no chroma, or one for each.
    pub(super) fn subsampling(&self) -> Option<(usize, usize)> {
        match &self.color {
            Color::YCbCr(ycbcr) => Some(ycbcr.subsampling).filter(|subsampling| *subsampling != (1, 1)),
            _ => None,
        }
    }

    /// Whether JPEG data are in YCbCr.
    pub(super) fn is_ycbcr(&self) -> bool {
        self.is_jpeg_ycbcr
    }

    /// Samples of a pixel that mean colours.
    fn colors(&self) -> usize {
        match self.color {
            Color::Gray { .. } | Color::Palette(_) => 1,
            Color::Cmyk => 4,
            Color::Rgb | Color::YCbCr(_) | Color::Lab => 3,
        }
    }

    /// Samples of a pixel that mean colours or alpha.
    pub(super) fn used_samples(&self) -> usize {
        self.colors() + usize::from(self.alpha.is_some())
    }

    /// The pixels.
    pub(super) fn pixels(&self, samples: &Samples, tiff: &Tiff<'_>) -> Pixels {
        let (count, colors) = (samples.count, self.colors());
        let scaled_values;
        let bytes = match &samples.values {
            Values::Bytes(bytes) => bytes,
            Values::Numbers(numbers) => {
                scaled_values = scaled(numbers, |index| index % count < colors);
                &scaled_values
            }
        };
        let channels = if colors == 1 && !matches!(self.color, Color::Palette(_)) { 1 } else { 3 };
        let channels = channels + usize::from(self.alpha.is_some());
        let full = |value: u8| match self.most {
            255 => value,
            most => (u16::from(value) * 255 / u16::from(most)) as u8,
        };
        let mut values = Vec::with_capacity(bytes.len() / count * channels);
        for pixel in bytes.chunks_exact(count) {
            let alpha = self.alpha.map(|kind| (kind, full(pixel[colors])));
            match &self.color {
                Color::Gray { is_inverted } => {
                    let gray = full(pixel[0]);
                    values.push(if *is_inverted { 255 - gray } else { gray });
                }
                Color::Rgb => values.extend_from_slice(&[full(pixel[0]), full(pixel[1]), full(pixel[2])]),
                Color::Palette(colors) => {
                    values.extend_from_slice(&colors.get(usize::from(pixel[0])).copied().unwrap_or_default());
                }
                Color::Cmyk => {
                    let light = |ink: u8| 255 - u16::from(full(ink));
                    let black = light(pixel[3]);
                    values.extend([0, 1, 2].map(|ink: usize| (light(pixel[ink]) * black / 255) as u8));
                }
                Color::YCbCr(ycbcr) => values.extend_from_slice(&ycbcr.rgb([pixel[0], pixel[1], pixel[2]])),
                Color::Lab => values.extend_from_slice(&lab([pixel[0], pixel[1], pixel[2]])),
            }
            if let Some((kind, alpha)) = alpha {
                if kind == Alpha::Associated && alpha != 255 {
                    let start = values.len() + 1 - channels;
                    values[start..].iter_mut().for_each(|value| *value = divided(*value, alpha));
                }
                values.push(alpha);
            }
        }
        Pixels { width: tiff.width, height: tiff.height, channels: channels as u8, values }
    }
}

/// A colour that was multiplied by alpha.
fn divided(value: u8, alpha: u8) -> u8 {
    match alpha {
        0 => 0,
        alpha => (u16::from(value) * 255 / u16::from(alpha)).min(255) as u8,
    }
}

/// The colours of a palette, all reds first, of 16 bits each.
fn palette(directory: &Directory<'_>, bits: u64) -> Result<Vec<[u8; 3]>, BadImage> {
    let Some(values) = directory.numbers(tag::COLOR_MAP)? else { return Err(super::broken("it has no palette")) };
    if bits > 8 {
        return Err(unsupported(format!("a palette for {bits} bits")));
    }
    let count = values.len() / 3;
    // Some writers keep 8 bits.
    let shift = if values.iter().any(|value| *value > 255) { 8 } else { 0 };
    Ok((0..count).map(|index| [0, 1, 2].map(|channel| (values[channel * count + index] >> shift) as u8)).collect())
}

impl YCbCr {
    fn read(directory: &Directory<'_>) -> Result<Self, BadImage> {
        let fractions = |tag, count: usize| {
            let fractions = directory.fractions(tag)?;
            Ok::<_, BadImage>(fractions.filter(|all| all.len() >= count && all.iter().all(|value| value.is_finite())))
        };
        let luma = fractions(tag::YCBCR_COEFFICIENTS, 3)?.map_or([0.299, 0.587, 0.114], |all| [all[0], all[1], all[2]]);
        let range = fractions(tag::REFERENCE_BLACK_WHITE, 6)?
            .map_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0], |all| [all[0], all[1], all[2], all[3], all[4], all[5]]);
        let subsampling = directory.numbers(tag::YCBCR_SUBSAMPLING)?.unwrap_or_else(|| vec![2, 2]);
        let factor = |index: usize| subsampling.get(index).copied().filter(|factor| matches!(factor, 1 | 2 | 4));
        let (Some(wide), Some(high)) = (factor(0), factor(1)) else {
            return Err(super::broken(format!("chroma subsampled by {subsampling:?}")));
        };
        Ok(Self { luma, range, subsampling: (wide as usize, high as usize) })
    }

    fn rgb(&self, samples: [u8; 3]) -> [u8; 3] {
        let [black, white, blue_zero, blue_most, red_zero, red_most] = self.range;
        let [luma, blue, red] = samples.map(f64::from);
        let span = |from: f64, to: f64| if to == from { 1.0 } else { to - from };
        let luma = (luma - black) * 255.0 / span(black, white);
        let blue = (blue - blue_zero) * 127.0 / span(blue_zero, blue_most);
        let red = (red - red_zero) * 127.0 / span(red_zero, red_most);
        let [of_red, of_green, of_blue] = self.luma;
        let r = luma + red * (2.0 - 2.0 * of_red);
        let b = luma + blue * (2.0 - 2.0 * of_blue);
        let g = if of_green == 0.0 { luma } else { (luma - of_blue * b - of_red * r) / of_green };
        [r, g, b].map(|value| value.round().clamp(0.0, 255.0) as u8)
    }
}

/// CIE L*a*b* of the illuminant D50 in sRGB; the chroma samples have a sign.
fn lab([lightness, a, b]: [u8; 3]) -> [u8; 3] {
    let lightness = f64::from(lightness) * 100.0 / 255.0;
    let y = (lightness + 16.0) / 116.0;
    let (x, z) = (y + f64::from(a as i8) / 500.0, y - f64::from(b as i8) / 200.0);
    let linear = |t: f64| if t > 6.0 / 29.0 { t.powi(3) } else { (t - 4.0 / 29.0) * 3.0 * (6.0_f64 / 29.0).powi(2) };
    let [x, y, z] = [linear(x) * 0.9642, linear(y), linear(z) * 0.8249];
    // D50 to the linear light of sRGB (D65), by Bradford's adaptation.
    let rgb = [
        3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z,
        -0.978_768_4 * x + 1.916_141_5 * y + 0.033_454_0 * z,
        0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z,
    ];
    rgb.map(|light| {
        let light = light.clamp(0.0, 1.0);
        let value = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (value * 255.0).round() as u8
    })
}
