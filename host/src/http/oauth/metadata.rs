//! What a client reads about us before it asks for anything: RFC 8414 of the authorization server, RFC 9728 of the
//! resource. Both name exactly the origin by which they were asked for.

use axum::extract::Extension;
use axum::response::Json;
use serde_json::{Value, json};

use crate::http::host_origin::Base;
use crate::http::resource::canonical;
use crate::principal::Scope;

/// The protected resource that was asked for with its path (RFC 9728, 3).
pub(super) async fn protected_mcp(Extension(base): Extension<Base>) -> Json<Value> {
    Json(protected(&base, &canonical(&base)))
}

/// The protected resource that was asked for by the origin alone.
pub(super) async fn protected_origin(Extension(base): Extension<Base>) -> Json<Value> {
    Json(protected(&base, &base.0))
}

/// No `offline_access` among the scopes: an app cannot decide whether it gets a refresh token.
fn protected(base: &Base, resource: &str) -> Value {
    json!({
        "resource": resource,
        "resource_name": "berth",
        "authorization_servers": [&*base.0],
        "scopes_supported": Scope::ALL.map(Scope::name),
        "bearer_methods_supported": ["header"],
    })
}

/// The authorization server (RFC 8414, 2).
pub(super) async fn server(Extension(base): Extension<Base>) -> Json<Value> {
    let at = |path: &str| format!("{}/oauth/{path}", base.0);
    let methods = ["none", "client_secret_post", "client_secret_basic"];
    Json(json!({
        "issuer": &*base.0,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "registration_endpoint": at("register"),
        "revocation_endpoint": at("revoke"),
        "scopes_supported": Scope::ALL.map(Scope::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
    }))
}
