//! How many rows may be rejected: a number, or a share of all.

use std::fmt;

use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

/// The most rows that may be rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaxRejects {
    /// So many.
    Count(u64),
    /// So large a part of the rows.
    Share(Share),
}

/// A part of all rows, less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share {
    millionths: u32,
}

/// Rows that have come before a share stops a run: of a few rows one that is rejected is a large part.
const LEAST_ROWS: u64 = 1000;
const MILLION: f64 = 1e6;

impl MaxRejects {
    /// Reads the option: `100`, `1%`, `0.01`.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn parse(name: &str, value: &str) -> Result<Self> {
        let count = || value.parse().ok().map(Self::Count);
        match count().or_else(|| Share::parse(value).map(Self::Share)) {
            Some(most) => Ok(most),
            None => plan_err!(
                "{name}: must be a whole number from 0, or a share of the rows between 0 and 1 such as '1%' or '0.01' (four decimals of a \
                 percent at most), got '{value}'"
            ),
        }
    }

    /// Whether so many of all rows are too many.
    pub(super) fn is_exceeded(self, rejected: u64, rows: u64) -> bool {
        match self {
            Self::Count(most) => rejected > most,
            Self::Share(share) => {
                u128::from(rejected) * MILLION as u128 > u128::from(rows) * u128::from(share.millionths)
            }
        }
    }

    /// Whether so many of the rows that have come until now are too many to go on.
    pub(super) fn stops(self, rejected: u64, rows: u64) -> bool {
        let may_stop = matches!(self, Self::Count(_)) || rows >= LEAST_ROWS;
        may_stop && self.is_exceeded(rejected, rows)
    }
}

impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(most) => most.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

impl Share {
    fn parse(value: &str) -> Option<Self> {
        let (number, unit) = match value.strip_suffix('%') {
            Some(percent) => (percent.trim(), MILLION / 100.0),
            None => (value.contains('.').then_some(value)?, MILLION),
        };
        let millionths = number.parse::<f64>().ok()? * unit;
        let whole = millionths.round();
        let is_share = (1.0..MILLION).contains(&whole) && (millionths - whole).abs() < 1e-4;
        is_share.then_some(Self { millionths: whole as u32 })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.millionths) / (MILLION / 100.0))
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is no share"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_share_is_read_and_written() {
        for (text, shown, json) in [
            ("0", "0", "0"),
            ("100", "100", "100"),
            ("1%", "1%", "\"1%\""),
            ("0.01", "1%", "\"1%\""),
            ("0.5 %", "0.5%", "\"0.5%\""),
            ("0.0001%", "0.0001%", "\"0.0001%\""),
            ("99.9999%", "99.9999%", "\"99.9999%\""),
        ] {
            let most = MaxRejects::parse("max_rejects", text).expect(text);
            let written = serde_json::to_string(&most).expect("text");
            assert_eq!((most.to_string().as_str(), written.as_str()), (shown, json));
            assert_eq!(serde_json::from_str::<MaxRejects>(&written).expect(text), most);
        }
        for bad in ["-1", "0%", "100%", "1.0", "0.0", "1e9%", "0.00001%", "one", "", "%", "nan%", "1.5"] {
            let error = MaxRejects::parse("max_rejects", bad).expect_err(bad).strip_backtrace();
            assert!(error.contains("max_rejects: must be a whole number from 0, or a share"), "{error}");
        }
    }

    #[test]
    fn a_share_is_of_all_rows_and_stops_when_there_are_enough() {
        let most = MaxRejects::parse("max_rejects", "1%").expect("a share");
        assert!(!most.is_exceeded(1, 100) && most.is_exceeded(2, 199) && !most.is_exceeded(2, 200));
        assert!(!most.stops(999, 999) && most.stops(11, 1000) && !most.stops(10, 1000));
        assert!(!MaxRejects::Count(3).stops(3, 3) && MaxRejects::Count(3).stops(4, 4));
    }
}
