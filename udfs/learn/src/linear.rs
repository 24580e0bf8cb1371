//! Linear regression: one pass, whose sums are a triangle.

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::fitted::{Fitted, Numbers};
use crate::least_squares::{LeastSquares, Part, triangle_len};

pub(crate) const STEP: &str = "linear_regression";
/// The most columns: the triangle is then 67 MB.
const MOST_COLUMNS: usize = 4096;

/// A fit under way.
#[derive(Debug)]
pub(crate) struct Linear {
    columns: Vec<String>,
    result: Option<LeastSquares>,
}

impl Linear {
    pub(crate) fn new(columns: Vec<String>) -> Result<Self, Error> {
        let got = columns.len();
        if got > MOST_COLUMNS {
            return Err(Error::TooLarge { step: STEP, what: "products", columns: got, got, most: MOST_COLUMNS });
        }
        Ok(Self { columns, result: None })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.result.is_some()
    }

    pub(crate) fn take(&mut self, squares: &LeastSquares) -> Result<(), Error> {
        if squares.part().rows == 0 {
            return Err(Error::NoRows { step: STEP });
        }
        self.result = Some(squares.clone());
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Fitted, Error> {
        let not_done = Error::NotDone { step: STEP, rounds: 0 };
        let fit = self.result.and_then(|squares| squares.fit()).ok_or(not_done)?;
        if !fit.intercept.is_finite() {
            return Err(Error::OutOfRange { step: STEP });
        }
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let numbers = |values: Vec<Option<f64>>| values.into_iter().map(number).collect();
        let left_out: Vec<String> = self
            .columns
            .iter()
            .zip(&fit.coefficients)
            .filter(|(_, coefficient)| coefficient.is_none())
            .map(|(column, _)| format!("'{column}'"))
            .collect();
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            notes.push(format!(
                "left out, for they are constant or linear combinations of columns before them: {}",
                left_out.join(", ")
            ));
        }
        let d = self.columns.len();
        Ok(Fitted {
            rows: u64::try_from(fit.rows).unwrap_or_default(),
            rounds: 1,
            converged: true,
            numbers: vec![
                Numbers::new("coefficients", &[d], numbers(fit.coefficients)),
                Numbers::new("intercept", &[], vec![fit.intercept]),
                Numbers::new("standard_errors", &[d], numbers(fit.standard_errors)),
                Numbers::new("intercept_standard_error", &[], vec![number(fit.intercept_standard_error)]),
                Numbers::new("r2", &[], vec![number(fit.r2)]),
                Numbers::new("residual_standard_error", &[], vec![number(fit.residual_standard_error)]),
            ],
            notes,
        })
    }
}

pub(crate) fn write(squares: &LeastSquares, writer: &mut Writer) {
    let part = squares.part();
    writer.count(u64::try_from(part.rows).unwrap_or_default());
    writer.numbers(part.means);
    writer.numbers(part.triangle);
}

pub(crate) fn read(reader: &mut Reader<'_>, columns: usize) -> Result<LeastSquares, Error> {
    if columns > MOST_COLUMNS {
        return Err(Error::Damaged("it has too many columns"));
    }
    let rows = i64::try_from(reader.count()?).unwrap_or_default();
    let (means, triangle) = (reader.numbers(2 * (columns + 1))?, reader.numbers(triangle_len(columns + 1))?);
    let mut squares = LeastSquares::new(columns);
    squares.merge(Part { rows, means: &means, triangle: &triangle });
    Ok(squares)
}
