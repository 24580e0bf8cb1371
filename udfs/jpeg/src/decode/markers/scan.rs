//! Scan headers (ITU-T T.81, B.2.3).

use super::frame::Frame;
use super::source::Source;
use crate::Error;

/// The most components of a scan (ITU-T T.81, table B.3).
const MOST_COMPONENTS: usize = 4;
/// The most blocks of an MCU (ITU-T T.81, B.2.3).
const MOST_BLOCKS: usize = 10;

/// A component of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanComponent {
    /// Which of the frame's components it is.
    pub(crate) index: usize,
    /// The number of the table for DC coefficients: 0 to 15.
    pub(crate) dc_table: u8,
    /// The number of the table for AC coefficients: 0 to 15.
    pub(crate) ac_table: u8,
}

/// What a scan header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// One to four.
    pub(crate) components: Vec<ScanComponent>,
    /// Spectral selection: the first and the last coefficient, in the order of coding.
    pub(crate) spectral: (u8, u8),
    /// Successive approximation: the bit position before this scan (0: none) and that after it; 0 to 15.
    pub(crate) successive: (u8, u8),
}

impl Scan {
    pub(super) fn read(source: &mut Source<'_>, frame: &Frame) -> Result<Self, Error> {
        let length = source.word();
        let count = source.byte();
        if length != 6 + 2 * u16::from(count) || !(1..=MOST_COMPONENTS).contains(&usize::from(count)) {
            return Err(Error::broken(format!("a scan header of {count} components has a length of {length} bytes")));
        }
        let mut components: Vec<ScanComponent> = Vec::with_capacity(MOST_COMPONENTS);
        for place in 0..usize::from(count) {
            let (id, tables) = (source.byte(), source.byte());
            // As libjpeg does: never a component before the place in the scan, or behind the fourth.
            let index = (place..frame.components.len().min(MOST_COMPONENTS))
                .find(|index| frame.components.get(*index).is_some_and(|component| component.id == id));
            match index {
                Some(index) if components.iter().all(|other| other.index != index) => {
                    components.push(ScanComponent { index, dc_table: tables >> 4, ac_table: tables & 15 });
                }
                _ => return Err(Error::broken(format!("a scan names component {id} as its number {}", place + 1))),
            }
        }
        let spectral = (source.byte(), source.byte());
        let approximation = source.byte();
        Ok(Self { components, spectral, successive: (approximation >> 4, approximation & 15) })
    }

    /// Refuses MCUs that have too many blocks.
    pub(super) fn check(&self, frame: &Frame) -> Result<(), Error> {
        let blocks: usize = (self.components.iter().filter_map(|component| frame.components.get(component.index)))
            .map(|component| usize::from(component.horizontal) * usize::from(component.vertical))
            .sum();
        if self.components.len() > 1 && blocks > MOST_BLOCKS {
            return Err(Error::broken(format!("an MCU has {blocks} blocks; {MOST_BLOCKS} are allowed")));
        }
        Ok(())
    }
}
