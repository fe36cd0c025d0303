//! What an endpoint refuses, in the words of RFC 6749, 5.2.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::http::parameters::Malformed;
use crate::http::records::Unavailable;

/// A refusal: a code for the app, and a sentence for the person behind it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub(super) struct OAuthError {
    /// A registered code, such as `invalid_request`.
    pub(super) code: &'static str,
    /// What is wrong and what to do. It tells nothing of the records.
    pub(super) description: String,
    /// The status of an answer that goes to the app itself.
    pub(super) status: StatusCode,
}

impl OAuthError {
    /// A refusal with status 400.
    pub(super) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self {
            code,
            description: description.into(),
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// The same refusal with another status.
    #[must_use]
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A parameter is missing, repeated or malformed.
    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// The app is unknown, or has not shown that it is the one that it claims to be.
    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self::new("invalid_client", description).with_status(StatusCode::UNAUTHORIZED)
    }

    /// The description in the characters that the protocol has for it.
    pub(super) fn plain_description(&self) -> String {
        let plain = |c| if c == '"' { '\'' } else { c };
        let allowed = |c: &char| matches!(c, ' '..='~') && *c != '\\';
        self.description.chars().map(plain).filter(allowed).collect()
    }
}

impl From<Malformed> for OAuthError {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_request(malformed.to_string())
    }
}

impl From<Unavailable> for OAuthError {
    fn from(unavailable: Unavailable) -> Self {
        Self::new("server_error", unavailable.to_string()).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.plain_description() });
        let mut response = private(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"berth\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A JSON answer that nobody may keep (RFC 6749, 5.1).
pub(super) fn private(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_the_characters_that_the_protocol_allows() {
        let refusal = OAuthError::invalid_request("a \"b\" \\ c\n\u{202e}ü");
        assert_eq!(refusal.plain_description(), "a 'b'  c");
    }

    #[test]
    fn a_refusal_is_kept_by_nobody() {
        let response = OAuthError::invalid_client("who are you").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[header::PRAGMA], "no-cache");
    }
}
