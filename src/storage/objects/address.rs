//! Addresses of objects: `s3://bucket/key` and its like.

use std::fmt;

use datafusion::common::{Result, plan_err};
use url::Url;

/// Where objects are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    /// Those that a scheme of a URL names.
    pub(crate) fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" => Some(Self::S3),
            "gs" | "gcs" => Some(Self::Gcs),
            "az" | "azure" | "abfs" | "abfss" => Some(Self::Azure),
            _ => None,
        }
    }

    /// The name that people know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Gcs => "Google Cloud Storage",
            Self::Azure => "Azure Blob Storage",
        }
    }
}

/// Whether a location is a URL of an object store.
pub(crate) fn is_object_url(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| Provider::of_scheme(scheme).is_some())
}

/// Refuses a URL of an object store that is none, or holds a secret.
///
/// # Errors
/// What is wrong with it; a secret is not shown.
pub(crate) fn check_object_url(location: &str) -> Result<()> {
    if !is_object_url(location) {
        return Ok(());
    }
    match Url::parse(location) {
        Ok(url) => Bucket::of_url(&url).map(|_| ()),
        // What it says may be a secret.
        Err(error) => plan_err!("a URL of an object store is none: {error}; one is as in s3://bucket/key"),
    }
}

/// A bucket or a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    pub(crate) provider: Provider,
    /// As it is written in URLs, in lower case.
    pub(crate) scheme: String,
    /// The bucket or the container.
    pub(crate) name: String,
    /// The storage account that an Azure URL names, with its domain.
    pub(crate) account: Option<String>,
}

impl Bucket {
    /// The bucket of a URL; `None` for schemes that aren't those of object stores.
    ///
    /// # Errors
    /// A URL without a bucket, and one that holds a secret.
    pub(crate) fn of_url(url: &Url) -> Result<Option<Self>> {
        let Some(provider) = Provider::of_scheme(url.scheme()) else { return Ok(None) };
        refuse_secrets(url, provider)?;
        let scheme = url.scheme().to_string();
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_string(),
        };
        if host.is_empty() {
            return plan_err!("'{}://' names no bucket, as in {scheme}://bucket/key", url.scheme());
        }
        let (name, account) = match (provider, url.username()) {
            (Provider::Azure, container) if !container.is_empty() => (container.to_string(), Some(host)),
            _ => (host, None),
        };
        Ok(Some(Self { provider, scheme, name, account }))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{}://{}@{account}", self.scheme, self.name),
            None => write!(f, "{}://{}", self.scheme, self.name),
        }
    }
}

/// Query parameters of URLs that were signed for somebody.
const SIGNATURES: [&str; 8] = [
    "awsaccesskeyid",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// Refuses URLs that hold credentials: plans, errors and manifests show URLs.
fn refuse_secrets(url: &Url, provider: Provider) -> Result<()> {
    let is_container = provider == Provider::Azure && url.password().is_none();
    let has_user = !url.username().is_empty() && !is_container;
    let is_signed = url.query_pairs().any(|(name, _)| SIGNATURES.contains(&name.to_ascii_lowercase().as_str()));
    if has_user || url.password().is_some() || is_signed {
        return plan_err!(
            "a URL of {} holds credentials, which would be shown by plans, errors and manifests; leave them out of it and give them to \
             the process: {}",
            provider.name(),
            where_credentials_belong(provider)
        );
    }
    Ok(())
}

/// Where a process looks for credentials, in a few words.
fn where_credentials_belong(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or the role of the machine"
        }
        Provider::Gcs => {
            "GOOGLE_APPLICATION_CREDENTIALS, gcloud's application default credentials, or the account of the machine"
        }
        Provider::Azure => {
            "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY, a client secret (AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_TENANT_ID), \
             or the identity of the machine"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(url: &str) -> Result<Option<Bucket>> {
        Bucket::of_url(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn each_scheme_names_its_provider() {
        for (url, provider, shown) in [
            ("s3://bucket/a/b.jpg", Provider::S3, "s3://bucket"),
            ("S3A://bucket/a", Provider::S3, "s3a://bucket"),
            ("gs://bucket", Provider::Gcs, "gs://bucket"),
            ("az://container/a", Provider::Azure, "az://container"),
            (
                "abfss://data@account.dfs.core.windows.net/a",
                Provider::Azure,
                "abfss://data@account.dfs.core.windows.net",
            ),
        ] {
            let bucket = bucket(url).expect("a bucket").expect("of a store");
            assert_eq!((bucket.provider, bucket.to_string().as_str()), (provider, shown), "{url}");
        }
        for url in ["file:///a", "http://host/a", "ftp://host/a"] {
            assert_eq!(bucket(url).expect("no bucket"), None, "{url}");
        }
        assert!(bucket("s3:///a").is_err());
    }

    #[test]
    fn urls_with_credentials_are_refused_and_not_shown() {
        for url in [
            "s3://key:marked@bucket/a",
            "s3://marked@bucket/a",
            "abfss://data:marked@account.dfs.core.windows.net/a",
            "s3://bucket/a?X-Amz-Signature=marked",
            "gs://bucket/a?x-goog-signature=marked",
            "az://container/a?sig=marked",
        ] {
            let error = bucket(url).expect_err("refused").strip_backtrace();
            assert!(error.contains("holds credentials") && !error.contains("marked"), "{error}");
        }
    }
}
