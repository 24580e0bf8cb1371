//! Contact sheets: a sample of a dataset's images as a grid of thumbnails with what there is to say about each, drawn as a PNG, written as an HTML page or
//! shown in a terminal.

mod canvas;
mod html;
mod labels;
mod png;
mod sampling;

mod terminal;
pub(crate) mod text;
mod thumbnail;

use indicatif::{HumanBytes, HumanCount};

use crate::error::Error;
use crate::words::counted;

pub(crate) use canvas::Canvas;
pub(crate) use html::page;
pub(crate) use labels::Labels;
pub(crate) use png::{encoded, picture, picture_size};
pub(crate) use sampling::{
    ImageRows, Images, Sampling, bytes_of, can_be_image, images_of, listed, show, texts, thumbnails_of,
};

pub(crate) use terminal::{Graphics, Screen};
pub(crate) use thumbnail::Thumbnail;

/// Why nothing is shown.
pub(crate) const NO_PICTURES: &str = "the output is no terminal that shows pictures";

pub(crate) fn cannot_draw(error: String) -> Error {
    Error::Failed(format!("cannot draw the contact sheet: {error}"))
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Where the images come from.
    pub(crate) source: String,
    /// What was chosen from all images, in the order in which it is shown.
    pub(crate) cells: Vec<Cell>,
    /// The images of the source by label.
    pub(crate) labels: Labels,
    /// Cells in a row.
    pub(crate) columns: usize,
    /// The sides of the square that a thumbnail is fitted into, in pixels.
    pub(crate) side: u32,
    /// The seed that the images were chosen with.
    pub(crate) seed: u64,
}

/// An image of a sheet.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Its label, where it has one.
    pub(crate) label: Option<String>,
    /// Its file or key.
    pub(crate) path: Option<String>,
    /// The bytes of its file.
    pub(crate) bytes: Option<u64>,
    /// Its width and height in pixels, before it was made small.
    pub(crate) size: Option<(u32, u32)>,
    /// The thumbnail, or why there is none.
    pub(crate) thumbnail: Result<Thumbnail, String>,
}

impl Sheet {
    /// Cells without a thumbnail.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (&Cell, &String)> {
        self.cells.iter().filter_map(|cell| cell.thumbnail.as_ref().err().map(|reason| (cell, reason)))
    }

    /// What is shown of what there is: `40 of 150 images, 5 labels, 1 broken, seed 42`.
    pub(crate) fn summary(&self) -> String {
        let (shown, images) = (self.cells.len() as u64, self.labels.images());
        let mut parts = Vec::new();
        if shown == images {
            parts.push(counted(images, "image"));
        } else {
            parts.push(format!("{} of {}", HumanCount(shown), counted(images, "image")));
        }
        if !self.labels.is_empty() {
            parts.push(self.labels.counted());
        }
        let broken = self.broken().count();
        if broken > 0 {
            parts.push(format!("{broken} broken"));
        }
        if shown < images {
            parts.push(format!("seed {}", self.seed));
        }
        parts.join(", ")
    }
}

impl Cell {
    /// The label, else the name of the file.
    fn caption(&self) -> &str {
        let name = || self.path.as_deref().and_then(|path| path.rsplit('/').next());
        self.label.as_deref().or_else(name).unwrap_or("-")
    }

    /// `320×240`, and behind it, in a text of its own, `13.5 KiB`.
    fn sizes(&self) -> Vec<String> {
        let pixels = self.size.map(|(width, height)| format!("{width}\u{d7}{height}"));
        let bytes = self.bytes.map(|bytes| HumanBytes(bytes).to_string());
        pixels.into_iter().chain(bytes).collect()
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    /// A sheet with a red image, a half transparent one, and a broken one.
    pub(super) fn sheet() -> Sheet {
        let cell = |label: &str, size, thumbnail| Cell {
            label: Some(label.to_string()),
            path: Some(format!("photos/{label}/1.jpg")),
            bytes: Some(13_824),
            size,
            thumbnail,
        };
        let red = Thumbnail::new(64, 32, 3, &[200, 0, 0].repeat(64 * 32));
        let glass = Thumbnail::new(8, 8, 4, &[0, 0, 200, 0].repeat(64));
        let cells = vec![
            cell("roses", Some((640, 320)), red),
            cell("a <b> & \"c\"", Some((8, 8)), glass),
            cell("daisy", None, Err("empty file (0 bytes)".to_string())),
        ];
        let mut labels = Labels::default();
        for cell in &cells {
            labels.add(cell.label.as_deref(), 10);
        }
        Sheet { source: "photos/**/*.jpg".to_string(), cells, labels, columns: 2, side: 64, seed: 7 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_is_shown_of_what_there_is() {
        let mut sheet = testing::sheet();
        assert_eq!(sheet.summary(), "3 of 30 images, 3 labels, 1 broken, seed 7");
        sheet.cells.truncate(1);
        sheet.labels = Labels::default();
        sheet.labels.add(None, 1);
        assert_eq!(sheet.summary(), "1 image");
    }
}
