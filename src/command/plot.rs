//! `pixmill plot`: a picture of a query's rows.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::check_out;
use super::engine::{EngineArgs, with_engine};
use super::statements::piped_input;
use crate::engine::{Engine, Statement};
use crate::error::{Error, Result};
use crate::plot::{self, Look, PlotFormat, Theme};
use crate::sheet::{Graphics, NO_PICTURES};

/// Draw the rows of a query as points, or as a confusion matrix
///
/// The query's columns are told by their names: x and y, or xy, a list of two numbers (as tsne gives them); color, where there is one (text,
/// booleans and up to 24 different integers are classes, other numbers a scale); label, which an SVG and a page show of a point;
/// image, the thumbnail that a page shows of it (an image, the bytes of a file, or a path or URL of a store). Rows whose x or y is NULL
/// or not finite are left out and counted. A PNG shows up to 1,000,000 points, an SVG and a page a sample of 20,000 of them, and a page
/// thumbnails of the first 2,000 different images. The columns label, predicted and rows, as EVALUATE MODEL ... CONFUSION gives them, are a
/// confusion matrix of up to 100 classes.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill plot -c \"SELECT width AS x, height AS y, label AS color, path AS label, path AS image FROM 'photos.parquet'\" --out sizes.html\n  \
                  pixmill plot tsne.sql --out tsne.svg --title 'Fruits'\n  \
                  pixmill plot -c \"SELECT tsne(features) OVER (ORDER BY path) AS xy, label AS color FROM 'features.parquet'\"\n  \
                  pixmill plot -c \"CREATE EXTERNAL MODEL iris LOCATION 'iris.parquet'; EVALUATE MODEL iris CONFUSION AS SELECT * FROM 'test.parquet'\" --out confusion.svg"
)]
pub(crate) struct PlotCommand {
    /// A file of statements, the last of which is the query; stdin where neither it nor -c is given
    #[arg(value_name = "FILE.sql", conflicts_with = "command")]
    file: Option<PathBuf>,

    /// Statements, the last of which is the query
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    command: Option<String>,

    /// The picture to write, by its extension: an .svg, a .png, or an .html page in one file; one that is there is replaced.
    /// Without it the points are shown in the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How a terminal shows them; told by the environment where not given
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "out")]
    graphics: Option<Graphics>,

    /// What stands above the points
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,

    /// What x is
    #[arg(long, value_name = "TEXT")]
    x_title: Option<String>,

    /// What y is
    #[arg(long, value_name = "TEXT")]
    y_title: Option<String>,

    /// The width of the picture, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(200..=8192), requires = "out")]
    width: u32,

    /// The height of the picture, in pixels; the legend of many classes stands below and makes it higher
    #[arg(long, value_name = "PIXELS", default_value_t = 700, value_parser = clap::value_parser!(u32).range(150..=8192), requires = "out")]
    height: u32,

    /// Light or dark; an SVG and a page follow whoever looks at them where not given, a PNG is light and a terminal's picture dark
    #[arg(long, value_enum, value_name = "THEME")]
    theme: Option<Theme>,

    #[command(flatten)]
    engine: EngineArgs,
}

impl PlotCommand {
    pub(crate) fn run(self) -> Result<()> {
        if let Some(out) = &self.out {
            PlotFormat::of(out)?;
            check_out(out)?;
        }
        let graphics = match (&self.out, self.graphics) {
            (None, None) => Graphics::of_stdout().map_err(Error::Usage)?,
            (_, asked) => asked.unwrap_or(Graphics::None),
        };
        if self.out.is_none() && graphics == Graphics::None {
            return Err(Error::Usage(format!(
                "{NO_PICTURES}; give --out FILE.svg, FILE.png or FILE.html, or --graphics"
            )));
        }
        let sql = self.sql()?;
        with_engine(&self.engine, async |engine| {
            let drawn = async || {
                let query = last_query(engine, &sql).await?;
                match &self.out {
                    Some(out) => plot::write(engine.session(), query, self.look(), out).await,
                    None => self.show(engine, query, graphics).await,
                }
            };
            drawn().await.map_err(|error: Error| error.pointed(&sql))
        })
    }

    fn sql(&self) -> Result<String> {
        if let Some(command) = &self.command {
            return Ok(command.clone());
        }
        if let Some(path) = &self.file {
            return fs::read_to_string(path).map_err(Error::file("read", path));
        }
        let asked = || Error::Usage("there is nothing to draw; give a query with -c or in a file".to_string());
        piped_input()?.ok_or_else(asked)
    }

    fn look(&self) -> Look {
        let Self { title, x_title, y_title, .. } = self;
        let (title, x_title, y_title) = (title.clone(), x_title.clone(), y_title.clone());
        Look { title, x_title, y_title, width: self.width, height: self.height, theme: self.theme }
    }

    async fn show(&self, engine: &Engine, query: Statement, graphics: Graphics) -> Result<()> {
        let columns = usize::from(console::Term::stdout().size().1);
        let mut out = std::io::stdout();
        let summary = plot::show(engine.session(), query, self.look(), &mut out, graphics, columns).await?;
        out.flush().map_err(Error::output)?;
        eprintln!("{summary}");
        Ok(())
    }
}

/// Runs all statements but the last one.
async fn last_query(engine: &Engine, sql: &str) -> Result<Statement> {
    let mut statements = engine.parse(sql)?;
    let query = statements.pop();
    let query = query.ok_or_else(|| Error::Usage("there is nothing to draw: the text has no statement".to_string()))?;
    for statement in statements {
        engine.start(statement).await?.collect().await?;
    }
    Ok(query)
}
