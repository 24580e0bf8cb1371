//! What can go wrong, in the words of the person who asked.

use std::error::Error as _;
use std::path::PathBuf;

use ballista_core::error::BallistaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

use crate::words::of_store;

/// A failed command or statement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement could not be planned or run.
    #[error("{}", message(.0))]
    Query(#[source] DataFusionError),

    /// A statement could not be planned or run, and it is known which part of its text is at fault.
    #[error("{message}")]
    Pointed {
        /// The message and the part of the text.
        message: String,
        /// What went wrong.
        source: Box<Error>,
    },

    /// A file or directory could not be read or written.
    #[error("cannot {action} '{}': {source}", path.display())]
    File {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// What was asked for makes no sense, whatever the data.
    #[error("{0}")]
    Usage(String),

    /// The work was done and its result is bad.
    #[error("{0}")]
    Failed(String),

    /// A cluster that can't be reached.
    #[error("{0}")]
    Unreachable(String),

    /// Nobody reads the output any more.
    #[error("the output was closed")]
    ClosedOutput,

    /// Results could not be printed.
    #[error("cannot write the output: {0}")]
    Output(#[source] std::io::Error),

    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// The result of a command or statement.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The process's exit code: 1 for a failed run, 2 for a wrong question, 130 after Ctrl-C.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ClosedOutput => 0,
            Self::Usage(_) => 2,
            Self::Query(error) if is_question(error) => 2,
            Self::Pointed { source, .. } => source.exit_code(),
            Self::Interrupted => 130,
            Self::Query(_) | Self::File { .. } | Self::Failed(_) | Self::Unreachable(_) | Self::Output(_) => 1,
        }
    }

    /// Where in the statement's text the error is, where that is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Query(error) => Position::of(error),
            Self::Pointed { source, .. } => source.position(),
            _ => None,
        }
    }

    /// The same error, which shows where in `sql` it is if that is known.
    pub(crate) fn pointed(self, sql: &str) -> Self {
        match self.position() {
            Some(_) => Self::Pointed { message: pointed(sql, &self), source: Box::new(self) },
            None => self,
        }
    }

    /// An error of reading or writing `path`.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// An error of writing to stdout.
    pub(crate) fn output(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::ClosedOutput } else { Self::Output(error) }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        Self::Query(error)
    }
}

/// Whether the statement, not the data or the machine, is at fault.
pub(crate) fn is_question(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::NotImplemented(_) => true,
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => is_question(inner),
        DataFusionError::Shared(inner) => is_question(inner),
        DataFusionError::Collection(all) => all.first().is_some_and(is_question),
        other => wrapped(other).is_some_and(is_question),
    }
}

/// The message without DataFusion's names for the kinds of error.
pub(crate) fn message(error: &DataFusionError) -> String {
    match error {
        // Names of planning rules say nothing to who wrote the query.
        DataFusionError::Context(context, inner) if !context.contains(' ') || context.starts_with("Optimizer rule") => {
            message(inner)
        }
        // What it advises is said below it, with the names of our options.
        DataFusionError::Context(context, inner) if context.contains("datafusion.runtime.memory_limit") => {
            message(inner)
        }
        DataFusionError::Context(context, inner) => format!("{context}: {}", message(inner)),
        DataFusionError::Diagnostic(_, inner) => message(inner),
        DataFusionError::Shared(inner) => message(inner),
        DataFusionError::Collection(all) => {
            let messages: Vec<String> = all.iter().map(message).collect();
            messages.join("; ")
        }
        DataFusionError::External(inner) if wrapped(error).is_none() => match inner.downcast_ref() {
            Some(BallistaError::ArrowError(error)) => error.to_string(),
            _ => inner.to_string(),
        },
        DataFusionError::ArrowError(inner, _) if wrapped(error).is_none() => match inner.as_ref() {
            datafusion::arrow::error::ArrowError::ExternalError(source) => source.to_string(),
            datafusion::arrow::error::ArrowError::IoError(_, error) => of_temporary_files(error),
            other => other.to_string(),
        },
        DataFusionError::SQL(error, _) => syntax_error(error),
        DataFusionError::SchemaError(error, _) => error.to_string(),
        DataFusionError::Plan(text) if text.contains(DEFAULT_SCHEMA) => text.replace(DEFAULT_SCHEMA, "'"),
        DataFusionError::Plan(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text) => argument_error(text).unwrap_or(text).to_string(),
        DataFusionError::ResourcesExhausted(text) => format!("not enough memory: {text}; {MORE_MEMORY}"),
        DataFusionError::ObjectStore(inner) if wrapped(error).is_none() => of_store(inner),
        // These say themselves what failed.
        DataFusionError::IoError(error) => of_temporary_files(error),
        other => wrapped(other).map_or_else(|| other.strip_backtrace(), message),
    }
}

/// What to do where memory isn't enough.
const MORE_MEMORY: &str = "raise pixmill.memory_limit: SET pixmill.memory_limit = '8G'";

/// What to do where there is no room for what memory isn't enough for.
const MORE_ROOM: &str = "make room in the directory that TMPDIR names, or name another";

/// What the system says of files that nobody names: our own errors name theirs.
fn of_temporary_files(error: &std::io::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| (*error).source());
    let mut of_system = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    match of_system.find(|cause| cause.kind() == std::io::ErrorKind::StorageFull) {
        Some(full) => format!("no room for temporary files: {full}; {MORE_ROOM}"),
        None => error.to_string(),
    }
}

/// The message of an executor, whose memory is no option of a session, and whose files are where its arguments say.
pub(crate) fn of_an_executor(message: &str) -> String {
    const WORK_DIR: &str = "make room in the executors' --work-dir, or give them another";
    // As Ballista tells of the rows that it keeps for other stages.
    const FULL: &str = "Io error: No space left on device (os error 28)";
    message
        .replace(MORE_MEMORY, "give the executors more --memory, which is shared by their vcores, or fewer vcores")
        .replace(MORE_ROOM, WORK_DIR)
        .replace(FULL, &format!("no room for temporary files: {}; {WORK_DIR}", &FULL["Io error: ".len()..]))
}

/// What DataFusion puts before the names of tables that have none before them.
const DEFAULT_SCHEMA: &str = "'datafusion.public.";

/// What the parser says, as a message.
fn syntax_error(error: &ParserError) -> String {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => return "the statement is nested too deeply".to_string(),
    };
    let told = text.strip_prefix("Expected: ").and_then(|told| told.split_once(", found: "));
    match told {
        Some((expected, found)) => format!("syntax error: expected {expected}, found {found}"),
        None => format!("syntax error: {text}"),
    }
}

/// The error that other crates, such as object stores and readers of formats, have wrapped theirs around.
fn wrapped(error: &DataFusionError) -> Option<&DataFusionError> {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<DataFusionError>() {
            return inner.downcast_ref();
        }
        // Ballista's own doesn't tell its source.
        if let Some(BallistaError::DataFusionError(inner)) = inner.downcast_ref() {
            return Some(inner);
        }
        source = inner.source();
    }
    None
}

/// What a function of ours said about its arguments, without what DataFusion wraps around it.
fn argument_error(text: &str) -> Option<&str> {
    let (_, said) = text.split_once("user-defined coercion failed with: Error during planning: ")?;
    said.split_once(". No function matches").map(|(said, _)| said)
}

/// A position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
}

impl Position {
    /// Where the error is; `None` where nobody knows.
    pub(crate) fn of(error: &DataFusionError) -> Option<Self> {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => match diagnostic.span {
                Some(span) => {
                    let is_one_line = span.start.line == span.end.line;
                    let length = if is_one_line { span.end.column.saturating_sub(span.start.column) } else { 1 };
                    Some(Self {
                        line: span.start.line as usize,
                        column: span.start.column as usize,
                        length: (length as usize).max(1),
                    })
                }
                None => Self::of(inner),
            },
            DataFusionError::Context(_, inner) => Self::of(inner),
            DataFusionError::Shared(inner) => Self::of(inner),
            DataFusionError::Collection(all) => all.iter().find_map(Self::of),
            DataFusionError::SQL(error, _) => match error.as_ref() {
                // The only trace of it is in the text.
                ParserError::ParserError(text) | ParserError::TokenizerError(text) => in_text(text),
                ParserError::RecursionLimitExceeded => None,
            },
            _ => None,
        }
    }
}

/// What stands behind a text of the parser's.
const MARK: &str = " at Line: ";

fn in_text(text: &str) -> Option<Position> {
    let (_, position) = text.rsplit_once(MARK)?;
    let (line, column) = position.split_once(", Column: ")?;
    Some(Position { line: line.parse().ok()?, column: column.parse().ok()?, length: 1 })
}

/// The error's message and, where its position is known, that line of the text with a mark under the position.
pub(crate) fn pointed(sql: &str, error: &Error) -> String {
    let message = error.to_string();
    let Some(position) = error.position() else { return message };
    let Some(line) = sql.lines().nth(position.line - 1) else { return message };
    let number = format!("line {}: ", position.line);
    // Characters as wide as those above them, so that the mark stands below.
    let before: String = line.chars().take(position.column - 1).collect();
    let meant: String = line.chars().skip(position.column - 1).take(position.length).collect();
    let indent = console::measure_text_width(&number) + console::measure_text_width(&before.replace('\t', " "));
    let marks = console::measure_text_width(&meant.replace('\t', " ")).max(1);
    let message = message.rsplit_once(MARK).map_or(message.as_str(), |(message, _)| message);
    format!("{message}\n{number}{}\n{}{}", line.replace('\t', " "), " ".repeat(indent), "^".repeat(marks))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::error::ArrowError;
    use datafusion::common::{exec_datafusion_err, plan_datafusion_err};
    use datafusion::sql::parser::DFParserBuilder;

    use super::*;

    #[test]
    fn a_wrong_question_and_a_failed_run_exit_differently() {
        let question = Error::from(plan_datafusion_err!("no such column").context("line 3"));
        assert_eq!((question.exit_code(), question.to_string().as_str()), (2, "line 3: no such column"));
        let run = Error::from(exec_datafusion_err!("disk full"));
        assert_eq!((run.exit_code(), run.to_string().as_str()), (1, "disk full"));
    }

    #[test]
    fn errors_of_memory_name_the_option_that_gives_more_of_it() {
        let said = "Failed to allocate additional 1.0 KB for ExternalSorter[0]";
        let exhausted = || DataFusionError::ResourcesExhausted(said.to_string());
        let sort = "Not enough memory to continue external sort. Consider increasing the memory limit config: \
                    'datafusion.runtime.memory_limit', or decreasing the config: 'datafusion.execution.sort_spill_reservation_bytes'.";
        let arrow = ArrowError::ExternalError(Box::new(exhausted()));
        let errors = [
            exhausted(),
            exhausted().context(sort),
            DataFusionError::Shared(Arc::new(exhausted())),
            DataFusionError::ArrowError(Box::new(arrow), None),
            DataFusionError::Collection(vec![exhausted().context(sort)]),
        ];
        for error in errors {
            let text = message(&error);
            assert_eq!(
                text,
                format!("not enough memory: {said}; raise pixmill.memory_limit: SET pixmill.memory_limit = '8G'")
            );
            assert!(of_an_executor(&text).contains("--memory") && !of_an_executor(&text).contains("pixmill."));
        }
    }

    #[test]
    fn what_datafusion_wraps_around_a_message_is_taken_off() {
        let wrapped = "Function 'f' user-defined coercion failed with: Error during planning: f: x must be an integer, \
                       got Utf8. No function matches the given name";
        let error = Error::from(plan_datafusion_err!("{wrapped}").context("type_coercion"));
        assert_eq!(error.to_string(), "f: x must be an integer, got Utf8");
    }

    #[test]
    fn an_error_of_ours_comes_out_of_an_object_store_as_it_went_in() {
        let source = Box::new(plan_datafusion_err!("'/etc' is outside"));
        let refused = datafusion::object_store::Error::PermissionDenied { path: "etc".to_string(), source };
        let error = Error::from(DataFusionError::from(refused));
        assert_eq!((error.exit_code(), error.to_string().as_str()), (2, "'/etc' is outside"));
    }

    #[test]
    fn the_mark_stands_below_what_is_wrong() {
        let sql = "SELECT '日本',\n  '日', FROM 1 t";
        let parsed = DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements());
        let error = Error::from(parsed.expect_err("no SQL"));
        assert_eq!(
            pointed(sql, &error),
            "syntax error: expected identifier, found 1\nline 2:   '日', FROM 1 t\n                     ^"
        );
    }
}
