//! The coefficients of a block (ITU-T T.81, F.2.2), decoded into one half of a pair of blocks.

use super::bits::Bits;
use super::lookup::{END_OF_BLOCK, Lookup, STEP_BITS, StepLookup};
use crate::kernels::Pair;
use crate::zigzag::ZIGZAG;

/// Two neighbouring blocks while they are decoded.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct BlockPair {
    /// The pair, and room for what an overlong run writes and nobody reads.
    coefficients: [Pair; 2],
    /// Where each position of the zigzag is in the pair; those behind its end go behind the pair. It lies beside the coefficients
    /// so that one address serves both.
    positions: [u8; 256],
}

impl Default for BlockPair {
    fn default() -> Self {
        let positions =
            std::array::from_fn(|coded| ZIGZAG.get(coded).map_or(128, |natural| natural / 8 * 16 + natural % 8));
        Self { coefficients: [[0; 128]; 2], positions }
    }
}

impl BlockPair {
    /// The pair's coefficients.
    pub(super) fn coefficients(&mut self) -> &mut Pair {
        &mut self.coefficients[0]
    }

    pub(super) fn clear(&mut self) {
        self.coefficients = [[0; 128]; 2];
    }

    /// Decodes a block into the lanes from `lane` (0 or 8) on, where all AC coefficients are zero; without `WITH_AC` they stay so.
    ///
    /// `None` for what no encoder writes: a code that isn't in the tables, a run over the block's end.
    #[inline(always)]
    pub(super) fn decode<const WITH_AC: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        (dc, ac): (&Lookup, &Lookup),
        prediction: &mut i32,
        lane: u8,
    ) -> Option<()> {
        bits.refill();
        let symbol = dc.first(bits.peek())?;
        *prediction = prediction.wrapping_add(symbol.value(bits.peek()));
        bits.skip(u32::from(symbol.bits));
        self.coefficients[0][usize::from(lane)] = *prediction as i16;
        let steps = if WITH_AC { None } else { ac.steps() };
        let mut at = 0_u32;
        // A refill gives 56 bits: a DC symbol takes 27 at most, an AC one 26.
        loop {
            self.step::<WITH_AC>(bits, (ac, steps), &mut at, lane)?;
            if at >= 63 {
                break;
            }
            bits.refill();
            self.step::<WITH_AC>(bits, (ac, steps), &mut at, lane)?;
            if at >= 63 {
                break;
            }
        }
        let end = u32::from(END_OF_BLOCK);
        (at == 63 || (end..end + 63).contains(&at)).then_some(())
    }

    /// Decodes one symbol or two, or more that aren't stored; `at` is the position of the last value.
    #[inline(always)]
    fn step<const WITH_AC: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        (ac, steps): (&Lookup, Option<&StepLookup>),
        at: &mut u32,
        lane: u8,
    ) -> Option<()> {
        if !WITH_AC
            && let Some(steps) = steps.map(|steps| steps[(bits.peek() >> (64 - STEP_BITS)) as usize])
            && *at + u32::from(steps.before) < 63
        {
            *at += u32::from(steps.advance);
            bits.skip(u32::from(steps.bits));
            return Some(());
        }
        let pair = ac.first_two(bits.peek());
        let first = *at + u32::from(pair.first);
        if pair.bits == 0 || first == 63 {
            // A long code, sixteen zeros, or a first symbol that ends the block.
            let symbol = ac.first(bits.peek())?;
            *at += u32::from(symbol.advance);
            if WITH_AC {
                self.store(*at, lane, symbol.value(bits.peek()) as i16);
            }
            bits.skip(u32::from(symbol.bits));
        } else {
            *at += u32::from(pair.second);
            if WITH_AC {
                self.store(first, lane, i16::from(pair.value));
                self.store(*at, lane, pair.second_value(bits.peek()));
            }
            bits.skip(u32::from(pair.bits));
        }
        Some(())
    }

    #[inline(always)]
    fn store(&mut self, at: u32, lane: u8, value: i16) {
        let position = self.positions[(at & 255) as usize].wrapping_add(lane);
        self.coefficients.as_flattened_mut()[usize::from(position)] = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bits::ScanData;
    use super::super::lookup::Class;
    use super::*;

    /// A table of few codes, and of many up to 16 bits.
    fn lookups() -> [Lookup; 2] {
        let few = ([1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], vec![0x01, 0x00, 0x12, 0xF0, 0x3A]);
        let many: Vec<u8> =
            (0..160).map(|index: u8| ((index / 10) << 4) | (index % 10 + 1)).chain([0x00, 0xF0]).collect();
        let many = ([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], many);
        [few, many].map(|(counts, symbols)| {
            let mut lookup = Lookup::new(Class::Ac);
            lookup.set(&counts, &symbols).unwrap();
            lookup
        })
    }

    proptest! {
        #[test]
        fn blocks_that_are_passed_over_end_where_stored_ones_do(bytes in prop::collection::vec(0..255_u8, 1..600)) {
            let mut data = ScanData::default();
            data.read(&[&bytes[..], &[0xFF, 0xD9]].concat()).unwrap();
            let mut dc = Lookup::new(Class::Dc);
            dc.set(&[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 3, 11]).unwrap();
            for (ac, mut with_steps) in lookups().into_iter().zip(lookups()) {
                with_steps.prepare_steps(usize::MAX);
                let start = data.interval(0).unwrap();
                let (mut stored, mut passed, mut stepped) = (start, start, start);
                let mut predictions = [0; 3];
                let mut pairs = [(); 3].map(|()| BlockPair::default());
                while stored.is_within() {
                    let end = pairs[0].decode::<true>(&mut stored, (&dc, &ac), &mut predictions[0], 0);
                    let ends = [
                        pairs[1].decode::<false>(&mut passed, (&dc, &ac), &mut predictions[1], 0),
                        pairs[2].decode::<false>(&mut stepped, (&dc, &with_steps), &mut predictions[2], 0),
                    ];
                    prop_assert_eq!(ends, [end; 2]);
                    if end.is_none() {
                        break;
                    }
                    for bits in [&mut stored, &mut passed, &mut stepped] {
                        bits.refill();
                    }
                    prop_assert_eq!([passed.peek(), stepped.peek()], [stored.peek(); 2]);
                    prop_assert_eq!([predictions[1], predictions[2]], [predictions[0]; 2]);
                    let first = pairs[0].coefficients[0][0];
                    prop_assert!(pairs[1..].iter().all(|pair| pair.coefficients[0][0] == first));
                    prop_assert!(pairs[1..].iter().all(|pair| pair.coefficients.as_flattened()[1..] == [0; 255]));
                }
            }
        }
    }
}
