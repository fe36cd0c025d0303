//! `POST /oauth/register`: an app makes itself known (RFC 7591). That gives it an id and nothing more: no secret, and no
//! access before the owner approves.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::clean_name;
use super::error::{OAuthError, private};
use super::server::OAuth;
use super::{redirect, scope};
use crate::admission::numbers::{ONE_ADDRESS_UNAPPROVED_APPS, UNAPPROVED_APPS};
use crate::http::address::Address;
use crate::http::parameters::media_type;
use crate::principal::Scope;
use crate::store::audit::{Entry, Event};
use crate::store::{NewApp, Registered, Room};

/// How many apps that were never approved are kept.
pub(super) const UNAPPROVED: Room = Room {
    all: UNAPPROVED_APPS,
    each: ONE_ADDRESS_UNAPPROVED_APPS,
};

/// The longest body, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// The most redirect addresses of one app.
const MOST_REDIRECTS: usize = 10;

/// The part of an app's metadata that counts. The rest is ignored (RFC 7591, 2), also how it would authenticate: it
/// gets no secret to do it with.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// Registers an app.
pub(super) async fn register(
    State(oauth): State<OAuth>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let metadata = read(&headers, &body)?;
    check_redirects(&oauth, &metadata.redirect_uris)?;
    let app = NewApp {
        name: clean_name(metadata.client_name.as_deref()),
        redirects: metadata.redirect_uris,
    };
    let wanted = app.clone();
    let registered = oauth
        .records
        .recorded(address, move |access| {
            let registered = access.register(&wanted, address, UNAPPROVED, SystemTime::now())?;
            let entry = entry(&registered, &wanted, address);
            Ok((registered, Some(entry)))
        })
        .await?;
    Ok(private(StatusCode::CREATED, &answer(&registered, &app)))
}

fn entry(made: &Registered, app: &NewApp, address: IpAddr) -> Entry {
    let detail = format!("{:?} ({})", app.name, made.id);
    Entry::at_door(Event::AppRegistered, address.to_canonical().to_string(), detail)
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Metadata, OAuthError> {
    if media_type(headers).as_deref() != Some("application/json") {
        return Err(invalid(
            "send the client's metadata with Content-Type: application/json",
        ));
    }
    if body.len() > MOST_BYTES {
        let refusal = invalid(format!(
            "the client's metadata is longer than {MOST_BYTES} bytes; send less"
        ));
        return Err(refusal.with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let metadata: Metadata = serde_json::from_slice(body)
        .map_err(|fault| invalid(format!("the client's metadata cannot be read: {fault}")))?;
    let lacks = |named: &Option<Vec<String>>, ours: &str| {
        named
            .as_ref()
            .is_some_and(|named| !named.iter().any(|each| each == ours))
    };
    if lacks(&metadata.grant_types, "authorization_code") {
        return Err(invalid(
            "grant_types must name authorization_code: nobody gets access without the owner",
        ));
    }
    if lacks(&metadata.response_types, "code") {
        return Err(invalid("response_types must name code"));
    }
    Ok(metadata)
}

fn check_redirects(oauth: &OAuth, given: &[String]) -> Result<(), OAuthError> {
    if given.is_empty() || given.len() > MOST_REDIRECTS {
        return Err(OAuthError::new(
            "invalid_redirect_uri",
            format!("redirect_uris names 1 to {MOST_REDIRECTS} addresses"),
        ));
    }
    for (position, text) in (1..).zip(given) {
        redirect::allowed(text, &oauth.settings)
            .map_err(|fault| OAuthError::new("invalid_redirect_uri", format!("redirect address {position} {fault}")))?;
    }
    Ok(())
}

fn answer(registered: &Registered, app: &NewApp) -> Value {
    let issued = registered.created.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "client_id": registered.id,
        "client_id_issued_at": issued.as_secs(),
        "client_name": app.name,
        "redirect_uris": app.redirects,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": scope::text_of(Scope::Control),
    })
}

fn invalid(description: impl Into<String>) -> OAuthError {
    OAuthError::new("invalid_client_metadata", description)
}
