//! Objects of S3, Google Cloud Storage and Azure Blob Storage.
//!
//! A process has one registry of stores, one HTTP client and one place for credentials: itself. No statement, URL or option of a session
//! holds any.

mod address;
mod aws_profile;
mod connector;
mod open;
mod settings;
mod stores;

pub use settings::{StoreRule, StoreSettings};

pub(crate) use address::{check_object_url, is_object_url};
pub(crate) use stores::Stores;
