//! Why an image of the web can't be had.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
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
    pub(super) fn answered(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_passing: false, wait: None, kind: FailureKind::Answered }
    }

    /// This process's own word.
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, ..Self::answered(reason) }
    }

    /// What the client says of a request or of the body that it got.
    pub(super) fn of_client(error: reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            if let Some(private) = source.downcast_ref::<PrivateAddress>() {
                return Self::refused(private.to_string());
            }
            if let Some(NoHost(reason)) = source.downcast_ref::<NoHost>() {
                // A name that nobody has is not given to somebody within a second.
                let reason = format!("its host isn't found: {reason}");
                return Self { kind: FailureKind::Unreachable, ..Self::answered(reason) };
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
                ..Self::answered("cannot connect to its host: nobody answered in time")
            },
            (true, false) => Self {
                kind: FailureKind::Unreachable,
                is_passing: true,
                ..Self::answered(format!("cannot connect to its host: {cause}"))
            },
            _ => Self { is_passing: true, ..Self::answered(format!("the connection broke: {cause}")) },
        }
    }

    /// The time of an attempt is over.
    pub(super) fn timed_out(seconds: u64, has_answered: bool) -> Self {
        let kind = if has_answered { FailureKind::Answered } else { FailureKind::Unreachable };
        // Who is silent for so long is not asked again.
        Self { kind, is_passing: has_answered, ..Self::answered(format!("timed out after {seconds} seconds")) }
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
