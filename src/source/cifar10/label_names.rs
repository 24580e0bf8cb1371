//! The names of the labels: `batches.meta.txt` beside the batches.

use std::io::ErrorKind;
use std::path::Path;

use datafusion::common::{Result, exec_datafusion_err};

use crate::storage::{AllowList, read_file};

/// The file that has a name in each line.
pub(super) const FILE: &str = "batches.meta.txt";
/// Labels of CIFAR-10.
pub(super) const MOST_LABELS: usize = 10;
/// More than ten names can have.
const MOST_BYTES: usize = 1 << 16;

/// The names beside a batch, in the order of the labels; `None` where there is no file of them.
pub(super) fn beside(batch: &Path, allow: &AllowList) -> Result<Option<Vec<String>>> {
    let path = batch.with_file_name(FILE);
    allow.check_path(&path)?;
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    match read_file(&shown, &mut bytes, MOST_BYTES) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(exec_datafusion_err!("cannot read '{shown}': {error}")),
    }
    let names = parse(&bytes).map_err(|reason| {
        exec_datafusion_err!(
            "'{shown}': must name one label in each line, at most {MOST_LABELS}, {reason}; correct it, or move it away to read the \
             batches without names"
        )
    })?;
    Ok(Some(names))
}

/// Reads names, one in each line; blank lines at the end are the original's, too.
fn parse(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("got no UTF-8: {error}"))?;
    let names: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_string()).collect();
    if let Some(blank) = names.iter().position(String::is_empty) {
        return Err(format!("got a blank line {}", blank + 1));
    }
    match names.len() {
        0 => Err("got none".to_string()),
        count if count > MOST_LABELS => Err(format!("got {count}")),
        _ => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_blank_end_is_no_name() {
        assert_eq!(parse(b"airplane\nautomobile\r\nbird\n\n").expect("names"), ["airplane", "automobile", "bird"]);
    }

    #[test]
    fn what_is_wrong_with_the_names_is_told() {
        let error = |bytes: &[u8]| parse(bytes).expect_err("no names");
        assert_eq!(error(b"airplane\n\nbird\n"), "got a blank line 2");
        assert_eq!(error(b"\nbird\n"), "got a blank line 1");
        assert_eq!(error(b"\n \n"), "got none");
        assert_eq!(error("x\n".repeat(100).as_bytes()), "got 100");
        assert_eq!(error(b"caf\xe9"), "got no UTF-8: incomplete utf-8 byte sequence from index 3");
    }
}
