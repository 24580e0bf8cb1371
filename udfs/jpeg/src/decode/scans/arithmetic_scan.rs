//! Sequential and progressive scans with arithmetic coding (ITU-T T.81, F.2.4 and G.2).

use super::arithmetic::{Bin, Decisions};
use super::mcu::{EntropyDecoder, Mcu, Restarts};
use super::natural_position;
use crate::Error;
use crate::decode::markers::{Conditioning, Scan, ScanComponent, Source, Tables};

/// Where the bins of magnitudes over 1 begin, of DC coefficients (ITU-T T.81, table F.4).
const DC_MAGNITUDES: usize = 20;
/// Where those of low AC coefficients begin (ITU-T T.81, table F.5).
const LOW_MAGNITUDES: usize = 189;
/// Where those of high AC coefficients begin (ITU-T T.81, table F.5).
const HIGH_MAGNITUDES: usize = 217;
/// How far the bins of a magnitude's bits are behind those of its category.
const MAGNITUDE_BITS: usize = 14;

/// Decodes the MCUs of a scan.
pub(super) struct Arithmetic<'f, 's> {
    decisions: Decisions<'f, 's>,
    components: Vec<ScanComponent>,
    conditioning: Conditioning,
    kind: Kind,
    band: Band,
    dc: [DcHistory; 4],
    /// The bins of each table: for DC and AC coefficients.
    dc_bins: [[Bin; 64]; 16],
    ac_bins: [[Bin; 256]; 16],
    /// Decisions led nowhere: nothing more is decoded before the next restart marker.
    is_lost: bool,
    restarts: Restarts,
}

/// What a scan tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sequential,
    DcFirst,
    DcRefinement,
    AcFirst,
    AcRefinement,
}

/// Which coefficients, and which of their bits, a scan tells.
#[derive(Debug, Clone, Copy)]
struct Band {
    start: usize,
    end: usize,
    low_bit: u8,
}

/// What a component's next DC coefficient is decoded with.
#[derive(Debug, Clone, Copy, Default)]
struct DcHistory {
    /// The last DC coefficient, modulo 65536.
    last: u16,
    /// Which bins are next: by the size and sign of the last difference.
    context: usize,
}

/// Decisions led nowhere.
struct Lost;

impl<'f, 's> Arithmetic<'f, 's> {
    /// A progressive scan's parameters must have been checked.
    pub(super) fn new(source: &'f mut Source<'s>, tables: &Tables, scan: &Scan, is_progressive: bool) -> Self {
        let (start, end) = scan.spectral;
        let (high, low_bit) = scan.successive;
        let kind = match (is_progressive, start, high) {
            (false, ..) => Kind::Sequential,
            (true, 0, 0) => Kind::DcFirst,
            (true, 0, _) => Kind::DcRefinement,
            (true, _, 0) => Kind::AcFirst,
            (true, ..) => Kind::AcRefinement,
        };
        let band = Band { start: start.into(), end: end.into(), low_bit };
        if kind == Kind::Sequential {
            super::warn_of_parameters(source, scan);
        }
        Self {
            decisions: Decisions::new(source),
            components: scan.components.clone(),
            conditioning: tables.conditioning,
            kind,
            band: if kind == Kind::Sequential { Band { start: 1, end: 63, low_bit: 0 } } else { band },
            dc: [DcHistory::default(); 4],
            dc_bins: [[0; 64]; 16],
            ac_bins: [[0; 256]; 16],
            is_lost: false,
            restarts: Restarts::new(tables.restart_interval),
        }
    }

    fn restart(&mut self) {
        self.decisions.restart();
        self.dc = [DcHistory::default(); 4];
        self.dc_bins = [[0; 64]; 16];
        self.ac_bins = [[0; 256]; 16];
        self.is_lost = false;
    }

    fn decode_mcu(&mut self, mcu: &mut Mcu<'_>) -> Result<(), Lost> {
        for number in 0..mcu.len() {
            let Some((component, block)) = mcu.block(number) else { continue };
            let Some(ScanComponent { ac_table, .. }) = self.components.get(component).copied() else { continue };
            match self.kind {
                Kind::Sequential => {
                    block[0] = self.decode_dc(component)? as i16;
                    self.decode_ac(ac_table, block)?;
                }
                Kind::DcFirst => block[0] = (u32::from(self.decode_dc(component)?) << self.band.low_bit) as i16,
                Kind::DcRefinement => block[0] |= i16::from(self.decisions.even()) << self.band.low_bit,
                Kind::AcFirst => self.decode_ac(ac_table, block)?,
                Kind::AcRefinement => self.refine_ac(ac_table, block)?,
            }
        }
        Ok(())
    }

    /// Decodes a DC coefficient (ITU-T T.81, F.2.4.1).
    fn decode_dc(&mut self, component: usize) -> Result<u16, Lost> {
        let table = self.components.get(component).map_or(0, |component| usize::from(component.dc_table & 15));
        let (decisions, bins) = (&mut self.decisions, &mut self.dc_bins[table]);
        let history = &mut self.dc[component & 3];
        let start = history.context;
        if !decisions.decide(&mut bins[start & 63]) {
            history.context = 0;
            return Ok(history.last);
        }
        let is_negative = decisions.decide(&mut bins[(start + 1) & 63]);
        let first = start + 2 + usize::from(is_negative);
        let mut magnitude = Magnitude { above: 0, bins: first };
        if decisions.decide(&mut bins[first & 63]) {
            magnitude = Magnitude { above: 1, bins: DC_MAGNITUDES };
            magnitude.find_category(decisions, bins)?;
        }
        let (lower, upper) = self.conditioning.dc[table];
        history.context = if magnitude.above < (1 << lower) >> 1 {
            0
        } else {
            let size = if magnitude.above > (1 << upper) >> 1 { 12 } else { 4 };
            size + 4 * usize::from(is_negative)
        };
        let difference = magnitude.value(decisions, bins, is_negative);
        history.last = history.last.wrapping_add(difference as u16);
        Ok(history.last)
    }

    /// Decodes the AC coefficients of a band (ITU-T T.81, F.2.4.2).
    fn decode_ac(&mut self, table: u8, block: &mut [i16; 64]) -> Result<(), Lost> {
        let table = usize::from(table & 15);
        let (decisions, bins) = (&mut self.decisions, &mut self.ac_bins[table]);
        let mut position = self.band.start;
        while position <= self.band.end {
            let mut first = 3 * (position - 1);
            if decisions.decide(&mut bins[first & 255]) {
                break;
            }
            while !decisions.decide(&mut bins[(first + 1) & 255]) {
                first += 3;
                position += 1;
                if position > self.band.end {
                    return Err(Lost);
                }
            }
            let is_negative = decisions.even();
            let mut magnitude = Magnitude { above: 0, bins: first + 2 };
            if decisions.decide(&mut bins[(first + 2) & 255]) {
                magnitude.above = 1;
                if decisions.decide(&mut bins[(first + 2) & 255]) {
                    let is_low = position <= usize::from(self.conditioning.ac[table]);
                    magnitude = Magnitude { above: 2, bins: if is_low { LOW_MAGNITUDES } else { HIGH_MAGNITUDES } };
                    magnitude.find_category(decisions, bins)?;
                }
            }
            let value = magnitude.value(decisions, bins, is_negative);
            block[natural_position(position)] = (value << self.band.low_bit) as i16;
            position += 1;
        }
        Ok(())
    }

    /// Refines the AC coefficients of a band, and inserts what is new in it (ITU-T T.81, G.2.3 and G.1.3.3).
    fn refine_ac(&mut self, table: u8, block: &mut [i16; 64]) -> Result<(), Lost> {
        let (decisions, bins) = (&mut self.decisions, &mut self.ac_bins[usize::from(table & 15)]);
        let bit = 1_i16 << self.band.low_bit;
        // The block can't end before what it has already.
        let last = (1..=self.band.end).rev().find(|position| block[natural_position(*position)] != 0).unwrap_or(0);
        let mut position = self.band.start;
        while position <= self.band.end {
            let mut first = 3 * (position - 1);
            if position > last && decisions.decide(&mut bins[first & 255]) {
                break;
            }
            loop {
                let coefficient = &mut block[natural_position(position)];
                if *coefficient != 0 {
                    if decisions.decide(&mut bins[(first + 2) & 255]) {
                        *coefficient = coefficient.wrapping_add(if *coefficient < 0 { -bit } else { bit });
                    }
                    break;
                }
                if decisions.decide(&mut bins[(first + 1) & 255]) {
                    *coefficient = if decisions.even() { -bit } else { bit };
                    break;
                }
                first += 3;
                position += 1;
                if position > self.band.end {
                    return Err(Lost);
                }
            }
            position += 1;
        }
        Ok(())
    }
}

impl EntropyDecoder for Arithmetic<'_, '_> {
    fn decode(&mut self, mcu: &mut Mcu<'_>) -> Result<(), Error> {
        if self.restarts.is_due() {
            self.restart();
        }
        if !self.is_lost && self.decode_mcu(mcu).is_err() {
            self.decisions.warn();
            self.is_lost = true;
        }
        Ok(())
    }

    /// Never: zeros may follow the data. libjpeg-turbo takes it so even where decisions lead nowhere, which shows when smoothing.
    fn is_exhausted(&self) -> bool {
        false
    }

    fn has_restarts(&self) -> bool {
        self.restarts.exist()
    }

    fn is_truncated(&self) -> bool {
        self.decisions.source.is_truncated()
    }
}

/// A magnitude less one, while it is decoded (ITU-T T.81, F.1.4.4.1.1).
#[derive(Debug, Clone, Copy)]
struct Magnitude {
    /// Its highest bit; or 0.
    above: u32,
    /// The bin of its category.
    bins: usize,
}

impl Magnitude {
    /// Decodes the magnitude's category (ITU-T T.81, figure F.23).
    fn find_category<const BINS: usize>(
        &mut self,
        decisions: &mut Decisions<'_, '_>,
        bins: &mut [Bin; BINS],
    ) -> Result<(), Lost> {
        while decisions.decide(&mut bins[self.bins % BINS]) {
            self.above <<= 1;
            if self.above == 0x8000 {
                return Err(Lost);
            }
            self.bins += 1;
        }
        Ok(())
    }

    /// Decodes the bits of the magnitude (ITU-T T.81, figure F.24).
    fn value<const BINS: usize>(
        self,
        decisions: &mut Decisions<'_, '_>,
        bins: &mut [Bin; BINS],
        is_negative: bool,
    ) -> i32 {
        let bin = &mut bins[(self.bins + MAGNITUDE_BITS) % BINS];
        let (mut value, mut bit) = (self.above, self.above >> 1);
        while bit > 0 {
            if decisions.decide(bin) {
                value |= bit;
            }
            bit >>= 1;
        }
        let value = value as i32 + 1;
        if is_negative { -value } else { value }
    }
}
