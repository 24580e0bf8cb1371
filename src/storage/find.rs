//! Finding files: a location is a directory, a file or a glob, by path or by `file://` URL.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::{Result, plan_err};

use super::glob::{Glob, has_wildcard};
use super::walk::{Search, Walk};
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
    #[cfg(test)]
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
        let error = match Path::new(path).symlink_metadata() {
            Ok(_) => return Ok(location(path, None)),
            Err(error) => error,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let Some(fixed) = first_wildcard(&parts) else {
            return match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    plan_err!("nothing at '{text}': no such file or directory")
                }
                _ => plan_err!("cannot look at '{text}': {error}"),
            };
        };
        let base = joined(&parts[..fixed]);
        allow.check_path(Path::new(&base))?;
        match Path::new(&base).metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return plan_err!("cannot look into '{base}' for '{text}': {error}");
            }
            _ => return plan_err!("nothing matches '{text}': there is no directory '{base}'"),
        }
        Ok(location(&base, Some(Glob::parse(&parts[fixed..].join("/"), text)?)))
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
    ///
    /// A glob looks only into folders that can hold what it matches. What can't be read is left out with a warning; it is an error where
    /// the location names just that.
    pub(crate) fn files(&self, is_recursive: bool) -> impl Iterator<Item = Result<Found>> + '_ {
        self.walk(is_recursive).map(|walked| {
            walked.map(|walked| {
                let is_named = match &self.glob {
                    None => walked.path == self.base,
                    Some(glob) => glob.names_extension,
                };
                Found { path: walked.path, metadata: walked.metadata, is_named }
            })
        })
    }

    fn walk(&self, is_recursive: bool) -> Walk<'_> {
        Walk::new(Search {
            base: &self.base,
            text: &self.text,
            glob: self.glob.as_ref(),
            most_depth: if is_recursive || self.glob.is_some() { usize::MAX } else { 1 },
            allow: &self.allow,
        })
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

/// The files below a directory, each with what is known of it. Hidden ones are passed over, and links that lead nowhere.
pub(super) fn files_below(directory: &Path, allow: &AllowList) -> impl Iterator<Item = Result<(PathBuf, Metadata)>> {
    let text = directory.to_string_lossy();
    let walk = Walk::new(Search { base: directory, text: &text, glob: None, most_depth: usize::MAX, allow });
    let found = walk.filter_map(|walked| match walked {
        Ok(walked) => Some(Ok((walked.path, walked.metadata?))),
        Err(error) => Some(Err(error)),
    });
    found.collect::<Vec<_>>().into_iter()
}

/// Whether a location is a glob: nothing has that name, and behind the folders that exist there is a wildcard.
pub(crate) fn is_glob(location: &str) -> bool {
    let Some(path) = local_path(location) else { return false };
    let Some(path) = path.to_str().filter(|path| Path::new(path).symlink_metadata().is_err()) else { return false };
    first_wildcard(&path.split('/').collect::<Vec<_>>()).is_some()
}

/// The first part of a path that is a pattern: what exists by its name is meant by it, whatever wildcards it seems to hold.
fn first_wildcard(parts: &[&str]) -> Option<usize> {
    let exists = |count: &usize| Path::new(&joined(&parts[..*count])).symlink_metadata().is_ok();
    let existing = (1..=parts.len()).take_while(exists).count();
    (existing..parts.len()).find(|part| has_wildcard(parts[*part]))
}

/// The folder that these parts of a path are; the current one where there are none.
fn joined(parts: &[&str]) -> String {
    match parts {
        [] => ".".to_string(),
        [""] => "/".to_string(),
        parts => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

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

    /// What a pattern finds, and how many folders it lists for it.
    fn walked(directory: &tempfile::TempDir, below: &str) -> (Vec<String>, usize) {
        let root = directory.path().to_str().expect("UTF-8");
        let location = Location::parse(&format!("{root}/{below}")).expect("a location");
        let mut walk = location.walk(true);
        let paths: Vec<PathBuf> = walk.by_ref().map(|found| found.expect("listed").path).collect();
        let shown = paths.iter().map(|path| location.shown(path).expect("UTF-8").replace(&format!("{root}/"), ""));
        (shown.collect(), walk.listed)
    }

    #[test]
    fn a_pattern_lists_only_folders_that_can_hold_what_it_matches() {
        let files = ["top/1.jpg", "top/x/b/2.jpg", "top/x/c/3.jpg", "top/y/b/d/4.jpg", "top/z/5.jpg", "other/6.jpg"];
        let directory = tree(&files);
        let cases: [(&str, &[&str], usize); 9] = [
            ("top/*.jpg", &["top/1.jpg"], 1),
            ("top/*/*.jpg", &["top/z/5.jpg"], 4),
            ("top/[xy]/b/*.jpg", &["top/x/b/2.jpg"], 5),
            ("top/*/b/2.jpg", &["top/x/b/2.jpg"], 6),
            ("top/x/**/*.jpg", &["top/x/b/2.jpg", "top/x/c/3.jpg"], 3),
            ("*/z/*.jpg", &["top/z/5.jpg"], 4),
            ("{top/x/b,other}/*.jpg", &["other/6.jpg", "top/x/b/2.jpg"], 10),
            ("t*/**", &files[..5], 9),
            ("top/*/none/**/*.jpg", &[], 4),
        ];
        for (pattern, expected, listed) in cases {
            let found = walked(&directory, pattern);
            assert_eq!(
                (found.0.iter().map(String::as_str).collect::<Vec<_>>(), found.1),
                (expected.to_vec(), listed),
                "{pattern}"
            );
        }
    }

    #[test]
    fn links_in_a_circle_are_passed_over() {
        let directory = tree(&["a/1.jpg", "b/2.jpg", "b/c/3.jpg"]);
        let link = |target: &str, name: &str| symlink(target, directory.path().join(name)).expect("a link");
        link(".", "again");
        link("../..", "b/c/up");
        link("self", "self");
        link("../b", "a/to_b");
        link("pong", "ping");
        link("ping", "pong");
        let expected = ["a/1.jpg", "a/to_b/2.jpg", "a/to_b/c/3.jpg", "b/2.jpg", "b/c/3.jpg"];
        assert_eq!(found(&directory, "**/*.jpg"), expected);
        assert_eq!(found(&directory, "*/*.jpg"), ["a/1.jpg", "b/2.jpg"]);
        // Links that lead nowhere are files that can't be read, which a query tells with their rows.
        assert_eq!(walked(&directory, "*"), (vec!["ping".into(), "pong".into(), "self".into()], 1));
        let inside = walked(&directory, "again/again/*/*.jpg").0;
        assert_eq!(inside, ["again/again/a/1.jpg", "again/again/b/2.jpg"]);
    }

    #[test]
    fn what_is_no_file_is_left_out_and_the_rest_found() {
        let directory = tree(&["a/1.jpg", "a/3.jpg"]);
        let _socket = UnixListener::bind(directory.path().join("a/2.jpg")).expect("a socket");
        symlink("none", directory.path().join("a/4.jpg")).expect("a link");
        assert_eq!(found(&directory, "a/*.jpg"), ["a/1.jpg", "a/3.jpg", "a/4.jpg"]);
        assert_eq!(found(&directory, "a"), ["a/1.jpg", "a/3.jpg", "a/4.jpg"]);
        let location = directory.path().join("a/2.jpg");
        let location = Location::parse(location.to_str().expect("UTF-8")).expect("a location");
        let error = location.files(true).next().expect("an answer").map(|_| ()).expect_err("no file").strip_backtrace();
        assert!(error.contains("it is neither a file nor a directory"), "{error}");
    }

    #[test]
    fn folders_that_cant_be_read_stop_only_those_who_name_them() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tree(&["a/1.jpg", "b/2.jpg"]);
        let closed = directory.path().join("b");
        let open = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).expect("permissions");
        open(0o000);
        // Root reads it all the same.
        if fs::read_dir(&closed).is_err() {
            assert_eq!(found(&directory, "*/*.jpg"), ["a/1.jpg"]);
            assert_eq!(found(&directory, "**/*.jpg"), ["a/1.jpg"]);
            assert_eq!(found(&directory, "a*/*.jpg"), ["a/1.jpg"]);
            let location = Location::parse(&format!("{}/*.jpg", closed.display())).expect("a location");
            let error = location.files(true).next().expect("an answer").map(|_| ()).expect_err("closed");
            assert!(error.strip_backtrace().contains("Permission denied"), "{error}");
        }
        open(0o755);
    }

    #[test]
    fn what_cant_be_looked_at_is_told_with_the_reason() {
        let directory = tree(&["a/1.jpg"]);
        symlink("self", directory.path().join("self")).expect("a link");
        let long = "x".repeat(300);
        for (below, reason) in [
            ("self/1.jpg", "symbolic link"),
            ("self/*.jpg", "symbolic link"),
            (long.as_str(), "name too long"),
            (&format!("{long}/*.jpg"), "name too long"),
            ("a/1.jpg/*.jpg", "there is no directory"),
        ] {
            let location = format!("{}/{below}", directory.path().display());
            let error = Location::parse(&location).expect_err("no location").strip_backtrace();
            assert!(error.to_lowercase().contains(reason), "{below}: {error}");
        }
        assert_eq!(found(&directory, &format!("*/{long}/*.jpg")), [""; 0]);
    }

    #[test]
    fn the_longest_beginning_that_exists_is_a_name() {
        let directory =
            tree(&["[2024] x/a/1.jpg", "2 x/a/2.jpg", "[2024] x/[b]/{c}/3.jpg", "[2024] x/b/4.jpg", "*/5.jpg"]);
        assert_eq!(
            found(&directory, "[2024] x/**/*.jpg"),
            ["[2024] x/[b]/{c}/3.jpg", "[2024] x/a/1.jpg", "[2024] x/b/4.jpg"]
        );
        assert_eq!(found(&directory, "[2024] x/[b]/*/*.jpg"), ["[2024] x/[b]/{c}/3.jpg"]);
        assert_eq!(found(&directory, "[2024] x/[a]/*.jpg"), ["[2024] x/a/1.jpg"]);
        assert_eq!(found(&directory, "[23] x/*/*.jpg"), ["2 x/a/2.jpg"]);
        assert_eq!(found(&directory, "*/*.jpg"), ["*/5.jpg"]);
        assert_eq!(found(&directory, "[2024] x"), ["[2024] x/[b]/{c}/3.jpg", "[2024] x/a/1.jpg", "[2024] x/b/4.jpg"]);
        let names = ["-a.jpg", "a\\b.jpg", "a\nb.jpg", "it's \"q\".jpg", "100%.jpg", "a:b.jpg"];
        let directory = tree(&names);
        for name in names {
            assert_eq!(found(&directory, name), [name]);
        }
        assert!(is_glob("no such [1]/x") && !is_glob("src") && !is_glob("no such/x") && !is_glob("s3://bucket/*"));
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
