//! The accept loop: connections with bounds, and a clean end.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::peer::Connection;
use super::refusal::refuse;
use super::tls::{Certificate, Client};

/// Further clients wait in the system's queue.
const MAX_CONNECTIONS: usize = 512;

/// For the whole head of a request, and for an idle connection until the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may leave an answer unread before its connection is given up: it holds a place of few.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long requests under way may take to finish once the end has come.
const GRACE: Duration = Duration::from_secs(4);

/// Answers connections with `router` until `shutdown`; then takes no more, lets requests under way finish for at most
/// [`GRACE`] and drops what is left. With a certificate it speaks TLS.
pub(super) async fn serve(
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(receive(stream, certificate.clone(), router.clone(), shutdown.clone()));
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
    // Their calls go on; it must be known of all of them before whoever waits for those looks.
    connections.shutdown().await;
}

/// One connection, from its beginning.
async fn receive(
    stream: TcpStream,
    certificate: Option<Arc<Certificate>>,
    router: Router,
    shutdown: CancellationToken,
) {
    let (Ok(()), Ok(ours), Ok(theirs)) = (stream.set_nodelay(true), stream.local_addr(), stream.peer_addr()) else {
        return; // The client is gone already.
    };
    let connection = Connection::new(ours, theirs);
    let Some(certificate) = certificate else {
        return converse(stream, router, connection, shutdown).await;
    };
    let client = tokio::select! {
        client = certificate.accept(stream) => client,
        () = shutdown.cancelled() => return,
    };
    match client {
        Ok(Client::Secure(stream)) => converse(stream, router, connection, shutdown).await,
        Ok(Client::Plain(stream)) => converse(stream, Router::new().fallback(not_https), connection, shutdown).await,
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
        .header_read_timeout(HEAD_TIMEOUT)
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

/// The router as hyper takes it, with the connection in each request's extensions.
fn answer_with(
    router: Router,
    connection: Connection,
) -> impl Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    })
}

/// A client that gave up before it was accepted costs nothing. Anything else, such as too many open files, may well
/// last: trying again at once would only burn time.
async fn pause(error: std::io::Error) {
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
