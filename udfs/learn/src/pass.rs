//! One pass over the rows, which may be cut into any parts.

use pulp::{Arch, Simd, WithSimd};

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::kmeans::KMeansPass;
use crate::least_squares::LeastSquares;
use crate::logistic::LogisticPass;
use crate::strip::ROWS;
use crate::sums::{Fault, State, Sums};

/// Rows that a pass looks at.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Row by row, finite.
    pub x: &'a [f64],
    /// Numbers of a row.
    pub columns: usize,
    /// A number of each row: its class from 0 on, or the value to predict. Empty where there is no label.
    pub y: &'a [f64],
}

/// A pass over all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    columns: usize,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    KMeans(KMeansPass),
    Logistic(LogisticPass),
    Linear,
}

impl Pass {
    pub(crate) fn new(columns: usize, kind: Kind) -> Self {
        Self { columns, kind }
    }

    /// The sums of no rows.
    pub fn sums(&self) -> Sums {
        Sums::new(
            self.columns,
            match &self.kind {
                Kind::KMeans(pass) => State::KMeans(pass.sums(self.columns)),
                Kind::Logistic(pass) => State::Logistic(pass.sums(self.columns)),
                Kind::Linear => State::Linear(LeastSquares::new(self.columns)),
            },
        )
    }

    /// Adds rows to sums that began with those of this pass; of others [`Fitting::take`](crate::Fitting::take) will complain.
    pub fn add(&self, sums: &mut Sums, rows: Rows<'_>) {
        let d = self.columns;
        let count = rows.x.len() / d;
        let has_label = !matches!(self.kind, Kind::KMeans(_));
        let is_whole = rows.columns == d && rows.x.len() == count * d && (!has_label || rows.y.len() == count);
        if !is_whole || sums.columns() != d {
            sums.fail(Fault::Columns);
            return;
        }
        sums.count(count as u64);
        let is_mine = Arch::new().dispatch(Add { kind: &self.kind, columns: d, sums, rows });
        if !is_mine {
            sums.fail(Fault::Pass);
        }
    }

    /// As numbers that [`from_numbers`](Self::from_numbers) reads.
    pub fn to_numbers(&self) -> Vec<f64> {
        let mut writer = Writer::default();
        writer.count(self.columns as u64);
        match &self.kind {
            Kind::KMeans(pass) => {
                writer.count(0);
                pass.write(&mut writer);
            }
            Kind::Logistic(pass) => {
                writer.count(1);
                pass.write(&mut writer);
            }
            Kind::Linear => writer.count(2),
        }
        writer.finish()
    }

    /// Reads what [`to_numbers`](Self::to_numbers) has written.
    ///
    /// # Errors
    /// Numbers that it can't have written.
    pub fn from_numbers(numbers: &[f64]) -> Result<Self, Error> {
        let mut reader = Reader::new(numbers);
        let columns = columns(&mut reader)?;
        let kind = match reader.count()? {
            0 => Kind::KMeans(KMeansPass::read(&mut reader, columns)?),
            1 => Kind::Logistic(LogisticPass::read(&mut reader, columns)?),
            2 => Kind::Linear,
            _ => return Err(Error::Damaged("there is no such step")),
        };
        reader.end()?;
        Ok(Self { columns, kind })
    }
}

/// Rows that are added; compiled for each width of vectors.
struct Add<'a> {
    kind: &'a Kind,
    columns: usize,
    sums: &'a mut Sums,
    rows: Rows<'a>,
}

impl WithSimd for Add<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { kind, columns: d, sums, rows } = self;
        let (state, strip) = sums.parts_mut();
        // Loops, not closures: one that isn't inlined is compiled for the narrowest vectors.
        match (kind, state) {
            (Kind::KMeans(pass), State::KMeans(sums)) => pass.add(sums, rows.x, d, strip),
            (Kind::Logistic(pass), State::Logistic(sums)) => {
                let mut is_mine = true;
                for (rows, labels) in rows.x.chunks(ROWS * d).zip(rows.y.chunks(ROWS)) {
                    is_mine &= pass.add(sums, rows, d, labels, strip);
                }
                is_mine
            }
            (Kind::Linear, State::Linear(squares)) => {
                for (row, y) in rows.x.chunks_exact(d).zip(rows.y) {
                    squares.add(row.iter().chain([y]).copied());
                }
                true
            }
            _ => false,
        }
    }
}

/// A number of columns that no product with another size makes too large.
pub(crate) fn columns(reader: &mut Reader<'_>) -> Result<usize, Error> {
    match usize::try_from(reader.count()?) {
        Ok(columns @ 1..=0xff_ffff) => Ok(columns),
        _ => Err(Error::Damaged("its columns are too few or too many")),
    }
}
