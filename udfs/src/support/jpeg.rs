//! JPEG, with the bytes of libjpeg-turbo and so of TensorFlow: `pixmill-jpeg`, and what images are here.

use fast_image_resize::Resizer;
pub(crate) use pixmill_jpeg::Dct;
use pixmill_jpeg::{Channels, Decoder, Decoding, Encoder, Error, Header, Image, PixelLayout, Rows, Window};

use super::arguments::Choice;
use super::bad_image::BadImage;
use super::decode::Decoded;
use super::encode::Encoding;
use super::four_taps::{self, FourTaps};
use super::limits::{check_header, check_memory, deadline, too_slow};
use super::pixels::{Mode, Pixels, PixelsRef, checked_size};
use super::resize::{Part, PartRows, Reduced, Resizing, Scale, convolve, convolved_part, reduction, tensorflow_window};
use super::step::AnyTransform;
use super::work::resizing;

/// The library behind this codec, as a dataset's manifest names it.
pub const JPEG_CODEC: &str = "pixmill-jpeg 0.1";

impl Choice for Dct {
    const CHOICES: &'static [(&'static str, Self)] = &[("fast", Self::Fast), ("accurate", Self::Accurate)];
}

/// Decodes and encodes JPEG.
#[derive(Debug, Default)]
pub(crate) struct JpegCodec {
    decoder: Decoder,
    encoder: Encoder,
    /// What was decoded, on its way to be resized.
    rows: Vec<u8>,
    resizer: Resizer,
}

impl JpegCodec {
    /// Decodes to the channels of `mode`, or to those of the file where converting is left to the caller; resizes on the way where
    /// the next step does nothing else.
    pub(crate) fn decode(
        &mut self,
        jpeg: &[u8],
        mode: Mode,
        dct: Dct,
        next: Option<&dyn AnyTransform>,
        buffer: Vec<u8>,
    ) -> Result<Decoded, BadImage> {
        let image = self.decoder.read(jpeg).map_err(bad)?;
        let header = image.header();
        let size = (header.width, header.height);
        check_header(size.0, size.1)?;
        check_memory(decode_bytes(header))?;
        // By the channels of the file, too, as they are limited for every format.
        checked_size(size.0, size.1, header.components)?;
        let channels = match (mode, header.components) {
            (Mode::Gray, _) | (Mode::Native, 1) => Channels::Gray,
            _ => Channels::Rgb,
        };
        let decoding = Decoding { dct, channels, deadline: deadline(), ..Decoding::default() };
        let count = image.channels(channels);
        checked_size(size.0, size.1, count)?;
        let in_file = size.0 as usize * size.1 as usize;
        // Opaque pixels come before a transparent border.
        let next = next.filter(|_| mode != Mode::Rgba);
        if let Some((to, options)) = next.and_then(AnyTransform::resizing) {
            if let Some(window) = tensorflow_window(size, to, options) {
                let (pixels, computed) = decode_by_four_taps(image, decoding, window, &mut self.rows, buffer)?;
                return Ok(Decoded { pixels, is_step_done: true, in_file, computed });
            }
            let scale = reduction(size, to, options);
            // The accurate transform is asked for where pixels are to be those of the whole image.
            if scale != Scale::Whole && dct == Dct::Fast {
                let decoding = Decoding { scale, ..decoding };
                let (pixels, computed) = decode_reduced(image, decoding, (to, options), &mut self.rows, buffer)?;
                return Ok(Decoded { pixels, is_step_done: true, in_file, computed });
            }
            if let Some(part) = convolved_part(size, to, options) {
                let scratch = std::mem::take(&mut self.rows);
                let (cut, computed) = decode_part(image, &decoding, part, scratch)?;
                let resized = resizing(|| convolve(cut.as_ref(), to, options.filter, &mut self.resizer, buffer));
                self.rows = cut.values;
                let pixels = resized.map_err(|error| BadImage::broken("jpeg", error))?;
                return Ok(Decoded { pixels, is_step_done: true, in_file, computed });
            }
        }
        if let Some(part) = next.and_then(|step| step.cut(size)) {
            let (pixels, computed) = decode_part(image, &decoding, part, buffer)?;
            return Ok(Decoded { pixels, is_step_done: true, in_file, computed });
        }
        let mut values = buffer;
        image.decode(&decoding, &mut values).map_err(bad)?;
        let (width, height) = size;
        Ok(Decoded::whole(Pixels { width, height, channels: count, values }))
    }

    /// Decodes what there is of an image that isn't whole, and tells how many of a hundred rows are there; `None` where none is.
    pub(crate) fn decode_partly(
        &mut self,
        jpeg: &[u8],
        mode: Mode,
        dct: Dct,
    ) -> Result<Option<(Pixels, usize)>, BadImage> {
        let image = self.decoder.read(jpeg).map_err(bad)?;
        let (width, height, components) = (image.header().width, image.header().height, image.header().components);
        check_header(width, height)?;
        check_memory(decode_bytes(image.header()))?;
        checked_size(width, height, components)?;
        let channels = match (mode, components) {
            (Mode::Gray, _) | (Mode::Native, 1) => Channels::Gray,
            _ => Channels::Rgb,
        };
        let count = image.channels(channels);
        let mut values = Vec::new();
        let decoding = Decoding { dct, channels, deadline: deadline(), ..Decoding::default() };
        let rows = image.decode_partly(&decoding, &mut values).map_err(bad)?;
        let percent = 100 * rows / height as usize;
        Ok((rows > 0).then_some((Pixels { width, height, channels: count, values }, percent)))
    }

    /// Appends a JPEG of a grey or RGB image to `jpeg`.
    pub(crate) fn encode(
        &mut self,
        image: PixelsRef<'_>,
        encoding: &Encoding,
        jpeg: &mut Vec<u8>,
    ) -> Result<(), String> {
        let layout = if image.channels == 1 { PixelLayout::Gray } else { PixelLayout::Rgb };
        let Encoding { quality, subsampling, optimize, .. } = *encoding;
        let options = pixmill_jpeg::Encoding { quality, subsampling, optimize };
        let (width, height) = (image.width, image.height);
        self.encoder.encode(image.values, width, height, layout, &options, jpeg).map_err(|error| error.to_string())
    }
}

/// Decodes what a window of TensorFlow's resizing looks at, and resizes it a few rows at a time, which `rows` holds.
fn decode_by_four_taps(
    image: Image<'_>,
    decoding: Decoding,
    window: four_taps::Window,
    rows: &mut Vec<u8>,
    buffer: Vec<u8>,
) -> Result<(Pixels, usize), BadImage> {
    let size = (image.header().width, image.header().height);
    // Colours come in four bytes, which is what vectors are made of.
    let (channels, step, width) = match decoding.channels {
        Channels::Gray => (Channels::Gray, 1, size.0),
        _ => (Channels::Rgbx, 4, size.0.next_multiple_of(16)),
    };
    let taps = FourTaps::new(size, window, step, image.channels(decoding.channels), buffer);
    let (columns, wanted) = taps.wanted();
    let computed = columns.len() * wanted.len();
    let decoding = Decoding { channels, window: Some(Window { columns, rows: wanted }), ..decoding };
    let mut resized = ResizedRows { taps, row_bytes: width as usize * step, rows, held: Vec::new() };
    image.decode_rows(&decoding, &mut resized).map_err(bad)?;
    Ok((resized.taps.finish(), computed))
}

/// Decodes a part of the image.
fn decode_part(
    image: Image<'_>,
    decoding: &Decoding,
    part: Part,
    buffer: Vec<u8>,
) -> Result<(Pixels, usize), BadImage> {
    let size = (image.header().width, image.header().height);
    let channels = image.channels(decoding.channels);
    let (columns, rows) = part.within(size);
    let computed = columns.len() * rows.len();
    let decoding = Decoding { window: Some(Window { columns, rows }), ..decoding.clone() };
    let cut = PartRows::new(size, channels, part, buffer);
    let mut rows = CutRows { cut, row: vec![0; size.0 as usize * usize::from(channels)], held: None };
    image.decode_rows(&decoding, &mut rows).map_err(bad)?;
    rows.put();
    Ok((rows.cut.finish(), computed))
}

/// Decodes what is looked at of the image at a smaller scale, into `rows`, and resizes that.
fn decode_reduced(
    image: Image<'_>,
    decoding: Decoding,
    to: Resizing,
    rows: &mut Vec<u8>,
    buffer: Vec<u8>,
) -> Result<(Pixels, usize), BadImage> {
    let from = (image.header().width, image.header().height);
    let (size, channels) = (image.size(decoding.scale), image.channels(decoding.channels));
    let reduced = Reduced::new(from, (size, decoding.scale), to);
    let (columns, wanted) = reduced.wanted();
    let computed = columns.len() * wanted.len();
    let decoding = Decoding { window: Some(Window { columns, rows: wanted }), ..decoding };
    image.decode(&decoding, rows).map_err(bad)?;
    let image = PixelsRef { width: size.0, height: size.1, channels, values: rows };
    Ok((resizing(|| reduced.resize(image, buffer)), computed))
}

/// Rows of which a part is kept.
struct CutRows {
    cut: PartRows,
    /// One row of the image, and which it is.
    row: Vec<u8>,
    held: Option<usize>,
}

impl CutRows {
    /// Puts the row into the part.
    fn put(&mut self) {
        if let Some(y) = self.held.take() {
            self.cut.copy(y, &self.row);
        }
    }
}

impl Rows for CutRows {
    fn start(&mut self) {
        self.held = None;
    }

    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        self.put();
        self.held = Some(y);
        Some(&mut self.row)
    }

    fn finish(&mut self, _: usize) {
        self.put();
    }
}

/// Rows that are resized as they come.
struct ResizedRows<'a> {
    taps: FourTaps,
    row_bytes: usize,
    rows: &'a mut Vec<u8>,
    /// Which rows are in `rows`.
    held: Vec<usize>,
}

impl Rows for ResizedRows<'_> {
    fn start(&mut self) {
        self.held.clear();
        self.taps.start();
    }

    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        if !self.taps.needs(y) {
            return None;
        }
        self.held.push(y);
        let end = self.held.len() * self.row_bytes;
        if self.rows.len() < end {
            self.rows.resize(end, 0);
        }
        self.rows.get_mut(end - self.row_bytes..end)
    }

    fn finish(&mut self, _: usize) {
        resizing(|| {
            for (y, row) in self.held.drain(..).zip(self.rows.chunks_exact(self.row_bytes)) {
                self.taps.push(y, row);
            }
        });
    }
}

/// The memory that decoding takes: pixels, and for files of several scans all coefficients.
fn decode_bytes(header: &Header) -> u64 {
    let values = u64::from(header.width) * u64::from(header.height) * u64::from(header.components);
    if header.is_progressive { 3 * values } else { values }
}

pub(crate) fn bad(error: Error) -> BadImage {
    match error {
        Error::Truncated { bytes } => {
            BadImage::truncated("jpeg", format!("the data ends before the image does ({bytes} bytes)"))
        }
        Error::Unsupported { what } => BadImage::unsupported("jpeg", what),
        Error::TooSlow => too_slow(),
        Error::TooLarge { what } => BadImage::too_large(what),
        Error::Broken { what } => BadImage::broken("jpeg", what),
        other => BadImage::broken("jpeg", other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::image_center_crop::CenterCrop;
    use crate::image_crop::Crop;
    use crate::image_resize::Resize;
    use crate::support::encode::Format;
    use crate::support::step::parse;
    use crate::support::testing::picture;

    fn encoded(width: u32, height: u32, channels: u8, subsampling: pixmill_jpeg::Subsampling) -> Vec<u8> {
        let picture = picture(width, height);
        let image = PixelsRef { width, height, channels: 3, values: picture.as_raw() };
        let values = image.with_channels(channels);
        let image = PixelsRef { channels, values: &values, ..image };
        let encoding = Encoding { format: Format::Jpeg, quality: 90, subsampling, optimize: false };
        let mut jpeg = Vec::new();
        JpegCodec::default().encode(image, &encoding, &mut jpeg).expect("a jpeg");
        jpeg
    }

    #[test]
    fn resizing_on_the_way_gives_what_resizing_afterwards_gives() {
        use pixmill_jpeg::Subsampling::{Full, HalfWidth, Quarter};
        let steps = [(20, 20, "cover"), (7, 31, "stretch"), (90, 40, "inside"), (150, 150, "cover"), (1, 1, "stretch")];
        let mut codec = JpegCodec::default();
        for (width, height) in [(100, 67), (67, 100), (33, 33), (16, 8), (1, 1), (5, 90)] {
            for (channels, subsampling) in [(1, Full), (3, Full), (3, HalfWidth), (3, Quarter)] {
                let jpeg = encoded(width, height, channels, subsampling);
                for (to_width, to_height, fit) in steps {
                    for mode in [Mode::Native, Mode::Rgb, Mode::Gray] {
                        let step = format!("image_resize({to_width}, {to_height}, {fit}, bilinear, false)");
                        let step: Arc<dyn AnyTransform> = Arc::new(parse::<Resize>(&step).expect("a step"));
                        let whole = codec.decode(&jpeg, mode, Dct::Fast, None, Vec::new()).expect("an image");
                        let expected = step.apply(whole.pixels.as_ref(), &mut Default::default(), Vec::new());
                        let resized =
                            codec.decode(&jpeg, mode, Dct::Fast, Some(step.as_ref()), vec![1; 9]).expect("an image");
                        let is_other =
                            (whole.pixels.width, whole.pixels.height) != (resized.pixels.width, resized.pixels.height);
                        assert_eq!(resized.is_step_done, is_other || fit == "cover", "{width}x{height} {step:?}");
                        if resized.is_step_done {
                            assert_eq!(
                                resized.pixels,
                                expected.expect("an image"),
                                "{width}x{height} {mode:?} {step:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_cut_out_on_the_way_is_what_is_cut_out_afterwards() {
        use pixmill_jpeg::Subsampling::{Full, Quarter};
        let steps: [Arc<dyn AnyTransform>; 7] = [
            Arc::new(parse::<Resize>("image_resize(20, 20, cover, bilinear, true)").expect("a step")),
            Arc::new(parse::<Resize>("image_resize(90, 11, cover, lanczos3, true)").expect("a step")),
            Arc::new(parse::<Resize>("image_resize(7, 31, cover, bicubic, true)").expect("a step")),
            Arc::new(parse::<Crop>("image_crop(13, 5, 40, 21)").expect("a step")),
            Arc::new(parse::<Crop>("image_crop(-7, 50, 90, 90)").expect("a step")),
            Arc::new(parse::<Crop>("image_crop(500, -500, 3, 3)").expect("a step")),
            Arc::new(parse::<CenterCrop>("image_center_crop(50, 70)").expect("a step")),
        ];
        let mut codec = JpegCodec::default();
        for (width, height) in [(100, 67), (67, 100), (33, 33), (1, 1), (5, 90)] {
            for (channels, subsampling) in [(1, Full), (3, Full), (3, Quarter)] {
                let jpeg = encoded(width, height, channels, subsampling);
                for step in &steps {
                    for mode in [Mode::Native, Mode::Rgb, Mode::Gray] {
                        // The accurate transform is never reduced.
                        let mut decode = |next| codec.decode(&jpeg, mode, Dct::Accurate, next, vec![9; 5]);
                        let whole = decode(None).expect("an image");
                        let cut = decode(Some(step.as_ref())).expect("an image");
                        let part = match step.resizing() {
                            Some((to, options)) => convolved_part((width, height), to, options),
                            None => step.cut((width, height)),
                        };
                        let all = (width * height) as usize;
                        let (columns, rows) = part.map_or((0..all, 0..1), |part| part.within((width, height)));
                        assert_eq!((cut.in_file, cut.computed), (all, columns.len() * rows.len()));
                        assert_eq!((cut.is_step_done, whole.computed), (part.is_some(), all));
                        let expected = step.apply(whole.pixels.as_ref(), &mut Default::default(), Vec::new());
                        if cut.is_step_done {
                            assert_eq!(cut.pixels, expected.expect("an image"), "{width}x{height} {mode:?} {step:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_looked_at_of_a_reduced_image_is_all_that_it_takes() {
        use pixmill_jpeg::Subsampling::{Full, Quarter};
        let mut codec = JpegCodec::default();
        for (width, height) in [(200, 133), (133, 200), (160, 160)] {
            for (channels, subsampling) in [(1, Full), (3, Full), (3, Quarter)] {
                let jpeg = encoded(width, height, channels, subsampling);
                for step in
                    ["8, 8, cover, area", "20, 9, cover, bilinear", "8, 15, pad, bilinear", "17, 17, stretch, area"]
                {
                    let step: Arc<dyn AnyTransform> =
                        Arc::new(parse::<Resize>(&format!("image_resize({step}, true)")).expect("a step"));
                    let (to, options) = step.resizing().expect("it resizes");
                    let scale = reduction((width, height), to, options);
                    assert_ne!(scale, Scale::Whole);
                    let decoded = codec.decode(&jpeg, Mode::Rgb, Dct::Fast, Some(step.as_ref()), Vec::new());
                    let mut decoder = Decoder::default();
                    let image = decoder.read(&jpeg).expect("a jpeg");
                    let size = image.size(scale);
                    let decoding = Decoding { scale, channels: Channels::Rgb, ..Decoding::default() };
                    let mut values = Vec::new();
                    image.decode(&decoding, &mut values).expect("an image");
                    let whole = PixelsRef { width: size.0, height: size.1, channels: 3, values: &values };
                    let expected =
                        Reduced::new((width, height), (size, scale), (to, options)).resize(whole, Vec::new());
                    assert_eq!(decoded.expect("an image").pixels, expected, "{width}x{height} {step:?}");
                }
            }
        }
    }

    #[test]
    fn a_jpeg_that_breaks_off_is_refused_whatever_is_wanted_of_it() {
        let jpeg = encoded(64, 64, 3, pixmill_jpeg::Subsampling::Full);
        let step: Arc<dyn AnyTransform> =
            Arc::new(parse::<Resize>("image_resize(64, 8, cover, bilinear, false)").expect("a step"));
        for end in [jpeg.len() / 2, jpeg.len() - 40, jpeg.len() - 2] {
            let error =
                JpegCodec::default().decode(&jpeg[..end], Mode::Rgb, Dct::Fast, Some(step.as_ref()), Vec::new());
            let reason = format!("truncated jpeg: the data ends before the image does ({end} bytes)");
            assert_eq!(error.expect_err("a reason").reason, reason);
        }
    }
}
