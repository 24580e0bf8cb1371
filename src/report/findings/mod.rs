//! Findings: what the numbers say, as sentences.

mod conditions;
mod seconds;
mod throughput;

use super::Report;
use super::number::{MOST_NAMED, whole};

/// A finding: a sentence that says what, and those that say how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) how: String,
}

impl Finding {
    fn new(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), how: how.into() }
    }
}

/// What series are called, by their numbers.
type Name<'a> = &'a dyn Fn(i64) -> String;

/// All findings, the most asked for first.
pub(super) fn all(report: &Report) -> Vec<Finding> {
    let name: Name<'_> = &|series| report.name(series).to_string();
    let mut all = Vec::new();
    all.extend(throughput::files_and_shards(&report.comparison));
    all.extend(throughput::best_predictor(&report.linear, name));
    all.extend(throughput::break_down(&report.linear, name));
    all.extend(seconds::physical_model(&report.models, &report.linear, name));
    all.extend(seconds::whole_source(&report.predictions, name));
    all.extend(seconds::first_batch(&report.spreads, name));
    all.extend(conditions::repetitions(&report.spreads, name));
    all.push(conditions::executors(&report.spreads, &report.facts));
    all.push(conditions::cache(&report.facts.cache, name));
    all.extend(conditions::left_over(&report.facts));
    all
}

/// The sentences of each series, as long as there are few.
fn each(sentences: impl Iterator<Item = String>) -> String {
    let sentences: Vec<String> = sentences.collect();
    let mut text = sentences.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(" ");
    let more = sentences.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        text.push_str(&format!(" Charts and tables below have the other {more}."));
    }
    text
}

fn combination((batch_size, batch_number): (i64, i64)) -> String {
    format!("{} \u{d7} {}", whole(batch_size), whole(batch_number))
}

#[cfg(test)]
mod testing {
    pub(super) fn name(series: i64) -> String {
        if series == 1 { "files".to_string() } else { "shards".to_string() }
    }
}
