//! The samples of WebDataset tar shards, a few at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::columns::{Asked, ImageRows};
use crate::error::{Error, Result};
use crate::format::kind::{IMAGE_EXTENSIONS, LABEL_COLUMNS};
use crate::format::webdataset::{Sample, each_sample};
use crate::storage::{Input, Ranges, Reach, Version};

/// The most samples, and about the most bytes, that are handed over at once.
const BATCH_SAMPLES: usize = 64;
const BATCH_BYTES: usize = 32 << 20;
/// A label is cut here.
const MOST_LABEL_BYTES: usize = 1000;

/// Which members are shown, and under what names.
#[derive(Debug, Clone)]
pub(super) struct Members {
    pub(super) asked: Asked,
    /// The labels in the order of their class numbers.
    pub(super) classes: Option<Vec<String>>,
}

/// Reads archives on a thread of its own; rows come as they are taken.
pub(super) fn read(files: Vec<(String, Version)>, reach: Reach, members: Members) -> Receiver<Result<ImageRows>> {
    let (sender, receiver) = channel(1);
    std::thread::spawn(move || {
        let mut samples = Samples { members, sender, batch: Vec::new(), bytes: 0 };
        for (path, version) in files {
            let opened = reach.open(&path, &version, Ranges::WHOLE);
            match opened.and_then(|file| samples.read(file)) {
                Ok(ControlFlow::Continue(())) => {}
                // Nobody listens any more.
                Ok(ControlFlow::Break(())) => return,
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

/// What is shown of a sample.
#[derive(Debug)]
struct Shown {
    key: String,
    image: Option<Vec<u8>>,
    label: Option<String>,
}

struct Samples {
    members: Members,
    sender: Sender<Result<ImageRows>>,
    batch: Vec<Shown>,
    bytes: usize,
}

impl Members {
    fn is_image(&self, extension: &str) -> bool {
        match &self.asked.image {
            Some(image) => image.eq_ignore_ascii_case(extension),
            None => IMAGE_EXTENSIONS.contains(&extension.rsplit('.').next().unwrap_or_default()),
        }
    }

    /// The place of a member's name among those of labels that are looked for.
    fn label(&self, extension: &str) -> Option<usize> {
        match &self.asked.label {
            Some(label) => label.eq_ignore_ascii_case(extension).then_some(0),
            None => LABEL_COLUMNS.iter().chain(&["txt"]).position(|label| *label == extension),
        }
    }

    fn shown(&self, sample: Sample) -> Shown {
        let is_label = |(extension, content): &(String, Vec<u8>)| {
            let text = String::from_utf8_lossy(&content[..content.len().min(MOST_LABEL_BYTES)]).trim().to_string();
            self.label(extension).map(|place| (place, text))
        };
        let label = sample.members.iter().filter_map(is_label).min_by_key(|(place, _)| *place);
        let label = label.map(|(_, text)| {
            let classes = self.classes.as_deref().unwrap_or_default();
            text.parse().ok().and_then(|number: usize| classes.get(number)).cloned().unwrap_or(text)
        });
        let image = sample.members.into_iter().find(|(extension, _)| self.is_image(extension));
        Shown { key: sample.key, image: image.map(|(_, content)| content), label }
    }
}

impl Samples {
    /// Goes on as long as somebody listens.
    fn read(&mut self, file: Input) -> std::io::Result<ControlFlow<()>> {
        let members = self.members.clone();
        let is_shown = |extension: &str| members.is_image(extension) || members.label(extension).is_some();
        each_sample(file, is_shown, |sample| {
            let shown = members.shown(sample);
            self.bytes += shown.image.as_ref().map_or(0, Vec::len);
            self.batch.push(shown);
            let is_full = self.batch.len() >= BATCH_SAMPLES || self.bytes >= BATCH_BYTES;
            if !is_full || self.send() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
    }

    /// Whether somebody listens.
    fn send(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let images: ArrayRef = Arc::new(batch.iter().map(|sample| sample.image.as_deref()).collect::<BinaryArray>());
        let (labels, paths) = batch.into_iter().map(|sample| (sample.label, Some(sample.key))).unzip();
        self.sender.blocking_send(Ok(ImageRows { images, labels, paths })).is_ok()
    }
}
