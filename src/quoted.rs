//! Texts in SQL.

/// A text as an SQL constant.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_texts_stay_in_texts() {
        assert_eq!(quoted("it's"), "'it''s'");
    }
}
