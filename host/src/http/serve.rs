//! The accept loop: connections with bounds, and a clean end.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::address::Proxies;
use super::peer::{Connection, is_here};
use super::refusal::refuse;
use super::tls::{Accepted, Certificate};
use crate::admission::Admission;
use crate::admission::numbers::{FIRST_BYTE, HEAD, NEWCOMERS, SOCKETS};

/// How long a client may leave an answer unread before its connection is given up: it holds one of few places.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long requests under way may take to finish after berth was asked to end.
const GRACE: Duration = Duration::from_secs(4);

/// What every connection needs.
pub(super) struct Acceptor {
    /// The certificate; with one, the listener speaks TLS.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Addresses from which strangers share connections.
    pub(super) proxies: Proxies,
    /// Who may hold a connection.
    pub(super) admission: Admission,
    /// What answers.
    pub(super) router: Router,
}

/// Answers connections until `shutdown`; then accepts none, lets requests under way finish for at most [`GRACE`] and
/// drops what is left. Every connection is accepted: if there are too many, others make room. While those have not
/// gone, further ones wait in the kernel's queue, so that a crowd cannot take more files than there are.
pub(super) async fn serve(listener: TcpListener, acceptor: Arc<Acceptor>, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    let newcomers = Arc::new(Semaphore::new(NEWCOMERS));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &newcomers), if connections.len() < SOCKETS => match accepted {
                Ok((stream, theirs, newcomer)) => {
                    if let Some(connection) = acceptor.admit(&stream, theirs) {
                        connections.spawn(attend(stream, connection, newcomer, acceptor.clone(), shutdown.clone()));
                    }
                }
                Err(error) => pause(error).await,
            },
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, finished).await.is_err() {
        tracing::warn!("requests were still under way when the time to finish them was over; they get no answer");
    }
    // Their calls continue; all of them must be registered before somebody waits for them.
    connections.shutdown().await;
}

/// The next connection, when there is room among the newcomers.
async fn accept(
    listener: &TcpListener,
    newcomers: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let newcomer = newcomers.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, theirs) = listener.accept().await?;
    Ok((stream, theirs, newcomer))
}

impl Acceptor {
    /// The connection with what it holds; none if the client is gone already.
    fn admit(&self, stream: &TcpStream, theirs: SocketAddr) -> Option<Connection> {
        stream.set_nodelay(true).ok()?;
        let ours = stream.local_addr().ok()?;
        let shared = is_here(ours, theirs) || self.proxies.trusts(theirs.ip());
        let socket = self.admission.socket(theirs.ip(), shared, speaks(stream));
        Some(Connection::new(ours, theirs, socket))
    }
}

/// Whether what the client says first is here already, as the kernel knows before the runtime does.
fn speaks(stream: &TcpStream) -> bool {
    // The stream never blocks.
    let read = rustix::net::recv(stream, &mut [0_u8; 1], RecvFlags::PEEK);
    read.is_ok_and(|(_, count)| count > 0)
}

/// One connection, to its end or until it must make room for another.
async fn attend(
    stream: TcpStream,
    connection: Connection,
    newcomer: OwnedSemaphorePermit,
    acceptor: Arc<Acceptor>,
    shutdown: CancellationToken,
) {
    let socket = connection.socket().clone();
    tokio::select! {
        // Reading comes first in each of its turns.
        biased;
        () = receive(stream, connection, &acceptor, shutdown) => {}
        () = socket.must_leave() => tracing::debug!("a connection made room for another"),
        () = settle(newcomer) => {}
    }
}

/// Lets the runtime learn what the kernel has for a connection, and read that; from then on it is not a newcomer.
async fn settle(newcomer: OwnedSemaphorePermit) {
    // The first turn asks for what has come, and the runtime looks for that before it gives the next one.
    for _ in 0..2 {
        yield_now().await;
    }
    drop(newcomer);
    pending().await
}

async fn receive(stream: TcpStream, connection: Connection, acceptor: &Acceptor, shutdown: CancellationToken) {
    let mut first = [0];
    let heard = tokio::select! {
        heard = timeout(FIRST_BYTE, stream.peek(&mut first)) => heard,
        () = shutdown.cancelled() => return,
    };
    if !matches!(heard, Ok(Ok(1))) {
        return;
    }
    connection.socket().is_heard();
    let router = acceptor.router.clone();
    let Some(certificate) = acceptor.certificate.clone() else {
        return converse(stream, router, connection, shutdown).await;
    };
    let accepted = tokio::select! {
        accepted = certificate.accept(stream) => accepted,
        () = shutdown.cancelled() => return,
    };
    match accepted {
        Ok(Accepted::Secure(stream)) => converse(stream, router, connection, shutdown).await,
        Ok(Accepted::Plain(stream)) => converse(stream, Router::new().fallback(not_https), connection, shutdown).await,
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

async fn not_https() -> Response {
    refuse(
        StatusCode::BAD_REQUEST,
        "this is plain HTTP, and berth speaks TLS here: write https:// instead of http://",
    )
}

/// Requests and answers, to the connection's end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    router: Router,
    connection: Connection,
    shutdown: CancellationToken,
) {
    let service = answer_with(router, connection);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD_TIMEOUT));
    let stream = Box::pin(stream);
    let mut http = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = http.as_mut() => ended,
        () = shutdown.cancelled() => {
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// The router as hyper takes it, with the connection in each request's extensions. Where the connection may soon have to
/// make room, its answer says that it ends there (RFC 9112 section 9.6): a client whose next request met that end could
/// not know whether it was carried out.
fn answer_with(
    router: Router,
    connection: Connection,
) -> impl Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let (router, connection) = (router.clone(), connection.clone());
        async move {
            let mut response = router.oneshot(request).await?;
            if connection.socket().is_soon_to_leave() {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
    })
}

/// A client that gave up before it was accepted costs nothing. Anything else, such as too many open files, may well
/// last: trying again at once would only burn time.
async fn pause(error: io::Error) {
    let gone = [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
    ];
    if !gone.contains(&error.kind()) {
        tracing::warn!(%error, "cannot accept a connection; trying again");
        sleep(Duration::from_millis(100)).await;
    }
}
