//! Connections: how a request comes in, and its answer goes out as the script has it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::call::Call;
use crate::conditions::http_date;
use crate::faults::{Action, End, Sending};
use crate::log::{Counted, Request, lock};
use crate::object::Content;
use crate::refusal::Refusal;
use crate::s3::{self, Setting};
use crate::server::Shared;
use crate::signature;

/// Accepts connections for as long as it is polled.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only a matter of speed.
                let _ = stream.set_nodelay(true);
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
            // Such as too many open files: other connections have to end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Answers the requests of a connection, until either side closes it.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let _counted = shared.log.connection();
    let flushed = Arc::new(Notify::new());
    let transport = TokioIo::new(Transport { stream, flushed: Arc::clone(&flushed) });
    let service = service_fn(|request| answer(request, Arc::clone(&shared), Arc::clone(&flushed)));
    // It ends with an error where the script has it so, or where the client has gone: there is nobody to tell.
    let _ = http1::Builder::new().serve_connection(transport, service).await;
}

/// Why a connection is closed in the middle.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the script closes the connection")]
    Scripted,
    #[error("the request's body has no end")]
    Body(#[source] hyper::Error),
}

type AnswerBody = UnsyncBoxBody<Bytes, Closed>;

/// Reads a request and answers it. An error closes the connection without an answer.
async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    flushed: Arc<Notify>,
) -> Result<Response<AnswerBody>, Closed> {
    let in_flight = shared.log.request_in_flight();
    let (head, body) = request.into_parts();
    let (mut call, undecoded) = Call::of(head, shared.options.dialect);
    let actions = lock(&shared.script).actions(&call);
    let number = shared.log.note(Request { faults: actions.len(), ..Request::of(&call) });
    if actions.contains(&Action::CloseAtOnce) {
        return Err(Closed::Scripted);
    }
    call.body = Content::new(body.collect().await.map_err(Closed::Body)?.to_bytes());
    shared.log.amend(number, |request| request.body_bytes = call.body.bytes.len());
    let delay = shared.options.latency + delay(&actions);
    if !delay.is_zero() {
        // Even a sleep of no time takes up to a millisecond.
        tokio::time::sleep(delay).await;
    }

    let request_id = format!("{:016X}", number + 1);
    let now = Utc::now() + TimeDelta::seconds(shared.options.clock_ahead_seconds);
    let scripted = actions.iter().find_map(|action| action.answer(&request_id));
    let mut answer = match (scripted, undecoded) {
        (Some(answer), _) => answer,
        (None, Some(refusal)) => refusal.answer(&request_id),
        (None, None) => serve(&shared, &call, now).unwrap_or_else(|refusal| refusal.answer(&request_id)),
    };
    let sending = Sending::of(&actions, &mut answer);
    if sending.dropped {
        return Err(Closed::Scripted);
    }
    shared.log.amend(number, |request| request.status = Some(answer.status.as_u16()));
    let answer = answer.with("x-amz-request-id", &request_id).with("date", &http_date(now));
    Ok(send(answer, sending, &call.method, flushed, in_flight))
}

/// How long the script has a request wait.
fn delay(actions: &[Action]) -> Duration {
    let delays = actions.iter().map(|action| match action {
        Action::DelayHead(delay) => *delay,
        _ => Duration::ZERO,
    });
    delays.sum()
}

/// What the store answers, if the request is signed as it should be.
fn serve(shared: &Shared, call: &Call, now: DateTime<Utc>) -> Result<Answer, Refusal> {
    let options = &shared.options;
    // Now, and not when the store is locked.
    call.body.sha256();
    if let Some(credentials) = &options.credentials {
        signature::verify(call, credentials, &options.region, now)?;
    }
    let setting = Setting {
        region: options.region.clone(),
        now,
        minimum_part_bytes: options.minimum_part_bytes,
        ignores_start_after: options.ignores_start_after,
        lists_trees: options.lists_trees,
    };
    s3::serve(&mut lock(&shared.store), call, &setting)
}

/// The response that hyper sends. The request is in flight for as long as its body is there.
fn send(
    answer: Answer,
    sending: Sending,
    method: &Method,
    flushed: Arc<Notify>,
    in_flight: Counted,
) -> Response<AnswerBody> {
    let Answer { status, mut headers, body } = answer;
    let without_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !sending.chunked && !without_body {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body = if without_body || method == Method::HEAD || (body.is_empty() && !sending.chunked) {
        Full::default().map_err(|never: Infallible| match never {}).boxed_unsync()
    } else {
        let outgoing = Outgoing::new(body, sending, flushed, in_flight);
        StreamBody::new(stream::unfold(outgoing, Outgoing::next)).boxed_unsync()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// How often a slow body goes on.
const PACE: Duration = Duration::from_millis(20);

/// A body on its way out.
struct Outgoing {
    rest: Bytes,
    /// Bytes to send at a time, and the pause before each; none where all are sent at once.
    pace: Option<(usize, Duration)>,
    end: End,
    flushed: Arc<Notify>,
    _in_flight: Counted,
}

impl Outgoing {
    fn new(mut body: Bytes, sending: Sending, flushed: Arc<Notify>, in_flight: Counted) -> Self {
        let end = match sending.end {
            End::Cut(bytes) | End::Stall(bytes) if bytes < body.len() => {
                body.truncate(bytes);
                sending.end
            }
            _ => End::Whole,
        };
        let pace = sending.bytes_per_second.map(|rate| {
            let per_second = 1_000 / PACE.as_millis() as usize;
            match rate / per_second {
                0 => (1, Duration::from_secs(1) / rate.max(1) as u32),
                bytes => (bytes, PACE),
            }
        });
        Self { rest: body, pace, end, flushed, _in_flight: in_flight }
    }

    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Closed>, Self)> {
        if !self.rest.is_empty() {
            let piece = match self.pace {
                None => std::mem::take(&mut self.rest),
                Some((bytes, pause)) => {
                    tokio::time::sleep(pause).await;
                    self.rest.split_to(bytes.min(self.rest.len()))
                }
            };
            return Some((Ok(Frame::data(piece)), self));
        }
        match self.end {
            End::Whole => None,
            End::Cut(_) => {
                // An error makes hyper close the connection, and forget what it hasn't written yet.
                self.flushed.notified().await;
                Some((Err(Closed::Scripted), self))
            }
            End::Stall(_) => std::future::pending().await,
        }
    }
}

/// A connection's bytes, which tells when all that was written has left.
struct Transport {
    stream: TcpStream,
    flushed: Arc<Notify>,
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Hyper flushes when its own buffer is empty, and not before.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let transport = self.get_mut();
        let flushed = Pin::new(&mut transport.stream).poll_flush(cx);
        if flushed.is_ready() {
            transport.flushed.notify_waiters();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
