//! The samples of an image: whole numbers of up to 8 bits, the upper 8 bits of longer ones, or numbers to be scaled.

use super::super::bad_image::BadImage;
use super::unsupported;

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// A whole number from 0 on, of 1 to 64 bits.
    Unsigned(usize),
    /// A whole number of 16, 32 or 64 bits that may be below 0.
    Signed(usize),
    /// 16, 32 or 64 bits.
    Float(usize),
}

impl Depth {
    pub(super) fn try_new(bits: u64, format: u64) -> Result<Self, BadImage> {
        Ok(match (format, bits) {
            // An undefined format is taken for whole numbers. Pillow doesn't know a sign of 8 bits, either.
            (1 | 4, 1..=32 | 64) | (2, 1..=8) => Self::Unsigned(bits as usize),
            (2, 16 | 32 | 64) => Self::Signed(bits as usize),
            (3, 16 | 32 | 64) => Self::Float(bits as usize),
            _ => {
                let format = match format {
                    1 => "whole numbers",
                    2 => "numbers with a sign",
                    3 => "floats",
                    5 | 6 => "complex numbers",
                    _ => "an unknown kind",
                };
                return Err(unsupported(format!("samples of {bits} bits, {format}")));
            }
        })
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Makes values of differences, in a row of `of_pixel` samples a pixel.
    pub(super) fn undo_prediction(self, row: &mut [u8], predictor: u64, of_pixel: usize, is_big_endian: bool) {
        let (Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits)) = self;
        let width = bits.div_ceil(8);
        match predictor {
            2 => {
                for at in (of_pixel * width..row.len()).step_by(width) {
                    let before = at - of_pixel * width;
                    let sum = number(&row[at..at + width], is_big_endian)
                        .wrapping_add(number(&row[before..before + width], is_big_endian));
                    let bytes = sum.to_le_bytes();
                    for (index, byte) in row[at..at + width].iter_mut().enumerate() {
                        *byte = bytes[if is_big_endian { width - 1 - index } else { index }];
                    }
                }
            }
            3 => {
                for at in of_pixel..row.len() {
                    row[at] = row[at].wrapping_add(row[at - of_pixel]);
                }
                // The bytes of all floats stand by their weight, the heaviest first.
                let planes = row.to_vec();
                let count = row.len() / width;
                for (index, byte) in row.iter_mut().enumerate() {
                    let weight = if is_big_endian { index % width } else { width - 1 - index % width };
                    *byte = planes.get(weight * count + index / width).copied().unwrap_or_default();
                }
            }
            _ => {}
        }
    }
}

fn number(bytes: &[u8], is_big_endian: bool) -> u64 {
    let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

/// All samples, pixel by pixel.
#[derive(Debug)]
pub(super) struct Samples {
    depth: Depth,
    width: usize,
    /// Samples of a pixel.
    pub(super) count: usize,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) enum Values {
    /// Numbers of up to 8 bits as they are, the upper 8 bits of others.
    Bytes(Vec<u8>),
    /// Numbers that have no range of their own.
    Numbers(Vec<f32>),
}

impl Samples {
    pub(super) fn new(depth: Depth, width: usize, height: usize, count: usize) -> Self {
        let values = match depth {
            Depth::Unsigned(_) => Values::Bytes(vec![0; width * height * count]),
            _ => Values::Numbers(vec![0.0; width * height * count]),
        };
        Self { depth, width, count, values }
    }

    /// Puts a row of a strip or tile, which may be wider than the image, of one plane or of all.
    pub(super) fn put(
        &mut self,
        row: &[u8],
        (x, y): (usize, usize),
        plane: usize,
        of_pixel: usize,
        is_big_endian: bool,
    ) {
        let width = self.width - x;
        let start = (y * self.width + x) * self.count + plane;
        let step = if of_pixel == 1 { self.count } else { 1 };
        let wanted = width * of_pixel;
        match (&mut self.values, self.depth) {
            (Values::Bytes(values), Depth::Unsigned(8)) if step == 1 => {
                let wanted = wanted.min(row.len());
                values[start..start + wanted].copy_from_slice(&row[..wanted]);
            }
            (Values::Bytes(values), Depth::Unsigned(bits @ (8 | 16 | 32 | 64))) => {
                let bytes = bits / 8;
                let targets = values[start..].iter_mut().step_by(step);
                for (target, sample) in targets.zip(row.chunks_exact(bytes)).take(wanted) {
                    *target = sample[if is_big_endian { 0 } else { bytes - 1 }];
                }
            }
            (Values::Bytes(values), Depth::Unsigned(bits)) => {
                let targets = values[start..].iter_mut().step_by(step);
                for (index, target) in targets.take(wanted).enumerate() {
                    let Some(value) = packed(row, index * bits, bits) else { break };
                    *target = (value >> bits.saturating_sub(8)) as u8;
                }
            }
            (Values::Numbers(values), depth) => {
                let (Depth::Unsigned(bits) | Depth::Signed(bits) | Depth::Float(bits)) = depth;
                let targets = values[start..].iter_mut().step_by(step);
                for (target, sample) in targets.zip(row.chunks_exact(bits / 8)).take(wanted) {
                    *target = to_f32(number(sample, is_big_endian), depth);
                }
            }
            (Values::Bytes(_), _) => {}
        }
    }

    /// Puts units of YCbCr: so many luma samples, then one of each chroma, which is repeated for all of them.
    pub(super) fn put_subsampled(
        &mut self,
        units: &[u8],
        (wide, high): (usize, usize),
        (x, y): (usize, usize),
        chunk_width: usize,
    ) {
        let Values::Bytes(values) = &mut self.values else { return };
        let (width, count) = (self.width, self.count);
        let across = chunk_width.div_ceil(wide);
        for (index, unit) in units.chunks_exact(wide * high + 2).enumerate() {
            let (left, top) = (x + index % across * wide, y + index / across * high);
            for (place, luma) in unit[..wide * high].iter().enumerate() {
                let (column, row) = (left + place % wide, top + place / wide);
                let at = (row * width + column) * count;
                if column < width
                    && let Some(pixel) = values.get_mut(at..at + 3)
                {
                    pixel.copy_from_slice(&[*luma, unit[wide * high], unit[wide * high + 1]]);
                }
            }
        }
    }
}

/// A number of up to 32 bits among bits that are packed, the highest first.
fn packed(row: &[u8], start: usize, bits: usize) -> Option<u64> {
    let end = (start + bits).div_ceil(8);
    let bytes = row.get(start / 8..end)?;
    let joined = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    Some(joined >> (8 * end - start - bits) & ((1 << bits) - 1))
}

fn to_f32(bits: u64, depth: Depth) -> f32 {
    match depth {
        Depth::Signed(16) => f32::from(bits as u16 as i16),
        Depth::Signed(32) => bits as u32 as i32 as f32,
        Depth::Signed(_) => bits as i64 as f32,
        Depth::Float(16) => half(bits as u16),
        Depth::Float(32) => f32::from_bits(bits as u32),
        Depth::Float(_) => f64::from_bits(bits) as f32,
        Depth::Unsigned(_) => bits as f32,
    }
}

/// A float of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// The values from 0 to 255: those from 0 to 1 times 255, others from the least to the greatest there is. What is no number is 0.
pub(super) fn scaled(values: &[f32], is_used: impl Fn(usize) -> bool) -> Vec<u8> {
    let finite = || {
        let used = values.iter().enumerate().filter(|(index, value)| value.is_finite() && is_used(*index));
        used.map(|(_, value)| f64::from(*value))
    };
    let (least, most) =
        finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let (least, range) = if least >= 0.0 && most <= 1.0 { (0.0, 1.0) } else { (least, most - least) };
    let scale = |value: &f32| {
        let scaled = (f64::from(*value) - least) / range * 255.0;
        // A NaN becomes 0.
        scaled.round().clamp(0.0, 255.0) as u8
    };
    values.iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bits_come_from_the_highest_on() {
        let row = [0b1010_0101, 0b1100_0011];
        assert_eq!(
            (0..8).map(|index| packed(&row, 2 * index, 2).expect("bits")).collect::<Vec<_>>(),
            [2, 2, 1, 1, 3, 0, 0, 3]
        );
        assert_eq!([packed(&row, 0, 12), packed(&row, 4, 12), packed(&row, 8, 12)], [Some(0xa5c), Some(0x5c3), None]);
    }

    #[test]
    fn halves_are_floats() {
        assert_eq!([0x3c00, 0xc000, 0x0001, 0x7bff].map(half), [1.0, -2.0, 5.960_464_5e-8, 65_504.0]);
        assert!(half(0x7e00).is_nan() && half(0x7c00).is_infinite());
    }

    #[test]
    fn fractions_keep_their_range_and_others_get_one() {
        assert_eq!(scaled(&[0.0, 0.5, 1.0, f32::NAN], |_| true), [0, 128, 255, 0]);
        assert_eq!(scaled(&[-3.0, 0.0, 3.0], |_| true), [0, 128, 255]);
        assert_eq!(scaled(&[7.0, 7.0], |_| true), [0, 0]);
    }

    #[test]
    fn differences_are_summed() {
        let mut row = [1, 2, 3, 1, 1, 1];
        Depth::Unsigned(8).undo_prediction(&mut row, 2, 3, false);
        assert_eq!(row, [1, 2, 3, 2, 3, 4]);
        let mut row = [0x00, 0xff, 0x00, 0x02];
        Depth::Unsigned(16).undo_prediction(&mut row, 2, 1, true);
        assert_eq!(row, [0x00, 0xff, 0x01, 0x01]);
        // 1.0 and 2.0: bytes 3f 80 00 00 and 40 00 00 00, by weight 3f 40, 80 00, 00 00, 00 00, as differences.
        let mut row = [0x3f, 0x01, 0x40, 0x80, 0x00, 0x00, 0x00, 0x00];
        Depth::Float(32).undo_prediction(&mut row, 3, 1, false);
        assert_eq!(row, [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
    }
}
