//! The encoder: sequential Huffman coding of 8-bit samples (ITU-T T.81, annex F.1), with the bytes that libjpeg-turbo writes.
//!
//! Row by row of minimum coded units: pixels to samples, samples to quantised coefficients, those to symbols. The symbols are coded at
//! once with the standard's tables, or when all are counted with tables of the image's own; the coefficients are walked only once.

pub(crate) mod bits;
mod frame;
mod header;
pub(crate) mod huffman;
mod quantization;
mod strip;
pub(crate) mod symbols;

#[cfg(test)]
mod tests;

use bits::Bits;
use frame::Frame;
use huffman::{Codes, Table};
use strip::{Image, Strip};
use symbols::{Batch, Symbols};

use crate::Error;
use crate::kernels::forward::Divisors;
use crate::kernels::{Kernels, kernels};

/// What the bytes of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelLayout {
    /// One byte; the JPEG has one component.
    Gray,
    /// Red, green and blue; the JPEG has luma and two chromas.
    Rgb,
    /// Red, green, blue, and a byte that doesn't count.
    Rgbx,
}

impl PixelLayout {
    fn bytes(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgbx => 4,
        }
    }
}

/// How many chroma samples a JPEG keeps; a gray one has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subsampling {
    /// One for each pixel: 4:4:4.
    #[default]
    Full,
    /// One for two neighbours: 4:2:2.
    HalfWidth,
    /// One for two neighbours and the two below: 4:2:0.
    Quarter,
}

/// How an image becomes a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// 1 to 100, libjpeg's scale.
    pub quality: u8,
    /// How many chroma samples are kept.
    pub subsampling: Subsampling,
    /// Whether the JPEG has Huffman tables of its own instead of the standard's; the pixels are the same, the file is smaller.
    pub optimize: bool,
}

impl Default for Encoding {
    /// Quality 95, 4:4:4, tables of its own.
    fn default() -> Self {
        Self { quality: 95, subsampling: Subsampling::Full, optimize: true }
    }
}

/// Encodes JPEGs one after the other; it keeps only memory from one to the next.
///
/// ```
/// use pixmill_jpeg::{Encoder, Encoding, PixelLayout};
///
/// let mut jpeg = Vec::new();
/// let red = [200, 30, 40].repeat(16 * 16);
/// Encoder::default().encode(&red, 16, 16, PixelLayout::Rgb, &Encoding::default(), &mut jpeg)?;
/// assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
/// # Ok::<(), pixmill_jpeg::Error>(())
/// ```
#[derive(Default)]
pub struct Encoder {
    strip: Strip,
    batch: Batch,
    symbols: Symbols,
    codes: Codes,
    bits: Bits,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// Appends an image's JPEG to `jpeg`. Rows of `pixels` come from the top, without gaps.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if a side is 0 or over 65500 pixels, if `pixels` is of another length than the sides say, or if the quality
    /// isn't 1 to 100. Nothing is appended then.
    pub fn encode(
        &mut self,
        pixels: &[u8],
        width: u32,
        height: u32,
        layout: PixelLayout,
        encoding: &Encoding,
        jpeg: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let frame = Frame::new(width, height, layout, encoding.subsampling)?;
        let needed = u64::from(width) * u64::from(height) * layout.bytes() as u64;
        if pixels.len() as u64 != needed {
            let what = format!("{} bytes of pixels; an image of {width}x{height} has {needed}", pixels.len());
            return Err(Error::unsupported(what));
        }
        let steps = quantization::steps(encoding.quality)?;
        let image = Image { pixels, layout, subsampling: encoding.subsampling };
        let tables = self.scan(kernels(), &frame, image, &steps, encoding.optimize);
        header::write(&frame, &steps, &tables, jpeg);
        self.bits.finish(jpeg);
        jpeg.extend(header::END);
        Ok(())
    }

    /// Codes the image; returns the tables of the codes.
    fn scan(
        &mut self,
        kernels: &Kernels,
        frame: &Frame,
        image: Image,
        steps: &[[u8; 64]; 2],
        optimize: bool,
    ) -> [Table; 4] {
        let divisors = steps.each_ref().map(Divisors::new);
        let standard = (!optimize).then(Table::standard);
        if let Some(tables) = &standard {
            self.codes.set(tables);
        }
        self.strip.fit(frame);
        self.symbols.start();
        self.bits.start();
        for row in 0..frame.rows_of_units {
            self.strip.fill(kernels, frame, image, row);
            self.symbols.reserve(frame.blocks_in_row());
            for index in 0..frame.batches() {
                self.transform(kernels, frame, &divisors, index);
                frame.fill_up(&mut self.batch, index, row);
                (kernels.collect)(&self.batch, frame.order(index), &mut self.symbols);
            }
            if !optimize {
                (kernels.emit)(&mut self.bits, self.symbols.take(), &self.codes);
            }
        }
        standard.unwrap_or_else(|| {
            let tables = self.symbols.counts().each_ref().map(Table::optimal);
            self.codes.set(&tables);
            (kernels.emit)(&mut self.bits, self.symbols.take(), &self.codes);
            tables
        })
    }

    /// Transforms the blocks of two neighbouring units, pair by pair.
    fn transform(&mut self, kernels: &Kernels, frame: &Frame, divisors: &[Divisors; 2], index: usize) {
        for (number, component) in frame.components().iter().enumerate() {
            let plane = self.strip.plane(number);
            let first_pair = component.first_block / 2;
            for row in 0..component.down {
                for pair in 0..component.across {
                    let samples = &plane[row * 8 * component.stride + (index * component.across + pair) * 16..];
                    let at = first_pair + row * component.across + pair;
                    let blocks = &mut self.batch.blocks.as_chunks_mut().0[at];
                    let nonzero = &mut self.batch.nonzero.as_chunks_mut().0[at];
                    (kernels.forward)(samples, component.stride, &divisors[number.min(1)], blocks, nonzero);
                }
            }
        }
    }
}
