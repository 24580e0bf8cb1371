//! What fuzzing and tests run of places: patterns, locations and the allow-list.

use std::path::Path;

use super::glob::{Glob, has_wildcard};
use super::{AllowList, file_url_to_path, is_glob, local_path, path_to_file_url};

pub(crate) use super::objects::fuzz::{addresses, profiles, rules};
pub(crate) use super::web::fuzz::{headers, web_addresses};

/// Patterns. The first line is the pattern, each further one a path below its base: whatever matches is found by whoever walks the
/// folders from above.
pub(crate) fn patterns(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let pattern = lines.next().unwrap_or_default();
    let Ok(glob) = Glob::parse(pattern, pattern) else { return };
    for path in lines.take(20) {
        let names: Vec<&str> = path.split('/').collect();
        let is_path = names.iter().all(|name| !name.is_empty() && !name.starts_with('.') && !name.contains('\0'));
        if !is_path {
            continue;
        }
        let is_match = glob.is_match(Path::new(path));
        if !pattern.split('/').any(has_wildcard) {
            assert_eq!(is_match, pattern == path, "{pattern:?} has no wildcard, and {path:?}");
        }
        let is_found = names.iter().enumerate().all(|(depth, name)| {
            glob.wanted(depth).holds(name.as_ref()) && (depth + 1 == names.len() || glob.goes_below(depth))
        });
        assert!(!is_match || is_found, "{pattern:?} matches {path:?}, which nobody finds");
        assert_eq!(glob.is_match_of_object(path), is_match && is_found, "{pattern:?} and the key {path:?}");
    }
}

/// Locations and entries of the allow-list.
pub(crate) fn locations(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = is_glob(&text);
    if let Some(path) = local_path(&text).filter(|path| path.is_absolute())
        && let Some(url) = path_to_file_url(&path)
    {
        assert!(file_url_to_path(&url).is_some(), "{url} of {path:?}");
    }
    if let Ok(allow) = text.parse::<AllowList>() {
        assert!(allow.is_bounded() && !allow.to_string().is_empty());
        let _ = allow.check(&text);
    }
}
