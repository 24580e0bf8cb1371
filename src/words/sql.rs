//! Texts and names in SQL.

/// A text as an SQL constant.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column's or a table's name as SQL has it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_texts_stay_in_texts() {
        assert_eq!(quoted("it's"), "'it''s'");
    }

    #[test]
    fn quotes_in_names_stay_in_names() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
