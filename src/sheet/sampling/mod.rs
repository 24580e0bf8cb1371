//! Which images a sheet shows: a sample of all that a location or a query has.

mod columns;
mod sample;
mod show;
mod source;
mod tar;
mod thumbnails;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast;
use tokio::sync::mpsc::Receiver;

use self::columns::{Asked, Columns};
pub(crate) use self::columns::{ImageRows, can_be_image, images_of, listed, texts};
use self::sample::Sample;
pub(crate) use self::sample::bytes_of;
pub(crate) use self::show::show;
use self::source::Source;
pub(crate) use self::thumbnails::made as thumbnails_of;

use super::{Cell, Labels, Sheet};
use crate::engine::{Engine, RunningStatement, Statement};
use crate::error::{Error, Result};
use crate::exec::cores;
use crate::output::Watched;
use crate::storage::Reach;
use crate::words::{identifier, quoted};

/// Where images come from.
#[derive(Debug)]
pub(crate) enum Images {
    /// A location of image files or shards.
    At(String),
    /// Statements, the last of which is a query.
    Of(String),
}

/// How the images of a sheet are chosen.
#[derive(Debug)]
pub(crate) struct Sampling {
    pub(crate) images: Images,
    /// The column that holds the images, where it isn't found by its name or content.
    pub(crate) image: Option<String>,
    /// The column that holds the labels.
    pub(crate) label: Option<String>,
    /// Rows of the grid.
    pub(crate) rows: u32,
    /// Columns of the grid.
    pub(crate) columns: u32,
    /// The sides of the square that each thumbnail is fitted into, in pixels.
    pub(crate) side: u32,
    /// Another seed, other images.
    pub(crate) seed: u64,
}

impl Sampling {
    fn most(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// The sheet.
    ///
    /// # Errors
    /// A location or a query without images, or that can't be read.
    pub(crate) async fn sheet(&self, engine: &Engine) -> Result<Sheet> {
        let (source, labels, cells) = match &self.images {
            Images::At(location) => {
                let (labels, cells) = self.of_location(engine, location).await?;
                (location.clone(), labels, cells)
            }
            Images::Of(query) => {
                let (labels, cells) = self.of_query(engine, query).await?;
                (query.split_whitespace().collect::<Vec<_>>().join(" "), labels, cells)
            }
        };
        if cells.is_empty() {
            return Err(Error::Failed(format!("no images to show: '{source}' has no rows")));
        }
        Ok(Sheet { source, cells, labels, columns: self.columns as usize, side: self.side, seed: self.seed })
    }

    async fn of_location(&self, engine: &Engine, location: &str) -> Result<(Labels, Vec<Cell>)> {
        let (reach, place) = (Reach::of(engine.context().state().config()), location.to_string());
        let within = reach.clone();
        let look = tokio::task::spawn_blocking(move || Source::at(&place, &within)).await;
        let source = look.map_err(|error| Error::Failed(format!("looking at '{location}' stopped: {error}")))?;
        let (labels, mut cells) = match source? {
            Source::Images => self.of_files(engine, location).await?,
            Source::Shards { prepare, relation, classes } => {
                if let Some(prepare) = prepare {
                    engine.sql(&prepare).await?;
                }
                self.of_shards(engine, &relation, classes.as_deref()).await?
            }
            Source::Tar { files, classes } => {
                let members = tar::Members { asked: self.asked(), classes };
                self.of_tar(engine, location, tar::read(files, reach, members)).await?
            }
        };
        cells.sort_by(|a, b| (&a.label, &a.path, a.bytes).cmp(&(&b.label, &b.path, b.bytes)));
        if self.label.is_none() && labels.is_single() {
            // Where all have one label, the names of the files say more.
            for cell in cells.iter_mut().filter(|cell| cell.path.is_some()) {
                cell.label = None;
            }
        }
        Ok((labels, cells))
    }

    /// Image files: which ones is decided before any is opened.
    async fn of_files(&self, engine: &Engine, location: &str) -> Result<(Labels, Vec<Cell>)> {
        if self.image.is_some() {
            return Err(Error::Usage("--image names a column of shards or of a query, not of image files".to_string()));
        }
        let images = format!("read_images({})", quoted(location));
        let label = format!("CAST({} AS VARCHAR)", identifier(self.label.as_deref().unwrap_or("label")));
        let counts = format!("SELECT {label} AS label, count(*) AS images FROM {images} GROUP BY 1");
        let mut labels = Labels::default();
        for batch in engine.sql(&counts).await? {
            let (names, counts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            for (name, count) in names.iter().zip(counts.values()) {
                labels.add(name, count.unsigned_abs());
            }
        }
        let rows = format!(
            "SELECT CAST(0 AS BIGINT) AS \"row\", {label} AS label, path, length AS bytes, content
             FROM {images} TABLESAMPLE ({} ROWS) REPEATABLE ({})",
            self.most(),
            self.seed
        );
        let mut watched = Watched::new(start(engine, &thumbnails::of_files(&rows, self.side)).await?);
        let mut cells = Vec::new();
        while let Some(batch) = watched.next().await {
            let batch = thumbnails::cells(&batch?, "cannot be read")?;
            cells.extend(batch.into_iter().map(|(_, cell)| cell));
        }
        Ok((labels, cells))
    }

    async fn of_shards(
        &self,
        engine: &Engine,
        relation: &str,
        classes: Option<&[String]>,
    ) -> Result<(Labels, Vec<Cell>)> {
        let first = start(engine, &format!("SELECT * FROM {relation} LIMIT 1")).await?;
        let schema = first.schema();
        let first = first.collect().await?.into_iter().find(|batch| batch.num_rows() > 0);
        let first = first.unwrap_or_else(|| RecordBatch::new_empty(schema));
        let asked = self.asked();
        // Only what is shown is read.
        let columns = Columns::choose(&first, &asked)?;
        let names: Vec<String> = columns.names(&first).into_iter().map(|name| identifier(name)).collect();
        let running = start(engine, &format!("SELECT {} FROM {relation}", names.join(", "))).await?;
        let field = |column: usize| first.schema_ref().field(column).name().clone();
        let asked = Asked { image: Some(field(columns.image)), label: columns.label.map(field), ..self.asked() };
        self.of_rows(engine, running, &asked, classes).await
    }

    async fn of_query(&self, engine: &Engine, query: &str) -> Result<(Labels, Vec<Cell>)> {
        let mut statements = engine.parse(query)?;
        let Some(last) = statements.pop() else {
            return Err(Error::Usage("--query is empty; give a SELECT with a column of images".to_string()));
        };
        let is_ordered = is_ordered_query(&last)?;
        for statement in statements {
            engine.start(statement).await?.collect().await?;
        }
        let running = engine.start(last).await?;
        let (labels, mut cells) = self.of_rows(engine, running, &self.asked(), None).await?;
        if !is_ordered {
            cells.sort_by(|a, b| (&a.label, &a.path, a.bytes).cmp(&(&b.label, &b.path, b.bytes)));
        }
        Ok((labels, cells))
    }

    fn asked(&self) -> Asked {
        Asked { image: self.image.clone(), label: self.label.clone(), without_options: false }
    }

    /// Rows that have to be looked at to be chosen: of each batch, only what is in the sample becomes thumbnails.
    async fn of_rows(
        &self,
        engine: &Engine,
        running: RunningStatement,
        asked: &Asked,
        classes: Option<&[String]>,
    ) -> Result<(Labels, Vec<Cell>)> {
        // Rows that have come here are made thumbnails here, wherever they come from.
        let local = engine.session().cluster().map(|_| Engine::local(cores())).transpose()?;
        let engine = local.as_ref().unwrap_or(engine);
        let empty = RecordBatch::new_empty(running.schema());
        let mut columns = None;
        let mut watched = Watched::new(running);
        let mut labels = Labels::default();
        let mut sample = Sample::new(self.most(), self.seed);
        while let Some(batch) = watched.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let columns = match columns {
                Some(columns) => columns,
                None => *columns.insert(Columns::choose(&batch, asked)?),
            };
            let rows = columns.rows(&batch, classes)?;
            self.offer(engine, &rows, &mut labels, &mut sample).await?;
        }
        if let Some(text) = watched.finish() {
            eprintln!("{text}");
        }
        if columns.is_none() {
            // No rows are one thing, rows without images another.
            Columns::choose(&empty, asked)?;
        }
        Ok((labels, sample.into_values()))
    }

    /// Samples of tar shards, read one after the other.
    async fn of_tar(
        &self,
        engine: &Engine,
        location: &str,
        mut batches: Receiver<Result<ImageRows>>,
    ) -> Result<(Labels, Vec<Cell>)> {
        let mut labels = Labels::default();
        let mut sample = Sample::new(self.most(), self.seed);
        let (mut rows_read, mut has_image) = (0, false);
        while let Some(rows) = batches.recv().await {
            let rows = rows?;
            rows_read += rows.images.len();
            has_image |= rows.images.null_count() < rows.images.len();
            self.offer(engine, &rows, &mut labels, &mut sample).await?;
        }
        if rows_read > 0 && !has_image {
            return Err(Error::Usage(match &self.image {
                Some(image) => format!("no sample of '{location}' has a member '{image}'"),
                None => format!("no sample of '{location}' has an image; name its extension with --image EXTENSION"),
            }));
        }
        Ok((labels, sample.into_values()))
    }

    /// Counts the labels of some rows, and makes thumbnails of those that are in the sample by now.
    async fn offer(
        &self,
        engine: &Engine,
        rows: &ImageRows,
        labels: &mut Labels,
        sample: &mut Sample<Cell>,
    ) -> Result<()> {
        for label in &rows.labels {
            labels.add(label.as_deref(), 1);
        }
        let taken = sample.offer(rows);
        let positions: Vec<usize> = taken.keys().copied().collect();
        for (position, cell) in thumbnails::made(engine.session(), rows, &positions, self.side).await? {
            if let Some(key) = taken.get(&position) {
                sample.put(*key, cell);
            }
        }
        Ok(())
    }
}

/// Starts the only statement of a text.
async fn start(engine: &Engine, sql: &str) -> Result<RunningStatement> {
    match engine.parse(sql)?.pop() {
        Some(statement) => engine.start(statement).await,
        None => Err(Error::Usage("there is no statement to run".to_string())),
    }
}

/// Whether a query says in which order its rows come.
fn is_ordered_query(statement: &Statement) -> Result<bool> {
    if let Some(SqlStatement::Statement(sql)) = statement.as_sql()
        && let ast::Statement::Query(query) = sql.as_ref()
    {
        return Ok(query.order_by.is_some());
    }
    Err(Error::Usage(format!("--query must end in a SELECT, got {statement}")))
}
