//! Who may come in: the holder of an approved token, and a direct caller of the same user with the local token or on an
//! open door. In a session it may only look.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Json, Response};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::Proxies;
use super::door::Door;
use super::host_origin::{Base, Name};
use super::peer::Connection;
use super::refusal::refuse;
use super::resource::is_resource;
use crate::jobs::AllJobs;
use crate::peer::Peer;
use crate::principal::Principal;
use crate::store::{self, AccessRecords, LocalToken, Secret, Verified};

/// Headers that a proxy or tunnel adds. A caller on this machine sends none of them.
const FORWARDING: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "fastly-client-ip",
    "cdn-loop",
    "x-arr-ssl",
];
const FORWARDING_PREFIXES: [&str; 11] = [
    "x-forwarded",
    "x-original-",
    "cf-",
    "ngrok-",
    "x-ngrok-",
    "tailscale-",
    "fly-",
    "x-envoy-",
    "x-amzn-",
    "x-azure-",
    "x-appengine-",
];

/// What a request is measured by.
pub(super) struct BearerCheck {
    token: LocalToken,
    open_on_loopback: bool,
    sessions_may_control: bool,
    access: Arc<AccessRecords>,
    jobs: Arc<AllJobs>,
    turns: Turns,
    proxies: Proxies,
    /// Whether a proxy may run here, as whatever user.
    public: bool,
}

/// Turns to ask the records where that may block. One thread at a time for each question, so that a database which does
/// not answer holds no further ones, and strangers' tokens, which are never in memory, do not delay those of callers.
struct Turns {
    look: Arc<Semaphore>,
    verify: Arc<Semaphore>,
    note: Arc<Semaphore>,
}

impl BearerCheck {
    /// What `door` says of who may come in.
    pub(super) fn new(door: &Door) -> Self {
        Self {
            token: door.token.clone(),
            open_on_loopback: door.open_on_loopback,
            sessions_may_control: door.sessions_may_control,
            access: door.access.clone(),
            jobs: door.jobs.clone(),
            turns: Turns {
                look: Arc::new(Semaphore::new(1)),
                verify: Arc::new(Semaphore::new(1)),
                note: Arc::new(Semaphore::new(1)),
            },
            proxies: door.proxies.clone(),
            public: door.names.are_public(),
        }
    }

    /// Lets a request that calls us by `name` in with its [`Principal`], or answers its refusal. The token goes no
    /// further than this.
    pub(super) async fn admit(&self, request: &mut Request, name: &Name) -> Result<Principal, Response> {
        let connection = request.extensions().get();
        let judged = self.judge(request.headers(), connection, name).await;
        let judged = judged.map(|principal| principal.raised(depth(request.headers())));
        let principal = judged.map_err(|refusal| refusal.response(&name.base, resource(request.uri())))?;
        request.headers_mut().remove(header::AUTHORIZATION);
        request.extensions_mut().insert(principal.clone());
        Ok(principal)
    }

    async fn judge(
        &self,
        headers: &HeaderMap,
        connection: Option<&Connection>,
        name: &Name,
    ) -> Result<Principal, Refusal> {
        let token = presented(headers)?;
        // Every request has one; without it, nothing is known of its sender.
        let connection = connection.ok_or(Refusal::Stranger)?;
        match token {
            Some(token) if self.token.matches(token) => self.local(headers, connection, name).await,
            Some(token) => match self.approved(token, headers, connection, name).await {
                Err(Refusal::WrongToken) if name.loopback && connection.is_here() => {
                    self.job(token, headers, connection, name).await
                }
                judged => judged,
            },
            None if self.open_on_loopback => self.local(headers, connection, name).await,
            None => Err(Refusal::NoToken),
        }
    }

    /// Whether a request comes from a browser of the operator's own: on this machine, directly, and outside of every
    /// session.
    pub(super) async fn is_of_operator(&self, headers: &HeaderMap, connection: &Connection, name: &Name) -> bool {
        self.local(headers, connection, name).await.is_ok() && connection.peer().await == Peer::Operator
    }

    /// The owner, who is logged in, as whom the process at the other end may act: in a session it only looks, also with
    /// `sessions_may_control`, since what is there is never the owner.
    pub(super) async fn owner(&self, connection: &Connection, name: &Name) -> Result<Principal, Response> {
        match connection.peer().await {
            Peer::Stranger if self.is_nobody(connection, name) => Err(Refusal::Stranger.response(&name.base, "")),
            peer => Ok(peer.limit(Principal::owner(), false)),
        }
    }

    /// Whether another user's process on this machine is nobody: it may be a proxy only where there is a public name, and
    /// only by that.
    fn is_nobody(&self, connection: &Connection, name: &Name) -> bool {
        connection.is_here() && (name.loopback || !self.public)
    }

    /// A caller on this machine, who shows the local token or need not: a process of this user, with nothing between.
    async fn local(&self, headers: &HeaderMap, connection: &Connection, name: &Name) -> Result<Principal, Refusal> {
        // Access for processes on this machine must not be given to a request that came through a proxy or a tunnel.
        if !name.loopback || headers.keys().any(|name| is_forwarding(name.as_str())) {
            return Err(Refusal::Forwarded);
        }
        // Looked up only for a caller that may come in otherwise, because it costs time.
        match connection.peer().await {
            Peer::Stranger => Err(Refusal::Stranger),
            _ => self.seen(Principal::local(), connection).await,
        }
    }

    /// Whoever holds a token that the owner approved for the address by which the request came.
    async fn approved(
        &self,
        token: &str,
        headers: &HeaderMap,
        connection: &Connection,
        name: &Name,
    ) -> Result<Principal, Refusal> {
        let now = SystemTime::now();
        let verified = self.verify(token, now).await?.ok_or(Refusal::WrongToken)?;
        let resource = verified.resource.as_deref();
        if resource.is_some_and(|resource| !is_resource(&name.base, resource)) {
            return Err(Refusal::WrongToken);
        }
        let principal = self.limited(verified.principal, connection, name).await?;
        if !self.access.is_use_noted(verified.family, now) {
            self.note_use(verified.family, connection.client(&self.proxies, headers).await, now);
        }
        Ok(principal)
    }

    /// On this machine, what is in a session may only look whatever token it holds, and by whichever of the machine's
    /// addresses it calls. Another user's process is a proxy where there may be one, otherwise it is nobody.
    async fn limited(&self, principal: Principal, connection: &Connection, name: &Name) -> Result<Principal, Refusal> {
        match connection.peer().await {
            Peer::Stranger if self.is_nobody(connection, name) => Err(Refusal::Stranger),
            _ => self.seen(principal, connection).await,
        }
    }

    /// `principal` as it may act from the process at the other end, which may run in a job.
    async fn seen(&self, principal: Principal, connection: &Connection) -> Result<Principal, Refusal> {
        let seen = connection.seen().await.clone();
        let (jobs, may_control) = (self.jobs.clone(), self.sessions_may_control);
        if seen.peer != Peer::InSession {
            return Ok(jobs.limit(&seen, principal, may_control));
        }
        let limited = tokio::task::spawn_blocking(move || jobs.limit(&seen, principal, may_control));
        limited.await.map_err(Refusal::broken)
    }

    /// The job that runs and is known by `token`, which counts where the local one does. Where the process at the other
    /// end runs in another job, it is that.
    async fn job(
        &self,
        token: &str,
        headers: &HeaderMap,
        connection: &Connection,
        name: &Name,
    ) -> Result<Principal, Refusal> {
        let job = self.of_job(token).await?.ok_or(Refusal::WrongToken)?;
        let local = self.local(headers, connection, name).await?;
        let (seen, known) = (local.lineage(), job.lineage());
        let is_other = seen.job().is_some() && !(seen.is_named && seen.name() == known.name());
        Ok(if is_other { local } else { job })
    }

    async fn of_job(&self, token: &str) -> Result<Option<Principal>, Refusal> {
        let turn = turn(&self.turns.verify).await?;
        let (jobs, token) = (self.jobs.clone(), token.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            jobs.of_token(&token)
        });
        let lineage = found.await.map_err(Refusal::broken)?.map_err(Refusal::broken)?;
        Ok(lineage.map(Principal::in_job))
    }

    /// Whom `token` speaks for: from memory, or where it may block.
    async fn verify(&self, token: &str, now: SystemTime) -> Result<Option<Verified>, Refusal> {
        if !self.access.is_fresh() {
            let turn = turn(&self.turns.look).await?;
            // The caller that had the turn before has looked for all who waited.
            if !self.access.is_fresh() {
                self.ask(turn, AccessRecords::look).await?;
            }
        }
        let known = self.access.recall(token, now);
        if known.is_some() || !Secret::is_well_formed(token) {
            return Ok(known);
        }
        let turn = turn(&self.turns.verify).await?;
        let token = token.to_owned();
        self.ask(turn, move |access| access.verify(&token, now)).await
    }

    /// Asks the records where that may block. The turn lasts until they have answered, though the caller goes away.
    async fn ask<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        question: impl FnOnce(&AccessRecords) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let access = self.access.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            question(&access)
        });
        asked.await.map_err(Refusal::broken)?.map_err(Refusal::broken)
    }

    /// This is for the owner to see; nobody waits for it. While one is being written, the next call of the family tries
    /// again.
    fn note_use(&self, family: i64, address: IpAddr, now: SystemTime) {
        let Ok(turn) = self.turns.note.clone().try_acquire_owned() else {
            return;
        };
        let access = self.access.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(error) = access.note_use(family, address, now) {
                tracing::warn!("the use of a token was not noted: {error}");
            }
        });
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    turns.clone().acquire_owned().await.map_err(Refusal::broken)
}

/// The one token that a request presents. A wrong one is refused even on an open door: its sender expects it to count.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => bearer(value).map(Some).ok_or(Refusal::WrongToken),
        _ => Err(Refusal::Ambiguous),
    }
}

/// The token of `Bearer <token>` (RFC 6750, 2.1; RFC 9110, 11.1: the scheme's case does not matter).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// How deep a client of an earlier tool says that it is in runs that start runs.
fn depth(headers: &HeaderMap) -> u32 {
    let values = headers.get_all("x-mcp-depth").iter();
    let depths = values.filter_map(|value| value.to_str().ok()?.trim().parse().ok());
    depths.max().unwrap_or_default()
}

fn is_forwarding(name: &str) -> bool {
    FORWARDING.contains(&name) || FORWARDING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NoToken,
    WrongToken,
    Ambiguous,
    Forwarded,
    Stranger,
    Broken,
}

impl Refusal {
    fn broken(error: impl Display) -> Self {
        tracing::error!("a token cannot be checked: {error}");
        Self::Broken
    }

    /// What the caller is told. A client finds the way to a token for `resource`, a path, from `base`.
    fn response(self, base: &Base, resource: &str) -> Response {
        match self {
            Self::NoToken => challenge(
                base,
                resource,
                "",
                "this request carries no token; an app that speaks OAuth finds the way by this answer's \
                 WWW-Authenticate; on the machine where berth runs, send the header `Authorization: Bearer TOKEN` with \
                 the token that `berth token` prints",
            ),
            Self::WrongToken => challenge(
                base,
                resource,
                "error=\"invalid_token\", ",
                "this token is not valid here: it is not one of berth's, or was revoked, has expired, or is for another \
                 address; log in again, or on the machine where berth runs send the one that `berth token` prints",
            ),
            Self::Ambiguous => refuse(
                StatusCode::BAD_REQUEST,
                "a request must carry at most one Authorization header; send one",
            ),
            Self::Forwarded => challenge(
                base,
                resource,
                "error=\"invalid_token\", ",
                "this request came through a proxy or a tunnel, where the local token and open_on_loopback do not count; \
                 log in by OAuth, or send a token of `berth tokens create`",
            ),
            Self::Stranger => refuse(
                StatusCode::FORBIDDEN,
                "this request does not come from a process of the user that berth runs as, and the local token and \
                 open_on_loopback are for those alone; run the client as that user, or send it a token of `berth tokens \
                 create` by the public URL",
            ),
            Self::Broken => refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the token cannot be checked; berth's log says why, and `berth doctor` what to do",
            ),
        }
    }
}

/// The path of the resource that a client of `uri` means: a client that was given only the origin looks for it there.
pub(super) fn resource(uri: &Uri) -> &'static str {
    if uri.path() == "/" { "" } else { "/mcp" }
}

/// The refusal of a call beyond its caller's scope, in the words `why`, with the way to more: a client steps up only if
/// the status says so (RFC 6750, 3.1; the MCP authorization specification of 2025-11-25, "Scope Challenge Handling").
pub(super) fn insufficient_scope(base: &Base, resource: &str, why: &str) -> Response {
    let body = json!({"error": "insufficient_scope", "error_description": why});
    let mut response = (StatusCode::FORBIDDEN, Json(body)).into_response();
    let challenge = way(base, resource, "error=\"insufficient_scope\", ");
    response.headers_mut().extend(challenge);
    response
}

fn challenge(base: &Base, resource: &str, error: &str, message: &str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, message);
    response.headers_mut().extend(way(base, resource, error));
    response
}

/// The way to a token for `resource`, a path (RFC 6750, 3; RFC 9728, 5.1; the MCP authorization specification of
/// 2025-11-25): every scope is named, because an app asks only for those.
fn way(base: &Base, resource: &str, error: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = format!(
        "Bearer {error}resource_metadata=\"{}/.well-known/oauth-protected-resource{resource}\", \
         scope=\"sessions:read sessions:control\"",
        base.0
    );
    // A base consists of what a Host header may hold, so it is valid in a header.
    HeaderValue::try_from(value)
        .ok()
        .map(|value| (header::WWW_AUTHENTICATE, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_bearer_token_and_no_other_scheme() {
        for value in ["Bearer abc", "bEARER  abc "] {
            assert_eq!(bearer(&HeaderValue::from_static(value)), Some("abc"), "{value}");
        }
        for other in ["abc", "Basic abc", "Bearer", "Bearerabc", ""] {
            assert_eq!(bearer(&HeaderValue::from_static(other)), None, "{other}");
        }
    }

    #[test]
    fn knows_the_headers_of_proxies_and_tunnels() {
        let foreign = [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "via",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-ray",
            "ngrok-auth-user-id",
            "tailscale-user-login",
            "true-client-ip",
            "x-client-ip",
        ];
        for name in foreign {
            assert!(is_forwarding(name), "{name}");
        }
        for name in ["accept", "user-agent", "mcp-protocol-version", "host", "content-type"] {
            assert!(!is_forwarding(name), "{name}");
        }
    }
}
