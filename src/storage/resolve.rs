//! Where a path leads: links followed, also where the last parts aren't there yet.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Links that lead nowhere and are followed one after the other; an operating system follows about as many.
const MOST_LINKS: usize = 40;

/// The place that opening or creating a path would reach.
///
/// What isn't there yet is taken by its name, and may not go up: where `..` leads is known of directories alone.
///
/// # Errors
/// The operating system's answer, or a path whose end nobody can tell.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    let mut missing: Vec<OsString> = Vec::new();
    let mut links = 0;
    loop {
        match path.canonicalize() {
            Ok(mut resolved) => {
                resolved.extend(missing.iter().rev());
                return Ok(resolved);
            }
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Err(error),
            Err(_) => {}
        }
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(io::Error::other("it goes up by '..' from a directory that isn't there"));
        };
        match path.read_link() {
            // Writing to a link that leads nowhere makes the file where it leads.
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                path = parent.join(target);
            }
            Ok(_) => return Err(io::Error::other("too many links")),
            Err(_) => {
                missing.push(name.to_os_string());
                path = parent.to_path_buf();
            }
        }
    }
}
