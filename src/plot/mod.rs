//! Plots: the rows of a query as points, or as a confusion matrix, as an SVG, a PNG, one HTML page or a picture in a terminal.

mod colours;
mod columns;
mod html;
mod layout;
mod marker;
mod matrix;
mod png;
mod points;
mod svg;
mod terminal;
mod thumbnails;

use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;
use indicatif::HumanBytes;

use self::colours::Meaning;
use self::matrix::{Counts, Matrix, MatrixColumns};
use self::points::Points;
use crate::engine::{Session, Statement, StatementKind};
use crate::error::{Error, Result};
use crate::output::Watched;
use crate::storage::write_whole;
use crate::words::counted;

pub(crate) use terminal::show;

/// Whether a plot is dark on light, or light on dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theme {
    /// Dark on white
    Light,
    /// Light on black
    Dark,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlotFormat {
    /// A drawing, whose points are elements.
    Svg,
    /// Pixels.
    Png,
    /// A page in one file, whose points show what they are.
    Html,
}

impl PlotFormat {
    /// The format that a file's name ends in.
    ///
    /// # Errors
    /// Another ending.
    pub(crate) fn of(out: &Path) -> Result<Self> {
        let extension = out.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Error::Usage(format!("a plot's file must end in .svg, .png or .html, got '{}'", out.display()))),
        }
    }
}

/// How a plot looks.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) title: Option<String>,
    pub(crate) x_title: Option<String>,
    pub(crate) y_title: Option<String>,
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels, without a legend that stands below.
    pub(crate) height: u32,
    /// Where none is chosen, files are light, and those that can be follow whoever looks at them.
    pub(crate) theme: Option<Theme>,
}

impl Default for Look {
    fn default() -> Self {
        Self { title: None, x_title: None, y_title: None, width: 1000, height: 700, theme: None }
    }
}

/// A plot.
#[derive(Debug)]
pub(crate) struct Plot {
    look: Look,
    drawing: Drawing,
}

/// What is drawn.
#[derive(Debug)]
enum Drawing {
    Points(Box<Points>),
    Matrix(Matrix),
}

impl Plot {
    /// Runs a query, and takes of its rows what a format can show.
    ///
    /// # Errors
    /// A query that fails or has no points.
    pub(crate) async fn of(session: &Session, query: Statement, look: Look, format: PlotFormat) -> Result<Self> {
        let text = query.to_string();
        let prepared = session.prepare(query).await?;
        if prepared.kind() != StatementKind::Query {
            return Err(Error::Usage(format!("only the rows of a query are drawn, got {text}")));
        }
        let drawing = match MatrixColumns::find(&prepared.schema())? {
            Some(columns) => {
                let mut counts = Counts::default();
                let mut watched = Watched::new(session.run(prepared).await?);
                while let Some(batch) = watched.next().await {
                    counts.add(columns, &batch?)?;
                }
                if let Some(text) = watched.finish() {
                    eprintln!("{text}");
                }
                Drawing::Matrix(counts.matrix()?)
            }
            None => Drawing::Points(Box::new(Points::of(session, prepared, format).await?)),
        };
        Ok(Self { look, drawing })
    }

    fn points(&self) -> Option<&Points> {
        match &self.drawing {
            Drawing::Points(points) => Some(points),
            Drawing::Matrix(_) => None,
        }
    }

    /// What is said to be there.
    fn title(&self) -> &str {
        let kind = match self.drawing {
            Drawing::Points(_) => "Scatter plot",
            Drawing::Matrix(_) => "Confusion matrix",
        };
        self.look.title.as_deref().unwrap_or(kind)
    }

    /// The plot as a file.
    ///
    /// # Errors
    /// A picture that is too large.
    fn file(&self, format: PlotFormat) -> Result<Vec<u8>> {
        match format {
            PlotFormat::Svg => Ok(svg::picture(self).into_bytes()),
            PlotFormat::Png => png::picture(self).map_err(cannot_draw),
            PlotFormat::Html => Ok(html::page(self).into_bytes()),
        }
    }

    /// What isn't in the picture, and why, a line for each reason.
    fn notes(&self, format: PlotFormat) -> Vec<String> {
        match &self.drawing {
            Drawing::Points(points) => points.notes(points.drawn(format).len()),
            Drawing::Matrix(matrix) => matrix.notes(),
        }
    }

    /// `320 points, 32 classes, 320 thumbnails`.
    fn summary(&self) -> String {
        let points = match &self.drawing {
            Drawing::Points(points) => points,
            Drawing::Matrix(matrix) => return matrix.summary(),
        };
        let mut parts = vec![counted(points.places.len() as u64, "point")];
        if let Meaning::Classes(classes) = &points.colours.meaning {
            parts.push(match classes.len() {
                1 => "1 class".to_string(),
                number => format!("{number} classes"),
            });
        }
        let pictures = points.thumbnails.urls.len();
        if pictures > 0 {
            parts.push(counted(pictures as u64, "thumbnail"));
        }
        parts.join(", ")
    }
}

/// Draws a query into a file, and says so.
///
/// # Errors
/// What can't be drawn or written.
pub(crate) async fn write(session: &Session, query: Statement, look: Look, out: &Path) -> Result<()> {
    let started = Instant::now();
    let format = PlotFormat::of(out)?;
    let plot = Plot::of(session, query, look, format).await?;
    let file = plot.file(format)?;
    write_whole(out, &file).map_err(Error::file("write", out))?;
    for note in plot.notes(format) {
        eprintln!("{note}");
    }
    eprintln!(
        "wrote {}, {}, to {} in {:.1} s",
        plot.summary(),
        HumanBytes(file.len() as u64),
        out.display(),
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn cannot_draw(error: String) -> Error {
    Error::Failed(format!("cannot draw the plot: {error}"))
}
