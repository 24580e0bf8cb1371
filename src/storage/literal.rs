//! URLs that mean just what a location names, also to DataFusion, which takes `?`, `*` and `[` in a path for a pattern.

use std::path::{Component, Path, PathBuf};

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use url::Url;

use super::local_path;
use super::objects::{split, url as bucket_url};
use super::resolve::resolve;
use crate::words::{counted, printable};

/// The URL of the file or directory of this name, there or not; `None` for locations that aren't local.
///
/// It ends in a slash where it is a directory or the location ends in one.
///
/// # Errors
/// A name that DataFusion's object stores can't have.
pub(crate) fn literal_url(location: &str) -> Result<Option<Url>> {
    let Some(path) = local_path(location) else { return Ok(None) };
    if !is_nameable(&path) {
        return plan_err!(
            "'{}': the paths of CSV, JSON, Parquet, Arrow and Avro files can't have line breaks, tabs and other control characters; name \
             it otherwise",
            printable(location)
        );
    }
    let is_directory = location.ends_with('/') || path.is_dir();
    let absolute =
        absolute(&path).map_err(|error| plan_datafusion_err!("cannot tell where '{location}' is: {error}"))?;
    let url = match is_directory {
        true => Url::from_directory_path(absolute),
        false => Url::from_file_path(absolute),
    };
    url.map(Some).map_err(|()| plan_datafusion_err!("'{location}' is no path of a file"))
}

/// The URL of the object, or of the folder, of this name: keys are taken as they are.
///
/// # Errors
/// A URL without a bucket.
pub(crate) fn literal_object_url(location: &str) -> Result<Url> {
    let (bucket, key) = split(location)?;
    let mut url = bucket_url(bucket)?;
    // It escapes what else has a meaning.
    url.set_path(&key.replace('%', "%25"));
    Ok(url)
}

/// Whether DataFusion's object stores can have a path.
pub(crate) fn is_nameable(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains(|letter: char| letter.is_ascii_control()))
}

/// Warns of files that were found and can't be named.
pub(crate) fn tell_unnameable(location: &str, paths: &[PathBuf]) {
    if let Some(first) = paths.first() {
        tracing::warn!(
            "'{}': left out {} whose paths have control characters or aren't UTF-8, the first '{}'",
            printable(location),
            counted(paths.len() as u64, "file"),
            printable(&first.to_string_lossy())
        );
    }
}

/// The whole path. A URL's `..` is taken from its text; a path's leads up from where a link leads to.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    if path.components().all(|part| part != Component::ParentDir) {
        return std::path::absolute(path);
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => Ok(resolve(parent)?.join(name)),
        _ => resolve(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_name_comes_back_as_it_was() {
        let names = [
            "a b",
            "a%20b",
            "a#b",
            "a?b",
            "*",
            "[1]",
            "{x}",
            "ä",
            "a\\b",
            "it's \"q\"",
            "-x",
            ".x",
            "c:d",
            "100%",
            "~",
        ];
        for name in names {
            let path = PathBuf::from(format!("/no such/{name}/r.csv"));
            let url = literal_url(path.to_str().expect("UTF-8")).expect("a name").expect("local");
            assert_eq!(url.to_file_path(), Ok(path.clone()), "{name}");
            assert_eq!(literal_url(url.as_str()).expect("a name"), Some(url.clone()), "{name}");
            // DataFusion reads the URL anew.
            assert_eq!(Url::parse(url.as_str()).map(|url| url.to_file_path()), Ok(Ok(path)), "{name}");
        }
        let relative = literal_url("x [1]/r.csv").expect("a name").expect("local");
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(relative.to_file_path(), Ok(here.join("x [1]/r.csv")));
    }

    #[test]
    fn every_key_comes_back_as_it_was() {
        let names = ["a b", "a%20b", "a#b", "a?b", "*", "[1]", "{x}", "ä", "a+b=c", "it's \"q\"", "c:d", "100%", "~"];
        for name in names {
            for location in [format!("s3://bucket/{name}/r.csv"), format!("abfss://c@a.dfs.core.windows.net/{name}/")] {
                let url = literal_object_url(&location).expect("a URL");
                let key = location.splitn(4, '/').nth(3).expect("a key");
                // DataFusion reads the URL anew.
                let url = Url::parse(url.as_str()).expect("a URL");
                let path = datafusion::object_store::path::Path::from_url_path(url.path()).expect("a path");
                assert_eq!(path.as_ref(), key.trim_end_matches('/'), "{location}");
                assert_eq!(url.path().ends_with('/'), key.ends_with('/'), "{location}");
            }
        }
        assert_eq!(literal_object_url("gs://bucket").expect("a URL").path(), "");
    }

    #[test]
    fn directories_end_with_a_slash_and_parents_are_those_of_where_links_lead() {
        let root = tempfile::tempdir().expect("a directory");
        let real = root.path().canonicalize().expect("there");
        std::fs::create_dir_all(real.join("a/b")).expect("folders");
        symlink(real.join("a/b"), real.join("link")).expect("a link");
        let url = |below: &str| {
            let location = format!("{}/{below}", real.display());
            literal_url(&location)
                .expect("a name")
                .expect("local")
                .to_string()
                .replace(real.to_str().expect("UTF-8"), "")
        };
        assert_eq!(url("a"), "file:///a/");
        assert_eq!(url("new/"), "file:///new/");
        assert_eq!(url("link/../r.csv"), "file:///a/r.csv");
        assert_eq!(url("link/.."), "file:///a/");
    }

    #[test]
    fn other_stores_and_control_characters_have_none() {
        assert_eq!(literal_url("s3://bucket/x").expect("a location"), None);
        let error = literal_url("a\nb.csv").expect_err("refused").strip_backtrace();
        assert!(error.contains("'a\\nb.csv': the paths of CSV"), "{error}");
    }
}
