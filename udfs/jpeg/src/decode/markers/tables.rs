//! Tables that markers give: for quantisation, Huffman and arithmetic coding (ITU-T T.81, B.2.4).

use super::source::Source;
use crate::Error;
use crate::standard_codes::{AC_CHROMA, AC_LUMA, DC_CHROMA, DC_LUMA};
use crate::zigzag::ZIGZAG;

/// A Huffman table as a file gives it (ITU-T T.81, B.2.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HuffmanSpec {
    /// How many codes there are of each length, 1 to 16 bits.
    pub(crate) counts: [u8; 16],
    /// What they stand for, by the code's length; up to 256.
    pub(crate) symbols: Vec<u8>,
}

/// How much statistics of neighbours say (ITU-T T.81, B.2.4.3), for each of 16 tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conditioning {
    /// The bounds L and U of small differences of DC coefficients.
    pub(crate) dc: [(u8, u8); 16],
    /// The last of the low AC coefficients, Kx.
    pub(crate) ac: [u8; 16],
}

/// The tables in force.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    /// In natural order.
    pub(crate) quantization: [Option<[u16; 64]>; 4],
    pub(crate) dc: [Option<HuffmanSpec>; 4],
    pub(crate) ac: [Option<HuffmanSpec>; 4],
    pub(crate) conditioning: Conditioning,
    /// In MCUs; 0: there are no restart markers.
    pub(crate) restart_interval: u16,
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            quantization: [None; 4],
            dc: Default::default(),
            ac: Default::default(),
            conditioning: Conditioning { dc: [(0, 1); 16], ac: [5; 16] },
            restart_interval: 0,
        }
    }

    /// Reads a DQT segment (ITU-T T.81, B.2.4.1).
    pub(super) fn read_quantization(&mut self, source: &mut Source<'_>) -> Result<(), Error> {
        let mut left = i32::from(source.word()) - 2;
        while left > 0 {
            let first = source.byte();
            let (is_wide, number) = (first >> 4 != 0, first & 15);
            let Some(slot) = self.quantization.get_mut(usize::from(number)) else {
                return Err(Error::broken(format!("quantisation table {number} is given; 0 to 3 are allowed")));
            };
            let table = slot.get_or_insert([0; 64]);
            for position in ZIGZAG {
                table[usize::from(position)] = if is_wide { source.word() } else { u16::from(source.byte()) };
            }
            left -= if is_wide { 129 } else { 65 };
        }
        check_rest("quantisation tables", left)
    }

    /// Reads a DHT segment (ITU-T T.81, B.2.4.2).
    pub(super) fn read_huffman(&mut self, source: &mut Source<'_>) -> Result<(), Error> {
        let mut left = i32::from(source.word()) - 2;
        while left > 16 {
            let first = source.byte();
            let counts: [u8; 16] = std::array::from_fn(|_| source.byte());
            left -= 17;
            let count: i32 = counts.iter().copied().map(i32::from).sum();
            if count > 256.min(left) {
                return Err(Error::broken(format!("a huffman table has {count} symbols, with {left} bytes left")));
            }
            let symbols = (0..count).map(|_| source.byte()).collect();
            left -= count;
            let (tables, number) = if first & 0x10 != 0 { (&mut self.ac, first - 0x10) } else { (&mut self.dc, first) };
            let Some(slot) = tables.get_mut(usize::from(number)) else {
                return Err(Error::broken(format!(
                    "huffman table {first:#04x} is given; 0 to 3 and 0x10 to 0x13 are allowed"
                )));
            };
            *slot = Some(HuffmanSpec { counts, symbols });
        }
        check_rest("huffman tables", left)
    }

    /// Reads a DAC segment (ITU-T T.81, B.2.4.3).
    pub(super) fn read_conditioning(&mut self, source: &mut Source<'_>) -> Result<(), Error> {
        let mut left = i32::from(source.word()) - 2;
        while left > 0 {
            let (index, value) = (source.byte(), source.byte());
            left -= 2;
            let number = usize::from(index & 15);
            match index >> 4 {
                0 => {
                    let (lower, upper) = (value & 15, value >> 4);
                    if lower > upper {
                        return Err(Error::broken(format!("arithmetic table {index} has bounds {lower} to {upper}")));
                    }
                    self.conditioning.dc[number] = (lower, upper);
                }
                1 => self.conditioning.ac[number] = value,
                _ => return Err(Error::broken(format!("arithmetic table {index} is given; 0 to 31 are allowed"))),
            }
        }
        check_rest("arithmetic tables", left)
    }

    /// Reads a DRI segment (ITU-T T.81, B.2.4.4).
    pub(super) fn read_restart_interval(&mut self, source: &mut Source<'_>) -> Result<(), Error> {
        let length = source.word();
        if length != 4 {
            return Err(Error::broken(format!("a restart interval has a length of {length} bytes; 4 are right")));
        }
        self.restart_interval = source.word();
        Ok(())
    }

    /// Fills what is missing with the usual Huffman tables: frames of motion JPEG leave them out.
    pub(super) fn complete_huffman(&mut self) {
        for (tables, usual) in [(&mut self.dc, [&DC_LUMA, &DC_CHROMA]), (&mut self.ac, [&AC_LUMA, &AC_CHROMA])] {
            for (slot, (counts, symbols)) in tables.iter_mut().zip(usual) {
                slot.get_or_insert_with(|| HuffmanSpec { counts: *counts, symbols: symbols.to_vec() });
            }
        }
    }
}

fn check_rest(what: &str, left: i32) -> Result<(), Error> {
    if left == 0 { Ok(()) } else { Err(Error::broken(format!("a segment of {what} is off by {left} bytes"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantisation_table_is_kept_in_natural_order() {
        let mut segment = vec![0, 67, 1];
        segment.extend(0..64);
        let mut tables = Tables::new();
        tables.read_quantization(&mut Source::new(&segment)).expect("a table");
        let table = tables.quantization[1].expect("table 1");
        assert_eq!((table[0], table[1], table[8], table[63]), (0, 1, 2, 63));
    }

    #[test]
    fn a_huffman_table_with_more_symbols_than_bytes_is_refused() {
        let mut segment = vec![0, 20, 0];
        segment.extend([2; 16]);
        let error = Tables::new().read_huffman(&mut Source::new(&segment)).expect_err("too many symbols");
        assert_eq!(error.to_string(), "broken: a huffman table has 32 symbols, with 1 bytes left");
    }

    #[test]
    fn missing_huffman_tables_are_the_usual_ones() {
        let mut tables = Tables::new();
        let own = HuffmanSpec { counts: [0; 16], symbols: Vec::new() };
        tables.ac[0] = Some(own.clone());
        tables.complete_huffman();
        assert_eq!(tables.ac[0], Some(own));
        let symbols = |table: &Option<HuffmanSpec>| table.as_ref().map_or(0, |table| table.symbols.len());
        assert_eq!([0, 1, 2, 3].map(|number| symbols(&tables.dc[number])), [12, 12, 0, 0]);
        assert_eq!([1, 2].map(|number| symbols(&tables.ac[number])), [162, 0]);
    }

    #[test]
    fn bounds_of_small_differences_must_not_cross() {
        let error = Tables::new().read_conditioning(&mut Source::new(&[0, 4, 2, 0x12])).expect_err("crossed");
        assert_eq!(error.to_string(), "broken: arithmetic table 2 has bounds 2 to 1");
    }
}
