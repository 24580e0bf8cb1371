//! The points of a query's rows.

use datafusion::arrow::array::{BooleanArray, RecordBatch};
use twox_hash::XxHash3_64;

use super::PlotFormat;
use super::colours::{Colours, Values};
use super::columns::Columns;
use super::thumbnails::{Maker, Thumbnails};
use crate::engine::{Engine, PlannedStatement, Session};
use crate::error::{Error, Result};
use crate::output::Watched;
use crate::sheet::texts;
use crate::storage::Reach;
use crate::words::{beginning, counted};

/// The most points of a plot, which are held in memory.
const MOST_POINTS: usize = 1_000_000;
/// The most points that are drawn one by one as elements of an SVG or a page.
const MOST_ELEMENTS: usize = 20_000;
/// More of a label nobody reads.
const MOST_LABEL: usize = 500;

/// What there is to draw.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) places: Vec<(f64, f64)>,
    pub(super) colours: Colours,
    /// For each point its label, where they are asked for.
    pub(super) labels: Vec<Option<String>>,
    pub(super) thumbnails: Thumbnails,
    /// Rows that have no place.
    pub(super) left_out: u64,
}

impl Points {
    /// Runs a query, and takes what the format can show of its rows.
    ///
    /// # Errors
    /// A query that fails, has no place for its points, or no points.
    pub(super) async fn of(session: &Session, prepared: PlannedStatement, format: PlotFormat) -> Result<Self> {
        let schema = prepared.schema();
        let mut columns = Columns::choose(&schema)?;
        // What isn't shown isn't kept.
        columns.label = columns.label.filter(|_| format != PlotFormat::Png);
        columns.image = columns.image.filter(|_| format == PlotFormat::Html);
        let mut values =
            columns.color.map(|column| Values::of(schema.field(column).data_type())).transpose()?.unwrap_or_default();
        // Rows that have come here are made thumbnails here, wherever they come from.
        let local = session.cluster().filter(|_| columns.image.is_some()).map(|_| Engine::local(1)).transpose()?;
        let maker = Maker {
            session: local.as_ref().map_or(session, Engine::session),
            reach: Reach::of(session.context().state().config()),
        };
        let mut gathered = Gathered::default();
        let mut watched = Watched::new(session.run(prepared).await?);
        while let Some(batch) = watched.next().await {
            gathered.add(&columns, &mut values, &maker, &batch?).await?;
        }
        if let Some(text) = watched.finish() {
            eprintln!("{text}");
        }
        gathered.points(values)
    }

    /// The points that are drawn in a format: all, or of too many a sample, which is the same each time.
    pub(super) fn drawn(&self, format: PlotFormat) -> Vec<usize> {
        let all = 0..self.places.len();
        if format == PlotFormat::Png || all.len() <= MOST_ELEMENTS {
            return all.collect();
        }
        let mut hashed: Vec<(u64, usize)> =
            all.map(|point| (XxHash3_64::oneshot(&(point as u64).to_le_bytes()), point)).collect();
        hashed.select_nth_unstable(MOST_ELEMENTS);
        let mut drawn: Vec<usize> = hashed[..MOST_ELEMENTS].iter().map(|(_, point)| *point).collect();
        drawn.sort_unstable();
        drawn
    }

    /// What isn't in the picture, and why, a line for each reason.
    pub(super) fn notes(&self, drawn: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.left_out > 0 {
            notes.push(format!(
                "left out {}: x or y is NULL, NaN, infinite or above 1e300 in size",
                counted(self.left_out, "row")
            ));
        }
        if self.colours.without > 0 {
            notes.push(format!(
                "grey: {} whose color is NULL or no finite number",
                counted(self.colours.without, "point")
            ));
        }
        if drawn < self.places.len() {
            notes.push(format!(
                "drawn: a sample of {} of {}; a PNG shows all",
                counted(drawn as u64, "point"),
                counted(self.places.len() as u64, "point")
            ));
        }
        notes.extend(self.thumbnails.notes());
        notes
    }
}

/// Points in the making.
#[derive(Default)]
struct Gathered {
    places: Vec<(f64, f64)>,
    labels: Vec<Option<String>>,
    thumbnails: Thumbnails,
    rows: u64,
}

impl Gathered {
    async fn add(
        &mut self,
        columns: &Columns,
        values: &mut Values,
        maker: &Maker<'_>,
        batch: &RecordBatch,
    ) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let places = columns.places(batch)?;
        let is_point: BooleanArray = places.iter().map(|place| Some(place.is_some())).collect();
        self.places.extend(places.into_iter().flatten());
        if self.places.len() > MOST_POINTS {
            return Err(Error::Failed(format!(
                "the query has more than {}; take some of them, as with WHERE random() < 0.1",
                counted(MOST_POINTS as u64, "point")
            )));
        }
        if let Some(column) = columns.color {
            values.add(batch.column(column), &is_point)?;
        }
        if let Some(column) = columns.label {
            let labels = texts(batch.column(column), None)?;
            let labels = labels.into_iter().enumerate().filter(|(row, _)| is_point.value(*row));
            self.labels.extend(labels.map(|(_, label)| label.map(|label| beginning(&label, MOST_LABEL).to_string())));
        }
        if let Some(column) = columns.image {
            self.thumbnails.add(maker, batch.column(column), &is_point).await?;
        }
        Ok(())
    }

    fn points(self, values: Values) -> Result<Points> {
        let left_out = self.rows - self.places.len() as u64;
        if self.places.is_empty() {
            return Err(Error::Failed(match self.rows {
                0 => "nothing to draw: the query has no rows".to_string(),
                rows => format!(
                    "nothing to draw: of {} none has a place, because x or y is NULL, NaN, infinite or above 1e300 in size",
                    counted(rows, "row")
                ),
            }));
        }
        let Self { places, labels, thumbnails, .. } = self;
        Ok(Points { places, colours: values.colours(), labels, thumbnails, left_out })
    }
}
