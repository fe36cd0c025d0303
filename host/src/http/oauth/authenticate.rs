//! Which app asks for tokens, and whether it is really that app: apps with a secret show it (RFC 6749, 2.3.1); all
//! others are checked only by the challenge of their request.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::app::Kind;
use super::apps;
use super::error::OAuthError;
use super::server::OAuth;
use crate::http::parameters::Parameters;

/// The app that a request is from.
pub(super) struct Authenticated {
    /// Its id.
    pub(super) id: String,
    /// Whether it has shown a secret; otherwise anyone can give this id.
    pub(super) by_secret: bool,
}

/// The app that sent a request with these headers and parameters.
///
/// # Errors
/// `invalid_client` if there is no such app, or no longer, or its secret is missing or wrong; `invalid_request` if it
/// names itself in two ways that differ, or not at all.
pub(super) async fn authenticate(
    oauth: &OAuth,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Authenticated, OAuthError> {
    let presented = Presented::find(headers, parameters)?;
    let kind = apps::kind(oauth, &presented.id).await?;
    match kind {
        Kind::Fixed => check_secret(oauth, &presented)?,
        Kind::Pinned | Kind::Document | Kind::Registered if presented.secret.is_some() => {
            return Err(OAuthError::invalid_client(
                "this client has no secret; leave it out, or have the operator add the client to the configuration",
            ));
        }
        Kind::Pinned | Kind::Document | Kind::Registered => {}
    }
    Ok(Authenticated {
        id: presented.id,
        by_secret: kind == Kind::Fixed,
    })
}

fn check_secret(oauth: &OAuth, presented: &Presented) -> Result<(), OAuthError> {
    let expected = oauth
        .settings
        .clients
        .get(&presented.id)
        .map(|fixed| fixed.secret_sha256);
    let digest: Option<[u8; 32]> = presented.secret.as_ref().map(|secret| Sha256::digest(secret).into());
    match (expected, digest) {
        (Some(expected), Some(digest)) if bool::from(expected.ct_eq(&digest)) => Ok(()),
        _ => Err(OAuthError::invalid_client(
            "the client's secret is missing or wrong; type it in again exactly as it was given",
        )),
    }
}

/// What an app says of itself. It has no `Debug`, since it may hold a secret.
struct Presented {
    id: String,
    secret: Option<String>,
}

impl Presented {
    fn find(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, OAuthError> {
        let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
        let Some(basic) = Self::basic(headers)? else {
            let id = id.ok_or_else(|| OAuthError::invalid_request("the parameter client_id is missing"))?;
            return Ok(Self {
                id: id.to_owned(),
                secret: secret.map(str::to_owned),
            });
        };
        if secret.is_some() || id.is_some_and(|id| id != basic.id) {
            return Err(OAuthError::invalid_request(
                "the client names itself twice; use the Authorization header or the form, not both",
            ));
        }
        Ok(basic)
    }

    /// What is in the `Authorization` header, if there is one.
    fn basic(headers: &HeaderMap) -> Result<Option<Self>, OAuthError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let read = value.to_str().ok().and_then(Self::decode).map(Some);
                read.ok_or_else(|| {
                    OAuthError::invalid_client("the Authorization header does not hold Basic credentials")
                })
            }
            _ => Err(OAuthError::invalid_request(
                "there are two Authorization headers; send one",
            )),
        }
    }

    fn decode(value: &str) -> Option<Self> {
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some(Self {
            id: decoded(id),
            secret: Some(decoded(secret)).filter(|secret| !secret.is_empty()),
        })
    }
}

/// Both parts are encoded as in a form before they are put together (RFC 6749, 2.3.1).
fn decoded(part: &str) -> String {
    let whole = part.replace('&', "%26").replace('=', "%3D");
    let first = url::form_urlencoded::parse(whole.as_bytes()).next();
    first.map(|(text, _)| text.into_owned()).unwrap_or_default()
}
