//! The server as its clients see it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that can't go on stops")]

mod faults;
mod gcs;
mod s3_lists;
mod s3_multipart;
mod s3_objects;
mod server;
mod signatures;
mod support;
