//! Opens the store of a bucket, with what its process knows of it.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{Result, plan_datafusion_err, plan_err};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::{Error, ObjectStore, RetryConfig};
use tokio::runtime::Handle;
use url::Url;

use super::address::{Bucket, Provider};
use super::aws_profile::{AwsProfile, ProfileCredentials};
use super::connector::Connector;
use super::settings::StoreValues;
use super::uploads::UploadList;

/// How long a request is sent again where a store stumbles or is silent.
const RETRY_TIME: Duration = Duration::from_secs(90);

fn retries() -> RetryConfig {
    RetryConfig { retry_timeout: RETRY_TIME, ..RetryConfig::default() }
}

/// Opens the store of a bucket; nothing is sent.
///
/// # Errors
/// What is known of the bucket isn't enough, or can't be.
pub(super) fn open(bucket: &Bucket, values: &StoreValues, connector: &Connector, io: &Handle) -> Result<OpenStore> {
    match bucket.provider {
        Provider::S3 => s3(bucket, values, connector, io),
        Provider::Gcs => gcs(bucket, values, connector),
        Provider::Azure => azure(bucket, values, connector),
    }
}

/// A bucket's store: all of its objects, and uploads that one process begins and another ends.
#[derive(Clone)]
pub(in crate::storage) struct OpenStore {
    pub(in crate::storage) objects: Arc<dyn ObjectStore>,
    pub(in crate::storage) multipart: Arc<dyn MultipartStore>,
    pub(in crate::storage) pages: Arc<dyn PaginatedListStore>,
    /// Whether it lists what is behind a key, in the order of keys.
    pub(in crate::storage) lists_behind_keys: bool,
    /// `None` where uploads that nobody ends go by themselves, and where nothing may be asked.
    pub(in crate::storage) uploads: Option<UploadList>,
    /// Bytes that the store copies in one request, at most.
    pub(in crate::storage) most_copied: u64,
}

/// What [`CopyObject`] copies at most.
///
/// [`CopyObject`]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const MOST_COPIED_BY_S3: u64 = 5 << 30;

impl OpenStore {
    fn of<S: ObjectStore + MultipartStore + PaginatedListStore>(
        store: S,
        uploads: impl FnOnce(&Arc<S>) -> Option<UploadList>,
    ) -> Self {
        let store = Arc::new(store);
        let uploads = uploads(&store);
        let objects = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let multipart = Arc::clone(&store) as Arc<dyn MultipartStore>;
        Self { objects, multipart, pages: store, lists_behind_keys: true, uploads, most_copied: u64::MAX }
    }
}

/// What `object_store` says of a service account's key that is none, before it shows what stands there.
const NO_KEY: &str = "Unable to decode service account file";

fn refused(bucket: &Bucket, error: &Error) -> datafusion::error::DataFusionError {
    match error.to_string().split_once(NO_KEY) {
        Some((said, _)) => plan_datafusion_err!(
            "cannot open '{bucket}': {said}{NO_KEY}: it must be the JSON that Google gives for an account; docs/stores.md says which \
             variables name it"
        ),
        None => plan_datafusion_err!("cannot open '{bucket}': {error}"),
    }
}

/// Refuses an endpoint that is no address, or holds more: errors and logs show it, and `object_store` panics at some.
fn check_endpoint(bucket: &Bucket, endpoint: Option<String>) -> Result<()> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    let is_address = Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_address && !endpoint.contains(['@', '?']) {
        return Ok(());
    }
    plan_err!(
        "cannot open '{bucket}': its endpoint, which the environment or a profile names, must be an address alone, as in \
         http://127.0.0.1:9000: credentials have places of their own, see docs/stores.md"
    )
}

fn s3(bucket: &Bucket, values: &StoreValues, connector: &Connector, io: &Handle) -> Result<OpenStore> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let has_keys = variable("AWS_ACCESS_KEY_ID").is_some();
    let named = values.profile.clone().or_else(|| variable("AWS_PROFILE").filter(|_| !has_keys));
    let name = named.clone().or_else(|| (!has_keys).then(|| "default".to_string()));
    let profile = match &name {
        Some(name) => {
            AwsProfile::read(name).map_err(|error| plan_datafusion_err!("cannot open '{bucket}': {error}"))?
        }
        None => None,
    };
    if let (Some(name), None) = (&named, &profile) {
        return plan_err!(
            "cannot open '{bucket}': there is no profile '{name}' in ~/.aws/config and ~/.aws/credentials"
        );
    }
    // Keys of the environment don't mix with those of a profile.
    let mut builder = if values.profile.is_some() { AmazonS3Builder::new() } else { AmazonS3Builder::from_env() };
    if let Some(profile) = &profile {
        builder = match profile.credentials(io) {
            ProfileCredentials::Keys { id, secret, token } => {
                let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                token.into_iter().fold(builder, AmazonS3Builder::with_token)
            }
            ProfileCredentials::Program(credentials) => builder.with_credentials(credentials),
            ProfileCredentials::None => builder,
        };
    }
    let is_set = |names: [&str; 2]| values.profile.is_none() && names.into_iter().any(|name| variable(name).is_some());
    let of_profile = |value: Option<&str>, names: [&str; 2]| value.filter(|_| !is_set(names)).map(str::to_string);
    let profile = profile.as_ref();
    let region = of_profile(profile.and_then(AwsProfile::region), ["AWS_REGION", "AWS_DEFAULT_REGION"]);
    let endpoint = of_profile(profile.and_then(AwsProfile::endpoint), ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]);
    let builder = values.region.clone().or(region).into_iter().fold(builder, AmazonS3Builder::with_region);
    let builder = values.endpoint.clone().or(endpoint).into_iter().fold(builder, AmazonS3Builder::with_endpoint);
    check_endpoint(bucket, builder.get_config_value(&AmazonS3ConfigKey::Endpoint))?;
    let builder = match values.path_style {
        Some(is_path) => builder.with_virtual_hosted_style_request(!is_path),
        None => builder,
    };
    let builder = values.anonymous.into_iter().fold(builder, AmazonS3Builder::with_skip_signature);
    let builder = values.requester_pays.into_iter().fold(builder, AmazonS3Builder::with_request_payer);
    let is_set = |key| builder.get_config_value(&key).is_some_and(|value| value == "true");
    let (is_anonymous, requester_pays) =
        (is_set(AmazonS3ConfigKey::SkipSignature), is_set(AmazonS3ConfigKey::RequestPayer));
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_string());
    let store =
        builder.with_bucket_name(&bucket.name).with_http_connector(connector.clone()).with_retry(retries()).build();
    let store = store.map_err(|error| refused(bucket, &error))?;
    let uploads = |store: &Arc<AmazonS3>| UploadList::of_s3(Arc::clone(store), region, requester_pays, connector);
    let store = OpenStore::of(store, |store| (!is_anonymous).then(|| uploads(store)));
    // Of what S3 calls a directory bucket keys come in no order.
    let lists_behind_keys = !bucket.name.ends_with("--x-s3");
    Ok(OpenStore { most_copied: MOST_COPIED_BY_S3, lists_behind_keys, ..store })
}

fn gcs(bucket: &Bucket, values: &StoreValues, connector: &Connector) -> Result<OpenStore> {
    let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&bucket.name);
    let builder = values.endpoint.iter().fold(builder, |builder, endpoint| builder.with_base_url(endpoint));
    let builder = values.anonymous.into_iter().fold(builder, GoogleCloudStorageBuilder::with_skip_signature);
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    check_endpoint(bucket, base.clone())?;
    let url = format!("{}/{}", base.as_deref().unwrap_or("https://storage.googleapis.com"), bucket.name);
    let store = builder.with_http_connector(connector.clone()).with_retry(retries()).build();
    let store = store.map_err(|error| refused(bucket, &error))?;
    Ok(OpenStore::of(store, |store| Some(UploadList::of_gcs(Arc::clone(store), url, connector))))
}

fn azure(bucket: &Bucket, values: &StoreValues, connector: &Connector) -> Result<OpenStore> {
    let builder = MicrosoftAzureBuilder::from_env();
    let builder = match &bucket.account {
        // With the account's own domain.
        Some(_) => builder.with_url(bucket.to_string()),
        None => builder.with_container_name(&bucket.name),
    };
    let builder = values.account.iter().fold(builder, |builder, account| builder.with_account(account));
    let builder = values.endpoint.clone().into_iter().fold(builder, MicrosoftAzureBuilder::with_endpoint);
    let builder = values.anonymous.into_iter().fold(builder, MicrosoftAzureBuilder::with_skip_signature);
    check_endpoint(bucket, builder.get_config_value(&AzureConfigKey::Endpoint))?;
    let store = builder.with_http_connector(connector.clone()).with_retry(retries()).build();
    // Its protocol has that in newer versions than this client speaks.
    let opened = store.map(|store| OpenStore { lists_behind_keys: false, ..OpenStore::of(store, |_| None) });
    opened.map_err(|error| match error {
        Error::Generic { .. } if bucket.account.is_none() && values.account.is_none() => plan_datafusion_err!(
            "cannot open '{bucket}': {error}; name the storage account by AZURE_STORAGE_ACCOUNT_NAME, by --store \
             '{bucket},account=...', or in the URL: abfss://{}@ACCOUNT.dfs.core.windows.net/",
            bucket.name
        ),
        error => refused(bucket, &error),
    })
}
