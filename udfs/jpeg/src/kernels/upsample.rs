//! Subsampled chroma brought to the size of luma by libjpeg's triangle filters: three parts of the nearer sample, one of the farther.

use crate::lanes::Lanes;

/// What stands before the first sum and behind the last one; the filter reads a neighbour on each side.
pub(crate) const MARGIN: usize = 16;

/// Between two rows: `(3 near + far + bias) / 4`; the bias is 1 where `far` is the row above, 2 where it is the row below.
///
/// Whole vectors are computed: `output` may be longer than what is asked for.
#[inline(always)]
pub(crate) fn vertical<L: Lanes>(near: &[u8], far: &[u8], bias: i16, output: &mut [u8]) {
    let rows = near.as_chunks::<16>().0.iter().zip(far.as_chunks::<16>().0);
    for ((near, far), output) in rows.zip(output.as_chunks_mut::<16>().0) {
        *output =
            three_to_one(L::from_bytes(near), L::from_bytes(far)).add(L::splat(bias)).shift_right::<2>().to_bytes();
    }
}

/// Each sample becomes two of `(3 this + left + 1) / 4` and `(3 this + right + 2) / 4`.
///
/// `sums` is room for [`MARGIN`] integers, the row's samples rounded up to 16, and [`MARGIN`] more.
#[inline(always)]
pub(crate) fn horizontal<L: Lanes>(row: &[u8], width: usize, sums: &mut [i16], output: &mut [u8]) {
    for (sums, row) in sums[MARGIN..].as_chunks_mut::<16>().0.iter_mut().zip(row.as_chunks::<16>().0) {
        L::from_bytes(row).store(sums);
    }
    double::<L, 2>(sums, width, (1, 2), output);
}

/// Both: `3 near + far`, then `(3 this + left + 8) / 16` and `(3 this + right + 7) / 16`.
#[inline(always)]
pub(crate) fn both<L: Lanes>(near: &[u8], far: &[u8], width: usize, sums: &mut [i16], output: &mut [u8]) {
    let rows = near.as_chunks::<16>().0.iter().zip(far.as_chunks::<16>().0);
    for (sums, (near, far)) in sums[MARGIN..].as_chunks_mut::<16>().0.iter_mut().zip(rows) {
        three_to_one(L::from_bytes(near), L::from_bytes(far)).store(sums);
    }
    double::<L, 4>(sums, width, (8, 7), output);
}

#[inline(always)]
fn three_to_one<L: Lanes>(near: L, far: L) -> L {
    near.add(near).add(near).add(far)
}

/// Two results for each of the first `width` sums; at the ends a sum is its own neighbour.
#[inline(always)]
fn double<L: Lanes, const BITS: i32>(sums: &mut [i16], width: usize, bias: (i16, i16), output: &mut [u8]) {
    sums[MARGIN - 1] = sums[MARGIN];
    sums[MARGIN + width] = sums[MARGIN + width - 1];
    let at = |start: usize| sums[start..].first_chunk().map_or(L::splat(0), L::load);
    for (index, output) in output.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let start = MARGIN + 16 * index;
        if start >= MARGIN + width {
            break;
        }
        let (left, this, right) = (at(start - 1), at(start), at(start + 1));
        let three = this.add(this).add(this);
        let even = three.add(left).add(L::splat(bias.0)).shift_right::<BITS>();
        let odd = three.add(right).add(L::splat(bias.1)).shift_right::<BITS>();
        *output = even.alternate(odd);
    }
}
