//! The coded data of all kinds of scans, to coefficients (ITU-T T.81, annexes E to G), as libjpeg-turbo decodes them.
//!
//! Broken data are decoded as far as they make sense, with a warning; the coefficients are then those that libjpeg-turbo has.

mod arithmetic;
mod arithmetic_scan;
mod bits;
mod huffman;
mod mcu;
mod progression;
mod progressive;
mod sequential;
mod smooth;

use std::time::Instant;

use super::markers::{Frame, Reader, Scan, Source, Warnings};
use crate::Error;
use crate::zigzag::ZIGZAG;
use arithmetic_scan::Arithmetic;
use mcu::Layout;
use progression::Progression;
use progressive::Progressive;
use sequential::Sequential;

/// The coefficients of an image, quantised.
#[derive(Debug, Clone)]
pub(crate) struct Coefficients {
    /// One for each of the frame's components.
    pub(crate) planes: Vec<CoefficientPlane>,
    pub(crate) frame: Frame,
    pub(crate) warnings: Warnings,
    /// Whether the file ends before its image does.
    #[cfg_attr(not(test), expect(dead_code, reason = "for callers that take what there is"))]
    pub(crate) is_truncated: bool,
    /// Of a progressive image, what is known of the coefficients.
    progression: Option<Progression>,
    /// The last row of MCUs for which the last scan had data.
    last_row: usize,
    /// How many rows of MCUs there are of each component, as far as a scan tells.
    complete_rows: Vec<usize>,
}

impl Coefficients {
    /// The rows of the image, from the top, for which there were data.
    pub(crate) fn rows(&self) -> usize {
        let mcus = self.complete_rows.iter().copied().min().unwrap_or(0);
        let height = 8 * usize::from(self.frame.largest_vertical());
        (mcus * height).min(self.frame.height.into())
    }
}

/// The coefficients of a component.
#[derive(Debug, Clone)]
pub(crate) struct CoefficientPlane {
    /// With those that complete the last MCU.
    pub(crate) blocks_wide: usize,
    /// Row by row; the coefficients in natural order.
    pub(crate) blocks: Vec<[i16; 64]>,
    /// The table that was in force at the component's first scan, in natural order; zeros if it has no scan.
    pub(crate) quantization: [u16; 64],
}

/// Decodes the coefficients of a file that is whole, until a deadline.
///
/// # Errors
///
/// What libjpeg-turbo refuses; besides: files that break off, lossless and 12-bit images, and more than 500 scans.
pub(crate) fn read(jpeg: &[u8], deadline: Option<Instant>) -> Result<Coefficients, Error> {
    read_file(jpeg, Truncation::Refused, deadline)
}

/// Decodes the coefficients of a file as far as it goes: what it lacks is grey, or coarse if it is progressive.
///
/// # Errors
///
/// As [`read`], but for files that break off in the coded data, or have something wrong behind their first scan.
pub(crate) fn read_partly(jpeg: &[u8], deadline: Option<Instant>) -> Result<Coefficients, Error> {
    read_file(jpeg, Truncation::Accepted, deadline)
}

/// What becomes of a file that breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truncation {
    Refused,
    Accepted,
}

fn read_file(jpeg: &[u8], truncation: Truncation, deadline: Option<Instant>) -> Result<Coefficients, Error> {
    let mut reader = Reader::try_new(jpeg)?;
    let result = read_scans(&mut reader, truncation, deadline);
    let is_refused = result.is_err() || truncation == Truncation::Refused;
    if reader.is_truncated() && is_refused { Err(Error::Truncated { bytes: jpeg.len() }) } else { result }
}

fn read_scans(
    reader: &mut Reader<'_>,
    truncation: Truncation,
    deadline: Option<Instant>,
) -> Result<Coefficients, Error> {
    let mut next = reader.next_scan()?;
    let Some(frame) = reader.frame().cloned() else { return Err(Error::broken("there is no image")) };
    let mut planes: Vec<CoefficientPlane> = frame
        .components
        .iter()
        .map(|component| {
            let blocks = frame.padded_blocks(component);
            CoefficientPlane {
                blocks_wide: blocks.wide,
                blocks: vec![[0; 64]; blocks.wide * blocks.high],
                quantization: [0; 64],
            }
        })
        .collect();
    let mut is_latched = vec![false; planes.len()];
    let mut progression = frame.is_progressive.then(|| Progression::new(planes.len()));
    let mut last_row = 0;
    let mut complete_rows = vec![0; planes.len()];
    while let Some(scan) = next {
        let decoded = latch_quantization(reader, &frame, &scan, &mut planes, &mut is_latched).and_then(|()| {
            if let Some(progression) = &mut progression {
                progression.add(&scan, &mut reader.source.warnings)?;
            }
            decode_scan(reader, (&frame, &scan), &mut planes, truncation, deadline)
        });
        let is_usable = truncation == Truncation::Accepted && complete_rows.iter().all(|rows| *rows > 0);
        let done = match decoded {
            Err(_) if is_usable => break,
            decoded => decoded?,
        };
        last_row = done.last_row;
        for component in &scan.components {
            if let Some(rows) = complete_rows.get_mut(component.index) {
                *rows = done.complete_rows.max(*rows);
            }
        }
        if truncation == Truncation::Refused && reader.is_truncated() {
            break;
        }
        next = match reader.next_scan() {
            Err(_) if truncation == Truncation::Accepted => break,
            next => next?,
        };
    }
    Ok(Coefficients {
        planes,
        frame,
        warnings: reader.source.warnings.clone(),
        is_truncated: reader.is_truncated(),
        progression,
        last_row,
        complete_rows,
    })
}

/// Keeps the quantisation tables of components that have their first scan.
fn latch_quantization(
    reader: &Reader<'_>,
    frame: &Frame,
    scan: &Scan,
    planes: &mut [CoefficientPlane],
    is_latched: &mut [bool],
) -> Result<(), Error> {
    for index in scan.components.iter().map(|component| component.index) {
        let (Some(component), Some(plane), Some(is_latched)) =
            (frame.components.get(index), planes.get_mut(index), is_latched.get_mut(index))
        else {
            continue;
        };
        if !*is_latched {
            let number = component.quantization;
            let table = reader.tables.quantization.get(usize::from(number)).copied().flatten();
            plane.quantization =
                table.ok_or_else(|| Error::broken(format!("quantisation table {number} is used, but never given")))?;
            *is_latched = true;
        }
    }
    Ok(())
}

/// How far a scan came, in rows of MCUs in which all components are interleaved.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// The last row that there were data for.
    last_row: usize,
    /// The rows that are complete.
    complete_rows: usize,
}

fn decode_scan(
    reader: &mut Reader<'_>,
    (frame, scan): (&Frame, &Scan),
    planes: &mut [CoefficientPlane],
    truncation: Truncation,
    deadline: Option<Instant>,
) -> Result<Done, Error> {
    let (source, tables) = (&mut reader.source, &reader.tables);
    let layout = Layout::new(frame, scan, deadline);
    match (frame.is_arithmetic, frame.is_progressive) {
        (false, false) => layout.decode(planes, &mut Sequential::try_new(source, tables, scan)?, truncation),
        (false, true) => layout.decode(planes, &mut Progressive::try_new(source, tables, scan)?, truncation),
        (true, is_progressive) => {
            layout.decode(planes, &mut Arithmetic::new(source, tables, scan, is_progressive), truncation)
        }
    }
}

/// Warns of a sequential scan that says it has but some of the coefficients or bits: it has all.
fn warn_of_parameters(source: &mut Source<'_>, scan: &Scan) {
    if (scan.spectral, scan.successive) != ((0, 63), (0, 0)) {
        let (start, end) = scan.spectral;
        source.warnings.add(|| format!("a sequential scan of coefficients {start} to {end}"));
    }
}

/// The position in natural order of a coefficient in the order of coding; those behind the last are the last.
#[inline(always)]
fn natural_position(position: usize) -> usize {
    static POSITIONS: [u8; 128] = {
        let mut positions = [63; 128];
        let mut position = 0;
        while position < 64 {
            positions[position] = ZIGZAG[position];
            position += 1;
        }
        positions
    };
    usize::from(POSITIONS[position & 127]) & 63
}

#[cfg(test)]
mod tests;
