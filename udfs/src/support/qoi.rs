//! QOI, the "quite OK image format" (version 1.0 of its specification).

use super::bad_image::BadImage;
use super::limits::{check_image, check_time};
use super::partial::Part;
use super::pixels::{Pixels, checked_size};

/// The size and the channels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: u8,
}

pub(crate) fn header(content: &[u8]) -> Result<Header, BadImage> {
    match content {
        [b'q', b'o', b'i', b'f', a, b, c, d, e, f, g, h, channels, _, ..] => {
            let (width, height) = (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h]));
            match channels {
                3 | 4 => Ok(Header { width, height, channels: *channels }),
                _ => Err(BadImage::broken("qoi", format!("{channels} channels; 3 and 4 are allowed"))),
            }
        }
        _ => Err(BadImage::truncated("qoi", format!("its header is cut off ({} bytes)", content.len()))),
    }
}

/// Chunks after which somebody looks at the clock.
const STEPS_BETWEEN_LOOKS: u32 = 4096;

pub(crate) fn decode(content: &[u8]) -> Result<Part, BadImage> {
    let Header { width, height, channels } = header(content)?;
    let count = checked_size(width, height, channels)?;
    check_image(width, height, count as u64)?;
    let of_pixel = usize::from(channels);
    let mut values = Vec::with_capacity(count);
    let mut rest = content.get(14..).unwrap_or_default();
    let mut pixel = [0, 0, 0, 255_u8];
    let mut seen = [[0_u8; 4]; 64];
    let mut steps = 0_u32;
    while values.len() < count {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
            check_time()?;
        }
        let mut run = 1;
        let next = match rest {
            [0xfe, red, green, blue, tail @ ..] => Some(([*red, *green, *blue, pixel[3]], tail)),
            [0xff, red, green, blue, alpha, tail @ ..] => Some(([*red, *green, *blue, *alpha], tail)),
            [0xfe | 0xff, ..] | [] => None,
            [index @ 0..0x40, tail @ ..] => Some((seen[usize::from(*index)], tail)),
            [byte @ 0x40..0x80, tail @ ..] => {
                let change = |shift: u8| (byte >> shift & 3).wrapping_sub(2);
                Some((changed(pixel, [change(4), change(2), change(0)]), tail))
            }
            [byte @ 0x80..0xc0, others, tail @ ..] => {
                let green = (byte & 63).wrapping_sub(32);
                let change = |nibble: u8| green.wrapping_add(nibble).wrapping_sub(8);
                Some((changed(pixel, [change(others >> 4), green, change(others & 15)]), tail))
            }
            [0x80..0xc0] => None,
            [byte, tail @ ..] => {
                run = usize::from(byte & 63) + 1;
                Some((pixel, tail))
            }
        };
        let Some((next, tail)) = next else {
            let complete = values.len() / (width as usize * of_pixel);
            let fault = BadImage::truncated("qoi", format!("its data end behind {complete} of {height} rows"));
            // A small file may say that it is large.
            if complete == 0 {
                return Err(fault);
            }
            values.resize(count, 0);
            return Ok(Part::cut(Pixels { width, height, channels, values }, complete, fault));
        };
        (pixel, rest) = (next, tail);
        let [red, green, blue, alpha] = pixel.map(usize::from);
        seen[(red * 3 + green * 5 + blue * 7 + alpha * 11) % 64] = pixel;
        for _ in 0..run.min((count - values.len()) / of_pixel) {
            values.extend_from_slice(&pixel[..of_pixel]);
        }
    }
    Ok(Part::whole(Pixels { width, height, channels, values }))
}

fn changed(pixel: [u8; 4], by: [u8; 3]) -> [u8; 4] {
    let [red, green, blue, alpha] = pixel;
    [red.wrapping_add(by[0]), green.wrapping_add(by[1]), blue.wrapping_add(by[2]), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of 3x2 pixels: RGB, a run of two, a small difference, a difference by luma, an index.
    const FILE: [u8; 32] = [
        b'q', b'o', b'i', b'f', 0, 0, 0, 3, 0, 0, 0, 2, 3, 0, 0xfe, 10, 20, 30, 0xc1, 0x7b, 0xa5, 0x97, 0x1a, 0, 0, 0,
        0, 0, 0, 0, 1, 0,
    ];

    #[test]
    fn every_kind_of_chunk_is_decoded() {
        let part = decode(&FILE).expect("a qoi");
        assert!(part.fault.is_none());
        let pixels: Vec<&[u8]> = part.pixels.values.chunks(3).collect();
        assert_eq!(pixels[..5], [[10, 20, 30], [10, 20, 30], [10, 20, 30], [11, 20, 31], [17, 25, 35]]);
    }

    #[test]
    fn a_file_that_is_cut_off_has_rows() {
        let part = decode(&FILE[..19]).expect("a part");
        assert_eq!(part.rows, 0..1);
        assert_eq!(part.fault.expect("a fault").class.name(), "truncated");
        assert!(decode(&FILE[..13]).is_err());
    }
}
