//! How deeply a text nests what the parser tries twice.
//!
//! sqlparser 0.62 reads some expressions in one way and, where that fails, in another: `a.b`, `x[...]`, `CAST(...)`, `ARRAY[...]` and others whose
//! names are keywords. Where nothing fits, each nested one doubles the time, so that a line of 150 letters would take hours.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The depth at which a text that is no SQL still takes less than a tenth of a second.
const MOST: usize = 16;

/// An open bracket.
#[derive(Default)]
struct Level {
    /// What the bracket itself counts.
    own: usize,
    /// What the names and keywords count that stand before the next token.
    before: usize,
    /// Whether a table may stand in it, or a query in brackets of its own.
    is_table: bool,
}

/// The first token where too much is nested.
pub(super) fn too_deep(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    let mut levels = vec![Level::default()];
    let mut last: Option<&Token> = None;
    for token in tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))) {
        let is_nested = levels.len() > 1;
        let level = levels.last_mut()?;
        match &token.token {
            Token::Period => level.before += 1,
            Token::Word(_) => {
                let goes_on = last.is_some_and(|last| *last == Token::Period || is_interval(last));
                level.before = if goes_on { level.before } else { 0 } + usize::from(is_interval(&token.token));
            }
            Token::LParen | Token::LBracket | Token::LBrace => {
                let (own, is_table) = match last {
                    Some(Token::Word(word)) if token.token != Token::LBrace => {
                        (tries(word.keyword), matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::LATERAL))
                    }
                    Some(Token::LParen) if level.is_table => (1, true),
                    Some(Token::Comma) => (0, true),
                    _ => (0, false),
                };
                levels.push(Level { own, before: 0, is_table });
            }
            Token::RParen | Token::RBracket | Token::RBrace if is_nested => {
                levels.pop();
            }
            Token::SemiColon => levels = vec![Level::default()],
            // Strings and numbers may stand between names.
            Token::SingleQuotedString(_) | Token::Number(..) => {}
            _ => level.before = 0,
        }
        if levels.iter().map(|level| level.own + level.before).sum::<usize>() > MOST {
            return Some(token);
        }
        last = Some(&token.token);
    }
    None
}

/// Whether this stands before an expression without a bracket.
fn is_interval(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword == Keyword::INTERVAL)
}

/// What a bracket behind a keyword counts: measured for each keyword that sqlparser knows.
fn tries(keyword: Keyword) -> usize {
    match keyword {
        Keyword::POSITION => 2,
        Keyword::ARRAY
        | Keyword::CASE
        | Keyword::CAST
        | Keyword::CEIL
        | Keyword::CONVERT
        | Keyword::CURRENT_DATE
        | Keyword::CURRENT_TIME
        | Keyword::CURRENT_TIMESTAMP
        | Keyword::FLOOR
        | Keyword::LOCALTIME
        | Keyword::LOCALTIMESTAMP
        | Keyword::NOT
        | Keyword::OVERLAY
        | Keyword::SAFE_CAST
        | Keyword::SUBSTR
        | Keyword::SUBSTRING
        | Keyword::TRY_CAST
        | Keyword::TRY_CONVERT => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Statement;

    #[test]
    fn what_would_be_tried_for_hours_is_refused() {
        // Of each a few levels more would take a minute.
        for (begin, nested, end) in [
            ("SELECT a%b.", "c.", "..u"),
            ("SELECT a", ".b[1]", "...u"),
            ("SELECT ", "CAST(", "..."),
            ("SELECT ", "x.TRY_CAST(", "..."),
            ("SELECT ", "ARRAY[", "..."),
            ("SELECT ", "ARRAY[CAST(f(", "..."),
            ("SELECT ", "POSITION(", "..."),
            ("SELECT 1; SELECT ", "substring (", "..."),
            ("SELECT ", "INTERVAL ", "..."),
            ("SELECT ", "NOT(", "..."),
            ("SELECT ", "current_date(", "..."),
            ("SELECT ", "CASE(", "..."),
            ("", "SELECT * FROM ((((", "..."),
            ("SELECT 1 FROM a, ", "(((SELECT * FROM ", "..."),
        ] {
            let error = Statement::parse_all(&format!("{begin}{}{end}", nested.repeat(40))).expect_err("refused");
            let error = crate::error::Error::from(error);
            assert!(error.to_string().contains("the statement is nested too deeply"), "{nested}: {error}");
            assert!(error.position().is_some_and(|position| position.column > 20), "{nested}");
        }
    }

    #[test]
    fn what_people_write_is_not_too_deep() {
        let many = |text: &str| vec![text; 40].join(", ");
        let nested = |begin: &str, end: &str| format!("SELECT {}a{}", begin.repeat(30), end.repeat(30));
        for sql in [
            format!("SELECT {} FROM s.t", many("s.t.a, CAST(a AS INT), INTERVAL '1' DAY, ARRAY[a.b, 1], a.b.c.d['e']")),
            format!("SELECT 1 WHERE {}", vec!["NOT (a.b = 1)"; 40].join(" AND ")),
            nested("replace(", ", 'a', 'b')"),
            nested("coalesce(t.a, ", ")"),
            format!("{}t{}", "SELECT * FROM (".repeat(15), ")".repeat(15)),
            format!("SELECT f(a, {}b{}), (1), ((2)) FROM ((SELECT 1))", "(".repeat(12), ")".repeat(12)),
            format!("SELECT {}", "CAST(".repeat(12) + "a" + &" AS INT)".repeat(12)),
            "SELECT 1".repeat(40).replace("1S", "1; S"),
        ] {
            let parsed = Statement::parse_all(&sql);
            assert!(parsed.is_ok(), "{sql}: {parsed:?}");
        }
    }
}
