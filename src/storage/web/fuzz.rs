//! What fuzzing and tests run of the web: addresses, redirects, and what hosts say in headers.

use std::net::IpAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::address::{check_web_location, is_public, is_web_url, literal, named_in_lists, shown};
use super::client::retry_after;
use super::opt_out::opt_out;
use crate::storage::AllowList;

/// URLs of the web, of which the second line may be a redirect of the first: what is shown holds no secret, and no address is public
/// that is only this machine's or its network's.
pub(crate) fn web_addresses(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (text, redirect) = text.split_once('\n').unwrap_or((&text, ""));
    let is_accepted = check_web_location(text, &AllowList::default()).is_ok();
    for shown in [shown(text), named_in_lists(text)] {
        if let Ok(url) = Url::parse(&shown)
            && is_web_url(text)
        {
            assert!(url.username().is_empty() && url.password().is_none(), "{text:?} is shown as {shown:?}");
        }
    }
    let Ok(url) = Url::parse(text) else { return assert!(!is_accepted) };
    if is_accepted {
        assert!(url.username().is_empty() && url.password().is_none(), "{text:?} is accepted");
    }
    for url in [url.join(redirect).ok(), Some(url)].into_iter().flatten() {
        if let Some(address) = literal(&url) {
            assert!(!is_public(address) || !is_near(address), "{address} is no public address");
        }
    }
}

/// Whether an address is this machine's, its network's or many hosts' by the standard library.
fn is_near(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
    };
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
        }
    }
}

/// Headers, one in each line: how long a host asks to be left alone, and whether it opts out.
pub(crate) fn headers(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(50) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let _ = retry_after(&headers);
    let text = String::from_utf8_lossy(input).to_ascii_lowercase();
    for agent in ["pixmill", ""] {
        let word = opt_out(&headers, agent);
        assert!(word.is_none_or(|word| text.contains(word)), "{word:?} isn't said");
    }
}
