//! Why the bytes of an image can't be had: a class, which is one of a closed list, and a reason in words.

use std::fmt;
use std::io;

/// What kept an image from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadClass {
    /// There is no such file or object.
    Missing,
    /// The system lets nobody read it.
    NoPermission,
    /// It has other bytes than when it was listed, or they come cut.
    Changed,
    /// It has more bytes than the limit allows.
    TooLarge,
    /// The list names no place where an image can be.
    NoPlace,
    /// It is outside of what the process may reach.
    NotAllowed,
    /// A host has answered, and not with an image.
    Http,
    /// A host has not answered in time.
    Timeout,
    /// A host isn't found, can't be reached, or has broken the connection.
    Connection,
    /// The host says that it is not for machine learning.
    OptedOut,
    /// Anything else that a disk or a store says.
    ReadError,
}

impl ReadClass {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Missing,
        Self::NoPermission,
        Self::Changed,
        Self::TooLarge,
        Self::NoPlace,
        Self::NotAllowed,
        Self::Http,
        Self::Timeout,
        Self::Connection,
        Self::OptedOut,
        Self::ReadError,
    ];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NoPermission => "no_permission",
            Self::Changed => "changed",
            Self::TooLarge => "too_large",
            Self::NoPlace => "no_place",
            Self::NotAllowed => "not_allowed",
            Self::Http => "http",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::OptedOut => "opted_out",
            Self::ReadError => "read_error",
        }
    }
}

/// Why the bytes of an image can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) class: ReadClass,
    pub(crate) reason: String,
}

impl Unread {
    pub(crate) fn new(class: ReadClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into() }
    }

    /// What the system says of a file.
    pub(crate) fn of_file(error: &io::Error) -> Self {
        let class = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadClass::Missing,
            io::ErrorKind::PermissionDenied => ReadClass::NoPermission,
            io::ErrorKind::FileTooLarge => ReadClass::TooLarge,
            _ => ReadClass::ReadError,
        };
        Self::new(class, error.to_string())
    }

    /// Reads what [`Unread`] is as text.
    pub(crate) fn parse(text: &str) -> Self {
        let parts = text.split_once(": ");
        let known = |word: &str| ReadClass::ALL.into_iter().find(|class| class.name() == word);
        match parts.and_then(|(word, reason)| Some((known(word)?, reason))) {
            Some((class, reason)) => Self::new(class, reason),
            None => Self::new(ReadClass::ReadError, text),
        }
    }
}

/// As columns have it: the class, a colon, and the reason.
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.name(), self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gives_back_what_it_was_made_of() {
        for class in ReadClass::ALL {
            let unread = Unread::new(class, "the host said: no");
            assert_eq!(Unread::parse(&unread.to_string()), unread);
        }
        let other = Unread::parse("said: no");
        assert_eq!((other.class, other.reason.as_str()), (ReadClass::ReadError, "said: no"));
    }
}
