//! The bytes of a file, the markers among them, and what is wrong with either.

/// What was wrong with a JPEG that was decoded all the same, as every reader does that is built on libjpeg.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    /// How often the decoder had to go on behind something broken; what it left out there is grey.
    pub count: u32,
    /// What the first one was.
    pub first: Option<String>,
}

impl Warnings {
    /// Counts a warning, and keeps its words if it is the first.
    #[cold]
    pub(crate) fn add(&mut self, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert_with(what);
    }
}

/// A file that is read from front to back; behind its end, end-of-image markers follow without end.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    position: usize,
    /// A marker that was read, but not yet obeyed; nothing behind it may be read as coded data.
    pub(crate) unread_marker: Option<u8>,
    /// Bytes that were passed over since the last marker.
    pub(crate) discarded: usize,
    next_restart: u8,
    /// What was wrong so far.
    pub(crate) warnings: Warnings,
}

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, unread_marker: None, discarded: 0, next_restart: 0, warnings: Warnings::default() }
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the next byte stands; behind the file's end if more was asked for than it has.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Goes on at another byte, one that isn't behind the file's end.
    pub(crate) fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// Whether more was asked for than the file has.
    pub(crate) fn is_truncated(&self) -> bool {
        self.position > self.bytes.len()
    }

    /// The next byte; behind the end, ff and d9 in turn.
    #[inline]
    pub(crate) fn byte(&mut self) -> u8 {
        let byte = match self.bytes.get(self.position) {
            Some(byte) => *byte,
            None => self.byte_behind_the_end(),
        };
        self.position += 1;
        byte
    }

    /// The next byte of coded data, without what is stuffed; `None` where a marker stands, which stays unread.
    pub(crate) fn coded_byte(&mut self) -> Option<u8> {
        let mut byte = self.byte();
        if byte != 0xff {
            return Some(byte);
        }
        // Any number of ff before a zero stand for one.
        while byte == 0xff {
            byte = self.byte();
        }
        if byte == 0 {
            return Some(0xff);
        }
        self.unread_marker = Some(byte);
        None
    }

    #[cold]
    fn byte_behind_the_end(&mut self) -> u8 {
        if (self.position - self.bytes.len()).is_multiple_of(2) {
            self.warn_of_the_end();
            0xff
        } else {
            marker::EOI
        }
    }

    fn warn_of_the_end(&mut self) {
        self.warnings.add(|| "premature end of the file".to_owned());
    }

    /// The next two bytes as a number.
    pub(crate) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Passes over bytes.
    pub(crate) fn skip(&mut self, count: usize) {
        let end = self.position.saturating_add(count);
        for position in self.position.max(self.bytes.len())..end {
            if (position - self.bytes.len()).is_multiple_of(2) {
                self.warn_of_the_end();
            }
        }
        self.position = end;
    }

    /// Reads up to and over the next marker, passing over all that isn't one (ITU-T T.81, B.1.1.2); it is never 0 or ff.
    pub(crate) fn next_marker(&mut self) -> u8 {
        let marker = loop {
            while self.byte() != 0xff {
                self.discarded += 1;
            }
            let after = loop {
                let byte = self.byte();
                if byte != 0xff {
                    break byte;
                }
            };
            if after != 0 {
                break after;
            }
            self.discarded += 2;
        };
        if self.discarded != 0 {
            let discarded = std::mem::take(&mut self.discarded);
            self.warnings.add(|| format!("{discarded} extraneous bytes before marker {marker:02x}"));
        }
        self.unread_marker = Some(marker);
        marker
    }

    /// Expects the first restart marker of a scan next.
    pub(crate) fn start_scan(&mut self) {
        self.next_restart = 0;
    }

    /// Reads the restart marker that is expected here (ITU-T T.81, E.2.4), or recovers from another.
    ///
    /// What was found may stay unread: then the next restart interval is taken to be missing.
    pub(crate) fn restart(&mut self) {
        let marker = match self.unread_marker {
            Some(marker) => marker,
            None => self.next_marker(),
        };
        if marker == marker::RST0 + self.next_restart {
            self.unread_marker = None;
        } else {
            self.resynchronize(marker);
        }
        self.next_restart = (self.next_restart + 1) % 8;
    }

    fn resynchronize(&mut self, mut marker: u8) {
        let expected = self.next_restart;
        self.warnings.add(|| format!("found marker {marker:02x} instead of restart marker {expected}"));
        loop {
            match marker {
                // No marker at all: look for the next one.
                ..marker::SOF0 => marker = self.next_marker(),
                marker::RST0..=marker::RST7 => match (marker - marker::RST0).wrapping_sub(expected) % 8 {
                    // Of an interval to come: leave it for that.
                    1 | 2 => return,
                    // Of an interval that has passed: what follows is of no use.
                    6 | 7 => marker = self.next_marker(),
                    // The one that is expected, or too far off to be believed.
                    _ => {
                        self.unread_marker = None;
                        return;
                    }
                },
                // The scan's end.
                _ => return,
            }
        }
    }
}

/// The second bytes of markers (ITU-T T.81, table B.1).
pub(crate) mod marker {
    pub(crate) const TEM: u8 = 0x01;
    pub(crate) const SOF0: u8 = 0xc0;
    pub(crate) const SOF1: u8 = 0xc1;
    pub(crate) const SOF2: u8 = 0xc2;
    pub(crate) const SOF3: u8 = 0xc3;
    pub(crate) const DHT: u8 = 0xc4;
    pub(crate) const JPG: u8 = 0xc8;
    pub(crate) const SOF9: u8 = 0xc9;
    pub(crate) const SOF10: u8 = 0xca;
    pub(crate) const SOF11: u8 = 0xcb;
    pub(crate) const DAC: u8 = 0xcc;
    pub(crate) const SOF15: u8 = 0xcf;
    pub(crate) const RST0: u8 = 0xd0;
    pub(crate) const RST7: u8 = 0xd7;
    pub(crate) const SOI: u8 = 0xd8;
    pub(crate) const EOI: u8 = 0xd9;
    pub(crate) const SOS: u8 = 0xda;
    pub(crate) const DQT: u8 = 0xdb;
    pub(crate) const DNL: u8 = 0xdc;
    pub(crate) const DRI: u8 = 0xdd;
    pub(crate) const APP0: u8 = 0xe0;
    pub(crate) const APP14: u8 = 0xee;
    pub(crate) const APP15: u8 = 0xef;
    pub(crate) const COM: u8 = 0xfe;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_follows_fill_bytes_and_garbage_is_counted() {
        let mut source = Source::new(&[1, 2, 0xff, 0x00, 0xff, 0xff, 0xff, 0xda, 7]);
        assert_eq!(source.next_marker(), marker::SOS);
        assert_eq!(source.position(), 8);
        assert_eq!(source.warnings.first.as_deref(), Some("4 extraneous bytes before marker da"));
    }

    #[test]
    fn behind_the_end_are_markers_of_the_end() {
        let mut source = Source::new(&[0]);
        source.skip(1);
        assert!(!source.is_truncated());
        assert_eq!([source.byte(), source.byte(), source.byte()], [0xff, 0xd9, 0xff]);
        assert!(source.is_truncated());
        assert_eq!(source.warnings.count, 2);
    }

    #[test]
    fn skipping_over_the_end_warns_for_every_marker_made_up() {
        let mut source = Source::new(&[0, 0]);
        source.skip(7);
        assert_eq!(source.warnings.count, 3);
        assert_eq!(source.byte(), 0xd9);
    }

    #[test]
    fn an_expected_restart_marker_is_swallowed() {
        let mut source = Source::new(&[0xff, 0xd0, 0xff, 0xd1]);
        source.restart();
        source.restart();
        assert_eq!((source.unread_marker, source.warnings.count), (None, 0));
    }

    #[test]
    fn a_restart_marker_to_come_stays_unread() {
        let mut source = Source::new(&[0xff, 0xd2, 9]);
        source.restart();
        assert_eq!(source.unread_marker, Some(0xd2));
        source.restart();
        assert_eq!(source.unread_marker, Some(0xd2));
        source.restart();
        assert_eq!((source.unread_marker, source.warnings.count), (None, 2));
    }

    #[test]
    fn a_restart_marker_that_has_passed_is_skipped_with_what_follows() {
        let mut source = Source::new(&[0xff, 0xd7, 9, 9, 0xff, 0xd0, 1]);
        source.restart();
        assert_eq!((source.unread_marker, source.position(), source.warnings.count), (None, 6, 2));
    }

    #[test]
    fn a_restart_marker_far_off_is_dropped_and_another_marker_kept() {
        let mut source = Source::new(&[0xff, 0xd4, 9, 0xff, 0xd9]);
        source.restart();
        assert_eq!((source.unread_marker, source.position()), (None, 2));
        source.restart();
        assert_eq!(source.unread_marker, Some(0xd9));
    }
}
