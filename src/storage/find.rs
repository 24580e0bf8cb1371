//! Finding files: a location is a directory, a file or a glob, by path or by `file://` URL.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::{AllowList, is_file_url, local_path, path_to_file_url};

/// A location, taken apart.
#[derive(Debug)]
pub(crate) struct Location {
    text: String,
    /// Where the search starts.
    base: PathBuf,
    glob: Option<Glob>,
    allow: Arc<AllowList>,
}

/// What the paths below the base must match.
#[derive(Debug)]
struct Glob {
    matcher: GlobMatcher,
    names_extension: bool,
}

/// A file of a location.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// `None` for a link that leads nowhere.
    pub(crate) metadata: Option<Metadata>,
    /// Whether the location itself says that this file is meant, by its name or its extension.
    pub(crate) is_named: bool,
}

impl Location {
    /// Takes a location apart.
    ///
    /// # Errors
    /// Neither a file nor a directory nor a glob with a directory to start from.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Self::parse_within(text, &Arc::default())
    }

    /// Takes a location apart that must not lead outside of an allow-list.
    ///
    /// # Errors
    /// As [`Self::parse`], and a location that leads outside; of such nobody is told whether it is there.
    pub(crate) fn parse_within(text: &str, allow: &Arc<AllowList>) -> Result<Self> {
        allow.check(text)?;
        let Some(path) = local_path(text) else {
            return plan_err!("cannot look into '{text}': files are read from local paths and file:// URLs");
        };
        let Some(path) = path.to_str() else {
            return plan_err!("cannot look into '{text}': not valid UTF-8");
        };
        let location = |base: &str, glob| {
            let (text, base) = (text.to_string(), PathBuf::from(base));
            Self { text, base, glob, allow: Arc::clone(allow) }
        };
        // A file or directory of just this name is meant, whatever wildcards the name seems to hold.
        if Path::new(path).symlink_metadata().is_ok() {
            return Ok(location(path, None));
        }
        let has_wildcard = |part: &&str| part.contains(['*', '?', '[', '{']);
        let parts: Vec<&str> = path.split('/').collect();
        let Some(fixed) = parts.iter().position(has_wildcard) else {
            return plan_err!("nothing at '{text}': no such file or directory");
        };
        let base = match parts[..fixed].join("/") {
            base if base.is_empty() && path.starts_with('/') => "/".to_string(),
            base if base.is_empty() => ".".to_string(),
            base => base,
        };
        allow.check_path(Path::new(&base))?;
        if !Path::new(&base).is_dir() {
            return plan_err!("nothing matches '{text}': there is no directory '{base}'");
        }
        let pattern = parts[fixed..].join("/");
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| plan_datafusion_err!("bad glob '{text}': {}", error.kind()))?;
        let names_extension = pattern.rsplit_once('.').is_some_and(|(_, end)| !end.contains(['*', '?', '/']));
        let matcher = glob.compile_matcher();
        Ok(location(&base, Some(Glob { matcher, names_extension })))
    }

    /// Where the search starts.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Whether a directory was named, and with it all that is in it.
    pub(crate) fn is_directory(&self) -> bool {
        self.glob.is_none() && self.base.is_dir()
    }

    /// Whether the location is a pattern, and no name.
    pub(crate) fn is_pattern(&self) -> bool {
        self.glob.is_some()
    }

    /// Walks over the files, sorted by their whole paths. Hidden files and folders are passed over, links followed.
    pub(crate) fn files(&self, is_recursive: bool) -> impl Iterator<Item = Result<Found>> + '_ {
        let depth = if is_recursive || self.glob.is_some() { usize::MAX } else { 1 };
        let walk = WalkDir::new(&self.base)
            .follow_links(true)
            .max_depth(depth)
            .sort_by(by_path)
            .into_iter()
            .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry));
        walk.filter_map(|entry| self.found(entry).transpose())
    }

    fn found(&self, entry: walkdir::Result<DirEntry>) -> Result<Option<Found>> {
        let (path, metadata) = match entry {
            Ok(entry) if entry.file_type().is_dir() => {
                // Here the walk has not gone into the directory yet.
                self.check_link(&entry)?;
                return Ok(None);
            }
            Ok(entry) if !self.is_match(entry.path()) => return Ok(None),
            Ok(entry) => {
                self.check_link(&entry)?;
                let metadata = entry.metadata().ok();
                (entry.into_path(), metadata)
            }
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() && error.loop_ancestor().is_none() => {
                    if !self.is_match(path) {
                        return Ok(None);
                    }
                    self.allow.check_path(path)?;
                    (path.to_path_buf(), None)
                }
                _ => return Err(exec_datafusion_err!("cannot list '{}': {error}", self.text)),
            },
        };
        let is_named = match &self.glob {
            None => path == self.base,
            Some(glob) => glob.names_extension,
        };
        Ok(Some(Found { path, metadata, is_named }))
    }

    fn is_match(&self, path: &Path) -> bool {
        self.glob.as_ref().is_none_or(|glob| glob.matcher.is_match(self.below(path)))
    }

    /// A file's path from where the search started, which is the same however that place is written; of a file that is named
    /// itself, its name.
    pub(crate) fn below<'a>(&self, path: &'a Path) -> &'a Path {
        match path.strip_prefix(&self.base) {
            Ok(below) if below.as_os_str().is_empty() => path.file_name().map_or(path, Path::new),
            below => below.unwrap_or(path),
        }
    }

    /// The name of the directory of the files that lie where the search started, also where it was written without one, as `.` is.
    pub(crate) fn base_name(&self) -> Option<OsString> {
        let directory = if self.base.is_dir() { self.base.as_path() } else { self.base.parent()? };
        let named = |path: &Path| path.file_name().map(OsString::from);
        named(directory).or_else(|| {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            named(&directory.canonicalize().ok()?)
        })
    }

    /// Checks where a link leads; what is no link is in a directory that has been checked.
    fn check_link(&self, entry: &DirEntry) -> Result<()> {
        if entry.path_is_symlink() { self.allow.check_path(entry.path()) } else { Ok(()) }
    }

    /// The path in the form of the location: relative, absolute or a URL; `None` where it isn't valid UTF-8.
    pub(crate) fn shown(&self, path: &Path) -> Option<String> {
        if is_file_url(&self.text) {
            return path_to_file_url(path);
        }
        let text = path.to_str()?;
        // A search from "." is one that named no directory: its paths don't either.
        let is_named = self.text == "." || self.text.starts_with("./");
        let text = if is_named { text } else { text.strip_prefix("./").unwrap_or(text) };
        Some(text.to_string())
    }
}

/// The order of whole paths, as strings.
fn by_path(left: &DirEntry, right: &DirEntry) -> Ordering {
    sort_key(left).cmp(sort_key(right))
}

/// A directory sorts as if its name ended in a slash.
fn sort_key(entry: &DirEntry) -> impl Iterator<Item = &u8> {
    let end: &[u8] = if entry.file_type().is_dir() { b"/" } else { b"" };
    entry.file_name().as_encoded_bytes().iter().chain(end)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, b"x").expect("a file");
        }
        directory
    }

    fn found(directory: &tempfile::TempDir, below: &str) -> Vec<String> {
        let root = directory.path().to_str().expect("UTF-8");
        let location = Location::parse(&format!("{root}/{below}")).expect("a location");
        let paths = location.files(true).map(|found| location.shown(&found.expect("listed").path).expect("UTF-8"));
        paths.map(|path| path.replace(&format!("{root}/"), "")).collect()
    }

    #[test]
    fn files_are_sorted_by_their_whole_paths() {
        let directory = tree(&["a/1.jpg", "a-b/1.jpg", "a.jpg", "B/2.jpg", "a/b/0.jpg", ".hidden/1.jpg", "a/.x.jpg"]);
        assert_eq!(found(&directory, ""), ["B/2.jpg", "a-b/1.jpg", "a.jpg", "a/1.jpg", "a/b/0.jpg"]);
    }

    #[test]
    fn globs_know_stars_alternatives_and_depths() {
        let directory = tree(&["a/1.jpg", "a/2.png", "b/c/3.jpg", "d.jpg"]);
        assert_eq!(found(&directory, "**/*.jpg"), ["a/1.jpg", "b/c/3.jpg", "d.jpg"]);
        assert_eq!(found(&directory, "*/*.{jpg,png}"), ["a/1.jpg", "a/2.png"]);
        assert_eq!(found(&directory, "{a,d}/*"), ["a/1.jpg", "a/2.png"]);
        assert_eq!(found(&directory, "?.jpg"), ["d.jpg"]);
    }

    #[test]
    fn names_that_look_like_patterns_or_urls_are_names() {
        let names = ["a b.jpg", "a%20b.jpg", "a#b.jpg", "a?b.jpg", "a+b=c.jpg", "a[1].jpg", "ä.jpg", "{x}.jpg"];
        let directory = tree(&names);
        for name in names {
            assert_eq!(found(&directory, name), [name]);
        }
        let root = directory.path().to_str().expect("UTF-8");
        let url = path_to_file_url(&directory.path().join("a%20b.jpg")).expect("absolute");
        assert_eq!(url, format!("file://{root}/a%2520b.jpg"));
        let location = Location::parse(&url).expect("a location");
        let paths: Vec<_> = location.files(true).filter_map(|found| location.shown(&found.ok()?.path)).collect();
        assert_eq!(paths, [url]);
    }

    #[test]
    fn what_isnt_there_is_said() {
        let error = |text: &str| Location::parse(text).expect_err("nothing there").strip_backtrace();
        let prefix = "Error during planning: ";
        assert_eq!(error("no/such"), format!("{prefix}nothing at 'no/such': no such file or directory"));
        assert_eq!(
            error("no/such/*.jpg"),
            format!("{prefix}nothing matches 'no/such/*.jpg': there is no directory 'no/such'")
        );
        assert_eq!(
            error("s3://bucket/a"),
            format!("{prefix}cannot look into 's3://bucket/a': files are read from local paths and file:// URLs")
        );
    }
}
