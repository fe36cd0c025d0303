//! The authorization server: how an app gets a token, with the owner's approval and no other way.
//!
//! OAuth 2.1 with PKCE (RFC 7636), server metadata (RFC 8414), protected-resource metadata (RFC 9728), registration
//! (RFC 7591), client id metadata documents, resource indicators (RFC 8707), issuer identification (RFC 9207) and
//! revocation (RFC 7009).

mod authenticate;
mod authorize;
mod cimd;
mod client;
mod clock;
mod consent;
mod cookie;
mod error;
mod form;
mod login;
mod metadata;
mod pages;
mod parameters;
mod redirect;
mod register;
mod revoke;
mod scope;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio_util::task::TaskTracker;

use super::Base;
use crate::admission::Admission;
use crate::config;
use crate::store::audit::Entry;
use crate::store::{self, Access, Recorder};
use cimd::Documents;
use error::OAuthError;
pub(super) use metadata::is_resource;

/// What every endpoint needs.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Who may come in.
    access: Arc<Access>,
    /// What happens here is recorded.
    recorder: Recorder,
    /// What whoever ends berth waits for.
    under_way: TaskTracker,
    /// Further redirects, and clients with secrets.
    settings: Arc<config::OAuth>,
    /// Name and a line about each backend, as the owner is asked about them.
    backends: Arc<[(String, String)]>,
    /// How often an app may ask for tokens, and what of refusals is recorded.
    admission: Admission,
    /// Of apps that have one.
    documents: Arc<Documents>,
}

impl OAuth {
    /// `backends` are name and a line about each, as the owner is asked about them.
    pub fn new(
        access: Arc<Access>,
        recorder: Recorder,
        settings: Arc<config::OAuth>,
        backends: Arc<[(String, String)]>,
        admission: Admission,
        under_way: TaskTracker,
    ) -> Self {
        Self {
            access,
            recorder,
            under_way,
            settings,
            backends,
            admission,
            documents: Arc::default(),
        }
    }

    /// Does `work` on the records where it may wait for the disk. It is finished, and recorded, before berth ends.
    async fn records<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Access) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, OAuthError> {
        let access = self.access.clone();
        let done = self.under_way.spawn_blocking(move || work(&access)).await;
        done.map_err(OAuthError::internal)?.map_err(OAuthError::internal)
    }

    /// The same for `work` that somebody at `address` asks for, and that is to be recorded. Its entry is written before
    /// anyone hears of the outcome, and also if nobody waits for it any more; of refusals that cost strangers nothing only
    /// so many are. Where nothing can be recorded, nothing is done. What was done is answered even if that begins then:
    /// its entry is written as soon as one can be.
    async fn recorded<T: Send + 'static>(
        &self,
        address: IpAddr,
        work: impl FnOnce(&Access) -> Result<(T, Option<Entry>), store::Error> + Send + 'static,
    ) -> Result<T, OAuthError> {
        let prepared = self.recorder.prepare().await.map_err(OAuthError::internal)?;
        let (recorder, admission) = (self.recorder.clone(), self.admission.clone());
        let done = self.records(move |access| {
            let (outcome, entry) = work(access)?;
            let entry = entry.filter(|entry| !entry.event.is_free() || admission.records_try(address));
            if let Some(entry) = entry {
                // The log tells of it, and the entry is kept.
                let _ = recorder.record_here(prepared, entry);
            }
            Ok(outcome)
        });
        done.await
    }
}

/// Whether a path is one of ours, which strangers may ask.
pub(super) fn answers(path: &str) -> bool {
    path.starts_with("/oauth/") || path.starts_with("/.well-known/")
}

/// The address of a request's client, as far as we know. In each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(pub(super) IpAddr);

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
        .merge(pages::router(oauth))
}

#[cfg(test)]
mod tests;
