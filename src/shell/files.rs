//! Where the shell keeps what was typed, and where its start-up file is.

use std::fs;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// The history's file; `None` where there is to be none.
pub(super) fn history_file() -> Option<PathBuf> {
    named_by("PIXMILL_HISTORY", |directories| directories.state_dir().map(|state| state.join("pixmill/history")))
}

/// The start-up file, whether it is there or not.
pub(super) fn start_up_file() -> Option<PathBuf> {
    named_by("PIXMILL_INIT", |directories| Some(directories.config_dir().join("pixmill/init.sql")))
}

/// A file named by a variable, an empty one meaning none, or else by the user's directories.
fn named_by(variable: &str, usual: impl FnOnce(&dyn BaseStrategy) -> Option<PathBuf>) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) => (!path.is_empty()).then(|| path.into()),
        // Without a home there is no place for it.
        None => usual(&etcetera::choose_base_strategy().ok()?),
    }
}

/// Makes the directory of a file, open to its owner alone.
///
/// # Errors
/// A directory that can't be made.
pub(super) fn make_directory(file: &std::path::Path) -> std::io::Result<()> {
    let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}
