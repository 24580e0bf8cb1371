//! TIFF (revision 6.0, with the usual additions): the first image of a file, of any layout that still images have.

mod chunk;
mod color;
mod directory;
mod fax;
mod samples;
#[cfg(test)]
mod tests;

use image::metadata::Orientation;

use super::bad_image::BadImage;
use super::limits::{check_image, check_time};
use super::partial::Part;
use super::pixels::{MAX_VALUES, checked_size};
use chunk::Compression;
use color::Photometric;
use directory::{Directory, Source, tag};
use fax::Scheme;
use samples::{Depth, Samples};

/// What the first image of a file is like.
#[derive(Debug)]
pub(crate) struct Tiff<'a> {
    directory: Directory<'a>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Samples of a pixel, as stored.
    pub(crate) samples: u16,
    /// Bits of a sample.
    pub(crate) bits: u16,
    depth: Depth,
    photometric: Photometric,
    compression: Compression,
    predictor: u64,
    is_planar: bool,
    /// Bits of a byte come from the lowest on.
    is_reversed: bool,
    tables: Option<&'a [u8]>,
    chunks: Chunks,
}

/// The strips or tiles.
#[derive(Debug)]
struct Chunks {
    width: usize,
    height: usize,
    across: usize,
    down: usize,
    is_tiled: bool,
    offsets: Vec<u64>,
    /// Empty where the file doesn't say them.
    bytes: Vec<u64>,
}

fn broken(what: impl std::fmt::Display) -> BadImage {
    BadImage::broken("tiff", what)
}

fn unsupported(what: impl std::fmt::Display) -> BadImage {
    BadImage::unsupported("tiff", what)
}

impl<'a> Tiff<'a> {
    /// Reads what the first directory says.
    pub(crate) fn read(content: &'a [u8]) -> Result<Self, BadImage> {
        let directory = Directory::read(content)?;
        let side = |number, name| {
            let side = directory.numbers(number)?.and_then(|numbers| numbers.first().copied());
            let side = side.ok_or_else(|| broken(format!("it says no {name}")))?;
            u32::try_from(side).map_err(|_error| broken(format!("a {name} of {side}")))
        };
        let (width, height) = (side(tag::WIDTH, "width")?, side(tag::HEIGHT, "height")?);
        let samples = directory.number(tag::SAMPLES, 1)?;
        let samples = u16::try_from(samples).ok().filter(|samples| (1..=64).contains(samples));
        let samples = samples.ok_or_else(|| unsupported("a pixel of more than 64 samples, or of none"))?;
        checked_size(width, height, samples as u8)?;
        let bits = directory.numbers(tag::BITS)?.unwrap_or_else(|| vec![1]);
        if bits.iter().any(|other| *other != bits[0]) {
            return Err(unsupported(format!("samples of different depths {bits:?}")));
        }
        let bits = bits.first().copied().unwrap_or(1);
        let format = directory.number(tag::SAMPLE_FORMAT, 1)?;
        let depth = Depth::try_new(bits, format)?;
        let compression = compression(&directory)?;
        let mut tiff = Self {
            width,
            height,
            samples,
            bits: bits as u16,
            depth,
            photometric: Photometric::read(&directory, samples, bits)?,
            compression,
            predictor: directory.number(tag::PREDICTOR, 1)?,
            is_planar: directory.number(tag::PLANAR, 1)? == 2 && samples > 1,
            is_reversed: directory.number(tag::FILL_ORDER, 1)? == 2,
            tables: directory.bytes(tag::JPEG_TABLES)?,
            chunks: Chunks::read(&directory, (width, height))?,
            directory,
        };
        tiff.check()?;
        Ok(tiff)
    }

    fn check(&mut self) -> Result<(), BadImage> {
        let chunks = &self.chunks;
        let padded = [chunks.width, chunks.height, chunks.across, chunks.down, usize::from(self.samples)];
        if padded
            .into_iter()
            .map(|factor| factor as u64)
            .try_fold(1_u64, u64::checked_mul)
            .is_none_or(|all| all >= MAX_VALUES)
        {
            return Err(BadImage::too_large(format!("tiles of {}x{} pixels", chunks.width, chunks.height)));
        }
        let planes = if self.is_planar { usize::from(self.samples) } else { 1 };
        let needed = chunks.across * chunks.down * planes;
        if chunks.offsets.len() < needed {
            return Err(broken(format!("{} of its {needed} strips or tiles are listed", chunks.offsets.len())));
        }
        match (self.compression, self.predictor) {
            (Compression::Fax(_), _) if (self.bits, self.samples) != (1, 1) => {
                Err(broken(format!("ccitt codes for {} samples of {} bits", self.samples, self.bits)))
            }
            (Compression::Jpeg, _) if self.bits != 8 => Err(unsupported(format!("jpeg of {} bits", self.bits))),
            (Compression::Lzw | Compression::Deflate, 2) if !matches!(self.bits, 8 | 16 | 32 | 64) => {
                Err(unsupported(format!("differences of samples of {} bits", self.bits)))
            }
            (Compression::Lzw | Compression::Deflate, 3) if !self.depth.is_float() => {
                Err(broken("differences of floats, of whole numbers"))
            }
            (Compression::Lzw | Compression::Deflate, predictor) if !(1..=3).contains(&predictor) => {
                Err(unsupported(format!("predictor {predictor}")))
            }
            _ => Ok(()),
        }
    }

    /// Decodes the image, or as many rows as there are.
    pub(crate) fn decode(&self) -> Result<Part, BadImage> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        check_image(self.width, self.height, pixels * u64::from(self.samples) * u64::from(self.bits.div_ceil(8)))?;
        let (samples, fault) = self.samples()?;
        // A small file may say that it is large.
        if let Some((0, fault)) = fault {
            return Err(fault);
        }
        let pixels = self.photometric.pixels(&samples, self);
        Ok(match fault {
            Some((rows, fault)) => Part::cut(pixels, rows, fault),
            None => Part::whole(pixels),
        })
    }

    /// The samples of all pixels; and if something is wrong, how many rows are complete, and what it is.
    fn samples(&self) -> Result<(Samples, Option<(usize, BadImage)>), BadImage> {
        let mut samples =
            Samples::new(self.depth, self.width as usize, self.height as usize, usize::from(self.samples));
        let (across, down) = (self.chunks.across, self.chunks.down);
        // Extra samples that mean nothing aren't looked at.
        let planes = if self.is_planar { self.photometric.used_samples() } else { 1 };
        for plane in 0..planes {
            for index in 0..across * down {
                check_time()?;
                let (column, row) = (index % across, index / across);
                let at = (column * self.chunks.width, row * self.chunks.height);
                if let Err((rows, fault)) = self.chunk(plane * across * down + index, plane, at, &mut samples) {
                    let complete = if across == 1 { at.1 + rows } else { at.1 };
                    let complete = if plane + 1 == planes { complete } else { 0 };
                    return Ok((samples, Some((complete, fault))));
                }
            }
        }
        Ok((samples, None))
    }

    /// Decodes a strip or a tile; what is wrong comes with the rows before it.
    fn chunk(
        &self,
        index: usize,
        plane: usize,
        (x, y): (usize, usize),
        samples: &mut Samples,
    ) -> Result<(), (usize, BadImage)> {
        let chunks = &self.chunks;
        let rows = chunks.height.min(self.height as usize - y);
        let of_pixel = if self.is_planar { 1 } else { usize::from(self.samples) };
        let subsampling = self.photometric.subsampling().filter(|_| self.compression != Compression::Jpeg);
        let row_bytes = match subsampling {
            Some((wide, high)) => chunks.width.div_ceil(wide) * (wide * high + 2),
            None => (chunks.width * of_pixel * usize::from(self.bits)).div_ceil(8),
        };
        let row_height = subsampling.map_or(1, |(_, high)| high);
        let needed = row_bytes * rows.div_ceil(row_height);
        let data = self.data(index, needed);
        let mut reversed = Vec::new();
        let data = match self.is_reversed && self.compression != Compression::Jpeg {
            true => {
                reversed.extend(data.iter().map(|byte| byte.reverse_bits()));
                &reversed
            }
            false => data,
        };
        let (mut values, error) = match self.compression {
            Compression::Jpeg => return self.jpeg(data, plane, (x, y), rows, samples).map_err(|fault| (0, fault)),
            Compression::Fax(scheme) => (fax::decode(data, scheme, chunks.width, rows), None),
            compression => chunk::uncompress(data, compression, needed),
        };
        let there = values.len() / row_bytes;
        values.truncate(there * row_bytes);
        if matches!(self.compression, Compression::Lzw | Compression::Deflate) {
            let source = &self.directory.source;
            for row in values.chunks_exact_mut(row_bytes) {
                self.depth.undo_prediction(row, self.predictor, of_pixel, source.is_big_endian);
            }
        }
        let is_big_endian = self.directory.source.is_big_endian;
        match subsampling {
            Some(subsampling) => samples.put_subsampled(&values, subsampling, (x, y), chunks.width),
            None => {
                for (row, values) in values.chunks_exact(row_bytes).enumerate() {
                    samples.put(values, (x, y + row), plane, of_pixel, is_big_endian);
                }
            }
        }
        if there * row_bytes == needed {
            return Ok(());
        }
        let fault = match error {
            Some(error) => broken(error),
            None => BadImage::truncated(
                "tiff",
                format!(
                    "its {} {index} has {there} of {rows} rows",
                    if self.chunks.is_tiled { "tile" } else { "strip" }
                ),
            ),
        };
        Err(((there * row_height).min(rows), fault))
    }

    /// The data of a strip or tile, as far as the file has them.
    fn data(&self, index: usize, needed: usize) -> &'a [u8] {
        let number = |numbers: &[u64]| numbers.get(index).and_then(|number| usize::try_from(*number).ok());
        let bytes = self.directory.source.bytes;
        let data = number(&self.chunks.offsets).and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        // Uncompressed data are as long as they must be, whatever the file says.
        let length = match self.compression {
            Compression::None => needed,
            _ => number(&self.chunks.bytes).filter(|length| *length > 0).unwrap_or(data.len()),
        };
        &data[..length.min(data.len())]
    }

    fn jpeg(
        &self,
        data: &[u8],
        plane: usize,
        (x, y): (usize, usize),
        rows: usize,
        samples: &mut Samples,
    ) -> Result<(), BadImage> {
        let of_pixel = if self.is_planar { 1 } else { usize::from(self.samples) };
        // A JPEG may be padded to whole MCUs; one of the old kind is the whole image.
        let most = |chunk: usize, image: u32| chunk.max(image as usize).next_multiple_of(16);
        let most = (most(self.chunks.width, self.width), most(self.chunks.height, self.height));
        let decoded = chunk::jpeg(data, self.tables, self.photometric.is_ycbcr(), most)?;
        if decoded.channels != of_pixel {
            return Err(broken(format!("a jpeg of {} samples for {of_pixel}", decoded.channels)));
        }
        let row_bytes = decoded.width * decoded.channels;
        let there = decoded.values.len() / row_bytes;
        if decoded.width < self.chunks.width.min(self.width as usize - x) || there < rows {
            return Err(broken(format!("a jpeg of {}x{there} pixels where more are needed", decoded.width)));
        }
        for (row, values) in decoded.values.chunks_exact(row_bytes).take(rows).enumerate() {
            samples.put(values, (x, y + row), plane, of_pixel, false);
        }
        Ok(())
    }

    /// How many images the file has.
    pub(crate) fn frames(content: &[u8]) -> u32 {
        Source::try_new(content).map_or(0, |source| source.directories())
    }
}

/// The orientation of a TIFF or of an EXIF block, which is one.
pub(crate) fn orientation(content: &[u8]) -> Option<Orientation> {
    Directory::read(content).ok()?.orientation()
}

fn compression(directory: &Directory<'_>) -> Result<Compression, BadImage> {
    Ok(match directory.number(tag::COMPRESSION, 1)? {
        1 => Compression::None,
        2 => Compression::Fax(Scheme::Runs),
        3 => {
            let is_two_dimensional = directory.number(tag::T4_OPTIONS, 0)? & 1 == 1;
            Compression::Fax(Scheme::Group3 { is_two_dimensional })
        }
        4 => Compression::Fax(Scheme::Group4),
        5 => Compression::Lzw,
        // Of the old kind, those are read that have a whole JPEG in one strip.
        6 if directory.numbers(tag::OLD_JPEG)?.is_some() => Compression::Jpeg,
        6 => return Err(unsupported("compression 6 (old jpeg) in pieces")),
        7 => Compression::Jpeg,
        8 | 32_946 => Compression::Deflate,
        32_773 => Compression::PackBits,
        other => {
            let name = match other {
                32_771 => " (ccitt words)",
                32_809 => " (thunderscan)",
                34_661 => " (jbig)",
                33_003 | 33_005 | 34_712 => " (jpeg 2000)",
                34_887 => " (lerc)",
                34_925 => " (lzma)",
                50_000 => " (zstd)",
                50_001 => " (webp)",
                50_002 | 52_546 => " (jpeg xl)",
                _ => "",
            };
            return Err(unsupported(format!("compression {other}{name}")));
        }
    })
}

impl Chunks {
    fn read(directory: &Directory<'_>, (width, height): (u32, u32)) -> Result<Self, BadImage> {
        let (width, height) = (width as usize, height as usize);
        let is_tiled = directory.numbers(tag::TILE_WIDTH)?.is_some();
        let (offsets, bytes) =
            if is_tiled { (tag::TILE_OFFSETS, tag::TILE_BYTES) } else { (tag::STRIP_OFFSETS, tag::STRIP_BYTES) };
        // Some writers list tiles as strips.
        let offsets = match directory.numbers(offsets)? {
            Some(offsets) => offsets,
            None => {
                directory.numbers(tag::STRIP_OFFSETS)?.ok_or_else(|| broken("it doesn't say where its data are"))?
            }
        };
        let bytes = match directory.numbers(bytes)? {
            Some(bytes) => bytes,
            None => directory.numbers(tag::STRIP_BYTES)?.unwrap_or_default(),
        };
        let (chunk_width, chunk_height) = if is_tiled {
            (directory.number(tag::TILE_WIDTH, 0)?, directory.number(tag::TILE_HEIGHT, 0)?)
        } else {
            (width as u64, directory.number(tag::ROWS_PER_STRIP, height as u64)?.min(height as u64))
        };
        let usable = |side: u64| usize::try_from(side).ok().filter(|side| (1..=1 << 29).contains(side));
        let (Some(chunk_width), Some(chunk_height)) = (usable(chunk_width), usable(chunk_height)) else {
            return Err(broken(format!("strips or tiles of {chunk_width}x{chunk_height} pixels")));
        };
        let (across, down) = (width.div_ceil(chunk_width), height.div_ceil(chunk_height));
        Ok(Self { width: chunk_width, height: chunk_height, across, down, is_tiled, offsets, bytes })
    }
}
