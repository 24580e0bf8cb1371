//! An object store for tests: it speaks S3's protocol and Google Cloud Storage's, and misbehaves where a script says so.
//!
//! A [`Server`] listens on a port of its own and holds its objects in memory. A test points a client at
//! [`Server::endpoint`], scripts faults as [`Rule`]s, and afterwards asks what was stored and which requests came.
//!
//! ```
//! use pixmill_object_server::{Action, Operation, Options, Rule, Server};
//!
//! let server = Server::start(Options::default());
//! server.make_bucket("photos");
//! server.put("photos", "tulips/1.jpg", "a tulip");
//! // The first two GETs below 'tulips/' are told to slow down; the third is served.
//! server.script(Rule::new(Action::status(503, "SlowDown")).operation(Operation::Get).key_contains("tulips/").first(2));
//!
//! // Here a client at `server.endpoint()` does its work.
//!
//! assert_eq!(server.keys("photos"), ["tulips/1.jpg"]);
//! assert!(server.requests().is_empty());
//! ```
//!
//! What it doesn't have: versions of objects, ACLs, tags, presigned URLs, signed chunks (`STREAMING-…`), checksums other
//! than `x-amz-content-sha256`, buckets in the host name, HTTPS and HTTP/2.

mod answer;
mod call;
mod conditions;
mod connection;
mod faults;
mod list;
mod log;
mod multipart;
mod object;
mod refusal;
mod s3;
mod server;
mod signature;
mod xml;

pub use call::{Dialect, Operation};
pub use faults::{Action, Rule};
pub use log::{Counts, Request};
pub use multipart::Upload;
pub use server::{Credentials, Options, Server};
