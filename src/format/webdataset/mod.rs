//! WebDatasets: tar files whose neighbouring members with one key are a sample.
//!
//! Specification: the reader of the `webdataset` package, which splits a member's name by
//! `^((?:.*/|)[^.]+)[.]([^/]*)$` into key and extension.

mod archive;

pub(crate) use archive::{Sample, each_sample, member_content, sample_member};

/// The key and the extension of a member, which begins at the first dot behind the last slash.
pub(crate) fn split_key(name: &str) -> Option<(&str, String)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = start + name[start..].find('.')?;
    (dot > start).then(|| (&name[..dot], name[dot + 1..].to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_at_the_first_dot_of_the_name() {
        assert_eq!(split_key("a.b/c.left.JPG"), Some(("a.b/c", "left.jpg".to_string())));
        assert_eq!(split_key("a.b/c"), None);
        assert_eq!(split_key("a/.hidden"), None);
        assert_eq!(split_key("x.cls"), Some(("x", "cls".to_string())));
    }
}
