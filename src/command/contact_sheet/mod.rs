//! `pixmill contact-sheet`: a picture of a dataset.

mod columns;
mod sample;
mod show;
mod source;
mod tar;
mod thumbnails;

pub(crate) use self::show::show;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast;
use indicatif::HumanBytes;

use self::columns::{Asked, Columns, Rows};
use self::sample::Sample;
use self::source::Source;
use super::statements::{Watched, with_engine};
use super::{Place, check_out};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::format::manifest::put;
use crate::quoted::{identifier, quoted};
use crate::running::Running;
use crate::sheet::{Cell, Graphics, Labels, Screen, Sheet, page, picture, picture_size};
use crate::statement::Statement;

/// Draw a grid of thumbnails with labels and sizes
///
/// The images are a sample of the whole source, chosen by the seed: the same source and seed give the same sheet. An image
/// that can't be decoded is a marked cell with the reason.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pixmill contact-sheet 'photos/**/*.jpg' --out sheet.html\n  \
                  pixmill contact-sheet out/flowers --out sheet.png --rows 3 --columns 10 --seed 7\n  \
                  pixmill contact-sheet photos --rows 2")]
pub(crate) struct ContactSheet {
    /// Where the images are: a directory, file or glob of image files, or of TFRecord, WebDataset (tar) or Parquet shards
    #[arg(value_name = "SOURCE", required_unless_present = "query", conflicts_with = "query")]
    source: Option<String>,

    /// Statements, the last of which is a query with a column of images or of their bytes; sorted rows keep their order
    #[arg(long, value_name = "SQL")]
    query: Option<String>,

    /// The picture to write, by its extension: a .png, or an .html page in one file; one that is there is replaced. Without it
    /// the images are shown in the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How a terminal shows them; told by the environment where not given
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "out")]
    graphics: Option<Graphics>,

    /// Rows of the grid
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rows: u32,

    /// Columns of the grid
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    columns: u32,

    /// The sides of the square that each thumbnail is fitted into, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 160, value_parser = clap::value_parser!(u32).range(32..=2048), requires = "out")]
    size: u32,

    /// Another seed, other images
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,

    /// The column of shards or a query, or the extension in tar shards, that holds the images; found by its name or its content where not given
    #[arg(long, value_name = "COLUMN")]
    image: Option<String>,

    /// The column or extension that holds the labels; label, class or cls where not given, for image files the name of the folder
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,

    #[command(flatten)]
    place: Place,
}

/// The pixels of all cells together, thumbnails being held in memory until they are drawn.
const MOST_PIXELS: u64 = 1 << 28;
/// Broken images that are named one by one.
const MOST_NAMED: usize = 10;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SheetFormat {
    /// A picture.
    Png,
    /// A page in one file.
    Html,
}

impl SheetFormat {
    fn of(out: &Path) -> Result<Self> {
        let extension = out.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("png") => Ok(Self::Png),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Error::Usage(format!("--out must end in .png or .html, got '{}'", out.display()))),
        }
    }
}

impl ContactSheet {
    pub(crate) fn run(self) -> Result<()> {
        match self.out.clone() {
            Some(out) => self.run_to_file(&out),
            None => self.run_to_terminal(),
        }
    }

    fn run_to_file(&self, out: &Path) -> Result<()> {
        let started = Instant::now();
        let format = SheetFormat::of(out)?;
        self.check(out)?;
        let sheet = with_engine(&self.place, async |engine| self.sheet(engine).await)?;
        let drawn = match format {
            SheetFormat::Png => picture(&sheet),
            SheetFormat::Html => page(&sheet).map(String::into_bytes),
        };
        let drawn = drawn.map_err(cannot_draw)?;
        put(out, &drawn).map_err(Error::file("write", out))?;
        name_broken(&sheet);
        eprintln!(
            "wrote {}, {}, to {} in {:.1} s",
            sheet.summary(),
            HumanBytes(drawn.len() as u64),
            out.display(),
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn run_to_terminal(mut self) -> Result<()> {
        let graphics = match self.graphics {
            Some(graphics) => graphics,
            None => Graphics::of_stdout().map_err(Error::Usage)?,
        };
        if graphics == Graphics::None {
            return Err(Error::Usage(format!("{NO_PICTURES}; give --out FILE.png or FILE.html, or --graphics")));
        }
        let width = usize::from(console::Term::stdout().size().1);
        let screen = Screen::of_stdout(graphics, width, self.columns as usize);
        self.size = screen.side();
        let sheet = with_engine(&self.place, async |engine| self.sheet(engine).await)?;
        let mut out = std::io::stdout();
        for row in screen.rows(&sheet.cells) {
            out.write_all(row.map_err(cannot_draw)?.as_bytes()).map_err(Error::output)?;
        }
        out.flush().map_err(Error::output)?;
        name_broken(&sheet);
        eprintln!("{}", sheet.summary());
        Ok(())
    }

    /// Refuses what can't end well before anything is read.
    fn check(&self, out: &Path) -> Result<()> {
        let (width, height) = picture_size(self.most(), self.columns as usize, self.size);
        if width * height > MOST_PIXELS {
            return Err(Error::Usage(format!(
                "{} rows and {} columns of {} pixels make a picture of {width}x{height}; the most is {MOST_PIXELS} pixels",
                self.rows, self.columns, self.size
            )));
        }
        check_out(out)
    }

    fn most(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    async fn sheet(&self, engine: &Engine) -> Result<Sheet> {
        let (source, labels, cells) = match (&self.source, &self.query) {
            (Some(location), _) => {
                let (labels, cells) = self.of_location(engine, location).await?;
                (location.clone(), labels, cells)
            }
            (None, query) => {
                let query = query.as_deref().unwrap_or_default();
                let (labels, cells) = self.of_query(engine, query).await?;
                (query.split_whitespace().collect::<Vec<_>>().join(" "), labels, cells)
            }
        };
        if cells.is_empty() {
            return Err(Error::Failed(format!("no images to show: '{source}' has no rows")));
        }
        Ok(Sheet { source, cells, labels, columns: self.columns as usize, side: self.size, seed: self.seed })
    }

    async fn of_location(&self, engine: &Engine, location: &str) -> Result<(Labels, Vec<Cell>)> {
        let (labels, mut cells) = match Source::at(location)? {
            Source::Images => self.of_files(engine, location).await?,
            Source::Shards { prepare, relation, classes } => {
                if let Some(prepare) = prepare {
                    engine.sql(&prepare).await?;
                }
                self.of_shards(engine, &relation, classes.as_deref()).await?
            }
            Source::Tar { paths, classes } => self.of_tar(engine, location, paths, classes).await?,
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
        let mut watched = Watched::new(start(engine, &thumbnails::of_files(&rows, self.size)).await?);
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
        running: Running,
        asked: &Asked,
        classes: Option<&[String]>,
    ) -> Result<(Labels, Vec<Cell>)> {
        // Rows that have come here are made thumbnails here, wherever they come from.
        let local = self.place.cluster.as_ref().map(|_| Engine::local(self.place.threads.count())).transpose()?;
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
        paths: Vec<PathBuf>,
        classes: Option<Vec<String>>,
    ) -> Result<(Labels, Vec<Cell>)> {
        let mut labels = Labels::default();
        let mut sample = Sample::new(self.most(), self.seed);
        let (mut rows_read, mut has_image) = (0, false);
        let mut batches = tar::read(paths, tar::Members { asked: self.asked(), classes });
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
    async fn offer(&self, engine: &Engine, rows: &Rows, labels: &mut Labels, sample: &mut Sample<Cell>) -> Result<()> {
        for label in &rows.labels {
            labels.add(label.as_deref(), 1);
        }
        let taken = sample.offer(rows);
        let positions: Vec<usize> = taken.keys().copied().collect();
        for (position, cell) in thumbnails::made(engine.session(), rows, &positions, self.size).await? {
            if let Some(key) = taken.get(&position) {
                sample.put(*key, cell);
            }
        }
        Ok(())
    }
}

/// Why nothing is shown.
const NO_PICTURES: &str = "the output is no terminal that shows pictures";

fn cannot_draw(error: String) -> Error {
    Error::Failed(format!("cannot draw the contact sheet: {error}"))
}

/// Starts the only statement of a text.
async fn start(engine: &Engine, sql: &str) -> Result<Running> {
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

/// Says which images of the sheet are broken, and why.
fn name_broken(sheet: &Sheet) {
    let unknown = String::from("an image");
    for (cell, reason) in sheet.broken().take(MOST_NAMED) {
        let name = cell.path.as_ref().or(cell.label.as_ref()).unwrap_or(&unknown);
        eprintln!("broken: {name}: {reason}");
    }
    let more = sheet.broken().count().saturating_sub(MOST_NAMED);
    if more > 0 {
        eprintln!("broken: and {more} more");
    }
}
