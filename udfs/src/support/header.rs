//! What an image file says about itself before any pixel is decoded.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};

use super::bad_image::BadImage;
use super::format::{Format, sniff};
use super::guard::guarded;
use super::orientation::orientation;
use super::tiff::Tiff;
use super::{gif, jpeg_segments, qoi};

/// The header of an image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// As stored: 4 for CMYK.
    pub(crate) channels: u8,
    /// Bits per channel.
    pub(crate) bit_depth: u8,
    /// EXIF orientation, 1 to 8; 1 where there is none.
    pub(crate) orientation: u8,
    /// Images in the file.
    pub(crate) frames: u32,
    /// Progressive JPEG or interlaced PNG.
    pub(crate) is_progressive: bool,
}

/// Reads the header.
pub(crate) fn header(content: &[u8]) -> Result<Header, BadImage> {
    let format = sniff(content)?;
    guarded("header reader", || {
        let header = match format {
            Format::Jpeg => jpeg_header(content)?,
            Format::Tiff => tiff_header(content)?,
            Format::Qoi => qoi_header(content)?,
            Format::Gif => gif_header(content)?,
            other => other_header(content, other)?,
        };
        Ok(Header { orientation: orientation(content, format).to_exif(), ..header })
    })
}

/// The bytes that the image takes when decoded to RGB, 0 where the header can't be read.
///
/// For planning memory: a file says in its first bytes what it grows to.
pub fn decoded_bytes(content: &[u8]) -> usize {
    let size = match sniff(content) {
        Ok(Format::Jpeg) => {
            jpeg_segments::frame(content).map(|frame| (u32::from(frame.width), u32::from(frame.height)))
        }
        Ok(_) => header(content).ok().map(|header| (header.width, header.height)),
        Err(_) => None,
    };
    let (width, height) = size.unwrap_or((0, 0));
    (width as usize).saturating_mul(height as usize).saturating_mul(3)
}

/// The format, the width and the height that an image file's header says; `None` where it can't be read.
pub fn image_size(content: &[u8]) -> Option<(&'static str, u32, u32)> {
    header(content).ok().map(|header| (header.format, header.width, header.height))
}

/// Whether the beginning of an image file tells all that `image_info` says of the whole: that of a JPEG up to its first scan.
pub fn tells_all(beginning: &[u8]) -> bool {
    matches!(sniff(beginning), Ok(Format::Jpeg)) && jpeg_segments::are_whole(beginning)
}

fn jpeg_header(content: &[u8]) -> Result<Header, BadImage> {
    let frame = jpeg_segments::frame(content).ok_or_else(|| BadImage::broken("jpeg", "no frame header"))?;
    Ok(Header {
        format: "jpeg",
        width: u32::from(frame.width),
        height: u32::from(frame.height),
        channels: frame.components,
        bit_depth: frame.bit_depth,
        orientation: 1,
        frames: 1,
        is_progressive: frame.is_progressive,
    })
}

fn tiff_header(content: &[u8]) -> Result<Header, BadImage> {
    let tiff = Tiff::read(content)?;
    Ok(Header {
        format: "tiff",
        width: tiff.width,
        height: tiff.height,
        channels: tiff.samples as u8,
        bit_depth: tiff.bits as u8,
        orientation: 1,
        frames: frames(content, Format::Tiff),
        is_progressive: false,
    })
}

fn qoi_header(content: &[u8]) -> Result<Header, BadImage> {
    let qoi::Header { width, height, channels } = qoi::header(content)?;
    Ok(Header {
        format: "qoi",
        width,
        height,
        channels,
        bit_depth: 8,
        orientation: 1,
        frames: 1,
        is_progressive: false,
    })
}

fn gif_header(content: &[u8]) -> Result<Header, BadImage> {
    let (width, height) = gif::size(content)?;
    Ok(Header {
        format: "gif",
        width,
        height,
        channels: 4,
        bit_depth: 8,
        orientation: 1,
        frames: frames(content, Format::Gif),
        is_progressive: false,
    })
}

fn other_header(content: &[u8], format: Format) -> Result<Header, BadImage> {
    let bad = |error| BadImage::of_decoder(format.name(), &error);
    let library = match format {
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Bmp => ImageFormat::Bmp,
        Format::Pnm => ImageFormat::Pnm,
        Format::Tga => ImageFormat::Tga,
        _ => ImageFormat::Ico,
    };
    let decoder = ImageReader::with_format(Cursor::new(content), library).into_decoder().map_err(bad)?;
    let (width, height) = decoder.dimensions();
    let color = decoder.original_color_type();
    let channels = color.channel_count().max(1);
    Ok(Header {
        format: format.name(),
        width,
        height,
        channels,
        bit_depth: (color.bits_per_pixel() / u16::from(channels)) as u8,
        orientation: 1,
        frames: frames(content, format),
        // Byte 28 of a PNG is the interlace method of its IHDR chunk.
        is_progressive: format == Format::Png && content.get(28) == Some(&1),
    })
}

/// How many images a file has, as far as its format has any number of them; 1 at least.
pub(crate) fn frames(content: &[u8], format: Format) -> u32 {
    let frames = match format {
        Format::Gif => gif_frames(content),
        Format::Png => png_frames(content),
        Format::WebP => webp_frames(content),
        Format::Tiff => Tiff::frames(content),
        _ => 1,
    };
    frames.max(1)
}

/// Image descriptors among a GIF's blocks (GIF89a, section 15 ff.).
fn gif_frames(content: &[u8]) -> u32 {
    let color_table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut frames = 0;
    let mut at = 13 + content.get(10).map_or(0, |flags| color_table(*flags));
    loop {
        at = match content.get(at) {
            Some(0x2C) => {
                frames += 1;
                let table = content.get(at + 9).map_or(0, |flags| color_table(*flags));
                at + 10 + table + 1
            }
            Some(0x21) => at + 2,
            _ => return frames,
        };
        while let Some(length @ 1..) = content.get(at) {
            at += 1 + usize::from(*length);
        }
        at += 1;
    }
}

/// The frame count of a PNG's `acTL` chunk, which stands before the first `IDAT`.
fn png_frames(content: &[u8]) -> u32 {
    let mut rest = content.get(8..).unwrap_or_default();
    while let [a, b, c, d, kind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        match kind {
            [b'a', b'c', b'T', b'L', a, b, c, d, ..] => return u32::from_be_bytes([*a, *b, *c, *d]),
            [b'I', b'D', b'A', b'T', ..] => return 1,
            _ => rest = rest.get(length.saturating_add(12)..).unwrap_or_default(),
        }
    }
    1
}

/// `ANMF` chunks of a WebP's RIFF container.
fn webp_frames(content: &[u8]) -> u32 {
    let mut frames = 0;
    let mut rest = content.get(12..).unwrap_or_default();
    while let [kind_and_length @ .., _] = rest.get(..9).unwrap_or_default() {
        let length = kind_and_length[4..8].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        frames += u32::from(kind_and_length.starts_with(b"ANMF"));
        rest = rest.get(8 + length + length % 2..).unwrap_or_default();
    }
    frames
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::support::testing;

    #[test]
    fn a_jpeg_tells_its_size() {
        let expected = Header {
            format: "jpeg",
            width: 7,
            height: 5,
            channels: 3,
            bit_depth: 8,
            orientation: 1,
            frames: 1,
            is_progressive: false,
        };
        assert_eq!(header(&testing::jpeg(7, 5)), Ok(expected));
        assert_eq!(decoded_bytes(&testing::jpeg(7, 5)), 105);
    }

    #[test]
    fn a_png_tells_its_size() {
        let header = header(&testing::png(3, 2)).expect("png");
        assert_eq!((header.width, header.height, header.channels), (3, 2, 3));
        assert_eq!((header.bit_depth, header.frames), (8, 1));
    }

    #[test]
    fn what_is_no_image_is_told_by_its_first_bytes() {
        let names = "jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga or ico";
        let error = header(b"hello").expect_err("text");
        assert_eq!(error.reason, format!("not a {names} image (starts with 68 65 6c 6c)"));
        assert_eq!(header(b"").expect_err("empty").reason, "empty file (0 bytes)");
        assert_eq!(decoded_bytes(b"hello"), 0);
    }

    proptest! {
        #[test]
        fn a_beginning_that_tells_all_says_what_the_whole_says(
            segments in prop::collection::vec((0xC0..=0xFE_u8, prop::collection::vec(any::<u8>(), 0..30)), 0..6),
            end in 0..1000_usize,
        ) {
            // Segments of any kind between the start of an image and the rest of it.
            let photo = testing::jpeg(7, 5);
            let mut jpeg = photo[..2].to_vec();
            for (marker, payload) in segments {
                jpeg.extend([0xFF, marker, 0, payload.len() as u8 + 2]);
                jpeg.extend(payload);
            }
            jpeg.extend(&photo[2..]);
            let beginning = &jpeg[..end.min(jpeg.len())];
            if tells_all(beginning) {
                prop_assert_eq!(header(beginning), header(&jpeg));
                prop_assert_eq!(decoded_bytes(beginning), decoded_bytes(&jpeg));
            }
        }
    }

    #[test]
    fn only_what_is_a_jpeg_up_to_its_scan_tells_all() {
        let jpeg = testing::jpeg(7, 5);
        assert!(tells_all(&jpeg) && !tells_all(&jpeg[..20]));
        for file in [testing::png(9, 9), testing::gif(9, 9, 2), testing::tiff(9, 9), Vec::new(), b"hello".to_vec()] {
            assert!(!tells_all(&file));
        }
    }

    #[test]
    fn prefixes_of_any_format_give_a_header_or_a_reason() {
        for file in [testing::jpeg(9, 9), testing::png(9, 9), testing::gif(9, 9, 2), testing::tiff(9, 9)] {
            for end in 0..file.len().min(200) {
                let _ = header(&file[..end]);
            }
        }
        assert_eq!(header(&testing::gif(9, 9, 2)).expect("gif").frames, 2);
        assert_eq!(header(&testing::tiff(9, 9)).expect("tiff").frames, 1);
    }
}
