//! The form of a refusal: a status and one sentence that says what is wrong and what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Json, Response};
use serde_json::json;

use crate::admission::TooOften;

/// An answer with `status` and the body `{"error": message}`.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

/// The answer to a caller that asks too often: when to ask again.
pub(super) fn too_often(refusal: TooOften) -> Response {
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, &refusal.to_string());
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(refusal.seconds));
    response
}
