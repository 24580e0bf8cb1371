//! The values of options, read from their texts: one wording for each kind.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use datafusion::common::{Result, plan_err};

/// True or false.
///
/// # Errors
/// Another word.
pub(crate) fn boolean(name: &str, value: &str) -> Result<bool> {
    match word(value, &[("true", true), ("false", false)]) {
        Some(value) => Ok(value),
        None => plan_err!("{name}: must be true or false, got '{value}'"),
    }
}

/// A number of things, 1 to 100000.
///
/// # Errors
/// Another number, or none.
pub(crate) fn count(name: &str, value: &str) -> Result<usize> {
    whole_number(name, value, 1..=100_000, "")
}

/// A whole number in a range, with the unit that errors name: nothing, or such as ` of bytes`.
///
/// # Errors
/// Another number, or none.
pub(crate) fn whole_number<N>(name: &str, value: &str, range: RangeInclusive<N>, unit: &str) -> Result<N>
where
    N: FromStr + PartialOrd + Display,
{
    match value.trim().parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            plan_err!("{name}: must be a whole number{unit} from {} to {}, got '{value}'", range.start(), range.end())
        }
    }
}

/// A whole number that is not negative.
///
/// # Errors
/// Anything else.
pub(crate) fn whole_number_from_0(name: &str, value: &str) -> Result<u64> {
    match value.trim().parse() {
        Ok(number) => Ok(number),
        Err(_) => plan_err!("{name}: must be a whole number from 0, got '{value}'"),
    }
}

/// One of some words, in any case. A value may have several words, of which errors name the first.
///
/// # Errors
/// Another word.
pub(crate) fn one_of<T: Copy + PartialEq>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T> {
    if let Some(choice) = word(value, choices) {
        return Ok(choice);
    }
    let is_first = |index: usize| choices[..index].iter().all(|(_, earlier)| *earlier != choices[index].1);
    let words: Vec<String> =
        (0..choices.len()).filter(|index| is_first(*index)).map(|index| format!("'{}'", choices[index].0)).collect();
    let (last, others) = words.split_last().map_or(("", &words[..]), |(last, others)| (last.as_str(), others));
    plan_err!("{name}: must be {} or {last}, got '{value}'", others.join(", "))
}

fn word<T: Copy>(value: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value.trim())).map(|(_, choice)| *choice)
}

/// The parts of a list, separated by commas; empty ones are none.
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_is_answered_with_what_is_allowed() {
        let text = |result: Result<u64>| result.map_err(|error| error.strip_backtrace());
        let error = |message: &str| Err(format!("Error during planning: {message}"));
        let letters = [("a", 1), ("b", 2), ("bee", 2), ("c", 3)];
        assert_eq!(text(one_of("x", " BEE ", &letters)), Ok(2));
        assert_eq!(text(one_of("x", "d", &letters)), error("x: must be 'a', 'b' or 'c', got 'd'"));
        assert_eq!(text(one_of("x", "d", &letters[..2])), error("x: must be 'a' or 'b', got 'd'"));
        assert_eq!(text(boolean("x", "True").map(u64::from)), Ok(1));
        assert_eq!(text(boolean("x", "1").map(u64::from)), error("x: must be true or false, got '1'"));
        assert_eq!(
            text(whole_number("x", "0", 1..=9, " of bytes")),
            error("x: must be a whole number of bytes from 1 to 9, got '0'")
        );
        assert_eq!(text(whole_number_from_0("x", "-1")), error("x: must be a whole number from 0, got '-1'"));
        assert_eq!(list(" a,, b ,").collect::<Vec<_>>(), ["a", "b"]);
    }
}
