//! Why an image can't be decoded or encoded.

/// Why an image can't be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file doesn't begin as a JPEG does.
    #[error("not a jpeg: it doesn't start with ff d8")]
    NotJpeg,
    /// The file ends before its image does.
    #[error("truncated: the data ends before the image does ({bytes} bytes)")]
    Truncated {
        /// The length of the file.
        bytes: usize,
    },
    /// The file says something that no JPEG can say.
    #[error("broken: {what}")]
    Broken {
        /// What is wrong, with its value.
        what: String,
    },
    /// An image with more pixels than are decoded.
    #[error("too large: {what}")]
    TooLarge {
        /// Its size, and the limit.
        what: String,
    },
    /// The deadline has passed.
    #[error("too slow: its time is over")]
    TooSlow,
    /// A JPEG of a kind that isn't decoded.
    #[error("not supported: {what}")]
    Unsupported {
        /// The kind.
        what: String,
    },
}

impl Error {
    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::Broken { what: what.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}
