//! The front door: one HTTP listener, and what every request must pass before it reaches MCP.
//!
//! A request meets, in this order: the names by which it may call us (`host_origin`), the answers for everyone
//! (`/health` and a page for browsers), the token (`bearer`), the media types (`accept`), and the bounds on how much
//! and how long (`bounds`). The token stands before the bounds, so that strangers take no places.

mod accept;
mod bearer;
mod bounds;
mod host_origin;
mod peer;
mod refusal;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::store::LocalToken;
use bearer::Gate;
use bounds::Bounds;
use host_origin::Names;
use refusal::refuse;

/// Whether berth is up: anyone may ask.
const HEALTH: &str = "/health";

/// Who is let in, and how much at once.
#[derive(Clone, Debug)]
pub struct Door {
    /// What a caller must present.
    pub token: LocalToken,
    /// Lets processes of this user in without the token, as long as they call directly and by a loopback name.
    pub open_on_loopback: bool,
    /// Names that the `Host` header may hold besides the loopback names with our port: `name` or `name:port`, exactly
    /// as it is sent. Empty means loopback only.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call besides our own: `https://name` or `https://name:port`.
    pub allowed_origins: Vec<String>,
    /// How many admitted requests are worked on at once. Further ones wait for 2 seconds, then get 503.
    pub max_requests: usize,
    /// The longest request body, in bytes.
    pub max_body: usize,
}

/// Serves until `shutdown` is cancelled, then finishes what is under way for at most 4 seconds.
///
/// `mcp` answers `/mcp` and `/`; it finds a [`Principal`](crate::principal::Principal) in the extensions of each
/// request, and no token in its headers.
///
/// # Errors
/// If `listener` is not bound to a loopback address: nothing here protects a token on its way over a network.
pub async fn run(
    listener: TcpListener,
    mcp: MethodRouter,
    door: Door,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listening socket has no address")?;
    ensure_loopback(address)?;
    serve::serve(listener, router(mcp, door, address.port()), shutdown).await;
    Ok(())
}

fn ensure_loopback(address: SocketAddr) -> anyhow::Result<()> {
    ensure!(
        address.ip().is_loopback(),
        "berth listens on loopback only, not on {address}; listen on 127.0.0.1"
    );
    Ok(())
}

fn router(mcp: MethodRouter, door: Door, port: u16) -> Router {
    let front = Arc::new(Front {
        names: Names::new(port, &door.allowed_hosts, door.allowed_origins),
        gate: Gate::new(door.token, door.open_on_loopback, port),
        bounds: Bounds::new(door.max_requests, door.max_body),
    });
    Router::new()
        .route(HEALTH, get(health))
        .route("/mcp", mcp.clone())
        .route("/", mcp)
        .fallback(unknown_path)
        // One layer for all that is checked: each costs every request several allocations.
        .layer(from_fn_with_state(front, pass))
}

/// What every request meets before a route.
struct Front {
    names: Names,
    gate: Gate,
    bounds: Bounds,
}

async fn pass(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    seal(front.answer(request, next).await)
}

impl Front {
    async fn answer(&self, mut request: Request, next: Next) -> Response {
        if let Some(refusal) = self.names.check(&request) {
            return refusal;
        }
        if asks_for_page(&request) {
            return page();
        }
        if request.uri().path() == HEALTH {
            return next.run(request).await;
        }
        if let Some(refusal) = self.gate.admit(&mut request).await {
            return refusal;
        }
        if let Some(refusal) = accept::settle(&mut request) {
            return refusal;
        }
        self.bounds.hold(request, next).await
    }
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn unknown_path() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        "there is nothing at this path; the MCP endpoint is /mcp",
    )
}

/// A person who opens our address in a browser is told what this is, instead of being asked for a token.
fn asks_for_page(request: &Request) -> bool {
    request.method() == Method::GET && request.uri().path() == "/" && accept::names(request.headers(), "text/html")
}

fn page() -> Response {
    "This is berth, a remote control for coding-agent sessions. It is not for browsers:\n\
     give the address of this page with /mcp at its end, and the token that `berth token` prints,\n\
     to an MCP client.\n"
        .into_response()
}

/// Headers of every answer: nothing is cached, guessed at or told to other sites.
fn seal(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests;
