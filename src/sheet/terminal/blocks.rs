//! Thumbnails in half-blocks: each character shows a pixel above another.

use crate::sheet::text::wrap;
use crate::sheet::{Cell, Thumbnail};
use crate::words::{cut, padded, printable, width};

/// The colours that a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// 256 numbered ones.
    Palette,
    /// Red, green and blue values.
    True,
}

/// What selects the colour of characters, and that behind them.
pub(super) const INK: u8 = 38;
const PAPER: u8 = 48;
/// The pixels of one column of this font, by which reasons are wrapped.
const FONT: u32 = 8;

/// The lines of a cell's thumbnail, or why there is none, each so many columns wide.
pub(super) fn lines(cell: &Cell, columns: u32, rows: u32, colours: Colours) -> Vec<String> {
    match &cell.thumbnail {
        Ok(thumbnail) => (0..rows).map(|row| line(thumbnail, row, columns, rows, colours)).collect(),
        Err(reason) => broken(reason, columns as usize, rows as usize),
    }
}

fn line(thumbnail: &Thumbnail, row: u32, columns: u32, rows: u32, colours: Colours) -> String {
    let (times, (width, height)) = thumbnail.drawn_size(columns);
    let (left, top) = (columns.saturating_sub(width) / 2, (2 * rows).saturating_sub(height) / 2);
    let pixel = |x: u32, y: u32| {
        let (x, y) = (x.checked_sub(left)?, y.checked_sub(top)?);
        (x < width && y < height).then(|| thumbnail.on_checkerboard(x, y, times))
    };
    let mut line = String::new();
    let mut last = [None; 2];
    for x in 0..columns {
        let (upper, lower) = (pixel(x, 2 * row), pixel(x, 2 * row + 1));
        // The character has the colour of the upper pixel, unless there is only a lower one.
        let (character, ink, paper) = match (upper, lower) {
            (None, None) => (' ', None, None),
            (None, Some(lower)) => ('▄', Some(lower), None),
            (Some(upper), lower) => ('▀', Some(upper), lower),
        };
        if [ink, paper] != last {
            line.push_str("\x1b[0m");
            for (colour, ground) in [(ink, INK), (paper, PAPER)] {
                line.push_str(&colour.map_or_else(String::new, |colour| selected(colour, ground, colours)));
            }
            last = [ink, paper];
        }
        line.push(character);
    }
    line + "\x1b[0m"
}

/// The sequence that selects a colour, or the nearest of the palette.
pub(super) fn selected([red, green, blue]: [u8; 3], ground: u8, colours: Colours) -> String {
    match colours {
        Colours::True => format!("\x1b[{ground};2;{red};{green};{blue}m"),
        Colours::Palette => format!("\x1b[{ground};5;{}m", nearest([red, green, blue])),
    }
}

/// The values of the palette's cube of 6x6x6 colours, from number 16.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn nearest(colour: [u8; 3]) -> u8 {
    let steps = colour.map(|value| (0..6).min_by_key(|step| CUBE[*step].abs_diff(value)).unwrap_or(0));
    let in_cube = steps.map(|step| CUBE[step]);
    // 24 greys from number 232: 8, 18, ... 238.
    let mean = (u16::from(colour[0]) + u16::from(colour[1]) + u16::from(colour[2])) / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let far = |other: [u8; 3]| -> u32 {
        colour.iter().zip(other).map(|(value, other)| u32::from(value.abs_diff(other)).pow(2)).sum()
    };
    if far([8 + 10 * grey; 3]) < far(in_cube) {
        return 232 + grey;
    }
    16 + (36 * steps[0] + 6 * steps[1] + steps[2]) as u8
}

/// A box with the reason in it.
fn broken(reason: &str, columns: usize, rows: usize) -> Vec<String> {
    let room = columns.saturating_sub(4);
    let reason = wrap(&printable(reason), FONT * room as u32, rows.saturating_sub(2));
    let above = rows.saturating_sub(2 + reason.len()) / 2;
    let red = |text: String| format!("\x1b[31m{text}\x1b[0m");
    let rule = "─".repeat(columns.saturating_sub(2));
    let mut lines = vec![red(format!("┌{rule}┐"))];
    for row in 0..rows.saturating_sub(2) {
        let text = row.checked_sub(above).and_then(|line| reason.get(line)).map_or("", String::as_str);
        // The font's letters and the terminal's are not always as wide as each other.
        let text = cut(text, room);
        let before = room.saturating_sub(width(&text)) / 2;
        lines.push(red(format!("│ {} │", padded(&(" ".repeat(before) + &text), room, false))));
    }
    lines.push(red(format!("└{rule}┘")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(thumbnail: Result<Thumbnail, String>) -> Cell {
        Cell { label: None, path: None, bytes: None, size: None, thumbnail }
    }

    fn shown(cell: &Cell, columns: u32, rows: u32, colours: Colours) -> String {
        lines(cell, columns, rows, colours).join("\n").replace('\x1b', "^")
    }

    #[test]
    fn a_character_is_two_pixels() {
        let pixels = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]].concat();
        let cell = cell(Thumbnail::new(2, 2, 3, &pixels));
        assert_eq!(
            shown(&cell, 2, 1, Colours::True),
            "^[0m^[38;2;255;0;0m^[48;2;0;0;255m▀^[0m^[38;2;0;255;0m^[48;2;9;9;9m▀^[0m"
        );
        assert_eq!(shown(&cell, 2, 1, Colours::Palette), "^[0m^[38;5;196m^[48;5;21m▀^[0m^[38;5;46m^[48;5;232m▀^[0m");
    }

    #[test]
    fn a_thumbnail_stands_in_the_middle_and_the_terminal_around_it_is_left_as_it_is() {
        let cell = cell(Thumbnail::new(4, 2, 1, &[100; 8]));
        let grey = "^[38;2;100;100;100m";
        let line = |character: &str| format!("^[0m{grey}{}^[0m", character.repeat(4));
        assert_eq!(shown(&cell, 4, 2, Colours::True), format!("{}\n{}", line("▄"), line("▀")));
        assert_eq!(shown(&cell, 6, 1, Colours::True), format!(" ^[0m{grey}^[48;2;100;100;100m▀▀▀▀^[0m ^[0m"));
    }

    #[test]
    fn a_broken_image_is_a_box_with_the_reason() {
        let reason = "not a jpeg image (starts with 1b \u{1b})";
        let lines = lines(&cell(Err(reason.to_string())), 22, 6, Colours::True);
        let plain: Vec<String> = lines.iter().map(|line| line.replace("\x1b[31m", "").replace("\x1b[0m", "")).collect();
        assert_eq!(
            plain,
            [
                "┌────────────────────┐",
                "│  not a jpeg image  │",
                "│  (starts with 1b   │",
                "│      \\u{1b})       │",
                "│                    │",
                "└────────────────────┘",
            ]
        );
    }

    #[test]
    fn the_palette_has_greys_and_a_cube() {
        let cases = [([0; 3], 16), ([255; 3], 231), ([128; 3], 244), ([95, 135, 175], 67), ([250, 4, 4], 196)];
        for (colour, expected) in cases {
            assert_eq!(nearest(colour), expected, "{colour:?}");
        }
    }
}
