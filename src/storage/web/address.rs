//! Addresses of the web: which locations are some, how they are shown, and which hosts everybody can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datafusion::common::{Result, plan_err};
use url::{Host, Url};

use crate::storage::AllowList;

/// Whether a location is a URL of the web.
pub(crate) fn is_web_url(location: &str) -> bool {
    let is_web = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    location.split_once("://").is_some_and(|(scheme, _)| is_web(scheme))
}

/// Refuses a location of the web that a statement can't name: a pattern, no URL, one with a secret, or outside of the allow-list.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_web_location(location: &str, allow: &AllowList) -> Result<()> {
    let shown = shown(location);
    let url = match Url::parse(location) {
        Ok(url) => url,
        Err(error) => return plan_err!("'{shown}' is no URL: {error}"),
    };
    let place = location.split(['?', '#']).next().unwrap_or_default();
    if place.contains(['*', '{']) {
        return plan_err!(
            "'{shown}': the web can't be listed, so that patterns match nothing there; name one image, or a list of URLs, as in \
             read_images(files => 'urls.parquet', url => 'url')"
        );
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some_and(is_secret) {
        return plan_err!(
            "'{shown}' holds what may be a secret, which plans and histories of statements would show; put the URL into a list, as in \
             read_images(files => 'urls.csv')"
        );
    }
    allow.check_web(&url)
}

/// A URL without what may be a secret: who asks, and what stands behind a question mark. Other locations are shown as they are.
pub(crate) fn shown(location: &str) -> String {
    if !is_web_url(location) {
        return location.to_string();
    }
    let (place, query) = match location.split_once(['?', '#']) {
        Some((place, _)) => (place, "?..."),
        None => (location, ""),
    };
    format!("{}{query}", without_user(place))
}

/// A URL as lists of rows name it: without who asks, and without its query where that is signed.
pub(crate) fn named_in_lists(location: &str) -> String {
    match location.split_once('?') {
        Some((place, query)) if is_web_url(location) && !is_secret(query) => format!("{}?{query}", without_user(place)),
        _ => shown(location),
    }
}

/// Browsers and clients pass over slashes, tabs and line breaks before a host, and take a backslash for a slash.
fn without_user(place: &str) -> String {
    let Some((scheme, mut rest)) = place.split_once("://") else { return place.to_string() };
    loop {
        rest = rest.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
        let (host, path) = rest.find(['/', '\\']).map_or((rest, ""), |slash| rest.split_at(slash));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        // A user without a host makes no URL, and what is behind it may be meant as one.
        if !host.is_empty() || path.is_empty() {
            return format!("{scheme}://{host}{path}");
        }
        rest = path;
    }
}

/// Words in the names of parameters that are for secrets.
const SECRETS: [&str; 9] = ["auth", "credential", "hmac", "key", "password", "policy", "secret", "sig", "token"];

fn is_secret(query: &str) -> bool {
    let names = query.split(['&', ';']).map(|pair| pair.split('=').next().unwrap_or_default().to_ascii_lowercase());
    names.into_iter().any(|name| SECRETS.iter().any(|word| name.contains(word)))
}

/// The address that a URL names by its digits.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Whether everybody can reach an address: it is none of this machine, its networks, or its cloud's services.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127, ..] | [169, 254, ..] | [192, 168, ..] => false,
        [100, second, ..] => !(64..128).contains(&second),
        [172, second, ..] => !(16..32).contains(&second),
        // For documentation, for tests of networks, and for the machinery of the net.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => false,
        // Azure's service for its machines.
        [168, 63, 129, 16] => false,
        // Many hosts at once, and what was never given out.
        [224..=255, ..] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Written as IPv6, sent as IPv4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, and documentation.
        [0x2001, 0 | 0xdb8, ..] => false,
        // What is given out to be reached by all begins with the bits 001.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret_is_not_shown() {
        for (location, in_errors, in_lists) in [
            ("https://h/a.jpg", "https://h/a.jpg", "https://h/a.jpg"),
            ("https://me:marked@h:1/a.jpg", "https://h:1/a.jpg", "https://h:1/a.jpg"),
            ("https://h/a.jpg?id=3&w=9", "https://h/a.jpg?...", "https://h/a.jpg?id=3&w=9"),
            ("https://h/a.jpg?id=3&X-Amz-Signature=marked", "https://h/a.jpg?...", "https://h/a.jpg?..."),
            ("https://h/a.jpg?sig=marked", "https://h/a.jpg?...", "https://h/a.jpg?..."),
            ("https://me@h/a@b.jpg", "https://h/a@b.jpg", "https://h/a@b.jpg"),
            ("photos/a?b.jpg", "photos/a?b.jpg", "photos/a?b.jpg"),
            ("https:///\\/me:marked@h/a.jpg", "https://h/a.jpg", "https://h/a.jpg"),
            ("https://me@///:marked@h/a.jpg", "https://h/a.jpg", "https://h/a.jpg"),
            ("https://\t/me:marked@h/a.jpg", "https://h/a.jpg", "https://h/a.jpg"),
        ] {
            assert_eq!((shown(location).as_str(), named_in_lists(location).as_str()), (in_errors, in_lists));
        }
    }

    #[test]
    fn addresses_that_only_this_machine_can_reach_are_known_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.31.0.1/",
            "http://192.168.1.1/",
            "http://100.100.100.200/",
            "http://169.254.169.254/latest/meta-data/",
            "http://168.63.129.16/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[ff02::1]/",
        ] {
            let url = Url::parse(text).expect("a URL");
            assert!(!is_public(literal(&url).expect(text)), "{text}");
        }
        for text in ["http://8.8.8.8/", "http://172.32.0.1/", "http://[2606:4700::1111]/", "http://[::ffff:8.8.8.8]/"] {
            let url = Url::parse(text).expect("a URL");
            assert!(is_public(literal(&url).expect(text)), "{text}");
        }
        assert_eq!(literal(&Url::parse("http://localhost/").expect("a URL")), None);
    }

    #[test]
    fn statements_name_no_patterns_and_no_secrets() {
        for location in ["https://h/*.jpg", "https://h/{a,b}.jpg"] {
            let error = check_web_location(location, &AllowList::default()).expect_err("refused").strip_backtrace();
            assert!(error.contains("the web can't be listed"), "{error}");
        }
        for location in ["https://h/a.jpg?sig=marked", "https://me:marked@h/a.jpg", "https://marked@h/a.jpg"] {
            let error = check_web_location(location, &AllowList::default()).expect_err("refused").strip_backtrace();
            assert!(error.contains("may be a secret") && !error.contains("marked"), "{error}");
        }
        for location in ["https://h/a.jpg?x=*", "http://h/a%20b.jpg"] {
            check_web_location(location, &AllowList::default()).expect(location);
        }
    }
}
