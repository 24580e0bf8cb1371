//! How often each label is there.

use std::collections::BTreeMap;

use serde::Serialize;

/// Features that are taken for the label where none is named, the first that is there.
const NAMES: [&str; 8] = [
    "class",
    "label",
    "cls",
    "image/class/label",
    "image/class/text",
    "image/object/class/label",
    "image/object/class/text",
    "labels",
];

/// What has more different values than this is no label.
const MOST_VALUES: usize = 10_000;
/// A longer text is no label.
const MOST_BYTES: usize = 200;

/// A label's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(crate) enum Label {
    /// A class number.
    Number(i64),
    /// A class name.
    Text(String),
}

/// Counts of one feature's values.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    counts: BTreeMap<Label, u64>,
    /// Whether it was found to be something else.
    is_no_label: bool,
}

/// Counts of the features that may be the label.
#[derive(Debug, Clone, Default)]
pub(super) struct LabelCounts(BTreeMap<String, Counts>);

/// The label of a dataset.
#[derive(Debug, Serialize)]
pub(crate) struct Labels {
    /// The feature that holds it.
    pub(crate) feature: String,
    pub(crate) values: Vec<LabelCount>,
}

/// A label and how often it is there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LabelCount {
    pub(crate) value: Label,
    /// Its name in the manifest.
    pub(crate) name: Option<String>,
    pub(crate) count: u64,
}

impl Counts {
    fn add(&mut self, label: Label, count: u64) {
        if self.is_no_label {
            return;
        }
        if self.counts.len() >= MOST_VALUES && !self.counts.contains_key(&label) {
            *self = Self { is_no_label: true, ..Self::default() };
            return;
        }
        *self.counts.entry(label).or_default() += count;
    }
}

impl LabelCounts {
    /// Counts a value of a feature; `named` is the feature that the user named.
    pub(super) fn add(&mut self, feature: &str, label: impl FnOnce() -> Option<Label>, named: Option<&str>) {
        let may_be = named.map_or_else(|| NAMES.contains(&feature), |named| named == feature);
        if !may_be {
            return;
        }
        if !self.0.contains_key(feature) {
            self.0.insert(feature.to_string(), Counts::default());
        }
        let Some(counts) = self.0.get_mut(feature) else { return };
        match label() {
            Some(label) => counts.add(label, 1),
            None => *counts = Counts { is_no_label: true, ..Counts::default() },
        }
    }

    /// Adds another shard's counts.
    pub(super) fn merge(&mut self, other: Self) {
        for (feature, other) in other.0 {
            let counts = self.0.entry(feature).or_default();
            if other.is_no_label {
                *counts = other;
                continue;
            }
            for (label, count) in other.counts {
                counts.add(label, count);
            }
        }
    }

    /// The counts of the feature that is taken for the label.
    pub(super) fn choose(mut self, named: Option<&str>, classes: Option<&[String]>) -> Option<Labels> {
        let mut names = named.map_or_else(|| NAMES.to_vec(), |named| vec![named]).into_iter();
        let feature = names.find(|name| self.0.get(*name).is_some_and(|counts| !counts.is_no_label))?;
        let counts = self.0.remove(feature)?.counts;
        let name = |label: &Label| match label {
            Label::Number(number) => classes?.get(usize::try_from(*number).ok()?).cloned(),
            Label::Text(_) => None,
        };
        let values = counts.into_iter().map(|(value, count)| LabelCount { name: name(&value), value, count });
        Some(Labels { feature: feature.to_string(), values: values.collect() })
    }
}

/// Bytes as a label; `None` for what is no short text.
pub(super) fn text(bytes: &[u8]) -> Option<Label> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MOST_BYTES)?;
    Some(Label::Text(text.to_string()))
}

/// The text of a file as a label: a number where it is one.
pub(super) fn text_or_number(bytes: &[u8]) -> Option<Label> {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
    number.map(Label::Number).or_else(|| text(bytes.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_their_classes() {
        let mut counts = LabelCounts::default();
        for number in [1, 0, 1, 7] {
            counts.add("class", || Some(Label::Number(number)), None);
        }
        counts.add("other", || Some(Label::Number(3)), None);
        let classes = ["daisy".to_string(), "roses".to_string()];
        let labels = counts.choose(None, Some(&classes)).expect("labels");
        let count = |value, name: Option<&str>, count| LabelCount {
            value: Label::Number(value),
            name: name.map(str::to_string),
            count,
        };
        assert_eq!(labels.feature, "class");
        assert_eq!(labels.values, [count(0, Some("daisy"), 1), count(1, Some("roses"), 2), count(7, None, 1)]);
    }

    #[test]
    fn captions_are_no_labels() {
        let mut counts = LabelCounts::default();
        for caption in 0..=MOST_VALUES {
            counts.add("label", || text(caption.to_string().as_bytes()), None);
        }
        assert!(counts.choose(None, None).is_none());
    }
}
