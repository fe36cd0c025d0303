//! The authorization server: how an app gets a token, with the owner's approval and no other way.
//!
//! OAuth 2.1 with PKCE (RFC 7636), server metadata (RFC 8414), protected-resource metadata (RFC 9728), registration
//! (RFC 7591), client id metadata documents, resource indicators (RFC 8707), issuer identification (RFC 9207) and
//! revocation (RFC 7009).

mod app;
mod apps;
mod authenticate;
mod authorize;
mod cimd;
mod consent;
mod error;
mod metadata;
mod pinned;
mod redirect;
mod register;
mod request;
mod revoke;
mod scope;
mod server;
mod token;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::owner::login;
use super::owner::posted::FORM_LIMIT;
pub use server::{OAuth, Offered};

/// Whether a path is one of ours, which strangers may ask.
pub(super) fn answers(path: &str) -> bool {
    path.starts_with("/oauth/") || path.starts_with("/.well-known/")
}

/// Whether a login counts at this path.
pub(super) fn takes_logins(path: &str) -> bool {
    matches!(path, "/oauth/authorize" | "/oauth/consent")
}

/// Every route of the authorization server.
pub(super) fn router(oauth: OAuth) -> Router {
    // A client that was given a path below our origin puts it after the well-known one (RFC 8414, 3.1; RFC 9728, 3.1).
    let server = get(metadata::server);
    Router::new()
        .route("/.well-known/oauth-authorization-server", server.clone())
        .route("/.well-known/oauth-authorization-server/mcp", server.clone())
        .route("/.well-known/openid-configuration", server.clone())
        .route("/.well-known/openid-configuration/mcp", server)
        .route("/.well-known/oauth-protected-resource", get(metadata::protected_origin))
        .route(
            "/.well-known/oauth-protected-resource/mcp",
            get(metadata::protected_mcp),
        )
        .route("/oauth/register", post(register::register))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .with_state(oauth.clone())
        .merge(pages(oauth))
}

/// The routes that a browser uses. They need the base and the client's address in the extensions of each request, and
/// before them the check that no other site's page sent it.
fn pages(oauth: OAuth) -> Router {
    let log_out = post(login::log_out).with_state(oauth.logins.clone());
    Router::new()
        .route(request::PATH, get(authorize::show))
        .route(authorize::LOGIN, post(authorize::log_in))
        .route("/oauth/logout", log_out)
        .route("/oauth/consent", post(consent::answer))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(oauth)
}

#[cfg(test)]
mod tests;
