//! Checks folders of image files: what can't be read or decoded, by label; formats and sizes; copies, and images that look alike.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use serde::Serialize;
use twox_hash::XxHash3_64;

use super::look_alikes::{Alike, MOST_LISTED, Pair, Seen, look_alikes, take_copies};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::words::quoted;

/// Everything that was found of some folders.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FolderReport {
    /// By label, how many images are `ok`, `unreadable`, or of a class of `image_error_class`.
    pub(crate) labels: Vec<LabelReport>,
    /// How often each format and size was seen, the most frequent first.
    pub(crate) image_sizes: Vec<FolderImageSize>,
    /// Images with the bytes of another.
    pub(crate) copies: AlikeReport,
    /// Images that look like another whose bytes differ.
    pub(crate) look_alikes: AlikeReport,
    /// The first images that can't be read or decoded, by path.
    pub(crate) faults: Vec<ImageFault>,
    pub(crate) summary: FolderSummary,
}

/// The images of a label.
#[derive(Debug, Serialize)]
pub(crate) struct LabelReport {
    /// `null` of images without a label.
    pub(crate) label: Option<String>,
    pub(crate) images: u64,
    pub(crate) states: BTreeMap<String, u64>,
}

/// A format and a size, and how many images have them.
#[derive(Debug, Serialize)]
pub(crate) struct FolderImageSize {
    pub(crate) format: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) count: u64,
}

/// Images that are alike.
#[derive(Debug, Default, Serialize)]
pub(crate) struct AlikeReport {
    pub(crate) images: u64,
    pub(crate) listed: Vec<AlikeImages>,
}

/// Two images that are alike.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct AlikeImages {
    /// In how many of 64 bits the hashes of their pixels differ.
    pub(crate) bits: u32,
    pub(crate) first: String,
    pub(crate) again: String,
}

/// An image that can't be read or decoded.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct ImageFault {
    pub(crate) path: String,
    pub(crate) class: String,
    pub(crate) message: String,
}

/// Sums over the images.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FolderSummary {
    pub(crate) images: u64,
    pub(crate) bytes: u64,
    /// Images that can't be read or decoded.
    pub(crate) faults: u64,
}

/// How many faults are listed.
const MOST_FAULTS: usize = 100;
/// Different sizes that are told apart; images of further ones aren't counted by size.
const MOST_SIZES: usize = 100_000;
/// What state an image is in that can be decoded, and one that can't be read.
const OK: &str = "ok";
const UNREADABLE: &str = "unreadable";

/// Checks all images at the locations; those look alike whose hashes differ in `most_bits` at most.
///
/// # Errors
/// Locations without images, or that can't be reached.
pub(crate) async fn check_folders(engine: &Engine, locations: &[String], most_bits: u32) -> Result<FolderReport> {
    let mut check = Check::default();
    for location in locations {
        let images = format!("read_images({})", quoted(location));
        let sql = format!(
            "SELECT path, label, length, info['format'] AS format, info['width'] AS width, info['height'] AS height, hash,
                CASE WHEN content IS NULL THEN '{UNREADABLE}' WHEN hash IS NULL THEN image_error_class(content) ELSE '{OK}' END AS state,
                CASE WHEN content IS NULL THEN 'cannot be read' WHEN hash IS NULL THEN image_error(content) END AS message,
                CAST(substr(encode(sha256(content), 'hex'), 1, 16) AS VARCHAR) AS bytes
             FROM (SELECT path, label, length, content, image_info(content) AS info, image_hash(image_decode(content)) AS hash FROM {images})"
        );
        each_batch(engine, &sql, |batch| check.add(batch)).await?;
    }
    let mut report = FolderReport::default();
    let copies = take_copies(&mut check.seen);
    let alike = look_alikes(std::mem::take(&mut check.seen), most_bits);
    let mut paths: HashMap<u64, String> = HashMap::new();
    let both = |pair: &Pair| [pair.first, pair.again];
    paths.extend(copies.pairs.iter().chain(&alike.pairs).flat_map(both).map(|path| (path, String::new())));
    if !paths.is_empty() {
        for location in locations {
            let sql = format!("SELECT path FROM read_images({})", quoted(location));
            each_batch(engine, &sql, |batch| {
                for path in batch.column(0).as_string::<i32>().iter().flatten() {
                    if let Some(name) = paths.get_mut(&XxHash3_64::oneshot(path.as_bytes())) {
                        *name = path.to_string();
                    }
                }
                Ok(())
            })
            .await?;
        }
    }
    (report.copies, report.look_alikes) = (named(copies, &paths), named(alike, &paths));
    check.finish(&mut report);
    Ok(report)
}

/// Runs a query, and does something with each batch of its rows.
async fn each_batch(
    engine: &Engine,
    sql: &str,
    mut work: impl FnMut(&RecordBatch) -> datafusion::common::Result<()>,
) -> Result<()> {
    let statement = engine.parse(sql)?.pop();
    let statement = statement.ok_or_else(|| Error::Usage("there is no statement to run".to_string()))?;
    let mut rows = engine.start(statement).await?;
    while let Some(batch) = rows.next().await {
        work(&batch?)?;
    }
    Ok(())
}

/// Pairs with the names of their images.
fn named(alike: Alike, paths: &HashMap<u64, String>) -> AlikeReport {
    let name = |path: u64| paths.get(&path).cloned().unwrap_or_default();
    let pair = |pair: Pair| {
        let (one, other) = (name(pair.first), name(pair.again));
        let (first, again) = if one <= other { (one, other) } else { (other, one) };
        AlikeImages { bits: pair.bits, first, again }
    };
    let mut listed: Vec<AlikeImages> = alike.pairs.into_iter().take(MOST_LISTED).map(pair).collect();
    listed.sort();
    AlikeReport { images: alike.images, listed }
}

#[derive(Default)]
struct Check {
    seen: Vec<Seen>,
    labels: BTreeMap<Option<String>, BTreeMap<String, u64>>,
    sizes: BTreeMap<(String, i32, i32), u64>,
    faults: Vec<ImageFault>,
    summary: FolderSummary,
}

impl Check {
    fn add(&mut self, batch: &RecordBatch) -> datafusion::common::Result<()> {
        let column = |name: &str| {
            let found = batch.column_by_name(name);
            found.ok_or_else(|| datafusion::common::internal_datafusion_err!("there is no column '{name}'"))
        };
        let text = |name: &str| Ok::<_, datafusion::error::DataFusionError>(column(name)?.as_string::<i32>());
        let (paths, labels, states, messages) = (text("path")?, text("label")?, text("state")?, text("message")?);
        let (formats, bytes) = (text("format")?, text("bytes")?);
        let (lengths, hashes) =
            (column("length")?.as_primitive::<Int64Type>(), column("hash")?.as_primitive::<Int64Type>());
        let (widths, heights) =
            (column("width")?.as_primitive::<Int32Type>(), column("height")?.as_primitive::<Int32Type>());
        for row in 0..batch.num_rows() {
            let (path, state) = (paths.value(row), states.value(row));
            self.summary.images += 1;
            self.summary.bytes += lengths.value(row).unsigned_abs();
            let label = labels.is_valid(row).then(|| labels.value(row).to_string());
            *self.labels.entry(label).or_default().entry(state.to_string()).or_default() += 1;
            if formats.is_valid(row) {
                let size = (formats.value(row).to_string(), widths.value(row), heights.value(row));
                if self.sizes.len() < MOST_SIZES || self.sizes.contains_key(&size) {
                    *self.sizes.entry(size).or_default() += 1;
                }
            }
            if state != OK {
                self.summary.faults += 1;
                let (path, class) = (path.to_string(), state.to_string());
                self.add_fault(ImageFault { path, class, message: messages.value(row).to_string() });
            }
            let Some(bytes) = bytes.is_valid(row).then(|| u64::from_str_radix(bytes.value(row), 16).ok()).flatten()
            else {
                continue;
            };
            if lengths.value(row) > 0 {
                let look = hashes.is_valid(row).then(|| hashes.value(row) as u64);
                self.seen.push(Seen { bytes, path: XxHash3_64::oneshot(path.as_bytes()), look });
            }
        }
        Ok(())
    }

    /// Keeps the faults that come first.
    fn add_fault(&mut self, fault: ImageFault) {
        self.faults.push(fault);
        if self.faults.len() >= 100 * MOST_FAULTS {
            self.faults.sort();
            self.faults.truncate(MOST_FAULTS);
        }
    }

    fn finish(mut self, report: &mut FolderReport) {
        self.faults.sort();
        self.faults.truncate(MOST_FAULTS);
        (report.faults, report.summary) = (self.faults, self.summary);
        let labels = self.labels.into_iter();
        report.labels =
            labels.map(|(label, states)| LabelReport { label, images: states.values().sum(), states }).collect();
        let sizes = self.sizes.into_iter();
        report.image_sizes =
            sizes.map(|((format, width, height), count)| FolderImageSize { format, width, height, count }).collect();
        report.image_sizes.sort_by_key(|size| std::cmp::Reverse(size.count));
    }
}
