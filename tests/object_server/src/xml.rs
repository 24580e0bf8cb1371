//! XML: what answers are written in, and as much of reading as two kinds of request need.

use std::fmt::Write;

use bytes::Bytes;

/// A document that is being written.
pub(crate) struct Xml(String);

impl Xml {
    /// A whole document below one element.
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Self)) -> Bytes {
        let mut xml = Self(String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#));
        // S3's errors are in no namespace.
        let space = if root == "Error" { "" } else { r#" xmlns="http://s3.amazonaws.com/doc/2006-03-01/""# };
        xml.0.push_str(&format!("\n<{root}{space}>"));
        content(&mut xml);
        xml.0.push_str(&format!("</{root}>"));
        Bytes::from(xml.0)
    }

    /// An element that holds others.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        // Writing to a String can't fail, here and below.
        let _ = write!(self.0, "<{name}>");
        content(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| {
            for letter in text.chars() {
                match letter {
                    '&' => xml.0.push_str("&amp;"),
                    '<' => xml.0.push_str("&lt;"),
                    '>' => xml.0.push_str("&gt;"),
                    '"' => xml.0.push_str("&quot;"),
                    '\'' => xml.0.push_str("&apos;"),
                    letter if letter.is_ascii_control() => {
                        let _ = write!(xml.0, "&#x{:x};", u32::from(letter));
                    }
                    letter => xml.0.push(letter),
                }
            }
        });
    }
}

/// S3's error document.
pub(crate) fn error(code: &str, message: &str, details: &[(&str, String)], request_id: &str) -> Bytes {
    Xml::document("Error", |xml| {
        xml.text("Code", code);
        xml.text("Message", message);
        for (name, value) in details {
            xml.text(name, value);
        }
        xml.text("RequestId", request_id);
    })
}

/// What stands in each element of a name, in order. Elements of one name that hold each other aren't told apart, and
/// neither are comments and CDATA known: requests of clients have none of them.
pub(crate) fn elements<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find(&open) {
        rest = &rest[start + open.len()..];
        let Some(end_of_tag) = rest.find('>') else { break };
        let attributes = &rest[..end_of_tag];
        if !attributes.is_empty() && !attributes.starts_with([' ', '\t', '\n', '\r', '/']) {
            continue; // A longer name.
        }
        rest = &rest[end_of_tag + 1..];
        if attributes.ends_with('/') {
            found.push("");
            continue;
        }
        let Some(end) = rest.find(&close) else { break };
        found.push(&rest[..end]);
        rest = &rest[end + close.len()..];
    }
    found
}

/// The text of the first element of a name.
pub(crate) fn text(document: &str, name: &str) -> Option<String> {
    elements(document, name).first().and_then(|text| unescape(text))
}

/// Text without its entities; none where there is an entity that XML doesn't know.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';')?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_as_it_was_written() {
        for value in ["", "a b", "a&b", "<a>", "a'b\"c", "ä/é", "\u{1}\n\t\r", "&amp;", "]]>"] {
            let document = Xml::document("Delete", |xml| xml.element("Object", |xml| xml.text("Key", value)));
            let document = String::from_utf8(document.to_vec()).expect("text");
            assert_eq!(text(&document, "Key").as_deref(), Some(value), "{document}");
        }
    }

    #[test]
    fn elements_are_told_from_those_with_longer_names() {
        let document = "<Parts><Part a='1'>1</Part><PartNumber>2</PartNumber><Part/><Part>3</Part></Parts>";
        assert_eq!(elements(document, "Part"), ["1", "", "3"]);
    }

    #[test]
    fn an_unknown_entity_is_no_text() {
        assert_eq!(text("<Key>&nbsp;</Key>", "Key"), None);
    }
}
