//! How a page that the owner sees looks, and the headers that protect it from other sites.

use std::sync::LazyLock;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
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
    /// A link, and what it says.
    way: Option<(&'a str, &'a str)>,
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

/// The same with a link, and what it says.
pub(in crate::http) fn notice_with_way(
    base: &Base,
    status: StatusCode,
    title: &str,
    text: &str,
    way: (&str, &str),
) -> Response {
    let notice = Notice {
        host: host(base),
        title,
        text,
        way: Some(way),
        ..Notice::default()
    };
    page(status, &notice, None)
}

/// The same page, which the browser loads again after 10 seconds.
pub(in crate::http) fn refreshed(mut page: Response) -> Response {
    page.headers_mut()
        .insert(header::REFRESH, HeaderValue::from_static("10"));
    page
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
    let text = "Nothing was done. The form was open for too long, was answered already, is about something that has changed, \
                or belongs to another login.";
    let way = (again, "Show the question again");
    notice_with_way(base, StatusCode::FORBIDDEN, "This form has expired", text, way)
}

/// The page while we cannot do what is asked, with the reason.
pub(in crate::http) fn trouble(base: &Base, status: StatusCode, reason: &str) -> Response {
    notice(
        base,
        status,
        "berth cannot answer",
        &format!("Nothing was done: {reason}."),
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
