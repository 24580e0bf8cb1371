//! Keys of samples, such that a reader finds in a member's name the key that was written.

use std::collections::HashMap;

use twox_hash::XxHash3_64;

use crate::sink::encode::ChangedKeys;

/// A key that readers split off a member's name as it is; `None` where nothing of it is left.
///
/// The key is cut at the first dot behind the last slash, and names that begin with `/`, `.` or `__` are passed over.
pub(crate) fn readable(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
    let (last, directories) = parts.split_last()?;
    let mut readable = String::with_capacity(key.len());
    for directory in directories {
        push_part(&mut readable, directory, false);
        readable.push('/');
    }
    push_part(&mut readable, last, true);
    Some(readable)
}

/// Appends a part: without control characters, without dots where they would cut, and with one `_` at most at its start.
fn push_part(readable: &mut String, part: &str, is_last: bool) {
    let mut is_start = true;
    for character in part.chars() {
        let is_cut = character == '.' && (is_last || is_start);
        let character = if is_cut || character.is_control() { '_' } else { character };
        if character == '_' && is_start && readable.ends_with('_') {
            continue;
        }
        is_start &= character == '_';
        readable.push(character);
    }
}

/// The keys of one shard, each of them once.
#[derive(Default)]
pub(crate) struct Keys {
    /// How often a key was asked for, by its hash: a shard may have a million of them.
    used: HashMap<u64, u32>,
    changed: ChangedKeys,
}

impl Keys {
    /// The key under which a sample is written: readable, and nobody else's in this shard.
    pub(crate) fn claim(&mut self, key: &str) -> Option<String> {
        let wanted = readable(key)?;
        let mut claimed = wanted.clone();
        loop {
            let count = self.used.entry(hash(&wanted)).or_default();
            let is_first = *count == 0;
            if !is_first {
                claimed = format!("{wanted}_{count}");
            }
            *count += 1;
            if is_first {
                break;
            }
            // Somebody may have this very name of his own.
            let own = self.used.entry(hash(&claimed)).or_default();
            if *own == 0 {
                *own = 1;
                break;
            }
        }
        if claimed != key {
            self.changed.count += 1;
            self.changed.first.get_or_insert_with(|| (key.to_string(), claimed.clone()));
        }
        Some(claimed)
    }

    /// The keys changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> ChangedKeys {
        std::mem::take(&mut self.changed)
    }
}

fn hash(key: &str) -> u64 {
    XxHash3_64::oneshot(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the readers' pattern `^((?:.*/|)[^.]+)[.]([^/]*)$` gives.
    fn split(name: &str) -> Option<(&str, &str)> {
        let base = name.rfind('/').map_or(0, |at| at + 1);
        let dot = base + name[base..].find('.')?;
        (dot > base && !name.contains('\n')).then(|| (&name[..dot], &name[dot + 1..]))
    }

    #[test]
    fn keys_keep_what_readers_can_read() {
        let cases = [
            ("photos/daisy/1.jpg", Some("photos/daisy/1_jpg")),
            ("a.b/c", Some("a.b/c")),
            ("/photos//1", Some("photos/1")),
            ("../x", Some("_/x")),
            ("a/../b", Some("a/_/b")),
            ("__MACOSX/x", Some("_MACOSX/x")),
            (".hidden", Some("_hidden")),
            ("..__x", Some("_x")),
            ("a__b", Some("a__b")),
            ("a\nb", Some("a_b")),
            ("ä ö", Some("ä ö")),
            ("_", Some("_")),
            ("", None),
            ("//", None),
        ];
        for (key, expected) in cases {
            assert_eq!(readable(key).as_deref(), expected, "{key:?}");
        }
    }

    #[test]
    fn a_key_that_is_taken_gets_a_number() {
        let mut keys = Keys::default();
        let claimed = ["a", "a_1", "a", "a", "b", "a_1"].map(|key| keys.claim(key).expect("a key"));
        assert_eq!(claimed, ["a", "a_1", "a_2", "a_3", "b", "a_1_1"]);
        let changed = keys.take_changed();
        assert_eq!((changed.count, changed.first), (3, Some(("a".to_string(), "a_2".to_string()))));
    }

    proptest! {
        #[test]
        fn a_reader_finds_the_key_and_the_extension(key in r"(\PC|[./_\n\x00]){0,20}", extension in "[a-z][a-z.]{0,6}") {
            let Some(key) = readable(&key) else { return Ok(()) };
            let name = format!("{key}.{extension}");
            prop_assert_eq!(split(&name), Some((key.as_str(), extension.as_str())));
            for part in key.split('/') {
                prop_assert!(!part.is_empty() && !part.starts_with('.') && !part.starts_with("__"), "{}", key);
            }
            prop_assert!(!key.chars().any(char::is_control));
            prop_assert_eq!(readable(&key), Some(key.clone()));
        }

        #[test]
        fn no_two_samples_share_a_key(keys in prop::collection::vec(r"[ab](_[12]){0,2}", 0..40)) {
            let mut claimed = Keys::default();
            let mut all: Vec<String> = keys.iter().filter_map(|key| claimed.claim(key)).collect();
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), keys.len());
        }
    }
}
