//! Shard names: a template with the shard's number and its record count.

use std::fmt;

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use super::Format;
use crate::format::INDEX_SUFFIX;

/// How shards are named: `{prefix}`, `{shard}`, `{shards}` and `{records}` are replaced, `{shard:05}` is padded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameTemplate(String);

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most digits that a number is padded to.
const MOST_DIGITS: usize = 20;

/// A piece of a template; a field has no width where what stands for it is none.
enum Piece<'a> {
    Text(&'a str),
    Field { name: &'a str, width: Option<usize> },
}

impl NameTemplate {
    /// The template of a format's shards where none is given.
    pub fn new(format: Format) -> Self {
        Self(format.name_template().to_string())
    }

    /// Reads a template, or the name that a format has for one.
    ///
    /// # Errors
    /// An unknown field, or a template that would give two shards one name.
    pub fn parse(format: Format, text: &str) -> Result<Self> {
        let named = format.named_templates().iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let template = Self(named.map_or(text, |(_, template)| template).to_string());
        let (mut has_shard, mut touches_number) = (false, false);
        for piece in template.pieces() {
            match piece {
                Piece::Text(text) if text.contains(['{', '}', '/', '\\', '\0']) => {
                    return plan_err!("name_template: '{text}' can't be part of a file name");
                }
                Piece::Text(text) => touches_number &= text.chars().all(|c| c.is_ascii_digit()),
                Piece::Field { name, width: None } => {
                    return plan_err!(
                        "name_template: '{{{name}:...}}' must say to how many digits it is padded, 0 to {MOST_DIGITS}, as in {{{name}:05}}, got '{text}'"
                    );
                }
                Piece::Field { name: "prefix", .. } => {}
                Piece::Field { name: "shard" | "shards" | "records", .. } if touches_number => {
                    return plan_err!(
                        "name_template: numbers must be apart, as in {{shard}}-{{records}}, or two shards may have one name, got '{text}'"
                    );
                }
                Piece::Field { name: name @ ("shard" | "shards" | "records"), .. } => {
                    has_shard |= name == "shard";
                    touches_number = true;
                }
                Piece::Field { name, .. } => {
                    return plan_err!(
                        "name_template: unknown field '{{{name}}}'; the fields are {{prefix}}, {{shard}}, {{shards}} and {{records}}"
                    );
                }
            }
        }
        if !has_shard {
            return plan_err!("name_template: must hold {{shard}}, or all shards have one name, got '{text}'");
        }
        if template.0.starts_with(['.', '_']) {
            return plan_err!("name_template: names that begin with '.' or '_' are no shards, got '{text}'");
        }
        Ok(template)
    }

    /// Whether it is this one.
    pub(super) fn is(&self, template: &str) -> bool {
        self.0 == template
    }

    /// Whether names hold the prefix.
    pub(crate) fn has_prefix(&self) -> bool {
        self.pieces().iter().any(|piece| matches!(piece, Piece::Field { name: "prefix", .. }))
    }

    /// Whether names hold the number of shards, and so are those of a series.
    pub(super) fn has_number_of_shards(&self) -> bool {
        self.pieces().iter().any(|piece| matches!(piece, Piece::Field { name: "shards", .. }))
    }

    /// The name of a shard.
    pub fn name(&self, prefix: &str, shard: usize, shards: usize, records: u64) -> String {
        let mut name = String::new();
        for piece in self.pieces() {
            let (number, width) = match piece {
                Piece::Text(text) => {
                    name.push_str(text);
                    continue;
                }
                Piece::Field { name: "prefix", .. } => {
                    name.push_str(prefix);
                    continue;
                }
                // Wide enough for the last shard, so that names sort like numbers.
                Piece::Field { name: "shard", width } => {
                    (shard as u64, width.unwrap_or(0).max(shards.saturating_sub(1).to_string().len()))
                }
                Piece::Field { name: "shards", width } => (shards as u64, width.unwrap_or(0)),
                Piece::Field { width, .. } => (records, width.unwrap_or(0)),
            };
            name.push_str(&format!("{number:0width$}"));
        }
        name
    }

    /// Whether a file may be a shard of this template, whatever its numbers are.
    pub fn matches(&self, prefix: &str, name: &str) -> bool {
        matches(&self.pieces(), prefix, name)
    }

    fn pieces(&self) -> Vec<Piece<'_>> {
        let mut pieces = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((text, tail)) = rest.split_once('{') {
            let Some((field, tail)) = tail.split_once('}') else { break };
            let (name, width) = field.split_once(':').unwrap_or((field, "0"));
            let width = width.parse().ok().filter(|width| *width <= MOST_DIGITS);
            pieces.push(Piece::Text(text));
            pieces.push(Piece::Field { name, width });
            rest = tail;
        }
        pieces.push(Piece::Text(rest));
        pieces
    }
}

/// Whether a name is made of these pieces. A number ends anywhere among digits: what is behind it may begin with some.
fn matches(pieces: &[Piece<'_>], prefix: &str, name: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return matches!(name, "" | ".gz" | ".zlib" | INDEX_SUFFIX) };
    let fixed = match first {
        Piece::Text(text) => text,
        Piece::Field { name: "prefix", .. } => prefix,
        Piece::Field { .. } => {
            let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            return (1..=digits).rev().any(|count| matches(rest, prefix, &name[count..]));
        }
    };
    name.strip_prefix(fixed).is_some_and(|name| matches(rest, prefix, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> NameTemplate {
        NameTemplate::parse(Format::TfRecord, text).expect("a template")
    }

    #[test]
    fn names_hold_the_shard_and_its_records() {
        assert_eq!(NameTemplate::new(Format::TfRecord).name("flowers", 0, 16, 230), "flowers00-230.tfrec");
        assert_eq!(parse("tfds").name("mnist-train", 1, 3, 7), "mnist-train.tfrecord-00001-of-00003");
        assert_eq!(parse("spark").name("x", 1, 3, 7), "part-00001.tfrecord");
    }

    #[test]
    fn numbers_are_wide_enough_to_sort() {
        assert_eq!(NameTemplate::new(Format::TfRecord).name("a", 7, 1000, 5), "a007-5.tfrec");
    }

    #[test]
    fn a_file_is_known_as_a_shard_by_its_name() {
        let template = NameTemplate::new(Format::TfRecord);
        assert!(template.matches("flowers", "flowers00-230.tfrec"));
        assert!(template.matches("flowers", "flowers00-230.tfrec.gz"));
        assert!(template.matches("flowers", "flowers00-230.tfrec.idx"));
        for other in ["flowers-230.tfrec", "flowers00-x.tfrec", "roses00-230.tfrec", "flowers00-230.tfrec.bak"] {
            assert!(!template.matches("flowers", other), "{other}");
        }
    }

    #[test]
    fn a_number_may_stand_before_digits() {
        for (template, prefix) in [("{prefix}-{shard:05}8x{records}.tfrec", "a"), ("{shard}{prefix}.tfrec", "2024")] {
            let template = NameTemplate::parse(Format::TfRecord, template).expect("a template");
            for (shard, records) in [(0, 0), (8, 8), (11, 123)] {
                let name = template.name(prefix, shard, 12, records);
                assert!(template.matches(prefix, &name), "{name}");
            }
            assert!(!template.matches(prefix, "8x1.tfrec"));
        }
    }

    #[test]
    fn bad_templates_say_what_is_missing() {
        for bad in [
            "{prefix}.tfrec",
            "{shard}/{records}",
            "{shard}{label}",
            "{shard",
            ".{shard}",
            "{shard}{records}",
            "{shard}1{records}",
            "{shard:five}",
            "{shard:21}",
        ] {
            assert!(NameTemplate::parse(Format::TfRecord, bad).is_err(), "{bad}");
        }
    }
}
