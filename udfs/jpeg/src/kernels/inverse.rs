//! Inverse discrete cosine transforms (ITU-T T.81, A.3.3): from coefficients to samples.

use crate::kernels::Pair;
use crate::lanes::{Lanes, Wide};

/// The scaled transform of Arai, Agui and Nakajima in 16 bits, which wrap around: libjpeg-turbo's `JDCT_IFAST`.
///
/// `factors` are [`crate::decode::factors::fast`]. Columns first, then rows; the results are divided by 32 rounding down, limited to
/// -128 to 127, and 128 is added.
#[inline(always)]
pub(crate) fn fast<L: Lanes>(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize) {
    let columns = L::transpose(fast_pass(dequantize(coefficients, factors)));
    let mut rows = L::transpose(fast_pass(columns));
    for row in &mut rows {
        *row = row.shift_right::<5>();
    }
    store(rows, samples, stride);
}

/// The transform of Loeffler, Ligtenberg and Moschytz with factors of 13 bits: libjpeg-turbo's `JDCT_ISLOW`.
///
/// `factors` are the quantisation table. Columns first, rounded to a quarter, then rows, rounded; each pass limits its results to
/// 16 bits, the last one to -128 to 127, and adds 128. Where all columns of a block are flat, libjpeg-turbo takes a short cut whose
/// quarters wrap around: coefficients of images are far too small for that, those of broken files aren't.
#[inline(always)]
pub(crate) fn accurate<L: Lanes>(coefficients: &mut Pair, factors: &Pair, samples: &mut [u8], stride: usize) {
    let mut uneven: L = L::splat(0);
    for row in &coefficients.as_chunks::<16>().0[1..] {
        uneven = uneven.or(L::load(row));
    }
    let mut rows: [L; 8] = dequantize(coefficients, factors);
    rows[0] = wrap_where_flat(rows[0], uneven);
    let columns = L::transpose(accurate_pass::<L, 11>(rows));
    let rows = L::transpose(accurate_pass::<L, 18>(columns));
    store(rows, samples, stride);
}

/// The first row, without the two upper bits in those blocks whose `uneven` is 0: there its fourfold is to wrap around.
#[inline(always)]
pub(super) fn wrap_where_flat<L: Lanes>(row: L, uneven: L) -> L {
    let [first, second] = uneven.nonzero().to_le_bytes();
    if first != 0 && second != 0 {
        return row;
    }
    let flat = [i16::from(first == 0), i16::from(second == 0)];
    let flat = L::load(&std::array::from_fn(|lane| flat[lane / 8]));
    let wrapped = row.shift_left::<2>().shift_right::<2>();
    row.add(wrapped.sub(row).multiply_low(flat))
}

/// Multiplies by the factors, and leaves the coefficients zero.
#[inline(always)]
fn dequantize<L: Lanes>(coefficients: &mut Pair, factors: &Pair) -> [L; 8] {
    let zero = L::splat(0);
    let mut rows = [zero; 8];
    let factors = factors.as_chunks::<16>().0;
    for ((row, coefficients), factors) in rows.iter_mut().zip(coefficients.as_chunks_mut::<16>().0).zip(factors) {
        *row = L::load(coefficients).multiply_low(L::load(factors));
        zero.store(coefficients);
    }
    rows
}

#[inline(always)]
fn store<L: Lanes>(rows: [L; 8], samples: &mut [u8], stride: usize) {
    for (row, samples) in rows.into_iter().zip(samples.chunks_mut(stride)) {
        samples[..16].copy_from_slice(&row.to_samples());
    }
}

#[inline(always)]
fn fast_pass<L: Lanes>([in0, in1, in2, in3, in4, in5, in6, in7]: [L; 8]) -> [L; 8] {
    let (even0, even1) = (in0.add(in4), in0.sub(in4));
    let even3 = in2.add(in6);
    let even2 = scale(in2.sub(in6), 362).sub(even3);
    let (sum0, sum3) = (even0.add(even3), even0.sub(even3));
    let (sum1, sum2) = (even1.add(even2), even1.sub(even2));

    let (outer, inner) = (in1.sub(in7), in5.sub(in3));
    let (outer_sum, inner_sum) = (in1.add(in7), in5.add(in3));
    let odd7 = outer_sum.add(inner_sum);
    let shared = inner.shift_left::<2>().add(outer.shift_left::<2>()).multiply_high(L::splat(473 << 6));
    // The factor -669 / 256 would leave the 16 bits: it is taken as -413 / 256 less 1.
    let odd6 = scale(inner, -413).sub(inner).add(shared).sub(odd7);
    let odd5 = scale(outer_sum.sub(inner_sum), 362).sub(odd6);
    let odd4 = scale(outer, 277).sub(shared).add(odd5);
    [
        sum0.add(odd7),
        sum1.add(odd6),
        sum2.add(odd5),
        sum3.sub(odd4),
        sum3.add(odd4),
        sum2.sub(odd5),
        sum1.sub(odd6),
        sum0.sub(odd7),
    ]
}

/// Multiplies by a factor in 1/256.
#[inline(always)]
fn scale<L: Lanes>(lanes: L, factor: i16) -> L {
    lanes.shift_left::<2>().multiply_high(L::splat(factor << 6))
}

/// Factors are in 1/8192: 4433 is 0.541196100, and so on.
#[inline(always)]
fn accurate_pass<L: Lanes, const BITS: i32>([in0, in1, in2, in3, in4, in5, in6, in7]: [L; 8]) -> [L; 8] {
    let zero = L::splat(0);
    let whole = |lanes: L| lanes.multiply_add(1 << 13, zero, 0);
    let (even0, even1) = (whole(in0.add(in4)), whole(in0.sub(in4)));
    let even3 = in2.multiply_add(4433 + 6270, in6, 4433);
    let even2 = in2.multiply_add(4433, in6, 4433 - 15137);
    let (sum0, sum3) = (even0.add(even3), even0.sub(even3));
    let (sum1, sum2) = (even1.add(even2), even1.sub(even2));

    let (odd73, odd51) = (in7.add(in3), in5.add(in1));
    let cross73 = odd73.multiply_add(9633 - 16069, odd51, 9633);
    let cross51 = odd73.multiply_add(9633, odd51, 9633 - 3196);
    let odd0 = in7.multiply_add(2446 - 7373, in1, -7373).add(cross73);
    let odd1 = in5.multiply_add(16819 - 20995, in3, -20995).add(cross51);
    let odd2 = in3.multiply_add(25172 - 20995, in5, -20995).add(cross73);
    let odd3 = in1.multiply_add(12299 - 7373, in7, -7373).add(cross51);
    let round = |sum: L::Wide| sum.add_scalar(1 << (BITS - 1)).shift_right::<BITS>().narrow();
    [
        round(sum0.add(odd3)),
        round(sum1.add(odd2)),
        round(sum2.add(odd1)),
        round(sum3.add(odd0)),
        round(sum3.sub(odd0)),
        round(sum2.sub(odd1)),
        round(sum1.sub(odd2)),
        round(sum0.sub(odd3)),
    ]
}
