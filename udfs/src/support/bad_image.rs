//! Why an image can't be decoded: its class, which is one of a closed list, and the reason in words.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use image::ImageError;

use super::limits::too_slow;

/// What is wrong with an image file. There are no others, so that one can count and choose by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageErrorClass {
    /// A file of no bytes.
    Empty,
    /// Bytes that don't begin as an image of any known format does.
    NotAnImage,
    /// A format, or a kind of it, that isn't decoded.
    Unsupported,
    /// A file that ends before its image does.
    Truncated,
    /// A file that says what its format can't say.
    Broken,
    /// More pixels, frames or bytes than the limits allow.
    TooLarge,
    /// Decoding took longer than the limit allows.
    TooSlow,
    /// The decoder panicked.
    CodecPanic,
}

impl ImageErrorClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::NotAnImage,
        Self::Unsupported,
        Self::Truncated,
        Self::Broken,
        Self::TooLarge,
        Self::TooSlow,
        Self::CodecPanic,
    ];

    /// The word for it, as SQL and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAnImage => "not_an_image",
            Self::Unsupported => "unsupported",
            Self::Truncated => "truncated",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::CodecPanic => "codec_panic",
        }
    }
}

/// Why an image can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImage {
    /// What kind of fault it is.
    pub class: ImageErrorClass,
    /// The fault, in words for the person who owns the image.
    pub reason: String,
}

impl fmt::Display for BadImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl BadImage {
    fn new(class: ImageErrorClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into() }
    }

    pub(crate) fn empty() -> Self {
        Self::new(ImageErrorClass::Empty, "empty file (0 bytes)")
    }

    pub(crate) fn not_an_image(reason: impl Into<String>) -> Self {
        Self::new(ImageErrorClass::NotAnImage, reason)
    }

    /// A kind of a format that isn't decoded, or a format that is known and isn't.
    pub(crate) fn unsupported(format: &str, what: impl fmt::Display) -> Self {
        Self::new(ImageErrorClass::Unsupported, format!("unsupported {format}: {what}"))
    }

    pub(crate) fn truncated(format: &str, what: impl fmt::Display) -> Self {
        Self::new(ImageErrorClass::Truncated, format!("truncated {format}: {what}"))
    }

    pub(crate) fn broken(format: &str, what: impl fmt::Display) -> Self {
        Self::new(ImageErrorClass::Broken, format!("broken {format}: {what}"))
    }

    pub(crate) fn too_large(what: impl fmt::Display) -> Self {
        Self::new(ImageErrorClass::TooLarge, format!("too large: {what}"))
    }

    pub(crate) fn too_slow(limit: Duration) -> Self {
        let reason = format!("too slow: decoding took longer than the limit of {} seconds", limit.as_secs_f64());
        Self::new(ImageErrorClass::TooSlow, reason)
    }

    pub(crate) fn codec_panic(codec: &str, message: &str) -> Self {
        Self::new(ImageErrorClass::CodecPanic, format!("the {codec} panicked: {message}"))
    }

    /// Whether there may be rows before the fault. What was given up, or is too much, isn't tried again.
    pub(crate) fn may_have_rows(&self) -> bool {
        matches!(self.class, ImageErrorClass::Truncated | ImageErrorClass::Broken)
    }

    /// The same of an image of which so many of a hundred rows could be decoded.
    pub(crate) fn with_rows(self, percent: usize) -> Self {
        Self { reason: format!("{}; {percent} % of the rows are there", self.reason), ..self }
    }

    /// What a decoder of the crate `image` says.
    pub(crate) fn of_decoder(format: &str, error: &ImageError) -> Self {
        match error {
            ImageError::Unsupported(_) => Self::unsupported(format, error),
            ImageError::Limits(_) => Self::too_large(error),
            _ if is_of_reading(error, io::ErrorKind::TimedOut) => too_slow(),
            _ if is_of_reading(error, io::ErrorKind::UnexpectedEof) => Self::truncated(format, error),
            _ => Self::broken(format, error),
        }
    }
}

/// Whether an error comes of reading that failed in this way.
fn is_of_reading(error: &ImageError, kind: io::ErrorKind) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = match error {
        ImageError::IoError(error) => Some(error),
        error => error.source(),
    };
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == kind) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::image_error;
    use crate::support::testing::{gif, jpeg, png, tiff};

    #[test]
    fn each_class_has_a_word_of_its_own() {
        let names: HashSet<&str> = ImageErrorClass::ALL.into_iter().map(ImageErrorClass::name).collect();
        assert_eq!(names.len(), ImageErrorClass::ALL.len());
    }

    #[test]
    fn files_that_end_too_early_are_truncated_whatever_their_format() {
        for file in [jpeg(40, 40), png(40, 40), gif(40, 40, 1), tiff(40, 40)] {
            let error = image_error(&file[..file.len() / 2]).expect("a reason");
            assert_eq!(error.class, ImageErrorClass::Truncated, "{error}");
            assert!(error.reason.starts_with("truncated "), "{error}");
        }
    }

    #[test]
    fn what_no_format_says_is_broken() {
        let mut file = png(40, 40);
        file[20] ^= 1;
        let error = image_error(&file).expect("a reason");
        assert_eq!(error.class, ImageErrorClass::Broken, "{error}");
    }
}
