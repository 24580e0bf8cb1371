//! The system's page cache: dropping files from it, and telling what was read past it.

use std::fs;

/// Whether what was read came from a disk or from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheState {
    Cold,
    Warm,
}

impl CacheState {
    /// Its name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }

    /// What the bytes tell; where the system doesn't say what came from a disk, a file that was just read is warm.
    pub(super) fn of(bytes: u64, disk_bytes: Option<u64>, is_repeated: bool) -> Option<Self> {
        match disk_bytes {
            Some(disk_bytes) if disk_bytes >= bytes.div_ceil(2) && bytes > 0 => Some(Self::Cold),
            Some(_) => Some(Self::Warm),
            None => is_repeated.then_some(Self::Warm),
        }
    }
}

/// Bytes that this thread has made the system fetch from disks so far; `None` where it doesn't count them.
///
/// Linux counts them for each thread (`proc_pid_io(5)`), read-ahead included.
pub(super) fn disk_bytes() -> Option<u64> {
    let counters = fs::read_to_string("/proc/thread-self/io").ok()?;
    let line = counters.lines().find_map(|line| line.strip_prefix("read_bytes:"))?;
    line.trim().parse().ok()
}

#[cfg(target_os = "linux")]
pub(super) use linux::drop_cached;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::path::Path;

    use rustix::fs::{Advice, fadvise, fdatasync};

    /// Drops a file from the page cache. Pages that others have mapped or that are being written stay.
    ///
    /// # Errors
    /// The operating system's answer.
    pub(in super::super) fn drop_cached(path: &Path) -> std::io::Result<()> {
        let file = File::open(path)?;
        // What has not been written to the disk yet would stay; a file system that can't be told to write it is asked all the same.
        let _ = fdatasync(&file);
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    }
}

/// There is no way to ask for it.
#[cfg(not(target_os = "linux"))]
pub(super) fn drop_cached(_: &std::path::Path) -> std::io::Result<()> {
    Err(std::io::Error::other("this system has no way to drop a file from its page cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_bytes_decide_whether_it_was_cold() {
        assert_eq!(CacheState::of(100, Some(50), true), Some(CacheState::Cold));
        assert_eq!(CacheState::of(100, Some(49), false), Some(CacheState::Warm));
        assert_eq!(CacheState::of(0, Some(0), false), Some(CacheState::Warm));
        assert_eq!(CacheState::of(100, None, false), None);
        assert_eq!(CacheState::of(100, None, true), Some(CacheState::Warm));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_is_there_can_be_dropped_and_still_be_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, b"bytes").expect("written");
        drop_cached(&path).expect("dropped");
        assert_eq!(fs::read(&path).expect("read"), b"bytes");
        assert!(drop_cached(&directory.path().join("none")).is_err());
    }
}
