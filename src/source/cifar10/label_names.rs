//! The names of the labels: `batches.meta.txt` beside the batches.

use datafusion::common::{Result, exec_datafusion_err};

use crate::storage::Reach;

/// The file that has a name in each line.
pub(super) const FILE: &str = "batches.meta.txt";
/// Labels of CIFAR-10.
pub(super) const MOST_LABELS: usize = 10;
/// More than ten names can have.
const MOST_BYTES: usize = 1 << 16;

/// Where the names of a batch are, which is a path or a URL.
pub(super) fn place(batch: &str) -> String {
    let folder = batch.rfind('/').map_or("", |slash| &batch[..=slash]);
    format!("{folder}{FILE}")
}

/// The names of this place, in the order of the labels; `None` where there is no file of them.
pub(super) fn read(shown: &str, reach: &Reach) -> Result<Option<Vec<String>>> {
    let Some(bytes) = reach.read_small(shown, MOST_BYTES)? else { return Ok(None) };
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
