//! How much at once, how long, how large.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::refusal::refuse;

/// How long a request waits for its turn.
const WAIT: Duration = Duration::from_secs(2);

/// The bounds that all requests share.
pub(super) struct Bounds {
    turns: Arc<Semaphore>,
    max_body: usize,
    whole: Duration,
}

impl Bounds {
    /// At most `max_requests` at once, each with a body of at most `max_body` bytes, and each from its arrival to the last
    /// byte of its answer within `whole`.
    pub(super) fn new(max_requests: usize, max_body: usize, whole: Duration) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(max_requests)),
            max_body,
            whole,
        }
    }

    /// Runs a request within the bounds. Its turn lasts until its answer has been sent.
    pub(super) async fn hold(&self, request: Request, next: Next) -> Response {
        let deadline = Instant::now() + self.whole;
        let Ok(Ok(turn)) = timeout(WAIT, self.turns.clone().acquire_owned()).await else {
            return busy();
        };
        match timeout_at(deadline, self.answer(request, next)).await {
            Ok(response) => response.map(|body| {
                Body::new(Timed {
                    body,
                    deadline: Box::pin(sleep_until(deadline)),
                    _turn: turn,
                })
            }),
            Err(_) => refuse(
                StatusCode::GATEWAY_TIMEOUT,
                &format!(
                    "the request took longer than {} seconds and was given up; ask for its outcome with a new, shorter \
                     call",
                    self.whole.as_secs()
                ),
            ),
        }
    }

    /// The same for a stranger's request, which takes no turn before it has arrived: else a few who send slowly would
    /// keep out all others. Its body has as long to arrive as the rest has then.
    pub(super) async fn hold_arrived(&self, request: Request, next: Next) -> Response {
        match timeout(self.whole, self.arrived(request)).await {
            Ok(Ok(request)) => self.hold(request, next).await,
            Ok(Err(refusal)) => refusal,
            Err(_) => refuse(
                StatusCode::REQUEST_TIMEOUT,
                &format!(
                    "the body took longer than {} seconds; send the request again, all at once",
                    self.whole.as_secs()
                ),
            ),
        }
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        match self.arrived(request).await {
            Ok(request) => next.run(request).await,
            Err(refusal) => refusal,
        }
    }

    /// The request with its whole body, or the refusal of one that is too long or breaks off.
    async fn arrived(&self, request: Request) -> Result<Request, Response> {
        let (parts, body) = request.into_parts();
        match read(body, self.max_body).await {
            Ok(bytes) => Ok(Request::from_parts(parts, bytes.into())),
            Err(Unread::TooLong) => Err(refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is longer than {} bytes; send less at once", self.max_body),
            )),
            Err(Unread::Broken) => Err(refuse(
                StatusCode::BAD_REQUEST,
                "the body ended before it was complete; send the request again",
            )),
        }
    }
}

enum Unread {
    TooLong,
    Broken,
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLong);
    }
    let mut read = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if chunk.len() > limit - read.len() {
            return Err(Unread::TooLong);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}

fn busy() -> Response {
    let mut response = refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests are under way; try again in a second, or raise max_requests under [server]",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// An answer's body that keeps its request's turn, and breaks off at the deadline.
struct Timed {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    _turn: OwnedSemaphorePermit,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.deadline
            .as_mut()
            .poll(context)
            .map(|()| Some(Err("the answer took too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
