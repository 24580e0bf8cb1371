//! What fuzzing and tests run of the shell: whatever is typed is taken apart, shown and completed.

use super::command::Command;
use super::complete::{Completion, Names};
use super::highlight::highlighted;
use super::lex::{Lexed, Piece, Pieces};
use super::rows::{plain, with_prompts, without_marks};
use crate::engine::Session;

/// A text. The first two bytes say where the cursor is.
pub(crate) fn typed(input: &[u8], session: &Session) {
    let Some(([high, low], text)) = input.split_first_chunk() else { return };
    let text = String::from_utf8_lossy(text);
    let lexed = Lexed::new(&text);
    let mut end = 0;
    for (token, place) in &lexed.tokens {
        assert!(end <= place.start && place.start <= place.end, "{token:?} stands at {place:?}, behind {end}");
        assert!(text.get(place.clone()).is_some(), "{token:?} at {place:?} cuts a letter");
        end = place.end;
    }
    let pieces = Pieces::of(&text);
    for (piece, _) in &pieces.pieces {
        match piece {
            Piece::Statement(statement) => assert!(text.contains(statement) && !statement.is_empty()),
            Piece::Command(command) => {
                assert!(command.starts_with('\\') && !command.contains('\n'));
                let _ = Command::parse(command);
            }
        }
    }
    let shown = with_prompts(&text);
    assert!(plain(&shown) == plain(&text) && without_marks(&shown).len() == shown.len());
    let mut at = usize::from(u16::from_be_bytes([*high, *low])) % (shown.len() + 1);
    while !shown.is_char_boundary(at) {
        at -= 1;
    }
    let _ = highlighted(&shown, Some(at));
    let (start, _) = Completion::new(Names::new(session.context())).complete(&shown, at);
    assert!(start <= at && shown.is_char_boundary(start), "a word begins at {start}, behind the cursor at {at}");
}
