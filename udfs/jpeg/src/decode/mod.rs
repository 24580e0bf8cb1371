//! From a JPEG file to its pixels.

mod bits;
mod block;
mod buffered;
mod factors;
mod lookup;
pub(crate) mod markers;
mod pixels;
mod planes;
mod scan;
mod scans;
mod strips;
#[cfg(test)]
mod tests;
mod transform;

use std::fmt;
use std::ops::Range;
use std::time::Instant;

pub use markers::Warnings;
use markers::{ColorSpace, Frame, Reader, Scan};
use pixels::Color;
use planes::{Plane, Sampling, Upsampler};
use scan::{Irregular, OrdinaryScan, ScanComponent, ScanDecoder};
use scans::{CoefficientPlane, Coefficients};
use strips::Strips;
use transform::Transform;

use crate::Error;
use crate::kernels::{Kernels, kernels};

/// Which inverse cosine transform is computed; both are libjpeg-turbo's, to the byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dct {
    /// In 16 bits (`JDCT_IFAST`): what TensorFlow decodes with.
    #[default]
    Fast,
    /// In 32 bits (`JDCT_ISLOW`): what Pillow and browsers decode with.
    Accurate,
}

/// The bytes of a decoded pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Channels {
    /// Grey is 1, colour is red, green, blue, and CMYK is 4, as it is stored.
    #[default]
    Native,
    /// Luma alone: 1.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and 0; rows are padded to 16 pixels, and what the padding holds is left open.
    Rgbx,
}

/// How large an image is decoded. Scaled down, it is computed from fewer coefficients, with libjpeg-turbo's bytes for the scale.
///
/// Sides become the quotient, rounded up. [`Dct`] counts for what still has 8x8 samples a block, such as halved chroma.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// As it is.
    #[default]
    Whole,
    /// Half the width and the height.
    Half,
    /// A quarter of the width and the height.
    Quarter,
    /// An eighth of the width and the height: the means of the blocks.
    Eighth,
}

impl Scale {
    /// What sides are divided by.
    pub fn denominator(self) -> u32 {
        match self {
            Self::Whole => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }
}

/// How a JPEG is decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoding {
    /// The inverse transform.
    pub dct: Dct,
    /// What becomes of a pixel.
    pub channels: Channels,
    /// How large the image becomes; see [`Image::size`].
    pub scale: Scale,
    /// What is wanted of the image, as large as it becomes; `None`: all of it.
    pub window: Option<Window>,
    /// When decoding is given up; looked at before each row of blocks of each scan.
    pub deadline: Option<Instant>,
}

/// A part of an image, in pixels. Rows keep the image's width, but what they hold outside of the window is left open.
///
/// What is accepted doesn't depend on it: the rest of the file is walked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Pixels of a row.
    pub columns: Range<usize>,
    /// Rows from the top.
    pub rows: Range<usize>,
}

/// What a JPEG says before its first scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// In pixels, 1 to 65500.
    pub width: u32,
    /// In pixels, 1 to 65500.
    pub height: u32,
    /// Components as stored: 1 grey, 3 colour, 4 CMYK.
    pub components: u8,
    /// Progressive rather than sequential.
    pub is_progressive: bool,
}

/// Where decoded rows go.
pub trait Rows {
    /// Begins with the first row; happens a second time if a file turns out to be irregular half way.
    fn start(&mut self);

    /// The memory for row `y`, of the width in pixels times the channels (see [`Channels::Rgbx`]); `None` if nobody wants it. Rows
    /// come in order.
    fn row(&mut self, y: usize) -> Option<&mut [u8]>;

    /// All rows up to `y` are there. It is said every few rows, and at the end.
    fn finish(&mut self, y: usize);
}

/// Decodes JPEGs, one after the other in the same memory.
///
/// ```
/// use pixmill_jpeg::{Decoder, Decoding, Encoder, Encoding, PixelLayout, Scale};
///
/// let mut jpeg = Vec::new();
/// Encoder::default().encode(&[200; 3 * 5 * 4], 5, 4, PixelLayout::Rgb, &Encoding::default(), &mut jpeg)?;
/// let mut decoder = Decoder::default();
/// let image = decoder.read(&jpeg)?;
/// assert_eq!((image.header().width, image.header().height), (5, 4));
/// let mut pixels = Vec::new();
/// image.decode(&Decoding::default(), &mut pixels)?;
/// assert_eq!(pixels, [200; 3 * 5 * 4]);
///
/// let image = decoder.read(&jpeg)?;
/// assert_eq!(image.size(Scale::Half), (3, 2));
/// image.decode(&Decoding { scale: Scale::Half, ..Decoding::default() }, &mut pixels)?;
/// assert_eq!(pixels, [200; 3 * 3 * 2]);
/// # Ok::<(), pixmill_jpeg::Error>(())
/// ```
#[derive(Default)]
pub struct Decoder {
    scan: ScanDecoder,
    planes: Vec<Plane>,
    upsampler: Upsampler,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// Reads a file up to its first scan.
    ///
    /// # Errors
    /// What isn't a JPEG, is broken before any coded data, or is of a kind that isn't decoded: 12 bits, lossless, hierarchical.
    pub fn read<'a>(&'a mut self, jpeg: &'a [u8]) -> Result<Image<'a>, Error> {
        let mut reader = Reader::try_new(jpeg)?;
        let scan = match reader.next_scan() {
            Ok(Some(scan)) => scan,
            // What is wrong is made up behind the end.
            _ if reader.is_truncated() => return Err(Error::Truncated { bytes: jpeg.len() }),
            Ok(None) => return Err(Error::broken("there is no scan")),
            Err(error) => return Err(error),
        };
        let Some(frame) = reader.frame() else {
            return Err(Error::broken("there is no frame"));
        };
        let is_inverted = reader.has_adobe_segment();
        let color = match reader.color_space() {
            ColorSpace::Gray => Color::Gray,
            ColorSpace::YCbCr => Color::YCbCr,
            ColorSpace::Rgb => Color::Rgb,
            ColorSpace::Cmyk => Color::Cmyk { is_inverted },
            ColorSpace::Ycck => Color::Ycck { is_inverted },
            ColorSpace::Unknown(components) => {
                return Err(Error::unsupported(format!("{components} components; 1, 3 and 4 are decoded")));
            }
        };
        let header = Header {
            width: u32::from(frame.width),
            height: u32::from(frame.height),
            components: frame.components.len() as u8,
            is_progressive: frame.is_progressive,
        };
        Ok(Image { decoder: self, reader, scan, color, header, kernels: kernels() })
    }
}

/// A JPEG whose header was read.
pub struct Image<'a> {
    decoder: &'a mut Decoder,
    reader: Reader<'a>,
    scan: Scan,
    color: Color,
    header: Header,
    kernels: &'static Kernels,
}

impl fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Image<'_> {
    /// What was read.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The width and the height that the image gets, in pixels.
    pub fn size(&self, scale: Scale) -> (u32, u32) {
        let denominator = scale.denominator();
        (self.header.width.div_ceil(denominator), self.header.height.div_ceil(denominator))
    }

    /// The number of channels that pixels get.
    pub fn channels(&self, channels: Channels) -> u8 {
        self.color.channels(channels)
    }

    /// Decodes the whole image: `pixels` becomes the rows from the top, [`Image::channels`] bytes a pixel.
    ///
    /// # Errors
    /// What libjpeg refuses, and files that end before their image does.
    pub fn decode(self, decoding: &Decoding, pixels: &mut Vec<u8>) -> Result<Warnings, Error> {
        let (width, height) = self.size(decoding.scale);
        let (width, height) = (width as usize, height as usize);
        let width = if decoding.channels == Channels::Rgbx { width.next_multiple_of(16) } else { width };
        let row = width * usize::from(self.channels(decoding.channels));
        pixels.resize(row * height, 0);
        self.decode_rows(decoding, &mut WholeImage { pixels, row })
    }

    /// Decodes row by row, in a few rows' memory if the file is sequential and of one scan.
    ///
    /// # Errors
    /// As [`Image::decode`].
    pub fn decode_rows(mut self, decoding: &Decoding, rows: &mut dyn Rows) -> Result<Warnings, Error> {
        if self.decode_ordinary(decoding, rows).is_ok() {
            // Those of the header: an ordinary scan has none.
            return Ok(self.reader.source.warnings);
        }
        self.decode_buffered(decoding, rows)
    }

    /// Decodes as much of a file as there is, which may break off or be broken at any place behind its first scan header. What is
    /// missing is the grey that libjpeg leaves: all coefficients 0; of a progressive file, coarse where later scans are missing.
    ///
    /// Gives the number of rows from the top that are there, as far as the coded data can tell.
    ///
    /// # Errors
    /// What gives no pixel at all.
    pub fn decode_partly(self, decoding: &Decoding, pixels: &mut Vec<u8>) -> Result<usize, Error> {
        let (width, height) = self.size(decoding.scale);
        let row = width as usize * usize::from(self.channels(decoding.channels));
        let coefficients = scans::read_partly(self.reader.source.bytes(), decoding.deadline)?;
        let rows = coefficients.rows().div_ceil(decoding.scale.denominator() as usize);
        pixels.clear();
        pixels.resize(row * height as usize, 0);
        self.give_buffered(coefficients, decoding, &mut WholeImage { pixels, row })?;
        Ok(rows)
    }

    /// The way of most files: a row of MCUs after the other, nothing kept.
    fn decode_ordinary(&mut self, decoding: &Decoding, rows: &mut dyn Rows) -> Result<(), Irregular> {
        let frame = self.reader.frame().ok_or(Irregular)?;
        let components = self.ordinary_components(frame, decoding).ok_or(Irregular)?;
        let size = self.size(decoding.scale);
        let decoder = &mut *self.decoder;
        let source = &self.reader.source;
        let coded = source.bytes().get(source.position()..).ok_or(Irregular)?;
        decoder.scan.data.read(coded).ok_or(Irregular)?;
        for component in &components {
            let tables = &self.reader.tables;
            let (dc, ac) = (tables.dc.get(component.dc), tables.ac.get(component.ac));
            let (Some(Some(dc)), Some(Some(ac))) = (dc, ac) else { return Err(Irregular) };
            decoder.scan.dc[component.dc].set(&dc.counts, &dc.symbols).ok_or(Irregular)?;
            decoder.scan.ac[component.ac].set(&ac.counts, &ac.symbols).ok_or(Irregular)?;
        }
        let samplings: Vec<Sampling> = components.iter().map(|component| component.sampling).collect();
        let mut strips = Strips::new(size, &samplings, self.color, decoding, self.kernels);
        let mcus = strips.mcus;
        let scan = OrdinaryScan {
            mcus,
            restart_interval: usize::from(self.reader.tables.restart_interval),
            components: &components,
            deadline: decoding.deadline,
            wanted: strips.wanted_mcus(),
            used: strips.used,
        };
        strips.start(&mut decoder.planes, rows);
        let upsampler = &mut decoder.upsampler;
        let planes = &mut decoder.planes[..components.len()];
        decoder.scan.decode(&scan, planes, &mut |planes, row| strips.give(planes, row, upsampler, rows))
    }

    /// The components of a file that [`ScanDecoder`] decodes; `None`: it is of another kind.
    fn ordinary_components(&self, frame: &Frame, decoding: &Decoding) -> Option<Vec<ScanComponent>> {
        let is_ordinary = !frame.is_progressive
            && !frame.is_arithmetic
            && matches!(self.color, Color::Gray | Color::YCbCr | Color::Rgb)
            && !self.reader.has_multiple_scans();
        is_ordinary.then_some(())?;
        let tables = &self.reader.tables;
        let samplings = samplings(frame, decoding.scale);
        let component = |(place, in_scan): (usize, &markers::ScanComponent)| {
            let sampling = *samplings.get(place)?;
            let is_ordinary = in_scan.index == place && sampling.blocks.0 <= 2 && sampling.blocks.1 <= 2;
            is_ordinary.then_some(())?;
            let quantization = tables.quantization.get(usize::from(frame.components[place].quantization))?.as_ref()?;
            let (dc, ac) = (usize::from(in_scan.dc_table), usize::from(in_scan.ac_table));
            let transform = Transform::new(decoding.dct, sampling.size, quantization, self.kernels);
            (dc < 4 && ac < 4).then_some(ScanComponent { sampling, dc, ac, transform })
        };
        self.scan.components.iter().enumerate().map(component).collect()
    }

    /// The way of all others: all coefficients first, with libjpeg's recovery from what is broken.
    fn decode_buffered(self, decoding: &Decoding, rows: &mut dyn Rows) -> Result<Warnings, Error> {
        let coefficients = scans::read(self.reader.source.bytes(), decoding.deadline)?;
        self.give_buffered(coefficients, decoding, rows)
    }

    fn give_buffered(
        self,
        mut coefficients: Coefficients,
        decoding: &Decoding,
        rows: &mut dyn Rows,
    ) -> Result<Warnings, Error> {
        coefficients.smooth();
        let samplings = samplings(&coefficients.frame, decoding.scale);
        let used = self.color.components(decoding.channels);
        let mut strips = Strips::new(self.size(decoding.scale), &samplings, self.color, decoding, self.kernels);
        strips.start(&mut self.decoder.planes, rows);
        let (planes, upsampler) = (&mut self.decoder.planes, &mut self.decoder.upsampler);
        let transform = |(sampling, blocks): (&Sampling, &CoefficientPlane)| {
            Transform::new(decoding.dct, sampling.size, &blocks.quantization, self.kernels)
        };
        let transforms: Vec<Transform> = samplings.iter().zip(&coefficients.planes).map(transform).collect();
        for row in 0..strips.mcus.1 {
            check_time(decoding.deadline)?;
            let components = coefficients.planes.iter().zip(&samplings).zip(&transforms);
            for (plane, ((blocks, sampling), transform)) in planes.iter_mut().zip(components).take(used) {
                buffered::transform(blocks, row, sampling, plane, transform);
            }
            strips.give(planes, row, upsampler, rows);
            planes.iter_mut().for_each(Plane::advance);
        }
        Ok(coefficients.warnings)
    }
}

/// Gives up what takes too long.
fn check_time(deadline: Option<Instant>) -> Result<(), Error> {
    match deadline {
        Some(deadline) if Instant::now() > deadline => Err(Error::TooSlow),
        _ => Ok(()),
    }
}

/// How the components lie on the image. A component that is alone has its blocks one by one, whatever its factors.
///
/// In an image that is scaled down, libjpeg transforms a subsampled component to blocks of twice the size, or four times, as
/// long as that does for both directions; what is left of the subsampling is filtered, except at an eighth.
fn samplings(frame: &Frame, scale: Scale) -> Vec<Sampling> {
    let smallest = 8 / scale.denominator() as usize;
    let (most_across, most_down) = (usize::from(frame.largest_horizontal()), usize::from(frame.largest_vertical()));
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let sampling = |component: &markers::Component| {
        let (across, down) = (usize::from(component.horizontal), usize::from(component.vertical));
        let fits = |most: usize, factor: usize, size: usize| (most * smallest).is_multiple_of(factor * size);
        let mut size = smallest;
        while size < 8 && fits(most_across, across, 2 * size) && fits(most_down, down, 2 * size) {
            size *= 2;
        }
        Sampling {
            blocks: if frame.components.len() == 1 { (1, 1) } else { (across, down) },
            size,
            width: (width * across * size).div_ceil(most_across * 8),
            height: (height * down * size).div_ceil(most_down * 8),
            pixels: (most_across * smallest / (across * size), most_down * smallest / (down * size)),
            is_filtered: scale != Scale::Eighth,
        }
    };
    frame.components.iter().map(sampling).collect()
}

/// All rows, one behind the other.
struct WholeImage<'a> {
    pixels: &'a mut [u8],
    row: usize,
}

impl Rows for WholeImage<'_> {
    fn start(&mut self) {}

    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        self.pixels.get_mut(y * self.row..(y + 1) * self.row)
    }

    fn finish(&mut self, _: usize) {}
}
