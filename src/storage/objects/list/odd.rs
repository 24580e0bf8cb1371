//! Keys that are no paths: empty parts, `.`, `..`, letters that nobody can print. One of them would make a whole page of a list
//! unreadable, so they are taken out of the answer before it is read.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path as ObjectPath;
use prost::bytes::Bytes;

use crate::words::{elements, unescaped};

/// A key that is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OddKey {
    pub(super) key: String,
    /// How many objects of its page come before it.
    pub(super) before: usize,
}

/// Goes with a request for a list: its answer comes without such keys, which are here then.
#[derive(Debug, Clone, Default)]
pub(in crate::storage::objects) struct OddKeys(Arc<Mutex<Vec<OddKey>>>);

impl OddKeys {
    /// Takes odd keys out of an answer.
    pub(in crate::storage::objects) fn take_out(&self, body: Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(&body) else { return body };
        let (odd, elements): (Vec<OddKey>, Vec<Range<usize>>) = find(text).into_iter().unzip();
        let kept = (!elements.is_empty()).then(|| without(text, &elements));
        // An answer that was asked for again counts once.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = odd;
        kept.map_or(body, Bytes::from)
    }

    /// Those that were taken out.
    pub(super) fn taken(self) -> Vec<OddKey> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The odd keys of an answer, and where their elements stand.
fn find(text: &str) -> Vec<(OddKey, Range<usize>)> {
    // Of S3 and Google, and of Azure.
    let (object, key, length) = match text.contains("<Contents>") {
        true => ("Contents", "Key", "Size"),
        false => ("Blob", "Name", "Content-Length"),
    };
    let (begin, end) = (format!("<{object}>"), format!("</{object}>"));
    let (key_begin, key_end) = (format!("<{key}>"), format!("</{key}>"));
    let (mut found, mut at, mut before) = (Vec::new(), 0, 0);
    while let Some(start) = text[at..].find(&begin).map(|start| at + start) {
        let Some(stop) = text[start..].find(&end).map(|stop| start + stop + end.len()) else { break };
        let element = &text[start..stop];
        let key = element.split_once(&key_begin).and_then(|(_, rest)| rest.split_once(&key_end)).map(|(key, _)| key);
        let is_empty = || elements(element, length).first() == Some(&"0");
        match key.filter(|key| !is_plain(key)).map(unescaped) {
            Some(key) if is_odd(&key, is_empty()) => found.push((OddKey { key, before }, start..stop)),
            _ => before += 1,
        }
        at = stop;
    }
    found
}

/// Whether a key, as it stands in an answer, is a path at first sight, as nearly all are.
fn is_plain(key: &str) -> bool {
    let mut before = b'/';
    for byte in key.bytes() {
        if byte < b' ' || matches!(byte, b'&' | 0x7f) || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        before = byte;
    }
    before != b'/'
}

/// Whether no path names this object. One that ends in a slash and is empty marks a folder; what a path loses of others leads to
/// another object.
fn is_odd(key: &str, is_empty: bool) -> bool {
    key.starts_with('/') || (key.ends_with('/') && !is_empty) || ObjectPath::parse(key).is_err()
}

fn without(text: &str, elements: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for element in elements {
        kept.push_str(&text[at..element.start]);
        at = element.end;
    }
    kept.push_str(&text[at..]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_out(text: &str) -> (String, Vec<(String, usize)>) {
        let keys = OddKeys::default();
        let body = keys.take_out(Bytes::from(text.to_string()));
        let odd = keys.taken().into_iter().map(|odd| (odd.key, odd.before)).collect();
        (String::from_utf8(body.to_vec()).expect("text"), odd)
    }

    #[test]
    fn keys_that_no_path_names_are_taken_out_of_an_answer() {
        let object = |key: &str, size: u8| format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
        let list = |objects: &[String]| format!("<ListBucketResult>{}</ListBucketResult>", objects.concat());
        let odd = ["a//b", "../c", "/d", "e/", "f/&#x1;", "./g&amp;"].map(|key| object(key, 1));
        let good = [object("a/b", 1), object("mark/", 0), object("&lt;a&gt;", 1), object("ä", 0)];
        let all: Vec<String> = good[..1].iter().chain(&odd).chain(&good[1..]).cloned().collect();
        let (kept, taken) = taken_out(&list(&all));
        assert_eq!(kept, list(&good));
        let expected = ["a//b", "../c", "/d", "e/", "f/\u{1}", "./g&"].map(|key| (key.to_string(), 1));
        assert_eq!(taken, expected);
        assert_eq!(taken_out(&list(&good)), (list(&good), Vec::new()));
    }

    #[test]
    fn what_is_a_path_at_first_sight_is_one() {
        for key in ["a", "a/b.jpg", "ä/漢 #1", "a.b/c..d", "a/%2e%2e/b", "a b"] {
            assert!(is_plain(key) && !is_odd(key, false), "{key}");
        }
        for key in ["", "/a", "a//b", "a/", "./a", "a/../b", ".a", "a/.b", "a&amp;b", "a\u{1}b", "a\u{7f}"] {
            assert!(!is_plain(key), "{key:?}");
        }
    }

    #[test]
    fn azures_answers_name_keys_in_their_own_way() {
        let blob = |name: &str| {
            format!("<Blob><Name>{name}</Name><Properties><Content-Length>3</Content-Length></Properties></Blob>")
        };
        let text = format!("<Blobs>{}{}<BlobPrefix><Name>a//</Name></BlobPrefix></Blobs>", blob("a"), blob("a//b"));
        let (kept, taken) = taken_out(&text);
        assert_eq!(kept, text.replace(&blob("a//b"), ""));
        assert_eq!(taken, [("a//b".to_string(), 1)]);
    }

    #[test]
    fn what_is_no_list_stays_what_it_is() {
        for text in ["", "<Contents>", "<Contents><Key>a//b", "<Contents><Key>a//b</Contents>", "</Contents><Contents>"]
        {
            assert_eq!(taken_out(text), (text.to_string(), Vec::new()));
        }
    }
}
