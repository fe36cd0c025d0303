//! The form of a refusal: a status and one sentence that says what is wrong and what to do.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use serde_json::json;

/// An answer with `status` and the body `{"error": message}`.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
