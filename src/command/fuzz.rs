//! What fuzzing and tests run of commands: pipeline files with values for their names.

use super::template::Template;

/// A pipeline file. Values stand in the lines behind a zero byte, as in `name=value`.
pub(crate) fn templates(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (text, values) = text.split_once('\0').unwrap_or((&text, ""));
    let Ok(mut template) = Template::parse(text) else { return };
    for (name, value) in values.lines().filter_map(|line| line.split_once('=')) {
        let is_declared = template.declares(name);
        assert_eq!(template.set(name, value).is_ok(), is_declared, "{name:?}");
        assert_eq!(template.is_given(name), is_declared, "{name:?}");
    }
    let _ = template.generate();
    let sql = template.sql();
    assert!(sql.is_err() || text.contains("${") || sql.is_ok_and(|sql| sql == text), "a file without names is changed");
}
