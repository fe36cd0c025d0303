//! A request for authorization: what an app may ask the owner, and the two ways back to it (RFC 6749, 4.1; RFC 9700).
//!
//! Until app and redirect address are known to belong together, every fault is a page: a redirect to an address
//! that nobody vouched for would make this server a help to phishers. After that every fault goes back to the app.

use axum::http::StatusCode;
use axum::response::Response;
use url::Url;

use super::app::App;
use super::error::OAuthError;
use super::server::OAuth;
use super::{apps, redirect, scope};
use crate::config;
use crate::http::host_origin::Base;
use crate::http::owner::pages;
use crate::http::parameters::Parameters;
use crate::http::records::Unavailable;
use crate::http::resource;
use crate::principal::Scope;

/// The path of the authorization endpoint, to which every way through the pages leads back.
pub(super) const PATH: &str = "/oauth/authorize";

/// The longest `state` that is sent back, in bytes.
const STATE_LIMIT: usize = 4 << 10;

/// A request for authorization in which everything was found right.
pub(super) struct Asked {
    /// Who asks.
    pub(super) app: App,
    /// Where the answer goes.
    pub(super) way_back: WayBack,
    /// The S256 challenge (RFC 7636, 4.2).
    pub(super) challenge: String,
    /// The highest scope that is asked for.
    pub(super) scope: Scope,
}

/// The way back to an app: an address that is registered for it, and what goes there with any answer.
pub(super) struct WayBack {
    /// The redirect address, as the request has it.
    pub(super) redirect: Url,
    state: Option<String>,
    issuer: Base,
}

/// Why a request is not shown to the owner.
pub(super) enum Fault {
    /// It is not known to whom to report it, or the fault is ours.
    Page(OAuthError),
    /// The app is told.
    Back(Box<WayBack>, OAuthError),
}

/// The path and query of the request with this query.
pub(super) fn link(query: &str) -> String {
    format!("{PATH}?{query}")
}

/// Checks the request with this query.
pub(super) async fn read(oauth: &OAuth, base: &Base, query: &str) -> Result<Asked, Fault> {
    let parameters = Parameters::parse(query).map_err(OAuthError::from)?;
    let app = apps::resolve(oauth, parameters.require("client_id").map_err(OAuthError::from)?).await?;
    let way_back = way_back(&app, base, &parameters)?;
    match question(base, &parameters) {
        Ok((challenge, scope)) => Ok(Asked {
            app,
            way_back,
            challenge,
            scope,
        }),
        Err(error) => Err(Fault::Back(Box::new(way_back), error)),
    }
}

/// The way back to `app`, by an address that is registered for it.
fn way_back(app: &App, base: &Base, parameters: &Parameters) -> Result<WayBack, OAuthError> {
    let given = parameters.require("redirect_uri")?;
    let registered = app.redirects.iter().any(|known| redirect::matches(known, given));
    let redirect = config::parse_redirect(given).ok().filter(|_| registered);
    let redirect = redirect.ok_or_else(|| {
        OAuthError::invalid_request("the address that the answer would go to is not one that the app registered")
    })?;
    let state = parameters.get("state").map(str::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > STATE_LIMIT) {
        return Err(OAuthError::invalid_request(format!(
            "state is longer than {STATE_LIMIT} bytes"
        )));
    }
    Ok(WayBack {
        redirect,
        state,
        issuer: base.clone(),
    })
}

/// What is asked for: the challenge and the highest scope, which is every one if none is named. There is one resource,
/// which has several names.
fn question(base: &Base, parameters: &Parameters) -> Result<(String, Scope), OAuthError> {
    if parameters.require("response_type")? != "code" {
        let refused = "the only response_type here is code";
        return Err(OAuthError::new("unsupported_response_type", refused));
    }
    let challenge = challenge(parameters)?;
    let named = parameters.get("resource");
    if named.is_some_and(|named| !resource::is_resource(base, named)) {
        let refused = format!("the resource here is {}", resource::canonical(base));
        return Err(OAuthError::new("invalid_target", refused));
    }
    let scope = parameters.get("scope").map_or(Ok(Scope::Control), scope::highest)?;
    Ok((challenge, scope))
}

/// PKCE with S256, always (RFC 9700, 2.1.1).
fn challenge(parameters: &Parameters) -> Result<String, OAuthError> {
    let challenge = parameters.require("code_challenge")?;
    // Left out, the method would be plain (RFC 7636, 4.3).
    if parameters.require("code_challenge_method")? != "S256" {
        return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
    }
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if challenge.len() != 43 || !challenge.bytes().all(base64url) {
        let refused = "code_challenge must be a SHA-256 in 43 characters of base64url";
        return Err(OAuthError::invalid_request(refused));
    }
    Ok(challenge.to_owned())
}

impl WayBack {
    /// Sends the browser back with a code.
    pub(super) fn with_code(&self, code: &str) -> Response {
        self.with(&[("code", code)])
    }

    /// Sends the browser back with an error (RFC 6749, 4.1.2.1).
    pub(super) fn with_error(&self, error: &OAuthError) -> Response {
        self.with(&[("error", error.code), ("error_description", &error.plain_description())])
    }

    fn with(&self, answer: &[(&str, &str)]) -> Response {
        let mut address = self.redirect.clone();
        let mut query = address.query_pairs_mut();
        query.extend_pairs(answer);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        // RFC 9207: an app that talks to several servers learns whose answer this is.
        query.append_pair("iss", &self.issuer.0);
        drop(query);
        pages::go(address.as_str())
    }
}

impl Fault {
    /// The answer to a browser.
    pub(super) fn response(&self, base: &Base) -> Response {
        match self {
            Self::Back(way_back, error) => way_back.with_error(error),
            Self::Page(error) => page(base, error),
        }
    }
}

impl From<OAuthError> for Fault {
    fn from(error: OAuthError) -> Self {
        Self::Page(error)
    }
}

impl From<Unavailable> for Fault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Page(unavailable.into())
    }
}

/// The page for a request that cannot be shown to the owner.
fn page(base: &Base, error: &OAuthError) -> Response {
    let reason = error.plain_description();
    if error.status.is_server_error() {
        return pages::trouble(base, error.status, &reason);
    }
    let text = format!("Its request is faulty: {reason}. Remove the connection in the app, then add it again.");
    pages::notice(base, StatusCode::BAD_REQUEST, "This app cannot connect", &text)
}
