//! Faults: which requests go wrong, and how.

use std::time::Duration;

use hyper::StatusCode;

use crate::answer::Answer;
use crate::call::{Call, Operation};
use crate::xml;

/// What goes wrong with a request.
///
/// Several can meet: [`NoETag`](Self::NoETag) and [`CutBody`](Self::CutBody) of two rules make a cut body that can't be
/// resumed. Of those that answer instead of the store, the first one in the script does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer with an error document, and do nothing else.
    Status {
        /// Such as 503.
        status: u16,
        /// Such as `SlowDown`, `InternalError`, `RequestTimeout`, `AccessDenied` or `NoSuchBucket`.
        code: String,
        /// What `Retry-After` says, if it is there.
        retry_after_seconds: Option<u32>,
    },
    /// Answer 200 with an error document of this code, and do nothing else: as S3's copies and completions do.
    OkWithErrorBody(String),
    /// Answer 307 with this `Location`.
    Redirect(String),
    /// Answer 301 without `Location`, as a bucket of this region does elsewhere.
    WrongRegion(String),
    /// Answer 400 `AuthorizationHeaderMalformed` with this region.
    WrongSigningRegion(String),
    /// Wait before doing the work and answering.
    DelayHead(Duration),
    /// Send at most so many bytes of the body, then close the connection.
    CutBody(usize),
    /// Send so many bytes of the body, then nothing more, with the connection open.
    StallBody(usize),
    /// Send the body at this pace.
    SlowBody {
        /// At least 1.
        bytes_per_second: usize,
    },
    /// Send only so many bytes of the body, and say so in `Content-Length`: good HTTP, but less than `Content-Range` says
    /// (or, of a whole object, than there is).
    ShortFrame(usize),
    /// As [`ShortFrame`](Self::ShortFrame), and `Content-Range` says how little it is.
    ShortRange(usize),
    /// Leave `ETag` out.
    NoETag,
    /// Leave `Content-Length` out, and send the body in chunks.
    Chunked,
    /// Do the work, and close the connection without an answer: the client can't know whether it was done.
    AcceptThenDrop,
    /// Close the connection when the request's head was read. A client that is sending a body sees a reset.
    CloseAtOnce,
}

impl Action {
    /// A [`Status`](Self::Status) without `Retry-After`.
    pub fn status(status: u16, code: &str) -> Self {
        Self::Status { status, code: code.to_string(), retry_after_seconds: None }
    }

    /// The answer that it gives instead of the store's, if it does.
    pub(crate) fn answer(&self, request_id: &str) -> Option<Answer> {
        let error = |status: StatusCode, code: &str, details: &[(&str, String)]| {
            Answer::xml(status, xml::error(code, "as the script has it", details, request_id))
        };
        let answer = match self {
            Self::Status { status, code, retry_after_seconds } => {
                // A status that HTTP doesn't have is the script's mistake: it shows as an internal error.
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let answer = error(status, code, &[]);
                match retry_after_seconds {
                    Some(seconds) => answer.with("retry-after", &seconds.to_string()),
                    None => answer,
                }
            }
            Self::OkWithErrorBody(code) => error(StatusCode::OK, code, &[]),
            Self::Redirect(url) => {
                error(StatusCode::TEMPORARY_REDIRECT, "TemporaryRedirect", &[]).with("location", url)
            }
            Self::WrongRegion(region) => {
                error(StatusCode::MOVED_PERMANENTLY, "PermanentRedirect", &[]).with("x-amz-bucket-region", region)
            }
            Self::WrongSigningRegion(region) => {
                let details = [("Region", region.clone())];
                error(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", &details)
            }
            _ => return None,
        };
        Some(answer)
    }
}

/// How an answer is sent, when the script has had its say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sending {
    pub(crate) end: End,
    pub(crate) bytes_per_second: Option<usize>,
    /// Without `Content-Length`.
    pub(crate) chunked: bool,
    /// Not at all: the connection is closed.
    pub(crate) dropped: bool,
}

/// What follows the body's last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// All of it was sent.
    #[default]
    Whole,
    /// The connection is closed after so many bytes.
    Cut(usize),
    /// Nothing comes after so many bytes.
    Stall(usize),
}

impl Sending {
    /// What actions do to the answer, and to its sending.
    pub(crate) fn of(actions: &[Action], answer: &mut Answer) -> Self {
        let mut sending = Self::default();
        for action in actions {
            match action {
                Action::CutBody(bytes) => sending.end = End::Cut(*bytes),
                Action::StallBody(bytes) => sending.end = End::Stall(*bytes),
                Action::SlowBody { bytes_per_second } => sending.bytes_per_second = Some(*bytes_per_second),
                Action::ShortFrame(bytes) => answer.body.truncate(*bytes),
                Action::ShortRange(bytes) => {
                    answer.body.truncate(*bytes);
                    shorten_content_range(answer);
                }
                Action::NoETag => {
                    answer.headers.remove("etag");
                }
                Action::Chunked => sending.chunked = true,
                Action::AcceptThenDrop | Action::CloseAtOnce => sending.dropped = true,
                Action::Status { .. }
                | Action::OkWithErrorBody(_)
                | Action::Redirect(_)
                | Action::WrongRegion(_)
                | Action::WrongSigningRegion(_)
                | Action::DelayHead(_) => {}
            }
        }
        sending
    }
}

/// Makes `Content-Range` tell of as many bytes as the body has.
fn shorten_content_range(answer: &mut Answer) {
    let range = answer.headers.get("content-range").and_then(|value| value.to_str().ok());
    let Some((first, rest)) = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')) else { return };
    let (Ok(first), Some((_, size))) = (first.parse::<usize>(), rest.split_once('/')) else { return };
    // No range has no bytes: that of an empty body stays one byte long.
    let last = first + answer.body.len().saturating_sub(1);
    let range = format!("bytes {first}-{last}/{size}");
    *answer = answer.clone().with("content-range", &range);
}

/// Which requests something goes wrong with, and what.
///
/// A new rule fits every request; each method but the last three narrows it. Of the requests that fit, the last three
/// say which ones have their turn: by default all. Answers of the script come before signatures are looked at.
///
/// ```
/// use pixmill_object_server::{Action, Operation, Rule};
///
/// // The third part that is uploaded below 'out/' is stored, but the client never hears of it.
/// let rule = Rule::new(Action::AcceptThenDrop).operation(Operation::Part).key_contains("out/").nth(3);
/// // One in ten of all requests is told to slow down, the same ones in each run with requests in the same order.
/// let rule = Rule::new(Action::status(503, "SlowDown")).fraction(0.1, 42);
/// ```
#[derive(Debug, Clone)]
pub struct Rule {
    method: Option<String>,
    operation: Option<Operation>,
    key: Option<String>,
    key_part: Option<String>,
    turn: Turn,
    action: Action,
}

/// Which of the requests that fit have their turn.
#[derive(Debug, Clone, Copy)]
enum Turn {
    All,
    First(u64),
    Nth(u64),
    Fraction { fraction: f64, seed: u64 },
}

impl Rule {
    /// A rule for every request.
    pub fn new(action: Action) -> Self {
        Self { method: None, operation: None, key: None, key_part: None, turn: Turn::All, action }
    }

    /// Only requests with this method, such as `"GET"`.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_string());
        self
    }

    /// Only requests that ask for this.
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests for this key. A list's key is its prefix, a copy's is its target, and a bulk delete has none.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_string());
        self
    }

    /// Only requests for a key, or lists with a prefix, that has this in it.
    pub fn key_contains(mut self, part: &str) -> Self {
        self.key_part = Some(part.to_string());
        self
    }

    /// Only the first so many of the requests that fit.
    pub fn first(mut self, count: u64) -> Self {
        self.turn = Turn::First(count);
        self
    }

    /// Only this one of the requests that fit, counted from 1.
    pub fn nth(mut self, number: u64) -> Self {
        self.turn = Turn::Nth(number);
        self
    }

    /// A share of the requests that fit, from 0 to 1, drawn by a seed.
    pub fn fraction(mut self, fraction: f64, seed: u64) -> Self {
        self.turn = Turn::Fraction { fraction, seed };
        self
    }

    fn fits(&self, call: &Call) -> bool {
        let key = match call.operation {
            Operation::List => call.query.get("prefix").unwrap_or_default(),
            _ => &call.key,
        };
        self.method.as_deref().is_none_or(|method| call.method.as_str().eq_ignore_ascii_case(method))
            && self.operation.is_none_or(|operation| call.operation == operation)
            && self.key.as_deref().is_none_or(|wanted| key == wanted)
            && self.key_part.as_deref().is_none_or(|part| key.contains(part))
    }
}

/// The rules, in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Script {
    rules: Vec<(Rule, u64)>,
}

impl Script {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    /// What goes wrong with a request: the actions of all rules whose turn it is. Every rule that it fits counts it.
    pub(crate) fn actions(&mut self, call: &Call) -> Vec<Action> {
        let fitting = self.rules.iter_mut().filter(|(rule, _)| rule.fits(call));
        let due = fitting.filter_map(|(rule, count)| {
            *count += 1;
            let due = match rule.turn {
                Turn::All => true,
                Turn::First(first) => *count <= first,
                Turn::Nth(number) => *count == number,
                Turn::Fraction { fraction, seed } => draw(seed, *count) < fraction,
            };
            due.then(|| rule.action.clone())
        });
        due.collect()
    }
}

/// The number from 0 to 1 that a seed has for the n-th draw: SplitMix64, which needs no state but n.
fn draw(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    // The 53 bits that a double holds exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_drawn_the_same_way_with_the_same_seed() {
        let due = |seed| (1..=10_000).filter(|number| draw(seed, *number) < 0.1).collect::<Vec<_>>();
        assert_eq!(due(1), due(1));
        assert_ne!(due(1), due(2));
        assert!((900..1_100).contains(&due(1).len()), "{}", due(1).len());
    }
}
