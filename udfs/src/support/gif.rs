//! GIF: the first frame on the screen that it stands on.

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, MemoryLimit};

use super::bad_image::BadImage;
use super::limits::{TimedContent, check_image, too_slow};
use super::partial::Part;
use super::pixels::{Pixels, checked_size};

/// Decodes the first frame to RGBA. The screen is enlarged to what the frame covers, as Pillow does it.
pub(crate) fn decode(content: &[u8]) -> Result<Part, BadImage> {
    match decode_with_palette(content) {
        Err(error) if error.reason.contains("no color table") => decode_with_palette(&with_gray_palette(content)),
        result => result,
    }
}

/// The size of the screen with its first frame.
pub(crate) fn size(content: &[u8]) -> Result<(u32, u32), BadImage> {
    let mut decoder = decoder(content)?;
    let result = decoder.next_frame_info().map(|frame| frame.is_some());
    let size = screen(&decoder);
    match result {
        Ok(true) => Ok(size),
        Ok(false) => Err(BadImage::broken("gif", "it has no image")),
        // A frame without a palette has a size, too.
        Err(_) if size.0 > 0 && size.1 > 0 => Ok(size),
        Err(error) => Err(bad(error)),
    }
}

fn decoder(content: &[u8]) -> Result<Decoder<TimedContent<'_>>, BadImage> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Unlimited);
    options.read_info(TimedContent::new(content)).map_err(bad)
}

fn screen(decoder: &Decoder<TimedContent<'_>>) -> (u32, u32) {
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    let covered = decoder.current_frame_info().map_or((0, 0), |frame| {
        (u32::from(frame.left) + u32::from(frame.width), u32::from(frame.top) + u32::from(frame.height))
    });
    (width.max(covered.0), height.max(covered.1))
}

fn decode_with_palette(content: &[u8]) -> Result<Part, BadImage> {
    let mut decoder = decoder(content)?;
    if decoder.next_frame_info().map_err(bad)?.is_none() {
        return Err(BadImage::broken("gif", "it has no image"));
    }
    let (width, height) = screen(&decoder);
    let count = checked_size(width, height, 4)?;
    check_image(width, height, count as u64)?;
    let palette: Vec<[u8; 3]> = decoder.palette().map_err(bad)?.as_chunks::<3>().0.to_vec();
    let Some(frame) = decoder.current_frame_info().cloned() else {
        return Err(BadImage::broken("gif", "it has no image"));
    };
    let rgba = |index: u8| {
        let [red, green, blue] = palette.get(usize::from(index)).copied().unwrap_or_default();
        [red, green, blue, if frame.transparent == Some(index) { 0 } else { 255 }]
    };
    // What the frame leaves uncovered is transparent, or the first colour where there is no transparent one.
    let uncovered = rgba(frame.transparent.unwrap_or(0));
    let mut values = uncovered.repeat(count / 4);
    let mut line = vec![0; usize::from(frame.width)];
    let rows: Vec<usize> = rows(usize::from(frame.height), frame.interlaced).collect();
    for (done, row) in rows.iter().enumerate() {
        match decoder.fill_buffer(&mut line) {
            Ok(true) => {
                let at = (usize::from(frame.top) + row) * width as usize + usize::from(frame.left);
                for (pixel, index) in values.as_chunks_mut::<4>().0[at..].iter_mut().zip(&line) {
                    *pixel = rgba(*index);
                }
            }
            result => {
                let cut = || BadImage::truncated("gif", format!("its data end behind {done} of {} rows", rows.len()));
                let fault = result.map_or_else(bad, |_| cut());
                // The rows of an interlaced image come from all over it.
                let complete = if frame.interlaced { 0 } else { usize::from(frame.top) + done };
                return Ok(Part::cut(Pixels { width, height, channels: 4, values }, complete, fault));
            }
        }
    }
    Ok(Part::whole(Pixels { width, height, channels: 4, values }))
}

/// The order in which rows come (GIF89a, appendix E).
fn rows(height: usize, is_interlaced: bool) -> impl Iterator<Item = usize> {
    let passes =
        if is_interlaced { [(0, 8), (4, 8), (2, 4), (1, 2)] } else { [(0, 1), (height, 1), (height, 1), (height, 1)] };
    passes.into_iter().flat_map(move |(first, step)| (first..height).step_by(step))
}

/// The file with the palette that stands in for a missing one: shades of grey.
fn with_gray_palette(content: &[u8]) -> Vec<u8> {
    const HEADER: usize = 13;
    let mut patched = content.to_vec();
    if let Some(flags) = patched.get_mut(10) {
        *flags |= 0x87;
        patched.splice(HEADER..HEADER, (0..=255).flat_map(|gray| [gray; 3]));
    }
    patched
}

fn bad(error: DecodingError) -> BadImage {
    match &error {
        DecodingError::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => too_slow(),
        DecodingError::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            BadImage::truncated("gif", error)
        }
        DecodingError::UnexpectedEof => BadImage::truncated("gif", "the data end before the image does"),
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => BadImage::too_large(error),
        _ => BadImage::broken("gif", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIF of a palette of two colours, with a screen and a frame of 2x2 pixels, 1 0 0 1, somewhere on it.
    fn file(screen: (u8, u8), at: (u8, u8), has_palette: bool, data: &[u8]) -> Vec<u8> {
        let mut gif = b"GIF89a".to_vec();
        gif.extend([screen.0, 0, screen.1, 0, if has_palette { 0x80 } else { 0 }, 0, 0]);
        if has_palette {
            gif.extend([10, 20, 30, 200, 210, 220]);
        }
        gif.extend([0x2c, at.0, 0, at.1, 0, 2, 0, 2, 0, 0, 2, data.len() as u8]);
        gif.extend(data);
        gif.extend([0, 0x3b]);
        gif
    }

    /// Clear, 1, 0, 0, 1, end, in codes of 3 bits; the third code of data makes them 4 bits wide.
    const DATA: [u8; 3] = [0b0000_1100, 0b0001_0000, 0b0101];

    #[test]
    fn a_screen_is_as_large_as_what_stands_on_it() {
        for screen in [(0, 0), (1, 1), (3, 3)] {
            let part = decode(&file(screen, (1, 1), true, &DATA)).expect("a gif");
            let Part { pixels, fault, .. } = part;
            assert!(fault.is_none(), "{fault:?}");
            assert_eq!((pixels.width, pixels.height, pixels.channels), (3, 3, 4));
            let reds: Vec<u8> = pixels.values.chunks(4).map(|pixel| pixel[0]).collect();
            assert_eq!(reds, [10, 10, 10, 10, 200, 10, 10, 10, 200]);
        }
    }

    #[test]
    fn without_a_palette_numbers_are_shades_of_grey() {
        let part = decode(&file((2, 2), (0, 0), false, &DATA)).expect("a gif");
        assert_eq!(part.pixels.values.chunks(4).map(|pixel| pixel[0]).collect::<Vec<_>>(), [1, 0, 0, 1]);
    }

    #[test]
    fn interlaced_rows_come_in_four_passes() {
        assert_eq!(rows(10, true).collect::<Vec<_>>(), [0, 8, 4, 2, 6, 1, 3, 5, 7, 9]);
        assert_eq!(rows(3, false).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn any_prefix_is_a_part_or_a_reason() {
        let gif = crate::support::testing::gif(40, 30, 2);
        for end in 0..gif.len() {
            if let Ok(part) = decode(&gif[..end]) {
                assert_eq!(part.pixels.values.len(), 40 * 30 * 4);
            }
        }
    }
}
