//! The statements of a client: those that wait to be fetched, those that are prepared, and those under way.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tonic::Status;

use super::clients::{Client, lock, random_name};
use super::failure;
use crate::engine::{PlannedStatement, RunningStatement};
use crate::words::counted;

/// Most answers of a client that wait to be fetched; the oldest makes room.
const MOST_WAITING: usize = 100;

/// Most statements that a client has prepared and not closed.
const MOST_PREPARED: usize = 1000;

/// What a ticket is good for.
pub(super) enum Waiting {
    /// A query that runs when its rows are fetched.
    Query(Box<PlannedStatement>),
    /// The rows that a statement has left.
    Rows(SchemaRef, Vec<RecordBatch>),
}

/// A statement that a client has prepared, and the rows of parameters that it has bound.
#[derive(Clone)]
pub(super) struct PreparedStatement {
    pub(super) prepared: PlannedStatement,
    pub(super) rows: Vec<Vec<ScalarValue>>,
}

#[derive(Default)]
struct Open {
    waiting: VecDeque<(String, Waiting)>,
    prepared: HashMap<String, PreparedStatement>,
    /// Dropping one cancels its statement.
    running: HashMap<String, oneshot::Sender<()>>,
}

/// The statements of a client.
#[derive(Default)]
pub(super) struct Statements(Mutex<Open>);

impl Statements {
    /// Keeps an answer until it is fetched; its handle.
    ///
    /// # Errors
    /// A system without random numbers.
    pub(super) fn wait(&self, answer: Waiting) -> Result<String, Status> {
        let handle = handle()?;
        let mut open = lock(&self.0);
        open.waiting.push_back((handle.clone(), answer));
        if open.waiting.len() > MOST_WAITING {
            open.waiting.pop_front();
        }
        Ok(handle)
    }

    /// An answer that waits.
    ///
    /// # Errors
    /// One that has been fetched already, or isn't this session's.
    pub(super) fn take(&self, handle: &str) -> Result<Waiting, Status> {
        let mut open = lock(&self.0);
        let place = open.waiting.iter().position(|(name, _)| name == handle);
        let taken = place.and_then(|place| open.waiting.remove(place));
        taken.map(|(_, answer)| answer).ok_or_else(|| {
            Status::not_found(format!(
                "there are no rows for this ticket: it is good for one fetch, in the session (connection or cookie) that asked, and while \
                 no {MOST_WAITING} later ones wait to be fetched"
            ))
        })
    }

    /// Keeps a prepared statement until it is closed; its handle.
    ///
    /// # Errors
    /// Too many of them.
    pub(super) fn prepare(&self, prepared: PlannedStatement) -> Result<String, Status> {
        let handle = handle()?;
        let mut open = lock(&self.0);
        if open.prepared.len() >= MOST_PREPARED {
            return Err(Status::resource_exhausted(format!(
                "this session has {} open: close some",
                counted(MOST_PREPARED as u64, "prepared statement")
            )));
        }
        open.prepared.insert(handle.clone(), PreparedStatement { prepared, rows: Vec::new() });
        Ok(handle)
    }

    /// A prepared statement.
    ///
    /// # Errors
    /// One that isn't there.
    pub(super) fn prepared(&self, handle: &str) -> Result<PreparedStatement, Status> {
        lock(&self.0).prepared.get(handle).cloned().ok_or_else(not_prepared)
    }

    /// Sets the parameters of a prepared statement.
    ///
    /// # Errors
    /// One that isn't there.
    pub(super) fn bind(&self, handle: &str, rows: Vec<Vec<ScalarValue>>) -> Result<(), Status> {
        let mut open = lock(&self.0);
        open.prepared.get_mut(handle).ok_or_else(not_prepared)?.rows = rows;
        Ok(())
    }

    /// Forgets a prepared statement, if it is there.
    pub(super) fn close(&self, handle: &str) {
        lock(&self.0).prepared.remove(handle);
    }

    /// Cancels a statement; whether there was one that had not been fetched to its end.
    pub(super) fn cancel(&self, handle: &str) -> bool {
        let was_waiting = self.take(handle).is_ok();
        lock(&self.0).running.remove(handle).is_some() || was_waiting
    }

    /// Cancels all statements.
    pub(super) fn cancel_all(&self) {
        *lock(&self.0) = Open::default();
    }
}

fn handle() -> Result<String, Status> {
    random_name().map_err(|error| failure::status(&error))
}

fn not_prepared() -> Status {
    Status::not_found("there is no such prepared statement in this session: it was closed, or prepared in another one")
}

/// A statement under way for a client. Dropped, it is cancelled.
pub(super) struct Underway {
    running: RunningStatement,
    entry: Entry,
    rows: usize,
}

impl Underway {
    /// Starts to run a statement, which can be cancelled by this handle.
    ///
    /// # Errors
    /// A statement that can't be run.
    pub(super) fn start<'a>(
        client: &'a Arc<Client>,
        handle: &'a str,
        prepared: PlannedStatement,
    ) -> BoxFuture<'a, Result<Self, Status>> {
        Box::pin(async move {
            let mut entry = Entry::new(client, handle, prepared.name.clone());
            let running = tokio::select! {
                running = client.session.run(prepared) => running.map_err(|error| failure::status(&error)),
                () = entry.cancelled() => Err(cancelled()),
            };
            let running = running.inspect_err(|status| entry.log(&status.message()))?;
            Ok(Self { running, entry, rows: 0 })
        })
    }

    pub(super) fn running(&self) -> &RunningStatement {
        &self.running
    }

    /// The next rows; `None` when there are no more.
    ///
    /// # Errors
    /// What stopped the statement.
    pub(super) async fn next(&mut self) -> Option<Result<RecordBatch, Status>> {
        let batch = tokio::select! {
            batch = self.running.next() => batch.map(|batch| batch.map_err(|error| failure::status(&error))),
            () = self.entry.cancelled() => Some(Err(cancelled())),
        };
        match &batch {
            Some(Ok(batch)) => self.rows += batch.num_rows(),
            Some(Err(status)) => self.entry.log(&status.message()),
            None => self.entry.log(&counted(self.rows as u64, "row")),
        }
        batch
    }

    /// All rows.
    ///
    /// # Errors
    /// What stopped the statement.
    pub(super) async fn collect(&mut self) -> Result<Vec<RecordBatch>, Status> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

fn cancelled() -> Status {
    Status::cancelled("the statement was cancelled")
}

/// A statement's place among those under way, for as long as it is.
struct Entry {
    client: Arc<Client>,
    handle: String,
    text: String,
    started: Instant,
    cancelled: oneshot::Receiver<()>,
    has_ended: bool,
}

impl Entry {
    fn new(client: &Arc<Client>, handle: &str, text: String) -> Self {
        let (sender, cancelled) = oneshot::channel();
        lock(&client.statements.0).running.insert(handle.to_string(), sender);
        tracing::debug!("{client}: runs: {text}");
        let (client, handle) = (Arc::clone(client), handle.to_string());
        Self { client, handle, text, started: Instant::now(), cancelled, has_ended: false }
    }

    /// Comes to its end when the statement is cancelled.
    async fn cancelled(&mut self) {
        // Whoever cancels drops the other end.
        let _ = (&mut self.cancelled).await;
    }

    /// Tells how the statement has ended.
    fn log(&mut self, end: &dyn fmt::Display) {
        self.has_ended = true;
        let (client, text, seconds) = (&self.client, &self.text, self.started.elapsed().as_secs_f64());
        tracing::info!("{client}: {text}: {end} ({seconds:.1} s)");
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.client.statements.0).running.remove(&self.handle);
        if !self.has_ended {
            self.log(&"given up by the client");
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;

    use super::*;

    fn no_rows() -> Waiting {
        Waiting::Rows(Arc::new(Schema::empty()), Vec::new())
    }

    #[test]
    fn an_answer_is_fetched_once() {
        let statements = Statements::default();
        let handle = statements.wait(no_rows()).unwrap();
        assert!(statements.take(&handle).is_ok());
        assert!(statements.take(&handle).is_err());
    }

    #[test]
    fn the_oldest_answer_makes_room() {
        let statements = Statements::default();
        let handles: Vec<_> = (0..=MOST_WAITING).map(|_| statements.wait(no_rows()).unwrap()).collect();
        assert!(statements.take(&handles[0]).is_err());
        assert!(handles[1..].iter().all(|handle| statements.take(handle).is_ok()));
    }

    #[test]
    fn an_answer_that_waits_can_be_cancelled() {
        let statements = Statements::default();
        let handle = statements.wait(no_rows()).unwrap();
        assert!(statements.cancel(&handle));
        assert!(!statements.cancel(&handle) && statements.take(&handle).is_err());
    }
}
