//! The arithmetic decoder of binary decisions (ITU-T T.81, annex D).

use crate::decode::markers::Source;

/// A bin of statistics: which state it is in, and in the highest bit the symbol that is more probable.
pub(super) type Bin = u8;

/// The bin of decisions that are as probable as not; it never changes.
pub(super) const EVEN: Bin = 113;

/// Decodes decisions from coded data; at a marker, zeros follow, which is right: encoders leave them out.
#[derive(Debug)]
pub(super) struct Decisions<'f, 's> {
    pub(super) source: &'f mut Source<'s>,
    /// What lies above the interval's base, and the bits read ahead below it.
    code: u64,
    /// The size of the interval.
    interval: u64,
    /// How many bits are read ahead; negative before the first two bytes are there.
    ahead: i32,
}

impl<'f, 's> Decisions<'f, 's> {
    pub(super) fn new(source: &'f mut Source<'s>) -> Self {
        Self { source, code: 0, interval: 0, ahead: -16 }
    }

    /// Goes over a restart marker.
    pub(super) fn restart(&mut self) {
        self.source.restart();
        (self.code, self.interval, self.ahead) = (0, 0, -16);
    }

    /// Warns of decisions that lead nowhere.
    #[cold]
    pub(super) fn warn(&mut self) {
        self.source.warnings.add(|| "bad arithmetic code".to_owned());
    }

    /// A decision that is as probable as not.
    pub(super) fn even(&mut self) -> bool {
        self.decide(&mut { EVEN })
    }

    /// Decodes a decision with the statistics of a bin, and corrects these (ITU-T T.81, figures D.16 to D.18).
    pub(super) fn decide(&mut self, bin: &mut Bin) -> bool {
        self.renormalize();
        let State { probability, after_less_probable, after_more_probable } = STATES[usize::from(*bin & 127)];
        let more_probable = *bin & 128;
        let less_size = u64::from(probability);
        self.interval = self.interval.wrapping_sub(less_size);
        let bound = self.interval << self.ahead;
        let is_upper = self.code >= bound;
        if !is_upper && self.interval >= 0x8000 {
            return more_probable != 0;
        }
        // The smaller part belongs to the less probable symbol, whichever it is.
        let is_less_probable = is_upper != (self.interval < less_size);
        if is_upper {
            self.code -= bound;
            self.interval = less_size;
        }
        // The state's upper bit exchanges the symbols.
        let (next, symbol) = if is_less_probable {
            (after_less_probable, more_probable ^ 128)
        } else {
            (after_more_probable, more_probable)
        };
        *bin = more_probable ^ next;
        symbol != 0
    }

    /// ITU-T T.81, figure D.19.
    fn renormalize(&mut self) {
        while self.interval < 0x8000 {
            self.ahead -= 1;
            if self.ahead < 0 {
                self.code = self.code << 8 | u64::from(self.next_byte());
                self.ahead += 8;
                if self.ahead < 0 {
                    self.ahead += 1;
                    if self.ahead == 0 {
                        // The first two bytes are there.
                        self.interval = 0x8000;
                    }
                }
            }
            self.interval <<= 1;
        }
    }

    fn next_byte(&mut self) -> u8 {
        if self.source.unread_marker.is_some() {
            return 0;
        }
        self.source.coded_byte().unwrap_or(0)
    }
}

/// A state of the estimation of probabilities.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The part of the less probable symbol, in 1/65536 of 0.75.
    probability: u16,
    /// The next state, with 128 where the symbols are exchanged.
    after_less_probable: u8,
    after_more_probable: u8,
}

const fn state(probability: u16, after_less_probable: u8, after_more_probable: u8, exchange: u8) -> State {
    State { probability, after_less_probable: after_less_probable | exchange << 7, after_more_probable }
}

/// ITU-T T.81, table D.3, one that stays even, and room for any seven bits.
static STATES: [State; 128] = {
    let mut states = [state(0x5a1d, EVEN, EVEN, 0); 128];
    let mut index = 0;
    while index < ESTIMATION.len() {
        states[index] = ESTIMATION[index];
        index += 1;
    }
    states
};

/// ITU-T T.81, table D.3.
#[rustfmt::skip]
const ESTIMATION: [State; 113] = [
    state(0x5a1d, 1, 1, 1), state(0x2586, 14, 2, 0), state(0x1114, 16, 3, 0), state(0x080b, 18, 4, 0),
    state(0x03d8, 20, 5, 0), state(0x01da, 23, 6, 0), state(0x00e5, 25, 7, 0), state(0x006f, 28, 8, 0),
    state(0x0036, 30, 9, 0), state(0x001a, 33, 10, 0), state(0x000d, 35, 11, 0), state(0x0006, 9, 12, 0),
    state(0x0003, 10, 13, 0), state(0x0001, 12, 13, 0), state(0x5a7f, 15, 15, 1), state(0x3f25, 36, 16, 0),
    state(0x2cf2, 38, 17, 0), state(0x207c, 39, 18, 0), state(0x17b9, 40, 19, 0), state(0x1182, 42, 20, 0),
    state(0x0cef, 43, 21, 0), state(0x09a1, 45, 22, 0), state(0x072f, 46, 23, 0), state(0x055c, 48, 24, 0),
    state(0x0406, 49, 25, 0), state(0x0303, 51, 26, 0), state(0x0240, 52, 27, 0), state(0x01b1, 54, 28, 0),
    state(0x0144, 56, 29, 0), state(0x00f5, 57, 30, 0), state(0x00b7, 59, 31, 0), state(0x008a, 60, 32, 0),
    state(0x0068, 62, 33, 0), state(0x004e, 63, 34, 0), state(0x003b, 32, 35, 0), state(0x002c, 33, 9, 0),
    state(0x5ae1, 37, 37, 1), state(0x484c, 64, 38, 0), state(0x3a0d, 65, 39, 0), state(0x2ef1, 67, 40, 0),
    state(0x261f, 68, 41, 0), state(0x1f33, 69, 42, 0), state(0x19a8, 70, 43, 0), state(0x1518, 72, 44, 0),
    state(0x1177, 73, 45, 0), state(0x0e74, 74, 46, 0), state(0x0bfb, 75, 47, 0), state(0x09f8, 77, 48, 0),
    state(0x0861, 78, 49, 0), state(0x0706, 79, 50, 0), state(0x05cd, 48, 51, 0), state(0x04de, 50, 52, 0),
    state(0x040f, 50, 53, 0), state(0x0363, 51, 54, 0), state(0x02d4, 52, 55, 0), state(0x025c, 53, 56, 0),
    state(0x01f8, 54, 57, 0), state(0x01a4, 55, 58, 0), state(0x0160, 56, 59, 0), state(0x0125, 57, 60, 0),
    state(0x00f6, 58, 61, 0), state(0x00cb, 59, 62, 0), state(0x00ab, 61, 63, 0), state(0x008f, 61, 32, 0),
    state(0x5b12, 65, 65, 1), state(0x4d04, 80, 66, 0), state(0x412c, 81, 67, 0), state(0x37d8, 82, 68, 0),
    state(0x2fe8, 83, 69, 0), state(0x293c, 84, 70, 0), state(0x2379, 86, 71, 0), state(0x1edf, 87, 72, 0),
    state(0x1aa9, 87, 73, 0), state(0x174e, 72, 74, 0), state(0x1424, 72, 75, 0), state(0x119c, 74, 76, 0),
    state(0x0f6b, 74, 77, 0), state(0x0d51, 75, 78, 0), state(0x0bb6, 77, 79, 0), state(0x0a40, 77, 48, 0),
    state(0x5832, 80, 81, 1), state(0x4d1c, 88, 82, 0), state(0x438e, 89, 83, 0), state(0x3bdd, 90, 84, 0),
    state(0x34ee, 91, 85, 0), state(0x2eae, 92, 86, 0), state(0x299a, 93, 87, 0), state(0x2516, 86, 71, 0),
    state(0x5570, 88, 89, 1), state(0x4ca9, 95, 90, 0), state(0x44d9, 96, 91, 0), state(0x3e22, 97, 92, 0),
    state(0x3824, 99, 93, 0), state(0x32b4, 99, 94, 0), state(0x2e17, 93, 86, 0), state(0x56a8, 95, 96, 1),
    state(0x4f46, 101, 97, 0), state(0x47e5, 102, 98, 0), state(0x41cf, 103, 99, 0), state(0x3c3d, 104, 100, 0),
    state(0x375e, 99, 93, 0), state(0x5231, 105, 102, 0), state(0x4c0f, 106, 103, 0), state(0x4639, 107, 104, 0),
    state(0x415e, 103, 99, 0), state(0x5627, 105, 106, 1), state(0x50e7, 108, 107, 0), state(0x4b85, 109, 103, 0),
    state(0x5597, 110, 109, 0), state(0x504f, 111, 107, 0), state(0x5a10, 110, 111, 1), state(0x5522, 112, 109, 0),
    state(0x59eb, 112, 111, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_lead_to_states() {
        for (index, state) in STATES.iter().enumerate() {
            assert!(state.after_less_probable & 127 <= EVEN && state.after_more_probable <= EVEN, "{index}");
        }
        assert_eq!((STATES[112].probability, STATES[113].probability), (0x59eb, 0x5a1d));
    }

    /// The sequence that ITU-T T.81, K.4.1 tests with: 256 decisions of one bin.
    #[test]
    fn the_test_sequence_of_the_standard_is_decoded() {
        let coded = [
            0x65, 0x5b, 0x51, 0x44, 0xf7, 0x96, 0x9d, 0x51, 0x78, 0x55, 0xbf, 0xff, 0x00, 0xfc, 0x51, 0x84, 0xc7, 0xce,
            0xf9, 0x39, 0x00, 0x28, 0x7d, 0x46, 0x70, 0x8e, 0xcb, 0xc0, 0xf6, 0xff, 0xd9,
        ];
        let plain = [
            0x00, 0x02, 0x00, 0x51, 0x00, 0x00, 0x00, 0xc0, 0x03, 0x52, 0x87, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x82, 0xc0,
            0x20, 0x00, 0xfc, 0xd7, 0x9e, 0xf6, 0x74, 0xea, 0xab, 0xf7, 0x69, 0x7e, 0xe7, 0x4c,
        ];
        let mut source = Source::new(&coded);
        let mut decisions = Decisions::new(&mut source);
        let mut bin = 0;
        let decoded = plain.map(|_| (0..8).fold(0_u8, |byte, _| byte << 1 | u8::from(decisions.decide(&mut bin))));
        assert_eq!(decoded, plain);
    }
}
