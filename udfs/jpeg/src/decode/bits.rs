//! The bits of an entropy-coded segment (ITU-T T.81, B.1.1.5 and F.2.2.5), without stuffing and markers.

/// Zero bytes behind the data, so that a refill near the end reads what is there.
const PADDING: usize = 32;

/// The entropy-coded data of a scan, its stuffed zeros and its restart markers taken out.
#[derive(Debug, Default)]
pub(super) struct ScanData {
    bytes: Vec<u8>,
    /// Where each restart interval begins, and where the last one ends.
    starts: Vec<usize>,
}

impl ScanData {
    /// Takes the data that begins at `scan`; `None` if it doesn't end with an end-of-image marker, or if its restart markers are not
    /// numbered as they should be.
    pub(super) fn read(&mut self, scan: &[u8]) -> Option<()> {
        self.bytes.clear();
        self.starts.clear();
        self.starts.push(0);
        self.bytes.reserve(scan.len() + PADDING);
        let mut rest = scan;
        loop {
            let marker = memchr::memchr(0xFF, rest)?;
            let (data, behind) = (&rest[..marker], rest.get(marker + 1)?);
            rest = &rest[marker + 2..];
            match behind {
                0x00 => {
                    self.bytes.extend_from_slice(data);
                    self.bytes.push(0xFF);
                }
                0xD0..=0xD7 if usize::from(behind & 7) == (self.starts.len() - 1) % 8 => {
                    self.bytes.extend_from_slice(data);
                    self.starts.push(self.bytes.len());
                }
                0xD9 => {
                    self.bytes.extend_from_slice(data);
                    break;
                }
                _ => return None,
            }
        }
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; PADDING]);
        Some(())
    }

    /// How many restart intervals there are.
    pub(super) fn intervals(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bits of a restart interval; `None` behind the last.
    pub(super) fn interval(&self, index: usize) -> Option<Bits<'_>> {
        let (start, end) = (*self.starts.get(index)?, *self.starts.get(index + 1)?);
        Some(Bits { bytes: &self.bytes, end, next: start, buffer: 0, count: 0 })
    }
}

/// Reads bits, the highest of a byte first.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the restart interval ends.
    end: usize,
    next: usize,
    /// The bits to come, from the top.
    buffer: u64,
    /// How many of them there are; only the lower six bits of this number count.
    count: u32,
}

impl Bits<'_> {
    /// The bits to come, from the top: at least 56 behind [`Bits::refill`]; zeros behind the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Makes 56 bits available.
    ///
    /// The address that it loads from depends on the refill before and not on the bits that were used since, which keeps the load
    /// out of the longest chain of dependent instructions.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let bytes =
            self.bytes.get(self.next..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes));
        self.buffer |= bytes >> (self.count & 63);
        self.next += ((!self.count & 63) >> 3) as usize;
        self.count |= 56;
    }

    /// Passes over bits; only the lower six bits of the number count.
    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.buffer <<= bits & 63;
        self.count = self.count.wrapping_sub(bits);
    }

    /// Whether no more bits were used than the restart interval has.
    pub(super) fn is_within(&self) -> bool {
        8 * self.next - (self.count & 63) as usize <= 8 * self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_zeros_and_restart_markers_are_taken_out() {
        let mut data = ScanData::default();
        assert_eq!(data.read(&[1, 0xFF, 0, 2, 0xFF, 0xD0, 3, 0xFF, 0xD1, 0xFF, 0, 0xFF, 0xD9, 9]), Some(()));
        assert_eq!((&data.bytes[..5], data.starts.as_slice()), (&[1, 0xFF, 2, 3, 0xFF][..], &[0, 3, 4, 5][..]));
        assert_eq!(data.intervals(), 3);
    }

    #[test]
    fn data_with_other_markers_or_none_at_the_end_is_left_to_others() {
        let mut data = ScanData::default();
        for scan in
            [&[1, 2][..], &[1, 0xFF], &[1, 0xFF, 0xFF, 0xD9], &[1, 0xFF, 0xD8, 0xFF, 0xD9], &[0xFF, 0xD1, 0xFF, 0xD9]]
        {
            assert_eq!(data.read(scan), None, "{scan:x?}");
        }
    }

    #[test]
    fn bits_come_in_order_and_overruns_are_told() {
        let mut data = ScanData::default();
        let bytes: Vec<u8> = (0..40).collect();
        assert_eq!(data.read(&[&bytes[..], &[0xFF, 0xD9]].concat()), Some(()));
        let mut bits = data.interval(0).expect("an interval");
        for byte in &bytes {
            for half in [byte >> 4, byte & 15] {
                bits.refill();
                assert_eq!(bits.peek() >> 60, u64::from(half));
                bits.skip(4);
                assert!(bits.is_within());
            }
        }
        bits.refill();
        bits.skip(1);
        assert!(!bits.is_within());
        assert!(data.interval(1).is_none());
    }
}
