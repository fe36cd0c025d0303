//! The bounds of requests: how many at once, how long, how large.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::refusal::refuse;
use crate::admission::numbers::BODY;
use crate::admission::{Admission, Place, Refusal};
use crate::principal::Principal;

/// For a whole request. A tool call may take 60 seconds.
const WHOLE: Duration = Duration::from_secs(75);
/// For a stranger's request from when it has arrived: clients give up after 10 seconds as well.
const STRANGERS_WHOLE: Duration = Duration::from_secs(10);
/// Bytes of a stranger's body.
const STRANGERS_BODY: usize = 64 << 10;

/// The bounds that all requests share.
pub(super) struct Bounds {
    admission: Admission,
    max_body: usize,
}

impl Bounds {
    /// Places come from `admission`; a body has at most `max_body` bytes.
    pub(super) fn new(admission: Admission, max_body: usize) -> Self {
        Self { admission, max_body }
    }

    /// Runs a request of `caller` within the bounds. It takes a place when it has arrived, because a slow sender with a
    /// place would keep out others, and holds it until its answer has been sent, or its call waits.
    pub(super) async fn hold(&self, request: Request, caller: &Principal, next: Next) -> Response {
        let deadline = Instant::now() + WHOLE;
        match self.admit(request, caller).await {
            Ok((request, place)) => answer(request, next, deadline, WHOLE, place).await,
            Err(refusal) => refusal,
        }
    }

    async fn admit(&self, request: Request, caller: &Principal) -> Result<(Request, Place), Response> {
        let length = request.body().size_hint().upper();
        let length = length.map_or(self.max_body, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let body = self
            .admission
            .body(caller, length.min(self.max_body))
            .await
            .map_err(busy)?;
        let mut request = arrived(request, self.max_body).await?;
        let place = self.admission.place(caller).await.map_err(busy)?;
        drop(body);
        request.extensions_mut().insert(place.clone());
        Ok((request, place))
    }

    /// The same for a stranger at `address`.
    pub(super) async fn hold_stranger(&self, request: Request, address: IpAddr, next: Next) -> Response {
        let request = match arrived(request, STRANGERS_BODY).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        match self.admission.strangers_place(address).await {
            Ok(place) => answer(request, next, Instant::now() + STRANGERS_WHOLE, STRANGERS_WHOLE, place).await,
            Err(refusal) => busy(refusal),
        }
    }
}

/// The route's answer, which keeps `place` until it has been sent, or the refusal at `deadline`, `whole` after the
/// beginning.
async fn answer(
    request: Request,
    next: Next,
    deadline: Instant,
    whole: Duration,
    place: impl Send + Unpin + 'static,
) -> Response {
    match timeout_at(deadline, next.run(request)).await {
        Ok(response) => response.map(|body| {
            Body::new(Timed {
                body,
                deadline: Box::pin(sleep_until(deadline)),
                _place: place,
            })
        }),
        Err(_) => refuse(
            StatusCode::GATEWAY_TIMEOUT,
            &format!(
                "the request took longer than {} seconds and was given up; ask for its outcome with a new, shorter call",
                whole.as_secs()
            ),
        ),
    }
}

/// The request with its whole body, or the refusal of one that is too long, too slow, or breaks off.
async fn arrived(request: Request, limit: usize) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    match timeout(BODY, read(body, limit)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, bytes.into())),
        Ok(Err(Unread::TooLong)) => Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is longer than {limit} bytes; send less at once"),
        )),
        Ok(Err(Unread::Broken)) => Err(refuse(
            StatusCode::BAD_REQUEST,
            "the body ended before it was complete; send the request again",
        )),
        Err(_) => Err(refuse(
            StatusCode::REQUEST_TIMEOUT,
            &format!(
                "the body took longer than {} seconds; send the request again, all at once",
                BODY.as_secs()
            ),
        )),
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

fn busy(refusal: Refusal) -> Response {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string());
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// An answer's body that keeps its request's place, and breaks off at the deadline.
struct Timed<P> {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    _place: P,
}

impl<P: Unpin> HttpBody for Timed<P> {
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
