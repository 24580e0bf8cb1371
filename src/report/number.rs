//! Numbers as a reader wants them: few digits, thousands apart, with their units.

use indicatif::HumanCount;

/// A number with three digits that count: `1,204`, `39.1`, `0.0123`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "\u{2013}".to_string();
    }
    let size = value.abs();
    let text = match size {
        _ if size >= 1e12 => scientific(size),
        _ if size >= 99.95 => HumanCount(size.round() as u64).to_string(),
        _ if size >= 9.995 => format!("{size:.1}"),
        _ if size >= 0.9995 => format!("{size:.2}"),
        0.0 => "0".to_string(),
        _ if size >= 1e-3 => format!("{size:.*}", (2.0 - size.log10().floor()) as usize),
        _ => scientific(size),
    };
    let is_zero = !text.chars().any(|character| ('1'..='9').contains(&character));
    if value < 0.0 && !is_zero { format!("\u{2212}{text}") } else { text }
}

/// A number whose power of ten stands apart.
fn scientific(size: f64) -> String {
    let text = format!("{size:.2e}");
    match text.split_once('e') {
        Some((digits, power)) => format!("{digits} \u{d7} 10^{}", power.replace('-', "\u{2212}")),
        None => text,
    }
}

/// A whole number: `1,204`.
pub(super) fn whole(value: i64) -> String {
    let sign = if value < 0 { "\u{2212}" } else { "" };
    format!("{sign}{}", HumanCount(value.unsigned_abs()))
}

/// A share of the variance: `0.83`, and in words where a fit is worse than the mean.
pub(super) fn r2(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "\u{2013}".to_string(),
        _ if value <= -99.5 => format!("\u{2212}{}", HumanCount(value.abs().round() as u64)),
        _ if value < -0.005 => format!("\u{2212}{:.2}", value.abs()),
        // All good fits would be 1.00.
        0.995..0.999_95 => format!("{:.4}", floored(value, 4)),
        _ => format!("{:.2}", value.abs()),
    }
}

fn floored(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).floor() / scale
}

/// A time: `340 ms`, `12.3 s`, `34 min 12 s`, `3 h 12 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "\u{2013}".to_string();
    }
    let size = seconds.abs();
    if size < 1.0 {
        return format!("{} ms", number(seconds * 1000.0));
    }
    if size < 120.0 {
        return format!("{} s", number(seconds));
    }
    let sign = if seconds < 0.0 { "\u{2212}" } else { "" };
    let whole = size.round() as u64;
    match whole {
        ..7200 => format!("{sign}{} min {} s", whole / 60, whole % 60),
        7200..172_800 => format!("{sign}{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{sign}{} d {} h", HumanCount(whole / 86_400), whole % 86_400 / 3600),
    }
}

/// Bytes in powers of a thousand, as MB/s are: `118 kB`, `3.40 GB`.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 { format!("{value:.0}") } else { number(value) };
    format!("{digits} {}", UNITS[unit])
}

/// A share of a whole: `12 %`, `0.4 %`.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value.abs() {
        0.0 => "0 %".to_string(),
        size if size < 1.0 => format!("{value:.1} %"),
        _ => format!("{value:.0} %"),
    }
}

/// A ratio: `3.9`, `12`, `0.83`, `1.04`.
pub(super) fn ratio(value: f64) -> String {
    match value.abs() {
        size if size >= 99.5 => number(value),
        size if size >= 9.95 => format!("{value:.0}"),
        // What differs by a few percent would be 1.0 or 1.1.
        size if size >= 1.15 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [only] => only.as_ref().to_string(),
        [start @ .., last] => {
            let start: Vec<&str> = start.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", start.join(", "), last.as_ref())
        }
    }
}

/// Things that a sentence names at most.
pub(super) const MOST_NAMED: usize = 4;

/// The first of some texts, and how many more there are.
pub(super) fn named(all: &[String]) -> String {
    let mut named: Vec<String> = all.iter().take(MOST_NAMED).cloned().collect();
    let more = all.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    listed(&named)
}

/// A sentence's first letter as one.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let values = [0.0, 0.012_34, 0.000_004_56, 1.0, 9.999, 39.06, 99.96, 1204.4, -1204.0, 3e15, f64::NAN];
        let expected =
            ["0", "0.0123", "4.56 × 10^−6", "1.00", "10.0", "39.1", "100", "1,204", "−1,204", "3.00 × 10^15", "–"];
        assert_eq!(values.map(number), expected);
        assert_eq!([-0.0, -0.4].map(number), ["0", "−0.400"]);
    }

    #[test]
    fn times_have_the_units_of_their_size() {
        let times = [0.0123, 0.34, 12.34, 119.0, 2052.0, 11_520.0, 200_000.0];
        let expected = ["12.3 ms", "340 ms", "12.3 s", "119 s", "34 min 12 s", "3 h 12 min", "2 d 7 h"];
        assert_eq!(times.map(duration), expected);
    }

    #[test]
    fn bytes_are_counted_in_thousands() {
        assert_eq!([512.0, 118_000.0, 3.4e9].map(bytes), ["512 bytes", "118 kB", "3.40 GB"]);
    }

    #[test]
    fn a_good_fit_is_not_rounded_up_to_a_perfect_one() {
        let values = [0.834, 0.999_96, 0.999_81, 1.0, -0.4, -1204.0];
        assert_eq!(values.map(r2), ["0.83", "1.00", "0.9998", "1.00", "−0.40", "−1,204"]);
    }

    #[test]
    fn lists_end_in_and() {
        assert_eq!([&["a"][..], &["a", "b"], &["a", "b", "c"]].map(listed), ["a", "a and b", "a, b and c"]);
        let six = ["a", "b", "c", "d", "e", "f"].map(str::to_string);
        assert_eq!([named(&six[..2]), named(&six)], ["a and b", "a, b, c, d and 2 more"]);
    }
}
