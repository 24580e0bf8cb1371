//! Lists of a bucket's keys, page by page.

use std::ops::Bound;

use hyper::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::answer::Answer;
use crate::call::Call;
use crate::object::{Bucket, Object, Store, hexadecimal};
use crate::refusal::Refusal;
use crate::s3::{Setting, xml_date};
use crate::xml::Xml;

/// Keys of a page at most, and where nothing else is asked for.
const MOST_KEYS: usize = 1_000;

/// Answers `?list-type=2` with a page.
pub(crate) fn list(store: &Store, call: &Call, setting: &Setting) -> Result<Answer, Refusal> {
    let asked = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
    let bucket = store.bucket(&call.bucket)?;
    let most = match asked("max-keys").map(str::parse::<usize>) {
        None => MOST_KEYS,
        Some(Ok(most)) => most.min(MOST_KEYS),
        Some(Err(error)) => return Err(Refusal::InvalidArgument(format!("max-keys: {error}"))),
    };
    let prefix = asked("prefix").unwrap_or_default();
    let (delimiter, token) = (asked("delimiter"), asked("continuation-token"));
    let start_after = asked("start-after").filter(|_| !setting.ignores_start_after);
    let start = match (token, start_after) {
        (Some(token), _) => read_token(token)?,
        (None, Some(key)) if key >= prefix => Bound::Excluded(key.to_string()),
        _ => Bound::Included(prefix.to_string()),
    };
    let page = match setting.lists_trees && delimiter.is_none() {
        true => Page::of_tree(bucket, prefix, &start, most),
        false => Page::of(bucket, &Folding { prefix, delimiter, start_after }, start, most),
    };
    let encoding = asked("encoding-type").filter(|encoding| *encoding == "url");
    let name_of = |key: &str| match encoding {
        Some(_) => utf8_percent_encode(key, &URL_ENCODED).to_string(),
        None => key.to_string(),
    };
    let document = Xml::document("ListBucketResult", |xml| {
        xml.text("Name", &call.bucket);
        xml.text("Prefix", &name_of(prefix));
        for (name, value) in [("Delimiter", delimiter), ("StartAfter", start_after)] {
            value.iter().for_each(|value| xml.text(name, &name_of(value)));
        }
        for (name, value) in [("EncodingType", encoding), ("ContinuationToken", token)] {
            value.iter().for_each(|value| xml.text(name, value));
        }
        xml.text("MaxKeys", &most.to_string());
        xml.text("KeyCount", &(page.objects.len() + page.common_prefixes.len()).to_string());
        xml.text("IsTruncated", if page.next.is_some() { "true" } else { "false" });
        page.next.iter().for_each(|next| xml.text("NextContinuationToken", &write_token(next)));
        for (key, object) in &page.objects {
            xml.element("Contents", |xml| {
                xml.text("Key", &name_of(key));
                xml.text("LastModified", &xml_date(object.last_modified));
                xml.text("ETag", &object.etag);
                xml.text("Size", &object.bytes.len().to_string());
                xml.text("StorageClass", "STANDARD");
            });
        }
        for prefix in &page.common_prefixes {
            xml.element("CommonPrefixes", |xml| xml.text("Prefix", &name_of(prefix)));
        }
    });
    Ok(Answer::xml(StatusCode::OK, document))
}

/// What S3 encodes in keys, if asked to: all but these.
const URL_ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// Which keys a list is about, and which of them it shows as one.
struct Folding<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    start_after: Option<&'a str>,
}

impl Folding<'_> {
    /// What stands for a key of this prefix, and for those like it, up to the delimiter.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }
}

/// A page of a list.
struct Page<'a> {
    objects: Vec<(&'a str, &'a Object)>,
    common_prefixes: Vec<&'a str>,
    /// Where the next page starts; none if this is the last.
    next: Option<Bound<String>>,
}

impl<'a> Page<'a> {
    /// A page of keys in the order of a tree of files.
    fn of_tree(bucket: &'a Bucket, prefix: &str, start: &Bound<String>, most: usize) -> Self {
        let mut keys: Vec<_> = bucket.iter().filter(|(key, _)| key.starts_with(prefix)).collect();
        keys.sort_by(|(left, _), (right, _)| names(left).cmp(names(right)));
        let is_behind = |key: &str| match start {
            Bound::Excluded(start) => names(key).gt(names(start)),
            Bound::Included(start) => key == start || names(key).ge(names(start)) || start == prefix,
            Bound::Unbounded => true,
        };
        let mut behind = keys.into_iter().filter(|(key, _)| is_behind(key));
        let objects: Vec<_> = behind.by_ref().take(most).map(|(key, object)| (key.as_str(), object)).collect();
        let next = behind.next().and_then(|_| Some(Bound::Excluded(objects.last()?.0.to_string())));
        Self { objects, common_prefixes: Vec::new(), next }
    }

    fn of(bucket: &'a Bucket, folding: &Folding<'_>, mut start: Bound<String>, most: usize) -> Self {
        let mut page = Self { objects: Vec::new(), common_prefixes: Vec::new(), next: None };
        loop {
            // Each common prefix starts the walk again behind the keys that it stands for, so that these cost nothing.
            let range = (start.as_ref().map(String::as_str), Bound::Unbounded);
            let mut keys = bucket.range::<str, _>(range).take_while(|(key, _)| key.starts_with(folding.prefix));
            let behind = loop {
                let Some((key, object)) = keys.next() else { return page };
                let common_prefix = folding.common_prefix(key);
                // S3 leaves out common prefixes that aren't behind `start-after` themselves.
                let shown = common_prefix.is_none_or(|prefix| folding.start_after.is_none_or(|after| prefix > after));
                if shown && page.objects.len() + page.common_prefixes.len() == most {
                    // A page of no keys is never followed by another one.
                    page.next = (most > 0).then_some(start);
                    return page;
                }
                match common_prefix {
                    None => {
                        page.objects.push((key, object));
                        start = Bound::Excluded(key.clone());
                    }
                    Some(prefix) => {
                        page.common_prefixes.extend(shown.then_some(prefix));
                        break behind_all_with(prefix);
                    }
                }
            };
            match behind {
                Some(behind) => start = Bound::Included(behind),
                None => return page,
            }
        }
    }
}

/// By what keys are sorted where they are paths in a tree of files.
fn names(key: &str) -> impl Iterator<Item = &str> {
    key.split('/')
}

/// The first text behind all that begin with a prefix; none where there isn't any.
fn behind_all_with(prefix: &str) -> Option<String> {
    let mut behind = prefix.to_string();
    while let Some(last) = behind.pop() {
        // A range of letters knows that there are none between U+D7FF and U+E000.
        if let Some(next) = (last..=char::MAX).nth(1) {
            behind.push(next);
            return Some(behind);
        }
    }
    None
}

/// A continuation token: clients have no business in it, so it doesn't look like a key.
fn write_token(next: &Bound<String>) -> String {
    match next {
        Bound::Excluded(key) => format!("x{}", hexadecimal(key.as_bytes())),
        Bound::Included(key) => format!("i{}", hexadecimal(key.as_bytes())),
        Bound::Unbounded => "i".to_string(),
    }
}

fn read_token(token: &str) -> Result<Bound<String>, Refusal> {
    let key = |digits: &str| {
        let pairs = digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned());
        let encoded: String = pairs.map(|pair| format!("%{pair}")).collect();
        let key = percent_decode_str(&encoded).decode_utf8();
        // What isn't hexadecimal is left as it was by the decoder, and so can be told.
        key.ok().map(|key| key.into_owned()).filter(|key| hexadecimal(key.as_bytes()) == digits)
    };
    let bound = match token.split_at_checked(1) {
        Some(("x", digits)) => key(digits).map(Bound::Excluded),
        Some(("i", digits)) => key(digits).map(Bound::Included),
        _ => None,
    };
    bound.ok_or_else(|| Refusal::InvalidArgument(format!("the continuation token '{token}' is none of ours")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_prefix_are_the_texts_that_do_not_begin_with_it() {
        let cases = [
            ("a/", Some("a0")),
            ("a", Some("b")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ];
        for (prefix, behind) in cases {
            assert_eq!(behind_all_with(prefix).as_deref(), behind, "{prefix:?}");
        }
    }

    #[test]
    fn tokens_are_read_as_they_were_written() {
        for key in ["", "a", "ä/é", "%41", "a b\u{1}"] {
            for bound in [Bound::Excluded(key.to_string()), Bound::Included(key.to_string())] {
                assert_eq!(read_token(&write_token(&bound)).expect("a token"), bound);
            }
        }
        for token in ["y61", "x6", "xzz", "a", "é", "xff"] {
            assert!(read_token(token).is_err(), "{token}");
        }
    }
}
