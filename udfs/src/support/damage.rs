//! What becomes of damaged files: made by rule, decoded, and written down in `docs/images.md`.

use std::fs;
use std::path::Path;

use flate2::Crc;
use image::{DynamicImage, ImageFormat};

use super::decode::{DecodeOptions, Decoded, Exif, decode, decode_partly};
use super::jpeg::{Dct, JpegCodec};
use super::testing::{file, gif, jpeg, picture, png, tiff};

struct Case {
    format: &'static str,
    defect: &'static str,
    content: Vec<u8>,
}

fn case(format: &'static str, defect: &'static str, content: Vec<u8>) -> Case {
    Case { format, defect, content }
}

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

fn cut(content: &[u8], part: f64) -> Vec<u8> {
    content[..(content.len() as f64 * part) as usize].to_vec()
}

fn with_tail(content: &[u8]) -> Vec<u8> {
    [content, &b"\0\0\0\0 and something else \0"[..]].concat()
}

/// An EXIF block that turns the image by 90 degrees, with an orientation of a type.
fn exif(kind: u8) -> Vec<u8> {
    let value = match kind {
        1 => [6, 0, 0, 0],
        3 => [0, 6, 0, 0],
        _ => [0, 0, 0, 6],
    };
    [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0"[..], &[kind, 0, 0, 0, 1], &value, &[0; 4]].concat()
}

/// A JPEG with a segment behind its start.
fn jpeg_with(marker: u8, payload: &[u8]) -> Vec<u8> {
    let jpeg = jpeg(WIDTH, HEIGHT);
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, payload, &jpeg[2..]].concat()
}

fn jpeg_with_exif(exif: &[u8]) -> Vec<u8> {
    jpeg_with(0xe1, &[b"Exif\0\0", exif].concat())
}

/// A JPEG without the segments of a marker.
fn jpeg_without(marker: u8) -> Vec<u8> {
    let jpeg = jpeg(WIDTH, HEIGHT);
    let mut rest = &jpeg[2..];
    let mut kept = vec![0xff, 0xd8];
    while let [0xff, kind, high, low, ..] = rest
        && *kind != 0xda
    {
        let (segment, tail) = rest.split_at(2 + usize::from(u16::from_be_bytes([*high, *low])));
        if *kind != marker {
            kept.extend(segment);
        }
        rest = tail;
    }
    [&kept, rest].concat()
}

fn overwritten(mut content: Vec<u8>, at: f64, bytes: &[u8]) -> Vec<u8> {
    let at = (content.len() as f64 * at) as usize;
    content[at..at + bytes.len()].copy_from_slice(bytes);
    content
}

fn chunk(kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(payload);
    [&(payload.len() as u32).to_be_bytes(), kind, payload, &crc.sum().to_be_bytes()].concat()
}

/// The PNG, with its chunks changed: each is given as type and payload.
fn png_of(change: impl Fn(&[u8], &[u8]) -> Vec<u8>) -> Vec<u8> {
    let png = png(WIDTH, HEIGHT);
    let mut rest = &png[8..];
    let mut changed = png[..8].to_vec();
    while let [a, b, c, d, tail @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        changed.extend(change(&tail[..4], &tail[4..4 + length]));
        rest = &tail[length + 8..];
    }
    changed
}

/// The PNG with further bytes before a chunk.
fn png_before(place: &[u8], insert: &[u8]) -> Vec<u8> {
    png_of(|kind, payload| if kind == place { [insert, &chunk(kind, payload)].concat() } else { chunk(kind, payload) })
}

/// The chunk with its last byte, of the checksum, changed.
fn with_bad_crc(mut chunk: Vec<u8>) -> Vec<u8> {
    let last = chunk.len() - 1;
    chunk[last] ^= 1;
    chunk
}

fn png_with_bad_crc(place: &[u8]) -> Vec<u8> {
    png_of(|kind, payload| if kind == place { with_bad_crc(chunk(kind, payload)) } else { chunk(kind, payload) })
}

fn bmp() -> Vec<u8> {
    file(DynamicImage::from(picture(WIDTH, HEIGHT)), ImageFormat::Bmp)
}

fn webp() -> Vec<u8> {
    file(DynamicImage::from(picture(WIDTH, HEIGHT)), ImageFormat::WebP)
}

/// A GIF with another screen, and perhaps another place of its frame.
fn gif_on(screen: [u8; 2], place: [u8; 2]) -> Vec<u8> {
    let mut gif = gif(WIDTH, HEIGHT, 1);
    (gif[6], gif[8]) = (screen[0], screen[1]);
    let frame = gif.windows(9).position(|window| window[0] == 0x2c && window[5] == WIDTH as u8).expect("a frame");
    (gif[frame + 1], gif[frame + 3]) = (place[0], place[1]);
    gif
}

fn tiff_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tiff = tiff(WIDTH, HEIGHT);
    tiff[at..at + bytes.len()].copy_from_slice(bytes);
    tiff
}

fn jpegs() -> Vec<Case> {
    const PROGRESSIVE: &[u8] = include_bytes!("../../jpeg/tests/golden/progressive-420.jpg");
    let photo = jpeg(WIDTH, HEIGHT);
    let (half, other) = (photo.len() / 2, jpeg(HEIGHT, WIDTH));
    let spliced = [&photo[..half], &other[other.len() / 2..]].concat();
    vec![
        case("jpeg", "nothing", photo.clone()),
        case("jpeg", "cut to a tenth, in its header", cut(&photo, 0.1)),
        case("jpeg", "cut to a half", cut(&photo, 0.5)),
        case("jpeg", "cut to nine tenths", cut(&photo, 0.9)),
        case("jpeg", "without its last two bytes, the end marker", photo[..photo.len() - 2].to_vec()),
        case("jpeg", "progressive, cut to a half", cut(PROGRESSIVE, 0.5)),
        case("jpeg", "spliced: the second half of another file", spliced),
        case("jpeg", "16 bytes overwritten in the coded data", overwritten(photo.clone(), 0.7, &[0xa5; 16])),
        case("jpeg", "without quantisation tables", jpeg_without(0xdb)),
        case("jpeg", "without huffman tables: the usual ones stand in", jpeg_without(0xc4)),
        case("jpeg", "bytes behind the end", with_tail(&photo)),
        case("jpeg", "an EXIF block of nonsense", jpeg_with_exif(b"nonsense, and no TIFF")),
        case("jpeg", "an ICC profile of nonsense", jpeg_with(0xe2, b"ICC_PROFILE\0\x01\x01nonsense")),
        case("jpeg", "orientation 6, a SHORT: turned", jpeg_with_exif(&exif(3))),
        case("jpeg", "orientation 6, a LONG: turned", jpeg_with_exif(&exif(4))),
        case("jpeg", "orientation 6, a BYTE: not turned", jpeg_with_exif(&exif(1))),
    ]
}

fn pngs() -> Vec<Case> {
    let whole = png(WIDTH, HEIGHT);
    let text = || with_bad_crc(chunk(b"tEXt", b"Comment\0hello"));
    let bad_adler = png_of(|kind, payload| {
        let mut payload = payload.to_vec();
        if kind == b"IDAT" {
            let last = payload.len() - 1;
            payload[last] ^= 1;
        }
        chunk(kind, &payload)
    });
    let without_palette = png_of(|kind, payload| {
        let mut payload = payload.to_vec();
        if kind == b"IHDR" {
            payload[9] = 3;
        }
        chunk(kind, &payload)
    });
    vec![
        case("png", "nothing", whole.clone()),
        case("png", "cut to a half", cut(&whole, 0.5)),
        case("png", "without its end chunk", whole[..whole.len() - 12].to_vec()),
        case("png", "a wrong checksum of a text", png_before(b"IDAT", &text())),
        case("png", "a wrong checksum of the header", png_with_bad_crc(b"IHDR")),
        case("png", "a wrong checksum of the pixels (chunk)", png_with_bad_crc(b"IDAT")),
        case("png", "a wrong checksum of the pixels (zlib)", bad_adler),
        case("png", "without its palette", without_palette),
        case("png", "bytes behind the end", with_tail(&whole)),
        case("png", "an ICC profile of nonsense", png_before(b"IDAT", &chunk(b"iCCP", b"x\0\0nonsense"))),
        case("png", "an EXIF block of nonsense", png_before(b"IDAT", &chunk(b"eXIf", b"nonsense"))),
        case("png", "orientation 6 before the pixels: turned", png_before(b"IDAT", &chunk(b"eXIf", &exif(3)))),
        case("png", "orientation 6 behind the pixels: turned", png_before(b"IEND", &chunk(b"eXIf", &exif(3)))),
    ]
}

fn others() -> Vec<Case> {
    let (gif_file, bmp, webp, tiff_file) = (gif(WIDTH, HEIGHT, 1), bmp(), webp(), tiff(WIDTH, HEIGHT));
    let mut bmp_of_size = bmp.clone();
    bmp_of_size[2..6].copy_from_slice(&[9, 0, 0, 0]);
    vec![
        case("gif", "cut to a half", cut(&gif_file, 0.5)),
        case("gif", "without its last byte, the trailer", gif_file[..gif_file.len() - 1].to_vec()),
        case("gif", "bytes behind the end", with_tail(&gif_file)),
        case("gif", "a screen of 0x0 pixels", gif_on([0, 0], [0, 0])),
        case("gif", "a screen smaller than its frame: enlarged", gif_on([9, 9], [3, 3])),
        case("bmp", "cut to a half", cut(&bmp, 0.5)),
        case("bmp", "a length of the file that is wrong", bmp_of_size),
        case("bmp", "bytes behind the end", with_tail(&bmp)),
        case("webp", "cut to a half", cut(&webp, 0.5)),
        case("webp", "bytes behind the end", with_tail(&webp)),
        case("tiff", "cut to a half", cut(&tiff_file, 0.5)),
        case("tiff", "directories in a circle", tiff_with(8 + 2 + 12 * 9, &[8, 0, 0, 0])),
        case("tiff", "a directory behind the end", tiff_with(4, &[0xff; 4])),
        case("tiff", "bytes behind the end", with_tail(&tiff_file)),
    ]
}

fn cases() -> Vec<Case> {
    [jpegs(), pngs(), others()].into_iter().flatten().collect()
}

/// What becomes of a file by itself, and with `on_error => 'partial'`.
fn outcome(content: &[u8]) -> [String; 2] {
    let mut codec = JpegCodec::default();
    let options = DecodeOptions::default();
    let size = |width: u32, height: u32| match (width, height) {
        (HEIGHT, WIDTH) => "decoded, turned".to_string(),
        (WIDTH, HEIGHT) => "decoded".to_string(),
        _ => format!("decoded, {width}x{height}"),
    };
    match decode(content, options, None, &mut codec, Vec::new()) {
        Ok(decoded) => [size(decoded.pixels.width, decoded.pixels.height), "the same".to_string()],
        Err(error) => {
            let partly = decode_partly(content, options, &mut codec);
            let partly = partly.map_or("NULL".to_string(), |(_, percent)| format!("{percent} % of the rows"));
            [format!("NULL, {}", error.class.name()), partly]
        }
    }
}

#[test]
fn the_table_of_damage_is_what_becomes_of_the_files() {
    // What others make of the files: `tests/python/damaged_images.py` asks them.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let verdicts = fs::read_to_string(root.join("tests/python/damaged_images.csv")).expect("the verdicts");
    let mut table = String::from(
        "| format | what is wrong | image_decode | on_error => 'partial' | Pillow | TensorFlow | OpenCV |\n|---|---|---|---|---|---|---|\n",
    );
    let target = std::env::var("PIXMILL_DAMAGED_TO").ok();
    for Case { format, defect, content } in cases() {
        let name = format!("{format}; {defect}");
        let [alone, partly] = outcome(&content);
        let others = verdicts.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(';'));
        let others = others.unwrap_or("?;?;?").replace(';', " | ");
        table += &format!("| {format} | {defect} | {alone} | {partly} | {others} |\n");
        if let Some(target) = &target {
            fs::write(Path::new(target).join(name), &content).expect("a file");
        }
    }
    let page = fs::read_to_string(root.join("docs/images.md")).expect("the page");
    assert!(page.contains(&table), "docs/images.md has another table than this:\n{table}");
}

#[test]
fn no_prefix_and_no_flipped_byte_of_a_file_panics() {
    let mut codec = JpegCodec::default();
    let mut check = |content: &[u8]| {
        let error = decode(content, DecodeOptions::default(), None, &mut codec, Vec::new()).err();
        assert!(error.is_none_or(|error| error.class.name() != "codec_panic"));
        let _ = decode_partly(content, DecodeOptions::default(), &mut codec);
    };
    let files = [gif(9, 7, 1), tiff(9, 7), file(DynamicImage::from(picture(9, 7)), ImageFormat::Bmp)];
    for file in &files {
        for end in 0..file.len() {
            check(&file[..end]);
            let mut flipped = file.clone();
            flipped[end] ^= 0x41;
            check(&flipped);
        }
    }
}

/// Other people's odd files, where there is a folder of them: `PIXMILL_ODD_IMAGES` names it. `PIXMILL_DECODED_TO` is where their pixels
/// are to be written for a comparison: width, height, then RGB.
#[test]
fn odd_files_of_others_are_decoded_or_refused_with_a_reason() {
    let Ok(folder) = std::env::var("PIXMILL_ODD_IMAGES") else { return };
    let target = std::env::var("PIXMILL_DECODED_TO").ok();
    let mut codec = JpegCodec::default();
    let options = DecodeOptions { exif: Exif::Ignore, dct: Dct::Accurate, ..DecodeOptions::default() };
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let content = fs::read(&path).expect("a file");
        let mut decoded = Vec::new();
        match decode(&content, options, None, &mut codec, Vec::new()) {
            Ok(Decoded { pixels, .. }) => {
                decoded.extend(pixels.width.to_le_bytes());
                decoded.extend(pixels.height.to_le_bytes());
                decoded.extend(pixels.values);
            }
            Err(error) => {
                assert_ne!(error.class.name(), "codec_panic", "{}: {error}", path.display());
                let partly = decode_partly(&content, options, &mut codec).map(|(_, percent)| percent);
                decoded.extend(format!("{error} {partly:?}").into_bytes());
            }
        }
        if let Some(target) = &target {
            fs::write(Path::new(target).join(path.file_name().expect("a name")), decoded).expect("written");
        }
    }
}
