//! What `\df` says of functions: their own documentation.

use std::collections::BTreeMap;

use console::Style;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::Documentation;
use globset::GlobBuilder;

use crate::config::OptionPage;
use crate::error::{Error, Result};
use crate::source::SOURCES;
use crate::words::{cut, first_sentence, width};

/// A function's page.
struct Page {
    kind: &'static str,
    syntax: String,
    description: String,
    arguments: Vec<(String, String)>,
    example: Option<String>,
}

/// The functions whose names a pattern fits, one line each; of one, its page.
///
/// # Errors
/// A pattern that is none, or that fits nothing.
pub(super) fn functions(state: &SessionState, pattern: &str, columns: usize) -> Result<String> {
    let pages = pages(state);
    let name = pattern.trim_end_matches(['(', ')']).to_lowercase();
    if let Some(page) = pages.get(&name) {
        return Ok(page.text(columns));
    }
    let wanted = if name.contains(['*', '?']) { name.clone() } else { format!("*{name}*") };
    let glob = GlobBuilder::new(&wanted).build();
    let glob =
        glob.map_err(|error| Error::Usage(format!("\\df: '{pattern}' is no pattern: {error}")))?.compile_matcher();
    let fitting: Vec<(&String, &Page)> = pages.iter().filter(|(name, _)| glob.is_match(name)).collect();
    match fitting.as_slice() {
        [] => Err(Error::Usage(format!("no function is called '{pattern}'; \\df lists all, \\df image* some"))),
        [(_, page)] => Ok(page.text(columns)),
        several => Ok(lines(several, columns)),
    }
}

fn lines(pages: &[(&String, &Page)], columns: usize) -> String {
    let longest = pages.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut text = String::new();
    for (name, page) in pages {
        let line = format!("{name:<longest$}  {:<9}  {}", page.kind, first_sentence(&page.description));
        text.push_str(cut(&line, columns).trim_end());
        text.push('\n');
    }
    text
}

/// All functions by name; aliases have the page of what they stand for.
fn pages(state: &SessionState) -> BTreeMap<String, Page> {
    let mut pages = BTreeMap::new();
    let mut add = |name: &String, kind, page: Option<&Documentation>| {
        pages.insert(name.clone(), page.map_or_else(|| Page::unknown(kind, name), |page| Page::of(kind, page)));
    };
    // Those that plans alone call begin with "__".
    for (name, function) in state.scalar_functions().iter().filter(|(name, _)| !name.starts_with("__")) {
        add(name, "scalar", function.documentation());
    }
    for (name, function) in state.higher_order_functions() {
        add(name, "scalar", function.documentation());
    }
    for (name, function) in state.window_functions() {
        add(name, "window", function.documentation());
    }
    for (name, function) in state.aggregate_functions() {
        add(name, "aggregate", function.documentation());
    }
    for name in state.table_functions().keys() {
        add(name, "table", None);
    }
    for source in SOURCES {
        let function = &source.function;
        let page = Page {
            kind: "table",
            syntax: function.syntax.to_string(),
            description: function.description.to_string(),
            arguments: source.options.iter().map(argument).collect(),
            example: None,
        };
        pages.insert(function.name.to_string(), page);
    }
    pages
}

fn argument(option: &OptionPage) -> (String, String) {
    let default = if option.default.is_empty() { String::new() } else { format!(" By default {}.", option.default) };
    (option.name.to_string(), format!("{}{default}", option.description))
}

impl Page {
    fn of(kind: &'static str, page: &Documentation) -> Self {
        Self {
            kind,
            syntax: page.syntax_example.clone(),
            description: page.description.clone(),
            arguments: page.arguments.clone().unwrap_or_default(),
            example: page.sql_example.clone(),
        }
    }

    fn unknown(kind: &'static str, name: &str) -> Self {
        Self { kind, syntax: format!("{name}(...)"), description: String::new(), arguments: Vec::new(), example: None }
    }

    fn text(&self, columns: usize) -> String {
        let mut text = format!("{}\n", Style::new().bold().apply_to(&self.syntax));
        if !self.description.is_empty() {
            text.push_str(&format!("\n{}\n", wrapped(&self.description, columns, 0)));
        }
        if !self.arguments.is_empty() {
            text.push('\n');
        }
        let longest = self.arguments.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        for (name, description) in &self.arguments {
            text.push_str(&format!("  {name:<longest$}  {}\n", wrapped(description, columns, longest + 4)));
        }
        if let Some(example) = &self.example {
            // Examples are written for pages of Markdown.
            let lines = example.lines().filter(|line| !line.starts_with("```"));
            text.push_str(&format!("\n{}\n", lines.collect::<Vec<_>>().join("\n").trim()));
        }
        text
    }
}

/// A text in lines of so many columns, all but the first behind an indent.
fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    let room = columns.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() || width(line) + 1 + width(word) <= room => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn text(pattern: &str) -> String {
        let engine = Engine::local(1).expect("an engine");
        let state = engine.session().context().state();
        let text = functions(&state, pattern, 80).unwrap_or_else(|error| error.to_string());
        console::strip_ansi_codes(&text).into_owned()
    }

    #[test]
    fn a_pattern_lists_and_a_name_shows_its_page() {
        let list = text("image*");
        assert!(list.lines().count() > 5 && list.lines().all(|line| line.starts_with("image_")), "{list}");
        let page = text("image_decode");
        assert!(page.contains("on_error") && page.contains("> SELECT path, image_decode(content)"), "{page}");
        assert!(!page.contains("```"), "{page}");
        assert!(text("read_images").contains("shuffle_seed"));
        assert!(text("ABS").starts_with("abs(numeric_expression)"));
        assert_eq!(
            text("nothing_like_it"),
            "no function is called 'nothing_like_it'; \\df lists all, \\df image* some"
        );
    }

    #[test]
    fn texts_are_wrapped_behind_their_indent() {
        assert_eq!(wrapped("one two three four five", 24, 4), "one two three four\n    five");
    }
}
