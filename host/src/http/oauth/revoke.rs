//! `POST /oauth/revoke`: an app gives a token back (RFC 7009).

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::authenticate::authenticate;
use super::error::{OAuthError, private};
use super::server::OAuth;
use crate::http::address::Address;
use crate::http::parameters::Parameters;
use crate::store::AccessRecords;
use crate::store::audit::{Entry, Event};

/// Ends everything that came from the approval of a token, if the token is the app's own. The answer is the same
/// whether or not there was such a token, so that nobody can try tokens here (RFC 7009, 2.2).
pub(super) async fn revoke(
    State(oauth): State<OAuth>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let parameters = Parameters::of_form(&headers, &body)?;
    let client_id = authenticate(&oauth, &headers, &parameters).await?.id;
    let token = parameters.require("token")?.to_owned();
    let revoke = move |access: &AccessRecords| {
        let ended = access.revoke(&token, &client_id)?;
        Ok((
            (),
            ended.then(|| Entry::at_door(Event::Revoked, client_id, "by the app")),
        ))
    };
    oauth.records.recorded(address, revoke).await?;
    Ok(private(StatusCode::OK, &json!({})))
}
