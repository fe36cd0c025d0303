//! The owner's pages: all sessions, and each with what it asks and a form that answers that.
//!
//! They are one more client of the tools, so they show what every client is shown, and an answer goes the way and follows
//! the rules of `respond_to_prompt`, recorded as the owner's.

mod answer;
mod list;
mod outcomes;
mod session;
mod shown;
mod tools;
mod visitor;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use tower::ServiceExt as _;

use self::outcomes::Outcomes;
pub use self::tools::{Call, Tools};
pub(super) use self::visitor::{Owner, Visitor};
use super::address::Address;
use super::host_origin::Base;
use super::media_types;
use super::owner::form::Spent;
use super::owner::login::{By, Logins, Reason, log_out};
use super::owner::pages;
use super::owner::posted::{FORM_LIMIT, Posted};
use super::records::Unavailable;
use crate::admission::Place;
use crate::page::SESSIONS;

/// The path that takes the login form.
pub(super) const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";

/// What the pages need. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    logins: Logins,
    tools: Tools,
    /// The forms that were answered.
    spent: Arc<Spent>,
    outcomes: Arc<Outcomes>,
}

impl Sessions {
    pub(super) fn new(logins: Logins, tools: Tools) -> Self {
        Self {
            logins,
            tools,
            spent: Arc::default(),
            outcomes: Arc::default(),
        }
    }
}

/// Whether a request is for one of the pages. At the origin itself, only a browser means the page.
pub(super) fn answers(request: &Request) -> bool {
    match request.uri().path() {
        "/" => request.method() == Method::GET && media_types::names(request.headers(), "text/html"),
        LOGIN | LOGOUT => true,
        path => path.starts_with(SESSIONS),
    }
}

/// Whether the page at `path` is for the owner alone.
pub(super) fn shows_sessions(path: &str) -> bool {
    !matches!(path, LOGIN | LOGOUT)
}

/// The routes of the pages, and of `mcp` at the origin. The pages need the base, the visitor, and the place of the owner or
/// the address of a stranger in the extensions of each request, and before them the check that no other site's page sent
/// it.
pub(super) fn router(mcp: MethodRouter, sessions: Sessions) -> Router {
    let shown = sessions.clone();
    let home = any(move |request: Request| home(mcp, shown, request));
    let log_out = post(log_out).with_state(sessions.logins.clone());
    Router::new()
        .route("/", home)
        .route("/sessions/{backend}/{id}", get(session::show).post(answer::take))
        // Whoever opens the address of a form by hand wants what is behind it.
        .route(LOGIN, post(log_in).get(async || pages::go("/")))
        .route(LOGOUT, log_out)
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(sessions)
}

async fn home(mcp: MethodRouter, sessions: Sessions, request: Request) -> Response {
    if request.extensions().get::<Visitor>().is_none() {
        let answered: Result<Response, Infallible> = mcp.oneshot(request).await;
        return answered.unwrap_or_else(|never| match never {});
    }
    let (parts, _) = request.into_parts();
    list::show(&sessions, &parts).await
}

/// Takes the passphrase or the word. The right one leads to the page that was asked for.
async fn log_in(State(sessions): State<Sessions>, parts: Parts, posted: Posted) -> Response {
    let base = base(&parts);
    let taken = take(&sessions, &parts, &base, &posted).await;
    taken.unwrap_or_else(|unavailable| unavailable_page(&base, unavailable))
}

async fn take(sessions: &Sessions, parts: &Parts, base: &Base, posted: &Posted) -> Result<Response, Unavailable> {
    let path = posted.get("query");
    let onward = if leads_to_sessions(path) { path } else { "/" };
    let (Some(form), Some(Address(address))) = (
        sessions.logins.sent(base, &parts.headers, posted),
        parts.extensions.get::<Address>(),
    ) else {
        return Ok(pages::stale(base, onward));
    };
    match sessions.logins.by(is_here(parts)).await? {
        None => Ok(no_passphrase(base)),
        Some(by) => {
            let given = posted.get("passphrase");
            form.log_in(given, *address, reason(path, by), onward).await
        }
    }
}

/// The page that asks a visitor to log in, who is not, and then leads to the page that was asked for.
async fn ask_to_log_in(sessions: &Sessions, parts: &Parts, base: &Base) -> Response {
    let asked = async {
        match sessions.logins.by(is_here(parts)).await? {
            None => Ok(no_passphrase(base)),
            Some(by) => sessions.logins.ask(base, &parts.headers, reason(parts.uri.path(), by)),
        }
    };
    asked
        .await
        .unwrap_or_else(|unavailable| unavailable_page(base, unavailable))
}

fn reason(path: &str, by: By) -> Reason<'_> {
    Reason {
        app: None,
        action: LOGIN,
        query: path,
        by,
    }
}

/// Whether a path that a form sends back is one of ours, and no other address.
fn leads_to_sessions(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    path.starts_with(SESSIONS) && path.bytes().all(plain)
}

fn is_here(parts: &Parts) -> bool {
    matches!(parts.extensions.get(), Some(Visitor::Stranger { here: true }))
}

/// The owner, with the place of the request; nothing for anybody else.
fn owner(parts: &Parts) -> Option<(&Owner, &Place)> {
    match (parts.extensions.get(), parts.extensions.get()) {
        (Some(Visitor::Owner(owner)), Some(place)) => Some((owner, place)),
        _ => None,
    }
}

/// The origin by which the request came.
fn base(parts: &Parts) -> Base {
    let base = parts.extensions.get::<Base>();
    base.cloned().unwrap_or_else(|| Base("".into()))
}

fn no_passphrase(base: &Base) -> Response {
    let why =
        "berth cannot recognise its owner yet. Run this on the machine where berth runs, then open this page again:";
    pages::no_passphrase(base, why)
}

fn unavailable_page(base: &Base, unavailable: Unavailable) -> Response {
    pages::trouble(base, StatusCode::INTERNAL_SERVER_ERROR, &unavailable.to_string())
}
