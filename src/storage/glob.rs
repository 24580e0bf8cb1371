//! Patterns of paths: what they match, and what of a folder they can match.

use std::ffi::OsStr;
use std::path::Path;

use datafusion::common::{Result, plan_datafusion_err};
use globset::{GlobBuilder, GlobMatcher};

/// What the paths below a folder must match.
#[derive(Debug)]
pub(super) struct Glob {
    matcher: GlobMatcher,
    /// What the names of the first folders and files must be, as far down as that can be told.
    parts: Vec<Part>,
    /// What the first name begins with, whatever it is.
    beginning: String,
    /// Whether it goes on below those, at any depth.
    is_deep: bool,
    /// Whether the pattern itself says which extension is meant.
    pub(super) names_extension: bool,
}

/// What a name must be.
#[derive(Debug)]
pub(super) enum Part {
    /// Just this.
    Literal(String),
    /// Something that the pattern matches; hidden names where it begins with a dot.
    Pattern { matcher: GlobMatcher, is_hidden: bool },
}

/// What of a folder may match.
pub(super) enum Wanted<'a> {
    /// The one name.
    Literal(&'a str),
    /// Names that match this.
    Matching(&'a GlobMatcher, bool),
    /// All names.
    All,
}

impl Glob {
    /// Takes a pattern; `text` is what an error names.
    ///
    /// # Errors
    /// What is no pattern, such as a bracket that nothing closes.
    pub(super) fn parse(pattern: &str, text: &str) -> Result<Self> {
        let bad = |error: globset::Error| plan_datafusion_err!("bad glob '{text}': {}", error.kind());
        let names = names(pattern);
        // What has no wildcard is a name, whatever it holds.
        let escaped =
            names.iter().map(|name| if has_wildcard(name) { (*name).to_string() } else { globset::escape(name) });
        let matcher = matcher(&escaped.collect::<Vec<_>>().join("/")).map_err(bad)?;
        let mut parts = Vec::new();
        for name in &names {
            // Two stars match any number of folders, and a slash between braces one or more.
            if name.contains("**") || name.contains('/') {
                break;
            }
            parts.push(match has_wildcard(name) {
                true => Part::Pattern { matcher: self::matcher(name).map_err(bad)?, is_hidden: name.starts_with('.') },
                false => Part::Literal((*name).to_string()),
            });
        }
        let names_extension = pattern.rsplit_once('.').is_some_and(|(_, end)| !end.contains(['*', '?', '/']));
        let beginning = pattern.split(['*', '?', '[', '{', '/']).next().unwrap_or_default().to_string();
        Ok(Self { matcher, beginning, is_deep: parts.len() < names.len(), parts, names_extension })
    }

    /// What all paths that match begin with.
    pub(super) fn beginning(&self) -> &str {
        &self.beginning
    }

    /// Whether a path below the base matches.
    pub(super) fn is_match(&self, below: &Path) -> bool {
        self.matcher.is_match(below)
    }

    /// Whether a key below the base matches; hidden names only where the pattern says so.
    pub(super) fn is_match_of_object(&self, below: &str) -> bool {
        let names: Vec<&str> = below.split('/').collect();
        let is_shown = |(depth, name): (usize, &&str)| self.wanted(depth).holds(OsStr::new(name));
        self.matcher.is_match(below) && names.iter().enumerate().all(is_shown)
    }

    /// What may match in a folder that is so far below the base.
    pub(super) fn wanted(&self, depth: usize) -> Wanted<'_> {
        match self.parts.get(depth) {
            Some(Part::Literal(name)) => Wanted::Literal(name),
            Some(Part::Pattern { matcher, is_hidden }) => Wanted::Matching(matcher, *is_hidden),
            None => Wanted::All,
        }
    }

    /// Whether something may match below the folders in a folder that is so far below the base.
    pub(super) fn goes_below(&self, depth: usize) -> bool {
        self.is_deep || depth + 1 < self.parts.len()
    }
}

impl Wanted<'_> {
    /// Whether a name may be it. Hidden ones are only where the pattern says so.
    pub(super) fn holds(&self, name: &OsStr) -> bool {
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        match self {
            Self::Literal(literal) => name == OsStr::new(literal),
            Self::Matching(matcher, takes_hidden) => (*takes_hidden || !is_hidden) && matcher.is_match(name),
            Self::All => !is_hidden,
        }
    }
}

/// Whether a name seems to be a pattern.
pub(super) fn has_wildcard(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// A backslash is itself: what a wildcard is not, stands in brackets, as in `[*]`.
fn matcher(pattern: &str) -> std::result::Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build()?;
    Ok(glob.compile_matcher())
}

/// Cuts a pattern at slashes that are not between braces.
fn names(pattern: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut start, mut braces) = (0, 0_usize);
    for (at, letter) in pattern.char_indices() {
        match letter {
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            '/' if braces == 0 => {
                names.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(&pattern[start..]);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_knows_how_far_down_it_goes() {
        let goes_below = |pattern: &str| {
            let glob = Glob::parse(pattern, pattern).expect("a pattern");
            [0, 1, 2].map(|depth| glob.goes_below(depth))
        };
        assert_eq!(goes_below("*.jpg"), [false, false, false]);
        assert_eq!(goes_below("*/b/*.jpg"), [true, true, false]);
        assert_eq!(goes_below("*/**/x"), [true, true, true]);
        assert_eq!(goes_below("{a/b,c}/*.jpg"), [true, true, true]);
    }

    #[test]
    fn what_matches_begins_as_the_pattern_does() {
        let cases = [("2024-*/x", "2024-"), ("*", ""), ("a/**", "a"), ("{a,b}", ""), ("x[1]", "x"), ("a?", "a")];
        for (pattern, beginning) in cases {
            assert_eq!(Glob::parse(pattern, pattern).expect("a pattern").beginning(), beginning, "{pattern}");
        }
    }

    #[test]
    fn what_has_no_wildcard_is_a_name() {
        let glob = Glob::parse("*/x}y]/a\\b.jpg", "").expect("a pattern");
        assert!(glob.is_match(Path::new("z/x}y]/a\\b.jpg")));
        assert!(!glob.is_match(Path::new("z/x}y]/ab.jpg")));
        let error = Glob::parse("[a/*.jpg", "x/[a/*.jpg").expect_err("unclosed").strip_backtrace();
        assert!(error.contains("bad glob 'x/[a/*.jpg'"), "{error}");
    }
}
