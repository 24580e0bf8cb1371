//! What a pass has found in some of the rows.

use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::kmeans::KMeansSums;
use crate::least_squares::LeastSquares;
use crate::linear;
use crate::logistic::LogisticSums;
use crate::pass::columns;
use crate::strip::Strip;

/// What a pass has found so far; sums of other parts of the rows can be added, in any order.
#[derive(Debug, Clone)]
pub struct Sums {
    columns: usize,
    rows: u64,
    state: State,
    fault: Option<Fault>,
    strip: Strip,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    KMeans(KMeansSums),
    Logistic(LogisticSums),
    Linear(LeastSquares),
}

/// What was added that doesn't belong to the pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Columns,
    Pass,
}

impl Sums {
    pub(crate) fn new(columns: usize, state: State) -> Self {
        Self { columns, rows: 0, state, fault: None, strip: Strip::default() }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    #[inline(always)]
    pub(crate) fn parts_mut(&mut self) -> (&mut State, &mut Strip) {
        (&mut self.state, &mut self.strip)
    }

    pub(crate) fn count(&mut self, rows: u64) {
        self.rows += rows;
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub(crate) fn check(&self, columns: usize) -> Result<(), Error> {
        match self.fault {
            Some(Fault::Columns) => Err(Error::OtherPass("rows had another number of columns or labels")),
            Some(Fault::Pass) => Err(Error::OtherPass("sums of two passes were put together")),
            None if self.columns != columns => Err(Error::OtherPass("they are of another number of columns")),
            None => Ok(()),
        }
    }

    /// Adds the sums of another part of the rows; of another pass's [`Fitting::take`](crate::Fitting::take) will complain.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.fault = self.fault.or(other.fault);
        let is_mine = self.columns == other.columns
            && match (&mut self.state, &other.state) {
                (State::KMeans(ours), State::KMeans(theirs)) => ours.merge(theirs),
                (State::Logistic(ours), State::Logistic(theirs)) => ours.merge(theirs),
                (State::Linear(ours), State::Linear(theirs)) => {
                    ours.merge(theirs.part());
                    true
                }
                _ => false,
            };
        if !is_mine {
            self.fail(Fault::Pass);
        }
    }

    /// As numbers that [`from_numbers`](Self::from_numbers) reads.
    pub fn to_numbers(&self) -> Vec<f64> {
        let mut writer = Writer::default();
        writer.count(self.columns as u64);
        writer.count(self.rows);
        writer.count(match self.fault {
            None => 0,
            Some(Fault::Columns) => 1,
            Some(Fault::Pass) => 2,
        });
        match &self.state {
            State::KMeans(sums) => {
                writer.count(0);
                sums.write(&mut writer);
            }
            State::Logistic(sums) => {
                writer.count(1);
                sums.write(&mut writer);
            }
            State::Linear(squares) => {
                writer.count(2);
                linear::write(squares, &mut writer);
            }
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
        let rows = reader.count()?;
        let fault = match reader.count()? {
            0 => None,
            1 => Some(Fault::Columns),
            2 => Some(Fault::Pass),
            _ => return Err(Error::Damaged("there is no such fault")),
        };
        let state = match reader.count()? {
            0 => State::KMeans(KMeansSums::read(&mut reader, columns)?),
            1 => State::Logistic(LogisticSums::read(&mut reader, columns)?),
            2 => State::Linear(linear::read(&mut reader, columns)?),
            _ => return Err(Error::Damaged("there is no such step")),
        };
        reader.end()?;
        Ok(Self { columns, rows, state, fault, strip: Strip::default() })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let state = match &self.state {
            State::KMeans(sums) => sums.heap_bytes(),
            State::Logistic(sums) => sums.heap_bytes(),
            State::Linear(squares) => squares.heap_bytes(),
        };
        state + self.strip.heap_bytes()
    }
}
