//! What fuzzing and tests run of texts: whatever a value holds, it is shown within its width and does nothing.

use maud::Render;

use super::terminal::is_seen;
use super::{
    Text, beginning, cut, cut_between, elements, identifier, one_line, padded, printable, quoted, unescaped, width,
};

/// Texts that are shown. The first byte is the width that there is.
pub(crate) fn texts(input: &[u8]) {
    let Some((most, text)) = input.split_first() else { return };
    let most = usize::from(*most);
    let text = String::from_utf8_lossy(text);
    let shown = printable(&text);
    assert!(shown.chars().all(is_seen), "{shown:?} does something to a terminal");
    assert!(printable(&shown) == shown, "what is printable stays as it is");
    assert!(width(beginning(&shown, most)) <= most && shown.starts_with(beginning(&shown, most)));
    assert!(width(&cut(&shown, most)) <= most, "{shown:?} in {most}");
    assert!(width(&cut_between(&shown, most)) <= most, "{shown:?} in {most}");
    for to_the_right in [true, false] {
        let padded = padded(&shown, most, to_the_right);
        assert!(padded.contains(&shown) && width(&padded) >= most, "{shown:?} in {most}");
    }
    assert!(one_line(&text, most).chars().count() <= most && !one_line(&text, most).contains('\n'));
    let page = Text(&text).render().into_string();
    assert!(!page.contains(['<', '>', '"']) && !page.chars().any(char::is_control), "{page:?}");
    for (constant, quote) in [(quoted(&text), '\''), (identifier(&text), '"')] {
        let inner = constant.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).unwrap_or_default();
        let twice = format!("{quote}{quote}");
        assert!(!inner.replace(&twice, "").contains(quote) && inner.replace(&twice, &quote.to_string()) == text);
    }
    for element in elements(&text, "Code") {
        assert!(unescaped(element).len() <= element.len());
    }
}
