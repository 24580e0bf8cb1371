//! Thumbnails in a terminal: a grid of pictures with their captions below.

mod blocks;
mod iterm2;
mod kitty;
mod protocol;
mod sixel;

use super::canvas::Canvas;
use super::png::encoded;
use super::{Cell, Thumbnail};
use crate::words::{cut, cut_between, padded, printable};
use image::ExtendedColorType;

pub(crate) use blocks::Colours;
pub(crate) use protocol::Graphics;

/// A terminal to show thumbnails in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    graphics: Graphics,
    colours: Colours,
    /// Width and height of a character in pixels.
    character: (u32, u32),
    /// Thumbnails beside each other.
    across: usize,
    /// Characters that the side of a thumbnail takes.
    columns: usize,
}

/// Between thumbnails, in characters.
const GAP: usize = 2;
/// The least width of a thumbnail in characters.
const PICTURE_COLUMNS: usize = 16;
/// As of pictures, where a character is a pixel wide.
const BLOCK_COLUMNS: usize = 24;
/// The most columns that one picture takes.
const MOST_COLUMNS: usize = 120;
/// A character's pixels where the terminal doesn't tell.
const CHARACTER: (u32, u32) = (8, 16);
/// More pixels of a character are no more to see.
const MOST_CHARACTER: u32 = 64;
/// Of broken images, so many lines are room enough for the reason.
const BROKEN_ROWS: u32 = 6;

impl Screen {
    /// The terminal of stdout, so many characters wide, with at most so many thumbnails beside each other.
    pub(crate) fn of_stdout(graphics: Graphics, width: usize, most: usize) -> Self {
        let colours = if console::true_colors_enabled() { Colours::True } else { Colours::Palette };
        Self::new(graphics, colours, character_size().unwrap_or(CHARACTER), width, most)
    }

    /// The terminal of stdout for one picture, so many characters wide.
    pub(crate) fn whole(graphics: Graphics, width: usize) -> Self {
        Self { across: 1, columns: width.clamp(20, MOST_COLUMNS), ..Self::of_stdout(graphics, width, 1) }
    }

    fn new(graphics: Graphics, colours: Colours, character: (u32, u32), width: usize, most: usize) -> Self {
        let least = if graphics == Graphics::Blocks { BLOCK_COLUMNS } else { PICTURE_COLUMNS };
        let across = ((width + GAP) / (least + GAP)).clamp(1, most.max(1));
        // What is left over makes them larger, but no more than twice as large.
        let columns = ((width + GAP) / across).saturating_sub(GAP).clamp(1, 2 * least);
        Self { graphics, colours, character, across, columns }
    }

    /// The sides of the square that a thumbnail is fitted into, in pixels.
    pub(crate) fn side(&self) -> u32 {
        self.columns as u32 * self.character().0
    }

    /// Whether a character is all that there is of a pixel, or two: letters have no place in such a picture.
    pub(crate) fn is_coarse(&self) -> bool {
        self.graphics == Graphics::Blocks
    }

    /// A text in a colour.
    pub(crate) fn coloured(&self, text: &str, colour: [u8; 3]) -> String {
        format!("{}{text}\x1b[0m", blocks::selected(colour, blocks::INK, self.colours))
    }

    fn character(&self) -> (u32, u32) {
        if self.graphics == Graphics::Blocks { (1, 2) } else { self.character }
    }

    /// The grid, row by row, as what has to be written to the terminal.
    pub(crate) fn rows<'a>(&'a self, cells: &'a [Cell]) -> impl Iterator<Item = Result<String, String>> + 'a {
        cells.chunks(self.across).map(|cells| self.row(cells))
    }

    fn row(&self, cells: &[Cell]) -> Result<String, String> {
        let mut text = self.pictures(cells)?;
        let captions: Vec<Vec<String>> = cells.iter().map(|cell| self.caption(cell)).collect();
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&beside(&captions));
        text.push_str("\n\n");
        Ok(text)
    }

    /// A picture without a caption.
    ///
    /// # Errors
    /// One that can't be encoded.
    pub(crate) fn picture(&self, thumbnail: Thumbnail) -> Result<String, String> {
        let cell = Cell { label: None, path: None, bytes: None, size: None, thumbnail: Ok(thumbnail) };
        Ok(self.pictures(&[cell])? + "\n")
    }

    fn pictures(&self, cells: &[Cell]) -> Result<String, String> {
        let rows = cells.iter().map(|cell| self.cell_rows(cell)).max().unwrap_or(1);
        let columns = cells.len() * (self.columns + GAP) - GAP;
        Ok(match self.graphics {
            Graphics::Kitty => kitty::picture(&self.png(cells, rows)?, columns),
            Graphics::Iterm2 => iterm2::picture(&self.png(cells, rows)?, columns),
            Graphics::Sixel => {
                let strip = self.strip(cells, rows);
                sixel::picture(&strip.rgba(), strip.width, strip.height)?
            }
            Graphics::Blocks => {
                let lines = |cell| blocks::lines(cell, self.columns as u32, rows, self.colours);
                beside(&cells.iter().map(lines).collect::<Vec<_>>())
            }
            Graphics::None => String::new(),
        })
    }

    /// The lines that a cell's thumbnail takes.
    fn cell_rows(&self, cell: &Cell) -> u32 {
        let (_, character_height) = self.character();
        let side = self.side();
        match &cell.thumbnail {
            Ok(thumbnail) => thumbnail.drawn_size(side).1.1.min(side).div_ceil(character_height),
            Err(_) => BROKEN_ROWS.min(side.div_ceil(character_height)),
        }
    }

    fn png(&self, cells: &[Cell], rows: u32) -> Result<Vec<u8>, String> {
        let strip = self.strip(cells, rows);
        encoded(&strip.rgba(), (strip.width, strip.height), ExtendedColorType::Rgba8)
    }

    /// Thumbnails beside each other, with nothing between them.
    fn strip(&self, cells: &[Cell], rows: u32) -> Canvas {
        let (character_width, character_height) = self.character();
        let (side, gap, height) = (self.side(), GAP as u32 * character_width, rows * character_height);
        let mut canvas = Canvas::glass(cells.len() as u32 * (side + gap) - gap, height);
        for (cell, left) in cells.iter().zip((0..).step_by((side + gap) as usize)) {
            canvas.thumbnail(cell, (left, 0), (side, height));
        }
        canvas
    }

    /// What stands below a thumbnail, in two lines as wide as it is.
    fn caption(&self, cell: &Cell) -> Vec<String> {
        let label = cut_between(&printable(cell.caption()), self.columns);
        let sizes = cut(&cell.sizes().join(" "), self.columns);
        vec![padded(&label, self.columns, false), format!("\x1b[2m{}\x1b[0m", padded(&sizes, self.columns, false))]
    }
}

/// Texts of as many lines each, side by side.
fn beside(texts: &[Vec<String>]) -> String {
    let height = texts.iter().map(Vec::len).max().unwrap_or(0);
    let line = |line: usize| {
        let parts = texts.iter().map(|text| text.get(line).map_or("", String::as_str));
        parts.collect::<Vec<_>>().join(&" ".repeat(GAP))
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

/// Width and height of a character in pixels, where the terminal of stdout tells.
#[cfg(target_os = "linux")]
fn character_size() -> Option<(u32, u32)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    let side = |pixels: u16, characters: u16| {
        let side = u32::from(pixels).checked_div(u32::from(characters))?;
        (4..=MOST_CHARACTER).contains(&side).then_some(side)
    };
    side(size.ws_xpixel, size.ws_col).zip(side(size.ws_ypixel, size.ws_row))
}

/// As above: not asked for here.
#[cfg(not(target_os = "linux"))]
fn character_size() -> Option<(u32, u32)> {
    None
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::sheet::testing;
    use crate::words::width;

    fn screen(graphics: Graphics, width: usize) -> Screen {
        Screen::new(graphics, Colours::True, CHARACTER, width, 8)
    }

    fn drawn(screen: &Screen) -> Vec<String> {
        let sheet = testing::sheet();
        screen.rows(&sheet.cells).map(|row| row.expect("drawn")).collect()
    }

    /// The text without what sets colours.
    fn plain(text: &str) -> String {
        let mut parts = text.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_string();
        parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, after)| after))
    }

    #[test]
    fn as_many_thumbnails_as_fit_stand_beside_each_other() {
        let grid = |graphics, width| {
            let screen = screen(graphics, width);
            (screen.across, screen.columns, screen.side())
        };
        assert_eq!([80, 120, 300].map(|width| grid(Graphics::Blocks, width)), [(3, 25, 25), (4, 28, 28), (8, 35, 35)]);
        assert_eq!([80, 120].map(|width| grid(Graphics::Kitty, width)), [(4, 18, 144), (6, 18, 144)]);
        assert_eq!(grid(Graphics::Blocks, 10), (1, 10, 10));
    }

    #[test]
    fn the_picture_of_a_row_is_the_thumbnails_on_glass() {
        let kitty = drawn(&screen(Graphics::Kitty, 80)).remove(0);
        let iterm2 = drawn(&screen(Graphics::Iterm2, 80)).remove(0);
        let (picture, captions) = kitty.split_once("\x1b\\\n").expect("a picture and captions");
        assert_eq!(
            plain(captions),
            "roses               a <b> & \"c\"         daisy             \n\
                                     640×320 13.50 KiB   8×8 13.50 KiB       13.50 KiB         \n\n"
        );
        let (keys, data) = picture.split_once(';').expect("keys and data");
        assert_eq!(keys, "\x1b_Ga=T,f=100,q=2,c=58,m=0");
        let png = STANDARD.decode(data).expect("base64");
        let inline = iterm2.split_once(':').and_then(|(_, rest)| rest.split_once('\x07')).expect("a picture").0;
        assert!(STANDARD.decode(inline).expect("base64") == png);
        let picture = image::load_from_memory(&png).expect("a PNG").into_rgba8();
        // The icon is the highest: 8 pixels, enlarged 18 times.
        assert_eq!(picture.dimensions(), (58 * 8, 144));
        let pixel = |x: u32, y: u32| picture.get_pixel(x, y).0;
        // A thumbnail of 64x32, twice as large, in the middle of its box, and clear around it.
        assert_eq!([pixel(8, 40), pixel(135, 103)], [[200, 0, 0, 255]; 2]);
        assert_eq!([pixel(7, 40), pixel(136, 103), pixel(8, 39), pixel(150, 9)].map(|pixel| pixel[3]), [0; 4]);
        assert_eq!([pixel(160, 0), pixel(168, 0)], [[255; 4], [224, 224, 224, 255]]);
        assert_eq!(pixel(325, 10), [253, 235, 233, 255]);
    }

    #[test]
    fn sixels_are_as_wide_as_the_characters_that_they_take() {
        let row = drawn(&screen(Graphics::Sixel, 40)).remove(0);
        let (picture, captions) = row.split_once("\x1b\\\n").expect("a picture and captions");
        assert!(picture.contains(&format!("\"1;1;{};", 40 * 8)), "{}", &picture[..40]);
        assert!(captions.starts_with("roses"));
    }

    #[test]
    fn half_blocks_need_no_more_than_text() {
        let rows = drawn(&screen(Graphics::Blocks, 54));
        assert_eq!(rows.len(), 2);
        insta::assert_snapshot!(plain(&rows.concat()), @r#"
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀ 
        roses                       a <b> & "c"               
        640×320 13.50 KiB           8×8 13.50 KiB             

        ┌────────────────────────┐
        │                        │
        │  empty file (0 bytes)  │
        │                        │
        │                        │
        └────────────────────────┘
        daisy                     
        13.50 KiB
        "#);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(label in ".{0,60}", reason in ".{0,60}", columns in 10..130_usize) {
            let mut sheet = testing::sheet();
            sheet.cells[1].label = Some(label);
            sheet.cells[2].thumbnail = Err(reason);
            let screen = screen(Graphics::Blocks, columns);
            for row in screen.rows(&sheet.cells) {
                for line in plain(&row.expect("drawn")).lines() {
                    prop_assert!(width(line) <= columns, "{} of {columns}: {line}", width(line));
                    prop_assert!(!line.chars().any(char::is_control));
                }
            }
        }
    }
}
