//! What a shell has run: its jobs, where there is no cluster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use crate::output::aligned;
use crate::words::one_line;

/// How many statements are remembered.
const REMEMBERED: usize = 50;
/// Most characters of a statement that are shown.
const SHOWN: usize = 60;

/// The last statements, the oldest first.
#[derive(Default)]
pub(super) struct Recent {
    number: usize,
    statements: VecDeque<Statement>,
}

struct Statement {
    number: usize,
    text: String,
    started: Instant,
    end: Option<End>,
}

struct End {
    state: &'static str,
    rows: Option<u64>,
    elapsed: Duration,
}

impl Recent {
    /// A statement begins.
    pub(super) fn begin(&mut self, sql: &str) {
        self.number += 1;
        let text = one_line(sql, SHOWN);
        while self.statements.len() >= REMEMBERED {
            self.statements.pop_front();
        }
        self.statements.push_back(Statement { number: self.number, text, started: Instant::now(), end: None });
    }

    /// The statement that runs is at its end; how long it took, if there was one.
    pub(super) fn end(&mut self, state: &'static str, rows: Option<u64>) -> Option<Duration> {
        let statement = self.statements.back_mut().filter(|statement| statement.end.is_none())?;
        let elapsed = statement.started.elapsed();
        statement.end = Some(End { state, rows, elapsed });
        Some(elapsed)
    }

    /// One line each.
    pub(super) fn table(&self) -> String {
        let titles = ["number", "state", "rows", "seconds", "statement"].map(str::to_string);
        let rows = self.statements.iter().map(|statement| {
            let (state, rows, elapsed) = match &statement.end {
                Some(end) => (end.state, end.rows, end.elapsed),
                None => ("running", None, statement.started.elapsed()),
            };
            [
                statement.number.to_string(),
                state.to_string(),
                rows.map(|rows| HumanCount(rows).to_string()).unwrap_or_default(),
                format!("{:.3}", elapsed.as_secs_f64()),
                statement.text.clone(),
            ]
        });
        let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
        aligned(&rows, 2..4)
    }
}
