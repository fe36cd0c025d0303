//! Client id metadata documents: an app whose id is the https address of a document that describes it.
//!
//! The document is foreign, and so is its address, which any stranger can make us fetch: `cimd/fetch.rs` has the bounds
//! on that, this file what a document must say.

mod address;
mod fetch;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::info;
use url::{Host, Url};

use super::app::{App, Kind, clean_name};
use super::error::OAuthError;
use super::redirect;
use crate::config::{self, parse_redirect};
use fetch::{Fault, Network};

/// The longest id that is taken for an address, in bytes.
const MOST_ID: usize = 512;

/// The most redirect addresses that are read of a document.
const MOST_REDIRECTS: usize = 32;

/// How long a document is valid here.
const GOOD_FOR: Duration = Duration::from_secs(10 * 60);

/// How long a failure is kept, so that it is not tried again at once.
const BAD_FOR: Duration = Duration::from_secs(60);

/// The most outcomes that are kept.
const REMEMBERED: usize = 100;

/// The most documents that are fetched at once.
const AT_ONCE: usize = 4;

/// How long a request waits for its turn to fetch.
const WAIT: Duration = Duration::from_secs(2);

/// The documents of apps: fetched when asked for, and remembered for a while.
pub(super) struct Documents {
    network: Network,
    turns: Semaphore,
    known: Mutex<HashMap<String, Known>>,
}

/// The outcome of a fetch.
#[derive(Clone)]
struct Known {
    until: Instant,
    outcome: Result<Arc<Document>, Fault>,
}

/// The part of a document that counts.
#[derive(Debug, Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    client_secret: Option<serde_json::Value>,
}

impl Documents {
    fn new(network: Network) -> Self {
        Self {
            network,
            turns: Semaphore::new(AT_ONCE),
            known: Mutex::default(),
        }
    }

    /// The app that the document at `id` describes, an address that [`address_of`] takes.
    ///
    /// # Errors
    /// `invalid_client` if the document cannot be fetched or must not be used. What the network said is only in the
    /// log, because it would tell strangers about our network. `temporarily_unavailable` if too many are being fetched.
    pub(super) async fn app(&self, id: &str, settings: &config::OAuth) -> Result<App, OAuthError> {
        let url = address_of(id)?;
        let outcome = match self.recall(id) {
            Some(outcome) => outcome,
            None => self.fetch(id, &url).await?,
        };
        let document = outcome.map_err(|fault| OAuthError::invalid_client(fault.to_string()))?;
        document.app(&url, settings)
    }

    async fn fetch(&self, id: &str, url: &Url) -> Result<Result<Arc<Document>, Fault>, OAuthError> {
        let Ok(Ok(_turn)) = timeout(WAIT, self.turns.acquire()).await else {
            return Err(OAuthError::new(
                "temporarily_unavailable",
                "too many apps are being looked up; try again in a few seconds",
            )
            .with_status(axum::http::StatusCode::SERVICE_UNAVAILABLE));
        };
        // The caller that had the turn before may have asked for the same.
        if let Some(outcome) = self.recall(id) {
            return Ok(outcome);
        }
        let outcome = self.network.fetch(url).await.and_then(|body| Document::read(&body, id));
        if let Err(fault) = &outcome {
            info!(client = ?id, "a client's document is not usable: {fault}");
        }
        let outcome = outcome.map(Arc::new);
        self.remember(id, outcome.clone());
        Ok(outcome)
    }

    fn recall(&self, id: &str) -> Option<Result<Arc<Document>, Fault>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(id).filter(|known| known.until > Instant::now())?;
        Some(found.outcome.clone())
    }

    fn remember(&self, id: &str, outcome: Result<Arc<Document>, Fault>) {
        let lasts = if outcome.is_ok() { GOOD_FOR } else { BAD_FOR };
        let until = Instant::now() + lasts;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| known.until > Instant::now());
        while known.len() >= REMEMBERED {
            let soonest = known.iter().min_by_key(|(_, known)| known.until);
            let Some(soonest) = soonest.map(|(id, _)| id.clone()) else {
                break;
            };
            known.remove(&soonest);
        }
        known.insert(id.to_owned(), Known { until, outcome });
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self::new(Network::default())
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Documents(…)")
    }
}

impl Document {
    fn read(body: &[u8], id: &str) -> Result<Self, Fault> {
        let document: Self =
            serde_json::from_slice(body).map_err(|_| Fault::Document("is not the JSON of a client"))?;
        if document.client_id != id {
            return Err(Fault::Document("is about another client_id"));
        }
        // A secret that everybody can read proves nothing; no other proof is asked for here.
        let method = document.token_endpoint_auth_method.as_deref();
        if document.client_secret.is_some() || method.is_some_and(|method| method != "none") {
            return Err(Fault::Document("asks for another token_endpoint_auth_method than none"));
        }
        Ok(document)
    }

    /// The app, with those of its redirect addresses that may be used: on the document's own host, on the owner's
    /// machine, or listed by the operator.
    fn app(&self, url: &Url, settings: &config::OAuth) -> Result<App, OAuthError> {
        let given = self.redirect_uris.iter().take(MOST_REDIRECTS);
        let redirects: Vec<String> = given.filter(|text| usable(text, url, settings)).cloned().collect();
        if redirects.is_empty() {
            return Err(OAuthError::invalid_client(
                "the client's document has no usable redirect_uris: https on its own host, http on a loopback name, \
                 or what the operator adds to redirects in [oauth]",
            ));
        }
        Ok(App {
            id: self.client_id.clone(),
            name: clean_name(self.client_name.as_deref()),
            redirects,
            verified_host: url.host_str().map(str::to_owned),
            kind: Kind::Document,
        })
    }
}

fn usable(given: &str, document: &Url, settings: &config::OAuth) -> bool {
    let Ok(redirect) = parse_redirect(given) else {
        return false;
    };
    given.len() <= redirect::MOST_BYTES
        && (redirect.origin() == document.origin()
            || redirect::is_loopback(given)
            || redirect::is_listed(given, settings))
}

/// Whether `id` is meant as the address of a document.
pub(super) fn is_address(id: &str) -> bool {
    id.starts_with("https://")
}

/// The address that the id of an app is: https on a name and the usual port, a path, and nothing else, in the one
/// spelling that URLs have.
///
/// # Errors
/// `invalid_client` with what is wrong with it.
pub(super) fn address_of(id: &str) -> Result<Url, OAuthError> {
    parse(id).map_err(|fault| OAuthError::invalid_client(format!("the client's id {fault}")))
}

fn parse(id: &str) -> Result<Url, &'static str> {
    if id.len() > MOST_ID {
        return Err("is longer than 512 bytes");
    }
    let url = Url::parse(id).map_err(|_| "is not a URL")?;
    // This also refuses dot segments, an explicit port 443, capitals in the host, and numbers that mean an address.
    if url.as_str() != id {
        return Err("is not spelled as a URL is written");
    }
    let named = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.') && !name.ends_with('.'));
    match () {
        () if url.scheme() != "https" => Err("is not https"),
        () if !named => Err("does not name a host by a full name"),
        () if url.port().is_some() => Err("names a port"),
        () if !url.username().is_empty() || url.password().is_some() => Err("names a user"),
        () if url.query().is_some() || url.fragment().is_some() => Err("has more than a path"),
        () if url.path() == "/" => Err("has no path"),
        () => Ok(url),
    }
}

#[cfg(test)]
mod tests;
