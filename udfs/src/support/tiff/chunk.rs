//! The data of a strip or a tile, uncompressed.

use std::io::Read;

use flate2::read::ZlibDecoder;
use pixmill_jpeg::{Channels, Dct, Decoder, Decoding};
use weezl::BitOrder;
use weezl::decode::Decoder as Lzw;

use super::super::bad_image::BadImage;
use super::super::jpeg::bad;
use super::super::limits::deadline;
use super::broken;
use super::fax::Scheme;

/// How strips and tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Fax(Scheme),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

/// Uncompresses up to so many bytes; what is wrong comes beside those that were there before it.
pub(super) fn uncompress(data: &[u8], compression: Compression, bytes: usize) -> (Vec<u8>, Option<String>) {
    match compression {
        Compression::Lzw => lzw(data, bytes),
        Compression::Deflate => deflate(data, bytes),
        Compression::PackBits => (pack_bits(data, bytes), None),
        _ => (data[..bytes.min(data.len())].to_vec(), None),
    }
}

fn lzw(data: &[u8], bytes: usize) -> (Vec<u8>, Option<String>) {
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut values = vec![0; bytes];
    let (mut read, mut written) = (0, 0);
    let mut error = None;
    while written < bytes {
        let result = decoder.decode_bytes(&data[read..], &mut values[written..]);
        read += result.consumed_in;
        written += result.consumed_out;
        match result.status {
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(_) => break,
            Err(what) => {
                error = Some(format!("lzw: {what}"));
                break;
            }
        }
    }
    values.truncate(written);
    (values, error)
}

fn deflate(data: &[u8], bytes: usize) -> (Vec<u8>, Option<String>) {
    let mut decoder = ZlibDecoder::new(data);
    let mut values = vec![0; bytes];
    let mut written = 0;
    let mut error = None;
    while written < bytes {
        match decoder.read(&mut values[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(what) if what.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(what) => {
                error = Some(what.to_string());
                break;
            }
        }
    }
    values.truncate(written);
    (values, error)
}

/// TIFF 6.0, section 9.
fn pack_bits(data: &[u8], bytes: usize) -> Vec<u8> {
    let mut values = Vec::with_capacity(bytes);
    let mut rest = data;
    while let [head, tail @ ..] = rest
        && values.len() < bytes
    {
        match (*head, tail) {
            (128, _) => rest = tail,
            (0..128, _) => {
                let count = usize::from(*head) + 1;
                values.extend_from_slice(&tail[..count.min(tail.len())]);
                rest = tail.get(count..).unwrap_or_default();
            }
            (_, [value, tail @ ..]) => {
                values.extend(std::iter::repeat_n(*value, 257 - usize::from(*head)));
                rest = tail;
            }
            (_, []) => break,
        }
    }
    values.truncate(bytes);
    values
}

/// A JPEG in a strip or a tile: rows of samples, how many a pixel has, and the pixels of a row.
pub(super) struct JpegSamples {
    pub(super) values: Vec<u8>,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// Decodes a JPEG of at most this size, whose tables may stand beside it. What its samples mean, the TIFF says, not the JPEG's own
/// segments.
pub(super) fn jpeg(
    data: &[u8],
    tables: Option<&[u8]>,
    is_ycbcr: bool,
    (most_width, most_height): (usize, usize),
) -> Result<JpegSamples, BadImage> {
    if !data.starts_with(&[0xff, 0xd8]) {
        return Err(bad(pixmill_jpeg::Error::NotJpeg));
    }
    let mut file = vec![0xff, 0xd8];
    if let Some(tables) = tables {
        file.extend_from_slice(tables.get(2..tables.len().saturating_sub(2)).unwrap_or_default());
    }
    file.extend_from_slice(&[0xff, 0xee, 0, 14]);
    file.extend_from_slice(b"Adobe\0\x64\0\0\0\0");
    file.push(u8::from(is_ycbcr));
    append_without_applications(data.get(2..).unwrap_or_default(), &mut file);
    let mut decoder = Decoder::default();
    let image = decoder.read(&file).map_err(bad)?;
    let (width, height) = (image.header().width as usize, image.header().height as usize);
    // What it says of itself is no reason to take memory for it.
    if width > most_width || height > most_height {
        return Err(broken(format!("a jpeg of {width}x{height} pixels in a place of {most_width}x{most_height}")));
    }
    let channels = usize::from(image.channels(Channels::Native));
    let decoding =
        Decoding { dct: Dct::Accurate, channels: Channels::Native, deadline: deadline(), ..Decoding::default() };
    let mut values = Vec::new();
    image.decode(&decoding, &mut values).map_err(bad)?;
    Ok(JpegSamples { values, width, channels })
}

/// Appends a JPEG without the segments of JFIF and Adobe that stand before its scan.
fn append_without_applications(data: &[u8], file: &mut Vec<u8>) {
    let mut rest = data;
    while let [0xff, marker @ (0xc0..=0xd9 | 0xdb..=0xfe), high, low, ..] = rest {
        let length = 2 + usize::from(u16::from_be_bytes([*high, *low]));
        let Some((segment, tail)) = rest.split_at_checked(length) else { break };
        if !matches!(marker, 0xe0 | 0xee) {
            file.extend_from_slice(segment);
        }
        rest = tail;
    }
    file.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_bytes_are_unpacked() {
        let packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x80, 0x00, 0x01];
        assert_eq!(pack_bits(&packed, 20), [0xaa, 0xaa, 0xaa, 0x80, 0, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 1]);
        assert_eq!(pack_bits(&packed, 2), [0xaa, 0xaa]);
        assert!(pack_bits(&[0xfe], 9).is_empty());
    }
}
