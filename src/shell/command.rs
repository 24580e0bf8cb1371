//! The shell's own commands: the one table that `\?`, completion and the guide are made of.

use datafusion::common::utils::datafusion_strsim::levenshtein;

use crate::error::{Error, Result};
use crate::output::aligned;

/// A command.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandPage {
    /// The name, without the backslash.
    pub(super) name: &'static str,
    /// Its argument, as help has it.
    pub(super) argument: &'static str,
    /// What the argument is.
    pub(super) takes: Takes,
    /// What it does.
    pub(super) description: &'static str,
    /// Which it is.
    pub(super) action: Action,
}

/// What a command's argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// There is none.
    Nothing,
    /// A table or view.
    Table,
    /// A function, or a part of functions' names.
    Function,
    /// `on` or `off`.
    Switch,
    /// A format of rows.
    Format,
    /// A file.
    File,
    /// An option, and a value.
    Setting,
    /// A query.
    Query,
    /// `-o` and a file, if it isn't shown, and a query.
    FileAndQuery,
    /// A job of the cluster.
    Job,
}

/// Which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Help,
    Tables,
    Functions,
    Timing,
    Format,
    Output,
    Include,
    Set,
    Show,
    Plot,
    Jobs,
    Cancel,
    Quit,
}

/// Shortens the table.
const fn page(
    action: Action,
    name: &'static str,
    argument: &'static str,
    takes: Takes,
    description: &'static str,
) -> CommandPage {
    CommandPage { name, argument, takes, description, action }
}

/// All commands.
pub(super) const COMMANDS: &[CommandPage] = &[
    page(Action::Help, "?", "", Takes::Nothing, "lists these commands and the keys"),
    page(
        Action::Tables,
        "d",
        "[TABLE]",
        Takes::Table,
        "lists tables and views; of one, its columns and how it was made",
    ),
    page(Action::Functions, "df", "[PATTERN]", Takes::Function, "lists functions; of one, its page with an example"),
    page(Action::Timing, "timing", "[on|off]", Takes::Switch, "whether each statement's time is told"),
    page(
        Action::Format,
        "format",
        "[FORMAT]",
        Takes::Format,
        "how rows are printed: table, csv, json, jsonl, markdown",
    ),
    page(Action::Output, "o", "[FILE]", Takes::File, "writes rows to a file; without a file, to the terminal again"),
    page(Action::Include, "i", "FILE", Takes::File, "runs a file of statements and commands"),
    page(Action::Set, "set", "[NAME [VALUE]]", Takes::Setting, "lists options, shows one, or sets one as SET does"),
    page(Action::Show, "show", "QUERY", Takes::Query, "draws the images of a query's rows"),
    page(
        Action::Plot,
        "plot",
        "[-o FILE] QUERY",
        Takes::FileAndQuery,
        "draws a query's rows as points, or writes an SVG, a PNG or a page of them",
    ),
    page(Action::Jobs, "jobs", "", Takes::Nothing, "lists the cluster's jobs, or what this shell has run"),
    page(
        Action::Cancel,
        "cancel",
        "[JOB]",
        Takes::Job,
        "cancels a job of the cluster; the one that runs where none is named",
    ),
    page(Action::Quit, "q", "", Takes::Nothing, "leaves, as Ctrl-D does"),
];

/// Keys that are good to know.
const KEYS: &[[&str; 2]] = &[
    ["Tab", "completes keywords, names, options and paths; twice, it lists them"],
    ["Enter", "runs a statement that ends with ;, else begins a row"],
    ["Up, Down", "move between rows, then through the history"],
    ["Ctrl-R", "searches the history"],
    ["Ctrl-C", "drops what was typed; cancels the statement that runs"],
    ["Ctrl-D", "leaves"],
];

/// A command and its argument.
pub(super) struct Command<'a> {
    /// What it does.
    pub(super) action: Action,
    /// Its argument, without quotes around it; empty where there is none.
    pub(super) argument: &'a str,
}

/// The name of a command with its backslash, and the rest; `None` of what is none.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    if !text.trim_start().starts_with('\\') {
        return None;
    }
    let start = text.len() - text.trim_start().len();
    let end = text[start..].find(char::is_whitespace).map_or(text.len(), |length| start + length);
    Some(text.split_at(end))
}

/// The command of a name, without the backslash.
pub(super) fn find(name: &str) -> Option<&'static CommandPage> {
    COMMANDS.iter().find(|page| page.name == name)
}

impl<'a> Command<'a> {
    /// Reads a command.
    ///
    /// # Errors
    /// A name that there isn't, an argument that is missing or that it doesn't take.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let (name, argument) = split(text).unwrap_or((text, ""));
        let name = name.trim_start().trim_start_matches('\\');
        let page = find(name).ok_or_else(|| unknown(name))?;
        let argument = argument.trim();
        // As it stands behind a statement.
        let is_query = matches!(page.takes, Takes::Query | Takes::FileAndQuery);
        let argument = if is_query { argument } else { argument.trim_end_matches(';').trim_end() };
        let quoted = argument.strip_prefix('\'').and_then(|argument| argument.strip_suffix('\''));
        if argument.is_empty() && !page.argument.is_empty() && !page.argument.ends_with(']') {
            return Err(Error::Usage(format!("\\{name} takes an argument, as in \\{name} {}", page.argument)));
        }
        if page.takes == Takes::Nothing && !argument.is_empty() {
            return Err(Error::Usage(format!("\\{name} takes no argument, got '{argument}'")));
        }
        Ok(Self { action: page.action, argument: quoted.unwrap_or(argument) })
    }
}

/// The file behind `-o`, with or without quotes, and the query behind it.
///
/// # Errors
/// A file without a query.
pub(super) fn file_and_query(argument: &str) -> Result<(Option<&str>, &str)> {
    let Some(rest) = argument.strip_prefix("-o").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return Ok((None, argument));
    };
    let rest = rest.trim_start();
    let split = match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\''),
        None => rest.split_once(char::is_whitespace),
    };
    match split.map(|(file, query)| (file, query.trim_start())) {
        Some((file, query)) if !file.is_empty() && !query.is_empty() => Ok((Some(file), query)),
        _ => Err(Error::Usage(format!("-o takes a file, and a query behind it, got '{argument}'"))),
    }
}

fn unknown(name: &str) -> Error {
    let nearest = COMMANDS.iter().map(|page| (levenshtein(page.name, name), page.name)).min();
    let hint = match nearest {
        Some((distance, nearest)) if distance <= 2 && distance < name.chars().count() => {
            format!("did you mean \\{nearest}? ")
        }
        _ => String::new(),
    };
    Error::Usage(format!("there is no command \\{name}; {hint}\\? lists them"))
}

/// The text of `\?`.
pub(super) fn help() -> String {
    let row = |page: &CommandPage| [format!("\\{} {}", page.name, page.argument), page.description.to_string()];
    let commands: Vec<_> = COMMANDS.iter().map(row).collect();
    let keys: Vec<_> = KEYS.iter().map(|key| key.map(str::to_string)).collect();
    format!(
        "{}\n{}\nEverything else is SQL, and ends with a semicolon.\n",
        aligned(&commands, 0..0),
        aligned(&keys, 0..0)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn error(text: &str) -> String {
        Command::parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_command_is_a_name_and_an_argument() {
        let parsed = |text| Command::parse(text).map(|command| (command.action, command.argument)).expect("a command");
        assert_eq!(parsed("\\d"), (Action::Tables, ""));
        assert_eq!(parsed("  \\i 'my file.sql' ;"), (Action::Include, "my file.sql"));
        assert_eq!(parsed("\\set pixmill.resume true"), (Action::Set, "pixmill.resume true"));
    }

    #[test]
    fn a_file_may_stand_before_a_query() {
        let split = |text| file_and_query(text).expect("split");
        assert_eq!(split("SELECT 1"), (None, "SELECT 1"));
        assert_eq!(split("-o a.svg SELECT 1"), (Some("a.svg"), "SELECT 1"));
        assert_eq!(split("-o 'a b.svg'  SELECT 'c'"), (Some("a b.svg"), "SELECT 'c'"));
        let error = file_and_query("-o a.svg").expect_err("no query").to_string();
        assert_eq!(error, "-o takes a file, and a query behind it, got '-o a.svg'");
    }

    #[test]
    fn what_is_wrong_with_a_command_is_said() {
        assert_eq!(error("\\timng"), "there is no command \\timng; did you mean \\timing? \\? lists them");
        assert_eq!(error("\\xylophone"), "there is no command \\xylophone; \\? lists them");
        assert_eq!(error("\\i"), "\\i takes an argument, as in \\i FILE");
        assert_eq!(error("\\q now"), "\\q takes no argument, got 'now'");
    }

    #[test]
    fn the_guide_has_every_command() {
        let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/shell.md")).expect("the guide");
        for page in COMMANDS {
            let name = format!("\\{} {}", page.name, page.argument.replace('|', "\\|"));
            let row = format!("| `{}` | {} |", name.trim_end(), page.description);
            assert!(guide.contains(&row), "docs/shell.md has no row\n{row}");
        }
    }
}
