//! The bits of coded data, read exactly as far ahead as libjpeg-turbo reads them: what is passed over unseen is so the same.

use super::huffman::DecodingTable;
use crate::decode::markers::Source;

/// How many bits a refill leaves at least, unless a marker stands in the way.
const REFILLED: u32 = 57;

/// Bits that were read, but not yet used: the lowest of a number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bits {
    buffer: u64,
    left: u32,
}

impl Bits {
    /// Removes some of those that are there: 1 to 17.
    #[inline(always)]
    fn take(&mut self, count: u32) -> u32 {
        self.left -= count;
        (self.buffer >> self.left) as u32 & ((1 << count) - 1)
    }

    /// Removes a code of up to eight bits and gives its symbol, if the next eight bits begin with one.
    #[inline(always)]
    fn take_short(&mut self, table: &DecodingTable) -> Option<u8> {
        let (length, symbol) = table.short((self.buffer >> (self.left - 8)) as u8);
        if length > 8 {
            return None;
        }
        self.left -= length;
        Some(symbol)
    }

    #[inline(always)]
    fn push(&mut self, byte: u8) {
        self.buffer = self.buffer << 8 | u64::from(byte);
        self.left += 8;
    }
}

/// The next eight bytes, of which the first `count` are no ff.
#[inline(always)]
fn plain(bytes: &[u8], position: usize, count: u32) -> Option<u64> {
    let eight = u64::from_be_bytes(*bytes.get(position..)?.first_chunk()?);
    // A zero byte among the inverted ones, where those behind `count` never are.
    let inverted = !eight | u64::MAX.checked_shr(8 * count).unwrap_or(0);
    let zeros = inverted.wrapping_sub(0x0101_0101_0101_0101) & !inverted & 0x8080_8080_8080_8080;
    (zeros == 0).then_some(eight)
}

/// Where an entropy decoder takes bits from.
pub(super) trait Feed {
    /// Decodes the next symbol (ITU-T T.81, F.2.2.3).
    fn symbol(&mut self, table: &DecodingTable) -> u8;
    /// The next bits as a number; 1 to 15.
    fn bits(&mut self, count: u32) -> u32;

    /// The value whose magnitude category and bits come next (ITU-T T.81, F.2.2.1); 0 to 15.
    #[inline(always)]
    fn value(&mut self, size: u8) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = self.bits(u32::from(size)) as i32;
        // All ones where the first bit is 0; a branch would be wrong half of the time.
        let is_negative = (bits - (1 << (size - 1))) >> 31;
        bits + (is_negative & (1 - (1 << size)))
    }
}

/// Bits that may end at a marker; then zeros follow, and the data of the restart interval are exhausted.
#[derive(Debug)]
pub(super) struct Careful<'f, 's> {
    pub(super) source: &'f mut Source<'s>,
    pub(super) bits: Bits,
    /// Whether more was asked for than there is before the marker.
    pub(super) is_exhausted: bool,
}

impl<'f, 's> Careful<'f, 's> {
    pub(super) fn new(source: &'f mut Source<'s>) -> Self {
        Self { source, bits: Bits::default(), is_exhausted: false }
    }

    /// Goes over a restart marker (ITU-T T.81, F.2.1.3.1); the next interval is empty if another marker stands there.
    pub(super) fn restart(&mut self) {
        self.source.discarded += self.bits.left as usize / 8;
        self.bits.left = 0;
        self.source.restart();
        if self.source.unread_marker.is_none() {
            self.is_exhausted = false;
        }
    }

    #[inline(always)]
    fn ensure(&mut self, count: u32) {
        if self.bits.left < count {
            self.refill(count);
        }
    }

    fn refill(&mut self, wanted: u32) {
        let count = (64 - self.bits.left) / 8;
        let (bytes, position) = (self.source.bytes(), self.source.position());
        if self.source.unread_marker.is_none()
            && let Some(eight) = plain(bytes, position, count)
        {
            // There is room for less than 64 bits, unless all are used up.
            let kept = if count == 8 { 0 } else { self.bits.buffer << (8 * count) };
            self.bits.buffer = kept | eight >> (64 - 8 * count);
            self.bits.left += 8 * count;
            self.source.set_position(position + count as usize);
        } else {
            self.refill_to_marker(wanted);
        }
    }

    #[cold]
    fn refill_to_marker(&mut self, wanted: u32) {
        while self.bits.left < REFILLED && self.source.unread_marker.is_none() {
            let Some(byte) = self.source.coded_byte() else { break };
            self.bits.push(byte);
        }
        if wanted > self.bits.left {
            if !self.is_exhausted {
                self.source.warnings.add(|| "the coded data end too early".to_owned());
                self.is_exhausted = true;
            }
            self.bits.buffer <<= REFILLED - self.bits.left;
            self.bits.left = REFILLED;
        }
    }

    #[cold]
    fn long_symbol(&mut self, table: &DecodingTable, mut length: usize) -> u8 {
        self.ensure(length as u32);
        let mut code = self.bits.take(length as u32);
        while table.is_longer(code, length) {
            self.ensure(1);
            code = code << 1 | self.bits.take(1);
            length += 1;
        }
        table.symbol(code, length).unwrap_or_else(|| {
            self.warn_of_code();
            0
        })
    }

    /// Warns of a code that no table has, or that has no sense here.
    #[cold]
    pub(super) fn warn_of_code(&mut self) {
        self.source.warnings.add(|| "bad huffman code".to_owned());
    }
}

impl Feed for Careful<'_, '_> {
    #[inline(always)]
    fn symbol(&mut self, table: &DecodingTable) -> u8 {
        if self.bits.left < 8 {
            self.refill(0);
            if self.bits.left < 8 {
                return self.long_symbol(table, 1);
            }
        }
        match self.bits.take_short(table) {
            Some(symbol) => symbol,
            None => self.long_symbol(table, 9),
        }
    }

    #[inline(always)]
    fn bits(&mut self, count: u32) -> u32 {
        self.ensure(count);
        self.bits.take(count)
    }
}

/// Bits far from the end of the data; at a marker, zeros follow, and what was decoded must be decoded again carefully.
#[derive(Debug)]
pub(super) struct Hasty<'s> {
    pub(super) bytes: &'s [u8],
    pub(super) position: usize,
    pub(super) bits: Bits,
    /// Whether a marker was met, or what may be one.
    pub(super) has_met_marker: bool,
}

impl Hasty<'_> {
    #[inline(always)]
    fn refill(&mut self) {
        if self.bits.left > 16 {
            return;
        }
        if let Some(eight) = plain(self.bytes, self.position, 6) {
            self.bits.buffer = self.bits.buffer << 48 | eight >> 16;
            self.bits.left += 48;
            self.position += 6;
        } else {
            self.refill_to_marker();
        }
    }

    fn refill_to_marker(&mut self) {
        for _ in 0..6 {
            let next = |after: usize| self.bytes.get(self.position + after).copied().unwrap_or(0xff);
            let (byte, size) = match (next(0), next(1)) {
                (0xff, 0) => (0xff, 2),
                (0xff, _) => {
                    self.has_met_marker = true;
                    (0, 0)
                }
                (byte, _) => (byte, 1),
            };
            self.bits.push(byte);
            self.position += size;
        }
    }

    #[cold]
    fn long_symbol(&mut self, table: &DecodingTable) -> u8 {
        let mut length = 9;
        let mut code = self.bits.take(9);
        while table.is_longer(code, length) {
            code = code << 1 | self.bits.take(1);
            length += 1;
        }
        table.symbol(code, length).unwrap_or(0)
    }
}

impl Feed for Hasty<'_> {
    #[inline(always)]
    fn symbol(&mut self, table: &DecodingTable) -> u8 {
        self.refill();
        match self.bits.take_short(table) {
            Some(symbol) => symbol,
            None => self.long_symbol(table),
        }
    }

    #[inline(always)]
    fn bits(&mut self, count: u32) -> u32 {
        self.refill();
        self.bits.take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_zeros_are_dropped_by_both_feeds() {
        let bytes = [0x12, 0xff, 0x00, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11, 0x22, 0x33];
        let mut source = Source::new(&bytes);
        let mut careful = Careful::new(&mut source);
        let mut hasty = Hasty { bytes: &bytes, position: 0, bits: Bits::default(), has_met_marker: false };
        for expected in [0x12f, 0xf34, 0x567, 0x89a, 0xbcd] {
            assert_eq!((careful.bits(12), hasty.bits(12)), (expected, expected));
        }
        assert!(!hasty.has_met_marker);
    }

    #[test]
    fn zeros_follow_at_a_marker_with_one_warning() {
        let mut source = Source::new(&[0xab, 0xff, 0xd9, 0x55]);
        let mut careful = Careful::new(&mut source);
        assert_eq!([careful.bits(4), careful.bits(8), careful.bits(15)], [0xa, 0xb0, 0]);
        assert!(careful.is_exhausted);
        assert_eq!((source.warnings.count, source.unread_marker), (1, Some(0xd9)));
    }

    #[test]
    fn several_ff_before_a_zero_are_one() {
        let mut source = Source::new(&[0xff, 0xff, 0xff, 0x00, 0x12, 0xff, 0xd9]);
        let mut careful = Careful::new(&mut source);
        assert_eq!([careful.bits(8), careful.bits(8)], [0xff, 0x12]);
        assert_eq!(source.warnings.count, 0);
    }

    #[test]
    fn values_are_extended_by_their_first_bit() {
        let mut source = Source::new(&[0b0101_1000, 0]);
        let mut careful = Careful::new(&mut source);
        assert_eq!([careful.value(1), careful.value(1), careful.value(2), careful.value(4)], [-1, 1, -2, 8]);
    }

    #[test]
    fn a_run_without_ff_is_told_from_one_with() {
        let bytes = [1, 2, 3, 4, 5, 6, 0xff, 8, 9];
        assert_eq!(plain(&bytes, 0, 6), Some(0x0102_0304_0506_ff08));
        assert_eq!(plain(&bytes, 0, 7), None);
        assert_eq!(plain(&bytes, 2, 1), None, "there are no eight bytes");
        assert_eq!(plain(&bytes[..8], 0, 8), None);
    }
}
