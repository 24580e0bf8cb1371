//! The bits of a scan (ITU-T T.81, F.1.2.3 and B.1.1.5): collected without the zeros that stuff them, which are put in at the end.

use super::huffman::Codes;
use crate::lanes::Lanes;

/// The bits of a scan so far.
#[derive(Default)]
pub(crate) struct Bits {
    /// Whole bytes, unstuffed, and room for more.
    bytes: Vec<u8>,
    length: usize,
    /// Less than 8 bits more, from the highest on.
    pending: u64,
    pending_count: u32,
}

impl Bits {
    /// Forgets everything but the memory.
    pub(crate) fn start(&mut self) {
        (self.length, self.pending, self.pending_count) = (0, 0, 0);
    }

    /// Fills the last byte up with ones, and appends all bytes with a zero after each of 255.
    pub(crate) fn finish(&mut self, scan: &mut Vec<u8>) {
        if self.pending_count > 0 {
            self.bytes[self.length] = (self.pending >> 56) as u8 | 0xff >> self.pending_count;
            self.length += 1;
        }
        let mut bytes = &self.bytes[..self.length];
        scan.reserve(bytes.len() + bytes.len() / 64 + 2);
        while let Some(at) = memchr::memchr(0xff, bytes) {
            let (stuffed, rest) = bytes.split_at(at + 1);
            scan.extend_from_slice(stuffed);
            scan.push(0);
            bytes = rest;
        }
        scan.extend_from_slice(bytes);
    }
}

/// Adds the codes of symbols, a multiple of four, and the bits that follow them.
///
/// It has no vectors, but shifts by variable amounts, for which the instances have other instructions.
#[inline(always)]
pub(crate) fn emit<L: Lanes>(bits: &mut Bits, symbols: &[u32], codes: &Codes) {
    // At most 27 bits a symbol; the last bytes are stored eight at once.
    let needed = bits.length + symbols.len() * 4 + 16;
    if bits.bytes.len() < needed {
        bits.bytes.resize(needed, 0);
    }
    let bytes = &mut bits.bytes[bits.length..needed];
    let (mut at, mut pending, mut count) = (0, bits.pending, bits.pending_count);
    // At most 7 bits and 56 more, so that less than eight bytes are whole.
    let mut put = |more: u64, more_count: u32| {
        count += more_count;
        pending |= more << ((64 - count) % 64);
        if let Some(eight) = bytes[at..].first_chunk_mut() {
            *eight = pending.to_be_bytes();
        }
        let whole = count / 8;
        at += whole as usize;
        pending <<= (whole * 8) % 64;
        count %= 8;
    };
    for [a, b, c, d] in symbols.as_chunks().0 {
        let (first, first_count) = two(codes, *a, *b);
        let (second, second_count) = two(codes, *c, *d);
        if first_count + second_count <= 56 {
            put(first << (second_count % 64) | second, first_count + second_count);
        } else {
            put(first, first_count);
            put(second, second_count);
        }
    }
    bits.length += at;
    (bits.pending, bits.pending_count) = (pending, count);
}

/// The bits of two neighbouring symbols, at most 27 + 26: no two DC symbols are neighbours.
#[inline(always)]
fn two(codes: &Codes, first: u32, second: u32) -> (u64, u32) {
    let ((first, first_count), (second, second_count)) = (codes.bits(first), codes.bits(second));
    (first << (second_count % 64) | second, first_count + second_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::huffman::Table;
    use crate::kernels::instances;

    /// The bytes of DC symbols of luma with the bits that follow them, by the standard's codes.
    fn emitted(calls: &[&[u32]]) -> Vec<Vec<u8>> {
        let mut codes = Codes::default();
        codes.set(&Table::standard());
        let emitted = |kernels: &crate::kernels::Kernels| {
            let mut bits = Bits::default();
            bits.start();
            calls.iter().for_each(|symbols| (kernels.emit)(&mut bits, symbols, &codes));
            let mut scan = Vec::new();
            bits.finish(&mut scan);
            scan
        };
        instances().map(emitted).collect()
    }

    /// A symbol without a code.
    const NOTHING: u32 = 0xf0 << 16;

    #[test]
    fn the_last_byte_is_filled_up_with_ones() {
        // 00 for 0; 010 and 1 for 1.
        for scan in emitted(&[&[0, 1 << 16 | 1, NOTHING, NOTHING]]) {
            assert_eq!(scan, [0b0001_0111]);
        }
    }

    #[test]
    fn a_byte_of_ones_is_followed_by_zeros() {
        // 11111110 and ten ones for 1023; the last byte is ones by its padding.
        for scan in emitted(&[&[10 << 16 | 0x3ff, NOTHING, NOTHING, NOTHING]]) {
            assert_eq!(scan, [0xfe, 0xff, 0, 0xff, 0]);
        }
    }

    #[test]
    fn four_symbols_of_over_56_bits_are_all_there() {
        // Three times 111111110 and eleven ones.
        let eleven = 11 << 16 | 0x7ff;
        for scan in emitted(&[&[eleven, eleven, eleven, NOTHING]]) {
            assert_eq!(scan, [0xff, 0, 0x7f, 0xff, 0, 0xf7, 0xff, 0, 0xff, 0, 0x7f, 0xff, 0]);
        }
    }

    #[test]
    fn bits_go_on_where_the_last_call_left_them() {
        let symbols: Vec<u32> = (0..200).map(|index| (index % 12) << 16 | ((1 << (index % 12)) - 1)).collect();
        for (once, twice) in emitted(&[&symbols]).iter().zip(emitted(&[&symbols[..104], &symbols[104..]])) {
            assert!(*once == twice);
        }
    }
}
