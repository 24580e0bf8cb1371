//! Pixels to draw on: boxes, letters, and thumbnails or the reason why there is none.

use super::Cell;
use super::text::{self, HEIGHT, LINE};

/// Around letters.
pub(super) const PADDING: u32 = 4;

pub(super) const PAPER: [u8; 3] = [255, 255, 255];
pub(super) const BOX: [u8; 3] = [241, 242, 244];
pub(super) const BROKEN_BOX: [u8; 3] = [253, 235, 233];
const RED_INK: [u8; 3] = [166, 32, 24];

/// Red, green and blue values, and on glass whether anything was drawn.
pub(crate) struct Canvas {
    pub(crate) width: u32,
    pub(crate) height: u32,
    values: Vec<u8>,
    drawn: Vec<bool>,
}

impl Canvas {
    /// White paper.
    pub(crate) fn paper(width: u32, height: u32) -> Self {
        Self { width, height, values: PAPER.repeat(width as usize * height as usize), drawn: Vec::new() }
    }

    /// Glass: where nothing is drawn, one sees through.
    pub(super) fn glass(width: u32, height: u32) -> Self {
        Self { drawn: vec![false; width as usize * height as usize], ..Self::paper(width, height) }
    }

    /// Red, green and blue values.
    pub(crate) fn rgb(&self) -> &[u8] {
        &self.values
    }

    /// Red, green, blue and alpha values.
    pub(super) fn rgba(&self) -> Vec<u8> {
        let drawn = self.drawn.iter().copied().chain(std::iter::repeat(self.drawn.is_empty()));
        let pixels = self.values.chunks_exact(3).zip(drawn);
        pixels
            .flat_map(|(pixel, is_drawn)| match (pixel, is_drawn) {
                ([red, green, blue], true) => [*red, *green, *blue, 255],
                _ => [0; 4],
            })
            .collect()
    }

    fn set(&mut self, (x, y): (u32, u32), colour: [u8; 3]) {
        if x >= self.width || y >= self.height {
            return;
        }
        let at = y as usize * self.width as usize + x as usize;
        if let Some(pixel) = self.values.get_mut(3 * at..3 * at + 3) {
            pixel.copy_from_slice(&colour);
        }
        if let Some(drawn) = self.drawn.get_mut(at) {
            *drawn = true;
        }
    }

    /// Fills a box.
    pub(crate) fn fill(&mut self, (left, top): (u32, u32), (width, height): (u32, u32), colour: [u8; 3]) {
        for y in top..top + height {
            for x in left..left + width {
                self.set((x, y), colour);
            }
        }
    }

    /// Mixes a colour into what is there; `share` of 255 parts are of it.
    pub(crate) fn mix(&mut self, (x, y): (u32, u32), colour: [u8; 3], share: u8) {
        if x >= self.width || y >= self.height {
            return;
        }
        let at = 3 * (y as usize * self.width as usize + x as usize);
        let Some(below) = self.values.get(at..at + 3) else { return };
        let share = u16::from(share);
        let mut mixed = colour;
        for (value, below) in mixed.iter_mut().zip(below) {
            *value = ((u16::from(*value) * share + u16::from(*below) * (255 - share) + 127) / 255) as u8;
        }
        self.set((x, y), mixed);
    }

    /// Writes a line, from its upper left corner.
    pub(crate) fn write(&mut self, line: &str, (left, top): (u32, u32), colour: [u8; 3]) {
        // The glyphs stand in the middle of their line.
        let top = top + (LINE - HEIGHT) / 2;
        text::draw(line, |x, y| self.set((left + x, top + y), colour));
    }

    /// Draws a cell's thumbnail in the middle of a box, or why there is none.
    pub(super) fn thumbnail(&mut self, cell: &Cell, (left, top): (u32, u32), (width, height): (u32, u32)) {
        match &cell.thumbnail {
            Ok(thumbnail) => {
                // The function that makes thumbnails keeps to the box; another's image is cut to it.
                let (times, size) = thumbnail.drawn_size(width.max(height));
                let (shown_width, shown_height) = (size.0.min(width), size.1.min(height));
                let (left, top) = (left + (width - shown_width) / 2, top + (height - shown_height) / 2);
                for y in 0..shown_height {
                    for x in 0..shown_width {
                        self.set((left + x, top + y), thumbnail.on_checkerboard(x, y, times));
                    }
                }
            }
            Err(reason) => {
                self.fill((left, top), (width, height), BROKEN_BOX);
                self.cross((left, top), (width, height));
                let most_lines = (height.saturating_sub(2 * PADDING) / LINE) as usize;
                let lines = text::wrap(reason, width.saturating_sub(2 * PADDING), most_lines);
                let middle = top + height.saturating_sub(lines.len() as u32 * LINE) / 2;
                for (line, y) in lines.iter().zip((middle..).step_by(LINE as usize)) {
                    let x = left + width.saturating_sub(text::width(line)) / 2;
                    self.fill((x, y), (text::width(line), LINE), BROKEN_BOX);
                    self.write(line, (x, y), RED_INK);
                }
            }
        }
    }

    /// The diagonals of a box: what is behind them is no image.
    fn cross(&mut self, (left, top): (u32, u32), (width, height): (u32, u32)) {
        let line = [244, 200, 196];
        for step in 0..width {
            let y = top + step * height / width;
            self.set((left + step, y), line);
            self.set((left + width - 1 - step, y), line);
        }
    }
}
