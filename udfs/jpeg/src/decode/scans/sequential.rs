//! Sequential scans with Huffman coding (ITU-T T.81, F.2.2).

use super::bits::{Careful, Feed, Hasty};
use super::huffman::DecodingTable;
use super::mcu::{EntropyDecoder, Mcu, Restarts};
use super::natural_position;
use crate::Error;
use crate::decode::markers::{Scan, Source, Tables};

/// How far from the end an MCU must be for haste, in bytes a block: more than any block takes.
const HASTE_BYTES: usize = 512;

/// Decodes the MCUs of a sequential scan.
///
/// Far from the end, where there are no restart markers, it looks for a marker only now and then, as libjpeg-turbo does: where one
/// turns up, the MCU is decoded a second time, over what is there already. With ff ff 00 in the data, that shows.
pub(super) struct Sequential<'f, 's> {
    careful: Careful<'f, 's>,
    /// The tables of each component of the scan, for DC and AC coefficients.
    tables: Vec<(DecodingTable, DecodingTable)>,
    predictions: [i32; 4],
    restarts: Restarts,
}

impl<'f, 's> Sequential<'f, 's> {
    pub(super) fn try_new(source: &'f mut Source<'s>, tables: &Tables, scan: &Scan) -> Result<Self, Error> {
        super::warn_of_parameters(source, scan);
        let tables_of = |component: &crate::decode::markers::ScanComponent| {
            let (dc, ac) = (component.dc_table, component.ac_table);
            let dc_spec = tables.dc.get(usize::from(dc)).and_then(Option::as_ref);
            let ac_spec = tables.ac.get(usize::from(ac)).and_then(Option::as_ref);
            Ok((DecodingTable::try_new_dc(dc_spec, dc)?, DecodingTable::try_new_ac(ac_spec, ac)?))
        };
        Ok(Self {
            careful: Careful::new(source),
            tables: scan.components.iter().map(tables_of).collect::<Result<_, Error>>()?,
            predictions: [0; 4],
            restarts: Restarts::new(tables.restart_interval),
        })
    }

    /// Decodes an MCU far from the end; `false`: it must be done carefully.
    fn decode_hastily(&mut self, mcu: &mut Mcu<'_>) -> bool {
        let source = &mut *self.careful.source;
        let (bytes, position) = (source.bytes(), source.position());
        if self.restarts.exist()
            || source.unread_marker.is_some()
            || bytes.len().saturating_sub(position) < HASTE_BYTES * mcu.len()
        {
            return false;
        }
        let mut hasty = Hasty { bytes, position, bits: self.careful.bits, has_met_marker: false };
        let mut predictions = self.predictions;
        decode_blocks(&mut hasty, &self.tables, &mut predictions, mcu);
        if hasty.has_met_marker {
            return false;
        }
        self.predictions = predictions;
        self.careful.bits = hasty.bits;
        self.careful.source.set_position(hasty.position);
        true
    }
}

impl EntropyDecoder for Sequential<'_, '_> {
    fn decode(&mut self, mcu: &mut Mcu<'_>) -> Result<(), Error> {
        if self.restarts.is_due() {
            self.careful.restart();
            self.predictions = [0; 4];
        }
        if !self.careful.is_exhausted && !self.decode_hastily(mcu) {
            decode_blocks(&mut self.careful, &self.tables, &mut self.predictions, mcu);
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

#[inline(always)]
fn decode_blocks(
    feed: &mut impl Feed,
    tables: &[(DecodingTable, DecodingTable)],
    predictions: &mut [i32; 4],
    mcu: &mut Mcu<'_>,
) {
    for number in 0..mcu.len() {
        let Some((component, block)) = mcu.block(number) else { continue };
        let (Some((dc, ac)), Some(prediction)) = (tables.get(component), predictions.get_mut(component)) else {
            continue;
        };
        decode_block(feed, dc, ac, prediction, block);
    }
}

/// Decodes a block (ITU-T T.81, F.2.2.1 and F.2.2.2); what isn't coded stays as it is.
#[inline(always)]
fn decode_block(
    feed: &mut impl Feed,
    dc: &DecodingTable,
    ac: &DecodingTable,
    prediction: &mut i32,
    block: &mut [i16; 64],
) {
    let size = feed.symbol(dc);
    *prediction = prediction.wrapping_add(feed.value(size));
    block[0] = *prediction as i16;
    let mut position = 1;
    while position < 64 {
        let symbol = feed.symbol(ac);
        let (run, size) = (symbol >> 4, symbol & 15);
        position += usize::from(run);
        if size > 0 {
            block[natural_position(position)] = feed.value(size) as i16;
        } else if run != 15 {
            break;
        }
        position += 1;
    }
}
