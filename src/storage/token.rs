//! Names for files that are one process's own.

use datafusion::common::{Result, exec_datafusion_err};

/// A name that nobody else has, on any machine.
///
/// # Errors
/// A machine without random numbers.
pub(crate) fn token() -> Result<String> {
    let random = getrandom::u64().map_err(|error| exec_datafusion_err!("there are no random numbers: {error}"))?;
    Ok(format!("{random:016x}"))
}
