//! What the first directory of a TIFF says (TIFF 6.0, section 2, and BigTIFF): tags and their values.

use std::collections::HashSet;

use image::metadata::Orientation;

use super::super::bad_image::BadImage;
use super::broken;

/// The tags that are read.
pub(super) mod tag {
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const HEIGHT: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const ORIENTATION: u16 = 274;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const ROWS_PER_STRIP: u16 = 278;
    pub(in super::super) const STRIP_BYTES: u16 = 279;
    pub(in super::super) const PLANAR: u16 = 284;
    pub(in super::super) const T4_OPTIONS: u16 = 292;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const COLOR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_HEIGHT: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTES: u16 = 325;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const OLD_JPEG: u16 = 513;
    pub(in super::super) const YCBCR_COEFFICIENTS: u16 = 529;
    pub(in super::super) const YCBCR_SUBSAMPLING: u16 = 530;
    pub(in super::super) const REFERENCE_BLACK_WHITE: u16 = 532;
}

/// A file, and how its numbers are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_big_endian: bool,
    /// BigTIFF: offsets and counts of 8 bytes.
    is_wide: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the value stands, or its offset.
    at: usize,
}

/// The first directory.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    pub(super) source: Source<'a>,
    entries: Vec<Entry>,
}

impl<'a> Source<'a> {
    pub(super) fn try_new(bytes: &'a [u8]) -> Result<Self, BadImage> {
        let (is_big_endian, is_wide) = match bytes.get(..4) {
            Some(b"II*\0") => (false, false),
            Some(b"MM\0*") => (true, false),
            Some(b"II+\0") => (false, true),
            Some(b"MM\0+") => (true, true),
            _ => return Err(broken("it doesn't begin as a TIFF does")),
        };
        Ok(Self { bytes, is_big_endian, is_wide })
    }

    /// A number of so many bytes; `None` behind the end.
    fn number(&self, at: usize, bytes: usize) -> Option<u64> {
        let field = self.bytes.get(at..at.checked_add(bytes)?)?;
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.is_big_endian { field.iter().fold(0, join) } else { field.iter().rev().fold(0, join) })
    }

    /// A number of the width of offsets.
    fn offset(&self, at: usize) -> Option<usize> {
        usize::try_from(self.number(at, if self.is_wide { 8 } else { 4 })?).ok()
    }

    fn first_directory(&self) -> Option<usize> {
        self.offset(if self.is_wide { 8 } else { 4 })
    }

    /// How many entries the directory there has, where they begin, and the bytes of one.
    fn entries(&self, directory: usize) -> Option<(usize, usize, usize)> {
        let (count_bytes, entry_bytes) = if self.is_wide { (8, 20) } else { (2, 12) };
        let count = usize::try_from(self.number(directory, count_bytes)?).ok()?;
        Some((count, directory.checked_add(count_bytes)?, entry_bytes))
    }

    /// The length of the chain of directories; one that runs in a circle ends there.
    pub(super) fn directories(&self) -> u32 {
        const MOST: u32 = 65_535;
        let mut seen = HashSet::new();
        let mut next = self.first_directory();
        let mut frames = 0;
        while let Some(at @ 1..) = next {
            if frames == MOST || !seen.insert(at) {
                break;
            }
            let Some((count, start, bytes)) = self.entries(at) else { break };
            frames += 1;
            next = count.checked_mul(bytes).and_then(|length| self.offset(start.checked_add(length)?));
        }
        frames
    }
}

impl<'a> Directory<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, BadImage> {
        let source = Source::try_new(bytes)?;
        let behind = || BadImage::truncated("tiff", "the directory of its first image is behind the end of the file");
        let at = source.first_directory().ok_or_else(behind)?;
        let (count, start, entry_bytes) = source.entries(at).ok_or_else(behind)?;
        // What an entry takes in the file bounds how many there are.
        let count = count.min(bytes.len() / entry_bytes);
        let mut entries = Vec::with_capacity(count);
        for number in 0..count {
            let at = start + number * entry_bytes;
            let (count_bytes, value) = if source.is_wide { (8, at + 12) } else { (4, at + 8) };
            let fields = (source.number(at, 2), source.number(at + 2, 2), source.number(at + 4, count_bytes));
            // Of a directory that is cut off, there is what comes before.
            let ((Some(tag), Some(kind), Some(count)), Some(_)) = (fields, bytes.get(value..at + entry_bytes)) else {
                break;
            };
            entries.push(Entry { tag: tag as u16, kind: kind as u16, count, at: value });
        }
        Ok(Self { source, entries })
    }

    /// The bytes of a tag's values, with the type of these; `None` where there is no such tag.
    fn field(&self, tag: u16) -> Result<Option<(u16, &'a [u8])>, BadImage> {
        let Some(entry) = self.entries.iter().find(|entry| entry.tag == tag) else { return Ok(None) };
        let bytes = usize::try_from(entry.count).ok().and_then(|count| count.checked_mul(bytes_of(entry.kind)));
        let room = if self.source.is_wide { 8 } else { 4 };
        let field = bytes.and_then(|bytes| {
            let at = if bytes <= room { entry.at } else { self.source.offset(entry.at)? };
            self.source.bytes.get(at..at.checked_add(bytes)?)
        });
        let behind = || BadImage::truncated("tiff", format!("the values of tag {tag} are behind the end of the file"));
        field.map(|field| Some((entry.kind, field))).ok_or_else(behind)
    }

    /// The whole numbers of a tag.
    pub(super) fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, BadImage> {
        let Some((kind, field)) = self.field(tag)? else { return Ok(None) };
        if !matches!(kind, 1 | 3 | 4 | 6 | 7 | 8 | 9 | 13 | 16..=18) {
            return Err(broken(format!("tag {tag} has values of type {kind}, which are no whole numbers")));
        }
        let source = Source { bytes: field, ..self.source };
        let width = bytes_of(kind);
        Ok(Some((0..field.len() / width).filter_map(|index| source.number(index * width, width)).collect()))
    }

    /// The first whole number of a tag, or what holds without it.
    pub(super) fn number(&self, tag: u16, otherwise: u64) -> Result<u64, BadImage> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.first().copied()).unwrap_or(otherwise))
    }

    /// The fractions of a tag; whole numbers are fractions, too.
    pub(super) fn fractions(&self, tag: u16) -> Result<Option<Vec<f64>>, BadImage> {
        let Some((kind, field)) = self.field(tag)? else { return Ok(None) };
        if kind != 5 {
            return Ok(self.numbers(tag)?.map(|numbers| numbers.into_iter().map(|number| number as f64).collect()));
        }
        let source = Source { bytes: field, ..self.source };
        let fraction =
            |index: usize| Some(source.number(8 * index, 4)? as f64 / source.number(8 * index + 4, 4)? as f64);
        Ok(Some((0..field.len() / 8).filter_map(fraction).collect()))
    }

    /// The orientation, a number of two or four bytes.
    pub(super) fn orientation(&self) -> Option<Orientation> {
        let (kind, _) = self.field(tag::ORIENTATION).ok()??;
        let number = self.number(tag::ORIENTATION, 0).ok()?;
        Orientation::from_exif(u8::try_from(number).ok()?).filter(|_| matches!(kind, 3 | 4))
    }

    /// The bytes of a tag.
    pub(super) fn bytes(&self, tag: u16) -> Result<Option<&'a [u8]>, BadImage> {
        Ok(self.field(tag)?.map(|(_, field)| field))
    }
}

/// The bytes of a value of each type.
fn bytes_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}
