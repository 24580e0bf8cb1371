//! What `\set`, `\format` and `\timing` change of the shell itself.

use std::fmt;

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::output::{Format, Look};

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// As what rows are printed.
    pub(super) format: Format,
    /// Whether each statement's time is told.
    pub(super) is_timed: bool,
    max_rows: Most,
    max_width: Most,
}

/// The most rows or columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Most {
    /// What the terminal calls for.
    Auto,
    All,
    Number(usize),
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::All => f.write_str("all"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl Most {
    fn parse(name: &str, value: &str) -> Result<Self> {
        match value {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            _ => match value.parse() {
                Ok(number @ 1..) => Ok(Self::Number(number)),
                _ => Err(Error::Usage(format!("{name} must be a number from 1, all or auto, got '{value}'"))),
            },
        }
    }

    fn or(self, auto: Option<usize>) -> Option<usize> {
        match self {
            Self::Auto => auto,
            Self::All => None,
            Self::Number(number) => Some(number),
        }
    }
}

impl Settings {
    /// What a shell begins with.
    pub(super) fn new(format: Format) -> Self {
        Self { format, is_timed: true, max_rows: Most::Auto, max_width: Most::Auto }
    }

    /// How a table is drawn on the terminal.
    pub(super) fn look(&self) -> Look {
        let look = Look::of_stdout();
        Look { max_rows: self.max_rows.or(look.max_rows), width: self.max_width.or(look.width), ..look }
    }

    /// Names, values and what they are about.
    pub(super) fn entries(&self) -> [[String; 3]; 4] {
        let switch = if self.is_timed { "on" } else { "off" };
        [
            ["format".to_string(), format_name(self.format), "How rows are printed.".to_string()],
            [
                "max_rows".to_string(),
                self.max_rows.to_string(),
                "Rows of a table that are shown, `all` or `auto`.".to_string(),
            ],
            [
                "max_width".to_string(),
                self.max_width.to_string(),
                "Columns of the terminal that a table takes, `all` or `auto`.".to_string(),
            ],
            ["timing".to_string(), switch.to_string(), "Whether each statement's time is told.".to_string()],
        ]
    }

    /// Sets one of them; false where it is none of them.
    ///
    /// # Errors
    /// A value that it doesn't take.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "format" => self.format = parse_format(value)?,
            "timing" => self.is_timed = parse_switch(value)?,
            "max_rows" => self.max_rows = Most::parse(name, value)?,
            "max_width" => self.max_width = Most::parse(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The names of formats.
pub(super) fn formats() -> Vec<String> {
    Format::value_variants().iter().copied().map(format_name).collect()
}

fn format_name(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}

fn parse_format(value: &str) -> Result<Format> {
    let parsed = Format::from_str(value, true).ok();
    parsed.ok_or_else(|| Error::Usage(format!("a format is one of {}, got '{value}'", formats().join(", "))))
}

fn parse_switch(value: &str) -> Result<bool> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(Error::Usage(format!("timing is on or off, got '{value}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_what_they_are_about_and_say_so() {
        let mut settings = Settings::new(Format::Table);
        assert!(settings.set("format", "jsonl").expect("a format"));
        assert!(settings.set("max_rows", "all").expect("a number"));
        assert!(!settings.set("pixmill.resume", "true").expect("another's"));
        let error = settings.set("max_width", "0").expect_err("no number");
        assert_eq!(error.to_string(), "max_width must be a number from 1, all or auto, got '0'");
        let error = settings.set("format", "xml").expect_err("no format");
        assert_eq!(error.to_string(), "a format is one of table, csv, json, jsonl, markdown, got 'xml'");
        let values = settings.entries().map(|[_, value, _]| value);
        assert_eq!(values, ["jsonl", "all", "auto", "on"]);
    }
}
