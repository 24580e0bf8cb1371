//! Files and directories that a path may go on with.

use std::fs;
use std::path::Path;

/// Names below the directory that is typed, directories with a slash, and where the name begins that is being typed.
///
/// Hidden files are left out unless a dot is typed. Where `closing` is given, it ends the name of a file.
pub(super) fn paths(typed: &str, closing: &str) -> (usize, Vec<String>) {
    let start = typed.rfind('/').map_or(0, |slash| slash + 1);
    let (directory, name) = typed.split_at(start);
    let in_quotes = |name: &str| if closing.is_empty() { name.to_string() } else { name.replace('\'', "''") };
    let directory = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    // A directory that can't be read has nothing to offer.
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let found = entry.file_name().into_string().ok()?;
            let is_shown = found.starts_with(name) && (name.starts_with('.') || !found.starts_with('.'));
            let end = if entry.path().is_dir() { "/" } else { closing };
            is_shown.then(|| format!("{}{end}", in_quotes(&found)))
        })
        .collect();
    names.sort();
    (start, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_end_with_a_slash_and_files_with_the_quote() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("photos")).expect("a folder");
        for name in ["plan.sql", "it's.sql", ".hidden"] {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        let below = format!("{}/", directory.path().display());
        let names = |typed: &str, closing| paths(&format!("{below}{typed}"), closing);
        assert_eq!(names("p", "'"), (below.len(), vec!["photos/".to_string(), "plan.sql'".to_string()]));
        assert_eq!(names("i", "'").1, ["it''s.sql'"]);
        assert_eq!(names("i", "").1, ["it's.sql"]);
        assert_eq!(names(".h", "").1, [".hidden"]);
        assert_eq!(names("", "").1.len(), 3);
        assert_eq!(paths("/no/such/directory/x", "'").1, Vec::<String>::new());
    }
}
