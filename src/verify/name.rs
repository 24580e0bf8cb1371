//! What the names of shards say: how many records, how many shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The record count in a name of the form `<prefix><shard>-<count>.<extension>`.
pub(super) fn count_in_name(name: &str) -> Option<u64> {
    let (stem, _) = name.split_once('.')?;
    let (before, count) = stem.rsplit_once('-')?;
    // Numbers with leading zeros are those of shards.
    let is_padded = count.len() > 1 && count.starts_with('0');
    let is_digits = count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse().ok().filter(|_| is_digits && !is_padded && before.ends_with(|last: char| last.is_ascii_digit()))
}

/// Endings of TFRecord files.
pub(super) fn is_record_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zlib")).unwrap_or(&name);
    let endings = [".tfrec", ".record", ".records"];
    name.contains("tfrecord") || endings.iter().any(|ending| name.ends_with(ending))
}

/// Endings of tar files.
pub(super) fn is_tar(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

/// Endings of Parquet files.
pub(super) fn is_parquet(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".parquet")
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
