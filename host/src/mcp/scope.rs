//! A call beyond a caller's scope, as HTTP knows it: 403, so that an app can ask its owner for more.
//!
//! The catalog refuses such a call itself, whatever carries it, and it is recorded like any other. Over HTTP a client
//! steps up only if the status says so (RFC 6750, 3.1; the MCP authorization specification of 2025-11-25, "Scope
//! Challenge Handling"), so here the form of the answer changes.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::clean;
use crate::catalog::ToolError;
use crate::principal::{Lacks, Principal, Scope};

/// Goes with the request of a caller that could be given more, and knows in the end whether it lacked that.
#[derive(Clone, Debug, Default)]
pub(super) struct StepUp(Arc<OnceLock<(Scope, String)>>);

impl StepUp {
    /// Notes that the request's call was refused for want of `scope`.
    pub(super) fn note(&self, scope: Scope, error: &ToolError) {
        // A request makes one call.
        let _ = self.0.set((scope, clean(&error.to_string())));
    }
}

/// Answers 403 with [`Lacks`] where a call was refused for want of a scope that an approval could give.
pub(super) async fn step_up(mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Principal>();
    if caller.is_none_or(|caller| caller.may(Scope::Control) || !caller.may_ask_for_more()) {
        return next.run(request).await;
    }
    let step_up = StepUp::default();
    request.extensions_mut().insert(step_up.clone());
    let answer = next.run(request).await;
    match step_up.0.get() {
        None => answer,
        Some((scope, why)) => {
            let body = json!({"error": "insufficient_scope", "error_description": why});
            let mut refusal = (StatusCode::FORBIDDEN, Json(body)).into_response();
            refusal.extensions_mut().insert(Lacks(*scope));
            refusal
        }
    }
}
