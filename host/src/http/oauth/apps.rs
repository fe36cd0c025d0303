//! The apps that may ask, wherever they are known from.

use super::app::{App, Kind, clean_name};
use super::error::OAuthError;
use super::server::OAuth;
use super::{cimd, pinned};

/// The app whose id is `id`. It is looked for in the configuration, then in this program, then by its document, then
/// among the registered ones.
///
/// # Errors
/// `invalid_client` if there is none, or its document cannot be fetched.
pub(super) async fn resolve(oauth: &OAuth, id: &str) -> Result<App, OAuthError> {
    if let Some(known) = fixed(oauth, id).or_else(|| pinned::app(id)) {
        return Ok(known);
    }
    if cimd::is_address(id) {
        return oauth.documents.app(id, &oauth.settings).await;
    }
    registered(oauth, id).await
}

/// Where the app `id` is known from, for an app that shows something that only it was given, so its document is not
/// read again.
///
/// # Errors
/// `invalid_client` if there is no such app, or no longer.
pub(super) async fn kind(oauth: &OAuth, id: &str) -> Result<Kind, OAuthError> {
    if let Some(known) = fixed(oauth, id).or_else(|| pinned::app(id)) {
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

async fn registered(oauth: &OAuth, id: &str) -> Result<App, OAuthError> {
    let wanted = id.to_owned();
    let found = oauth.records.with(move |access| access.app(&wanted)).await?;
    let found = found.ok_or_else(|| {
        OAuthError::invalid_client("there is no such client here, or it was removed; let the app register again")
    })?;
    Ok(App {
        id: found.id,
        name: clean_name(Some(&found.name)),
        redirects: found.redirects,
        verified_host: None,
        kind: Kind::Registered,
    })
}
