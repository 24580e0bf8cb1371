//! The segments of a JPEG (ITU-T T.81, annex B; T.871, 10), in libjpeg's order.

use super::frame::Frame;
use super::huffman::Table;
use crate::zigzag::ZIGZAG;

/// Start of image, and the segment of JFIF 1.01: 300 pixels an inch both ways, no thumbnail.
const START: [u8; 20] = [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 1, 1, 44, 1, 44, 0, 0];
const QUANTIZATION: u8 = 0xdb;
const FRAME: u8 = 0xc0;
const HUFFMAN: u8 = 0xc4;
const SCAN: u8 = 0xda;

/// End of image.
pub(super) const END: [u8; 2] = [0xff, 0xd9];

/// Appends everything up to the scan's first byte.
pub(super) fn write(frame: &Frame, steps: &[[u8; 64]; 2], tables: &[Table; 4], jpeg: &mut Vec<u8>) {
    let components = frame.components();
    let (used_steps, used_tables) = if components.len() == 1 { (1, 2) } else { (2, 4) };
    jpeg.extend(START);
    for (index, steps) in (0..).zip(&steps[..used_steps]) {
        segment(jpeg, QUANTIZATION, |bytes| {
            bytes.push(index);
            bytes.extend(ZIGZAG.map(|position| steps[usize::from(position)]));
        });
    }
    segment(jpeg, FRAME, |bytes| {
        bytes.push(8);
        bytes.extend((frame.height as u16).to_be_bytes());
        bytes.extend((frame.width as u16).to_be_bytes());
        bytes.push(components.len() as u8);
        for (index, component) in (0u8..).zip(components) {
            bytes.extend([index + 1, (component.across << 4 | component.down) as u8, index.min(1)]);
        }
    });
    for (table, destination) in tables[..used_tables].iter().zip([0x00, 0x10, 0x01, 0x11]) {
        segment(jpeg, HUFFMAN, |bytes| {
            bytes.push(destination);
            bytes.extend(table.codes_by_length);
            bytes.extend(&table.symbols);
        });
    }
    segment(jpeg, SCAN, |bytes| {
        bytes.push(components.len() as u8);
        for (index, _) in (0u8..).zip(components) {
            bytes.extend([index + 1, index.min(1) * 0x11]);
        }
        // All coefficients, in one go.
        bytes.extend([0, 63, 0]);
    });
}

/// Appends a segment: its marker, its length, which counts itself, and what is in it.
fn segment(jpeg: &mut Vec<u8>, marker: u8, write: impl FnOnce(&mut Vec<u8>)) {
    jpeg.extend([0xff, marker, 0, 0]);
    let start = jpeg.len();
    write(jpeg);
    let length = (jpeg.len() - start + 2) as u16;
    jpeg[start - 2..start].copy_from_slice(&length.to_be_bytes());
}
