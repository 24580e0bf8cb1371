//! What features there are: their kinds, in how many records, with how many values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::report::{Fault, FaultKind, FaultPlace, ShardReport};

/// A feature of a shard, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct FeatureReport {
    /// Its kinds, each with the first record that has it.
    #[serde(serialize_with = "names")]
    pub(crate) kinds: BTreeMap<String, FaultPlace>,
    /// Records that have it.
    pub(crate) records: u64,
    /// How many values a record, or a step of a feature list, has.
    pub(crate) values: Option<Span>,
    /// How many steps a record's feature list has; `null` for what is no list.
    pub(crate) steps: Option<Span>,
}

/// The least and the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

fn names<S: Serializer>(kinds: &BTreeMap<String, FaultPlace>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.keys())
}

/// Widens a span.
pub(super) fn widen(span: &mut Option<Span>, value: Span) {
    *span = Some(span.map_or(value, |old| Span { min: old.min.min(value.min), max: old.max.max(value.max) }));
}

impl Span {
    pub(super) fn of(count: usize) -> Self {
        Self { min: count as u64, max: count as u64 }
    }

    /// `[3]` or `[0..7]`.
    fn brackets(self) -> String {
        if self.min == self.max { format!("[{}]", self.min) } else { format!("[{}..{}]", self.min, self.max) }
    }
}

impl FeatureReport {
    /// Notes a kind of value, and where it was seen first.
    pub(super) fn add_kind(&mut self, kind: &str, place: FaultPlace) {
        if !self.kinds.contains_key(kind) {
            self.kinds.insert(kind.to_string(), place);
        }
    }

    /// The kind and the counts, as `float_list[0..7] (not in 3 records)`.
    pub(crate) fn describe(&self, records: u64) -> String {
        let mut text = self.kinds.keys().map(String::as_str).collect::<Vec<_>>().join("|");
        if let Some(steps) = self.steps {
            text.push_str(&format!(" steps{}", steps.brackets()));
        }
        if let Some(values) = self.values.filter(|values| *values != Span::of(1)) {
            text.push_str(&values.brackets());
        }
        match records.saturating_sub(self.records) {
            0 => {}
            1 => text.push_str(" (not in 1 record)"),
            missing => text.push_str(&format!(" (not in {missing} records)")),
        }
        text
    }
}

/// The features of all shards, and a fault for each shard where a feature is of another kind than where it was seen first.
pub(super) fn merge(shards: &[ShardReport]) -> (BTreeMap<String, FeatureReport>, Vec<Fault>) {
    let mut merged: BTreeMap<String, FeatureReport> = BTreeMap::new();
    let mut first: BTreeMap<&str, (&str, FaultPlace, &str)> = BTreeMap::new();
    let mut faults = Vec::new();
    for shard in shards {
        for (name, feature) in &shard.features {
            let all = merged.entry(name.clone()).or_default();
            all.records += feature.records;
            if let Some(values) = feature.values {
                widen(&mut all.values, values);
            }
            if let Some(steps) = feature.steps {
                widen(&mut all.steps, steps);
            }
            let mut kinds: Vec<_> = feature.kinds.iter().collect();
            kinds.sort_by_key(|(_, place)| **place);
            for (kind, place) in kinds {
                all.add_kind(kind, *place);
                let (first_kind, first_place, first_path) = *first.entry(name).or_insert((kind, *place, &shard.path));
                if kind != first_kind {
                    let message =
                        format!("feature '{name}' is {kind} here, and {first_kind} in {first_path}, {first_place}");
                    faults.push(Fault::new(&shard.path, Some(*place), FaultKind::Feature, message));
                }
            }
        }
    }
    (merged, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ragged_and_absent_features_are_described() {
        let place = FaultPlace { record: 0, offset: Some(0) };
        let mut feature = FeatureReport { records: 7, ..FeatureReport::default() };
        feature.add_kind("float_list", place);
        widen(&mut feature.values, Span::of(0));
        widen(&mut feature.values, Span::of(7));
        assert_eq!(feature.describe(7), "float_list[0..7]");
        assert_eq!(feature.describe(10), "float_list[0..7] (not in 3 records)");
        widen(&mut feature.steps, Span::of(2));
        assert_eq!(feature.describe(8), "float_list steps[2][0..7] (not in 1 record)");
        feature.add_kind("bytes_list", place);
        feature.steps = None;
        feature.values = Some(Span::of(1));
        assert_eq!(feature.describe(7), "bytes_list|float_list");
    }
}
