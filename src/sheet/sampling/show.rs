//! The images of a query in the terminal.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;

use super::columns::{Asked, Columns};
use super::thumbnails::made;
use crate::engine::{Engine, Session, Statement, StatementKind};
use crate::error::{Error, Result};
use crate::output::Watched;
use crate::sheet::{Cell, Graphics, NO_PICTURES, Screen, cannot_draw};
use crate::words::counted;

/// Images that are shown, of however many.
const MOST: usize = 24;
/// A query says by itself which columns it has.
const ASKED: Asked = Asked { image: None, label: None, without_options: true };

/// Shows the first images of a query, with what stands beside them, in a terminal so many characters wide.
///
/// # Errors
/// A statement that is no query, a query that fails or has no column of images, a terminal without pictures.
pub(crate) async fn show(
    session: &Session,
    query: Statement,
    out: &mut impl Write,
    graphics: Graphics,
    width: usize,
) -> Result<()> {
    if graphics == Graphics::None {
        return Err(Error::Usage(format!("{NO_PICTURES}; PIXMILL_GRAPHICS=blocks shows them in colours")));
    }
    let screen = Screen::of_stdout(graphics, width, MOST);
    let (cells, has_more) = cells(session, query, screen.side()).await?;
    for row in screen.rows(&cells) {
        out.write_all(row.map_err(cannot_draw)?.as_bytes()).map_err(Error::output)?;
    }
    writeln!(out, "{}", summary(&cells, has_more)).map_err(Error::output)
}

/// The first cells of a query, and whether it has more rows. What isn't shown isn't read to its end.
async fn cells(session: &Session, query: Statement, side: u32) -> Result<(Vec<Cell>, bool)> {
    let text = query.to_string();
    let prepared = session.prepare(query).await?;
    if prepared.kind() != StatementKind::Query {
        return Err(Error::Usage(format!("only the images of a query are shown, got {text}")));
    }
    let running = session.run(prepared).await?;
    // Rows that have come here are made thumbnails here, wherever they come from.
    let local = session.cluster().map(|_| Engine::local(1)).transpose()?;
    let here = local.as_ref().map_or(session, Engine::session);
    let schema = running.schema();
    let mut watched = Watched::new(running);
    let mut columns = None;
    let mut cells = Vec::new();
    while let Some(batch) = watched.next().await {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        if cells.len() == MOST {
            return Ok((cells, true));
        }
        let columns = match columns {
            Some(columns) => columns,
            None => *columns.insert(Columns::choose(&batch, &ASKED)?),
        };
        let shown = batch.num_rows().min(MOST - cells.len());
        let rows = columns.rows(&batch.slice(0, shown), None)?;
        let positions: Vec<usize> = (0..shown).collect();
        cells.extend(made(here, &rows, &positions, side).await?.into_iter().map(|(_, cell)| cell));
        if shown < batch.num_rows() {
            return Ok((cells, true));
        }
    }
    if columns.is_none() {
        // No rows are one thing, rows without images another.
        Columns::choose(&RecordBatch::new_empty(schema), &ASKED)?;
    }
    Ok((cells, false))
}

/// `the first 24 images, 1 broken; LIMIT 24 OFFSET 24 shows the next ones`.
fn summary(cells: &[Cell], has_more: bool) -> String {
    let mut text = counted(cells.len() as u64, "image");
    if has_more {
        text.insert_str(0, "the first ");
    }
    let broken = cells.iter().filter(|cell| cell.thumbnail.is_err()).count();
    if broken > 0 {
        text.push_str(&format!(", {broken} broken"));
    }
    if has_more {
        text.push_str(&format!("; LIMIT {MOST} OFFSET {MOST} shows the next ones"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::PhotoSet;
    use crate::words::quoted;

    /// What is shown of a query, whose FROM is written `FROM photos`, of 30 photos of which one is broken.
    async fn shown(query: &str) -> Result<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let photos = PhotoSet { images: 30, classes: 1, size: Some((64, 48)), seed: 7 };
        photos.write(directory.path(), 1, &|_| ()).expect("photos");
        std::fs::write(directory.path().join("daisy/000001.jpg"), "hello").expect("a broken one");
        let engine = Engine::local(1).expect("an engine");
        let files = quoted(&format!("{}/**/*.jpg", directory.path().display()));
        let query = query.replace("FROM photos", &format!("FROM read_images({files})"));
        let query = engine.parse(&query).expect("SQL").remove(0);
        let mut out = Vec::new();
        let result = show(engine.session(), query, &mut out, Graphics::Blocks, 80).await;
        let tables = engine.sql("SHOW TABLES").await.expect("tables");
        let left = tables.iter().any(|batch| format!("{batch:?}").contains("contact_sheet"));
        assert!(!left, "the session has a table that the user didn't make");
        result.map(|()| String::from_utf8(out).expect("UTF-8"))
    }

    #[tokio::test]
    async fn the_first_images_of_a_query_are_shown_in_its_order() {
        let text = shown("SELECT path, content FROM photos ORDER BY path DESC").await.expect("shown");
        assert!(text.ends_with("\nthe first 24 images; LIMIT 24 OFFSET 24 shows the next ones\n"), "{text}");
        let place = |name: &str| text.find(name).expect(name);
        assert!(place("000029.jpg") < place("000028.jpg") && place("000028.jpg") < place("000006.jpg"));
        assert!(!text.contains("000005.jpg") && text.contains("64×48 "));
    }

    #[tokio::test]
    async fn images_are_shown_with_the_text_beside_them_and_broken_ones_with_the_reason() {
        let query = "SELECT 'photo ' || right(path, 5) AS name, image_decode(content) AS image FROM photos
                     ORDER BY path LIMIT 1";
        let text = shown(query).await.expect("shown");
        assert!(text.contains("photo 0.jpg") && text.ends_with("\n1 image\n") && text.contains('▀'), "{text}");
        let text = shown("SELECT path, content FROM photos WHERE length = 5").await.expect("shown");
        assert!(text.contains("starts with") && text.ends_with("\n1 image, 1 broken\n"), "{text}");
        let text = shown("SELECT path, content FROM photos WHERE length = 0").await.expect("shown");
        assert_eq!(text, "0 images\n");
    }

    #[tokio::test]
    async fn what_has_no_images_is_told() {
        let error = async |query: &str| shown(query).await.expect_err("no images").to_string();
        assert_eq!(
            error("SELECT length FROM photos").await,
            "no column holds images: the columns are length (Int64); select one"
        );
        assert_eq!(
            error("SET pixmill.batch_bytes = 1").await,
            "only the images of a query are shown, got SET pixmill.batch_bytes = 1"
        );
    }
}
