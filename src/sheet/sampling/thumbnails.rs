//! The SQL that makes thumbnails, and its rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};

use super::columns::ImageRows;
use super::sample::bytes_of;
use crate::engine::Session;
use crate::sheet::{Cell, Thumbnail};

/// The rows that become thumbnails.
const ROWS: &str = "contact_sheet_rows";

/// The cells of some rows, with their positions, made in a session of this process.
///
/// # Errors
/// A query that fails; an image that is broken is none.
pub(crate) async fn made(
    session: &Session,
    rows: &ImageRows,
    positions: &[usize],
    side: u32,
) -> crate::error::Result<Vec<(usize, Cell)>> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let is_image = *rows.images.data_type() == pixmill_udfs::image_type();
    let (name, sql) = match is_image {
        true => ("image", of_images(&format!("SELECT * FROM {ROWS}"), side)),
        false => ("content", of_files(&format!("SELECT * FROM {ROWS}"), side)),
    };
    let wanted = Int64Array::from_iter_values(positions.iter().map(|position| *position as i64));
    let images = take(&rows.images, &wanted, None).map_err(DataFusionError::from)?;
    let texts = |texts: &[Option<String>]| -> ArrayRef {
        Arc::new(positions.iter().map(|position| texts[*position].as_deref()).collect::<StringArray>())
    };
    let bytes = |position: &usize| {
        (!is_image && rows.images.is_valid(*position)).then(|| bytes_of(&rows.images, *position).len() as i64)
    };
    let bytes: Int64Array = positions.iter().map(bytes).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("row", Arc::new(wanted) as ArrayRef, false),
        ("label", texts(&rows.labels), true),
        ("path", texts(&rows.paths), true),
        ("bytes", Arc::new(bytes), true),
        (name, images, true),
    ]);
    session.context().register_batch(ROWS, batch.map_err(DataFusionError::from)?)?;
    let thumbnails = session.sql(&sql).await;
    session.context().deregister_table(ROWS)?;
    let mut made = Vec::new();
    for batch in thumbnails? {
        for (row, cell) in cells(&batch, "no image (NULL)")? {
            made.push((row.unsigned_abs() as usize, cell));
        }
    }
    Ok(made)
}

/// Thumbnails of image files: of `rows` with the columns row, label, path, bytes and content.
pub(super) fn of_files(rows: &str, side: u32) -> String {
    // Small images stay as they are: the sheet enlarges them without a blur.
    format!(
        "SELECT \"row\", label, path, bytes, width, height, orientation, thumbnail,
                CASE WHEN thumbnail IS NULL THEN image_error(content) END AS reason
         FROM (SELECT *,
                      CASE WHEN width <= {side} AND height <= {side} THEN image_decode(content, mode => 'rgba')
                           ELSE image_resize(image_decode(content, mode => 'rgba'), {side}, {side}, fit => 'inside')
                      END AS thumbnail
               FROM (SELECT *, CAST(info['width'] AS BIGINT) AS width, CAST(info['height'] AS BIGINT) AS height,
                            CAST(info['orientation'] AS BIGINT) AS orientation
                     FROM (SELECT *, image_info(content) AS info FROM ({rows}))))"
    )
}

/// Thumbnails of decoded images: of `rows` with the columns row, label, path, bytes and image.
pub(super) fn of_images(rows: &str, side: u32) -> String {
    format!(
        "SELECT \"row\", label, path, bytes, CAST(image['width'] AS BIGINT) AS width,
                CAST(image['height'] AS BIGINT) AS height, CAST(1 AS BIGINT) AS orientation,
                CASE WHEN image['width'] <= {side} AND image['height'] <= {side} THEN image
                     ELSE image_resize(image, {side}, {side}, fit => 'inside') END AS thumbnail,
                CAST(NULL AS VARCHAR) AS reason
         FROM ({rows})"
    )
}

/// The rows of these queries, with their numbers. Where there was nothing to look at, `missing` is the reason.
pub(super) fn cells(batch: &RecordBatch, missing: &str) -> Result<Vec<(i64, Cell)>> {
    let column = |name: &str| {
        let column = batch.column_by_name(name);
        column.ok_or_else(|| internal_datafusion_err!("thumbnails without a column {name}"))
    };
    let numbers = |name: &str| column(name).map(|column| column.as_primitive::<Int64Type>());
    let texts = |name: &str| column(name).map(|column| column.as_string::<i32>());
    let (row_numbers, bytes) = (numbers("row")?, numbers("bytes")?);
    let (widths, heights, orientations) = (numbers("width")?, numbers("height")?, numbers("orientation")?);
    let (labels, paths, reasons) = (texts("label")?, texts("path")?, texts("reason")?);
    let images = column("thumbnail")?;
    let text = |texts: &datafusion::arrow::array::StringArray, row: usize| {
        texts.is_valid(row).then(|| texts.value(row).to_string())
    };
    let mut cells = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let side = |sides: &datafusion::arrow::array::Int64Array| {
            sides.is_valid(row).then(|| u32::try_from(sides.value(row)).ok()).flatten()
        };
        // Orientations from 5 on lay the image on its side.
        let is_turned = orientations.is_valid(row) && orientations.value(row) >= 5;
        let size = side(widths).zip(side(heights));
        let size = size.map(|(width, height)| if is_turned { (height, width) } else { (width, height) });
        let reason = || text(reasons, row).unwrap_or_else(|| missing.to_string());
        let cell = Cell {
            label: text(labels, row),
            path: text(paths, row),
            bytes: bytes.is_valid(row).then(|| bytes.value(row).unsigned_abs()),
            size,
            thumbnail: thumbnail(images, row).unwrap_or_else(|| Err(reason())),
        };
        cells.push((row_numbers.value(row), cell));
    }
    Ok(cells)
}

/// The image of a row; `None` where it is NULL.
fn thumbnail(images: &dyn Array, row: usize) -> Option<std::result::Result<Thumbnail, String>> {
    let image = images.as_struct_opt()?;
    if image.is_null(row) {
        return None;
    }
    let number = |name: &str| {
        let values = image.column_by_name(name)?.as_primitive_opt::<Int32Type>()?;
        values.is_valid(row).then(|| values.value(row).unsigned_abs())
    };
    let values = image.column_by_name("data")?.as_binary_opt::<i32>()?;
    let channels = u8::try_from(number("channels")?).ok()?;
    values.is_valid(row).then_some(())?;
    Some(Thumbnail::new(number("width")?, number("height")?, channels, values.value(row)))
}
