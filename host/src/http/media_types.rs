//! Media types: requests are JSON, and a client that accepts anything gets what MCP asks its clients to accept.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::refusal::refuse;

/// Both types that a client of Streamable HTTP must accept.
const MCP_TYPES: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The refusal of a `POST` that is not JSON (a web form is not, which keeps other sites' pages out once more). The
/// `Accept` of one that takes anything, as plain curl does, is completed.
pub(super) fn settle(request: &mut Request) -> Option<Response> {
    if request.method() != Method::POST {
        return None;
    }
    if !is_json(request.headers()) {
        return Some(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON with its media type; send the header `Content-Type: application/json` (curl: \
             -H 'Content-Type: application/json')",
        ));
    }
    if takes_anything(request.headers()) {
        request.headers_mut().insert(header::ACCEPT, MCP_TYPES);
    }
    None
}

/// Whether `Accept` lists exactly this media range.
pub(super) fn names(headers: &HeaderMap, range: &str) -> bool {
    accepted(headers).any(|accepted| accepted.eq_ignore_ascii_case(range))
}

/// Answers are JSON, so accepting JSON is enough.
fn takes_anything(headers: &HeaderMap) -> bool {
    let ranges = ["*/*", "application/*", "application/json"];
    accepted(headers).next().is_none() || ranges.iter().any(|range| names(headers, range))
}

/// The media ranges of all `Accept` headers, without parameters.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(essence)
        .filter(|range| !range.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    match (types.next().and_then(|value| value.to_str().ok()), types.next()) {
        (Some(value), None) => essence(value).eq_ignore_ascii_case("application/json"),
        _ => false,
    }
}

/// A media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn json_is_json_with_or_without_parameters() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
        ] {
            assert!(is_json(&with(header::CONTENT_TYPE, &[value])), "{value}");
        }
    }

    #[test]
    fn nothing_else_is_json() {
        let others: [&[&'static str]; 6] = [
            &[],
            &[""],
            &["text/plain"],
            &["application/jsonp"],
            &["application/x-www-form-urlencoded"],
            &["application/json", "text/plain"],
        ];
        for values in others {
            assert!(!is_json(&with(header::CONTENT_TYPE, values)), "{values:?}");
        }
    }

    #[test]
    fn whoever_names_no_type_takes_anything() {
        let open: [&[&'static str]; 6] = [
            &[],
            &["*/*"],
            &["application/json"],
            &["application/*"],
            &["text/html, */*;q=0.1"],
            &["text/html", "*/*"],
        ];
        for values in open {
            assert!(takes_anything(&with(header::ACCEPT, values)), "{values:?}");
        }
        let particular: [&[&'static str]; 2] = [&["text/event-stream"], &["text/html"]];
        for values in particular {
            assert!(!takes_anything(&with(header::ACCEPT, values)), "{values:?}");
        }
    }
}
