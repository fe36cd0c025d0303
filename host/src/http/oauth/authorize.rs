//! The authorization endpoint: an app's request is shown to the owner, who logs in first.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::consent::Question;
use super::request::{self, Asked, Fault};
use super::server::OAuth;
use crate::http::address::Address;
use crate::http::host_origin::Base;
use crate::http::owner::login::{By, Reason};
use crate::http::owner::pages;
use crate::http::owner::posted::Posted;
use crate::store::AccessRecords;

/// The path that takes the login form.
pub(super) const LOGIN: &str = "/oauth/login";

/// Shows a request for authorization to the owner, who logs in first.
pub(super) async fn show(
    State(oauth): State<OAuth>,
    Extension(base): Extension<Base>,
    Extension(Address(address)): Extension<Address>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let shown = page(&oauth, &base, address, &query.unwrap_or_default(), &headers).await;
    shown.unwrap_or_else(|fault| fault.response(&base))
}

/// Takes the owner's passphrase. The right one leads back to the request for authorization.
pub(super) async fn log_in(
    State(oauth): State<OAuth>,
    Extension(base): Extension<Base>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let taken = take(&oauth, &base, address, &headers, &posted).await;
    taken.unwrap_or_else(|fault| fault.response(&base))
}

async fn page(
    oauth: &OAuth,
    base: &Base,
    address: IpAddr,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let asked = request::read(oauth, base, query).await?;
    if oauth.records.with(AccessRecords::passphrase).await?.is_none() {
        let why = "berth lets in no app before it can recognise its owner. Run this on the machine where berth runs, then \
                   connect the app again:";
        return Ok(pages::no_passphrase(base, why));
    }
    match oauth.logins.cookie(headers, base, address).await? {
        None => Ok(oauth.logins.ask(base, headers, reason(&asked, query))?),
        Some(cookie) => {
            let question = Question {
                oauth,
                base,
                asked: &asked,
                query,
                cookie,
                now: oauth.logins.now(),
            };
            Ok(question.ask())
        }
    }
}

async fn take(
    oauth: &OAuth,
    base: &Base,
    address: IpAddr,
    headers: &HeaderMap,
    posted: &Posted,
) -> Result<Response, Fault> {
    let query = posted.get("query");
    let onward = request::link(query);
    let Some(form) = oauth.logins.sent(base, headers, posted) else {
        return Ok(pages::stale(base, &onward));
    };
    let asked = request::read(oauth, base, query).await?;
    let passphrase = posted.get("passphrase");
    Ok(form.log_in(passphrase, address, reason(&asked, query), &onward).await?)
}

fn reason<'a>(asked: &'a Asked, query: &'a str) -> Reason<'a> {
    Reason {
        app: Some(&asked.app.name),
        action: LOGIN,
        query,
        by: By::Passphrase,
    }
}
