//! Reading tar archives as samples: neighbouring members with one key.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::split_key;

/// A member larger than this is nobody's image.
const MOST_MEMBER_BYTES: u64 = 1 << 30;

/// A sample: what neighbouring members with one key hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The names of its members up to the extension.
    pub(crate) key: String,
    /// Extensions and contents of the members that were asked for, in the order of the archive.
    pub(crate) members: Vec<(String, Vec<u8>)>,
}

/// The key and the extension of a member of a sample; `None` of directories, links and names without a key and an extension, which
/// readers pass over.
pub(crate) fn sample_member<R: Read>(entry: &Entry<'_, R>) -> Option<(String, String)> {
    if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse) {
        return None;
    }
    let name = entry.path_bytes();
    let (key, extension) = split_key(std::str::from_utf8(&name).ok()?)?;
    Some((key.to_string(), extension))
}

/// The content of a member, of one that is too large its beginning.
///
/// # Errors
/// A member that ends before its size says, and what the system answers.
pub(crate) fn member_content<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let size = entry.size();
    // Not more than what is there is made room for: the size is a claim.
    let mut content = Vec::new();
    let read = entry.take(MOST_MEMBER_BYTES).read_to_end(&mut content)? as u64;
    if read < size.min(MOST_MEMBER_BYTES) {
        let name = shown(entry);
        let message = format!("truncated member '{name}': {read} of {size} bytes");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(content)
}

fn shown<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

/// An archive, plain or gzip, by its first bytes.
///
/// # Errors
/// What the system answers.
fn open<'a>(file: impl Read + 'a) -> io::Result<Archive<Box<dyn Read + 'a>>> {
    let mut file = BufReader::with_capacity(1 << 18, file);
    let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(Archive::new(if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) }))
}

/// Reads an archive sample by sample, of each the members whose extensions are wanted, until `take` has enough. Samples end with their
/// archive.
///
/// # Errors
/// An archive that can't be read to its end, behind the samples before the fault.
pub(crate) fn each_sample(
    file: impl Read,
    mut is_wanted: impl FnMut(&str) -> bool,
    mut take: impl FnMut(Sample) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut archive = open(file)?;
    let mut sample: Option<Sample> = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some((key, extension)) = sample_member(&entry) else { continue };
        if sample.as_ref().is_none_or(|sample| sample.key != key) {
            let begun = Sample { key, members: Vec::new() };
            if let Some(whole) = sample.replace(begun)
                && take(whole).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        if is_wanted(&extension)
            && let Some(sample) = &mut sample
        {
            if entry.size() > MOST_MEMBER_BYTES {
                let (name, size) = (shown(&entry), entry.size());
                let message = format!("member '{name}' has {size} bytes, and at most {MOST_MEMBER_BYTES} have a place");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
            }
            sample.members.push((extension, member_content(&mut entry)?));
        }
    }
    Ok(sample.map_or(ControlFlow::Continue(()), take))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    /// A tar file of members that hold their own names.
    fn archive(names: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut archive = tar::Builder::new(file.reopen().expect("a file"));
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(name.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, name.as_bytes()).expect("a member");
        }
        archive.finish().expect("an archive");
        file
    }

    fn samples(path: &Path) -> (Vec<String>, io::Result<ControlFlow<()>>) {
        let mut samples = Vec::new();
        let end = each_sample(
            File::open(path).expect("a file"),
            |extension| extension != "skipped",
            |sample| {
                let members: Vec<&str> = sample.members.iter().map(|(extension, _)| extension.as_str()).collect();
                samples.push(format!("{}: {}", sample.key, members.join(" ")));
                ControlFlow::Continue(())
            },
        );
        (samples, end)
    }

    #[test]
    fn neighbours_with_one_key_are_a_sample() {
        let file = archive(&["a/1.jpg", "a/1.cls", "a/2.left.JPG", "a/.x", "none", "a/2.skipped", "a/1.txt"]);
        let (samples, end) = samples(file.path());
        assert_eq!(samples, ["a/1: jpg cls", "a/2: left.jpg", "a/1: txt"]);
        assert!(end.is_ok_and(|end| end.is_continue()));
    }

    #[test]
    fn a_member_that_has_no_place_is_an_error_and_not_cut() {
        let file = archive(&["1.txt"]);
        let mut archive = tar::Builder::new(file.reopen().expect("a file"));
        let mut header = tar::Header::new_gnu();
        header.set_size(MOST_MEMBER_BYTES + 1);
        header.set_path("1.jpg").expect("a name");
        header.set_cksum();
        // Of the content nothing is there, and nothing of it is read.
        archive.append(&header, io::empty()).expect("a member");
        let (read, end) = samples(file.path());
        assert!(read.is_empty());
        let message = "member '1.jpg' has 1073741825 bytes, and at most 1073741824 have a place";
        assert_eq!(end.expect_err("too large").to_string(), message);
    }

    #[test]
    fn what_comes_before_a_fault_is_read() {
        let file = archive(&["1.txt", "2.txt", "3.txt"]);
        file.as_file().set_len(3 * 1024 - 510).expect("cut short");
        let (samples, end) = samples(file.path());
        assert_eq!(samples, ["1: txt", "2: txt"]);
        let error = end.expect_err("cut short").to_string();
        assert_eq!(error, "truncated member '3.txt': 2 of 5 bytes");
    }
}
