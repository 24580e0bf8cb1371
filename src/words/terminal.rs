//! Texts as a terminal may show them: without control characters, cut and padded by the columns they take.

use console::measure_text_width;

const ELLIPSIS: char = '…';

/// The text with what would do something to a terminal or a line, instead of being seen, escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push(&mut shown, character));
    shown
}

/// Adds a character, escaped if need be.
pub(crate) fn push(text: &mut String, character: char) {
    if is_seen(character) { text.push(character) } else { text.extend(character.escape_default()) }
}

/// Whether a character only shows itself. Others end lines, start escape sequences, or turn the direction of what follows.
pub(super) fn is_seen(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { measure_text_width(text) }
}

/// The text, or as much of its beginning as fits, with an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_string();
    }
    let room = most.saturating_sub(1);
    let mut kept = beginning(text, room).to_string();
    kept.extend((most > 0).then_some(ELLIPSIS));
    kept
}

/// The text, or as much of its two ends as fits, with an ellipsis between, and more of the last: names that begin alike end differently.
pub(crate) fn cut_between(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_string();
    }
    let room = most.saturating_sub(1);
    let start = beginning(text, room / 3);
    let end = ending(&text[start.len()..], room - width(start));
    let mut kept = format!("{start}{ELLIPSIS}{end}");
    // Some characters are wider together than one by one.
    while width(&kept) > most {
        kept.pop();
    }
    kept
}

/// As much of a text's end as fits.
fn ending(text: &str, most: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices().rev() {
        used += width(character.encode_utf8(&mut [0; 4]));
        if used > most {
            return &text[at + character.len_utf8()..];
        }
    }
    text
}

/// As much of a text's beginning as fits.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let mut used = 0;
    let mut end = text.len();
    for (at, character) in text.char_indices() {
        used += width(character.encode_utf8(&mut [0; 4]));
        if used > most {
            end = at;
            break;
        }
    }
    // Some characters are wider together than one by one.
    let mut kept = &text[..end];
    while width(kept) > most {
        let last = kept.chars().next_back().map_or(1, char::len_utf8);
        kept = &kept[..kept.len() - last];
    }
    kept
}

/// The text with spaces behind it, or before it, up to a width.
pub(crate) fn padded(text: &str, most: usize, to_the_right: bool) -> String {
    let spaces = " ".repeat(most.saturating_sub(width(text)));
    if to_the_right { spaces + text } else { text.to_string() + &spaces }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_do_something_to_a_terminal_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\td\u{9b}m\u{7f}"), "a\\u{1b}[2Jb\\r\\nc\\td\\u{9b}m\\u{7f}");
        assert_eq!(printable("\u{202e}gpj.exe\u{2028}"), "\\u{202e}gpj.exe\\u{2028}");
        assert_eq!(printable("Fußgänger タンポポ 👩‍🌾 e\u{301}"), "Fußgänger タンポポ 👩‍🌾 e\u{301}");
    }

    #[test]
    fn texts_are_cut_and_padded_by_columns() {
        assert_eq!(["タンポポ", "daisy"].map(|text| cut(text, 6)), ["タン…", "daisy"]);
        assert_eq!(["daisy", "abc"].map(|text| cut(text, 4)), ["dai…", "abc"]);
        assert_eq!([1, 0].map(|most| cut("daisy", most)), ["…", ""]);
        assert_eq!(["photos/000001.jpg", "タンポポ"].map(|text| cut_between(text, 6)), ["p….jpg", "…ポポ"]);
        assert_eq!(padded("タ", 4, false), "タ  ");
        assert_eq!(padded("1", 3, true), "  1");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "(.|❤\u{fe0f}|👩‍🌾|タ|e\u{301}){0,30}", most in 0..40_usize) {
            let shown = printable(&text);
            prop_assert!(shown.chars().all(is_seen));
            prop_assert!(width(&cut(&shown, most)) <= most, "{shown:?}");
            prop_assert!(width(&cut_between(&shown, most)) <= most, "{shown:?}");
        }
    }
}
