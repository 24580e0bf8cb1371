//! Progressive scans with Huffman coding (ITU-T T.81, G.2).

use super::bits::{Careful, Feed};
use super::huffman::DecodingTable;
use super::mcu::{EntropyDecoder, Mcu, Restarts};
use super::natural_position;
use crate::Error;
use crate::decode::markers::{Scan, Source, Tables};

/// What a progressive scan tells.
#[derive(Debug)]
enum Kind {
    /// The upper bits of DC coefficients; with the tables of each component of the scan.
    DcFirst(Vec<DecodingTable>),
    /// One more bit of DC coefficients.
    DcRefinement,
    /// The upper bits of AC coefficients.
    AcFirst(DecodingTable),
    /// One more bit of AC coefficients.
    AcRefinement(DecodingTable),
}

/// Decodes the MCUs of a progressive scan.
pub(super) struct Progressive<'f, 's> {
    careful: Careful<'f, 's>,
    kind: Kind,
    band: Band,
    predictions: [i32; 4],
    /// How many blocks from here on have no more coefficients in the band.
    ended_blocks: u32,
    restarts: Restarts,
}

/// Which coefficients, and which of their bits, a scan tells.
#[derive(Debug, Clone, Copy)]
struct Band {
    start: usize,
    end: usize,
    low_bit: u8,
}

impl<'f, 's> Progressive<'f, 's> {
    /// The scan's parameters must have been checked.
    pub(super) fn try_new(source: &'f mut Source<'s>, tables: &Tables, scan: &Scan) -> Result<Self, Error> {
        let (start, end) = scan.spectral;
        let (high, low_bit) = scan.successive;
        let dc_table =
            |number: u8| DecodingTable::try_new_dc(tables.dc.get(usize::from(number)).and_then(Option::as_ref), number);
        let ac_table = || {
            let number = scan.components.first().map_or(0, |component| component.ac_table);
            DecodingTable::try_new_ac(tables.ac.get(usize::from(number)).and_then(Option::as_ref), number)
        };
        let kind = match (start, high) {
            (0, 0) => Kind::DcFirst(
                scan.components.iter().map(|component| dc_table(component.dc_table)).collect::<Result<_, Error>>()?,
            ),
            (0, _) => Kind::DcRefinement,
            (_, 0) => Kind::AcFirst(ac_table()?),
            _ => Kind::AcRefinement(ac_table()?),
        };
        Ok(Self {
            careful: Careful::new(source),
            kind,
            band: Band { start: start.into(), end: end.into(), low_bit },
            predictions: [0; 4],
            ended_blocks: 0,
            restarts: Restarts::new(tables.restart_interval),
        })
    }
}

impl EntropyDecoder for Progressive<'_, '_> {
    fn decode(&mut self, mcu: &mut Mcu<'_>) -> Result<(), Error> {
        if self.restarts.is_due() {
            self.careful.restart();
            self.predictions = [0; 4];
            self.ended_blocks = 0;
        }
        // Bits that follow the data are zeros, which refine nothing; but libjpeg-turbo counts how many it took.
        if self.careful.is_exhausted && !matches!(self.kind, Kind::DcRefinement) {
            return Ok(());
        }
        match &self.kind {
            Kind::DcFirst(tables) => {
                decode_dc_first(&mut self.careful, tables, self.band.low_bit, &mut self.predictions, mcu)?;
            }
            Kind::DcRefinement => refine_dc(&mut self.careful, self.band.low_bit, mcu),
            Kind::AcFirst(table) => {
                if self.ended_blocks > 0 {
                    self.ended_blocks -= 1;
                } else if let Some((_, block)) = mcu.block(0) {
                    self.ended_blocks = decode_ac_first(&mut self.careful, table, self.band, block);
                }
            }
            Kind::AcRefinement(table) => {
                if let Some((_, block)) = mcu.block(0) {
                    refine_ac(&mut self.careful, table, self.band, &mut self.ended_blocks, block);
                }
            }
        }
        Ok(())
    }

    fn is_exhausted(&self) -> bool {
        self.careful.is_exhausted
    }

    fn has_restarts(&self) -> bool {
        self.restarts.exist()
    }

    fn is_truncated(&self) -> bool {
        self.careful.source.is_truncated()
    }
}

/// ITU-T T.81, G.1.2.1.
fn decode_dc_first(
    feed: &mut impl Feed,
    tables: &[DecodingTable],
    low_bit: u8,
    predictions: &mut [i32; 4],
    mcu: &mut Mcu<'_>,
) -> Result<(), Error> {
    for number in 0..mcu.len() {
        let Some((component, block)) = mcu.block(number) else { continue };
        let (Some(table), Some(prediction)) = (tables.get(component), predictions.get_mut(component)) else { continue };
        let size = feed.symbol(table);
        let difference = feed.value(size);
        *prediction = prediction
            .checked_add(difference)
            .ok_or_else(|| Error::broken(format!("a dc coefficient grows beyond {prediction}")))?;
        block[0] = (*prediction << low_bit) as i16;
    }
    Ok(())
}

/// ITU-T T.81, G.1.2.1.1.
fn refine_dc(feed: &mut impl Feed, low_bit: u8, mcu: &mut Mcu<'_>) {
    for number in 0..mcu.len() {
        let Some((_, block)) = mcu.block(number) else { continue };
        block[0] |= (feed.bits(1) << low_bit) as i16;
    }
}

/// How many blocks end with this one (ITU-T T.81, G.1.2.2).
#[inline]
fn end_of_band_run(feed: &mut impl Feed, exponent: u8) -> u32 {
    let rest = if exponent > 0 { feed.bits(u32::from(exponent)) } else { 0 };
    (1 << exponent) + rest
}

/// Decodes a block's band (ITU-T T.81, G.2.2). Gives how many blocks after it have none.
fn decode_ac_first(feed: &mut impl Feed, table: &DecodingTable, band: Band, block: &mut [i16; 64]) -> u32 {
    let mut position = band.start;
    while position <= band.end {
        let symbol = feed.symbol(table);
        let (run, size) = (symbol >> 4, symbol & 15);
        if size == 0 && run < 15 {
            return end_of_band_run(feed, run) - 1;
        }
        position += usize::from(run);
        if size > 0 {
            block[natural_position(position)] = (feed.value(size) << band.low_bit) as i16;
        }
        position += 1;
    }
    0
}

/// Refines a block's band, and inserts what is new in it (ITU-T T.81, G.2.3).
fn refine_ac(
    careful: &mut Careful<'_, '_>,
    table: &DecodingTable,
    band: Band,
    ended_blocks: &mut u32,
    block: &mut [i16; 64],
) {
    let bit = 1_i16 << band.low_bit;
    let mut position = band.start;
    while *ended_blocks == 0 && position <= band.end {
        let symbol = careful.symbol(table);
        let (run, size) = (symbol >> 4, symbol & 15);
        let mut inserted = 0;
        if size > 0 {
            if size > 1 {
                careful.warn_of_code();
            }
            inserted = if careful.bits(1) == 1 { bit } else { -bit };
        } else if run < 15 {
            *ended_blocks = end_of_band_run(careful, run);
            break;
        }
        position = refine_run(careful, position..=band.end, usize::from(run), bit, block);
        if size > 0 {
            // Behind the band's end if the run is too long.
            block[natural_position(position)] = inserted;
        }
        position += 1;
    }
    if *ended_blocks > 0 {
        refine_run(careful, position..=band.end, usize::MAX, bit, block);
        *ended_blocks -= 1;
    }
}

/// Refines coefficients up to the zero that follows a run of them. Gives its position, or that behind the range.
fn refine_run(
    feed: &mut impl Feed,
    range: std::ops::RangeInclusive<usize>,
    mut zeros: usize,
    bit: i16,
    block: &mut [i16; 64],
) -> usize {
    let (mut position, end) = range.into_inner();
    while position <= end {
        let coefficient = &mut block[natural_position(position)];
        if *coefficient == 0 {
            if zeros == 0 {
                break;
            }
            zeros -= 1;
        } else if feed.bits(1) == 1 && *coefficient & bit == 0 {
            *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
        }
        position += 1;
    }
    position
}
