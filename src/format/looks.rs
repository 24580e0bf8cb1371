//! What a file looks like that isn't what was expected.

/// Bytes of a file's start that tell what it is.
pub(crate) const LOOK_BYTES: usize = 512;

/// What a file looks like, by its start, and what can be done about it.
pub(crate) fn looks_like(start: &[u8]) -> Option<&'static str> {
    const STARTS: [(&[u8], &str); 17] = [
        (b"version https://git-lfs", "a git-lfs pointer; fetch the file itself with 'git lfs pull'"),
        (b"PK\x03\x04", "a zip archive; unpack it"),
        (b"\x1f\x8b", "a gzip file; unpack it"),
        (b"BZh", "a bzip2 file; unpack it"),
        (b"\xfd7zXZ", "an xz file; unpack it"),
        (b"\x28\xb5\x2f\xfd", "a zstd file; unpack it"),
        (b"\xff\x06\0\0sNaPpY", "a snappy file; unpack it"),
        (b"PAR1", "a Parquet file; read it with STORED AS PARQUET"),
        (b"ARROW1", "an Arrow file; read it with STORED AS ARROW"),
        (b"Obj\x01", "an Avro file; read it with STORED AS AVRO"),
        (b"\x89HDF", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\xff\xd8\xff", "a JPEG image; read it with read_images"),
        (b"\x89PNG", "a PNG image; read it with read_images"),
        (b"<!DOCTYPE", "a page of HTML; download the file again"),
        (b"<html", "a page of HTML; download the file again"),
        (b"<?xml", "an XML file"),
    ];
    if start.get(257..262) == Some(b"ustar") {
        return Some("a tar archive; unpack it");
    }
    // One letter is the start of much; of a record, too, whose length has zeros behind it.
    let is_text = start.iter().take(12).all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..));
    if start.starts_with(b"{") || start.starts_with(b"[") {
        return is_text.then_some("a JSON file");
    }
    STARTS.iter().find(|(begin, _)| start.starts_with(begin)).map(|(_, looks)| *looks)
}
