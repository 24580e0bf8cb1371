//! PNG: whole, with all checksums over its pixels, or the rows before the damage.

use std::io::ErrorKind;

use png::{DecodeOptions, Decoder, DecodingError, Limits, Reader, Transformations};

use super::bad_image::BadImage;
use super::limits::{TimedContent, check_image, limits, too_slow};
use super::partial::Part;
use super::pixels::{Pixels, checked_size};

/// Decodes the image; of an animation the one that stands for it.
pub(crate) fn decode(content: &[u8]) -> Result<Pixels, BadImage> {
    let mut options = DecodeOptions::default();
    options.set_ignore_adler32(false);
    let (mut reader, mut pixels) = start(content, options)?;
    reader.next_frame(&mut pixels.values).map_err(bad)?;
    reader.finish().map_err(bad)?;
    Ok(pixels)
}

/// Decodes the rows that there are; none of an interlaced image, whose rows come from all over it.
pub(crate) fn decode_partly(content: &[u8]) -> Result<Part, BadImage> {
    let (mut reader, mut pixels) = start(content, DecodeOptions::default())?;
    let row_bytes = pixels.width as usize * usize::from(pixels.channels);
    let mut rows = 0;
    let fault = loop {
        match reader.next_row() {
            Ok(Some(row)) => {
                if let Some(target) = pixels.values.get_mut(rows * row_bytes..(rows + 1) * row_bytes)
                    && row.data().len() == row_bytes
                {
                    target.copy_from_slice(row.data());
                }
                rows += 1;
            }
            Ok(None) => break None,
            Err(error) => break Some(bad(error)),
        }
    };
    let rows = if reader.info().interlaced { 0 } else { rows.min(pixels.height as usize) };
    Ok(Part { pixels, rows: 0..rows, fault })
}

/// Reads the header, and makes room for 8-bit pixels.
fn start(content: &[u8], mut options: DecodeOptions) -> Result<(Reader<TimedContent<'_>>, Pixels), BadImage> {
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(TimedContent::new(content), options);
    decoder.set_limits(Limits { bytes: limits().decode_bytes as usize });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let reader = decoder.read_info().map_err(bad)?;
    let (width, height) = reader.info().size();
    let channels = reader.output_color_type().0.samples() as u8;
    let count = checked_size(width, height, channels)?;
    check_image(width, height, count as u64)?;
    let values = vec![0; count];
    Ok((reader, Pixels { width, height, channels, values }))
}

fn bad(error: DecodingError) -> BadImage {
    match &error {
        DecodingError::IoError(cause) if cause.kind() == ErrorKind::TimedOut => too_slow(),
        DecodingError::IoError(cause) if cause.kind() == ErrorKind::UnexpectedEof => BadImage::truncated("png", error),
        DecodingError::LimitsExceeded => BadImage::too_large(error),
        _ => BadImage::broken("png", error),
    }
}
