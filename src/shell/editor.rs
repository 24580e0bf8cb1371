//! The line editor: completion, colours, hints from the history, and statements of several rows.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::IsTerminal;
use std::path::PathBuf;

use console::Style;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{Behavior, BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::{DefaultHistory, SearchDirection};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, Context, Helper};

use super::complete::Completion;
use super::files::make_directory;
use super::highlight::highlighted;
use super::lex::Pieces;
use super::rows::{PROMPT, key_bindings, plain, with_prompts};
use crate::error::{Error, Result};

/// Lines that the history keeps.
const REMEMBERED: usize = 10_000;
/// Completions that are listed without a question.
const LISTED: usize = 200;

/// What was typed.
pub(super) enum Typed {
    /// Statements or a command.
    Text(String),
    /// Nothing that counts.
    Nothing,
    /// The end.
    End,
}

/// Reads what is typed.
pub(super) struct Editor {
    lines: rustyline::Editor<Help, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    /// An editor with the history of earlier shells.
    ///
    /// # Errors
    /// A terminal that can't be used.
    pub(super) fn open(completion: Completion, history: Option<PathBuf>) -> Result<Self> {
        // Where stdout goes elsewhere, the dialogue is with the terminal all the same.
        let behavior = if std::io::stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
        let config = Config::builder()
            .max_history_size(REMEMBERED)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(unusable)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_prompt_limit(LISTED)
            .bell_style(BellStyle::None)
            // The prompts of further rows are drawn also where there are no colours.
            .color_mode(ColorMode::Forced)
            .behavior(behavior)
            .build();
        let mut lines = rustyline::Editor::with_config(config).map_err(unusable)?;
        lines.set_helper(Some(Help { completion, is_final: Cell::new(false) }));
        for (key, handler) in key_bindings() {
            lines.bind_sequence(key, handler);
        }
        if let Some(path) = history.as_ref().filter(|path| path.exists())
            && let Err(error) = lines.load_history(path)
        {
            eprintln!("note: cannot read the history '{}': {error}", path.display());
        }
        Ok(Self { lines, history })
    }

    /// Waits for a statement, a command or the end.
    ///
    /// # Errors
    /// A terminal that is gone.
    pub(super) fn read(&mut self) -> Result<Typed> {
        let text = match self.lines.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => return Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => return Ok(Typed::End),
            Err(error) => return Err(unusable(error)),
        };
        self.remember(&text);
        let text = plain(&text);
        Ok(if text.trim().is_empty() { Typed::Nothing } else { Typed::Text(text) })
    }

    /// Keeps a text for the next shells, at once: nobody knows how this one ends.
    fn remember(&mut self, text: &str) {
        let is_new = self.lines.add_history_entry(with_prompts(text.trim_end()));
        let Some(path) = &self.history else { return };
        let written = is_new.and_then(|is_new| {
            if is_new {
                make_directory(path)?;
                self.lines.append_history(path)?;
            }
            Ok(())
        });
        if let Err(error) = written {
            eprintln!("note: cannot write the history '{}': {error}", path.display());
            self.history = None;
        }
    }
}

fn unusable(error: ReadlineError) -> Error {
    Error::Failed(format!("cannot use the terminal: {error}"))
}

/// What the editor asks while something is typed.
struct Help {
    completion: Completion,
    /// The text is shown for the last time: nothing of it is under the cursor.
    is_final: Cell<bool>,
}

impl Helper for Help {}

impl Completer for Help {
    type Candidate = Pair;

    fn complete(&self, text: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(self.completion.complete(text, at))
    }
}

impl Validator for Help {
    /// Asked where the terminal is too simple for keys to be bound.
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match Pieces::of(&plain(context.input())).is_complete {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for Help {
    type Hint = String;

    /// The rest of the last line of the history that begins so.
    fn hint(&self, text: &str, at: usize, context: &Context<'_>) -> Option<String> {
        // Without colours nobody could tell it from what was typed.
        if text.len() < 2 || at < text.len() || !console::colors_enabled() {
            return None;
        }
        let last = context.history_index().checked_sub(1)?;
        let found = context.history().starts_with(text, last, SearchDirection::Reverse).ok()??;
        let rest = found.entry.get(text.len()..)?;
        (!rest.is_empty() && !rest.contains('\n')).then(|| rest.to_string())
    }
}

impl Highlighter for Help {
    fn highlight<'l>(&self, text: &'l str, at: usize) -> Cow<'l, str> {
        Cow::Owned(highlighted(text, (!self.is_final.get()).then_some(at)))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(Style::new().bold().apply_to(prompt).to_string())
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(Style::new().dim().apply_to(hint).to_string())
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.is_final.set(kind == CmdKind::ForcedRefresh);
        true
    }
}
