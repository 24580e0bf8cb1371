//! CCITT's codes for lines of black and white (ITU-T T.4 and T.6): the code words are the crate `fax`'s.

use std::array::IntoIter;
use std::convert::Infallible;
use std::iter::{Chain, Cloned, Map};
use std::slice::Iter;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

/// How lines are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Runs alone; each line begins with a byte (TIFF's compression 2).
    Runs,
    /// Group 3: an end-of-line code before each line, and behind it perhaps a bit that says whether the line is one of runs.
    Group3 { is_two_dimensional: bool },
    /// Group 4: each line by the one above it.
    Group4,
}

/// Code words are looked up by more bits than they have, so that some zeros must stand behind the last one.
const BEHIND: [u8; 2] = [0; 2];

type Bytes<'a> = Chain<Cloned<Iter<'a, u8>>, IntoIter<u8, 2>>;
type Bits<'a> = ByteReader<Map<Bytes<'a>, fn(u8) -> Result<u8, Infallible>>>;

/// Decodes up to `rows` lines to bits, 1 for black, each line padded to whole bytes; fewer where the data make no sense any more.
pub(super) fn decode(data: &[u8], scheme: Scheme, width: usize, rows: usize) -> Vec<u8> {
    let infallible: fn(u8) -> Result<u8, Infallible> = Ok;
    let Ok(mut bits) = ByteReader::new(data.iter().cloned().chain(BEHIND).map(infallible));
    let stride = width.div_ceil(8);
    let mut image = Vec::with_capacity(stride * rows);
    let mut above = Vec::new();
    for _ in 0..rows {
        let Some(line) = line(&mut bits, scheme, width, &above) else { break };
        let start = image.len();
        image.resize(start + stride, 0);
        for black in line.chunks(2) {
            let end = black.get(1).copied().unwrap_or(width);
            for x in black[0]..end {
                image[start + x / 8] |= 0x80 >> (x % 8);
            }
        }
        above = line;
    }
    image
}

/// Where the next line changes its colour, beginning with white; `None` where there is no further line.
fn line(bits: &mut Bits<'_>, scheme: Scheme, width: usize, above: &[usize]) -> Option<Vec<usize>> {
    match scheme {
        Scheme::Runs => {
            let changes = runs(bits, width)?;
            let padding = bits.bits_to_byte_boundary();
            let Ok(()) = bits.consume(padding);
            Some(changes)
        }
        Scheme::Group3 { is_two_dimensional } => {
            let ends = pass_ends(bits);
            // Six ends of lines are the end of the page.
            if ends >= 6 {
                return None;
            }
            let is_by_runs = !is_two_dimensional || {
                let tag = bits.peek(1)?;
                let Ok(()) = bits.consume(1);
                tag == 1
            };
            if is_by_runs { runs(bits, width) } else { by_the_line_above(bits, width, above) }
        }
        Scheme::Group4 => by_the_line_above(bits, width, above),
    }
}

/// Goes over end-of-line codes, with the zeros that fill up before them.
fn pass_ends(bits: &mut Bits<'_>) -> usize {
    let mut ends = 0;
    while bits.peek(11) == Some(0) {
        while bits.peek(1) == Some(0) {
            let Ok(()) = bits.consume(1);
        }
        if bits.peek(1) == Some(1) {
            let Ok(()) = bits.consume(1);
            ends += 1;
        }
        // The ends of a page of two dimensions have a tag bit each.
        if ends > 0 && bits.peek(13) == Some(0x1001) {
            let Ok(()) = bits.consume(1);
        }
    }
    ends
}

/// A line of runs, white and black in turn.
fn runs(bits: &mut Bits<'_>, width: usize) -> Option<Vec<usize>> {
    let mut changes = Vec::new();
    let (mut at, mut is_black) = (0, false);
    while at < width {
        at += run(bits, is_black)?;
        if at < width {
            changes.push(at);
        }
        is_black = !is_black;
    }
    Some(changes)
}

fn run(bits: &mut Bits<'_>, is_black: bool) -> Option<usize> {
    let mut length = 0;
    loop {
        let code = if is_black { black::decode(bits) } else { white::decode(bits) }?;
        length += usize::from(code);
        if code < 64 {
            return Some(length);
        }
    }
}

/// A line coded by the one above it (ITU-T T.6, 2.2).
fn by_the_line_above(bits: &mut Bits<'_>, width: usize, above: &[usize]) -> Option<Vec<usize>> {
    let mut changes = Vec::new();
    let (mut at, mut is_black, mut is_at_start) = (0, false, true);
    while at < width {
        // The first change above that is to the right and to the other colour, and the one behind it. Even ones are to black.
        let to_right = above.partition_point(|change| if is_at_start { false } else { *change <= at });
        let first = if to_right % 2 == usize::from(is_black) { to_right } else { to_right + 1 };
        let change = |index: usize| above.get(index).copied().unwrap_or(width);
        match mode::decode(bits)? {
            Mode::Pass => at = change(first + 1),
            Mode::Vertical(offset) => {
                let to = change(first).checked_add_signed(isize::from(offset)).filter(|to| *to >= at)?;
                if to < width {
                    changes.push(to);
                }
                at = to;
                is_black = !is_black;
            }
            Mode::Horizontal => {
                for is_black in [is_black, !is_black] {
                    at += run(bits, is_black)?;
                    if at < width {
                        changes.push(at);
                    }
                }
            }
            Mode::Extension | Mode::EOF => return None,
        }
        is_at_start = false;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lines of 8 pixels: white 2, black 3, white 3; the second the same.
    #[test]
    fn lines_are_decoded_by_each_scheme() {
        // White 2 is 0111, black 3 is 10, white 3 is 1000; the end of a line is eleven zeros and a one.
        let runs = [0b0111_1010, 0b0000_0000, 0b0111_1010, 0b0000_0000];
        assert_eq!(decode(&runs, Scheme::Runs, 8, 2), [0b0011_1000; 2]);
        let group3 = [0b0000_0000, 0b0001_0111, 0b1010_0000, 0b0000_0000, 0b0101_1110, 0b1000_0000];
        assert_eq!(decode(&group3, Scheme::Group3 { is_two_dimensional: false }, 8, 2), [0b0011_1000; 2]);
        // Horizontal 001, then the runs, then vertical 0 (1) to the end; in the second line three times vertical 0.
        let group4 = [0b0010_1111, 0b0111_1100, 0b0000_0000];
        assert_eq!(decode(&group4, Scheme::Group4, 8, 2), [0b0011_1000; 2]);
    }

    #[test]
    fn any_bytes_give_lines_or_end() {
        let bytes: Vec<u8> = (0..4096_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for start in 0..200 {
            for scheme in [Scheme::Runs, Scheme::Group3 { is_two_dimensional: true }, Scheme::Group4] {
                assert!(decode(&bytes[start..], scheme, 100, 50).len() <= 50 * 13);
            }
        }
    }
}
