//! Directories `column=value`, as Hive names them.

use crate::words::{beginning, cut, printable};

/// What Hive calls the directory of NULL.
pub(crate) const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Most bytes of a directory's name: file systems take no longer ones.
const NAME_BYTES: usize = 255;
/// Most characters of a value that a message shows.
const SHOWN: usize = 40;

/// Checks that a value of a column comes back from the name of its directory, which takes so many bytes.
///
/// # Errors
/// In words: a text that stands for NULL there, or a name that is too long.
pub(crate) fn check_value(column: &str, value: Option<&str>, name_bytes: usize) -> Result<(), String> {
    if value == Some(HIVE_NULL) {
        return Err(format!(
            "PARTITIONED BY: column '{column}' holds the text '{HIVE_NULL}', which stands for NULL in the names of directories; write \
             another text: replace({column}, '{HIVE_NULL}', '...')"
        ));
    }
    if name_bytes > NAME_BYTES {
        let shown = cut(&printable(beginning(value.unwrap_or_default(), SHOWN + 1)), SHOWN);
        return Err(format!(
            "PARTITIONED BY: column '{column}' holds '{shown}', whose directory's name would take {name_bytes} bytes, and \
             {NAME_BYTES} is the most; choose another column, or a shorter value: left({column}, 100)"
        ));
    }
    Ok(())
}
