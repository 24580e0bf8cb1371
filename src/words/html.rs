//! Pages, and texts on them.

use std::borrow::Cow;

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

/// A text as it may stand anywhere on a page: never markup, and without the control characters that a page may not hold.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Render for Text<'_> {
    fn render_to(&self, page: &mut String) {
        let text = match self.0.contains(has_no_place) {
            true => Cow::Owned(self.0.replace(has_no_place, "\u{fffd}")),
            false => Cow::Borrowed(self.0),
        };
        text.as_ref().render_to(page);
    }
}

/// What neither a page nor XML may hold.
fn has_no_place(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// A page that asks for nothing but what `policy`, a Content-Security-Policy, lets it.
pub(crate) fn page(title: &str, policy: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE) "\n"
        html lang="en" { "\n"
            head { "\n"
                meta charset="utf-8"; "\n"
                meta name="viewport" content="width=device-width, initial-scale=1"; "\n"
                meta http-equiv="Content-Security-Policy" content=(policy); "\n"
                title { (Text(title)) } "\n"
                style { "\n" (PreEscaped(style)) } "\n"
            } "\n"
            body { "\n" (body) } "\n"
        } "\n"
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_markup() {
        let text = Text("<script>a & \"b\"\0\u{ffff}").render().into_string();
        assert_eq!(text, "&lt;script&gt;a &amp; &quot;b&quot;\u{fffd}\u{fffd}");
    }
}
