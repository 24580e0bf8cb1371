//! Parts of texts.

/// The first sentence of a description.
pub(crate) fn first_sentence(description: &str) -> &str {
    description.split_inclusive(". ").next().unwrap_or_default().trim()
}
