//! WebDataset shards: tar members, one after the other, that make up samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufReader, Read, Seek};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};
use twox_hash::XxHash3_64;

use super::labels;
use super::report::{FaultKind, FaultPlace};
use super::shard::ShardCheck;
use crate::format::webdataset::{member_content, sample_member};
use crate::words::counted;

/// Checks an archive, plain or gzip; `stated` are the kinds of its members by the manifest.
pub(super) fn check<F: Read + Seek>(
    mut file: F,
    is_gzip: bool,
    stated: Option<&BTreeMap<String, String>>,
    shard: &mut ShardCheck<'_>,
) {
    shard.report.format = Some("webdataset");
    if let Err(error) = file.rewind() {
        return shard.fault(FaultKind::File, None, format!("cannot be read: {error}"));
    }
    let file = BufReader::with_capacity(1 << 18, file);
    let mut samples = Samples { stated, ..Samples::default() };
    if is_gzip {
        shard.report.compression = Some("gzip");
        check_members(MultiGzDecoder::new(file), &mut samples, shard);
    } else {
        check_members(file, &mut samples, shard);
    }
    samples.end_sample(shard);
    if samples.skipped > 0 {
        let members = counted(samples.skipped, "member");
        shard.note(format!("{members} without a key and an extension, which readers pass over"));
    }
}

/// Whether a file begins with a tar header, by its checksum.
pub(super) fn is_tar(start: &[u8]) -> bool {
    let Some(header) = start.first_chunk::<512>() else { return false };
    let stated = std::str::from_utf8(&header[148..156]).ok();
    let stated = stated.and_then(|text| u32::from_str_radix(text.trim_matches([' ', '\0']), 8).ok());
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) };
    stated == Some(header.iter().enumerate().map(byte).sum())
}

fn check_members(input: impl Read, samples: &mut Samples<'_>, shard: &mut ShardCheck<'_>) {
    let mut archive = Archive::new(Tail { input, zeros: 0, bytes: 0 });
    // Where the header of the member before is: what an error behind it is placed by.
    let mut before = 0;
    let result = archive.entries().and_then(|entries| {
        for entry in entries {
            let mut entry = entry?;
            before = entry.raw_header_position();
            read_member(&mut entry, samples, shard)?;
        }
        Ok(())
    });
    let place = place(shard, before);
    if let Err(error) = result {
        // A truncated member is at its own place, a header that isn't one behind the member before.
        let is_here = error.kind() == io::ErrorKind::UnexpectedEof;
        let at = if is_here { "" } else { "behind this member: " };
        return shard.fault(FaultKind::Corrupted, Some(place), format!("{at}{error}; nothing behind it can be read"));
    }
    check_end(archive.into_inner(), place, shard);
}

/// Two blocks of zeros: the end of an archive.
const END_BYTES: u64 = 1024;

/// Whether an archive has an end, and nothing behind it, which no reader would see.
fn check_end(mut tail: Tail<impl Read>, place: FaultPlace, shard: &mut ShardCheck<'_>) {
    let end = tail.bytes;
    match io::copy(&mut tail, &mut io::sink()) {
        Err(error) => shard.fault(FaultKind::Corrupted, Some(place), format!("behind this sample: {error}")),
        Ok(rest) if tail.zeros < rest => {
            let message = format!(
                "the archive ends behind this sample, at byte {end}, and readers stop there; {rest} bytes follow"
            );
            shard.fault(FaultKind::Corrupted, Some(place), message);
        }
        Ok(_) if tail.zeros < END_BYTES => {
            let message = "the archive has no end mark behind this sample: it may be truncated";
            shard.fault(FaultKind::Corrupted, Some(place), message.to_string());
        }
        Ok(_) => {}
    }
}

fn read_member<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    samples: &mut Samples<'_>,
    shard: &mut ShardCheck<'_>,
) -> io::Result<()> {
    if entry.header().entry_type() == EntryType::Directory {
        return Ok(());
    }
    let Some((key, extension)) = sample_member(entry) else {
        samples.skipped += 1;
        return Ok(());
    };
    let offset = entry.raw_header_position();
    samples.add(&key, &extension, offset, shard);
    let place = place(shard, offset);
    let content = member_content(entry)?;
    let stated = samples.stated.and_then(|stated| stated.get(&extension)).map(String::as_str);
    check_content(&extension, stated, place, &content, shard);
    Ok(())
}

fn check_content(extension: &str, stated: Option<&str>, place: FaultPlace, content: &[u8], shard: &mut ShardCheck<'_>) {
    shard.add_feature(extension, "bytes", place, None);
    let ending = extension.rsplit('.').next().unwrap_or_default();
    match ending {
        "jpg" | "jpeg" | "png" | "webp" | "gif" | "bmp" | "tif" | "tiff" => {
            shard.add_image(extension, place, content, true);
        }
        _ if stated == Some("text") => {
            if let Err(error) = std::str::from_utf8(content) {
                let message = format!("member '{extension}' is no text, as the manifest says: {error}");
                shard.fault(FaultKind::Feature, Some(place), message);
            }
        }
        ending if ending == "json" || stated == Some("json") => {
            if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(content) {
                shard.fault(FaultKind::Record, Some(place), format!("member '{extension}' is no JSON: {error}"));
            }
        }
        _ => {}
    }
    shard.add_label(extension, || labels::text_or_number(content));
}

/// Where a member of the sample under way is.
fn place(shard: &ShardCheck<'_>, offset: u64) -> FaultPlace {
    FaultPlace { record: shard.report.records.saturating_sub(1), offset: Some(offset) }
}

/// The samples of an archive, as far as it is read.
#[derive(Default)]
struct Samples<'a> {
    /// The kinds of members by the manifest.
    stated: Option<&'a BTreeMap<String, String>>,
    key: Option<String>,
    offset: u64,
    extensions: BTreeSet<String>,
    /// Those of the first sample.
    expected: Option<BTreeSet<String>>,
    /// The sample of each key, by hash.
    keys: HashMap<u64, u64>,
    /// Members that belong to no sample.
    skipped: u64,
}

impl Samples<'_> {
    fn add(&mut self, key: &str, extension: &str, offset: u64, shard: &mut ShardCheck<'_>) {
        if self.key.as_deref() != Some(key) {
            self.end_sample(shard);
            self.offset = offset;
            self.key = Some(key.to_string());
            let sample = shard.report.records;
            shard.report.records += 1;
            let place = FaultPlace { record: sample, offset: Some(offset) };
            if let Some(other) = self.keys.insert(XxHash3_64::oneshot(key.as_bytes()), sample) {
                let message = format!("the key '{key}' is that of record {other}, too: its members aren't adjacent");
                shard.fault(FaultKind::Record, Some(place), message);
            }
        }
        if !self.extensions.insert(extension.to_string()) {
            let place = FaultPlace { record: shard.report.records - 1, offset: Some(offset) };
            let message = format!("the member '{key}.{extension}' is there twice");
            shard.fault(FaultKind::Record, Some(place), message);
        }
    }

    fn end_sample(&mut self, shard: &mut ShardCheck<'_>) {
        let Some(key) = self.key.take() else { return };
        let extensions = std::mem::take(&mut self.extensions);
        let place = FaultPlace { record: shard.report.records - 1, offset: Some(self.offset) };
        shard.end_record(place, |label| extensions.contains(label));
        let Some(expected) = &self.expected else {
            self.expected = Some(extensions);
            return;
        };
        if *expected != extensions {
            let list = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("sample '{key}' has {}, the first has {}", list(&extensions), list(expected));
            shard.fault(FaultKind::Record, Some(place), message);
        }
    }
}

/// Knows by how many zeros the bytes that were read end.
struct Tail<R> {
    input: R,
    zeros: u64,
    bytes: u64,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let zeros = buffer[..read].iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == read { self.zeros + zeros as u64 } else { zeros as u64 };
        self.bytes += read as u64;
        Ok(read)
    }
}
