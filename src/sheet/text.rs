//! Text in pixels: one bitmap font for every script, so that a sheet is the same picture on every machine.

use unifont::{Glyph, get_glyph};

/// The height of a line's glyphs.
pub(super) const HEIGHT: u32 = 16;
/// From one line to the next.
pub(crate) const LINE: u32 = 18;

/// Stands for what the font doesn't have: emoji, mostly, and control characters.
const UNKNOWN: char = '\u{fffd}';
const ELLIPSIS: char = '\u{2026}';

/// Whether a character stands on the one before it.
fn is_combining(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}')
}

fn glyph(character: char) -> Option<&'static Glyph> {
    let known = if character.is_control() { None } else { get_glyph(character) };
    known.or_else(|| get_glyph(UNKNOWN))
}

fn advance(character: char) -> u32 {
    if is_combining(character) {
        return 0;
    }
    glyph(character).map_or(0, |glyph| glyph.get_width() as u32)
}

/// The width of a text in pixels.
pub(crate) fn width(text: &str) -> u32 {
    text.chars().map(advance).fold(0, u32::saturating_add)
}

/// The text, or as much of its two ends as fits, with an ellipsis between: names that begin alike end differently.
pub(crate) fn cut(text: &str, most: u32) -> String {
    if width(text) <= most {
        return text.to_string();
    }
    let room = most.saturating_sub(advance(ELLIPSIS));
    let start = fitting(text.chars(), room.div_ceil(2));
    let left = room - start.iter().copied().map(advance).sum::<u32>();
    let mut end = fitting(text.chars().rev(), left);
    // A mark whose letter is left out has nothing to stand on.
    while end.last().is_some_and(|character| is_combining(*character)) {
        end.pop();
    }
    start.into_iter().chain([ELLIPSIS]).chain(end.into_iter().rev()).collect()
}

/// The characters that fit.
fn fitting(text: impl Iterator<Item = char>, mut room: u32) -> Vec<char> {
    let mut characters = Vec::new();
    for character in text {
        let Some(rest) = room.checked_sub(advance(character)) else { break };
        room = rest;
        characters.push(character);
    }
    characters
}

/// The text in lines that fit, broken at spaces where there are any; what is too much ends in an ellipsis.
pub(crate) fn wrap(text: &str, most: u32, most_lines: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        while !word.is_empty() {
            let line = lines.last_mut().map(|line| (width(line), line));
            let Some((used, line)) = line else { break };
            let space = if used == 0 { 0 } else { advance(' ') };
            if used + space + width(word) <= most {
                if used > 0 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if used == 0 {
                // A word that fits no line is broken anywhere.
                let end = fitting_bytes(word, most);
                line.push_str(&word[..end]);
                word = &word[end..];
            }
            lines.push(String::new());
        }
    }
    lines.retain(|line| !line.is_empty());
    if lines.len() > most_lines {
        lines.truncate(most_lines);
        if let Some(last) = lines.last_mut() {
            *last = fitting(last.chars(), most.saturating_sub(advance(ELLIPSIS))).into_iter().collect();
            last.push(ELLIPSIS);
        }
    }
    lines
}

/// The bytes of the characters that fit, at least one.
fn fitting_bytes(word: &str, most: u32) -> usize {
    let mut used = 0;
    for (at, character) in word.char_indices() {
        used += advance(character);
        if used > most && at > 0 {
            return at;
        }
    }
    word.len()
}

/// Calls `dot` for each pixel of the text, from its upper left corner.
pub(super) fn draw(text: &str, mut dot: impl FnMut(u32, u32)) {
    let mut left = 0;
    let mut last_width = 0;
    for character in text.chars() {
        let Some(glyph) = glyph(character) else { continue };
        let is_combining = is_combining(character);
        let start = if is_combining { left - last_width } else { left };
        for y in 0..HEIGHT {
            for x in 0..glyph.get_width() as u32 {
                if glyph.get_pixel(x as usize, y as usize) {
                    dot(start + x, y);
                }
            }
        }
        if !is_combining {
            last_width = glyph.get_width() as u32;
            left += last_width;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_long_is_cut_with_an_ellipsis() {
        assert_eq!(cut("dandelion", 72), "dandelion");
        let ellipsis = width("\u{2026}");
        assert_eq!(cut("dandelion", 40 + ellipsis), "da\u{2026}ion");
        assert_eq!(width("タンポポ"), 64);
        assert_eq!(width("e\u{301}"), 8);
    }

    #[test]
    fn every_script_and_what_the_font_lacks_leaves_dots() {
        for text in ["Fußgänger", "タンポポ", "Одуванчик", "🌼", "\u{7}"] {
            let mut dots = 0;
            draw(text, |_, _| dots += 1);
            assert!(dots > 20, "{text}: {dots}");
        }
    }

    #[test]
    fn a_reason_is_broken_at_spaces() {
        let reason = "not a jpeg image (starts with 68 65 6c 6c)";
        assert_eq!(wrap(reason, 160, 9), ["not a jpeg image", "(starts with 68 65", "6c 6c)"]);
        assert_eq!(wrap(reason, 160, 1), ["not a jpeg image\u{2026}"]);
        assert_eq!(wrap("abcdefgh", 32, 9), ["abcd", "efgh"]);
        assert!(wrap("", 160, 9).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in ".{0,60}", most in 32..200_u32) {
            prop_assert!(width(&cut(&text, most)) <= most);
            let lines = wrap(&text, most, 4);
            prop_assert!(lines.len() <= 4);
            for line in lines {
                prop_assert!(width(&line) <= most, "{line:?}");
            }
        }

        #[test]
        fn text_is_drawn_within_its_width(text in ".{0,20}") {
            let most = width(&text);
            draw(&text, |x, y| assert!((x < most || x < 16) && y < HEIGHT));
        }
    }
}
