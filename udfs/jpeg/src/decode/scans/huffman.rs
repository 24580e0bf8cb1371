//! Huffman tables for decoding (ITU-T T.81, annex C and F.2.2.3).

use crate::Error;
use crate::decode::markers::HuffmanSpec;

/// A Huffman table, ready for decoding.
#[derive(Debug, Clone)]
pub(super) struct DecodingTable {
    /// For each eight bits that data may begin with, the length of the code they begin with (9: more than eight), and its symbol.
    short: [(u8, u8); 256],
    /// The largest code of each length, -1 where there is none; one that ends every search follows.
    largest: [i32; 18],
    /// What added to a code of each length gives the place of its symbol.
    offsets: [i32; 18],
    symbols: [u8; 256],
}

impl DecodingTable {
    /// A table for DC coefficients, whose symbols must be 0 to 15 (libjpeg's rule; the standard's is 11).
    pub(super) fn try_new_dc(spec: Option<&HuffmanSpec>, number: u8) -> Result<Self, Error> {
        let table = Self::try_new(spec, number, "dc")?;
        match spec.into_iter().flat_map(|spec| &spec.symbols).find(|symbol| **symbol > 15) {
            Some(symbol) => Err(Error::broken(format!("dc huffman table {number} has a symbol of {symbol}"))),
            None => Ok(table),
        }
    }

    /// A table for AC coefficients.
    pub(super) fn try_new_ac(spec: Option<&HuffmanSpec>, number: u8) -> Result<Self, Error> {
        Self::try_new(spec, number, "ac")
    }

    fn try_new(spec: Option<&HuffmanSpec>, number: u8, kind: &str) -> Result<Self, Error> {
        let Some(spec) = spec else {
            return Err(Error::broken(format!("{kind} huffman table {number} is used, but never given")));
        };
        let mut table = Self { short: [(9, 0); 256], largest: [-1; 18], offsets: [0; 18], symbols: [0; 256] };
        for (symbol, given) in table.symbols.iter_mut().zip(&spec.symbols) {
            *symbol = *given;
        }
        let (mut code, mut place) = (0, 0);
        for (length, count) in (1_usize..).zip(spec.counts.map(i32::from)) {
            // No code is made of ones alone.
            if code + count >= 1 << length {
                return Err(Error::broken(format!(
                    "{kind} huffman table {number} has too many codes of {length} bits"
                )));
            }
            if count > 0 {
                table.offsets[length] = place - code;
                table.largest[length] = code + count - 1;
                table.fill_short(code, count, length);
            }
            place += count;
            code = (code + count) << 1;
        }
        table.largest[17] = i32::MAX;
        Ok(table)
    }

    fn fill_short(&mut self, first_code: i32, count: i32, length: usize) {
        if length > 8 {
            return;
        }
        for code in first_code..first_code + count {
            let Some(symbol) = self.symbol(code as u32, length) else { continue };
            let start = (code as usize) << (8 - length);
            for entry in self.short.iter_mut().skip(start).take(1 << (8 - length)) {
                *entry = (length as u8, symbol);
            }
        }
    }

    /// The length of the code that eight bits begin with, and its symbol; 9: it has more than eight.
    #[inline(always)]
    pub(super) fn short(&self, bits: u8) -> (u32, u8) {
        let (length, symbol) = self.short[usize::from(bits)];
        (u32::from(length), symbol)
    }

    /// Whether no code of a length, 1 to 17, is these bits; never for 17.
    #[inline(always)]
    pub(super) fn is_longer(&self, bits: u32, length: usize) -> bool {
        self.largest.get(length).is_some_and(|largest| bits as i32 > *largest)
    }

    /// The symbol of a code; `None`: it would have more than sixteen bits.
    #[inline(always)]
    pub(super) fn symbol(&self, code: u32, length: usize) -> Option<u8> {
        if length > 16 {
            return None;
        }
        let place = code as i32 + self.offsets[length];
        self.symbols.get(place as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(usize, u8)]) -> [u8; 16] {
        let mut counts = [0; 16];
        for (length, count) in pairs {
            counts[length - 1] = *count;
        }
        counts
    }

    #[test]
    fn codes_are_assigned_in_order_of_length() {
        let spec = HuffmanSpec { counts: counts(&[(1, 1), (2, 1), (9, 1)]), symbols: vec![7, 8, 9] };
        let table = DecodingTable::try_new_ac(Some(&spec), 0).expect("a table");
        assert_eq!(table.short(0b0111_1111), (1, 7));
        assert_eq!(table.short(0b1011_1111), (2, 8));
        assert_eq!(table.short(0b1100_0000).0, 9);
        assert!(!table.is_longer(0b1_1000_0000, 9));
        assert_eq!(table.symbol(0b1_1000_0000, 9), Some(9));
        assert!(table.is_longer(0b1_1000_0001, 9));
    }

    #[test]
    fn a_code_of_ones_alone_is_refused() {
        let spec = HuffmanSpec { counts: counts(&[(1, 2)]), symbols: vec![1, 2] };
        let error = DecodingTable::try_new_ac(Some(&spec), 3).expect_err("all ones");
        assert_eq!(error.to_string(), "broken: ac huffman table 3 has too many codes of 1 bits");
    }

    #[test]
    fn an_empty_table_has_no_codes() {
        let spec = HuffmanSpec { counts: [0; 16], symbols: Vec::new() };
        let table = DecodingTable::try_new_dc(Some(&spec), 0).expect("a table");
        assert_eq!(table.short(0).0, 9);
        assert!((9..17).all(|length| table.is_longer(0, length)));
        assert_eq!(table.symbol(0, 17), None);
    }

    #[test]
    fn a_symbol_that_no_dc_coefficient_has_is_refused() {
        let spec = HuffmanSpec { counts: counts(&[(2, 1)]), symbols: vec![16] };
        assert!(DecodingTable::try_new_ac(Some(&spec), 0).is_ok());
        let error = DecodingTable::try_new_dc(Some(&spec), 0).expect_err("too large");
        assert_eq!(error.to_string(), "broken: dc huffman table 0 has a symbol of 16");
    }
}
