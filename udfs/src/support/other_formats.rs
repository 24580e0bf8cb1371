//! What a file is that isn't decoded: by name, so that its owner knows what to do.

/// A file of a known kind that isn't decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    /// An image of a format that isn't decoded, with its name.
    Image(&'static str),
    /// No image.
    File(&'static str),
}

/// What the file is, by its bytes.
pub(crate) fn other_format(content: &[u8]) -> Option<Other> {
    if let Some((_, name)) = IMAGES.iter().find(|(start, _)| content.starts_with(start)) {
        return Some(Other::Image(name));
    }
    if let Some((_, name)) = FILES.iter().find(|(start, _)| content.starts_with(start)) {
        return Some(Other::File(name));
    }
    match content {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => Some(container(brand.get(..4).unwrap_or_default())),
        [b'R', b'I', b'F', b'F', _, _, _, _, ..] => Some(Other::File("a riff file (sound or video)")),
        // FLIC animations have their mark behind their length.
        [_, _, _, _, 0x11 | 0x12, 0xaf, ..] => Some(Other::Image("a flic file (an animation)")),
        _ if content.get(128..132) == Some(b"DICM") => Some(Other::Image("a dicom file")),
        _ if content.get(257..262) == Some(b"ustar") => Some(Other::File("a tar archive")),
        _ => text(content),
    }
}

const IMAGES: [(&[u8], &str); 42] = [
    (b"8BPS", "a psd file"),
    (b"DDS ", "a dds file"),
    (b"#?RADIANCE", "an hdr file"),
    (b"#?RGBE", "an hdr file"),
    (b"\x76\x2f\x31\x01", "an exr file"),
    (b"SIMPLE  =", "a fits file"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a jpeg 2000 file"),
    (b"\xff\x4f\xff\x51", "a jpeg 2000 file"),
    (b"\xff\x0a", "a jpeg xl file"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a jpeg xl file"),
    (b"\x97JB2", "a jbig2 file"),
    (b"II\xbc", "a jpeg xr file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIRS", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"farbfeld", "a farbfeld file"),
    (b"BLP1", "a blp file"),
    (b"BLP2", "a blp file"),
    (b"FTEX", "an ftex file"),
    (b"gimp xcf", "an xcf file"),
    (b"icns", "an icns file"),
    (b"\0\0\x02\0", "a cur file (a cursor)"),
    (b"\xb1\x68\xde\x3a", "a dcx file"),
    (b"\x0a\x00\x01", "a pcx file"),
    (b"\x0a\x02\x01", "a pcx file"),
    (b"\x0a\x03\x01", "a pcx file"),
    (b"\x0a\x05\x01", "a pcx file"),
    (b"\x01\xda", "an sgi file"),
    (b"\x59\xa6\x6a\x95", "a sun raster file"),
    (b"\x80\xe8\0\0", "a pixar file"),
    (b"DanM", "an msp file"),
    (b"LinS", "an msp file"),
    (b"Image type:", "an im file"),
    (b"/* XPM */", "an xpm file"),
    (b"P7 332", "an xv thumbnail"),
    (b"PF\n", "a pfm file"),
    (b"Pf\n", "a pfm file"),
    (b"\x8aMNG", "an mng file"),
    (b"\x8bJNG", "a jng file"),
    (b"BPG\xfb", "a bpg file"),
    (b"\xd7\xcd\xc6\x9a", "a wmf file (a drawing)"),
];

const FILES: [(&[u8], &str); 24] = [
    (b"version https://git-lfs", "a git-lfs pointer (fetch the file itself with 'git lfs pull')"),
    (b"%PDF", "a pdf document"),
    (b"%!PS", "a postscript document"),
    (b"\xc5\xd0\xd3\xc6", "a postscript document"),
    (b"{\\rtf", "an rtf document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an hdf5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x04\x95", "a pickle of Python"),
    (b"\x1a\x45\xdf\xa3", "a matroska or webm video"),
    (b"OggS", "an ogg file (sound or video)"),
    (b"ID3", "an mp3 file (sound)"),
    (b"fLaC", "a flac file (sound)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "an SQLite database"),
];

/// What an ISO container holds (ISO/IEC 14496-12), by its brand.
fn container(brand: &[u8]) -> Other {
    match brand {
        b"avif" | b"avis" => Other::Image("an avif file"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Other::Image("a heic file"),
        b"crx " => Other::Image("a camera's raw file"),
        _ => Other::File("an mp4 or quicktime video"),
    }
}

/// What a text is.
fn text(content: &[u8]) -> Option<Other> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    let start: Vec<u8> = content.iter().take(1024).map(u8::to_ascii_lowercase).collect();
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
    let is_text = start.len() >= 8 && start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..));
    match start.as_slice() {
        [b'<', ..] if has(b"<svg") => Some(Other::Image("an svg file (a drawing)")),
        [b'<', ..] if has(b"<html") || has(b"<!doctype html") || has(b"<head") => Some(Other::File("a page of html")),
        [b'<', b'?', b'x', b'm', b'l', ..] => Some(Other::File("an xml file")),
        [b'#', b'd', b'e', b'f', b'i', b'n', b'e', ..] if has(b"_width") => Some(Other::Image("an xbm file")),
        [b'{', ..] | [b'[', ..] if is_text => Some(Other::File("a json file")),
        _ if is_text && std::str::from_utf8(&content[..content.len().min(64)]).is_ok_and(|_| has(b" ")) => {
            Some(Other::File("a text"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named() {
        let cases: [(&[u8], Other); 12] = [
            (b"DDS |\0\0\0", Other::Image("a dds file")),
            (b"SIMPLE  =                    T", Other::Image("a fits file")),
            (b"\0\0\0\x1cftypavif\0\0\0\0", Other::Image("an avif file")),
            (b"\0\0\0\x18ftypheic\0\0\0\0", Other::Image("a heic file")),
            (b"\0\0\0\x18ftypisom\0\0\0\0", Other::File("an mp4 or quicktime video")),
            (b"<?xml version='1.0'?><svg xmlns='x'/>", Other::Image("an svg file (a drawing)")),
            (b"<HTML><head>", Other::File("a page of html")),
            (b"{\"error\": \"not found\"}", Other::File("a json file")),
            (b"version https://git-lfs.github.com/spec/v1", FILES_LFS),
            (b"%PDF-1.7", Other::File("a pdf document")),
            (b"Access denied, please log in", Other::File("a text")),
            (b"#define x_width 3\n#define x_height 1\n", Other::Image("an xbm file")),
        ];
        for (content, expected) in cases {
            assert_eq!(other_format(content), Some(expected), "{}", String::from_utf8_lossy(content));
        }
        assert_eq!([other_format(b"hello"), other_format(&[1, 2, 3, 4])], [None, None]);
    }

    const FILES_LFS: Other = Other::File("a git-lfs pointer (fetch the file itself with 'git lfs pull')");
}
