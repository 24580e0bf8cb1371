//! Profiles of AWS's shared files, `~/.aws/config` and `~/.aws/credentials`: all of a profile, or none of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use object_store::aws::AwsCredential;
use object_store::{CredentialProvider, Error, Result};
use serde::Deserialize;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// How long before their end credentials are asked for again.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// How long a program may take that tells credentials: who signs in by hand has done so before.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it isn't asked again when it has failed.
const PAUSE: Duration = Duration::from_secs(10);

/// What a profile says.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct AwsProfile {
    pub(super) name: String,
    values: BTreeMap<String, String>,
}

impl fmt::Debug for AwsProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsProfile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a profile's credentials come from.
pub(super) enum ProfileCredentials {
    /// They stand in the file.
    Keys { id: String, secret: String, token: Option<String> },
    /// A program tells them: the profile's own, or AWS's command line for sessions and roles.
    Program(Arc<dyn CredentialProvider<Credential = AwsCredential>>),
    /// The profile is about other things.
    None,
}

impl AwsProfile {
    /// The profile of this name; `None` if no file has it.
    ///
    /// # Errors
    /// A file that is there and can't be read.
    pub(super) fn read(name: &str) -> Result<Option<Self>, String> {
        let place = |variable: &str, file: &str| -> Option<PathBuf> {
            let named = std::env::var_os(variable).map(PathBuf::from);
            named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(file)))
        };
        let files = [place("AWS_CONFIG_FILE", "config"), place("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        let mut texts = Vec::new();
        for path in files.into_iter().flatten() {
            texts.extend(text(&path)?);
        }
        Ok(Self::of_texts(&texts, name))
    }

    fn of_texts(texts: &[String], name: &str) -> Option<Self> {
        let of_all = |kind: Section, name: &str| {
            let sections = texts.iter().filter_map(|text| section(text, kind, name));
            // Keys in the file of credentials, which is the last, count before those in the other.
            sections.reduce(|mut values, section| {
                values.extend(section);
                values
            })
        };
        let mut values = of_all(Section::Profile, name)?;
        let services = values.get("services").and_then(|services| of_all(Section::Services, services));
        // What is said of S3 counts before what is said of all services.
        values.extend(services.and_then(|mut services| services.remove_entry("s3.endpoint_url")));
        Some(Self { name: name.to_string(), values })
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.values.get("region").map(String::as_str)
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.values.get("s3.endpoint_url").or_else(|| self.values.get("endpoint_url")).map(String::as_str)
    }

    /// Where the credentials come from.
    pub(super) fn credentials(&self, io: &Handle) -> ProfileCredentials {
        let value = |name: &str| self.values.get(name).cloned();
        if let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key"))
            && value("role_arn").is_none()
        {
            return ProfileCredentials::Keys { id, secret, token: value("aws_session_token") };
        }
        let program = match value("credential_process") {
            Some(program) => Program::Shell(program),
            None if ["role_arn", "sso_session", "sso_start_url"].iter().any(|name| self.values.contains_key(*name)) => {
                Program::AwsCli(self.name.clone())
            }
            None => return ProfileCredentials::None,
        };
        ProfileCredentials::Program(Arc::new(ProgramCredentials::new(program, io.clone())))
    }
}

fn text(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read '{}': {error}", path.display())),
    }
}

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// `[name]`, `[profile name]`.
    Profile,
    /// `[services name]`.
    Services,
}

/// The values of a section; those of lines that are indented have the name above them before their own: `s3.endpoint_url`.
pub(super) fn section(text: &str, kind: Section, name: &str) -> Option<BTreeMap<String, String>> {
    let mut values = None;
    let (mut is_inside, mut above) = (false, String::new());
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let mut words = header.0.split_whitespace();
            let (of, section) = match (words.next(), words.next()) {
                (Some("profile"), Some(section)) => (Section::Profile, section),
                (Some("services"), Some(section)) => (Section::Services, section),
                (Some(section), None) => (Section::Profile, section),
                _ => (Section::Profile, ""),
            };
            is_inside = of == kind && section.trim_matches('"') == name;
            above.clear();
            if is_inside {
                values.get_or_insert_with(BTreeMap::new);
            }
            continue;
        }
        if let (true, Some((key, value)), Some(values)) = (is_inside, trimmed.split_once('='), &mut values) {
            let key = key.trim().to_ascii_lowercase();
            let key = match line.starts_with([' ', '\t']) {
                true => format!("{above}.{key}"),
                false => {
                    above.clone_from(&key);
                    key
                }
            };
            values.insert(key, value.trim().to_string());
        }
    }
    values
}

/// Who tells credentials.
enum Program {
    Shell(String),
    AwsCli(String),
}

/// Credentials that a program tells, asked for again before they end.
struct ProgramCredentials {
    program: Program,
    io: Handle,
    patience: Duration,
    /// What it told last, or when it failed, and why: those who wait meanwhile are told the same.
    last: Mutex<Option<Result<Told, (Instant, String)>>>,
}

impl ProgramCredentials {
    fn new(program: Program, io: Handle) -> Self {
        Self { program, io, patience: PATIENCE, last: Mutex::new(None) }
    }
}

impl fmt::Debug for ProgramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgramCredentials")
    }
}

/// What a program has told.
struct Told {
    credential: Arc<AwsCredential>,
    ends: Option<DateTime<Utc>>,
}

/// A program's answer, as AWS defines it for `credential_process`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<DateTime<Utc>>,
}

#[async_trait]
impl CredentialProvider for ProgramCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        let failure = |reason: &str| Error::Generic { store: "S3", source: reason.into() };
        match last.as_ref() {
            Some(Ok(told)) if told.ends.is_none_or(|ends| Utc::now() + EARLY < ends) => {
                return Ok(Arc::clone(&told.credential));
            }
            Some(Err((when, reason))) if when.elapsed() < PAUSE => return Err(failure(reason)),
            _ => {}
        }
        let (mut command, said) = match &self.program {
            Program::Shell(line) => {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                (command, "the profile's credential_process".to_string())
            }
            Program::AwsCli(profile) => {
                let mut command = Command::new("aws");
                command.args(["configure", "export-credentials", "--format", "process", "--profile", profile]);
                (
                    command,
                    format!(
                        "'aws configure export-credentials --profile {profile}', which AWS's command line version 2 has"
                    ),
                )
            }
        };
        command.stdin(Stdio::null()).kill_on_drop(true);
        let patience = self.patience;
        let ran = self.io.spawn(async move { tokio::time::timeout(patience, command.output()).await }).await;
        let ran = ran.map(|ended| ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        let told = match ran {
            Ok(Ok(output)) if output.status.success() => {
                serde_json::from_slice(&output.stdout).map_err(|_| format!("{said}: its answer holds no credentials"))
            }
            Ok(Ok(output)) => {
                let message = String::from_utf8_lossy(&output.stderr);
                Err(format!(
                    "{said} failed: {}",
                    message.lines().rfind(|line| !line.is_empty()).unwrap_or("without a word")
                ))
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Err(format!("{said} has told nothing for {} seconds", patience.as_secs()))
            }
            Ok(Err(error)) => Err(format!("cannot run {said}: {error}")),
            Err(error) => Err(format!("{said} was stopped: {error}")),
        };
        let answer: Answer = match told {
            Ok(answer) => answer,
            Err(reason) => {
                let error = failure(&reason);
                *last = Some(Err((Instant::now(), reason)));
                return Err(error);
            }
        };
        let credential = Arc::new(AwsCredential {
            key_id: answer.access_key_id,
            secret_key: answer.secret_access_key,
            token: answer.session_token,
        });
        *last = Some(Ok(Told { credential: Arc::clone(&credential), ends: answer.expiration }));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\ns3 =\n  max_concurrent_requests = 20\n\n[profile work]\nrole_arn=arn:x\n\
                          source_profile = default\nendpoint_url = http://host\nservices = local\n[profile \"odd\"]\ncredential_process = echo hello\n[services local]\nec2 =\n  endpoint_url = http://ec2\ns3 =\n  endpoint_url = http://s3\n";

    #[test]
    fn sections_are_those_of_the_profile() {
        let value =
            |name: &str, key: &str| section(CONFIG, Section::Profile, name).and_then(|values| values.get(key).cloned());
        assert_eq!(value("default", "region").as_deref(), Some("eu-west-1"));
        assert_eq!(value("default", "s3.max_concurrent_requests").as_deref(), Some("20"));
        assert_eq!(value("default", "max_concurrent_requests"), None);
        assert_eq!(value("work", "endpoint_url").as_deref(), Some("http://host"));
        assert_eq!(value("work", "region"), None);
        assert_eq!(value("odd", "credential_process").as_deref(), Some("echo hello"));
        for none in ["none", "local"] {
            assert_eq!(section(CONFIG, Section::Profile, none), None);
        }
    }

    #[test]
    fn the_endpoint_of_s3_counts_before_that_of_all_services() {
        let endpoint = |texts: &[&str], name: &str| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            AwsProfile::of_texts(&texts, name).and_then(|profile| profile.endpoint().map(str::to_string))
        };
        assert_eq!(endpoint(&[CONFIG], "work").as_deref(), Some("http://s3"));
        assert_eq!(endpoint(&[&CONFIG.replace("local", "other")], "work").as_deref(), Some("http://s3"));
        assert_eq!(
            endpoint(&[&CONFIG.replace("[services local]", "[services x]")], "work").as_deref(),
            Some("http://host")
        );
        assert_eq!(
            endpoint(&[CONFIG, "[work]\nendpoint_url = http://credentials\n"], "work").as_deref(),
            Some("http://s3")
        );
        assert_eq!(endpoint(&[CONFIG], "default"), None);
        assert_eq!(endpoint(&["[a]\ns3 =\n  endpoint_url = http://own"], "a").as_deref(), Some("http://own"));
        assert!(AwsProfile::of_texts(&[CONFIG.to_string()], "local").is_none());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let values = BTreeMap::from([("aws_secret_access_key".to_string(), "marked".to_string())]);
        let profile = AwsProfile { name: "default".to_string(), values };
        assert_eq!(format!("{profile:?}"), "AwsProfile { name: \"default\", .. }");
    }

    #[tokio::test]
    async fn a_program_is_asked_once_until_its_credentials_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let calls = directory.path().join("calls");
        let line = |ends: &str| {
            format!(
                "echo x >> {}; echo '{{\"Version\": 1, \"AccessKeyId\": \"id\", \"SecretAccessKey\": \"marked\"{ends}}}'",
                calls.display()
            )
        };
        for (ends, expected) in [("", 1), (", \"Expiration\": \"2020-01-01T00:00:00Z\"", 3)] {
            let provider = ProgramCredentials::new(Program::Shell(line(ends)), Handle::current());
            for _ in 0..2 {
                let credential = provider.get_credential().await.expect("credentials");
                assert_eq!((credential.key_id.as_str(), credential.secret_key.as_str()), ("id", "marked"));
            }
            assert_eq!(std::fs::read_to_string(&calls).expect("calls").lines().count(), expected);
        }
        for (line, expected) in [("echo no >&2; exit 1", "failed: no"), ("sleep 100", "has told nothing for 0 seconds")]
        {
            let program = ProgramCredentials::new(Program::Shell(line.to_string()), Handle::current());
            let fails = ProgramCredentials { patience: Duration::from_millis(500), ..program };
            let error = fails.get_credential().await.expect_err("no credentials").to_string();
            assert!(error.contains(&format!("the profile's credential_process {expected}")), "{error}");
            let again = Instant::now();
            assert_eq!(fails.get_credential().await.expect_err("no credentials").to_string(), error);
            assert!(again.elapsed() < fails.patience, "asked again");
        }
    }
}
