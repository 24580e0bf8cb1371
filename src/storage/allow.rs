//! The allow-list: which locations this process may read and write.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::prelude::SessionConfig;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::resolve::resolve;
use super::web::{is_web_url, shown};
use super::{is_file_url, local_path, path_to_file_url};
use crate::error::Error;

/// The locations that statements may reach, with all that is below them; without a list, everything.
///
/// A process's list is an extension of its sessions' configuration. A path is judged by where it leads, links followed;
/// that a link is changed between the look and the opening is not prevented.
#[derive(Debug, Clone, Default)]
pub struct AllowList {
    places: Option<Vec<Allowed>>,
}

/// A location that may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// A directory or a file of this machine, links followed.
    Local(PathBuf),
    /// Objects of a store: its scheme and host, and what their paths begin with.
    Objects { store: String, prefix: ObjectPath },
}

impl AllowList {
    /// The list of a session; one that allows everything where it has none.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension().unwrap_or_default()
    }

    /// Whether there is anything that it forbids.
    pub(crate) fn is_bounded(&self) -> bool {
        self.places.is_some()
    }

    /// Checks a location of a statement: a path or a URL, read as the sources and sinks read it.
    ///
    /// # Errors
    /// It leads to a place that is not on the list, or nobody can tell where.
    pub(crate) fn check(&self, location: &str) -> Result<()> {
        if self.places.is_none() {
            return Ok(());
        }
        match local_path(location) {
            Some(path) => self.check_resolved(&path, location),
            None if is_web_url(location) => match Url::parse(location) {
                Ok(url) => self.check_web(&url),
                Err(_) => self.refuse(&shown(location)),
            },
            None => match Url::parse(location).ok().and_then(|url| Some((url.clone(), object_path(&url)?))) {
                Some((url, path)) => self.check_object(&url, &path),
                None => self.refuse(location),
            },
        }
    }

    /// Checks a local path.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) fn check_path(&self, path: &Path) -> Result<()> {
        match self.places {
            Some(_) => self.check_resolved(path, &path.to_string_lossy()),
            None => Ok(()),
        }
    }

    /// Checks an object of a store other than the local files.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) fn check_object(&self, url: &Url, path: &ObjectPath) -> Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        let key = store_key(url);
        let holds = |place: &Allowed| matches!(place, Allowed::Objects { store, prefix } if *store == key && path.prefix_matches(prefix));
        if places.iter().any(holds) { Ok(()) } else { self.refuse(&format!("{key}/{path}")) }
    }

    /// Checks a URL of the web.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn check_web(&self, url: &Url) -> Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        let stores = [store_key(url), format!("{}://*", url.scheme())];
        let names = names(url);
        let holds = |place: &Allowed| match place {
            Allowed::Objects { store, prefix } if stores.contains(store) => names.as_ref().is_some_and(|names| {
                let mut names = names.iter();
                prefix.parts().all(|part| names.next().is_some_and(|name| name == part.as_ref()))
            }),
            _ => false,
        };
        if places.iter().any(holds) { Ok(()) } else { self.refuse(&shown(url.as_str())) }
    }

    /// Whether an entry of the list names the host of a URL: whoever started the process knows where it is.
    pub(super) fn names_host(&self, url: &Url) -> bool {
        let key = store_key(url);
        let is_it = |place: &Allowed| matches!(place, Allowed::Objects { store, .. } if *store == key);
        self.places.iter().flatten().any(is_it)
    }

    fn check_resolved(&self, path: &Path, shown: &str) -> Result<()> {
        let resolved = resolve(path).map_err(|error| {
            plan_datafusion_err!("cannot tell where '{shown}' leads: {error}; this process may reach {self} (--allow)")
        })?;
        let holds = |place: &Allowed| matches!(place, Allowed::Local(allowed) if resolved.starts_with(allowed));
        if self.places.iter().flatten().any(holds) { Ok(()) } else { self.refuse(shown) }
    }

    fn refuse(&self, shown: &str) -> Result<()> {
        plan_err!("'{shown}' is outside of what this process may reach; it may reach {self} (--allow)")
    }
}

impl FromStr for AllowList {
    type Err = Error;

    /// Reads a list such as `/data,s3://bucket/prefix`. A comma in a URL is `%2C`.
    fn from_str(text: &str) -> std::result::Result<Self, Error> {
        let places: std::result::Result<Vec<Allowed>, String> =
            text.split(',').map(|entry| place(entry.trim())).collect();
        match places {
            Ok(places) => Ok(Self { places: Some(places) }),
            Err(reason) => Err(Error::Usage(format!(
                "{reason}; give directories and URLs, such as 'file:///data/,s3://bucket/photos/'"
            ))),
        }
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(places) = &self.places else { return f.write_str("everything") };
        for (index, place) in places.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            place.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => {
                let url = path_to_file_url(path).unwrap_or_default();
                write!(f, "{url}{}", if path.is_dir() && !url.ends_with('/') { "/" } else { "" })
            }
            Self::Objects { store, prefix } => write!(f, "{store}/{prefix}"),
        }
    }
}

/// An entry of a list, or what is wrong with it.
fn place(entry: &str) -> std::result::Result<Allowed, String> {
    if entry.is_empty() {
        return Err("an entry is empty".to_string());
    }
    if let Some(path) = local_path(entry) {
        let path =
            path.canonicalize().map_err(|error| format!("'{entry}' must be a directory that is there: {error}"))?;
        return Ok(Allowed::Local(path));
    }
    if is_file_url(entry) {
        return Err(format!("'{entry}' is no local directory: a file URL has no host, as in file:///data/"));
    }
    let url = Url::parse(entry).map_err(|error| format!("'{entry}' is no URL: {error}"))?;
    match object_path(&url) {
        Some(prefix) => Ok(Allowed::Objects { store: store_key(&url), prefix }),
        None => Err(format!("'{entry}' names no host or bucket")),
    }
}

/// The path of an object; `None` for a URL that has no host or whose path goes up.
fn object_path(url: &Url) -> Option<ObjectPath> {
    url.host_str().filter(|host| !host.is_empty())?;
    ObjectPath::from_url_path(url.path()).ok()
}

/// The names between the slashes of a URL's path, decoded; `None` where a server may take them for a way up.
fn names(url: &Url) -> Option<Vec<String>> {
    let decoded = percent_decode_str(url.path()).decode_utf8().ok()?;
    let names: Vec<String> = decoded.split(['/', '\\']).filter(|name| !name.is_empty()).map(str::to_string).collect();
    (!names.iter().any(|name| name == ".." || name == ".")).then_some(names)
}

/// By what DataFusion tells stores apart: credentials are no part of it.
fn store_key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// `data`, which is allowed, and beside it `data2` and `secret`, each with a file.
    fn places() -> (TempDir, AllowList) {
        let root = tempfile::tempdir().expect("a directory");
        for folder in ["data", "data2", "secret", "data/sub"] {
            fs::create_dir(root.path().join(folder)).expect("a folder");
            fs::write(root.path().join(folder).join("x.txt"), b"x").expect("a file");
        }
        let list = root.path().join("data").to_str().expect("UTF-8").parse().expect("a list");
        (root, list)
    }

    #[track_caller]
    fn assert_judged(list: &AllowList, root: &Path, allowed: &[&str], refused: &[&str]) {
        let root = root.to_str().expect("UTF-8");
        for location in allowed {
            let location = location.replace('@', root);
            list.check(&location).unwrap_or_else(|error| panic!("{location}: {error}"));
        }
        for location in refused {
            let location = location.replace('@', root);
            let error = list.check(&location).expect_err(&location).strip_backtrace();
            assert!(error.starts_with("Error during planning: ") && error.ends_with("/data/ (--allow)"), "{error}");
        }
    }

    #[test]
    fn whole_components_decide() {
        let (root, list) = places();
        assert_judged(
            &list,
            root.path(),
            &[
                "@/data",
                "@/data/",
                "@/data/x.txt",
                "@/data/new/deep/y",
                "@/./data//sub/x.txt",
                "@/secret/../data/x.txt",
            ],
            &[
                "@",
                "@/data2",
                "@/data2/x.txt",
                "@/dat",
                "/",
                "/etc/passwd",
                "",
                "@/data/../secret/x.txt",
                "@/data/sub/../../data2",
            ],
        );
        let error = list.check("/etc/passwd").expect_err("refused").strip_backtrace();
        let data = root.path().join("data").canonicalize().expect("there");
        assert_eq!(
            error,
            format!(
                "Error during planning: '/etc/passwd' is outside of what this process may reach; it may reach file://{}/ (--allow)",
                data.display()
            )
        );
    }

    #[test]
    fn what_isnt_there_yet_cannot_go_up() {
        let (root, list) = places();
        assert_judged(
            &list,
            root.path(),
            &["@/data/new"],
            &["@/data/new/../../secret", "@/data/new/..", "@/data/x.txt/../../secret/x.txt"],
        );
    }

    #[test]
    fn urls_in_every_spelling_are_the_paths_they_are() {
        let (root, list) = places();
        assert_judged(
            &list,
            root.path(),
            &[
                "file://@/data/x.txt",
                "file://localhost@/data/x.txt",
                "file:@/data/x.txt",
                "FILE://@/data",
                "file://@/d%61ta/x.txt",
            ],
            &[
                "file://@/data2/x.txt",
                "file://localhost/etc/passwd",
                "file:/etc/passwd",
                "FiLe:///etc/passwd",
                "file://@/data/../secret",
                "file://@/data/%2e%2e/secret",
                "file://@/data/%2E%2E/secret",
                "file://@/data/.%2e/secret",
                "file://@/data/sub%2F..%2F..%2Fsecret",
                "file://host@/data/x.txt",
                "http://host@/data/x.txt",
                "s3://bucket/data",
                "data:text/plain,x",
            ],
        );
    }

    #[test]
    fn links_are_followed_before_they_are_judged() {
        let (root, list) = places();
        let link = |target: &str, name: &str| symlink(target, root.path().join(name)).expect("a link");
        link("../secret", "data/folder");
        link("../secret/x.txt", "data/file");
        link("sub", "data/inside");
        link("../secret/new", "data/dangling");
        link("sub/new", "data/dangling_inside");
        link("../data/../data2", "data/around");
        link("data", "alias");
        link("b", "data/a");
        link("a", "data/b");
        assert_judged(
            &list,
            root.path(),
            &["@/data/inside/x.txt", "@/data/dangling_inside", "@/alias/x.txt", "@/data/folder/../data/x.txt"],
            &[
                "@/data/folder",
                "@/data/folder/x.txt",
                "@/data/folder/new",
                "@/data/file",
                "@/data/dangling",
                "@/data/dangling/y",
                "@/data/around/x.txt",
            ],
        );
        // After a link `..` is the parent of where it leads.
        assert_judged(&list, root.path(), &[], &["@/data/inside/../../secret", "@/data/folder/.."]);
        let error = list.check_path(&root.path().join("data/a")).expect_err("a loop").strip_backtrace();
        assert!(error.contains("cannot tell where") && error.contains("symbolic link"), "{error}");
    }

    #[test]
    fn objects_are_compared_by_store_and_components() {
        let list: AllowList = "s3://bucket/photos/, http://Host:80/x".parse().expect("a list");
        assert_eq!(list.to_string(), "s3://bucket/photos, http://host/x");
        for allowed in
            ["s3://bucket/photos", "S3://bucket/photos/a.jpg", "s3://me@bucket/photos/*", "http://host/x/y?z"]
        {
            list.check(allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        }
        for refused in [
            "s3://bucket/photos2/a",
            "s3://bucket/",
            "s3://other/photos/a",
            "gs://bucket/photos/a",
            "s3://bucket/photos/../secret",
            "s3://bucket/photos/%2e%2e/secret",
            "s3://bucket/photos/x%2F..%2F..%2Fsecret",
            "s3://bucket:9000/photos/a",
            "http://host:8080/x",
            "https://host/x",
            "photos/a.jpg",
        ] {
            assert!(list.check(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn hosts_of_the_web_are_compared_by_name_port_and_whole_names_of_paths() {
        let list: AllowList = "http://10.0.0.5:8080/photos/,https://*/".parse().expect("a list");
        for allowed in [
            "http://10.0.0.5:8080/photos/a.jpg?x=1",
            "http://me@10.0.0.5:8080//photos//a.jpg",
            "http://10.0.0.5:8080/ph%6ftos/a.jpg",
            "https://any.host/a.jpg",
            "https://any.host:444/x/../a.jpg",
        ] {
            list.check(allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        }
        for refused in [
            "http://10.0.0.5:8080/photos2/a.jpg",
            "http://10.0.0.5:8080/photos/../secret",
            "http://10.0.0.5:8080/photos/%2e%2e%2fsecret",
            "http://10.0.0.5:8080/photos/..%5csecret",
            "http://10.0.0.5/photos/a.jpg",
            "http://any.host/a.jpg?marked",
        ] {
            let error = list.check(refused).expect_err(refused).strip_backtrace();
            assert!(error.contains("outside of what this process may reach") && !error.contains("marked"), "{error}");
        }
        let named = |url: &str| list.names_host(&Url::parse(url).expect("a URL"));
        assert!(named("http://10.0.0.5:8080/x") && !named("http://10.0.0.5/x") && !named("https://any.host/x"));
    }

    #[test]
    fn a_bad_list_says_which_entry_and_why() {
        let error = |text: &str| text.parse::<AllowList>().expect_err("no list").to_string();
        let advice = "; give directories and URLs, such as 'file:///data/,s3://bucket/photos/'";
        assert_eq!(error(""), format!("an entry is empty{advice}"));
        assert_eq!(error("/,"), format!("an entry is empty{advice}"));
        let missing = "must be a directory that is there: No such file or directory (os error 2)";
        assert_eq!(error("/no/such"), format!("'/no/such' {missing}{advice}"));
        assert_eq!(error("file:///no/such"), format!("'file:///no/such' {missing}{advice}"));
        assert_eq!(
            error("file://host/data"),
            format!("'file://host/data' is no local directory: a file URL has no host, as in file:///data/{advice}")
        );
        assert_eq!(error("s3:///photos"), format!("'s3:///photos' names no host or bucket{advice}"));
    }

    #[test]
    fn a_relative_entry_is_made_absolute() {
        let list: AllowList = "src".parse().expect("a list");
        assert!(list.to_string().starts_with("file:///") && list.to_string().ends_with("/src/"), "{list}");
        list.check("src/lib.rs").expect("inside");
        list.check("Cargo.toml").expect_err("outside");
    }

    #[test]
    fn without_a_list_everything_may_be_reached() {
        let list = AllowList::of(&SessionConfig::new());
        for location in ["/etc/passwd", "s3://bucket/x", "", "no such thing"] {
            list.check(location).expect("allowed");
        }
    }
}
