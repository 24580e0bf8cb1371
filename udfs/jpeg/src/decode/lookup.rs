//! Huffman codes (ITU-T T.81, annex C and F.2.2.3) as tables that are looked up by the next bits.

/// Bits of the lookup of one symbol.
const BITS: u32 = 10;
/// Bits of the lookup of two. More would cost more to fill, for each image, than they save.
const PAIR_BITS: u32 = 9;

/// Bits of the lookup of symbols that are passed over.
pub(super) const STEP_BITS: u32 = 12;
/// From so many blocks on, that lookup saves more time than it takes to fill it.
const MANY_BLOCKS: usize = 16_384;

/// The advance of an end of block: no two runs reach it.
pub(super) const END_OF_BLOCK: u8 = 128;
/// A position where nothing is stored.
const NOWHERE: u8 = 64;

/// A symbol: its code, and the value that follows.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(4))]
pub(super) struct Symbol {
    /// Bits of code and value; 0 where the code is longer than the lookup, or there is none.
    pub(super) bits: u8,
    /// Bits of the code.
    code_bits: u8,
    /// 63 less the bits of the value.
    missing: u8,
    /// Positions that it goes on in the zigzag.
    pub(super) advance: u8,
}

/// Two symbols of AC coefficients, or one that stands where the second does.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(8))]
pub(super) struct SymbolPair {
    /// Bits of both, values too; 0 where a single symbol must be looked up.
    pub(super) bits: u8,
    /// From the position before to that of the first value.
    pub(super) first: u8,
    /// From the position before to that of the second.
    pub(super) second: u8,
    /// Bits in front of the second's value.
    value_at: u8,
    /// 64 less the bits of the second's value.
    value_shift: u8,
    /// The first's value.
    pub(super) value: i8,
}

/// Symbols of AC coefficients whose values nobody asks for, as many as fit a lookup.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(4))]
pub(super) struct Steps {
    /// Bits of all, values too.
    pub(super) bits: u8,
    /// Positions to the last but one; [`END_OF_BLOCK`] where there is no symbol.
    pub(super) before: u8,
    /// Positions to the last one.
    pub(super) advance: u8,
}

/// By the next bits, the symbols that they begin with.
pub(super) type StepLookup = [Steps; 1 << STEP_BITS];

/// The codes of a Huffman table, as they are looked up.
pub(super) struct Lookup {
    symbols: Box<[Symbol; 1 << BITS]>,
    pairs: Box<[SymbolPair; 1 << PAIR_BITS]>,
    /// Empty where few blocks are passed over.
    steps: Vec<Steps>,
    /// For each length of a code, one more than the largest, 0 if there is none.
    ends: [u32; 17],
    /// For each length, what to add to a code for its index among the symbols.
    offsets: [i32; 17],
    values: [u8; 256],
    class: Class,
    /// What it was made from; photos often share their tables.
    counts: [u8; 16],
    listed: Vec<u8>,
}

/// What a table's symbols mean (ITU-T T.81, F.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The bits of a difference.
    Dc,
    /// A run of zeros, and the bits of a value.
    Ac,
}

impl Lookup {
    pub(super) fn new(class: Class) -> Self {
        Self {
            symbols: Box::new([Symbol::default(); 1 << BITS]),
            pairs: Box::new([SymbolPair::default(); 1 << PAIR_BITS]),
            steps: Vec::new(),
            ends: [0; 17],
            offsets: [0; 17],
            values: [0; 256],
            class,
            counts: [0; 16],
            listed: Vec::new(),
        }
    }

    /// Takes the codes: how many there are of each length, and their symbols. `None` if they are more than their lengths allow, or
    /// stand for values that no 8-bit image has: then libjpeg's rules are for others to follow.
    pub(super) fn set(&mut self, counts: &[u8; 16], symbols: &[u8]) -> Option<()> {
        if !self.listed.is_empty() && self.counts == *counts && self.listed == symbols {
            return Some(());
        }
        self.listed.clear();
        self.steps.clear();
        if counts.iter().map(|count| usize::from(*count)).sum::<usize>() != symbols.len() {
            return None;
        }
        self.symbols.fill(Symbol::default());
        self.ends = [0; 17];
        let mut code = 0_u32;
        let mut listed = symbols.iter().zip(0..);
        for (length, count) in (1..).zip(counts) {
            self.offsets[length as usize] = listed.clone().next().map_or(0, |(_, index): (_, i32)| index - code as i32);
            for (symbol, index) in listed.by_ref().take(usize::from(*count)) {
                *self.values.get_mut(index as usize)? = *symbol;
                let entry = self.symbol(*symbol, length as u8)?;
                if length <= BITS {
                    let start = (code << (BITS - length)) as usize;
                    self.symbols.get_mut(start..start + (1 << (BITS - length)))?.fill(entry);
                }
                code += 1;
            }
            // No code is all ones.
            if *count > 0 && code >= 1 << length {
                return None;
            }
            self.ends[length as usize] = if *count > 0 { code } else { 0 };
            code <<= 1;
        }
        if self.class == Class::Ac {
            for index in 0..1 << PAIR_BITS {
                self.pairs[index] = self.pair(index as u32);
            }
        }
        self.counts = *counts;
        self.listed.extend_from_slice(symbols);
        Some(())
    }

    fn symbol(&self, symbol: u8, code_bits: u8) -> Option<Symbol> {
        let size = symbol & 15;
        let (most, advance) = match (self.class, symbol) {
            (Class::Dc, _) => (11, 1),
            (Class::Ac, 0xF0) => (0, 16),
            (Class::Ac, _) if size == 0 => (0, END_OF_BLOCK),
            (Class::Ac, _) => (10, (symbol >> 4) + 1),
        };
        let is_known = size <= most && (self.class == Class::Ac || symbol < 16);
        is_known.then_some(Symbol { bits: code_bits + size, code_bits, missing: 63 - size, advance })
    }

    /// The symbols that these bits begin with.
    fn pair(&self, index: u32) -> SymbolPair {
        // A code that is within the first `most` of the bits.
        let lookup = |bits: u32, most: u32| {
            let symbol = self.symbols[(bits << (BITS - PAIR_BITS)) as usize & ((1 << BITS) - 1)];
            (symbol.bits != 0 && u32::from(symbol.code_bits) <= most).then_some(symbol)
        };
        let size = |symbol: Symbol| 63 - symbol.missing;
        let Some(first) = lookup(index, PAIR_BITS) else { return SymbolPair::default() };
        // Sixteen zeros have no value, which would be stored.
        if first.advance == 16 && size(first) == 0 {
            return SymbolPair::default();
        }
        let alone = SymbolPair {
            bits: first.bits,
            first: NOWHERE,
            second: first.advance,
            value_at: first.code_bits,
            value_shift: 64 - size(first),
            value: 0,
        };
        let used = u32::from(first.bits);
        if first.advance == END_OF_BLOCK || used > PAIR_BITS || size(first) > 7 {
            return alone;
        }
        match lookup(index << used, PAIR_BITS - used) {
            Some(second) if size(second) > 0 || second.advance == END_OF_BLOCK => {
                let bits = (index >> (PAIR_BITS - used)) as i32 & ((1 << size(first)) - 1);
                let is_negative = bits < 1 << (size(first) - 1);
                SymbolPair {
                    bits: first.bits + second.bits,
                    first: first.advance,
                    second: first.advance + second.advance,
                    value_at: first.bits + second.code_bits,
                    value_shift: 64 - size(second),
                    value: if is_negative { bits - (1 << size(first)) + 1 } else { bits } as i8,
                }
            }
            _ => alone,
        }
    }

    /// Makes the lookup of steps if so many blocks are passed over that it saves more time than it takes.
    pub(super) fn prepare_steps(&mut self, blocks: usize) {
        if blocks >= MANY_BLOCKS && self.steps.is_empty() {
            self.steps.extend((0..1 << STEP_BITS).map(|index| steps(&self.symbols, index)));
        }
    }

    /// The lookup of steps, if [`Lookup::prepare_steps`] has found it worth it.
    #[inline(always)]
    pub(super) fn steps(&self) -> Option<&StepLookup> {
        self.steps.as_slice().try_into().ok()
    }

    /// The symbol that the bits (from the top) begin with; `None` where they begin with no code.
    #[inline(always)]
    pub(super) fn first(&self, bits: u64) -> Option<Symbol> {
        let symbol = self.symbols[(bits >> (64 - BITS)) as usize];
        if symbol.bits == 0 { self.first_of_long(bits) } else { Some(symbol) }
    }

    #[cold]
    #[inline(never)]
    fn first_of_long(&self, bits: u64) -> Option<Symbol> {
        let length = (BITS + 1..=16).find(|length| bits >> (64 - length) < u64::from(self.ends[*length as usize]))?;
        let index = (bits >> (64 - length)) as i32 + self.offsets[length as usize];
        self.symbol(*self.values.get(usize::try_from(index).ok()?)?, length as u8)
    }

    /// The two symbols that the bits (from the top) begin with.
    #[inline(always)]
    pub(super) fn first_two(&self, bits: u64) -> &SymbolPair {
        &self.pairs[(bits >> (64 - PAIR_BITS)) as usize]
    }
}

/// The symbols whose codes are in the bits of `index`.
fn steps(symbols: &[Symbol; 1 << BITS], index: u32) -> Steps {
    let mut steps = Steps { bits: 0, before: END_OF_BLOCK, advance: 0 };
    // Behind a block's end is another's symbol.
    while steps.advance < 63 && u32::from(steps.bits) < STEP_BITS {
        let rest = (index << steps.bits) & ((1 << STEP_BITS) - 1);
        let symbol = symbols[(rest >> (STEP_BITS - BITS)) as usize];
        if symbol.bits == 0 || u32::from(steps.bits + symbol.code_bits) > STEP_BITS {
            break;
        }
        let (bits, before) = (steps.bits + symbol.bits, steps.advance);
        steps = Steps { bits, before, advance: before + symbol.advance };
    }
    steps
}

impl Symbol {
    /// The value that follows the code in the bits (ITU-T T.81, F.2.2.1).
    #[inline(always)]
    pub(super) fn value(self, bits: u64) -> i32 {
        let bits = bits << (self.code_bits & 63);
        // A value whose first bit is 0 is negative: the complement of the others.
        let complement = std::hint::select_unpredictable((bits as i64) < 0, 0, u64::MAX);
        let absolute = ((bits ^ complement) >> 1) >> (self.missing & 63);
        (absolute ^ complement).wrapping_sub(complement) as i32
    }
}

/// What to add to a value's bits, by 64 less their number and by the first of them. It is a table because a choice would be compiled
/// to a branch that is wrong half of the time.
static BIASES: [[i16; 2]; 64] = {
    let mut biases = [[0; 2]; 64];
    let mut size = 1;
    while size < 16 {
        biases[64 - size][0] = 1_i16.wrapping_sub((1_i32 << size) as i16);
        size += 1;
    }
    biases
};

impl SymbolPair {
    /// The second's value.
    #[inline(always)]
    pub(super) fn second_value(&self, bits: u64) -> i16 {
        let bits = bits << (self.value_at & 63);
        let shift = self.value_shift & 63;
        ((bits >> shift) as i16).wrapping_add(BIASES[usize::from(shift)][(bits >> 63) as usize])
    }
}
