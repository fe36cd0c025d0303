//! `POST /oauth/token`: a code or a refresh token in, tokens out (RFC 6749, 4.1.3 and 6; RFC 7636, 4.5; RFC 8707, 2.2).

use std::net::IpAddr;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::authenticate::authenticate;
use super::error::{OAuthError, private};
use super::scope;
use super::server::OAuth;
use crate::http::address::Address;
use crate::http::host_origin::Base;
use crate::http::parameters::Parameters;
use crate::http::refusal::too_often;
use crate::http::resource;
use crate::store::audit::{Entry, Event};
use crate::store::{AccessRecords, Issued, Redemption, Refused};

/// Answers a request for tokens.
pub(super) async fn token(
    State(oauth): State<OAuth>,
    Extension(base): Extension<Base>,
    Extension(address): Extension<Address>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let parameters = Parameters::of_form(&headers, &body)?;
    let app = authenticate(&oauth, &headers, &parameters).await?;
    // An app without a secret is counted only by its address: strangers know its id, and could use up its turns.
    if app.by_secret
        && let Err(refusal) = oauth.admission.apps_turn(&app.id)
    {
        return Ok(too_often(refusal));
    }
    let client_id = app.id;
    let resource = resource(&base, &parameters)?;
    let grant = parameters.require("grant_type")?;
    let issued = match grant {
        "authorization_code" => redeem(&oauth, &parameters, &client_id, resource, address).await?,
        "refresh_token" => refresh(&oauth, &parameters, &client_id, resource, address).await?,
        _ => {
            return Err(OAuthError::new(
                "unsupported_grant_type",
                "grant_type is authorization_code or refresh_token",
            ));
        }
    };
    match issued {
        Ok(issued) => Ok(answer(&issued)),
        Err(refused) => {
            info!(client = ?client_id, grant, "no tokens: {refused}");
            Err(refusal(refused))
        }
    }
}

/// What the tokens are for. An app that does not name it means the server that it asks, and never another one of ours.
fn resource(base: &Base, parameters: &Parameters) -> Result<String, OAuthError> {
    match parameters.get("resource") {
        Some(given) if !resource::is_resource(base, given) => Err(OAuthError::new(
            "invalid_target",
            "resource names another server; name the address of this one, or leave it out",
        )),
        _ => Ok(resource::canonical(base)),
    }
}

async fn redeem(
    oauth: &OAuth,
    parameters: &Parameters,
    client_id: &str,
    resource: String,
    Address(address): Address,
) -> Result<Result<Issued, Refused>, OAuthError> {
    let code = parameters.require("code")?.to_owned();
    let redirect = parameters.require("redirect_uri")?.to_owned();
    let challenge = challenge(parameters.require("code_verifier")?)?;
    let client_id = client_id.to_owned();
    let redeem = move |access: &AccessRecords| {
        let redemption = Redemption {
            client_id: &client_id,
            redirect: &redirect,
            challenge: &challenge,
            resource: Some(&resource),
        };
        let now = SystemTime::now();
        let issued = access.redeem(&code, &redemption, now)?;
        let entry = entry(access, &issued, Event::TokenIssued, &client_id, address, now);
        Ok((issued, Some(entry)))
    };
    Ok(oauth.records.recorded(address, redeem).await?)
}

async fn refresh(
    oauth: &OAuth,
    parameters: &Parameters,
    client_id: &str,
    resource: String,
    Address(address): Address,
) -> Result<Result<Issued, Refused>, OAuthError> {
    let token = parameters.require("refresh_token")?.to_owned();
    let scope = parameters.get("scope").map(scope::highest).transpose()?;
    let client_id = client_id.to_owned();
    let refresh = move |access: &AccessRecords| {
        let now = SystemTime::now();
        let issued = access.refresh(&token, &client_id, Some(&resource), scope, address, now)?;
        let entry = entry(access, &issued, Event::TokenRefreshed, &client_id, address, now);
        Ok((issued, Some(entry)))
    };
    Ok(oauth.records.recorded(address, refresh).await?)
}

/// What is recorded of tokens for `client_id`; `made` is what happened if there are any.
fn entry(
    access: &AccessRecords,
    issued: &Result<Issued, Refused>,
    made: Event,
    client_id: &str,
    address: IpAddr,
    now: SystemTime,
) -> Entry {
    let address = address.to_canonical();
    let event = match issued {
        Ok(issued) => {
            // Under the name that its calls will have, if that can be found: the tokens exist in any case.
            let holder = access.verify(issued.access.reveal(), now).ok().flatten();
            let holder = holder.map_or_else(|| client_id.to_owned(), |holder| holder.principal.id().to_owned());
            let detail = format!("{}, to {client_id} at {address}", issued.scope);
            return Entry::at_door(made, holder, detail);
        }
        Err(Refused::Reused) => Event::TokenReused,
        Err(_) => Event::TokenRefused,
    };
    Entry::at_door(event, client_id, format!("from {address}"))
}

/// The S256 challenge of a verifier: 43 to 128 characters that need no encoding (RFC 7636, 4.1 and 4.2).
fn challenge(verifier: &str) -> Result<String, OAuthError> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return Err(OAuthError::invalid_request(
            "code_verifier is 43 to 128 letters, digits and -._~",
        ));
    }
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)))
}

fn answer(issued: &Issued) -> Response {
    let body = json!({
        "access_token": issued.access.reveal(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in.as_secs(),
        "refresh_token": issued.refresh.reveal(),
        "scope": scope::text_of(issued.scope),
    });
    private(StatusCode::OK, &body)
}

/// Somebody who guesses codes or tokens does not learn how near the guess was.
fn refusal(refused: Refused) -> OAuthError {
    let code = match refused {
        Refused::Grant | Refused::Reused => "invalid_grant",
        Refused::Scope => "invalid_scope",
        Refused::Resource => "invalid_target",
    };
    OAuthError::new(code, refused.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_verifier_has_the_challenge_of_the_standard() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_verifier_has_a_length_and_an_alphabet() {
        for good in ["a".repeat(43), "~.-_".repeat(32)] {
            assert!(challenge(&good).is_ok(), "{good}");
        }
        for bad in [
            "a".repeat(42),
            "a".repeat(129),
            format!("{}+", "a".repeat(43)),
            format!("{}ü", "a".repeat(43)),
            format!("{} ", "a".repeat(43)),
        ] {
            assert_eq!(challenge(&bad).unwrap_err().code, "invalid_request", "{bad}");
        }
    }
}
