//! What the names of shards say: how many records, how many shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use indicatif::HumanCount;

use crate::words::counted;

/// The record count in a name of the form `<prefix><shard>-<count>.<extension>`.
fn count_in_name(name: &str) -> Option<u64> {
    let (stem, _) = name.split_once('.')?;
    let (before, count) = stem.rsplit_once('-')?;
    // Numbers with leading zeros are those of shards.
    let is_padded = count.len() > 1 && count.starts_with('0');
    let is_digits = count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse().ok().filter(|_| is_digits && !is_padded && before.ends_with(|last: char| last.is_ascii_digit()))
}

/// A name that tells another number of records than there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The shard's number among those that were compared.
    pub(super) shard: usize,
    /// Whether the names of its directory do tell the numbers of records.
    pub(super) is_fault: bool,
    pub(super) message: String,
}

/// Compares counts in names with the records that there are.
///
/// `photos-2024-11.tfrec` has the form, too: where most names of a directory tell how many records there are, another one
/// lies; where they don't, the numbers may be anything.
pub(super) fn compare_counts<'a>(shards: impl Iterator<Item = (&'a Path, u64)>) -> Vec<Difference> {
    let mut directories: BTreeMap<&Path, Vec<(usize, u64, u64)>> = BTreeMap::new();
    for (shard, (path, records)) in shards.enumerate() {
        let named = path.file_name().and_then(|name| count_in_name(name.to_str()?));
        if let Some(named) = named {
            directories.entry(path.parent().unwrap_or(path)).or_default().push((shard, named, records));
        }
    }
    let mut differences = Vec::new();
    for mut counts in directories.into_values() {
        let all = counts.len();
        counts.retain(|(_, named, records)| named != records);
        let is_fault = 2 * counts.len() < all;
        for (shard, named, records) in counts {
            let says = if is_fault { "says" } else { "may say" };
            let message = format!("its name {says} {}, it holds {}", counted(named, "record"), HumanCount(records));
            differences.push(Difference { shard, is_fault, message });
        }
    }
    differences
}

/// A series `...00003-of-00012...` of a directory, the number taken out of its names.
type Series = (PathBuf, String, u64, String);

/// A message and its path for each series `...-of-n` that isn't whole.
pub(super) fn missing_of_series<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<(PathBuf, String)> {
    let mut series: BTreeMap<Series, BTreeSet<u64>> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((before, number, shards, behind)) = name.and_then(split_of) else { continue };
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        series.entry((directory, before.to_string(), shards, behind.to_string())).or_default().insert(number);
    }
    let missing = series.into_iter().filter_map(|((directory, before, shards, behind), numbers)| {
        let lacking = shards.saturating_sub(numbers.range(..shards).count() as u64);
        let first = (0..shards).find(|number| !numbers.contains(number)).filter(|_| lacking > 0)?;
        let name = directory.join(format!("{before}{first:05}-of-{shards:05}{behind}"));
        let message = match lacking {
            1 => "it isn't there".to_string(),
            _ => format!("it isn't there, nor {} more of its series", lacking - 1),
        };
        Some((name, message))
    });
    missing.collect()
}

/// `(before, number, shards, behind)` of a name that holds `number-of-shards`.
fn split_of(name: &str) -> Option<(&str, u64, u64, &str)> {
    let (left, right) = name.split_once("-of-")?;
    let digits = left.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (before, number) = left.split_at(left.len() - digits);
    let digits = right.bytes().take_while(u8::is_ascii_digit).count();
    let (shards, behind) = right.split_at(digits);
    Some((before, number.parse().ok()?, shards.parse().ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_from_names_that_hold_one() {
        assert_eq!(count_in_name("flowers00-230.tfrec"), Some(230));
        assert_eq!(count_in_name("flowers00-230.tfrec.gz"), Some(230));
        assert_eq!(count_in_name("flowers00-0.tfrec"), Some(0));
        assert_eq!(count_in_name("mnist.tfrecord-00001-of-00003"), None);
        assert_eq!(count_in_name("train-00001-of-00003.tfrecord"), None);
        assert_eq!(count_in_name("part-00001.tfrecord"), None);
        assert_eq!(count_in_name("train-7.tfrecord"), None);
    }

    #[test]
    fn a_name_lies_where_most_others_tell_the_truth() {
        let compare = |shards: &[(&str, u64)]| {
            let told = compare_counts(shards.iter().map(|(path, records)| (Path::new(*path), *records)));
            told.into_iter().map(|told| (told.shard, told.is_fault, told.message)).collect::<Vec<_>>()
        };
        assert!(compare(&[("a/x00-3.tfrec", 3), ("a/x01-4.tfrec", 4), ("a/y.tfrec", 9)]).is_empty());
        let lie = (1, true, "its name says 4 records, it holds 3".to_string());
        assert_eq!(compare(&[("a/x00-3.tfrec", 3), ("a/x01-4.tfrec", 3), ("a/x02-5.tfrec", 5)]), [lie]);
        let month = (0, false, "its name may say 11 records, it holds 80".to_string());
        assert_eq!(compare(&[("photos-2024-11.tfrec", 80)]), std::slice::from_ref(&month));
        assert_eq!(compare(&[("photos-2024-11.tfrec", 80), ("photos-2024-12.tfrec", 12)]), [month]);
        let first = (0, false, "its name may say 1 record, it holds 30".to_string());
        assert_eq!(compare(&[("cifar10-1.tfrec", 30)]), [first]);
    }

    #[test]
    fn a_series_that_isnt_whole_names_what_it_lacks() {
        let missing = |names: &[&str]| {
            let missing = missing_of_series(names.iter().map(Path::new));
            missing.into_iter().map(|(path, message)| format!("{}: {message}", path.display())).collect::<Vec<_>>()
        };
        assert!(missing(&["a/x.tfrecord-00000-of-00002", "a/x.tfrecord-00001-of-00002"]).is_empty());
        assert_eq!(missing(&["x-00001-of-00002.gz"]), ["x-00000-of-00002.gz: it isn't there"]);
        assert_eq!(
            missing(&["x-00000-of-99999999999999"]),
            ["x-00001-of-99999999999999: it isn't there, nor 99999999999997 more of its series"]
        );
    }
}
