//! Forward transforms (ITU-T T.81, A.3.3 and A.3.4): from pixels to quantised coefficients in the order in which they are coded.

use crate::kernels::Pair;
use crate::lanes::{Lanes, Wide};

/// What quantisation multiplies by instead of dividing, for two neighbouring blocks (laid out as [`Pair`]).
///
/// libjpeg-turbo's reciprocals of 16 bits: their quotients are not always those of an exact division.
pub(crate) struct Divisors {
    reciprocals: Pair,
    corrections: Pair,
    scales: Pair,
}

impl Divisors {
    /// Divisors for the steps of a quantisation table in natural order, each at least 1.
    pub(crate) fn new(steps: &[u8; 64]) -> Self {
        let mut divisors = Self { reciprocals: [0; 128], corrections: [0; 128], scales: [0; 128] };
        for (position, step) in steps.iter().enumerate() {
            let (reciprocal, correction, scale) = reciprocal(u32::from((*step).max(1)));
            let first = position / 8 * 16 + position % 8;
            for at in [first, first + 8] {
                divisors.reciprocals[at] = reciprocal as i16;
                divisors.corrections[at] = correction as i16;
                divisors.scales[at] = scale as i16;
            }
        }
        divisors
    }
}

/// For a step of 1 to 255: reciprocal, correction and scale, such that `((x + correction) * reciprocal >> 16) * scale >> 16` is x divided
/// by eight steps and rounded. The transform's coefficients are eight times too large.
fn reciprocal(step: u32) -> (u16, u16, u16) {
    let divisor = step * 8;
    let bits = 16 + divisor.ilog2();
    let (quotient, remainder, half) = ((1 << bits) / divisor, (1 << bits) % divisor, divisor / 2);
    let scale = |bits: u32| (1u32 << (32 - bits)) as u16;
    if remainder == 0 {
        // A power of two: the quotient is 65536, a bit too long.
        ((quotient / 2) as u16, half as u16, scale(bits - 1))
    } else if remainder <= half {
        (quotient as u16, half as u16 + 1, scale(bits))
    } else {
        (quotient as u16 + 1, half as u16, scale(bits))
    }
}

/// Transforms eight rows of sixteen samples, two neighbouring blocks, and quantises them.
///
/// The coefficients come in zigzag order, and with a bit for each that isn't 0, of which the first coefficient's is the lowest.
#[inline(always)]
pub(crate) fn forward<L: Lanes>(
    samples: &[u8],
    stride: usize,
    divisors: &Divisors,
    blocks: &mut [[i16; 64]; 2],
    nonzero: &mut [u64; 2],
) {
    let mut rows = [L::splat(0); 8];
    for (index, row) in rows.iter_mut().enumerate() {
        let Some(samples) = samples[index * stride..].first_chunk() else { continue };
        *row = L::from_bytes(samples).sub(L::splat(128));
    }
    let columns = accurate_pass::<L, true>(L::transpose(rows));
    let mut rows = accurate_pass::<L, false>(L::transpose(columns));
    let [reciprocals, corrections, scales] =
        [&divisors.reciprocals, &divisors.corrections, &divisors.scales].map(|factors| factors.as_chunks::<16>().0);
    for (index, row) in rows.iter_mut().enumerate() {
        let magnitude = row.absolute().add(L::load(&corrections[index]));
        let scaled = magnitude.multiply_high_unsigned(L::load(&reciprocals[index]));
        // Both are less than 2^15, so that signs don't count; of two unsigned products in a row a compiler makes ones of 32 bits.
        *row = scaled.multiply_high(L::load(&scales[index])).with_signs_of(*row);
    }
    let zigzag = L::zigzag(rows);
    store(zigzag, blocks);
    *nonzero = nonzero_of(zigzag);
}

/// Splits coefficients in zigzag order into their blocks.
#[inline(always)]
fn store<L: Lanes>(zigzag: [L; 8], [first, second]: &mut [[i16; 64]; 2]) {
    let halves = first.as_chunks_mut::<8>().0.iter_mut().zip(second.as_chunks_mut::<8>().0);
    for (lanes, (first, second)) in zigzag.into_iter().zip(halves) {
        let mut values = [0; 16];
        lanes.store(&mut values);
        first.copy_from_slice(&values[..8]);
        second.copy_from_slice(&values[8..]);
    }
}

/// A bit for each coefficient that isn't 0, of both blocks.
#[inline(always)]
fn nonzero_of<L: Lanes>(zigzag: [L; 8]) -> [u64; 2] {
    let mut nonzero = [0; 2];
    for (pair, octets) in zigzag.as_chunks::<2>().0.iter().enumerate() {
        let bits = octets[0].nonzero_halves(octets[1]);
        nonzero[0] |= u64::from(bits[0]) << (16 * pair);
        nonzero[1] |= u64::from(bits[1]) << (16 * pair);
    }
    nonzero
}

/// One dimension of the accurate transform: libjpeg-turbo's `JDCT_ISLOW` (after Loeffler, Ligtenberg and Moschytz), constants of 13 bits.
///
/// The rows come first and leave their results four times as large; the columns take that back.
#[inline(always)]
fn accurate_pass<L: Lanes, const ROWS: bool>(input: [L; 8]) -> [L; 8] {
    /// Drops the constants' bits.
    #[inline(always)]
    fn round<L: Lanes, const ROWS: bool>(sum: L::Wide) -> L {
        if ROWS {
            sum.add_scalar(1 << 10).shift_right::<11>().narrow()
        } else {
            sum.add_scalar(1 << 14).shift_right::<15>().narrow()
        }
    }
    let [in0, in1, in2, in3, in4, in5, in6, in7] = input;
    let (sum0, difference7) = (in0.add(in7), in0.sub(in7));
    let (sum1, difference6) = (in1.add(in6), in1.sub(in6));
    let (sum2, difference5) = (in2.add(in5), in2.sub(in5));
    let (sum3, difference4) = (in3.add(in4), in3.sub(in4));

    let (outer, inner) = (sum0.add(sum3), sum1.add(sum2));
    let (outer_difference, inner_difference) = (sum0.sub(sum3), sum1.sub(sum2));
    let (out0, out4) = if ROWS {
        (outer.add(inner).shift_left::<2>(), outer.sub(inner).shift_left::<2>())
    } else {
        let half = L::splat(2);
        (outer.add(inner).add(half).shift_right::<2>(), outer.sub(inner).add(half).shift_right::<2>())
    };
    let out2 = round::<L, ROWS>(outer_difference.multiply_add(4433 + 6270, inner_difference, 4433));
    let out6 = round::<L, ROWS>(outer_difference.multiply_add(4433, inner_difference, 4433 - 15137));

    let (even, odd) = (difference4.add(difference6), difference5.add(difference7));
    let shared_even = even.multiply_add(9633 - 16069, odd, 9633);
    let shared_odd = even.multiply_add(9633, odd, 9633 - 3196);
    let out7 = difference4.multiply_add(2446 - 7373, difference7, -7373).add(shared_even);
    let out5 = difference5.multiply_add(16819 - 20995, difference6, -20995).add(shared_odd);
    let out3 = difference5.multiply_add(-20995, difference6, 25172 - 20995).add(shared_even);
    let out1 = difference4.multiply_add(-7373, difference7, 12299 - 7373).add(shared_odd);
    [
        out0,
        round::<L, ROWS>(out1),
        out2,
        round::<L, ROWS>(out3),
        out4,
        round::<L, ROWS>(out5),
        out6,
        round::<L, ROWS>(out7),
    ]
}

/// A row of pixels of three bytes to luma, blue and red difference (T.871, 7), as long as the three rows; the last pixel is repeated.
#[inline(always)]
pub(crate) fn rgb_to_ycc<L: Lanes>(pixels: &[u8], planes: [&mut [u8]; 3]) {
    planes_of::<L, 3>(pixels, planes);
}

/// As [`rgb_to_ycc`], for pixels of four bytes, of which the last doesn't count.
#[inline(always)]
pub(crate) fn rgbx_to_ycc<L: Lanes>(pixels: &[u8], planes: [&mut [u8]; 3]) {
    planes_of::<L, 4>(pixels, planes);
}

#[inline(always)]
fn planes_of<L: Lanes, const BYTES: usize>(pixels: &[u8], [luma, blue, red]: [&mut [u8]; 3]) {
    let rows = luma.as_chunks_mut().0.iter_mut().zip(blue.as_chunks_mut().0).zip(red.as_chunks_mut().0);
    let mut chunks = pixels.chunks_exact(16 * BYTES);
    let mut last = [0; 3];
    for ((luma, blue), red) in rows {
        let mut padded = [0; 64];
        let sixteen = match chunks.next() {
            Some(sixteen) => sixteen,
            None if !chunks.remainder().is_empty() => {
                repeat_last::<BYTES>(chunks.remainder(), &mut padded);
                chunks = [].chunks_exact(16 * BYTES);
                &padded[..16 * BYTES]
            }
            None => {
                (*luma, *blue, *red) = ([last[0]; 16], [last[1]; 16], [last[2]; 16]);
                continue;
            }
        };
        [*luma, *blue, *red] = sixteen_to_ycc::<L, BYTES>(sixteen);
        last = [luma[15], blue[15], red[15]];
    }
}

/// Copies pixels and repeats the last of them to the end.
#[inline(always)]
fn repeat_last<const BYTES: usize>(pixels: &[u8], padded: &mut [u8; 64]) {
    padded[..pixels.len()].copy_from_slice(pixels);
    for at in pixels.len().max(BYTES)..64 {
        padded[at] = padded[at - BYTES];
    }
}

/// Sixteen pixels to luma, blue and red difference, with factors in 1/65536; those over 32767 are split in two (green has 38470 for luma).
#[inline(always)]
fn sixteen_to_ycc<L: Lanes, const BYTES: usize>(pixels: &[u8]) -> [[u8; 16]; 3] {
    let [red, green, blue] = match (BYTES, pixels.first_chunk(), pixels.first_chunk()) {
        (4, Some(pixels), _) => L::from_rgbx(pixels),
        (_, _, Some(pixels)) => L::from_rgb(pixels),
        _ => [L::splat(0); 3],
    };
    let luma = red.multiply_add(19595, green, 19235).add(green.multiply_add(19235, blue, 7471));
    let blueness = red.multiply_add(-11059, blue, 16384).add(green.multiply_add(-21709, blue, 16384));
    let redness = red.multiply_add(16384, green, -27439).add(red.multiply_add(16384, blue, -5329));
    // A half, and for the differences 128, less the smallest fraction: 0.5 is rounded down.
    let middle = (128 << 16) + 32767;
    [
        luma.add_scalar(32768).shift_right::<16>().narrow().to_bytes(),
        blueness.add_scalar(middle).shift_right::<16>().narrow().to_bytes(),
        redness.add_scalar(middle).shift_right::<16>().narrow().to_bytes(),
    ]
}

/// The means of each two neighbours; halves are rounded down and up in turn.
#[inline(always)]
pub(crate) fn halve_width<L: Lanes>(row: &[u8], half: &mut [u8]) {
    let bias = L::load(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    for (row, half) in row.as_chunks().0.iter().zip(half.as_chunks_mut().0) {
        *half = sums_of_neighbours::<L>(row).add(bias).shift_right::<1>().to_bytes();
    }
}

/// The means of each two neighbours and the two below; halves are rounded down and up in turn.
#[inline(always)]
pub(crate) fn halve_both<L: Lanes>(upper: &[u8], lower: &[u8], half: &mut [u8]) {
    let bias = L::load(&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
    let rows = upper.as_chunks().0.iter().zip(lower.as_chunks().0);
    for ((upper, lower), half) in rows.zip(half.as_chunks_mut().0) {
        let sum = sums_of_neighbours::<L>(upper).add(sums_of_neighbours::<L>(lower));
        *half = sum.add(bias).shift_right::<2>().to_bytes();
    }
}

#[inline(always)]
fn sums_of_neighbours<L: Lanes>(bytes: &[u8; 32]) -> L {
    let mut pairs = [0; 16];
    for (pair, bytes) in pairs.iter_mut().zip(bytes.as_chunks().0) {
        *pair = i16::from_le_bytes(*bytes);
    }
    // The upper half of a product with 256 is the upper byte.
    let (pairs, byte) = (L::load(&pairs), L::splat(256));
    pairs.multiply_high_unsigned(byte).add(pairs.shift_left::<8>().multiply_high_unsigned(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::instances;
    use crate::zigzag::ZIGZAG;

    /// T.871's formulas with libjpeg's factors in 1/65536 and its roundings.
    fn ycc([red, green, blue]: [u8; 3]) -> [u8; 3] {
        let [red, green, blue] = [red, green, blue].map(i32::from);
        let luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
        let blueness = (-11059 * red - 21709 * green + 32768 * blue + (128 << 16) + 32767) >> 16;
        let redness = (32768 * red - 27439 * green - 5329 * blue + (128 << 16) + 32767) >> 16;
        [luma, blueness, redness].map(|sample| sample as u8)
    }

    /// The transform's definition (ITU-T T.81, A.3.3), of samples less 128.
    fn defined(samples: &[u8]) -> [f64; 64] {
        use std::f64::consts::{FRAC_1_SQRT_2, PI};
        let basis = |at: usize, frequency: usize| {
            let scale = if frequency == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            scale / 2.0 * ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos()
        };
        std::array::from_fn(|position| {
            let terms = (0..64).map(|at| {
                let sample = f64::from(samples[at / 8 * 16 + at % 8]) - 128.0;
                sample * basis(at % 8, position % 8) * basis(at / 8, position / 8)
            });
            terms.sum()
        })
    }

    proptest! {
        #[test]
        fn colours_are_the_formulas_and_the_last_pixel_is_repeated(
            pixels in prop::collection::vec(any::<[u8; 3]>(), 1..80),
            chunks in 0..3_usize,
        ) {
            let stride = pixels.len().next_multiple_of(16) + 16 * chunks;
            let rgbx: Vec<u8> = pixels.iter().flat_map(|[red, green, blue]| [*red, *green, *blue, 99]).collect();
            let last = pixels[pixels.len() - 1];
            let padded = pixels.iter().copied().chain(std::iter::repeat(last)).take(stride);
            let expected: Vec<[u8; 3]> = padded.map(ycc).collect();
            for kernels in instances() {
                for (convert, pixels) in [(kernels.rgb_to_ycc, pixels.as_flattened()), (kernels.rgbx_to_ycc, &rgbx[..])] {
                    let mut planes = [(); 3].map(|()| vec![0; stride]);
                    convert(pixels, planes.each_mut().map(|plane| &mut plane[..]));
                    let samples: Vec<[u8; 3]> = (0..stride).map(|at| planes.each_ref().map(|plane| plane[at])).collect();
                    prop_assert_eq!(&samples, &expected, "{}", kernels.name);
                }
            }
        }

        #[test]
        fn chroma_is_halved_with_halves_rounded_down_and_up_in_turn(
            upper in prop::collection::vec(any::<u8>(), 96),
            lower in prop::collection::vec(any::<u8>(), 96),
        ) {
            let sum = |row: &[u8], at: usize| u32::from(row[2 * at]) + u32::from(row[2 * at + 1]);
            let width: Vec<u8> = (0..48).map(|at| ((sum(&upper, at) + at as u32 % 2) / 2) as u8).collect();
            let both: Vec<u8> =
                (0..48).map(|at| ((sum(&upper, at) + sum(&lower, at) + 1 + at as u32 % 2) / 4) as u8).collect();
            for kernels in instances() {
                let mut half = vec![0; 48];
                (kernels.halve_width)(&upper, &mut half);
                prop_assert_eq!(&half, &width, "{}", kernels.name);
                (kernels.halve_both)(&upper, &lower, &mut half);
                prop_assert_eq!(&half, &both, "{}", kernels.name);
            }
        }

        #[test]
        fn coefficients_are_those_of_the_definition_and_all_instances_agree(
            samples in prop::collection::vec(any::<u8>(), 8 * 16),
            step in 1..=255_u8,
        ) {
            let divisors = Divisors::new(&[step; 64]);
            let mut all = Vec::new();
            for kernels in instances() {
                let mut blocks = [[0; 64]; 2];
                let mut nonzero = [0; 2];
                (kernels.forward)(&samples, 16, &divisors, &mut blocks, &mut nonzero);
                let expected = blocks.map(|block| (0..64).fold(0, |bits, at| bits | u64::from(block[at] != 0) << at));
                prop_assert_eq!(nonzero, expected, "{}", kernels.name);
                all.push(blocks);
            }
            prop_assert!(all.iter().all(|blocks| *blocks == all[0]));
            for (block, samples) in all[0].iter().zip([&samples[..], &samples[8..]]) {
                let defined = defined(samples);
                for (coefficient, position) in block.iter().zip(ZIGZAG) {
                    let exact = defined[usize::from(position)] / f64::from(step);
                    // Rounded three times: two passes, each by less than a step of 1/4, and the quotient.
                    prop_assert!((f64::from(*coefficient) - exact).abs() < 0.5 + 1.0 / f64::from(step));
                }
            }
        }
    }

    #[test]
    fn quotients_are_rounded_for_every_step_and_coefficient() {
        for step in 1..=255 {
            let factors = reciprocal(step);
            let [reciprocal, correction, scale] = [factors.0, factors.1, factors.2].map(u32::from);
            // The largest coefficient is 8 * 1024.
            for magnitude in 0..=8192 {
                let scaled = ((magnitude + correction) * reciprocal) >> 16;
                let quotient = (scaled * scale) >> 16;
                assert_eq!(quotient, (magnitude + 4 * step) / (8 * step), "{magnitude} / {step}");
            }
        }
    }
}
