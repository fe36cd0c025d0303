//! What a client reads about us before it asks for anything: RFC 8414 of the authorization server, RFC 9728 of the
//! resource. Both name the origin by which they were asked for, to the letter.

use axum::extract::Extension;
use axum::response::Json;
use serde_json::{Value, json};

use super::Base;
use crate::principal::Scope;

/// The path of the resource below a base.
const MCP: &str = "/mcp";

/// Whether `given` names our resource as a client of `base` may call it (RFC 8707): as `BASE/mcp`, or by the origin
/// alone for those that were given no path.
pub(in crate::http) fn is_resource(base: &Base, given: &str) -> bool {
    given
        .strip_prefix(&*base.0)
        .is_some_and(|rest| matches!(rest, "" | "/" | MCP))
}

/// The one spelling in which the resource is kept with an approval, and compared: `BASE/mcp`.
pub(super) fn canonical(base: &Base) -> String {
    format!("{}{MCP}", base.0)
}

/// The protected resource that was asked for with its path (RFC 9728, 3).
pub(super) async fn protected_mcp(Extension(base): Extension<Base>) -> Json<Value> {
    Json(protected(&base, &canonical(&base)))
}

/// The protected resource that was asked for by the origin alone.
pub(super) async fn protected_origin(Extension(base): Extension<Base>) -> Json<Value> {
    Json(protected(&base, &base.0))
}

/// No `offline_access` among the scopes: whether an app gets a refresh token is not the app's to ask.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_named_by_its_path_or_its_origin() {
        let base = Base("https://berth.example".into());
        for ours in ["", "/", "/mcp"] {
            assert!(is_resource(&base, &format!("https://berth.example{ours}")), "{ours:?}");
        }
        for other in [
            "https://berth.example/mcp/",
            "https://berth.example/mcp?x",
            "https://berth.example//",
            "https://berth.example/other",
            "https://berth.example.evil.example",
            "https://berth.example@evil.example/mcp",
            "https://berth.example:443/mcp",
            "https://BERTH.example/mcp",
            "http://berth.example/mcp",
            "https://other.example/mcp",
            "/mcp",
            "",
        ] {
            assert!(!is_resource(&base, other), "{other}");
        }
        assert!(is_resource(&base, &canonical(&base)));
    }
}
