//! The JPEG codec of the default build: zune-jpeg decodes (accurate DCT), jpeg-encoder encodes. Nothing but Rust.

use jpeg_decoder::PixelFormat;
use jpeg_encoder::{ColorType, Encoder, PixelDensity, SamplingFactor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::encode::{Encoding, Subsampling};
use super::jpeg_segments::{first_scan_components, frame, has_adobe_segment, has_end};
use super::pixels::{BadImage, Mode, Pixels, PixelsRef, checked_size, cmyk_to_rgb};

/// The libraries behind this codec, as a dataset's manifest names them.
pub const JPEG_CODEC: &str = "zune-jpeg 0.5, jpeg-encoder 0.7";

/// Decodes and encodes JPEG.
#[derive(Default)]
pub(crate) struct JpegCodec {}

impl JpegCodec {
    /// Decodes to the channels of `mode`, or to those of the file where converting is left to the caller.
    pub(crate) fn decode(&mut self, jpeg: &[u8], mode: Mode, buffer: Vec<u8>) -> Result<Pixels, BadImage> {
        if !suits_zune(jpeg) {
            return decode_with_care(jpeg);
        }
        let mut values = buffer;
        match decode_into(jpeg, mode, true, &mut values) {
            // Without its end marker the last blocks are made up.
            Ok(_) if !has_end(jpeg) => Err(truncated(jpeg)),
            Ok(size) => Ok(pixels(size, values)),
            Err(Failure::Bad(bad)) => Err(bad),
            Err(Failure::Codec(error)) if is_truncation(&error) => Err(truncated(jpeg)),
            // Bytes that the specification doesn't foresee, but that every other decoder passes over.
            Err(Failure::Codec(_)) => match decode_into(jpeg, mode, false, &mut values) {
                Ok(size) => Ok(pixels(size, values)),
                Err(Failure::Bad(bad)) => Err(bad),
                Err(Failure::Codec(error)) => Err(BadImage(format!("broken jpeg: {error}"))),
            },
        }
    }

    /// Appends a JPEG of a grey or RGB image to `jpeg`.
    pub(crate) fn encode(
        &mut self,
        image: PixelsRef<'_>,
        encoding: &Encoding,
        jpeg: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut encoder = Encoder::new(jpeg, encoding.quality);
        encoder.set_sampling_factor(match encoding.subsampling {
            Subsampling::Full => SamplingFactor::R_4_4_4,
            Subsampling::HalfWidth => SamplingFactor::R_4_2_2,
            Subsampling::Quarter => SamplingFactor::R_4_2_0,
        });
        encoder.set_optimized_huffman_tables(encoding.optimize);
        encoder.set_density(PixelDensity::dpi(300));
        let color = if image.channels == 1 { ColorType::Luma } else { ColorType::Rgb };
        let (width, height) = (image.width as u16, image.height as u16);
        encoder.encode(image.values, width, height, color).map_err(|error| error.to_string())
    }
}

enum Failure {
    Bad(BadImage),
    Codec(DecodeErrors),
}

impl From<DecodeErrors> for Failure {
    fn from(error: DecodeErrors) -> Self {
        Self::Codec(error)
    }
}

/// Whether zune-jpeg gives the file's pixels; of some sequential JPEGs it gives others, without a word.
fn suits_zune(jpeg: &[u8]) -> bool {
    let Some(frame) = frame(jpeg) else { return true };
    // https://github.com/etemesi254/zune-image/issues/448
    let is_interleaved = first_scan_components(jpeg).is_none_or(|components| components == frame.components);
    (is_interleaved && frame.has_full_luma) || frame.components == 4
}

thread_local! {
    /// A pool of this thread alone: jpeg-decoder deals its work out to the pool that it is called in, and photos are decoded on
    /// all threads already. It lives as long as the thread does.
    static ALONE: Option<ThreadPool> = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
}

/// Decodes with jpeg-decoder, which takes longer and knows every layout of scans and samples.
fn decode_with_care(jpeg: &[u8]) -> Result<Pixels, BadImage> {
    ALONE.with(|_| ());
    let broken = |error: jpeg_decoder::Error| BadImage(format!("broken jpeg: {error}"));
    let mut decoder = jpeg_decoder::Decoder::new(jpeg);
    decoder.read_info().map_err(broken)?;
    let Some(info) = decoder.info() else {
        return Err(BadImage("broken jpeg: no frame header".to_string()));
    };
    let channels = match info.pixel_format {
        PixelFormat::L8 => 1,
        PixelFormat::RGB24 => 3,
        other => return Err(BadImage(format!("not supported: a jpeg of {other:?} in several scans"))),
    };
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    checked_size(width, height, channels)?;
    let values = decoder.decode().map_err(broken)?;
    if has_end(jpeg) { Ok(pixels((width, height, channels), values)) } else { Err(truncated(jpeg)) }
}

fn truncated(jpeg: &[u8]) -> BadImage {
    BadImage(format!("truncated jpeg: the data ends before the image does ({} bytes)", jpeg.len()))
}

fn pixels((width, height, channels): (u32, u32, u8), values: Vec<u8>) -> Pixels {
    Pixels { width, height, channels, values }
}

fn decode_into(jpeg: &[u8], mode: Mode, is_strict: bool, values: &mut Vec<u8>) -> Result<(u32, u32, u8), Failure> {
    let options = DecoderOptions::default()
        .set_use_unsafe(false)
        .set_strict_mode(is_strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = (width as u32, height as u32);
    let stored = decoder.input_colorspace().unwrap_or(ColorSpace::YCbCr);
    let wanted = match (stored, mode) {
        // An Adobe segment without a color transform; of three components it means RGB.
        (ColorSpace::CMYK, _) if frame(jpeg).is_none_or(|frame| frame.components == 4) => ColorSpace::CMYK,
        (ColorSpace::Luma, _) | (ColorSpace::YCbCr, Mode::Gray) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let channels = wanted.num_components() as u8;
    let size = checked_size(width, height, channels).map_err(Failure::Bad)?;
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    values.resize(size, 0);
    decoder.decode_into(values)?;
    if wanted == ColorSpace::CMYK {
        cmyk_to_rgb(values, has_adobe_segment(jpeg));
        return Ok((width, height, 3));
    }
    Ok((width, height, channels))
}

fn is_truncation(error: &DecodeErrors) -> bool {
    match error {
        DecodeErrors::ExhaustedData => true,
        DecodeErrors::FormatStatic(message) => {
            message.starts_with("Premature end") || message.starts_with("Premature End")
        }
        DecodeErrors::IoErrors(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::encode::Format;
    use crate::support::testing::picture;

    /// Optimised tables make jpeg-encoder write one scan for each component.
    #[test]
    fn jpegs_of_several_scans_decode_like_those_of_one() {
        for (width, height) in [(16, 16), (33, 17), (192, 192), (9, 250)] {
            let picture = picture(width, height);
            let image = PixelsRef { width, height, channels: 3, values: picture.as_raw() };
            for subsampling in [Subsampling::Full, Subsampling::HalfWidth, Subsampling::Quarter] {
                let decoded = [true, false].map(|optimize| {
                    let encoding = Encoding { format: Format::Jpeg, quality: 90, subsampling, optimize };
                    let mut jpeg = Vec::new();
                    JpegCodec::default().encode(image, &encoding, &mut jpeg).expect("encoded");
                    JpegCodec::default().decode(&jpeg, Mode::Rgb, Vec::new()).expect("decoded").values
                });
                let differences = decoded[0].iter().zip(&decoded[1]).map(|(one, other)| one.abs_diff(*other));
                let sum: u64 = differences.map(u64::from).sum();
                let mean = sum as f64 / decoded[0].len() as f64;
                assert!(mean < 1.0, "{width}x{height} {subsampling:?}: mean difference {mean}");
            }
        }
        assert_eq!(rayon::current_num_threads(), 1, "they are decoded on the thread that asks");
    }
}
