//! What is gathered while a shard is read, whatever its format.

use std::collections::BTreeMap;

use super::Options;
use super::duplicates::HashedImage;
use super::features::{FeatureReport, Span, widen};
use super::images::{BytesFeature, SizeCounts, looks_like_an_image};
use super::labels::{Label, LabelCounts};
use super::report::{Fault, FaultKind, FaultPlace, MOST_LISTED, ShardReport};
use crate::words::counted;

/// A shard while it is checked.
pub(super) struct ShardCheck<'a> {
    options: &'a Options,
    /// The shard's number in the dataset.
    number: usize,
    pub(super) report: ShardReport,
    faults: Vec<Fault>,
    bytes_features: BTreeMap<String, BytesFeature>,
    labels: LabelCounts,
    sizes: SizeCounts,
    images: Vec<HashedImage>,
    /// Records without the label that the user named: the first, and how many.
    unlabelled: (Option<FaultPlace>, u64),
}

/// What a checked shard adds to its dataset.
pub(super) struct CheckedShard {
    pub(super) report: ShardReport,
    pub(super) faults: Vec<Fault>,
    pub(super) labels: LabelCounts,
    pub(super) sizes: SizeCounts,
    pub(super) images: Vec<HashedImage>,
}

impl CheckedShard {
    /// Counts a fault of the whole file, and lists it where not too many are.
    pub(super) fn fault(&mut self, kind: FaultKind, message: String) {
        self.report.faults += 1;
        if self.faults.len() < MOST_LISTED {
            self.faults.push(Fault::new(&self.report.path, None, kind, message));
        }
    }
}

impl<'a> ShardCheck<'a> {
    pub(super) fn new(path: &str, number: usize, options: &'a Options) -> Self {
        Self {
            options,
            number,
            report: ShardReport { path: path.to_string(), ..ShardReport::default() },
            faults: Vec::new(),
            bytes_features: BTreeMap::new(),
            labels: LabelCounts::default(),
            sizes: SizeCounts::default(),
            images: Vec::new(),
            unlabelled: (None, 0),
        }
    }

    /// Counts a fault, and lists it where not too many are.
    pub(super) fn fault(&mut self, kind: FaultKind, place: Option<FaultPlace>, message: String) {
        self.report.faults += 1;
        if self.faults.len() < MOST_LISTED {
            self.faults.push(Fault::new(&self.report.path, place, kind, message));
        }
    }

    pub(super) fn note(&mut self, note: String) {
        self.report.notes.push(note);
    }

    /// The report of a feature.
    fn feature(&mut self, name: &str) -> &mut FeatureReport {
        self.report.features.entry(name.to_string()).or_default()
    }

    /// A record has a feature of this kind, with so many values.
    pub(super) fn add_feature(&mut self, name: &str, kind: &str, place: FaultPlace, values: Option<usize>) {
        let feature = self.feature(name);
        feature.records += 1;
        feature.add_kind(kind, place);
        if let Some(values) = values {
            widen(&mut feature.values, Span::of(values));
        }
    }

    /// All records have a column of this kind, NULL or not.
    pub(super) fn add_column(&mut self, name: &str, kind: &str) {
        self.feature(name).add_kind(kind, FaultPlace { record: 0, offset: None });
    }

    /// A step of a feature list has so many values of this kind.
    pub(super) fn add_step(&mut self, name: &str, kind: &str, place: FaultPlace, values: usize) {
        let feature = self.feature(name);
        feature.add_kind(kind, place);
        widen(&mut feature.values, Span::of(values));
    }

    /// A record has a feature list of so many steps.
    pub(super) fn add_list(&mut self, name: &str, steps: usize) {
        let feature = self.feature(name);
        feature.records += 1;
        widen(&mut feature.steps, Span::of(steps));
    }

    /// A feature's value that may be a label.
    pub(super) fn add_label(&mut self, feature: &str, label: impl FnOnce() -> Option<Label>) {
        self.labels.add(feature, label, self.options.label.as_deref());
    }

    /// A record is read; `has` tells whether it has a feature.
    pub(super) fn end_record(&mut self, place: FaultPlace, has: impl Fn(&str) -> bool) {
        let Some(label) = &self.options.label else { return };
        if !has(label) {
            let (first, count) = &mut self.unlabelled;
            first.get_or_insert(place);
            *count += 1;
        }
    }

    /// A feature's bytes, which may be an image; of a scalar, duplicates are looked for.
    pub(super) fn add_bytes(&mut self, feature: &str, place: FaultPlace, value: &[u8], is_scalar: bool) {
        if !self.bytes_features.contains_key(feature) {
            self.bytes_features.insert(feature.to_string(), BytesFeature::default());
        }
        let Some(seen) = self.bytes_features.get_mut(feature) else { return };
        if looks_like_an_image(value) {
            seen.add_image();
            self.add_image(feature, place, value, is_scalar);
        } else {
            seen.add_other(place, value);
        }
    }

    /// Bytes that are said to be an image.
    pub(super) fn add_image(&mut self, feature: &str, place: FaultPlace, content: &[u8], is_scalar: bool) {
        self.report.images += 1;
        self.sizes.add(content);
        if is_scalar && self.options.duplicates.are_looked_for() && !content.is_empty() {
            self.images.push(HashedImage::new(content, self.number, place.record));
        }
        let every = self.options.decode_every;
        if every == 0 || !place.record.is_multiple_of(every) {
            return;
        }
        self.report.images_decoded += 1;
        if let Some(error) = pixmill_udfs::image_error(content) {
            self.fault(FaultKind::Image, Some(place), format!("feature '{feature}': {error}"));
        }
    }

    /// The file is read.
    pub(super) fn finish(mut self) -> CheckedShard {
        for (name, feature) in std::mem::take(&mut self.bytes_features) {
            let (broken, more) = feature.broken();
            for (place, reason) in broken {
                self.fault(FaultKind::Image, Some(place), format!("feature '{name}': {reason}"));
            }
            self.report.faults += more;
        }
        if let (Some(first), count) = self.unlabelled {
            let label = self.options.label.as_deref().unwrap_or_default();
            let message = format!("no feature '{label}', {} in all", counted(count, "such record"));
            self.fault(FaultKind::Feature, Some(first), message);
        }
        let Self { report, faults, labels, sizes, images, .. } = self;
        CheckedShard { report, faults, labels, sizes, images }
    }
}
