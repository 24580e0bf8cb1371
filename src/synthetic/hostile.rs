//! What real folders of photos have among them: broken files, files that are something else, and odd ones that are photos all the same.

use std::io::{Cursor, Error, Result};

use image::codecs::gif::GifEncoder;
use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};
use pixmill_jpeg::{Encoding, PixelLayout, Subsampling};

use super::random::Random;
use super::{PhotoSet, encode};

/// A set of photos of which a share is broken or odd.
#[derive(Debug, Clone, PartialEq)]
pub struct HostileSet {
    /// The set.
    pub photos: PhotoSet,
    /// How many of the files are of some other [kind](Kind), 0 to 1. All kinds come in turn.
    pub share: f64,
}

impl HostileSet {
    /// What file `index` is; `None` of an ordinary photo.
    pub fn kind(&self, index: usize) -> Option<&'static Kind> {
        // One in each run of as many files as there are to one that is hostile.
        let run = (index as f64 * self.share).floor();
        let begin = |run: f64| (run / self.share).ceil() as usize;
        let (start, end) = (begin(run), begin(run + 1.0));
        let place = Random::of_hostile(self.photos.seed, run as usize).below(end.saturating_sub(start).max(1));
        (self.share > 0.0 && index == start + place).then(|| &KINDS[run as usize % KINDS.len()])
    }

    /// Relative path of file `index` with `/` as separator.
    pub fn path(&self, index: usize) -> String {
        let path = self.photos.path(index);
        match self.kind(index) {
            Some(Kind { make: Make::Named(name), .. }) => path.replace(".jpg", name),
            _ => path,
        }
    }

    /// Checks that there is such a set.
    ///
    /// # Errors
    /// `InvalidInput` if `share` is not 0 to 1, and those of [`PhotoSet::check`].
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(super::refusal(&format!("the hostile share must be 0 to 1, got {}", self.share)));
        }
        self.photos.check()
    }

    /// The bytes of file `index`.
    ///
    /// # Errors
    /// Those of [`PhotoSet::jpeg`].
    pub fn file(&self, index: usize) -> Result<Vec<u8>> {
        let photo = |index| self.photos.jpeg(index);
        let Some(kind) = self.kind(index) else { return photo(index) };
        let mut random = Random::of_hostile(self.photos.seed ^ 1, index);
        match kind.make {
            Make::Bytes(bytes) => Ok(bytes.to_vec()),
            Make::Named(_) => photo(index),
            Make::Damaged(damage) => Ok(damage(photo(index)?, &mut random)),
            Make::Spliced => {
                let (mut first, second) = (photo(index)?, photo(index + 1)?);
                first.truncate(first.len() / 2);
                first.extend_from_slice(&second[second.len() / 2..]);
                Ok(first)
            }
            Make::Encoded(encoded) => {
                let (width, height, pixels) = self.photos.pixels(index)?;
                let image = RgbImage::from_raw(width.into(), height.into(), pixels.into_flattened());
                encoded(image.ok_or_else(|| Error::other("an image of another size"))?)
            }
        }
    }
}

/// A kind of file that isn't an ordinary photo.
#[derive(Debug)]
pub struct Kind {
    /// A few words that tell it from the others.
    pub name: &'static str,
    /// Whether it is an image; `None` where that depends on which bytes are damaged.
    pub is_image: Option<bool>,
    make: Make,
}

type Damage = fn(Vec<u8>, &mut Random) -> Vec<u8>;
type Encoded = fn(RgbImage) -> Result<Vec<u8>>;

#[derive(Debug)]
enum Make {
    Bytes(&'static [u8]),
    /// A photo under a name that ends otherwise.
    Named(&'static str),
    /// A photo that something has happened to.
    Damaged(Damage),
    /// The first half of a photo before the second half of the next.
    Spliced,
    /// The pixels of a photo in another way.
    Encoded(Encoded),
}

const fn kind(name: &'static str, is_image: Option<bool>, make: Make) -> Kind {
    Kind { name, is_image, make }
}

const IMAGE: Option<bool> = Some(true);
const NONE: Option<bool> = Some(false);

/// All kinds.
pub const KINDS: [Kind; 36] = [
    kind("empty", NONE, Make::Bytes(b"")),
    kind("one byte", NONE, Make::Bytes(b"\xff")),
    kind("start of an image", NONE, Make::Bytes(b"\xff\xd8")),
    kind("HTML page", NONE, Make::Bytes(b"<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n")),
    kind("JSON error", NONE, Make::Bytes(b"{\"error\": {\"code\": 403, \"message\": \"expired\"}}\n")),
    kind("pointer to a large file", NONE, Make::Bytes(LFS_POINTER)),
    kind("Photoshop file", NONE, Make::Bytes(b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0\0\x10\0\x08\0\x03")),
    kind("HEIC file", NONE, Make::Bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")),
    kind("SVG file", NONE, Make::Bytes(b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>")),
    kind("claims 3.6 billion pixels", NONE, Make::Bytes(CLAIMS)),
    kind("zeros", NONE, Make::Damaged(|photo, _| vec![0; photo.len()])),
    kind("text before the image", NONE, Make::Damaged(|photo, _| [b"photo:\n", &*photo].concat())),
    kind("cut in its rows", NONE, Make::Damaged(|photo, random| cut(photo, random.between(0.1, 0.9)))),
    kind("cut before its rows", NONE, Make::Damaged(without_rows)),
    kind("cut in the header", NONE, Make::Damaged(|photo, random| photo[..4 + random.below(300)].to_vec())),
    kind("without quantisation tables", NONE, Make::Damaged(|photo, _| without(&photo, 0xdb))),
    kind("without Huffman tables", None, Make::Damaged(|photo, _| without(&photo, 0xc4))),
    kind("flipped bits", None, Make::Damaged(flipped)),
    kind("spliced", None, Make::Spliced),
    kind("cut PNG", NONE, Make::Encoded(|image| Ok(cut(written(image, ImageFormat::Png)?, 0.5)))),
    kind("bytes behind the end", IMAGE, Make::Damaged(|photo, _| [&*photo, &[0x5a; 5000]].concat())),
    kind("broken EXIF", IMAGE, Make::Damaged(|photo, _| with_segment(&photo, 0xe1, b"Exif\0\0II*\0\xff\xff\xff\xff"))),
    kind(
        "broken ICC profile",
        IMAGE,
        Make::Damaged(|photo, _| with_segment(&photo, 0xe2, b"ICC_PROFILE\0\x07\x02broken")),
    ),
    kind("turned by EXIF", IMAGE, Make::Damaged(turned)),
    kind("PNG under a wrong name", IMAGE, Make::Encoded(|image| written(image, ImageFormat::Png))),
    kind("BMP under a wrong name", IMAGE, Make::Encoded(|image| written(image, ImageFormat::Bmp))),
    kind("TIFF under a wrong name", IMAGE, Make::Encoded(|image| Ok(tiff(&image)))),
    kind("WebP under a wrong name", IMAGE, Make::Encoded(|image| written(image, ImageFormat::WebP))),
    kind("animated GIF", IMAGE, Make::Encoded(animated)),
    kind(
        "PNG of 16 bits",
        IMAGE,
        Make::Encoded(|image| written(DynamicImage::from(image).into_rgb16(), ImageFormat::Png)),
    ),
    kind(
        "PNG with alpha",
        IMAGE,
        Make::Encoded(|image| written(DynamicImage::from(image).into_luma_alpha8(), ImageFormat::Png)),
    ),
    kind("grey", IMAGE, Make::Encoded(grey)),
    kind("half the colours", IMAGE, Make::Encoded(half_the_colours)),
    kind("one pixel", IMAGE, Make::Encoded(|image| jpeg(&part(image, 1, 1)))),
    kind("thin", IMAGE, Make::Encoded(|image| jpeg(&part(image, u32::MAX, 1)))),
    kind("odd name", IMAGE, Make::Named(" é%20#1.JPG")),
];

const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n\
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

/// A PNG whose header says 60,000 x 60,000 pixels of RGB, and that ends there.
const CLAIMS: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0\x0f\xb0\xe2\x15\0\0\0\0IDAT\x35\xaf\x06\x1e";

fn cut(mut file: Vec<u8>, share: f32) -> Vec<u8> {
    file.truncate((file.len() as f32 * share) as usize);
    file
}

/// Where the marker segments of a JPEG begin that stand before its rows, and the last one's marker.
fn segments(jpeg: &[u8]) -> Vec<(u8, usize, usize)> {
    let mut segments = Vec::new();
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([*high, *low]));
        segments.push((*marker, at, end));
        if *marker == 0xda {
            break;
        }
        at = end;
    }
    segments
}

/// Where the rows begin.
fn rows(jpeg: &[u8]) -> usize {
    segments(jpeg).last().map_or(jpeg.len(), |(_, _, end)| *end)
}

fn without_rows(mut jpeg: Vec<u8>, _: &mut Random) -> Vec<u8> {
    jpeg.truncate(rows(&jpeg));
    jpeg
}

/// Leaves out the segments of a marker.
fn without(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut rest = jpeg.to_vec();
    for (_, start, end) in segments(jpeg).into_iter().rev().filter(|(its, ..)| *its == marker) {
        rest.drain(start..end);
    }
    rest
}

/// Puts a segment before all others.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// An EXIF block that says by which of the eight orientations it is turned (EXIF 2.3, tag 0x0112).
fn turned(jpeg: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let orientation = 1 + random.below(8) as u8;
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    exif[24] = orientation;
    with_segment(&jpeg, 0xe1, &exif)
}

/// Flips bits among the rows.
fn flipped(mut jpeg: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let start = rows(&jpeg);
    for _ in 0..8 {
        let at = start + random.below(jpeg.len() - start);
        jpeg[at] ^= 1 << random.below(8);
    }
    jpeg
}

fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).map_err(Error::other)?;
    Ok(file.into_inner())
}

/// A TIFF of one strip that isn't compressed (revision 6.0, section 6: RGB full colour images).
fn tiff(image: &RgbImage) -> Vec<u8> {
    const HEADER: u32 = 8;
    let pixels = image.as_raw();
    let bytes = pixels.len() as u32;
    // What numbers point at begins at even places.
    let padding = bytes as usize % 2;
    let depths = HEADER + bytes + padding as u32;
    let mut file = [&b"II*\0"[..], &(depths + 6).to_le_bytes(), pixels, &[0][..padding], &[8, 0, 8, 0, 8, 0]].concat();
    // Width, height, bits of a sample, no compression, RGB, the strip, samples, rows of the strip, its bytes.
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 4, 1, image.width()),
        (257, 4, 1, image.height()),
        (258, 3, 3, depths),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, HEADER),
        (277, 3, 1, 3),
        (278, 4, 1, image.height()),
        (279, 4, 1, bytes),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

fn animated(image: RgbImage) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut file, 30);
    for shift in 0..3 {
        let mut frame = DynamicImage::from(part(image.clone(), 64, 48));
        frame.invert();
        let frame = frame.brighten(shift * 20).into_rgba8();
        let frame = Frame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(100, 1));
        encoder.encode_frame(frame).map_err(Error::other)?;
    }
    drop(encoder);
    Ok(file)
}

/// The upper left corner.
fn part(image: RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.min(image.width()), height.min(image.height()));
    DynamicImage::from(image).crop_imm(0, 0, width, height).into_rgb8()
}

fn jpeg(image: &RgbImage) -> Result<Vec<u8>> {
    encode(image.as_raw(), image.dimensions(), PixelLayout::Rgb, &ENCODING)
}

fn half_the_colours(image: RgbImage) -> Result<Vec<u8>> {
    let encoding = Encoding { subsampling: Subsampling::Quarter, ..ENCODING };
    encode(image.as_raw(), image.dimensions(), PixelLayout::Rgb, &encoding)
}

fn grey(image: RgbImage) -> Result<Vec<u8>> {
    let grey = DynamicImage::from(image).into_luma8();
    encode(grey.as_raw(), grey.dimensions(), PixelLayout::Gray, &ENCODING)
}

const ENCODING: Encoding = Encoding { quality: 90, subsampling: Subsampling::Full, optimize: false };

#[cfg(test)]
mod tests {
    use super::*;

    fn set(images: usize, share: f64) -> HostileSet {
        HostileSet { photos: PhotoSet { images, classes: 5, size: Some((64, 48)), seed: 3 }, share }
    }

    #[test]
    fn a_share_of_the_files_is_hostile_of_all_kinds_in_all_classes() {
        for (images, share, expected) in
            [(20_000, 0.05, 1000), (72, 0.5, 36), (36, 1.0, 36), (100, 0.0, 0), (30, 0.03, 1)]
        {
            let set = set(images, share);
            let kinds: Vec<(&str, usize)> =
                (0..images).filter_map(|index| Some((set.kind(index)?.name, index % 5))).collect();
            assert!(kinds.len().abs_diff(expected) <= 1, "{images} {share}: {}", kinds.len());
            let distinct = |names: &mut Vec<&str>| {
                names.sort_unstable();
                names.dedup();
                names.len()
            };
            assert_eq!(distinct(&mut kinds.iter().map(|(name, _)| *name).collect()), expected.min(KINDS.len()));
            if expected >= 100 {
                assert!((0..5).all(|class| kinds.iter().filter(|(_, its)| *its == class).count() > expected / 10));
            }
        }
    }

    #[test]
    fn files_depend_on_seed_and_index_alone() {
        let (one, other) = (set(72, 0.5), set(36, 0.5));
        for index in 0..36 {
            assert_eq!(one.file(index).unwrap(), other.file(index).unwrap(), "{index}");
            assert_eq!(one.path(index), other.path(index));
        }
        assert!((0..72).any(|index| one.path(index).ends_with(" é%20#1.JPG")));
    }

    #[test]
    fn kinds_have_names_of_their_own_and_bytes_of_their_own() {
        let set = set(36, 1.0);
        let mut files: Vec<Vec<u8>> = (0..36).map(|index| set.file(index).unwrap()).collect();
        files.sort();
        files.dedup();
        assert_eq!(files.len(), 36);
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }

    #[test]
    fn a_share_that_is_none_is_refused() {
        let error = set(4, 1.5).check().unwrap_err().to_string();
        assert_eq!(error, "synthetic photos: the hostile share must be 0 to 1, got 1.5");
    }
}
