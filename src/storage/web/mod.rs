//! The web: images by `http://` and `https://` URLs, read politely from hosts that nobody here knows.
//!
//! A URL of a list is written by strangers: it must not lead to machines that only this process can reach. Private addresses are
//! refused when they are resolved, and each redirect is judged like a URL of its own.

mod address;
mod client;
mod failure;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod opt_out;
mod options;
mod outage;
mod read;

pub use options::WebOptions;

pub(crate) use address::{check_web_location, is_web_url, named_in_lists, shown};
pub(crate) use client::Web;
pub(crate) use outage::Outage;
pub(crate) use read::read_web;
