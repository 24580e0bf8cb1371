//! What an object store said, and what to do about it.

use object_store::Error;

/// An error of an object store: what was asked of it, what it answered, and what to do.
pub(crate) fn of_store(error: &Error) -> String {
    let text = chain(error);
    let asked = asked(&text);
    let (answer, advice) = match answer(&text) {
        Some((code, message)) => {
            let advice = advice(&code, &message);
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
    let entities = [("&apos;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.into_iter().fold(text.to_string(), |text, (entity, letter)| text.replace(entity, letter))
}

/// What to do about an answer.
fn advice(code: &str, message: &str) -> Option<String> {
    const CREDENTIALS: &str = "docs/stores.md says where credentials are looked for";
    let advice = match code {
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "ExpiredToken"
        | "AuthenticationFailed"
        | "AuthorizationFailure" => {
            format!("the credentials of this process aren't right for this store: {CREDENTIALS}")
        }
        "AccessDenied" | "AuthorizationPermissionMismatch" | "AllAccessDisabled" => {
            format!("whom these credentials stand for may not do that: {CREDENTIALS}")
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong".to_string(),
        "NoSuchBucket" | "ContainerNotFound" => "look at the bucket's name, its account and its region".to_string(),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            let expected =
                message.split_once("expecting '").and_then(|(_, rest)| rest.split_once('\'')).map(|(region, _)| region);
            let region = expected.unwrap_or("REGION");
            format!("the bucket is in another region: AWS_REGION={region} or --store 's3://BUCKET,region={region}'")
        }
        "SlowDown" | "ServerBusy" | "ServiceUnavailable" => {
            "the store is asked too often; try again later, or with fewer processes".to_string()
        }
        _ => return None,
    };
    Some(advice)
}

/// Whether requests may go by a proxy.
fn has_proxy() -> bool {
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// What is known where the answer was no XML.
fn told(error: &Error, text: &str) -> (String, Option<String>) {
    let advice = |text: &str| Some(text.to_string());
    if let Some((_, reason)) = text.split_once("cannot connect to ") {
        let advice = if reason.contains("certificate") {
            "its certificate is none that this machine trusts: SSL_CERT_FILE may name more of them"
        } else if reason.contains("tunnel") {
            "look at the proxy that HTTPS_PROXY names"
        } else if reason.contains("InvalidContentType") {
            "the endpoint speaks http, and not https"
        } else if has_proxy() {
            "look at the endpoint, at the network of this machine, and at the proxy that its environment names"
        } else {
            "look at the endpoint, and at the network of this machine"
        };
        return (format!("cannot connect to {}", reason.trim_end()), Some(advice.to_string()));
    }
    if text.contains("no credentials were found") {
        return (
            "no credentials were found, and this machine has no service that tells it its role".to_string(),
            advice(
                "docs/stores.md says where they are looked for, and how public buckets are read: with anonymous=true",
            ),
        );
    }
    if text.contains("incorrectly configured region") || text.contains("redirect") {
        return (
            "the answer leads elsewhere".to_string(),
            advice("the bucket is in another region, or the endpoint is another: --store 's3://BUCKET,region=REGION'"),
        );
    }
    match error {
        Error::NotFound { path, .. } => (format!("there is no object '{path}'"), None),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            ("it was refused".to_string(), advice("docs/stores.md says where credentials are looked for"))
        }
        _ => {
            let status =
                text.split_once("status code: ").map(|(_, rest)| rest.lines().next().unwrap_or_default().trim());
            match status {
                Some(status) => (status.trim_end_matches(": ").trim_end_matches(':').to_string(), None),
                None => (text.to_string(), None),
            }
        }
    }
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
        assert!(
            xml("AuthorizationHeaderMalformed", "the region &apos;a&apos; is wrong; expecting &apos;eu-west-1&apos;")
                .contains("AWS_REGION=eu-west-1")
        );
        assert_eq!(xml("Odd", "Nobody knows"), "GET http://127.0.0.1:1/bucket: Odd: Nobody knows");
        let plain = of_store(&generic(
            "Error performing HEAD http://h/b/k in 1s - Server returned non-2xx status code: 500 Internal Server Error: ",
        ));
        assert_eq!(plain, "HEAD http://h/b/k: 500 Internal Server Error");
        for (reason, advice) in [
            // A proxy of the environment is named beside them.
            ("refused", "look at the endpoint"),
            ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE may name more of them"),
            ("tunnel error: refused", "look at the proxy that HTTPS_PROXY names"),
            ("received corrupt message of type InvalidContentType", "the endpoint speaks http, and not https"),
        ] {
            let text = format!("Error performing GET http://h/b in 1s - HTTP error: cannot connect to h: {reason}");
            let told = of_store(&generic(&text));
            assert!(told.starts_with(&format!("GET http://h/b: cannot connect to h: {reason}; ")), "{told}");
            assert!(told.contains(advice), "{told}");
        }
        assert_eq!(of_store(&generic("something else")), "an object store: Generic S3 error: something else");
    }
}
