//! Huffman symbols (ITU-T T.81, F.1.2): each block is walked once, and what it will be coded as is kept and counted.

use crate::lanes::Lanes;

/// The most blocks that are transformed together: of two minimum coded units of 4:2:0.
pub(crate) const MOST_BLOCKS: usize = 12;

/// A symbol that has no code in any table: it is coded as nothing.
const NOTHING: u32 = 0xf0 << 16;

/// Quantised coefficients of some blocks.
pub(crate) struct Batch {
    /// In zigzag order.
    pub(crate) blocks: [[i16; 64]; MOST_BLOCKS],
    /// A bit for each coefficient that isn't 0.
    pub(crate) nonzero: [u64; MOST_BLOCKS],
}

impl Default for Batch {
    fn default() -> Self {
        Self { blocks: [[0; 64]; MOST_BLOCKS], nonzero: [0; MOST_BLOCKS] }
    }
}

/// Where a block is, in the order of coding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The block's index in its batch.
    pub(crate) block: u8,
    /// The block's component.
    pub(crate) component: u8,
}

/// The symbols of an image, or of a part of it, and how often each came.
pub(crate) struct Symbols {
    /// The table's index (see [`Symbols::counts`]) times 2^24, the symbol times 2^16, and the bits that follow its code.
    coded: Vec<u32>,
    length: usize,
    counts: [Counts; 4],
    /// The last DC coefficient of each component.
    previous: [i16; 3],
}

/// How often each symbol came; the largest image has more than 2^32.
pub(crate) type Counts = [u64; 256];

impl Default for Symbols {
    fn default() -> Self {
        Self { coded: Vec::new(), length: 0, counts: [[0; 256]; 4], previous: [0; 3] }
    }
}

impl Symbols {
    /// Forgets everything but the memory.
    pub(crate) fn start(&mut self) {
        self.length = 0;
        self.counts = [[0; 256]; 4];
        self.previous = [0; 3];
    }

    /// Makes room for the symbols of so many more blocks.
    pub(crate) fn reserve(&mut self, blocks: usize) {
        // And up to three that are nothing.
        let needed = self.length + blocks * 64 + 3;
        if self.coded.len() < needed {
            self.coded.resize(needed, NOTHING);
        }
    }

    /// How often each symbol came: DC and AC of luma, DC and AC of chroma.
    pub(crate) fn counts(&self) -> &[Counts; 4] {
        &self.counts
    }

    /// The symbols since the last time, a multiple of four.
    pub(crate) fn take(&mut self) -> &[u32] {
        let length = std::mem::take(&mut self.length);
        let padded = length.next_multiple_of(4);
        let Some(symbols) = self.coded.get_mut(..padded) else { return &[] };
        symbols[length..].fill(NOTHING);
        symbols
    }
}

/// Adds the symbols of blocks to those there are. What isn't reserved isn't added.
///
/// It has no vectors, but looks for bits, for which the instances have other instructions.
#[inline(always)]
pub(crate) fn collect<L: Lanes>(batch: &Batch, order: &[Place], symbols: &mut Symbols) {
    let Symbols { coded, length, counts, previous } = symbols;
    for place in order {
        let (block, component) = (usize::from(place.block) % MOST_BLOCKS, usize::from(place.component) % 3);
        let table = component.min(1) * 2;
        let Some(coded) = coded[*length..].first_chunk_mut() else { return };
        let [dc_counts, ac_counts] = &mut counts[table..][..2] else { return };
        let coefficients = &batch.blocks[block];
        let difference = value_bits(coefficients[0].wrapping_sub(previous[component]));
        previous[component] = coefficients[0];
        dc_counts[(difference >> 16) as usize % 256] += 1;
        coded[0] = (table as u32) << 24 | difference;
        *length += ac_symbols(coefficients, batch.nonzero[block], (table as u32 + 1) << 24, ac_counts, coded);
    }
}

/// The symbols of a block's AC coefficients after the first of `coded`; returns how many there are with that.
#[inline(always)]
fn ac_symbols(coefficients: &[i16; 64], nonzero: u64, table: u32, counts: &mut Counts, coded: &mut [u32; 64]) -> usize {
    let mut count = 1;
    let mut add = |symbol: u32| {
        counts[(symbol >> 16) as usize % 256] += 1;
        // At most 64 for a block.
        coded[count % 64] = table | symbol;
        count += 1;
    };
    let mut left = nonzero & !1;
    let mut next = 1;
    while left != 0 {
        let position = left.trailing_zeros();
        left &= left - 1;
        let mut run = position - next;
        next = position + 1;
        while run > 15 {
            add(0xf0 << 16);
            run -= 16;
        }
        add(run << 20 | value_bits(coefficients[position as usize % 64]));
    }
    if next < 64 {
        add(0);
    }
    count
}

/// Of how many bits a value of 12 bits is, times 2^16, and those bits (ITU-T T.81, F.1.2.1).
#[inline(always)]
fn value_bits(value: i16) -> u32 {
    static VALUES: [u32; 4096] = all_value_bits();
    VALUES[value as usize % 4096]
}

const fn all_value_bits() -> [u32; 4096] {
    let mut all = [0; 4096];
    let mut value: i32 = -2047;
    while value < 2048 {
        let size = 32 - value.unsigned_abs().leading_zeros();
        // A negative value has the bits of one less.
        let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        all[value as usize % 4096] = size << 16 | bits;
        value += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::instances;

    /// The symbols of blocks of luma, given by their coefficients in zigzag order.
    fn collected(blocks: &[&[(usize, i16)]]) -> Vec<Vec<u32>> {
        let mut batch = Batch::default();
        let mut order = Vec::new();
        for (index, coefficients) in blocks.iter().enumerate() {
            for (position, coefficient) in *coefficients {
                batch.blocks[index][*position] = *coefficient;
                batch.nonzero[index] |= 1 << position;
            }
            order.push(Place { block: index as u8, component: 0 });
        }
        let collected = |kernels: &crate::kernels::Kernels| {
            let mut symbols = Symbols::default();
            symbols.start();
            symbols.reserve(order.len());
            (kernels.collect)(&batch, &order, &mut symbols);
            let mut counts = [[0; 256]; 4];
            let coded = symbols.take().to_vec();
            coded.iter().filter(|coded| **coded != NOTHING).for_each(|coded| {
                counts[(coded >> 24) as usize][(coded >> 16) as usize % 256] += 1;
            });
            assert_eq!(symbols.counts(), &counts);
            coded
        };
        instances().map(collected).collect()
    }

    #[test]
    fn dc_coefficients_are_coded_as_differences() {
        for coded in collected(&[&[(0, 5)], &[(0, 2)], &[(0, 2)]]) {
            // 5: three bits, 101. -3: two bits, 00, the opposite of 3's. 0: none. After each, the end of the block.
            assert_eq!(coded[..6], [3 << 16 | 5, 1 << 24, 2 << 16, 1 << 24, 0, 1 << 24]);
        }
    }

    #[test]
    fn runs_of_zeros_of_more_than_15_are_coded_by_sixteens() {
        for coded in collected(&[&[(1, -1), (34, 3)]]) {
            let [one, sixteen, last] = [0x101 << 16, 0x1f0 << 16, 0x102 << 16 | 3];
            assert_eq!(coded[..6], [0, one, sixteen, sixteen, last, 1 << 24]);
        }
    }

    #[test]
    fn a_block_whose_last_coefficient_is_not_zero_has_no_end() {
        let full: Vec<(usize, i16)> = (0..64).map(|position| (position, 1)).collect();
        for coded in collected(&[&full]) {
            assert_eq!(coded.len(), 64);
            assert!(coded[1..].iter().all(|coded| *coded == 0x101 << 16 | 1));
        }
    }

    #[test]
    fn symbols_are_filled_up_with_nothing_to_a_multiple_of_four() {
        for coded in collected(&[&[(63, 1)]]) {
            assert_eq!(coded, [0, 0x1f0 << 16, 0x1f0 << 16, 0x1f0 << 16, 0x1e1 << 16 | 1, NOTHING, NOTHING, NOTHING]);
        }
    }
}
