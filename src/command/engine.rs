//! The engine that a command's arguments ask for, and work with it.

use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use etcetera::BaseStrategy;

use crate::cluster::client::HostPort;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exec::cores;
use crate::storage::{AllowList, StoreRule, StoreSettings};

/// How long an interrupted or failed statement may take to clean up behind itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How many threads decode.
#[derive(Debug, Default, Args)]
pub(crate) struct Threads {
    /// Threads that decode images; as many as there are cores by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Where statements run.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    #[command(flatten)]
    pub(crate) threads: Threads,

    /// Run on the cluster of this scheduler instead of in this process
    #[arg(long, value_name = "df://HOST:PORT", conflicts_with = "threads")]
    pub(crate) cluster: Option<HostPort>,

    /// Locations that statements may read and write, separated by commas; everywhere by default
    #[arg(long, value_name = "LIST", conflicts_with = "cluster")]
    pub(crate) allow: Option<AllowList>,

    #[command(flatten)]
    pub(crate) stores: StoreArgs,
}

/// What is known of object stores.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StoreArgs {
    /// What is special about a store, such as 's3://bucket,region=eu-west-1,endpoint=http://127.0.0.1:9000'; may be given several times
    #[arg(long = "store", value_name = "STORE", value_parser = RuleParser)]
    pub(crate) rules: Vec<StoreRule>,

    /// Requests to object stores that wait for an answer at the same time; 64 by default
    #[arg(long = "store-requests", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) requests: Option<u16>,
}

/// Reads rules; an error doesn't show the whole of one, which may hold a secret.
#[derive(Clone)]
struct RuleParser;

impl TypedValueParser for RuleParser {
    type Value = StoreRule;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> std::result::Result<StoreRule, clap::Error> {
        let rule = value.to_str().ok_or_else(|| "a store's name is text".to_string());
        rule.and_then(|rule| rule.parse::<StoreRule>().map_err(|reason| reason.to_string())).map_err(|reason| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--store: {reason}\n")).with_cmd(command)
        })
    }
}

impl StoreArgs {
    /// The settings of the arguments, and behind them those of the file `pixmill/stores` among the user's configuration.
    ///
    /// # Errors
    /// A file that holds something else, and none where one is named.
    pub(crate) fn settings(&self) -> Result<StoreSettings> {
        let named = std::env::var_os("PIXMILL_STORES").filter(|name| !name.is_empty()).map(PathBuf::from);
        if let Some(absent) = named.as_ref().filter(|file| !file.exists()) {
            return Err(Error::Usage(format!("there is no file '{}', which PIXMILL_STORES names", absent.display())));
        }
        let usual = || Some(etcetera::choose_base_strategy().ok()?.config_dir().join("pixmill/stores"));
        let settings = match named.or_else(usual) {
            Some(file) => StoreSettings::with_file(self.rules.clone(), &file)?,
            None => StoreSettings::new(self.rules.clone()),
        };
        Ok(settings.with_requests(self.requests.map(usize::from)))
    }

    /// The arguments as they are given to another process.
    pub(crate) fn words(&self) -> impl Iterator<Item = OsString> + '_ {
        let requests = self.requests.map(|requests| ["--store-requests".into(), requests.to_string().into()]);
        let rules = self.rules.iter().map(|rule| ["--store".into(), rule.to_string().into()]);
        rules.chain(requests).flatten()
    }
}

impl EngineArgs {
    /// The engine that runs statements there.
    ///
    /// # Errors
    /// Threads that can't be started, or a cluster that isn't there.
    pub(crate) async fn open(&self) -> Result<Engine> {
        match &self.cluster {
            None => {
                let allow = self.allow.clone().unwrap_or_default();
                Engine::local_within(self.threads.count(), allow, self.stores.settings()?)
            }
            Some(address) => Engine::cluster_within(address, self.stores.settings()?).await,
        }
    }
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.threads.map_or_else(cores, NonZero::get)
    }
}

/// Does some work with an engine; Ctrl-C cancels it.
pub(super) fn with_engine<T>(engine: &EngineArgs, work: impl AsyncFnOnce(&Engine) -> Result<T>) -> Result<T> {
    on_engine(engine, async |engine| {
        tokio::select! {
            result = work(engine) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    })
}

/// Does some work with an engine, which says itself what Ctrl-C does.
pub(crate) fn on_engine<T>(engine: &EngineArgs, work: impl AsyncFnOnce(&Engine) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Failed(format!("cannot start: {error}")))?;
    let engine = runtime.block_on(engine.open())?;
    let result = runtime.block_on(work(&engine));
    engine.close(PATIENCE);
    result
}
