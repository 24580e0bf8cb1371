//! `X-Robots-Tag`: whether whoever has an image says that it is not for machine learning.

use reqwest::header::HeaderMap;

/// What is respected, the words that img2dataset respects, too.
const OPT_OUTS: [&str; 4] = ["noai", "noimageai", "noindex", "noimageindex"];
/// Directives with a value, which names before a colon are otherwise: those of who is meant.
const WITH_VALUES: [&str; 4] = ["max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"];

/// The directive by which an answer opts out for an agent, or for all.
pub(super) fn opt_out(headers: &HeaderMap, agent: &str) -> Option<&'static str> {
    let values = headers.get_all("x-robots-tag").iter();
    values.filter_map(|value| value.to_str().ok()).find_map(|value| directive(value, agent))
}

fn directive(value: &str, agent: &str) -> Option<&'static str> {
    // An agent's name counts for all that follows it.
    let mut is_meant = true;
    for part in value.split(',') {
        let directive = match part.split_once(':') {
            Some((name, rest)) if !WITH_VALUES.iter().any(|known| known.eq_ignore_ascii_case(name.trim())) => {
                is_meant = name.trim() == "*" || name.trim().eq_ignore_ascii_case(agent);
                rest
            }
            _ => part,
        };
        let known = OPT_OUTS.into_iter().find(|word| word.eq_ignore_ascii_case(directive.trim()));
        if is_meant && known.is_some() {
            return known;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_for_all_or_for_the_agent_that_is_named() {
        for (value, expected) in [
            ("noai", Some("noai")),
            ("NoImageAI", Some("noimageai")),
            ("nofollow, noindex", Some("noindex")),
            ("all", None),
            ("noindexed", None),
            ("pixmill: noai", Some("noai")),
            ("PIXMILL: nofollow, noimageindex", Some("noimageindex")),
            ("*: noai", Some("noai")),
            ("otherbot: noai, noindex", None),
            ("otherbot: noai, pixmill: noindex", Some("noindex")),
            ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", Some("noai")),
            ("max-snippet: 5, noai", Some("noai")),
        ] {
            assert_eq!(directive(value, "pixmill"), expected, "{value}");
        }
    }
}
