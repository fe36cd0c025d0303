//! The front door: one HTTP listener, and what every request must pass before it reaches MCP.
//!
//! A request meets, in this order: the names by which it may call us (`host_origin`), the answers for everyone
//! (`/health`, and the authorization server `oauth`, which strangers may ask only a limited number of times), the owner's
//! pages (`sessions`), the token (`bearer`), how often its caller may ask (`admission`), the media types (`media_types`), and
//! the bounds on how much and how long (`bounds`, by `admission`). The token comes before the bounds, so that strangers
//! do not take callers' places.

mod address;
mod bearer;
mod bounds;
mod door;
mod host_origin;
mod media_types;
mod oauth;
mod owner;
mod parameters;
mod peer;
mod records;
mod refusal;
mod resource;
mod serve;
mod sessions;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Json, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admission::numbers::BACKLOG;
use crate::admission::{Act, Admission, Socket};
use crate::principal::{Scope, StepUp};
use address::Address;
pub use address::Proxies;
use bearer::BearerCheck;
use bounds::Bounds;
pub use door::Door;
use host_origin::Name;
pub use host_origin::{Base, Names};
pub use oauth::{OAuth, Offered};
use owner::login::Logins;
use owner::pages;
use peer::Connection;
use records::Unavailable;
use refusal::{refuse, too_often};
use serve::Acceptor;
pub use sessions::{Call, Tools};
use sessions::{Owner, Sessions, Visitor};
pub use tls::{Certificate, Error as CertificateError};

/// Whether berth is up: anyone may ask.
const HEALTH: &str = "/health";

/// Serves until `shutdown` is cancelled, then finishes what is under way for at most 4 seconds.
///
/// `mcp` answers `/mcp` and `/`; it finds a [`Principal`](crate::principal::Principal) in the extensions of each
/// request, and no token in its headers.
///
/// # Errors
/// If `listener` is not bound to a loopback address, and there is no public name (https by a certificate here or by a
/// proxy in front): nothing would protect a token on its way over the network.
pub async fn run(
    listener: TcpListener,
    mcp: MethodRouter,
    door: Door,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listening socket has no address")?;
    ensure_protected(address, door.names.are_public())?;
    rustix::net::listen(&listener, BACKLOG).context("the listening socket's queue cannot be made longer")?;
    let acceptor = Acceptor {
        certificate: door.certificate.clone(),
        admission: door.admission.clone(),
        proxies: door.proxies.clone(),
        router: router(mcp, door),
    };
    serve::serve(listener, Arc::new(acceptor), shutdown).await;
    Ok(())
}

fn ensure_protected(address: SocketAddr, public: bool) -> anyhow::Result<()> {
    ensure!(
        public || address.ip().is_loopback(),
        "{address} can be reached from other machines; set public_url to the https address by which they will reach \
         it, or listen on 127.0.0.1"
    );
    Ok(())
}

fn router(mcp: MethodRouter, door: Door) -> Router {
    let pages = Sessions::new(door.oauth.logins().clone(), door.tools.clone());
    let layer = Arc::new(Layer {
        bearer: BearerCheck::new(&door),
        names: door.names,
        proxies: door.proxies,
        bounds: Bounds::new(door.admission.clone(), door.max_body),
        logins: door.oauth.logins().clone(),
        admission: door.admission,
    });
    Router::new()
        .route(HEALTH, get(health))
        .route("/mcp", mcp.clone())
        .merge(sessions::router(mcp, pages))
        .merge(oauth::router(door.oauth))
        .fallback(unknown_path)
        // One layer does all checks, because each layer costs every request several allocations.
        .layer(from_fn_with_state(layer, pass))
}

/// What every request meets before a route.
struct Layer {
    names: Names,
    bearer: BearerCheck,
    proxies: Proxies,
    bounds: Bounds,
    logins: Logins,
    admission: Admission,
}

async fn pass(State(layer): State<Arc<Layer>>, request: Request, next: Next) -> Response {
    let answer = layer.answer(request, next).await;
    seal(answer.unwrap_or_else(|refusal| refusal))
}

impl Layer {
    /// The route's answer, or a refusal.
    async fn answer(&self, mut request: Request, next: Next) -> Result<Response, Response> {
        let name = self.names.check(&request).map_err(host_origin::Refusal::response)?;
        request.extensions_mut().insert(name.base.clone());
        let path = request.uri().path();
        if path == HEALTH {
            return Ok(next.run(request).await);
        }
        if oauth::answers(path) {
            let shows_login = oauth::takes_logins(path) && request.headers().contains_key(header::COOKIE);
            let connection = request.extensions().get::<Connection>().cloned();
            if let Some(connection) = connection.filter(|_| shows_login) {
                self.only_the_owner_consents(&connection, name).await?;
            }
            return self.answer_stranger(request, next).await;
        }
        if sessions::answers(&request) {
            return self.answer_person(request, name, next).await;
        }
        let connection = request.extensions().get::<Connection>().cloned();
        let socket = connection.as_ref().map(Connection::socket);
        let _answering = socket.and_then(Socket::answering);
        let caller = self.bearer.admit(&mut request, name).await?;
        if let Some(socket) = socket {
            socket.show(&caller);
        }
        self.admission.turn(&caller).map_err(too_often)?;
        media_types::settle(&mut request).map_or(Ok(()), Err)?;
        let resource = bearer::resource(request.uri());
        let step_up = caller.may_ask_for_more().then(StepUp::default);
        if let Some(step_up) = &step_up {
            request.extensions_mut().insert(step_up.clone());
        }
        let response = self.bounds.hold(request, &caller, next).await;
        match step_up.as_ref().and_then(StepUp::refused) {
            Some(why) => Err(bearer::insufficient_scope(&name.base, resource, why)),
            None => Ok(response),
        }
    }

    /// Lets the owner see sessions and answer them, and a stranger log in.
    async fn answer_person(&self, mut request: Request, name: &Name, next: Next) -> Result<Response, Response> {
        let headers = request.headers();
        // Every browser names it with a form.
        if request.method() == Method::POST && !headers.contains_key(header::ORIGIN) {
            let why = "a form of berth's pages comes with an Origin header; send it with a browser, from its page";
            return Err(refuse(StatusCode::FORBIDDEN, why));
        }
        let connection = request.extensions().get::<Connection>().cloned();
        let address = self.address(connection.as_ref(), headers).await;
        let cookie = match sessions::shows_sessions(request.uri().path()) {
            true => self.logins.cookie(headers, &name.base, address).await,
            false => Ok(None),
        };
        let unavailable =
            |why: Unavailable| pages::trouble(&name.base, StatusCode::INTERNAL_SERVER_ERROR, &why.to_string());
        let cookie = cookie.map_err(unavailable)?.map(str::to_owned);
        let (Some(cookie), Some(connection)) = (cookie, &connection) else {
            let here = match &connection {
                Some(connection) => self.bearer.is_of_operator(headers, connection, name).await,
                None => false,
            };
            request.extensions_mut().insert(Visitor::Stranger { here });
            return self.answer_stranger(request, next).await;
        };
        let principal = self.bearer.owner(connection, name).await?;
        let _answering = connection.socket().answering();
        connection.socket().show(&principal);
        self.admission.turn(&principal).map_err(too_often)?;
        let owner = Owner {
            principal: principal.clone(),
            cookie,
        };
        request.extensions_mut().insert(Visitor::Owner(owner));
        Ok(self.bounds.hold(request, &principal, next).await)
    }

    /// A login that a browser on this machine shows counts at the page of consent only where it may act at the others: a
    /// browser shows its cookie to every server of the same name, also to those of sessions and of other users.
    async fn only_the_owner_consents(&self, connection: &Connection, name: &Name) -> Result<(), Response> {
        let owner = self.bearer.owner(connection, name).await?;
        match owner.may(Scope::Control) {
            true => Ok(()),
            false => {
                let why = "This browser runs in a session that berth started, and what is there may only look. Open the address \
                           in a browser of your own.";
                Err(pages::notice(
                    &name.base,
                    StatusCode::FORBIDDEN,
                    "From here you can only look",
                    why,
                ))
            }
        }
    }

    async fn answer_stranger(&self, mut request: Request, next: Next) -> Result<Response, Response> {
        // Every request has a connection; a request without one could come from anybody.
        let connection = request.extensions().get::<Connection>().cloned();
        let address = self.address(connection.as_ref(), request.headers()).await;
        let _answering = connection
            .as_ref()
            .and_then(|connection| connection.socket().answering());
        let turn = self.admission.strangers_turn(act(&request), address);
        turn.map_err(too_often)?;
        request.extensions_mut().insert(Address(address));
        Ok(self.bounds.hold_stranger(request, address, next).await)
    }

    /// The address of a client.
    async fn address(&self, connection: Option<&Connection>, headers: &HeaderMap) -> IpAddr {
        match connection {
            Some(connection) => connection.client(&self.proxies, headers).await,
            None => Ipv4Addr::UNSPECIFIED.into(),
        }
    }
}

fn act(request: &Request) -> Act {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/oauth/login" | sessions::LOGIN) => Act::LogIn,
        (_, "/oauth/register") => Act::Register,
        _ => Act::Token,
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

/// Headers of every answer: nothing is cached, guessed or told to other sites. A page with forms has its own referrer
/// policy, otherwise browsers would hide its origin from us as well.
fn seal(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let referrers = headers.entry(header::REFERRER_POLICY);
    referrers.or_insert(HeaderValue::from_static("no-referrer"));
    // A page has a policy of its own; what is not a page shows nothing at all.
    let policy = headers.entry(header::CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

#[cfg(test)]
mod tests;
