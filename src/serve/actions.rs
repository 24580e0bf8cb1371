//! Actions beside Flight SQL's own: cancelling, and the session and its options.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_flight::sql::{Any, Command};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo, Ticket,
};
use prost::Message;
use prost::bytes::Bytes;
use tonic::Status;

use super::clients::Client;
use super::failure;
use crate::words::quoted;

const CANCEL: &str = "CancelFlightInfo";
const CLOSE: &str = "CloseSession";
const GET: &str = "GetSessionOptions";
const SET: &str = "SetSessionOptions";

/// `CloseSessionResult.Status.CLOSED`.
const CLOSED: i32 = 1;

/// The actions that [`answer`] knows.
pub(super) fn all() -> Vec<ActionType> {
    let action =
        |name: &str, description: &str| ActionType { r#type: name.to_string(), description: description.to_string() };
    vec![
        action(CANCEL, "Cancels a statement.\nRequest: CancelFlightInfoRequest\nResponse: CancelFlightInfoResult"),
        action(CLOSE, "Ends the session.\nRequest: CloseSessionRequest\nResponse: CloseSessionResult"),
        action(
            GET,
            "Tells the session's options.\nRequest: GetSessionOptionsRequest\nResponse: GetSessionOptionsResult",
        ),
        action(
            SET,
            "Sets options of the session.\nRequest: SetSessionOptionsRequest\nResponse: SetSessionOptionsResult",
        ),
    ]
}

/// Does an action; what to answer with.
///
/// # Errors
/// An action that isn't known, or what it says.
pub(super) async fn answer(client: &Arc<Client>, action: &Action) -> Result<Bytes, Status> {
    let answer = match action.r#type.as_str() {
        CANCEL => {
            let request = read::<CancelFlightInfoRequest>(action)?;
            CancelFlightInfoResult::new(cancel(client, request.info.as_ref())).encode_to_vec()
        }
        CLOSE => {
            client.close();
            client.session.close().await;
            CloseSessionResult { status: CLOSED }.encode_to_vec()
        }
        GET => options(client).encode_to_vec(),
        SET => {
            for (name, value) in read::<SessionOptions>(action)?.options {
                set(client, &name, value.value.as_ref()).await?;
            }
            // Of what can't be set the status tells more than a list of numbers.
            Vec::new()
        }
        other => {
            return Err(Status::unimplemented(format!("there is no action '{other}' here")));
        }
    };
    Ok(answer.into())
}

/// Cancels the statement whose rows are described so.
pub(super) fn cancel(client: &Client, info: Option<&FlightInfo>) -> CancelStatus {
    let tickets = info.into_iter().flat_map(|info| &info.endpoint).filter_map(|endpoint| endpoint.ticket.as_ref());
    // All of them, even if one was there.
    let cancelled = tickets.filter_map(handle).filter(|handle| client.statements.cancel(handle)).count();
    match cancelled {
        0 => CancelStatus::NotCancellable,
        _ => CancelStatus::Cancelled,
    }
}

/// The handle of a ticket.
fn handle(ticket: &Ticket) -> Option<String> {
    match Command::try_from(Any::decode(ticket.ticket.as_ref()).ok()?).ok()? {
        Command::TicketStatementQuery(query) => String::from_utf8(query.statement_handle.to_vec()).ok(),
        _ => None,
    }
}

fn read<M: Message + Default>(action: &Action) -> Result<M, Status> {
    M::decode(action.body.as_ref())
        .map_err(|error| Status::invalid_argument(format!("the action {} can't be read: {error}", action.r#type)))
}

/// The names by which Flight SQL knows the current catalog and schema.
const NAMES: [(&str, &str); 2] =
    [("catalog", "datafusion.catalog.default_catalog"), ("schema", "datafusion.catalog.default_schema")];

fn options(client: &Client) -> SessionOptions {
    let config = client.session.context().copied_config();
    let entries = config.options().entries().into_iter().filter_map(|entry| Some((entry.key, entry.value?)));
    let known: HashMap<String, String> = entries.collect();
    let named = NAMES.iter().filter_map(|(name, key)| Some(((*name).to_string(), known.get(*key)?.clone())));
    let all: HashMap<String, String> = named.chain(known.clone()).collect();
    let value = |text| SessionOption { value: Some(SessionValue::Text(text)) };
    SessionOptions { options: all.into_iter().map(|(name, text)| (name, value(text))).collect() }
}

async fn set(client: &Client, name: &str, value: Option<&SessionValue>) -> Result<(), Status> {
    let key = NAMES.iter().find(|(short, _)| *short == name).map_or(name, |(_, key)| key);
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)) || key.is_empty() {
        return Err(Status::invalid_argument(format!("there is no option {}", quoted(name))));
    }
    let sql = match value {
        None => format!("RESET {key}"),
        Some(value) => format!("SET {key} = {}", quoted(&value.to_string())),
    };
    client.session.sql(&sql).await.map(drop).map_err(|error| failure::status(&error))
}

/// `SetSessionOptionsRequest`, and `GetSessionOptionsResult`.
#[derive(Clone, PartialEq, Message)]
struct SessionOptions {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, SessionOption>,
}

/// `SessionOptionValue`.
#[derive(Clone, PartialEq, Message)]
struct SessionOption {
    #[prost(oneof = "SessionValue", tags = "1, 2, 3, 4, 5")]
    value: Option<SessionValue>,
}

/// What stands in a `SessionOptionValue`.
#[derive(Clone, PartialEq, prost::Oneof)]
enum SessionValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(message, tag = "5")]
    List(Texts),
}

/// `SessionOptionValue.StringListValue`.
#[derive(Clone, PartialEq, Message)]
struct Texts {
    #[prost(string, repeated, tag = "1")]
    values: Vec<String>,
}

/// `CloseSessionResult`.
#[derive(Clone, PartialEq, Message)]
struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl std::fmt::Display for SessionValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::List(texts) => f.write_str(&texts.values.join(",")),
        }
    }
}
