//! Why an image of the web can't be had.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::storage::ReadClass;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) class: ReadClass,
    /// In words that are the same for all images that fail in this way.
    pub(super) reason: String,
    /// Whether it may come if it is asked for again.
    pub(super) is_passing: bool,
    /// How long the host asks to be left alone.
    pub(super) wait: Option<Duration>,
    pub(super) kind: FailureKind,
}

/// Who has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// A host has.
    Answered,
    /// Nobody: no host was reached.
    Unreachable,
    /// This process: nothing was asked.
    Refused,
}

impl Failure {
    /// A host's word, which is its last.
    pub(super) fn answered(class: ReadClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), is_passing: false, wait: None, kind: FailureKind::Answered }
    }

    /// This process's own word.
    pub(super) fn refused(class: ReadClass, reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, ..Self::answered(class, reason) }
    }

    /// What the client says of a request or of the body that it got.
    pub(super) fn of_client(error: reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            if let Some(private) = source.downcast_ref::<PrivateAddress>() {
                return Self::refused(ReadClass::NotAllowed, private.to_string());
            }
            if let Some(NoHost(reason)) = source.downcast_ref::<NoHost>() {
                // A name that nobody has is not given to somebody within a second.
                let reason = format!("its host isn't found: {reason}");
                return Self { kind: FailureKind::Unreachable, ..Self::answered(ReadClass::Connection, reason) };
            }
            cause = source;
        }
        let cause = match &error {
            // What the client says of itself may hold the URL.
            error if error.source().is_none() => "the request is none".to_string(),
            _ => cause.to_string(),
        };
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self {
                kind: FailureKind::Unreachable,
                ..Self::answered(ReadClass::Timeout, "cannot connect to its host: nobody answered in time")
            },
            (true, false) => Self {
                kind: FailureKind::Unreachable,
                is_passing: true,
                ..Self::answered(ReadClass::Connection, format!("cannot connect to its host: {cause}"))
            },
            _ => Self {
                is_passing: true,
                ..Self::answered(ReadClass::Connection, format!("the connection broke: {cause}"))
            },
        }
    }

    /// The time of an attempt is over.
    pub(super) fn timed_out(seconds: u64, has_answered: bool) -> Self {
        let kind = if has_answered { FailureKind::Answered } else { FailureKind::Unreachable };
        // Who is silent for so long is not asked again.
        let failure = Self::answered(ReadClass::Timeout, format!("timed out after {seconds} seconds"));
        Self { kind, is_passing: has_answered, ..failure }
    }
}

/// A host whose addresses are all private.
#[derive(Debug, Error)]
#[error("its host has a private address, {0}, which --allow must name for it to be reached")]
pub(super) struct PrivateAddress(pub(super) IpAddr);

/// A host that has no address.
#[derive(Debug, Error)]
#[error("no host: {0}")]
pub(super) struct NoHost(pub(super) String);
