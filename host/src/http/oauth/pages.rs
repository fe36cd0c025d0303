//! The pages that the owner sees: what they share, their templates, and the headers that keep other sites off them.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::clock::Clock;
use super::cookie::Cookie;
use super::error::OAuthError;
use super::form::Spent;
use super::parameters::Parameters;
use super::{Base, OAuth, authorize, consent, login};

/// The path of the authorization endpoint, to which every way through the pages leads back.
pub(super) const AUTHORIZE: &str = "/oauth/authorize";

/// The longest form, in bytes: a whole request for authorization and a choice of backends.
const FORM_LIMIT: usize = 32 << 10;

/// How many passphrases are tried at once: each try takes tens of megabytes and a core, and one after the other, each
/// waits for what the one before it did to the lock-out.
const TRIES_AT_ONCE: usize = 1;

const STYLE: &str = include_str!("../../../templates/style.css");

/// The digest by which the policy of a page knows [`STYLE`] (CSP Level 3, 2.3.1).
static STYLE_DIGEST: LazyLock<String> = LazyLock::new(|| BASE64_STANDARD.encode(Sha256::digest(STYLE)));

/// What the handlers of the pages share.
pub(super) struct Pages {
    /// The authorization server that they are the face of.
    pub(super) oauth: OAuth,
    /// Consents that were answered.
    pub(super) spent: Arc<Spent>,
    /// Turns for trying a passphrase.
    pub(super) tries: Arc<Semaphore>,
    /// By which forms expire, and a passphrase may be tried again.
    pub(super) clock: Clock,
}

impl Pages {
    /// The cookie by which the owner is logged in, if that is who sent this.
    pub(super) async fn login<'a>(&self, headers: &'a HeaderMap, base: &Base) -> Result<Option<&'a str>, OAuthError> {
        let Some(cookie) = Cookie::Login.read(headers, base) else {
            return Ok(None);
        };
        let (origin, secret) = (base.0.clone(), cookie.to_owned());
        // Logins outlive this process, so they end by the system's clock.
        let now = SystemTime::now();
        let known = self
            .oauth
            .records(move |access| access.is_logged_in(&origin, &secret, now))
            .await?;
        Ok(known.then_some(cookie))
    }
}

/// A form as it was sent.
pub(super) struct Posted(Parameters);

impl Posted {
    /// The field with this name; what was not sent is empty.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_default()
    }
}

impl FromRequest<Arc<Pages>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), pages).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let fields = Parameters::of_form(&headers, &body);
        fields.map(Self).map_err(IntoResponse::into_response)
    }
}

/// The routes that a browser uses. They need [`Base`] and [`Address`](super::Address) in the extensions of each
/// request, and before them the check that no other site's page sent it.
pub(super) fn router(oauth: OAuth) -> Router {
    let pages = Pages {
        oauth,
        spent: Arc::default(),
        tries: Arc::new(Semaphore::new(TRIES_AT_ONCE)),
        clock: Clock::start(),
    };
    Router::new()
        .route(AUTHORIZE, get(authorize::show))
        .route("/oauth/login", post(login::log_in))
        .route("/oauth/logout", post(login::log_out))
        .route("/oauth/consent", post(consent::answer))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(Arc::new(pages))
}

/// The login form.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) host: &'a str,
    pub(super) app: &'a str,
    pub(super) fault: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) token: &'a str,
}

/// The question whether an app may have access.
#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage<'a> {
    pub(super) host: &'a str,
    pub(super) app: &'a str,
    /// How sure it is that the app is who it says.
    pub(super) known: &'a str,
    /// Where the answer goes.
    pub(super) destination: &'a str,
    /// When to distrust that.
    pub(super) advice: &'a str,
    pub(super) fault: Option<&'a str>,
    pub(super) query: &'a str,
    pub(super) token: &'a str,
    /// Whether it asks for control.
    pub(super) control: bool,
    /// Whether only reading is chosen.
    pub(super) reading: bool,
    /// Whether every backend is chosen, those that come later too.
    pub(super) every: bool,
    pub(super) backends: Vec<BackendChoice<'a>>,
}

/// A line of [`ConsentPage`].
pub(super) struct BackendChoice<'a> {
    pub(super) name: &'a str,
    pub(super) about: &'a str,
    pub(super) chosen: bool,
}

/// A page that only says something.
#[derive(Default, Template)]
#[template(path = "notice.html")]
pub(super) struct Notice<'a> {
    pub(super) host: &'a str,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    /// What to type where berth runs.
    pub(super) command: Option<&'a str>,
    /// Where the question can be seen again.
    pub(super) again: Option<&'a str>,
}

/// A page as an answer. Its forms may lead to ourselves and, by redirect, to `onward`.
///
/// No other site may frame it, and it loads and runs nothing. Its `Referrer-Policy` keeps its address from others and
/// still lets browsers name our own origin with a form: with `no-referrer` they send `Origin: null` (Fetch, 3.2).
pub(super) fn page(status: StatusCode, template: &impl Template, onward: Option<&str>) -> Response {
    let Ok(html) = template.render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written").into_response();
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        *STYLE_DIGEST,
        onward.unwrap_or_default(),
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, Html(html)).into_response()
}

/// A page that only says something.
pub(super) fn notice(base: &Base, status: StatusCode, title: &str, text: &str) -> Response {
    let notice = Notice {
        host: host(base),
        title,
        text,
        ..Notice::default()
    };
    page(status, &notice, None)
}

/// The page while nobody can log in.
pub(super) fn no_passphrase(base: &Base) -> Response {
    let notice = Notice {
        host: host(base),
        title: "First choose a passphrase",
        text: "berth lets no app in before it can tell who its owner is. Run this on the machine that it runs on, then \
               connect the app again:",
        command: Some("berth login set"),
        ..Notice::default()
    };
    page(StatusCode::SERVICE_UNAVAILABLE, &notice, None)
}

/// The page for a form that is not, or no longer, ours. Nothing was done.
pub(super) fn stale(base: &Base, query: &str) -> Response {
    let again = question(query);
    let notice = Notice {
        host: host(base),
        title: "This form has expired",
        text: "Nothing was allowed. The form was open for too long, was answered already, or belongs to another login.",
        again: Some(&again),
        ..Notice::default()
    };
    page(StatusCode::FORBIDDEN, &notice, None)
}

/// The page for a request that cannot be put to the owner.
pub(super) fn fault(base: &Base, error: &OAuthError) -> Response {
    let reason = error.plain_description();
    if error.status.is_server_error() {
        let text = format!("Nothing was allowed: {reason}.");
        return notice(base, error.status, "berth cannot answer", &text);
    }
    let text = format!("Its request is faulty: {reason}. Remove the connection in the app, then add it again.");
    notice(base, StatusCode::BAD_REQUEST, "This app cannot connect", &text)
}

/// Sends the browser on with a `GET` of this address (RFC 9700, 4.12).
pub(super) fn go(address: &str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Redirect::to(address)).into_response()
}

/// The name and port of our own origin, as a page shows it.
pub(super) fn host(base: &Base) -> &str {
    base.0.split_once("://").map_or(&*base.0, |(_, host)| host)
}

/// The path and query of the request for authorization with this query.
pub(super) fn question(query: &str) -> String {
    format!("{AUTHORIZE}?{query}")
}

#[cfg(test)]
mod tests;
