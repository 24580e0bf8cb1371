//! Inverse transforms to fewer samples: of 8x8 coefficients to 4x4, 2x2 or 1x1 samples, as libjpeg-turbo decodes scaled images.

use super::inverse::wrap_where_flat;
use crate::kernels::Pair;
use crate::lanes::{Lanes, Wide};

/// Two neighbouring blocks to 4x4 samples each; leaves their coefficients zero.
///
/// `factors` are the quantisation table. The fifth row and column don't count. Columns first, rounded to a quarter, then rows,
/// rounded; each pass limits its results to 16 bits, the last one to -128 to 127, and adds 128. Factors are in 1/8192. Where all
/// columns of a block are flat, libjpeg-turbo takes a short cut whose quarters wrap around, as in [`super::inverse::accurate`].
#[inline(always)]
pub(crate) fn four_by_four<L: Lanes>(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize) {
    let zero = L::splat(0);
    let mut uneven = zero;
    let rows = coefficients.as_chunks::<16>().0;
    for index in [1, 2, 3, 5, 6, 7] {
        uneven = uneven.or(L::load(&rows[index]));
    }
    let factors = factors.as_chunks::<16>().0;
    let row = |index: usize| L::load(&rows[index]).multiply_low(L::load(&factors[index]));
    let mut rows = [row(0), row(1), row(2), row(3), row(5), row(6), row(7)];
    rows[0] = wrap_where_flat(rows[0], uneven);
    *coefficients = [0; 128];
    let transpose = |[a, b, c, d]: [L; 4]| L::transpose([a, b, c, d, zero, zero, zero, zero]);
    let columns = transpose(four_pass::<L, 12>(rows));
    let [in0, in1, in2, in3, _, in5, in6, in7] = columns;
    let rows = transpose(four_pass::<L, 19>([in0, in1, in2, in3, in5, in6, in7]));
    for (row, samples) in rows.into_iter().zip(samples.chunks_mut(stride)).take(4) {
        let row = row.to_samples();
        samples[..4].copy_from_slice(&row[..4]);
        samples[4..8].copy_from_slice(&row[8..12]);
    }
}

#[inline(always)]
fn four_pass<L: Lanes, const BITS: i32>([in0, in1, in2, in3, in5, in6, in7]: [L; 7]) -> [L; 4] {
    let whole = in0.multiply_add(1 << 13, in0, 1 << 13);
    let even = in2.multiply_add(15137, in6, -6270);
    let (outer, inner) = (whole.add(even), whole.sub(even));
    let odd_inner = in1.multiply_add(8697, in3, -17799).add(in5.multiply_add(11893, in7, -1730));
    let odd_outer = in1.multiply_add(20995, in3, 7373).add(in5.multiply_add(-4926, in7, -4176));
    let round = |sum: L::Wide| sum.add_scalar(1 << (BITS - 1)).shift_right::<BITS>().narrow();
    [round(outer.add(odd_outer)), round(inner.add(odd_inner)), round(inner.sub(odd_inner)), round(outer.sub(odd_outer))]
}

/// What odd coefficients weigh in two samples, in 1/8192.
const ODD: [i16; 4] = [29692, -10426, 6967, -5906];

/// Two neighbouring blocks to 2x2 samples each; leaves their coefficients zero.
///
/// `factors` are the quantisation table. The third, fifth and seventh row and column don't count. Columns first, rounded to a
/// quarter, then rows, rounded, limited to -128 to 127, and 128 added. The first pass limits its results to 16 bits, but for
/// the first column, which keeps 32.
#[inline(always)]
pub(crate) fn two_by_two<L: Lanes>(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize) {
    let (rows, row_factors) = (coefficients.as_chunks::<16>().0, factors.as_chunks::<16>().0);
    let row = |index: usize| L::load(&rows[index]).multiply_low(L::load(&row_factors[index]));
    let round = |sum: L::Wide| sum.add_scalar(1 << 12).shift_right::<13>().narrow();
    let (upper, lower) = two_pass([row(0), row(1), row(3), row(5), row(7)]);
    let (upper, lower) = (round(upper), round(lower));
    // Of images, no column leaves half of the 16 bits.
    if upper.absolute().or(lower.absolute()).shift_right::<14>().nonzero() != 0 {
        let mut columns = [[0; 16]; 2];
        upper.store(&mut columns[0]);
        lower.store(&mut columns[1]);
        two_by_two_of_broken(&columns, coefficients, factors, samples, stride);
        return;
    }
    *coefficients = [0; 128];
    let zero = L::splat(0);
    let [in0, in1, _, in3, _, in5, _, in7] = L::transpose([upper, lower, zero, zero, zero, zero, zero, zero]);
    let round = |sum: L::Wide| sum.add_scalar(1 << 19).shift_right::<20>().narrow().to_samples();
    let (left, right) = two_pass([in0, in1, in3, in5, in7]);
    let (left, right) = (round(left), round(right));
    let (upper, lower) = samples.split_at_mut(stride);
    upper[..4].copy_from_slice(&[left[0], right[0], left[8], right[8]]);
    lower[..4].copy_from_slice(&[left[1], right[1], left[9], right[9]]);
}

#[inline(always)]
fn two_pass<L: Lanes>([in0, in1, in3, in5, in7]: [L; 5]) -> (L::Wide, L::Wide) {
    let whole = in0.multiply_add(1 << 14, in0, 1 << 14);
    let odd = in1.multiply_add(ODD[0], in3, ODD[1]).add(in5.multiply_add(ODD[2], in7, ODD[3]));
    (whole.add(odd), whole.sub(odd))
}

/// The rows of [`two_by_two`], where the first column may have more than 16 bits.
#[cold]
fn two_by_two_of_broken(
    columns: &[[i16; 16]; 2],
    coefficients: &mut Pair,
    factors: &Pair,
    samples: &mut [u8],
    stride: usize,
) {
    let firsts = [0, 8].map(|lane| first_column(coefficients, factors, lane));
    *coefficients = [0; 128];
    for ((columns, row), samples) in columns.iter().zip(0..).zip(samples.chunks_mut(stride)) {
        for (block, columns) in columns.as_chunks::<8>().0.iter().enumerate() {
            let whole = firsts[block][row] << 15;
            let odd = weighed([columns[1], columns[3], columns[5], columns[7]]);
            let sample = |sum: i32| ((sum.wrapping_add(1 << 19) >> 20).clamp(-128, 127) + 128) as u8;
            samples[2 * block] = sample(whole.wrapping_add(odd));
            samples[2 * block + 1] = sample(whole.wrapping_sub(odd));
        }
    }
}

/// The two results of a block's first column.
#[inline(always)]
fn first_column(coefficients: &Pair, factors: &Pair, lane: usize) -> [i32; 2] {
    let value = |row: usize| coefficients[16 * row + lane].wrapping_mul(factors[16 * row + lane]);
    let whole = i32::from(value(0)) << 15;
    let odd = weighed([value(1), value(3), value(5), value(7)]);
    [whole.wrapping_add(odd), whole.wrapping_sub(odd)].map(|sum| sum.wrapping_add(1 << 12) >> 13)
}

#[inline(always)]
fn weighed(values: [i16; 4]) -> i32 {
    let products = std::array::from_fn::<_, 4, _>(|index| i32::from(values[index]) * i32::from(ODD[index]));
    products.into_iter().fold(0, i32::wrapping_add)
}

/// Two neighbouring blocks to a sample each; reads and leaves nothing but their first coefficients.
///
/// The sample is an eighth of the first coefficient, rounded, limited to -128 to 127, and 128 added. libjpeg looks the limited
/// value up by ten bits, so that what is too large for them wraps around.
#[inline(always)]
pub(crate) fn one_by_one<L: Lanes>(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], _: usize) {
    for (lane, sample) in [0, 8].into_iter().zip(samples) {
        let value = coefficients[lane].wrapping_mul(factors[lane]);
        let eighth = value.wrapping_add(4) << 3 >> 6;
        *sample = (eighth.clamp(-128, 127) + 128) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{Inverse, Kernels, instances};

    /// A block's samples, row by row, by the formulas of libjpeg-turbo's jidctred, with the 16 bits of its SSE2 instances.
    fn plain(block: &[i16; 64], factors: &[i16; 64], size: usize) -> Vec<u8> {
        let value = |at: usize| i32::from(block[at].wrapping_mul(factors[at]));
        let sample = |value: i32| (value.clamp(-128, 127) + 128) as u8;
        if size == 1 {
            // libjpeg's table of limited values is looked up by ten bits.
            let index = ((value(0) + 4) >> 3) & 1023;
            return vec![sample(if index < 512 { index } else { index - 1024 })];
        }
        let is_flat = (8..64).all(|at| at / 8 == 4 || block[at] == 0);
        let columns: Vec<Vec<i32>> = (0..8)
            .map(|column| {
                let column_values = std::array::from_fn(|row| value(8 * row + column));
                if size == 4 && is_flat {
                    return vec![i32::from((column_values[0] << 2) as i16); 4];
                }
                let sums = one_dimension(column_values, size).into_iter();
                let bits = if size == 4 { 12 } else { 13 };
                let rounded = sums.map(|sum| sum.wrapping_add(1 << (bits - 1)) >> bits);
                let has_32_bits = size == 2 && column == 0;
                rounded.map(|value| if has_32_bits { value } else { value.clamp(-32768, 32767) }).collect()
            })
            .collect();
        let bits = if size == 4 { 19 } else { 20 };
        let row = |row: usize| one_dimension(std::array::from_fn(|column| columns[column][row]), size);
        (0..size).flat_map(row).map(|sum| sample(sum.wrapping_add(1 << (bits - 1)) >> bits)).collect()
    }

    fn one_dimension(values: [i32; 8], size: usize) -> Vec<i32> {
        let sum = |factors: [i32; 8]| {
            values
                .into_iter()
                .zip(factors)
                .fold(0_i32, |sum, (value, factor)| sum.wrapping_add(value.wrapping_mul(factor)))
        };
        if size == 2 {
            let odd = sum([0, 29692, 0, -10426, 0, 6967, 0, -5906]);
            let whole = sum([1 << 15, 0, 0, 0, 0, 0, 0, 0]);
            return vec![whole.wrapping_add(odd), whole.wrapping_sub(odd)];
        }
        let outer = sum([1 << 14, 0, 15137, 0, 0, 0, -6270, 0]);
        let inner = sum([1 << 14, 0, -15137, 0, 0, 0, 6270, 0]);
        let odd_outer = sum([0, 20995, 0, 7373, 0, -4926, 0, -4176]);
        let odd_inner = sum([0, 8697, 0, -17799, 0, 11893, 0, -1730]);
        let sums = [(outer, odd_outer), (inner, odd_inner)];
        let [first, second] = sums.map(|(even, odd)| even.wrapping_add(odd));
        let [last, third] = sums.map(|(even, odd)| even.wrapping_sub(odd));
        vec![first, second, third, last]
    }

    fn transforms(kernels: &Kernels) -> [(usize, Inverse); 3] {
        [(1, kernels.one_by_one), (2, kernels.two_by_two), (4, kernels.four_by_four)]
    }

    fn pair(blocks: &[[i16; 64]; 2]) -> Pair {
        std::array::from_fn(|at| blocks[at / 8 % 2][at / 16 * 8 + at % 8])
    }

    fn check(blocks: &[[i16; 64]; 2], factors: &[i16; 64]) -> Result<(), TestCaseError> {
        for kernels in instances() {
            for (size, transform) in transforms(kernels) {
                let (mut coefficients, mut samples) = (pair(blocks), [99; 4 * 20]);
                transform(&mut coefficients, &pair(&[*factors; 2]), &mut samples, 20);
                let expected = blocks.map(|block| plain(&block, factors, size));
                for (row, samples) in samples.chunks(20).enumerate().take(size) {
                    let expected = expected.each_ref().map(|samples| &samples[row * size..(row + 1) * size]).concat();
                    prop_assert_eq!(&samples[..2 * size], &expected, "{} {}", kernels.name, size);
                    prop_assert!(samples[2 * size..].iter().all(|sample| *sample == 99));
                }
                prop_assert!(size == 1 || coefficients == [0; 128]);
            }
        }
        Ok(())
    }

    fn block(coefficient: impl Strategy<Value = i16>) -> impl Strategy<Value = [i16; 64]> {
        prop::collection::vec(coefficient, 64).prop_map(|values| std::array::from_fn(|at| values[at]))
    }

    proptest! {
        #[test]
        fn samples_are_those_of_the_formulas(
            first in block(prop_oneof![4 => Just(0), 1 => -60..60_i16]),
            second in block(prop_oneof![20 => Just(0), 1 => -1024..1024_i16]),
            factors in block(1..100_i16),
        ) {
            check(&[first, second], &factors)?;
        }

        #[test]
        fn coefficients_that_leave_16_bits_wrap_around_and_are_limited_as_in_the_formulas(
            first in block(any::<i16>()),
            second in block(prop_oneof![5 => Just(0), 1 => Just(i16::MIN), 1 => Just(i16::MAX)]),
            factors in block(any::<i16>()),
        ) {
            check(&[first, second], &factors)?;
            check(&[first, second], &[1; 64])?;
            // Flat columns, and all but one.
            let mut flat = first;
            flat[8..].fill(0);
            check(&[flat, second], &factors)?;
            check(&[second, flat], &factors)?;
        }
    }
}
