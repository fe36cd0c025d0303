//! A form of ours as a browser sends it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::http::parameters::Parameters;
use crate::http::refusal::refuse;

/// The longest form, in bytes: a whole request for authorization and a choice of backends.
pub(in crate::http) const FORM_LIMIT: usize = 32 << 10;

/// A form as it was sent.
pub(in crate::http) struct Posted(Parameters);

impl Posted {
    /// The field with this name; what was not sent is empty.
    pub(in crate::http) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let fields = Parameters::of_form(&headers, &body);
        fields
            .map(Self)
            .map_err(|malformed| refuse(StatusCode::BAD_REQUEST, &malformed.to_string()))
    }
}
