//! The apps that may ask, wherever they are known from.

use super::error::OAuthError;
use super::{OAuth, cimd};
use crate::text::clean;

/// The most characters of a name.
const MOST_NAME: usize = 80;

/// An app that may ask the owner for access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct App {
    /// Its id.
    pub(super) id: String,
    /// Its name, cleaned and at most 80 characters long. Of a registered app, or one with a document, it is its own claim.
    pub(super) name: String,
    /// Where the owner's answer may be sent, to be compared by [`matches`](super::redirect::matches).
    pub(super) redirects: Vec<String>,
    /// The host that vouches for its name and redirects, as its document lies there. Who listens at a loopback redirect,
    /// no host can vouch for.
    pub(super) verified_host: Option<String>,
    /// Where it is known from.
    pub(super) kind: Kind,
}

/// Where an app is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[oauth.clients.NAME]`: the operator wrote it down, and it has a secret.
    Fixed,
    /// A well-known app, written down in this program.
    Pinned,
    /// An app whose id is the address of a document about it.
    Document,
    /// An app that registered itself.
    Registered,
}

/// A well-known app. Its document would say the same, but was seen to be refused to servers that ask for it.
pub(super) struct Pinned {
    id: &'static str,
    name: &'static str,
    host: &'static str,
    pub(super) redirects: &'static [&'static str],
}

pub(super) const PINNED: [Pinned; 3] = [
    Pinned {
        id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
        name: "Claude",
        host: "claude.ai",
        redirects: &[
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    },
    Pinned {
        id: "https://claude.ai/oauth/claude-code-client-metadata",
        name: "Claude Code",
        host: "claude.ai",
        redirects: &["http://localhost/callback", "http://127.0.0.1/callback"],
    },
    Pinned {
        id: "https://chatgpt.com/oauth/client.json",
        name: "ChatGPT",
        host: "chatgpt.com",
        redirects: &["https://chatgpt.com/connector_platform_oauth_redirect"],
    },
];

/// The app whose id is `id`: of the configuration, else of this program, else by its document, else registered.
///
/// # Errors
/// `invalid_client` if there is none, or its document cannot be had.
pub(super) async fn resolve(oauth: &OAuth, id: &str) -> Result<App, OAuthError> {
    if let Some(known) = fixed(oauth, id).or_else(|| pinned(id)) {
        return Ok(known);
    }
    if cimd::is_address(id) {
        return oauth.documents.app(id, &oauth.settings).await;
    }
    registered(oauth, id).await
}

/// Where the app `id` is known from, for an app that shows what only it was given: so its document is not read again.
///
/// # Errors
/// `invalid_client` if there is no such app (any more).
pub(super) async fn kind(oauth: &OAuth, id: &str) -> Result<Kind, OAuthError> {
    if let Some(known) = fixed(oauth, id).or_else(|| pinned(id)) {
        return Ok(known.kind);
    }
    if cimd::is_address(id) {
        return cimd::address_of(id).map(|_| Kind::Document);
    }
    registered(oauth, id).await.map(|app| app.kind)
}

fn fixed(oauth: &OAuth, id: &str) -> Option<App> {
    let fixed = oauth.settings.clients.get(id)?;
    Some(App {
        id: id.to_owned(),
        name: id.to_owned(),
        redirects: fixed.redirects.clone(),
        verified_host: None,
        kind: Kind::Fixed,
    })
}

fn pinned(id: &str) -> Option<App> {
    let pinned = PINNED.iter().find(|pinned| pinned.id == id)?;
    Some(App {
        id: id.to_owned(),
        name: pinned.name.to_owned(),
        redirects: pinned.redirects.iter().map(|text| (*text).to_owned()).collect(),
        verified_host: Some(pinned.host.to_owned()),
        kind: Kind::Pinned,
    })
}

async fn registered(oauth: &OAuth, id: &str) -> Result<App, OAuthError> {
    let wanted = id.to_owned();
    let found = oauth.records(move |access| access.app(&wanted)).await?;
    let found = found.ok_or_else(|| {
        OAuthError::invalid_client("there is no such client here, or it was removed; let the app register anew")
    })?;
    Ok(App {
        id: found.id,
        name: clean_name(Some(&found.name)),
        redirects: found.redirects,
        verified_host: None,
        kind: Kind::Registered,
    })
}

/// A name that an app gave itself, as a person may be shown it: one line, nothing hidden in it, at most 80 characters.
pub(super) fn clean_name(given: Option<&str>) -> String {
    let cleaned = clean(given.unwrap_or_default());
    let line = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = line.chars().take(MOST_NAME).collect();
    if name.is_empty() {
        return "an app without a name".to_owned();
    }
    name
}
