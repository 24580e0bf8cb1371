//! Statements of several rows: the prompt before each further row, and the keys that step over it.
//!
//! The line editor knows one prompt. The room for that of further rows is in the text itself: blanks, and last a blank that nobody
//! types. The highlighter draws the prompt over them, keys step over them, and they are taken out of what is run.

use rustyline::{
    At, CharSearch, Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    Movement, RepeatCount, Word,
};

use super::lex::Pieces;

/// The prompt.
pub(super) const PROMPT: &str = "pixmill> ";
/// The prompt of further rows, as wide as the first.
pub(super) const FURTHER_PROMPT: &str = "      -> ";
/// What stands in the text for the further prompt, and the line break before it.
const BREAK: &str = "\n        \u{a0}";
/// By its last character it is known.
const MARK: char = '\u{a0}';

/// The text as it is run.
pub(super) fn plain(text: &str) -> String {
    text.replace(BREAK, "\n")
}

/// The text with room for a prompt in each further row.
pub(super) fn with_prompts(text: &str) -> String {
    plain(text).replace('\n', BREAK)
}

/// The same text for a tokenizer, to which the mark says nothing; byte for byte as long.
pub(super) fn without_marks(text: &str) -> String {
    text.replace(MARK, "  ")
}

/// Changes each row alone, without what stands for its prompt.
pub(super) fn by_rows(text: &str, change: impl Fn(&str) -> String) -> String {
    let rows: Vec<String> = text.split(BREAK).map(change).collect();
    rows.join(BREAK)
}

/// Draws the prompts of further rows; `drawn` is what each looks like.
pub(super) fn draw_prompts(text: &str, drawn: &str) -> String {
    text.replace(BREAK, &format!("\n{drawn}"))
}

/// What keys do that meet a prompt in the text.
pub(super) fn key_bindings() -> Vec<(KeyEvent, EventHandler)> {
    let plain = |code| KeyEvent(code, Modifiers::NONE);
    let keys = [
        (plain(KeyCode::Enter), Key::Enter),
        (KeyEvent::ctrl('J'), Key::Enter),
        (KeyEvent::ctrl('M'), Key::Enter),
        (plain(KeyCode::Left), Key::Left),
        (KeyEvent::ctrl('B'), Key::Left),
        (plain(KeyCode::Right), Key::Right),
        (KeyEvent::ctrl('F'), Key::Right),
        (plain(KeyCode::Home), Key::Home),
        (KeyEvent::ctrl('A'), Key::Home),
        (plain(KeyCode::Backspace), Key::Backspace),
        (KeyEvent::ctrl('H'), Key::Backspace),
        (KeyEvent::ctrl('U'), Key::KillBefore),
        (plain(KeyCode::Delete), Key::Delete),
        (KeyEvent::ctrl('D'), Key::Delete),
    ];
    keys.into_iter().map(|(event, key)| (event, EventHandler::Conditional(Box::new(key)))).collect()
}

/// A key that means something else where a prompt is in the text.
#[derive(Debug, Clone, Copy)]
enum Key {
    Enter,
    Left,
    Right,
    Home,
    Backspace,
    KillBefore,
    Delete,
}

impl ConditionalEventHandler for Key {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        self.command(context.line(), context.pos())
    }
}

impl Key {
    /// What it does at a place of a text; `None` where that is what it does anywhere.
    ///
    /// A key's command is repeated as often as the user says, and so can't count characters itself.
    fn command(self, text: &str, at: usize) -> Option<Cmd> {
        let (before, behind) = text.split_at_checked(at)?;
        let is_behind_prompt = before.ends_with(MARK);
        let in_further_row = || before.rfind('\n').is_some_and(|row| before[row..].contains(MARK));
        match self {
            Self::Enter if Pieces::of(&plain(text)).is_complete => Some(Cmd::AcceptLine),
            Self::Enter => Some(Cmd::Insert(1, BREAK.to_string())),
            Self::Left if is_behind_prompt => Some(Cmd::Move(to(CharSearch::Backward('\n')))),
            Self::Right => match behind.strip_prefix(BREAK)?.chars().next() {
                Some(next) if !next.is_whitespace() => Some(Cmd::Move(Movement::ForwardWord(1, At::Start, Word::Big))),
                _ => Some(Cmd::Move(Movement::LineDown(1))),
            },
            Self::Home if is_behind_prompt => Some(Cmd::Noop),
            Self::Home if in_further_row() => Some(Cmd::Move(to(CharSearch::BackwardAfter(MARK)))),
            Self::Backspace if is_behind_prompt => Some(Cmd::Kill(to(CharSearch::Backward('\n')))),
            Self::KillBefore if is_behind_prompt => Some(Cmd::Kill(to(CharSearch::Backward('\n')))),
            Self::KillBefore if in_further_row() => Some(Cmd::Kill(to(CharSearch::BackwardAfter(MARK)))),
            Self::Delete if behind.starts_with(BREAK) => Some(Cmd::Kill(to(CharSearch::Forward(MARK)))),
            _ => None,
        }
    }
}

fn to(search: CharSearch) -> Movement {
    Movement::ViCharSearch(1, search)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_rows_have_room_for_a_prompt_as_wide_as_the_first() {
        let typed = with_prompts("SELECT 1,\n  'a\nb';");
        assert_eq!(draw_prompts(&typed, FURTHER_PROMPT), "SELECT 1,\n      ->   'a\n      -> b';");
        assert_eq!(with_prompts(&typed), typed);
        assert_eq!(plain(&typed), "SELECT 1,\n  'a\nb';");
        let width = BREAK.chars().count() - 1;
        assert_eq!([width, FURTHER_PROMPT.len()], [PROMPT.len(); 2]);
        assert_eq!(without_marks(&typed).len(), typed.len());
    }

    #[test]
    fn enter_runs_what_is_complete_and_begins_a_row_otherwise() {
        assert_eq!(Key::Enter.command("SELECT 1;", 9), Some(Cmd::AcceptLine));
        assert_eq!(Key::Enter.command("\\d", 2), Some(Cmd::AcceptLine));
        assert_eq!(Key::Enter.command("SELECT 1", 8), Some(Cmd::Insert(1, BREAK.to_string())));
    }

    #[test]
    fn keys_step_over_a_prompt_in_the_text() {
        let text = with_prompts("a\nbc");
        let (end_of_first, begin_of_second) = (1, text.len() - 2);
        let back = to(CharSearch::Backward('\n'));
        assert_eq!(Key::Left.command(&text, begin_of_second), Some(Cmd::Move(back.clone())));
        assert_eq!(Key::Backspace.command(&text, begin_of_second), Some(Cmd::Kill(back)));
        assert_eq!(Key::Left.command(&text, text.len()), None);
        let word = Movement::ForwardWord(1, At::Start, Word::Big);
        assert_eq!(Key::Right.command(&text, end_of_first), Some(Cmd::Move(word)));
        assert_eq!(Key::Delete.command(&text, end_of_first), Some(Cmd::Kill(to(CharSearch::Forward(MARK)))));
        assert_eq!(Key::Home.command(&text, text.len()), Some(Cmd::Move(to(CharSearch::BackwardAfter(MARK)))));
        assert_eq!(Key::Home.command(&text, begin_of_second), Some(Cmd::Noop));
        assert_eq!(Key::Home.command(&text, end_of_first), None);
    }
}
