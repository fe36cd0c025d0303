//! How a page that the owner sees looks, and the headers that protect it from other sites.

use std::sync::LazyLock;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::http::host_origin::Base;

/// The style of every page.
pub(in crate::http) const STYLE: &str = include_str!("../../../templates/style.css");

/// The digest by which the policy of a page knows [`STYLE`] (CSP Level 3, 2.3.1).
static STYLE_DIGEST: LazyLock<String> = LazyLock::new(|| BASE64_STANDARD.encode(Sha256::digest(STYLE)));

/// A page that only says something.
#[derive(Default, Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    host: &'a str,
    title: &'a str,
    text: &'a str,
    /// What to type where berth runs.
    command: Option<&'a str>,
    /// Where the question can be seen again.
    again: Option<&'a str>,
}

/// A page as an answer. Its forms may lead to ourselves and, by redirect, to `onward`.
///
/// No other site may frame it, and it loads and runs nothing. Its `Referrer-Policy` keeps its address from others and
/// still lets browsers name our own origin with a form: with `no-referrer` they send `Origin: null` (Fetch, 3.2).
pub(in crate::http) fn page(status: StatusCode, template: &impl Template, onward: Option<&str>) -> Response {
    let Ok(html) = template.render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written").into_response();
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        *STYLE_DIGEST,
        onward.unwrap_or_default(),
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, Html(html)).into_response()
}

/// A page that only says something.
pub(in crate::http) fn notice(base: &Base, status: StatusCode, title: &str, text: &str) -> Response {
    let notice = Notice {
        host: host(base),
        title,
        text,
        ..Notice::default()
    };
    page(status, &notice, None)
}

/// The page shown while nobody can log in; `why` says why a passphrase is needed.
pub(in crate::http) fn no_passphrase(base: &Base, why: &str) -> Response {
    let notice = Notice {
        host: host(base),
        title: "First choose a passphrase",
        text: why,
        command: Some("berth login set"),
        ..Notice::default()
    };
    page(StatusCode::SERVICE_UNAVAILABLE, &notice, None)
}

/// The page for a form that is not ours, or no longer. Nothing was done; its question can be seen again at `again`.
pub(in crate::http) fn stale(base: &Base, again: &str) -> Response {
    let notice = Notice {
        host: host(base),
        title: "This form has expired",
        text: "Nothing was allowed. The form was open for too long, was answered already, or belongs to another login.",
        again: Some(again),
        ..Notice::default()
    };
    page(StatusCode::FORBIDDEN, &notice, None)
}

/// The page while we cannot do what is asked, with the reason.
pub(in crate::http) fn trouble(base: &Base, status: StatusCode, reason: &str) -> Response {
    notice(
        base,
        status,
        "berth cannot answer",
        &format!("Nothing was allowed: {reason}."),
    )
}

/// Sends the browser on with a `GET` of this address (RFC 9700, 4.12).
pub(in crate::http) fn go(address: &str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Redirect::to(address)).into_response()
}

/// The name and port of our own origin, as a page shows it.
pub(in crate::http) fn host(base: &Base) -> &str {
    base.0.split_once("://").map_or(&*base.0, |(_, host)| host)
}
