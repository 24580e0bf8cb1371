//! Text as the shell sees it: tokens with their places, and where statements and commands end.

use std::ops::Range;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

/// A token and the bytes that it stands for.
pub(super) type Placed = (Token, Range<usize>);

/// The tokens of a text that may not be at its end yet.
pub(super) struct Lexed {
    /// What is whole.
    pub(super) tokens: Vec<Placed>,
    /// Where a quote or a comment begins that has no end.
    pub(super) open: Option<usize>,
    /// Where something begins that is no SQL.
    wrong: Option<usize>,
}

impl Lexed {
    /// Takes a text apart as the parser does.
    pub(super) fn new(text: &str) -> Self {
        let (mut found, mut tokens) = (Vec::new(), Vec::new());
        let ended = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location_into_buf(&mut found);
        let (mut walk, mut end) = (Walk::new(text), 0);
        for token in found {
            let start = walk.byte_of(token.span.start);
            end = walk.byte_of(token.span.end);
            tokens.push((token.token, start..end));
        }
        let (mut open, mut wrong) = (None, None);
        if let Err(error) = ended {
            // The tokenizer has one kind of error for what is wrong and for what isn't at its end.
            let is_open = error.message.contains("Unterminated") || error.message.contains("EOF");
            *(if is_open { &mut open } else { &mut wrong }) = Some(end);
        }
        Self { tokens, open, wrong }
    }

    /// The tokens that are no blanks and no comments.
    pub(super) fn words(&self) -> impl DoubleEndedIterator<Item = &Placed> {
        self.tokens.iter().filter(|(token, _)| !matches!(token, Token::Whitespace(_)))
    }

    /// Whether a place is inside a comment.
    pub(super) fn is_in_comment(&self, text: &str, at: usize) -> bool {
        let is_open = self.open.is_some_and(|open| at > open && text[open..].starts_with("/*"));
        is_open
            || self.tokens.iter().any(|(token, place)| match token {
                Token::Whitespace(Whitespace::MultiLineComment(_)) => place.start < at && at < place.end,
                // The end of its line belongs to it.
                Token::Whitespace(Whitespace::SingleLineComment { .. }) => {
                    place.start < at && (at < place.end || !text[place.clone()].ends_with('\n'))
                }
                _ => false,
            })
    }
}

/// Finds the bytes of lines and columns, in the order in which they come.
struct Walk<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1, column: 1 }
    }

    fn byte_of(&mut self, wanted: Location) -> usize {
        for character in self.text[self.byte..].chars() {
            if (self.line, self.column) >= (wanted.line, wanted.column) {
                break;
            }
            self.byte += character.len_utf8();
            (self.line, self.column) = match character {
                '\n' => (self.line + 1, 1),
                _ => (self.line, self.column + 1),
            };
        }
        self.byte
    }
}

/// What can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A statement, without its semicolon.
    Statement(&'a str),
    /// A command, from its backslash to the end of its line.
    Command(&'a str),
}

/// A line and, in characters, a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    fn of(text: &str, byte: usize) -> Self {
        let before = &text[..byte];
        let row = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[row..].chars().count() + 1 }
    }
}

/// What a text consists of.
pub(super) struct Pieces<'a> {
    /// Each piece and where it begins.
    pub(super) pieces: Vec<(Piece<'a>, Position)>,
    /// Whether the last statement has its end.
    pub(super) is_complete: bool,
}

impl<'a> Pieces<'a> {
    /// Takes a text apart into statements, which end with a semicolon, and commands, which end with their line.
    pub(super) fn of(text: &'a str) -> Self {
        let (mut pieces, mut begin, mut is_complete) = (Vec::new(), 0, true);
        // After a command, which may hold anything, the rest is looked at anew.
        while let Some(rest) = text.get(begin..).filter(|rest| !rest.is_empty()) {
            let lexed = Lexed::new(rest);
            let (mut start, mut command): (Option<usize>, Option<usize>) = (None, None);
            for (token, place) in lexed.words() {
                match (token, start) {
                    (Token::Backslash, None) => {
                        command = Some(place.start);
                        break;
                    }
                    (Token::SemiColon, Some(from)) => {
                        pieces.push((Piece::Statement(rest[from..place.start].trim_end()), begin + from));
                        start = None;
                    }
                    // An empty statement.
                    (Token::SemiColon, None) => {}
                    _ => start = start.or(Some(place.start)),
                }
            }
            if let Some(from) = command {
                let line = rest[from..].lines().next().unwrap_or_default();
                pieces.push((Piece::Command(line.trim_end()), begin + from));
                begin += from + line.len();
                continue;
            }
            let unfinished = start.or(lexed.open).or(lexed.wrong);
            if let Some(from) = unfinished.filter(|from| !rest[*from..].trim().is_empty()) {
                let last = rest[from..].trim_end();
                // What is wrong is for the parser to say.
                is_complete = lexed.wrong.is_some() && last.ends_with(';');
                pieces.push((Piece::Statement(last), begin + from));
            }
            break;
        }
        let placed = pieces.into_iter().map(|(piece, byte)| (piece, Position::of(text, byte)));
        Self { pieces: placed.collect(), is_complete }
    }
}

#[cfg(test)]
mod tests {
    use super::Piece::{Command, Statement};
    use super::*;

    fn pieces(text: &str) -> (Vec<(Piece<'_>, usize)>, bool) {
        let Pieces { pieces, is_complete } = Pieces::of(text);
        (pieces.into_iter().map(|(piece, place)| (piece, place.line)).collect(), is_complete)
    }

    #[test]
    fn a_statement_goes_on_until_its_semicolon() {
        assert_eq!(pieces("SELECT 1"), (vec![(Statement("SELECT 1"), 1)], false));
        assert_eq!(pieces("SELECT\n 1 ; "), (vec![(Statement("SELECT\n 1"), 1)], true));
        assert_eq!(pieces(" \n"), (vec![], true));
        assert_eq!(pieces(";;"), (vec![], true));
    }

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        for text in ["SELECT ';", "SELECT \";", "SELECT 1 /* ;", "SELECT 1 -- ;", "SELECT $$ ; ", "SELECT $a$ ; $$ ;"] {
            assert_eq!(pieces(text), (vec![(Statement(text.trim_end()), 1)], false), "{text}");
        }
        let both = vec![(Statement("SELECT ';' /* ; */"), 1), (Statement("SELECT $$;$$"), 2)];
        assert_eq!(pieces("SELECT ';' /* ; */;\nSELECT $$;$$;"), (both, true));
        assert_eq!(pieces("SELECT 1; -- done"), (vec![(Statement("SELECT 1"), 1)], true));
    }

    #[test]
    fn a_command_ends_with_its_line_and_may_hold_anything() {
        let both = vec![(Command("\\i it's"), 1), (Statement("SELECT 2"), 2), (Command("\\timing"), 3)];
        assert_eq!(pieces("\\i it's\nSELECT 2;\n\\timing \n"), (both, true));
        assert_eq!(pieces("\\d"), (vec![(Command("\\d"), 1)], true));
        assert_eq!(pieces("SELECT 1; \\d"), (vec![(Statement("SELECT 1"), 1), (Command("\\d"), 1)], true));
    }

    #[test]
    fn columns_count_letters() {
        let (_, place) = Pieces::of("SELECT 'ö'; SELECT 2;").pieces[1];
        assert_eq!(place, Position { line: 1, column: 13 });
    }

    #[test]
    fn what_is_no_sql_ends_with_its_semicolon() {
        let (pieces, is_complete) = pieces("SELECT U&'\\zz';");
        assert!(is_complete, "{pieces:?}");
    }

    #[test]
    fn places_are_bytes_also_behind_other_letters() {
        let text = "SELECT 'größe', \"ö\" FROM t";
        let lexed = Lexed::new(text);
        let words: Vec<&str> = lexed.words().map(|(_, place)| &text[place.clone()]).collect();
        assert_eq!(words, ["SELECT", "'größe'", ",", "\"ö\"", "FROM", "t"]);
        assert_eq!(Lexed::new("SELECT 'ö").open, Some(7));
    }

    #[test]
    fn comments_are_known() {
        let text = "SELECT /* a */ 1 -- b";
        let lexed = Lexed::new(text);
        let inside = |at| lexed.is_in_comment(text, at);
        assert_eq!([10, 14, 20, 21].map(inside), [true, false, true, true]);
        assert!(Lexed::new("SELECT /* a").is_in_comment("SELECT /* a", 11));
    }
}
