//! The formats of images: told by content, never by name.

use super::bad_image::{BadImage, ImageErrorClass};
use super::other_formats::{Other, other_format};

/// A format that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Gif,
    Bmp,
    WebP,
    Tiff,
    Pnm,
    Qoi,
    Tga,
    Ico,
}

/// All of them, with the words that name them.
const FORMATS: [(Format, &str); 10] = [
    (Format::Jpeg, "jpeg"),
    (Format::Png, "png"),
    (Format::Gif, "gif"),
    (Format::Bmp, "bmp"),
    (Format::WebP, "webp"),
    (Format::Tiff, "tiff"),
    (Format::Pnm, "pnm"),
    (Format::Qoi, "qoi"),
    (Format::Tga, "tga"),
    (Format::Ico, "ico"),
];

/// The names of the formats that can be decoded.
pub fn formats() -> [&'static str; FORMATS.len()] {
    FORMATS.map(|(_, name)| name)
}

impl Format {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        FORMATS[self as usize].1
    }
}

/// The format of an image file by its bytes.
pub(crate) fn sniff(content: &[u8]) -> Result<Format, BadImage> {
    let format = match content {
        [] => return Err(BadImage::empty()),
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Some(Format::Tiff),
        [b'q', b'o', b'i', b'f', ..] => Some(Format::Qoi),
        [b'P', b'1'..=b'6', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] | [b'P', b'7', b'\n', ..] => Some(Format::Pnm),
        [0, 0, 1, 0, ..] if is_ico(content) => Some(Format::Ico),
        [b'B', b'M', ..] => Some(Format::Bmp),
        _ if is_tga(content) => Some(Format::Tga),
        _ => None,
    };
    format.ok_or_else(|| match other_format(content) {
        Some(Other::Image(name)) => BadImage {
            class: ImageErrorClass::Unsupported,
            reason: format!("{name}, which isn't decoded; {} are", list("and")),
        },
        Some(Other::File(name)) => BadImage::not_an_image(format!("{name}, not an image")),
        None => {
            let start: Vec<String> = content.iter().take(4).map(|b| format!("{b:02x}")).collect();
            BadImage::not_an_image(format!("not a {} image (starts with {})", list("or"), start.join(" ")))
        }
    })
}

fn list(last: &str) -> String {
    let names = formats();
    let (last_name, names) = (names[names.len() - 1], &names[..names.len() - 1]);
    format!("{} {last} {last_name}", names.join(", "))
}

/// Whether the first image of an icon file lies in it.
fn is_ico(content: &[u8]) -> bool {
    let Some([count, 0, _, _, _, 0, _, _, _, _, _, _, _, _, a, b, c, d]) = content.get(4..22) else { return false };
    let offset = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    *count > 0 && (22..content.len()).contains(&offset)
}

/// TGA has no mark at its start. One of version 2 has it at its end; an older file is taken for one if its header makes sense and its
/// pixels, uncompressed, are all that follows.
fn is_tga(content: &[u8]) -> bool {
    if content.len() >= 44 && content.ends_with(b"TRUEVISION-XFILE.\0") {
        return true;
    }
    let Some((header, _)) = content.split_first_chunk::<18>() else { return false };
    let short = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let (map, kind, depth) = (header[1], header[2], header[16]);
    let map_bytes = if map == 1 { short(5) * usize::from(header[7]).div_ceil(8) } else { 0 };
    let is_known = match (kind, map) {
        (1, 1) => depth == 8 && matches!(header[7], 15 | 16 | 24 | 32),
        (2, 0) => matches!(depth, 15 | 16 | 24 | 32),
        (3, 0) => matches!(depth, 8 | 16),
        _ => false,
    };
    let pixels = short(12) * short(14);
    let length = 18 + usize::from(header[0]) + map_bytes + pixels * usize::from(depth).div_ceil(8);
    is_known && pixels > 0 && length == content.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_word() {
        for (format, name) in FORMATS {
            assert_eq!(format.name(), name);
        }
    }

    #[test]
    fn what_is_no_image_is_told_by_its_start() {
        let error = |content: &[u8]| {
            let error = sniff(content).expect_err("no image");
            (error.class.name(), error.reason)
        };
        let names = "jpeg, png, gif, bmp, webp, tiff, pnm, qoi, tga";
        let unknown = format!("not a {names} or ico image (starts with 01 02 03 04)");
        assert_eq!(error(&[1, 2, 3, 4, 5]), ("not_an_image", unknown));
        assert_eq!(
            error(b"8BPS\0\x01"),
            ("unsupported", format!("a psd file, which isn't decoded; {names} and ico are"))
        );
        assert_eq!(error(b" <!doctype html>"), ("not_an_image", "a page of html, not an image".to_string()));
        assert_eq!(error(b"").0, "empty");
    }

    #[test]
    fn a_tga_is_told_by_its_end_or_by_its_length() {
        let mut tga = vec![0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 24, 0];
        tga.extend([9; 6]);
        assert_eq!(sniff(&tga), Ok(Format::Tga));
        assert!(sniff(&tga[..tga.len() - 1]).is_err());
        tga.extend([0; 8]);
        tga.extend(b"TRUEVISION-XFILE.\0");
        assert_eq!(sniff(&tga), Ok(Format::Tga));
    }
}
