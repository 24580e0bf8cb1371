//! What fuzzing and tests run of the server: any request is answered, or refused by a status.

#![allow(clippy::panic, reason = "a test that can't go on stops")]

use std::sync::{Arc, LazyLock};

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use futures::StreamExt;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::Request;

use super::access::{Access, Token};
use super::clients::Clients;
use super::connection::Connection;
use super::service::Service;
use super::{gate, upload};
use crate::engine::Engine;

static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().ok());

/// A request. The first byte says of which kind it is.
pub(crate) fn requests(input: &[u8], engine: Arc<Engine>) {
    let Some((kind, content)) = input.split_first() else { return };
    let Some(runtime) = RUNTIME.as_ref() else { panic!("there is no runtime for fuzzing") };
    match kind % 5 {
        0 => headers(content),
        1 => runtime.block_on(uploads(content)),
        _ => runtime.block_on(calls(kind % 5, content, engine)),
    }
}

/// Headers, one in each line: nobody comes in without the token.
fn headers(content: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in content.split(|byte| *byte == b'\n').take(50) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let _ = gate::shown(&headers);
    let token = "of-15-letters-x";
    let Ok(access) = token.parse::<Token>().map(|token| Access::new(Some(token))) else { panic!("no token") };
    let is_shown = content.windows(token.len()).any(|part| part == token.as_bytes());
    assert!(is_shown || access.check(&headers, false).is_err(), "somebody comes in without the token");
    let _ = access.check(&headers, true);
    let text = String::from_utf8_lossy(content);
    assert!(text.parse::<Token>().is_err() || text.trim().bytes().all(|byte| byte.is_ascii_graphic()));
}

/// Messages with rows, each behind its length.
async fn uploads(mut content: &[u8]) {
    let mut messages = Vec::new();
    while let Ok(message) = FlightData::decode_length_delimited(&mut content) {
        messages.push(Ok(message));
        if content.is_empty() {
            break;
        }
    }
    let mut batches = upload::Batches::of(futures::stream::iter(messages));
    let mut rows = Vec::new();
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(batch) if batch.num_rows() <= 1000 => {
                let _ = upload::add(&batch, &mut rows);
            }
            Ok(_) => {}
            Err(error) => {
                let _ = upload::unreadable(error);
                return;
            }
        }
    }
}

/// What clients ask for: a description, the rows of a ticket, or an action, whose name is the first line.
async fn calls(kind: u8, content: &[u8], engine: Arc<Engine>) {
    let clients = Clients::new(engine);
    let connection = Connection { client: Arc::default(), peer: None };
    let (Ok(service), Ok(client)) = (Service::new(None, true), clients.of(None, &connection)) else {
        panic!("there is no session for fuzzing")
    };
    let with_client = |mut extensions: tonic::Extensions| {
        extensions.insert(client);
        extensions
    };
    match kind {
        2 => {
            let mut request = Request::new(FlightDescriptor::new_cmd(content.to_vec()));
            *request.extensions_mut() = with_client(tonic::Extensions::default());
            let Ok(info) = service.get_flight_info(request).await else { return };
            assert!(!info.get_ref().endpoint.is_empty(), "an answer without a place for its rows");
        }
        3 => {
            let mut request = Request::new(Ticket::new(content.to_vec()));
            *request.extensions_mut() = with_client(tonic::Extensions::default());
            if let Ok(rows) = service.do_get(request).await {
                let _ = rows.into_inner().take(10).collect::<Vec<_>>().await;
            }
        }
        _ => {
            let mut parts = content.splitn(2, |byte| *byte == b'\n');
            let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            let body = parts.next().unwrap_or_default().to_vec();
            let mut request = Request::new(Action::new(name, body));
            *request.extensions_mut() = with_client(tonic::Extensions::default());
            if let Ok(answers) = service.do_action(request).await {
                let _ = answers.into_inner().take(10).collect::<Vec<_>>().await;
            }
        }
    }
}
