//! Uploads that nobody has ended: stores keep what was uploaded, and count it, until somebody gives it up.
//!
//! `object_store` doesn't list them. S3 does by [`ListMultipartUploads`], and Google by the same request; Azure forgets what no
//! list of blocks names.
//!
//! [`ListMultipartUploads`]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody};
use object_store::gcp::GoogleCloudStorage;
use object_store::signer::Signer;
use reqwest::Method;
use url::Url;

use super::connector::Connector;
use crate::words::{chain, elements, unescaped};

/// How often a page is asked for.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Asks a store for its uploads.
#[derive(Clone)]
pub(in crate::storage) struct UploadList {
    client: HttpClient,
    bucket: Bucket,
}

#[derive(Clone)]
enum Bucket {
    S3 { store: Arc<AmazonS3>, region: String, requester_pays: bool },
    Gcs { store: Arc<GoogleCloudStorage>, url: String },
}

/// An upload that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage) struct OpenUpload {
    pub(in crate::storage) key: String,
    pub(in crate::storage) id: String,
}

impl fmt::Debug for UploadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadList")
    }
}

impl UploadList {
    pub(super) fn of_s3(store: Arc<AmazonS3>, region: String, requester_pays: bool, connector: &Connector) -> Self {
        let bucket = Bucket::S3 { store, region, requester_pays };
        Self { client: HttpClient::new(connector.clone()), bucket }
    }

    /// `url` is that of the bucket.
    pub(super) fn of_gcs(store: Arc<GoogleCloudStorage>, url: String, connector: &Connector) -> Self {
        Self { client: HttpClient::new(connector.clone()), bucket: Bucket::Gcs { store, url } }
    }

    /// The uploads whose keys begin so.
    ///
    /// # Errors
    /// Why they can't be known, in words.
    pub(in crate::storage) async fn below(&self, prefix: &str) -> Result<Vec<OpenUpload>, String> {
        let mut uploads = Vec::new();
        let mut markers: Vec<(&str, String)> = Vec::new();
        loop {
            let mut query = vec![("uploads", String::new()), ("prefix", prefix.to_string())];
            query.extend(markers.iter().cloned());
            let page = self.page(&query).await?;
            for upload in elements(&page, "Upload") {
                if let ([key], [id]) = (elements(upload, "Key").as_slice(), elements(upload, "UploadId").as_slice()) {
                    uploads.push(OpenUpload { key: unescaped(key), id: unescaped(id) });
                }
            }
            if elements(&page, "IsTruncated") != ["true"] {
                break;
            }
            let markers_of = [("key-marker", "NextKeyMarker"), ("upload-id-marker", "NextUploadIdMarker")];
            let next = markers_of
                .into_iter()
                .filter_map(|(name, element)| elements(&page, element).first().map(|marker| (name, unescaped(marker))));
            let next: Vec<(&str, String)> = next.collect();
            if next.is_empty() || next == markers {
                return Err("the store says that there are more, and not where its list goes on".to_string());
            }
            markers = next;
        }
        uploads.retain(|upload| upload.key.starts_with(prefix));
        Ok(uploads)
    }

    /// A page's text, also where the store stumbles.
    async fn page(&self, query: &[(&str, String)]) -> Result<String, String> {
        let mut attempt = 1;
        loop {
            let failed = match self.ask(query).await {
                Ok((status, text)) if (200..300).contains(&status) => return Ok(text),
                Ok((status, text)) => {
                    let code = elements(&text, "Code").first().map_or_else(String::new, |code| format!(": {code}"));
                    let reason = format!("the store answered {status}{code}");
                    if status < 500 && status != 429 {
                        return Err(reason);
                    }
                    reason
                }
                Err(error) => chain(&error),
            };
            if attempt == ATTEMPTS {
                return Err(failed);
            }
            tokio::time::sleep(PAUSE * attempt as u32).await;
            attempt += 1;
        }
    }

    async fn ask(&self, query: &[(&str, String)]) -> Result<(u16, String), HttpError> {
        let unknown = |error: object_store::Error| HttpError::new(HttpErrorKind::Unknown, error);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        match &self.bucket {
            Bucket::S3 { store, region, requester_pays } => {
                // It knows where the bucket is.
                let bucket =
                    store.signed_url(Method::GET, &"".into(), Duration::from_secs(60)).await.map_err(unknown)?;
                set_url(&mut request, bucket, query)?;
                let credential = store.credentials().get_credential().await.map_err(unknown)?;
                let authorizer = AwsAuthorizer::new(&credential, "s3", region).with_request_payer(*requester_pays);
                authorizer.authorize(&mut request, None);
            }
            Bucket::Gcs { store, url } => {
                let invalid = |error| HttpError::new(HttpErrorKind::Unknown, error);
                set_url(&mut request, Url::parse(url).map_err(invalid)?, query)?;
                let credential = store.credentials().get_credential().await.map_err(unknown)?;
                if !credential.bearer.is_empty() {
                    let bearer = format!("Bearer {}", credential.bearer);
                    let bearer = bearer.parse().map_err(|_| HttpError::new(HttpErrorKind::Unknown, NoToken))?;
                    request.headers_mut().insert("authorization", bearer);
                }
            }
        }
        let answer = self.client.execute(request).await?;
        let status = answer.status().as_u16();
        Ok((status, String::from_utf8_lossy(&answer.into_body().bytes().await?).into_owned()))
    }
}

fn set_url(request: &mut HttpRequest, mut url: Url, query: &[(&str, String)]) -> Result<(), HttpError> {
    url.query_pairs_mut().clear().extend_pairs(query);
    *request.uri_mut() = url.as_str().parse().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the token of Google's credentials can't be sent")]
struct NoToken;
