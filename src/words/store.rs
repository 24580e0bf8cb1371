//! What an object store said, and what to do about it.

use object_store::Error;

/// An error that was understood where it came up: it says itself what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{said}; {advice}")]
pub(crate) struct Advised {
    /// The place that is meant, where the request says nothing of it.
    pub(crate) place: Option<String>,
    pub(crate) said: String,
    pub(crate) advice: String,
}

impl Advised {
    /// That which an error comes from.
    pub(crate) fn of<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        std::iter::successors(Some(error), |error| (*error).source()).find_map(|cause| cause.downcast_ref())
    }
}

/// An error of an object store: what was asked of it, what it answered, and what to do.
pub(crate) fn of_store(error: &Error) -> String {
    let text = chain(error);
    let asked = asked(&text);
    if let Some(advised) = Advised::of(error) {
        return match advised.place.as_deref().or(asked) {
            Some(place) => format!("{place}: {advised}"),
            None => advised.to_string(),
        };
    }
    let (answer, advice) = match answer(&text) {
        Some((code, message)) => {
            let advice = advice(&code);
            let answer = if message.is_empty() { code } else { format!("{code}: {}", message.trim_end_matches('.')) };
            (answer, advice)
        }
        None => told(error, &text),
    };
    let asked = asked.map_or_else(|| "an object store".to_string(), |asked| asked.to_string());
    match advice {
        Some(advice) => format!("{asked}: {answer}; {advice}"),
        None => format!("{asked}: {answer}"),
    }
}

/// An error with what it came from, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// What was asked: `GET http://host/bucket/key`, without what stands behind a question mark.
fn asked(text: &str) -> Option<&str> {
    // That of a listing holds that of its request.
    let (_, asked) = text.rsplit_once("Error performing ")?;
    let (asked, _) = asked.split_once(" in ")?;
    Some(asked.split_once('?').map_or(asked, |(asked, _)| asked))
}

/// The code and the message of an answer in XML.
fn answer(text: &str) -> Option<(String, String)> {
    let element = |name: &str| Some(unescaped(elements(text, name).first()?.trim()));
    let code = element("Code")?;
    // Azure's goes on with lines for whoever looks for the request.
    let message = element("Message").unwrap_or_default();
    Some((code, message.lines().next().unwrap_or_default().to_string()))
}

/// What stands in the elements of a name in a store's answer, which has none of that name within itself.
pub(crate) fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    text.split(begin.as_str()).skip(1).filter_map(|rest| Some(rest.split_once(end.as_str())?.0)).collect()
}

/// The text of an element of XML.
pub(crate) fn unescaped(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        unescaped.push_str(&rest[..start]);
        rest = &rest[start..];
        let entity = rest.find(';').and_then(|end| Some((letter(&rest[1..end])?, end)));
        let (letter, end) = entity.unwrap_or(('&', 0));
        unescaped.push(letter);
        rest = &rest[end + 1..];
    }
    unescaped.push_str(rest);
    unescaped
}

/// What an entity of XML stands for.
fn letter(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    }
}

const CREDENTIALS: &str = "docs/stores.md says where credentials are looked for";
const RIGHTS: &str = "docs/stores.md says which rights are needed";
const TOO_OFTEN: &str = "the store is asked too often; try again later, or with fewer processes";

/// What to do about an answer.
fn advice(code: &str) -> Option<String> {
    let advice = match code {
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "AuthenticationFailed"
        | "AuthorizationFailure" => {
            return Some(format!("the credentials of this process aren't right for this store: {CREDENTIALS}"));
        }
        "AccessDenied" | "AuthorizationPermissionMismatch" | "AllAccessDisabled" => {
            return Some(format!("whom these credentials stand for may not do that: {RIGHTS}"));
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong",
        "NoSuchBucket" | "ContainerNotFound" => "look at the bucket's name, its account and its region",
        "SlowDown" | "ServerBusy" | "ServiceUnavailable" | "TooManyRequests" => TOO_OFTEN,
        "InternalError" => IN_TROUBLE,
        _ => return None,
    };
    Some(advice.to_string())
}

const IN_TROUBLE: &str = "the store, or what stands before it, is in trouble: try again later";

/// What is known where the answer was no XML.
fn told(error: &Error, text: &str) -> (String, Option<String>) {
    match error {
        Error::NotFound { path, .. } => return (format!("there is no object '{path}'"), None),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            return ("it was refused".to_string(), Some(format!("{CREDENTIALS}, and which rights are needed")));
        }
        _ => {}
    }
    if text.contains("operation timed out") {
        let advice = "look at the endpoint, and at the network of this machine";
        return ("it is silent".to_string(), Some(advice.to_string()));
    }
    let status = text.split_once("status code: ").map(|(_, rest)| rest.lines().next().unwrap_or_default().trim());
    let Some(status) = status else { return (text.to_string(), None) };
    let advice = match status.get(..3) {
        Some("429" | "503") => Some(TOO_OFTEN),
        Some("500" | "502" | "504") => Some(IN_TROUBLE),
        _ => None,
    };
    (status.trim_end_matches(": ").trim_end_matches(':').to_string(), advice.map(str::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_string().into() }
    }

    #[test]
    fn each_answer_says_what_was_asked_and_what_to_do() {
        let performed = "Error performing GET http://127.0.0.1:1/bucket?list-type=2&sig=x in 2.1ms - Server returned non-2xx status code: 403 Forbidden: ";
        let xml = |code: &str, message: &str| {
            of_store(&generic(&format!(
                "{performed}<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            )))
        };
        assert_eq!(
            xml("InvalidAccessKeyId", "The key is not there."),
            "GET http://127.0.0.1:1/bucket: InvalidAccessKeyId: The key is not there; the credentials of this process aren't right for this \
             store: docs/stores.md says where credentials are looked for"
        );
        assert!(xml("RequestTimeTooSkewed", "").ends_with("RequestTimeTooSkewed; the clock of this machine is wrong"));
        assert!(xml("AccessDenied", "").ends_with("may not do that: docs/stores.md says which rights are needed"));
        assert_eq!(xml("Odd", "Nobody knows"), "GET http://127.0.0.1:1/bucket: Odd: Nobody knows");
        for (status, advice) in [
            ("500 Internal Server Error", "; the store, or what stands before it, is in trouble: try again later"),
            ("429 Too Many Requests", "; the store is asked too often; try again later, or with fewer processes"),
            ("418 I'm a teapot", ""),
        ] {
            let plain = of_store(&generic(&format!(
                "Error performing HEAD http://h/b/k in 1s - Server returned non-2xx status code: {status}: "
            )));
            assert_eq!(plain, format!("HEAD http://h/b/k: {status}{advice}"));
        }
        assert_eq!(of_store(&generic("something else")), "an object store: Generic S3 error: something else");
    }

    #[test]
    fn entities_of_xml_are_letters_and_what_is_none_stays() {
        for (text, expected) in [
            ("a &lt;b&gt; &quot;&apos;&amp;amp;", "a <b> \"'&amp;"),
            ("&#65;&#x42;&#x1F600;", "AB😀"),
            ("&nbsp; & &; &#xD800; &#; &amp", "&nbsp; & &; &#xD800; &#; &amp"),
            ("ä&ö;ü", "ä&ö;ü"),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }

    #[test]
    fn an_error_that_advises_is_said_as_it_is_with_its_place() {
        let advised = |place: Option<&str>| {
            let (said, advice) = ("nobody is there".to_string(), "knock".to_string());
            let source = Advised { place: place.map(str::to_string), said, advice };
            of_store(&Error::Generic { store: "S3", source: Box::new(source) })
        };
        assert_eq!(advised(None), "nobody is there; knock");
        assert_eq!(advised(Some("s3://b")), "s3://b: nobody is there; knock");
    }
}
