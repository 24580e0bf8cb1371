//! The order of a scan's blocks: by MCUs, row by row (ITU-T T.81, A.2).

use std::time::Instant;

use super::{CoefficientPlane, Done, Truncation};
use crate::Error;
use crate::decode::check_time;
use crate::decode::markers::{Blocks, Frame, Scan};

/// Decodes the MCUs of a scan, in order.
pub(super) trait EntropyDecoder {
    /// Decodes the next MCU; goes over a restart marker before it where one is due.
    fn decode(&mut self, mcu: &mut Mcu<'_>) -> Result<(), Error>;
    /// Whether nothing changes any more before the next restart marker.
    fn is_exhausted(&self) -> bool;
    /// Whether restart markers stand in the scan.
    fn has_restarts(&self) -> bool;
    /// Whether more was read than the file has.
    fn is_truncated(&self) -> bool;
}

/// Counts MCUs between restart markers (ITU-T T.81, E.2.4).
#[derive(Debug)]
pub(super) struct Restarts {
    interval: u16,
    left: u16,
}

impl Restarts {
    pub(super) fn new(interval: u16) -> Self {
        Self { interval, left: interval }
    }

    /// Whether there are any.
    pub(super) fn exist(&self) -> bool {
        self.interval > 0
    }

    /// Counts an MCU, and tells whether a restart marker stands before it.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.interval > 0 && self.left == 0;
        if is_due {
            self.left = self.interval;
        }
        self.left = self.left.saturating_sub(1);
        is_due
    }
}

/// A block's place in an MCU.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The number of its component in the scan.
    component: usize,
    /// The number of its component in the frame.
    plane: usize,
    /// How many blocks of the component an MCU has.
    blocks: Blocks,
    /// Its column and row among these.
    column: usize,
    row: usize,
}

/// The blocks of one MCU.
#[derive(Debug)]
pub(super) struct Mcu<'p> {
    planes: &'p mut [CoefficientPlane],
    places: &'p [Place],
    column: usize,
    row: usize,
}

impl Mcu<'_> {
    /// How many blocks it has.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// A block, and the number of its component in the scan.
    #[inline(always)]
    pub(super) fn block(&mut self, number: usize) -> Option<(usize, &mut [i16; 64])> {
        let place = self.places.get(number)?;
        let plane = self.planes.get_mut(place.plane)?;
        let row = self.row * place.blocks.high + place.row;
        let index = row * plane.blocks_wide + self.column * place.blocks.wide + place.column;
        Some((place.component, plane.blocks.get_mut(index)?))
    }
}

/// What is done in a scan: which MCUs there are, and what is in them.
#[derive(Debug)]
pub(super) struct Layout {
    mcus: Blocks,
    places: Vec<Place>,
    /// How many rows of MCUs are one of those in which all components are interleaved.
    rows_in_interleaved: usize,
    /// When decoding is given up.
    deadline: Option<Instant>,
}

impl Layout {
    pub(super) fn new(frame: &Frame, scan: &Scan, deadline: Option<Instant>) -> Self {
        let components = || scan.components.iter().filter_map(|component| frame.components.get(component.index));
        // A component alone has no blocks but the image's, one at a time.
        if let (1, Some(component)) = (scan.components.len(), components().next()) {
            let place = Place {
                component: 0,
                plane: scan.components.first().map_or(0, |component| component.index),
                blocks: Blocks { wide: 1, high: 1 },
                column: 0,
                row: 0,
            };
            let rows_in_interleaved = usize::from(component.vertical);
            return Self { mcus: frame.blocks(component), places: vec![place], rows_in_interleaved, deadline };
        }
        let mut places = Vec::new();
        for (number, (component, scanned)) in components().zip(&scan.components).enumerate() {
            let blocks = Blocks { wide: component.horizontal.into(), high: component.vertical.into() };
            for row in 0..blocks.high {
                for column in 0..blocks.wide {
                    places.push(Place { component: number, plane: scanned.index, blocks, column, row });
                }
            }
        }
        Self { mcus: frame.mcus(), places, rows_in_interleaved: 1, deadline }
    }

    /// Decodes a scan.
    ///
    /// The rest is left undone where nothing changes any more, or when the file breaks off and that is refused.
    pub(super) fn decode(
        &self,
        planes: &mut [CoefficientPlane],
        decoder: &mut impl EntropyDecoder,
        truncation: Truncation,
    ) -> Result<Done, Error> {
        let mut last_row = 0;
        for row in 0..self.mcus.high {
            check_time(self.deadline)?;
            let mut mcu = Mcu { planes, places: &self.places, column: 0, row };
            for column in 0..self.mcus.wide {
                if !decoder.is_exhausted() {
                    last_row = row / self.rows_in_interleaved;
                } else if !decoder.has_restarts() {
                    return Ok(Done { last_row, complete_rows: last_row });
                }
                mcu.column = column;
                decoder.decode(&mut mcu)?;
            }
            if truncation == Truncation::Refused && decoder.is_truncated() {
                break;
            }
        }
        let complete_rows =
            if decoder.is_exhausted() { last_row } else { self.mcus.high.div_ceil(self.rows_in_interleaved) };
        Ok(Done { last_row, complete_rows })
    }
}
