//! `pixmill contact-sheet`: a picture of a dataset.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::HumanBytes;

use super::check_out;
use super::engine::{EngineArgs, with_engine};
use crate::error::{Error, Result};
use crate::sheet::{Graphics, Images, NO_PICTURES, Sampling, Screen, Sheet, cannot_draw, page, picture, picture_size};
use crate::storage::write_whole;

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
    engine: EngineArgs,
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
        let sheet = with_engine(&self.engine, async |engine| self.sampling().sheet(engine).await)?;
        let drawn = match format {
            SheetFormat::Png => picture(&sheet),
            SheetFormat::Html => page(&sheet).map(String::into_bytes),
        };
        let drawn = drawn.map_err(cannot_draw)?;
        write_whole(out, &drawn).map_err(Error::file("write", out))?;
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
        let sheet = with_engine(&self.engine, async |engine| self.sampling().sheet(engine).await)?;
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

    fn sampling(&self) -> Sampling {
        let images = match (&self.source, &self.query) {
            (Some(location), _) => Images::At(location.clone()),
            (None, query) => Images::Of(query.clone().unwrap_or_default()),
        };
        let (image, label) = (self.image.clone(), self.label.clone());
        Sampling { images, image, label, rows: self.rows, columns: self.columns, side: self.size, seed: self.seed }
    }
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
