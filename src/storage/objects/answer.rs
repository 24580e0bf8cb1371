//! Answers that say more than their status: what is told of them, with what to do.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};
use url::Url;

use crate::words::{Advised, elements, unescaped};

/// The header in which S3 tells the region of a bucket, as [`HeadBucket`] has it.
///
/// [`HeadBucket`]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
const REGION: &str = "x-amz-bucket-region";

/// There are no credentials: none were found, and no service of this machine tells any.
pub(super) fn no_credentials(bucket: &str) -> Advised {
    Advised {
        place: Some(bucket.to_string()),
        said: "no credentials were found, and this machine has no service that tells it its role".to_string(),
        advice: "docs/stores.md says where this process looks for them, and how public buckets are read: with anonymous=true"
            .to_string(),
    }
}

/// A host that there is no connection to.
pub(super) fn unreachable(host: &str, reason: &str) -> Advised {
    let advice = if reason.contains("not valid for name") {
        "its certificate is for another name: look at the endpoint's"
    } else if ["Expired", "NotValidYet"].iter().any(|text| reason.contains(&format!("certificate: {text}"))) {
        "its certificate is out of date, or the clock of this machine is wrong"
    } else if reason.contains("certificate") {
        "its certificate is none that this machine trusts: SSL_CERT_FILE may name more of them"
    } else if reason.contains("tunnel") {
        "look at the proxy that HTTPS_PROXY names"
    } else if reason.contains("InvalidContentType") {
        "the endpoint speaks http, and not https"
    } else if breaks_off(reason) {
        "the endpoint may speak another protocol than http: https, say"
    } else if has_proxy() {
        "look at the endpoint, at the network of this machine, and at the proxy that its environment names"
    } else {
        "look at the endpoint, and at the network of this machine"
    };
    let said = format!("cannot connect to {host}: {}", reason.trim_end());
    Advised { place: None, said, advice: advice.to_string() }
}

/// Whether a host breaks off, or sends what is no answer in HTTP: where it never does anything else, it is no store.
pub(super) fn breaks_off(reason: &str) -> bool {
    const BREAKS: [&str; 3] =
        ["invalid HTTP version", "Connection reset", "connection closed before message completed"];
    BREAKS.iter().any(|text| reason.contains(text))
}

/// Whether requests may go by a proxy.
fn has_proxy() -> bool {
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// An answer that leads elsewhere, or says that the bucket is in another region.
pub(super) fn elsewhere(bucket: &str, (status, headers): (StatusCode, &HeaderMap), body: &str) -> Option<Advised> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let element = |name: &str| elements(body, name).first().map(|text| unescaped(text.trim()));
    let is_redirect = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
    let is_of_region =
        |code: &str| matches!(code, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException");
    let code = element("Code");
    // An answer to HEAD has no body.
    let told = header(REGION).filter(|_| is_redirect || status == StatusCode::BAD_REQUEST);
    if !is_redirect && !code.as_deref().is_some_and(is_of_region) && (told.is_none() || !body.is_empty()) {
        return None;
    }
    let host = element("Endpoint").or_else(|| {
        let location = Url::parse(header("location")?).ok()?;
        location.host_str().map(str::to_string)
    });
    let region = told.map(str::to_string).or_else(|| element("Region"));
    let region = region.or_else(|| region_of(host.as_deref()?));
    let said = match (code.filter(|_| !is_redirect), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {}", message.trim_end_matches('.')),
        (Some(code), None) => code,
        (None, _) => format!("{status}: the answer leads elsewhere"),
    };
    let advice = match (region, host) {
        (Some(region), _) => {
            format!("the bucket is in another region: AWS_REGION={region} or --store '{bucket},region={region}'")
        }
        (None, Some(host)) => {
            format!("it leads to '{host}': --store '{bucket},endpoint=https://{host}', if that is the store")
        }
        (None, None) => {
            format!("the bucket is in another region, or the endpoint is another: --store '{bucket},region=REGION'")
        }
    };
    Some(Advised { place: None, said, advice })
}

/// The region in a host's name: `bucket.s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let (name, _) = host.split_once(".amazonaws.com")?;
    let (_, region) = name.rsplit_once("s3.").or_else(|| name.rsplit_once("s3-"))?;
    (!region.is_empty()).then(|| region.to_string())
}

/// An answer to a request for a list that holds none: whoever answers is no store.
pub(super) fn no_list(body: &str) -> Option<Advised> {
    const ROOTS: [&str; 3] = ["<ListBucketResult", "<ListMultipartUploadsResult", "<EnumerationResults"];
    if ROOTS.iter().any(|root| body.contains(root)) {
        return None;
    }
    let begins: String = body.trim_start().chars().take(40).collect();
    Some(Advised {
        place: None,
        said: format!("the answer is no list of a store's: it begins with {begins:?}"),
        advice: PAGE.to_string(),
    })
}

/// An answer with an object that is a page: stores give every object an ETag.
pub(super) fn no_object(headers: &HeaderMap) -> Option<Advised> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_page = content_type.starts_with("text/html") && !headers.contains_key(ETAG);
    is_page.then(|| Advised {
        place: None,
        said: "the answer is a page of HTML, and not a store's".to_string(),
        advice: PAGE.to_string(),
    })
}

const PAGE: &str = "look at the endpoint, which may be a page for people, or a proxy's";

#[cfg(test)]
mod tests {
    use super::*;

    fn header_map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (reqwest::header::HeaderName::from_static(name), value.parse().expect("a value"))
        };
        headers.iter().map(header).collect()
    }

    fn told(status: u16, headers: &[(&'static str, &str)], body: &str) -> Option<String> {
        let headers = header_map(headers);
        let status = StatusCode::from_u16(status).expect("a status");
        elsewhere("s3://b", (status, &headers), body).map(|advised| advised.to_string())
    }

    #[test]
    fn the_region_is_told_from_wherever_an_answer_has_it() {
        let of_region = "--store 's3://b,region=eu-west-1'";
        let endpoint = "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
        let dashed = endpoint.replace("b.s3.eu", "b.s3-eu");
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region &apos;a&apos; is wrong.</Message>\
                         <Region>eu-west-1</Region></Error>";
        for (status, headers, body, said, advice) in [
            (301, &[][..], endpoint, "301 Moved Permanently: the answer leads elsewhere", of_region),
            (307, &[], dashed.as_str(), "307 Temporary Redirect: the answer leads elsewhere", of_region),
            (301, &[("x-amz-bucket-region", "eu-west-1")], "", "301 Moved", of_region),
            (400, &[("x-amz-bucket-region", "eu-west-1")], "", "400 Bad Request", of_region),
            (400, &[], malformed, "AuthorizationHeaderMalformed: The region 'a' is wrong; ", of_region),
            (
                302,
                &[("location", "https://login.corp/x?to=secret")],
                "",
                "302 Found",
                "endpoint=https://login.corp', if",
            ),
            (301, &[], "", "301 Moved", "region=REGION'"),
        ] {
            let told = told(status, headers, body).expect("advice");
            assert!(told.starts_with(said) && told.contains(advice), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
        let of_others = "<Error><Code>NoSuchBucket</Code></Error>";
        let region = [("x-amz-bucket-region", "eu-west-1")];
        for (status, headers, body) in
            [(200, &region[..], ""), (304, &[], ""), (400, &region, of_others), (404, &region, "")]
        {
            assert_eq!(told(status, headers, body), None, "{status} {body}");
        }
    }

    #[test]
    fn each_reason_why_there_is_no_connection_has_its_advice() {
        for (reason, advice) in [
            // A proxy of the environment is named beside them.
            ("refused", "look at the endpoint"),
            ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE may name more of them"),
            ("invalid peer certificate: certificate not valid for name \"a\"", "for another name"),
            ("invalid peer certificate: Expired", "the clock of this machine"),
            ("tunnel error: refused", "look at the proxy that HTTPS_PROXY names"),
            ("received corrupt message of type InvalidContentType", "the endpoint speaks http, and not https"),
            ("invalid HTTP version parsed", "https, say"),
            ("connection error: Connection reset by peer (os error 104)", "https, say"),
        ] {
            let told = unreachable("h:1", reason).to_string();
            assert!(told.starts_with(&format!("cannot connect to h:1: {reason}; ")) && told.contains(advice), "{told}");
        }
    }

    #[test]
    fn a_page_for_people_is_no_list() {
        assert!(no_list("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"></ListBucketResult>").is_none());
        assert!(no_list("\u{feff}<?xml version=\"1.0\"?><EnumerationResults></EnumerationResults>").is_none());
        let told = no_list("<!DOCTYPE html><html><body>Log in</body></html>").expect("no list").to_string();
        assert!(told.contains("it begins with \"<!DOCTYPE html>"), "{told}");
        assert!(no_list("").is_some());
    }

    #[test]
    fn a_page_without_an_etag_is_no_object() {
        let page = ("content-type", "text/html; charset=utf-8");
        assert!(no_object(&header_map(&[page])).is_some());
        assert!(no_object(&header_map(&[page, ("etag", "\"x\"")])).is_none());
        assert!(no_object(&header_map(&[("content-type", "image/jpeg")])).is_none());
        assert!(no_object(&HeaderMap::new()).is_none());
    }
}
