//! Colours of what is typed. Without colours (`NO_COLOR`) only the prompts of further rows are drawn.

use std::ops::Range;

use console::Style;
use datafusion::sql::sqlparser::tokenizer::{Token, Whitespace};

use super::lex::Lexed;
use super::rows::{FURTHER_PROMPT, by_rows, draw_prompts, without_marks};
use super::{command, keywords};

/// The text as it is shown; with the cursor at a place, the brackets there and their other halves stand out.
pub(super) fn highlighted(text: &str, cursor: Option<usize>) -> String {
    let styled = match command::split(text) {
        Some((name, rest)) => format!("{}{rest}", Style::new().magenta().apply_to(name)),
        None => styled(text, cursor),
    };
    draw_prompts(&styled, &Style::new().dim().apply_to(FURTHER_PROMPT).to_string())
}

fn styled(text: &str, cursor: Option<usize>) -> String {
    let lexed = Lexed::new(&without_marks(text));
    let brackets = cursor.map(|cursor| matching_brackets(&lexed, cursor)).unwrap_or_default();
    let mut shown = String::with_capacity(2 * text.len());
    let mut done = 0;
    for (index, (token, place)) in lexed.tokens.iter().enumerate() {
        // Blanks need no colour, and a mark is two of them to the tokenizer.
        if matches!(token, Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)) {
            continue;
        }
        let mut style = style(token, lexed.tokens.get(index + 1).map(|(next, _)| next));
        if brackets.contains(place) {
            style = style.bold().underlined();
        }
        // The line break behind a comment is a part of its token, and of what stands for a prompt.
        let end = place.start + text[place.clone()].trim_end_matches('\n').len();
        shown.push_str(&text[done..place.start]);
        shown.push_str(&by_rows(&text[place.start..end], |row| style.apply_to(row).to_string()));
        done = end;
    }
    let (blanks, rest) = text[done..].split_at(lexed.open.map_or(0, |open| open - done));
    shown.push_str(blanks);
    let style = match lexed.open {
        Some(_) if rest.starts_with("/*") => comment(),
        Some(_) => string(),
        None => Style::new(),
    };
    shown.push_str(&by_rows(rest, |row| style.apply_to(row).to_string()));
    shown
}

fn style(token: &Token, next: Option<&Token>) -> Style {
    match token {
        Token::Word(word) if word.quote_style.is_none() && keywords::is_known(word.keyword) => {
            Style::new().blue().bold()
        }
        Token::Word(_) if next == Some(&Token::LParen) => Style::new().cyan(),
        Token::Number(..) => Style::new().yellow(),
        Token::SingleQuotedString(_) | Token::DollarQuotedString(_) | Token::EscapedStringLiteral(_) => string(),
        Token::HexStringLiteral(_) | Token::NationalStringLiteral(_) => string(),
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => comment(),
        _ => Style::new(),
    }
}

fn string() -> Style {
    Style::new().green()
}

fn comment() -> Style {
    Style::new().dim()
}

/// The bracket under or before the cursor, and its other half.
fn matching_brackets(lexed: &Lexed, cursor: usize) -> Vec<Range<usize>> {
    let mut open: Vec<(&Token, &Range<usize>)> = Vec::new();
    for (token, place) in &lexed.tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => open.push((token, place)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let Some((opening, start)) = open.pop() else { return Vec::new() };
                let is_pair = matches!(
                    (opening, token),
                    (Token::LParen, Token::RParen)
                        | (Token::LBracket, Token::RBracket)
                        | (Token::LBrace, Token::RBrace)
                );
                if is_pair && (start.start == cursor || place.start == cursor || place.end == cursor) {
                    return vec![start.clone(), place.clone()];
                }
            }
            _ => {}
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use console::strip_ansi_codes;

    use super::super::rows::with_prompts;
    use super::*;

    #[test]
    fn what_is_shown_is_what_was_typed_with_prompts_drawn() {
        // The style is forced where the test runs without a terminal.
        console::set_colors_enabled(true);
        for text in
            ["SELECT 'a' FROM t;", "SELECT 'a\nb", "SELECT /* x\ny */ f(1", "1 -- x\n+ 2", "\\d t", "U&'\\zz' é"]
        {
            let shown = highlighted(&with_prompts(text), Some(text.len()));
            let expected = text.replace('\n', &format!("\n{FURTHER_PROMPT}"));
            assert_eq!(strip_ansi_codes(&shown), expected);
        }
    }

    #[test]
    fn brackets_are_matched_where_the_cursor_is() {
        let text = "f(g(1), ')')";
        let at = |cursor| matching_brackets(&Lexed::new(text), cursor);
        assert_eq!(at(1), [1..2, 11..12]);
        assert_eq!(at(6), [3..4, 5..6]);
        assert_eq!(at(12), [1..2, 11..12]);
        assert!(at(0).is_empty());
    }
}
