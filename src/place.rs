//! Where in a statement's text an error is.

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use crate::error::Error;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
}

impl Place {
    /// Where the error is; `None` where nobody knows.
    pub(crate) fn of(error: &DataFusionError) -> Option<Self> {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => match diagnostic.span {
                Some(span) => {
                    let is_one_line = span.start.line == span.end.line;
                    let length = if is_one_line { span.end.column.saturating_sub(span.start.column) } else { 1 };
                    Some(Self {
                        line: span.start.line as usize,
                        column: span.start.column as usize,
                        length: (length as usize).max(1),
                    })
                }
                None => Self::of(inner),
            },
            DataFusionError::Context(_, inner) => Self::of(inner),
            DataFusionError::Shared(inner) => Self::of(inner),
            DataFusionError::Collection(all) => all.iter().find_map(Self::of),
            DataFusionError::SQL(error, _) => match error.as_ref() {
                // The only trace of it is in the text.
                ParserError::ParserError(text) | ParserError::TokenizerError(text) => in_text(text),
                ParserError::RecursionLimitExceeded => None,
            },
            _ => None,
        }
    }
}

/// What stands behind a text of the parser's.
const MARK: &str = " at Line: ";

fn in_text(text: &str) -> Option<Place> {
    let (_, place) = text.rsplit_once(MARK)?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(Place { line: line.parse().ok()?, column: column.parse().ok()?, length: 1 })
}

/// The error's message and, where its place is known, that line of the text with a mark under the place.
pub(crate) fn pointed(sql: &str, error: &Error) -> String {
    let message = error.to_string();
    let Some(place) = error.place() else { return message };
    let Some(line) = sql.lines().nth(place.line - 1) else { return message };
    let number = format!("line {}: ", place.line);
    // Characters as wide as those above them, so that the mark stands below.
    let before: String = line.chars().take(place.column - 1).collect();
    let meant: String = line.chars().skip(place.column - 1).take(place.length).collect();
    let indent = console::measure_text_width(&number) + console::measure_text_width(&before.replace('\t', " "));
    let marks = console::measure_text_width(&meant.replace('\t', " ")).max(1);
    let message = message.rsplit_once(MARK).map_or(message.as_str(), |(message, _)| message);
    format!("{message}\n{number}{}\n{}{}", line.replace('\t', " "), " ".repeat(indent), "^".repeat(marks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Statement;

    #[test]
    fn the_mark_stands_below_what_is_wrong() {
        let sql = "SELECT '日本',\n  '日', FROM 1 t";
        let error = Error::from(Statement::parse_all(sql).expect_err("no SQL"));
        assert_eq!(
            pointed(sql, &error),
            "sql parser error: Expected: identifier, found: 1\nline 2:   '日', FROM 1 t\n                   ^"
        );
    }
}
