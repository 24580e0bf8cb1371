//! The samples of WebDataset tar shards, a few at a time.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray};
use flate2::read::MultiGzDecoder;
use tar::Archive;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::columns::{Asked, Rows};
use crate::error::{Error, Result};
use crate::format::kind::{IMAGE_EXTENSIONS, LABEL_COLUMNS};
use crate::format::webdataset::split_key;

/// The most samples, and about the most bytes, that are handed over at once.
const BATCH_SAMPLES: usize = 64;
const BATCH_BYTES: usize = 32 << 20;
/// A member larger than this is no image.
const MOST_BYTES: u64 = 1 << 30;
/// A label is cut here.
const MOST_LABEL_BYTES: u64 = 1000;

/// Which members are shown, and under what names.
#[derive(Debug, Clone)]
pub(super) struct Members {
    pub(super) asked: Asked,
    /// The labels in the order of their class numbers.
    pub(super) classes: Option<Vec<String>>,
}

/// Reads archives on a thread of its own; rows come as they are taken.
pub(super) fn read(paths: Vec<PathBuf>, members: Members) -> Receiver<Result<Rows>> {
    let (sender, receiver) = channel(1);
    std::thread::spawn(move || {
        let mut samples = Samples { members, sender, sample: None, batch: Vec::new(), bytes: 0 };
        for path in paths {
            match samples.read(&path) {
                Ok(true) => {}
                // Nobody listens any more.
                Ok(false) => return,
                Err(error) => {
                    let _ = samples.sender.blocking_send(Err(Error::file("read", path)(error)));
                    return;
                }
            }
        }
        samples.send();
    });
    receiver
}

#[derive(Debug)]
struct Sample {
    key: String,
    image: Option<Vec<u8>>,
    /// The label, and the place of its name among those that are looked for.
    label: Option<(usize, String)>,
}

struct Samples {
    members: Members,
    sender: Sender<Result<Rows>>,
    /// The one under way.
    sample: Option<Sample>,
    batch: Vec<Sample>,
    bytes: usize,
}

impl Samples {
    /// Whether somebody listens.
    fn read(&mut self, path: &Path) -> io::Result<bool> {
        let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
        let is_gzip = io::BufRead::fill_buf(&mut file)?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read> = if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut archive = Archive::new(input);
        for entry in archive.entries()? {
            let entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let is_file = entry.header().entry_type().is_file();
            let Some((key, extension)) = split_key(&name).filter(|_| is_file) else { continue };
            if self.sample.as_ref().is_none_or(|sample| sample.key != key) {
                if !self.end_sample() {
                    return Ok(false);
                }
                self.sample = Some(Sample { key: key.to_string(), image: None, label: None });
            }
            self.add(&extension, entry)?;
        }
        // Samples end with their archive.
        Ok(self.end_sample())
    }

    fn add(&mut self, extension: &str, member: impl Read) -> io::Result<()> {
        let Some(sample) = &mut self.sample else { return Ok(()) };
        let ending = extension.rsplit('.').next().unwrap_or_default();
        let is_image = match &self.members.asked.image {
            Some(image) => image.eq_ignore_ascii_case(extension),
            None => sample.image.is_none() && IMAGE_EXTENSIONS.contains(&ending),
        };
        if is_image {
            let mut image = Vec::new();
            member.take(MOST_BYTES).read_to_end(&mut image)?;
            self.bytes += image.len();
            sample.image = Some(image);
            return Ok(());
        }
        let place = match &self.members.asked.label {
            Some(label) => label.eq_ignore_ascii_case(extension).then_some(0),
            None => LABEL_COLUMNS.iter().chain(&["txt"]).position(|label| *label == extension),
        };
        if let Some(place) = place.filter(|place| sample.label.as_ref().is_none_or(|(other, _)| place < other)) {
            let mut text = Vec::new();
            member.take(MOST_LABEL_BYTES).read_to_end(&mut text)?;
            let text = String::from_utf8_lossy(&text).trim().to_string();
            let classes = self.members.classes.as_deref().unwrap_or_default();
            let class = text.parse().ok().and_then(|number: usize| classes.get(number)).cloned();
            sample.label = Some((place, class.unwrap_or(text)));
        }
        Ok(())
    }

    /// Whether somebody listens.
    fn end_sample(&mut self) -> bool {
        self.batch.extend(self.sample.take());
        let is_full = self.batch.len() >= BATCH_SAMPLES || self.bytes >= BATCH_BYTES;
        !is_full || self.send()
    }

    fn send(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let images: ArrayRef = Arc::new(batch.iter().map(|sample| sample.image.as_deref()).collect::<BinaryArray>());
        let (labels, paths) =
            batch.into_iter().map(|sample| (sample.label.map(|(_, label)| label), Some(sample.key))).unzip();
        self.sender.blocking_send(Ok(Rows { images, labels, paths })).is_ok()
    }
}
