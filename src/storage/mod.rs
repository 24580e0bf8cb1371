//! Where bytes are kept: local files, named by path or by `file://` URL, and objects of stores and images of the web, named by URL.

mod allow;
mod allowed_store;
mod buffers;
mod directory;
mod durable;
mod find;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod glob;
mod input;
mod listed;
mod literal;
mod objects;
mod parts;
mod resolve;
mod token;
mod unread;
mod waits;
mod walk;
mod web;
mod write_failures;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

pub use allow::AllowList;
pub use objects::{StoreRule, StoreSettings};
pub use web::WebOptions;

pub(crate) use allowed_store::AllowedStores;
pub(crate) use buffers::{empty_buffer, shared_bytes};
pub(crate) use directory::{Directory, NewFile, Placed, Stamp};
#[cfg(test)]
pub(crate) use durable::log;
pub(crate) use durable::{
    create_directories, sync_directory, write_large_synced, write_synced, write_whole, write_whole_synced,
};
pub(crate) use find::{Found, Location, is_glob};
pub(crate) use input::{FoundFile, Input, Reach};
pub(crate) use listed::Listed;
pub(crate) use literal::{is_nameable, literal_object_url, literal_url, tell_unnameable};
pub(crate) use objects::{
    Content, Failures, FoundObject, ObjectLocation, ObjectReader, Order, Ranges, Stores, Version, Wanted, check_object,
    check_object_url, is_object_url, is_of_store, read_objects,
};
pub(crate) use parts::{ObjectParts, Parts};
pub(crate) use token::token;
pub(crate) use unread::{ReadClass, Unread};
pub(crate) use waits::while_others_go_on;
pub(crate) use web::{Outage, check_web_location, is_web_url, named_in_lists, read_web, shown};

/// The path that a `file://` URL names.
pub(crate) fn file_url_to_path(url: &str) -> Option<PathBuf> {
    // Wildcards of a glob are not the URL's: a query or a fragment it doesn't have.
    let url = url.replace('?', "%3F").replace('#', "%23");
    Url::parse(&url).ok()?.to_file_path().ok()
}

/// The URL of an absolute path.
pub(crate) fn path_to_file_url(path: &Path) -> Option<String> {
    Url::from_file_path(path).ok().map(String::from)
}

/// Whether a location is a URL of a local file: `file:///a`, `file:/a`, in any case.
fn is_file_url(location: &str) -> bool {
    location.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("file:/"))
}

/// The local path of a location that is a path or a `file://` URL; `None` for other URLs.
pub(crate) fn local_path(location: &str) -> Option<Cow<'_, Path>> {
    if is_file_url(location) {
        return file_url_to_path(location).map(Cow::Owned);
    }
    (!location.contains("://")).then(|| Cow::Borrowed(Path::new(location)))
}

/// Appends a file's bytes, at most `most`, to `bytes`.
///
/// # Errors
/// The operating system's answer, or `FileTooLarge`; `bytes` is left as it was.
pub(crate) fn read_file(location: &str, bytes: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let path = local_path(location).ok_or_else(|| io::Error::other("not a local path"))?;
    let start = bytes.len();
    let too_large = |length: u64| {
        let message = format!("it has {length} bytes, and at most {most} have a place");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    let result = File::open(path).and_then(|file| match file.metadata()?.len() {
        length if length > most as u64 => Err(too_large(length)),
        length => {
            // The last call says that there is no more; files may have grown.
            bytes.reserve(length as usize + 1);
            while bytes.len() - start <= most && read_more(&file, bytes)? {}
            Ok(bytes.len() - start)
        }
    });
    match result {
        Ok(read) if read <= most => Ok(()),
        Ok(read) => {
            bytes.truncate(start);
            Err(too_large(read as u64))
        }
        Err(error) => {
            bytes.truncate(start);
            Err(error)
        }
    }
}

/// Appends what one call reads, and says whether there was anything.
#[cfg(unix)]
fn read_more(file: &File, bytes: &mut Vec<u8>) -> io::Result<bool> {
    use rustix::buffer::spare_capacity;
    use rustix::io::{read, retry_on_intr};

    bytes.reserve(1);
    Ok(retry_on_intr(|| read(file, spare_capacity(bytes)))? > 0)
}

#[cfg(not(unix))]
fn read_more(file: &File, bytes: &mut Vec<u8>) -> io::Result<bool> {
    const BYTES: u64 = 1 << 20;
    Ok(file.take(BYTES).read_to_end(bytes)? > 0)
}

/// Appends a file's first bytes, at most `most`, to `bytes`, and says how many there were.
///
/// # Errors
/// The operating system's answer; `bytes` is left as it was.
pub(crate) fn read_beginning(location: &str, bytes: &mut Vec<u8>, most: u64) -> io::Result<u64> {
    let path = local_path(location).ok_or_else(|| io::Error::other("not a local path"))?;
    let start = bytes.len();
    let result = File::open(path).and_then(|file| file.take(most).read_to_end(bytes));
    if result.is_err() {
        bytes.truncate(start);
    }
    result.map(|read| read as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_survives_being_a_url(name in "[^/\0]{1,20}") {
            prop_assume!(name != "." && name != "..");
            let path = PathBuf::from(format!("/photos/{name}"));
            let url = path_to_file_url(&path).expect("absolute");
            prop_assert_eq!(file_url_to_path(&url), Some(path));
        }
    }

    #[test]
    fn a_file_that_is_too_large_says_so_unread() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("large.jpg");
        // Of 3 GiB, of which the disk holds nothing.
        File::create(&path).and_then(|file| file.set_len(3 << 30)).expect("a file");
        let mut bytes = b"before".to_vec();
        let error = read_file(path.to_str().expect("UTF-8"), &mut bytes, i32::MAX as usize - 6).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it has 3221225472 bytes, and at most 2147483641 have a place");
        assert!(bytes == b"before" && bytes.capacity() < 1000);
    }
}
