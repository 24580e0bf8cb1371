//! Telling a network that is down from hosts that are gone, of which the web is full.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use datafusion::common::{Result, exec_err};
use url::Url;

use super::failure::{Failure, FailureKind};

/// Failures in a row after which it is no more about single hosts.
const MOST_IN_A_ROW: usize = 100;
/// On so many domains: one that is gone may have many images that follow each other.
const LEAST_DOMAINS: usize = 20;

/// Images in a row that failed by one cause, while no host at all answered.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<InARow>);

#[derive(Debug, Default)]
struct InARow {
    cause: String,
    count: usize,
    domains: HashSet<String>,
}

impl Outage {
    /// Counts what became of an image.
    ///
    /// # Errors
    /// The network is down.
    pub(super) fn count<T>(&self, url: &str, got: &std::result::Result<T, Failure>) -> Result<()> {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = match got {
            Err(failure) if failure.kind == FailureKind::Unreachable => failure,
            // Nobody was asked, which says nothing of the network.
            Err(failure) if failure.kind == FailureKind::Refused => return Ok(()),
            _ => {
                *row = InARow::default();
                return Ok(());
            }
        };
        if row.cause != failure.reason {
            *row = InARow { cause: failure.reason.clone(), ..InARow::default() };
        }
        row.count += 1;
        row.domains.extend(domain(url));
        match (row.count, row.domains.len()) {
            (MOST_IN_A_ROW.., LEAST_DOMAINS..) => exec_err!(
                "{} images in a row, on {} domains, can't be read, and no host answered meanwhile, each: {}; look at the network of this \
                 machine",
                row.count,
                row.domains.len(),
                row.cause
            ),
            _ => Ok(()),
        }
    }
}

/// The last two names of a URL's host, or its address.
fn domain(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return Some(host.to_string());
    }
    let start = host.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
    Some(host[start..].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ReadClass;

    fn unreachable(reason: &str) -> std::result::Result<(), Failure> {
        Err(Failure { kind: FailureKind::Unreachable, ..Failure::answered(ReadClass::Connection, reason) })
    }

    fn counted(results: impl Iterator<Item = (String, std::result::Result<(), Failure>)>) -> Option<String> {
        let outage = Outage::default();
        let mut results = results.into_iter();
        results.find_map(|(url, got)| outage.count(&url, &got).err()).map(|error| error.strip_backtrace())
    }

    #[test]
    fn one_cause_on_many_domains_without_an_answer_is_a_network_that_is_down() {
        let url = |number: usize| format!("https://www.host{}.com/{number}.jpg", number % 30);
        let error = counted((0..100).map(|number| (url(number), unreachable("no route")))).expect("down");
        assert!(error.contains("100 images in a row, on 30 domains") && error.contains("no route"), "{error}");
        assert_eq!(counted((0..99).map(|number| (url(number), unreachable("no route")))), None);
    }

    #[test]
    fn hosts_that_are_gone_are_none() {
        let url = |number: usize| format!("https://www.host{number}.com/a.jpg");
        // Somebody answers now and then, if only that there is nothing.
        let gone = |number: usize| match number % 90 {
            0 => Err(Failure::answered(ReadClass::Http, "404 Not Found")),
            _ => unreachable("no such host"),
        };
        assert_eq!(counted((0..5000).map(|number| (url(number), gone(number)))), None);
        // One domain with many names, a long block of a sorted list.
        let one = |number: usize| format!("https://blog{number}.gone.com/a.jpg");
        assert_eq!(counted((0..5000).map(|number| (one(number), unreachable("no such host")))), None);
        // Various causes.
        let mixed = |number: usize| unreachable(if number.is_multiple_of(50) { "refused" } else { "timed out" });
        assert_eq!(counted((0..5000).map(|number| (url(number), mixed(number)))), None);
    }
}
