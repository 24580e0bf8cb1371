//! Numbers of things, in words.

use indicatif::HumanCount;

/// `1 image`, `1,500 images`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 1500].map(|count| counted(count, "image")), ["0 images", "1 image", "1,500 images"]);
    }
}
