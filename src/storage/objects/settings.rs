//! What a process is told of its stores, without secrets: regions, endpoints, profiles.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;

use super::address::{Bucket, Provider};
use crate::error::Error;

/// Requests that wait for an answer at the same time, at most, where nothing else is said.
const MOST_REQUESTS: usize = 64;

/// Settings of stores, of which the first that fits counts for each of them.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    rules: Vec<StoreRule>,
    requests: Option<usize>,
}

/// Settings of a bucket, or of all of a provider's: `s3://bucket,region=eu-west-1,endpoint=http://127.0.0.1:8333`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRule {
    provider: Provider,
    /// All buckets where there is none.
    bucket: Option<String>,
    values: StoreValues,
}

/// What can be said of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoreValues {
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) path_style: Option<bool>,
    pub(crate) anonymous: Option<bool>,
    pub(crate) requester_pays: Option<bool>,
}

/// The names of settings, and of which providers' stores they are.
const NAMES: [(&str, &[Provider]); 7] = [
    ("region", &[Provider::S3]),
    ("endpoint", &[Provider::S3, Provider::Gcs, Provider::Azure]),
    ("profile", &[Provider::S3]),
    ("account", &[Provider::Azure]),
    ("path_style", &[Provider::S3]),
    ("anonymous", &[Provider::S3, Provider::Gcs, Provider::Azure]),
    ("requester_pays", &[Provider::S3]),
];

impl StoreSettings {
    /// The settings of these rules, and behind them those of a file: a rule on each line, `#` before what is none.
    ///
    /// # Errors
    /// A file that can't be read, or holds something else.
    pub(crate) fn with_file(rules: Vec<StoreRule>, file: &Path) -> Result<Self, Error> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::new(rules)),
            Err(error) => return Err(Error::Usage(format!("cannot read '{}': {error}", file.display()))),
        };
        let mut rules = rules;
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let rule =
                line.parse().map_err(|error| Error::Usage(format!("'{}', line {number}: {error}", file.display())))?;
            rules.push(rule);
        }
        Ok(Self::new(rules))
    }

    /// The settings of these rules.
    pub(crate) fn new(rules: Vec<StoreRule>) -> Self {
        Self { rules, requests: None }
    }

    /// These settings, with so many requests at the same time at most.
    pub(crate) fn with_requests(self, requests: Option<usize>) -> Self {
        Self { requests, ..self }
    }

    /// How many requests wait for an answer at the same time, at most.
    pub(super) fn requests(&self) -> usize {
        self.requests.unwrap_or(MOST_REQUESTS)
    }

    /// What is said of a bucket: each value by the first rule that is about it and has one; rules with its name come first.
    pub(crate) fn of(&self, bucket: &Bucket) -> StoreValues {
        let is_about = |rule: &&StoreRule| {
            rule.provider == bucket.provider && rule.bucket.as_ref().is_none_or(|name| *name == bucket.name)
        };
        let (named, of_all): (Vec<&StoreRule>, Vec<&StoreRule>) =
            self.rules.iter().filter(is_about).partition(|rule| rule.bucket.is_some());
        let mut values = StoreValues::default();
        for rule in named.into_iter().chain(of_all) {
            values.fill(&rule.values);
        }
        values
    }
}

impl StoreValues {
    /// Takes over what isn't set yet.
    fn fill(&mut self, other: &Self) {
        let text = |value: &mut Option<String>, other: &Option<String>| {
            if value.is_none() {
                value.clone_from(other);
            }
        };
        text(&mut self.region, &other.region);
        text(&mut self.endpoint, &other.endpoint);
        text(&mut self.profile, &other.profile);
        text(&mut self.account, &other.account);
        self.path_style = self.path_style.or(other.path_style);
        self.anonymous = self.anonymous.or(other.anonymous);
        self.requester_pays = self.requester_pays.or(other.requester_pays);
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let truth = || match value {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(format!("{name} must be true or false, got '{value}'")),
        };
        let text = || Some(value.to_string());
        match name {
            "region" => self.region = text(),
            "endpoint" if !value.starts_with("http://") && !value.starts_with("https://") => {
                return Err(format!("endpoint must begin with http:// or https://, got '{value}'"));
            }
            "endpoint" if value.contains('@') || value.contains('?') => {
                return Err(
                    "endpoint must be an address alone: credentials belong into the process's environment".to_string()
                );
            }
            "endpoint" => self.endpoint = Some(value.trim_end_matches('/').to_string()),
            "profile" => self.profile = text(),
            "account" => self.account = text(),
            "path_style" => self.path_style = truth()?,
            "anonymous" => self.anonymous = truth()?,
            _ => self.requester_pays = truth()?,
        }
        Ok(())
    }
}

impl FromStr for StoreRule {
    type Err = Error;

    /// Reads a rule such as `s3://bucket,region=eu-west-1` or, for all buckets, `s3://,anonymous=true`.
    fn from_str(text: &str) -> Result<Self, Error> {
        rule(text).map_err(|reason| {
            Error::Usage(format!(
                "{reason}; a store is told as in 's3://bucket,region=eu-west-1,endpoint=http://127.0.0.1:9000'"
            ))
        })
    }
}

fn rule(text: &str) -> Result<StoreRule, String> {
    let mut parts = text.split(',').map(str::trim);
    let place = parts.next().unwrap_or_default();
    let (scheme, bucket) = place.split_once("://").ok_or_else(|| format!("'{place}' names no store"))?;
    let provider = Provider::of_scheme(scheme);
    let provider =
        provider.ok_or_else(|| format!("'{scheme}' is no scheme of a store: there are s3, gs, az and abfss"))?;
    let bucket = bucket.trim_end_matches('/');
    let is_odd = |letter: char| matches!(letter, '/' | '@' | '?') || letter.is_control() || letter.is_whitespace();
    if bucket.contains(is_odd) {
        return Err(format!("'{place}' must be a bucket alone, without key and account"));
    }
    let mut values = StoreValues::default();
    for part in parts {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("'{part}' is no setting: name=value"))?;
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, providers)) if providers.contains(&provider) => values.set(name, value.trim())?,
            Some(_) => return Err(format!("{} has no {name}", provider.name())),
            // What isn't known may be a secret: its value isn't shown.
            None => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "there is no setting {name}: there are {}, and credentials belong into the process's environment",
                    names.join(", ")
                ));
            }
        }
    }
    Ok(StoreRule { provider, bucket: (!bucket.is_empty()).then(|| bucket.to_string()), values })
}

impl fmt::Display for StoreRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.provider {
            Provider::S3 => "s3",
            Provider::Gcs => "gs",
            Provider::Azure => "az",
        };
        write!(f, "{scheme}://{}", self.bucket.as_deref().unwrap_or_default())?;
        let StoreValues { region, endpoint, profile, account, path_style, anonymous, requester_pays } = &self.values;
        for (name, value) in [("region", region), ("endpoint", endpoint), ("profile", profile), ("account", account)] {
            if let Some(value) = value {
                write!(f, ",{name}={value}")?;
            }
        }
        let truths = [("path_style", path_style), ("anonymous", anonymous), ("requester_pays", requester_pays)];
        for (name, value) in truths {
            if let Some(value) = value {
                write!(f, ",{name}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn of(rules: &[&str], url: &str) -> StoreValues {
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
        let bucket = Bucket::of_url(&Url::parse(url).expect("a URL")).expect("a bucket").expect("of a store");
        StoreSettings::new(rules).of(&bucket)
    }

    #[test]
    fn a_buckets_own_rule_counts_before_those_of_all() {
        let rules = [
            "s3://,region=one,anonymous=true",
            "s3://photos,region=two,endpoint=http://host:1/",
            "gs://,endpoint=http://g",
        ];
        let photos = of(&rules, "s3://photos/a");
        assert_eq!(photos.region.as_deref(), Some("two"));
        assert_eq!(photos.endpoint.as_deref(), Some("http://host:1"));
        assert_eq!(photos.anonymous, Some(true));
        assert_eq!(of(&rules, "s3a://others").region.as_deref(), Some("one"));
        assert_eq!(of(&rules, "gs://photos").endpoint.as_deref(), Some("http://g"));
        assert_eq!(of(&rules, "az://photos"), StoreValues::default());
    }

    #[test]
    fn a_rule_is_shown_as_it_is_read() {
        for text in [
            "s3://photos,region=two,endpoint=http://host:1,path_style=false",
            "az://,account=me,anonymous=true",
            "gs://b",
        ] {
            assert_eq!(text.parse::<StoreRule>().expect("a rule").to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rule_says_why_and_shows_no_secret() {
        let error = |text: &str| text.parse::<StoreRule>().expect_err("no rule").to_string();
        assert!(error("photos").starts_with("'photos' names no store; "));
        assert!(error("ftp://photos").contains("'ftp' is no scheme of a store"));
        for text in ["s3://photos/key", "s3://pho tos", "az://photos\n//"] {
            assert!(error(text).contains("must be a bucket alone"), "{text:?}");
        }
        assert!(error("gs://photos,region=x").contains("Google Cloud Storage has no region"));
        assert!(error("s3://photos,path_style=yes").contains("path_style must be true or false, got 'yes'"));
        for text in [
            "s3://photos,secret_access_key=marked",
            "s3://photos,endpoint=http://me:marked@host",
            "s3://photos,endpoint=http://host?sig=marked",
        ] {
            let error = error(text);
            assert!(error.contains("belong into the process's environment") && !error.contains("marked"), "{error}");
        }
    }
}
