//! A contact sheet as a picture.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::canvas::{BOX, Canvas, PADDING};
use super::text::{self, LINE};
use super::{Cell, Sheet};

/// Around everything.
const MARGIN: u32 = 16;
/// Between cells.
const GAP: u32 = 14;
/// The title and the summary.
const HEAD: u32 = 2 * LINE + 10;
/// Label and size below a thumbnail.
const CAPTION: u32 = PADDING + 2 * LINE;
/// The title needs some room, however few cells there are.
const LEAST_WIDTH: u32 = 480;

const INK: [u8; 3] = [24, 26, 31];
const GREY_INK: [u8; 3] = [98, 104, 116];

/// The width and height of the picture of so many cells.
pub(crate) fn picture_size(cells: usize, columns: usize, side: u32) -> (u64, u64) {
    let columns = columns.max(1);
    let shown = columns.min(cells.max(1)) as u64;
    let rows = cells.div_ceil(columns).max(1) as u64;
    let (side, gap, margin) = (u64::from(side), u64::from(GAP), u64::from(MARGIN));
    let width = 2 * margin + shown * (side + gap) - gap;
    let height = 2 * margin + u64::from(HEAD) + rows * (side + u64::from(CAPTION) + gap) - gap;
    (width.max(u64::from(LEAST_WIDTH)), height)
}

/// Draws the sheet as a PNG file.
///
/// # Errors
/// A sheet that is too large for a PNG.
pub(crate) fn picture(sheet: &Sheet) -> Result<Vec<u8>, String> {
    let (width, height) = picture_size(sheet.cells.len(), sheet.columns, sheet.side);
    let too_large = || format!("a picture of {width}x{height} pixels is too large");
    let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else { return Err(too_large()) };
    let mut canvas = Canvas::paper(width, height);
    let most = width - 2 * MARGIN;
    let title = text::cut(&sheet.source, most);
    canvas.write(&title, (MARGIN, MARGIN), INK);
    // Twice, a pixel apart, is bold.
    canvas.write(&title, (MARGIN + 1, MARGIN), INK);
    canvas.write(&text::cut(&sheet.summary(), most), (MARGIN, MARGIN + LINE), GREY_INK);
    for (index, cell) in sheet.cells.iter().enumerate() {
        let (row, column) = ((index / sheet.columns) as u32, (index % sheet.columns) as u32);
        let left = MARGIN + column * (sheet.side + GAP);
        let top = MARGIN + HEAD + row * (sheet.side + CAPTION + GAP);
        draw_cell(&mut canvas, cell, (left, top), sheet.side);
    }
    encoded(canvas.rgb(), (width, height), ExtendedColorType::Rgb8)
}

/// Pixels as a PNG file.
///
/// # Errors
/// Pixels that are no such picture.
pub(crate) fn encoded(
    pixels: &[u8],
    (width, height): (u32, u32),
    colours: ExtendedColorType,
) -> Result<Vec<u8>, String> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, width, height, colours)
        .map_err(|error| error.to_string())?;
    Ok(png)
}

fn draw_cell(canvas: &mut Canvas, cell: &Cell, (left, top): (u32, u32), side: u32) {
    canvas.fill((left, top), (side, side), BOX);
    canvas.thumbnail(cell, (left, top), (side, side));
    let below = top + side + PADDING;
    canvas.write(&text::cut(cell.caption(), side), (left, below), INK);
    canvas.write(&sizes(cell, side), (left, below + LINE), GREY_INK);
}

/// Pixels and bytes, or the pixels alone where both don't fit.
fn sizes(cell: &Cell, side: u32) -> String {
    let sizes = cell.sizes();
    let both = sizes.join("  ");
    match sizes.into_iter().next() {
        Some(first) if text::width(&both) > side => text::cut(&first, side),
        _ => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::canvas::{BROKEN_BOX, PAPER};
    use crate::sheet::testing;

    fn decoded(sheet: &Sheet) -> image::RgbImage {
        let png = picture(sheet).expect("drawn");
        image::load_from_memory(&png).expect("a PNG").into_rgb8()
    }

    #[test]
    fn the_grid_is_even_and_as_large_as_it_was_said_to_be() {
        assert_eq!(picture_size(40, 8, 160), (32 + 8 * 174 - 14, 32 + 46 + 5 * 214 - 14));
        assert_eq!(picture_size(3, 8, 160).0, 32 + 3 * 174 - 14);
        assert_eq!(picture_size(1, 8, 160).0, 480);
        let picture = decoded(&testing::sheet());
        let (width, height) = picture_size(3, 2, 64);
        assert_eq!((u64::from(picture.width()), u64::from(picture.height())), (width, height));
    }

    #[test]
    fn thumbnails_stand_in_the_middle_of_their_boxes() {
        let picture = decoded(&testing::sheet());
        let pixel = |x: u32, y: u32| picture.get_pixel(MARGIN + x, MARGIN + HEAD + y).0;
        assert_eq!([pixel(0, 0), pixel(0, 15), pixel(0, 16)], [BOX, BOX, [200, 0, 0]]);
        assert_eq!([pixel(63, 47), pixel(63, 48), pixel(64, 32)], [[200, 0, 0], BOX, PAPER]);
        // The transparent icon of 8x8 is eight times as large, on a checkerboard.
        let start = 64 + GAP;
        assert_eq!([pixel(start, 0), pixel(start + 8, 0), pixel(start + 63, 63)], [[255; 3], [224; 3], [255; 3]]);
        // The broken one is in the next row.
        assert_eq!(pixel(2, 64 + CAPTION + GAP + 1), BROKEN_BOX);
    }

    #[test]
    fn the_same_sheet_is_the_same_file() {
        assert!(picture(&testing::sheet()) == picture(&testing::sheet()));
    }

    #[test]
    fn a_narrow_cell_shows_the_pixels_alone() {
        let cell = &testing::sheet().cells[0];
        assert_eq!(sizes(cell, 160), "640\u{d7}320  13.50 KiB");
        assert_eq!(sizes(cell, 64), "640\u{d7}320");
    }
}
