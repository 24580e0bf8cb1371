//! Which pictures a terminal can show, told by its environment.

use clap::ValueEnum;

/// How pictures are shown in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Graphics {
    /// The graphics protocol of kitty, which Ghostty has, too
    Kitty,
    /// Inline images of iTerm2, which WezTerm has, too
    Iterm2,
    /// Sixel graphics, as of the VT340
    Sixel,
    /// Coloured half-blocks: two pixels a character, in any terminal
    Blocks,
    /// No pictures
    None,
}

/// The variable that says it where the environment doesn't tell.
pub(crate) const VARIABLE: &str = "PIXMILL_GRAPHICS";

/// What a terminal is told by: the beginning of a variable's value.
const KNOWN: [(&str, &str, Graphics); 18] = [
    // Programs between this one and the terminal pass pictures on only where they are told to, and then not all.
    ("TMUX", "", Graphics::Blocks),
    ("STY", "", Graphics::Blocks),
    ("TERM", "tmux", Graphics::Blocks),
    ("TERM", "screen", Graphics::Blocks),
    ("KITTY_WINDOW_ID", "", Graphics::Kitty),
    ("TERM", "xterm-kitty", Graphics::Kitty),
    ("TERM", "xterm-ghostty", Graphics::Kitty),
    ("TERM_PROGRAM", "ghostty", Graphics::Kitty),
    ("TERM_PROGRAM", "iTerm.app", Graphics::Iterm2),
    ("TERM_PROGRAM", "WezTerm", Graphics::Iterm2),
    // This one is what ssh passes on.
    ("LC_TERMINAL", "iTerm2", Graphics::Iterm2),
    ("WEZTERM_PANE", "", Graphics::Iterm2),
    ("TERM", "foot", Graphics::Sixel),
    ("TERM", "mlterm", Graphics::Sixel),
    ("TERM", "contour", Graphics::Sixel),
    ("TERM", "yaft", Graphics::Sixel),
    ("TERM_PROGRAM", "mintty", Graphics::Sixel),
    ("TERM_PROGRAM", "contour", Graphics::Sixel),
];

impl Graphics {
    /// What the variable says, else what the terminal is known for, else half-blocks; nothing where there is no terminal.
    ///
    /// # Errors
    /// A variable that says something else.
    pub(crate) fn choose(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> Result<Self, String> {
        if let Some(asked) = variable(VARIABLE).filter(|asked| !asked.is_empty()) {
            return Self::from_str(&asked, true)
                .map_err(|_| format!("{VARIABLE} must be kitty, iterm2, sixel, blocks or none, got '{asked}'"));
        }
        let term = variable("TERM").unwrap_or_default();
        if !is_terminal || term.is_empty() || term == "dumb" {
            return Ok(Self::None);
        }
        let is_set = |name: &str, beginning: &str| {
            variable(name).is_some_and(|value| !value.is_empty() && value.starts_with(beginning))
        };
        let known = KNOWN.iter().find(|(name, beginning, _)| is_set(name, beginning));
        Ok(known.map_or(Self::Blocks, |(.., graphics)| *graphics))
    }

    /// What stdout's terminal can show.
    ///
    /// # Errors
    /// A variable that says something else.
    pub(crate) fn of_stdout() -> Result<Self, String> {
        Self::choose(|name| std::env::var(name).ok(), std::io::IsTerminal::is_terminal(&std::io::stdout()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(environment: &[(&str, &str)], is_terminal: bool) -> Result<Graphics, String> {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Graphics::choose(variable, is_terminal)
    }

    #[test]
    fn terminals_are_told_by_their_environment() {
        let cases: [(&[(&str, &str)], Graphics); 20] = [
            (&[("TERM", "xterm-kitty")], Graphics::Kitty),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Graphics::Kitty),
            (&[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")], Graphics::Kitty),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")], Graphics::Iterm2),
            (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Graphics::Iterm2),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Graphics::Iterm2),
            (&[("TERM", "wezterm"), ("WEZTERM_PANE", "0")], Graphics::Iterm2),
            (&[("TERM", "foot")], Graphics::Sixel),
            (&[("TERM", "foot-extra")], Graphics::Sixel),
            (&[("TERM", "mlterm-256color")], Graphics::Sixel),
            (&[("TERM", "xterm"), ("TERM_PROGRAM", "mintty")], Graphics::Sixel),
            // An xterm may or may not be a VT340, and nothing tells.
            (&[("TERM", "xterm-256color")], Graphics::Blocks),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "vscode")], Graphics::Blocks),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "Apple_Terminal")], Graphics::Blocks),
            (&[("TERM", "linux")], Graphics::Blocks),
            (
                &[("TERM", "xterm-kitty"), ("KITTY_WINDOW_ID", "1"), ("TMUX", "/tmp/tmux-0/default,1,0")],
                Graphics::Blocks,
            ),
            (&[("TERM", "tmux-256color"), ("LC_TERMINAL", "iTerm2")], Graphics::Blocks),
            (&[("TERM", "screen-256color"), ("KITTY_WINDOW_ID", "1")], Graphics::Blocks),
            (&[("TERM", "dumb"), ("KITTY_WINDOW_ID", "1")], Graphics::None),
            (&[], Graphics::None),
        ];
        for (environment, expected) in cases {
            assert_eq!(chosen(environment, true), Ok(expected), "{environment:?}");
            assert_eq!(chosen(environment, false), Ok(Graphics::None), "{environment:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_done_in_any_terminal_and_without_one() {
        let asked = |value: &str, is_terminal| chosen(&[("TERM", "foot"), (VARIABLE, value)], is_terminal);
        assert_eq!([asked("blocks", true), asked("KITTY", false)], [Ok(Graphics::Blocks), Ok(Graphics::Kitty)]);
        assert_eq!(asked("", true), Ok(Graphics::Sixel));
        assert_eq!(
            asked("ascii", true),
            Err("PIXMILL_GRAPHICS must be kitty, iterm2, sixel, blocks or none, got 'ascii'".to_string())
        );
    }
}
