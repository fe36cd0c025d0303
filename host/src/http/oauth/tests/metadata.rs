//! What clients read before they ask.

use super::*;

#[tokio::test]
async fn the_server_describes_itself_at_every_place_that_clients_try() {
    let server = Server::start();
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
    ] {
        let document = server.get(path).await.json();
        assert_eq!(document["issuer"], BASE, "{path}");
        assert_eq!(
            document["code_challenge_methods_supported"],
            serde_json::json!(["S256"])
        );
        assert_eq!(document["response_types_supported"], serde_json::json!(["code"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert_eq!(document["client_id_metadata_document_supported"], true);
        let methods = document["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(methods.contains(&"none".into()), "{path}");
        for endpoint in ["authorization", "token", "registration", "revocation"] {
            let address = document[format!("{endpoint}_endpoint")].as_str().unwrap();
            assert!(address.starts_with("https://berth.example/oauth/"), "{address}");
        }
    }
}

#[tokio::test]
async fn each_resource_document_names_the_address_that_it_belongs_to() {
    let server = Server::start();
    let issuer = server
        .get("/.well-known/oauth-authorization-server")
        .await
        .field("issuer");
    for (path, resource) in [
        ("/.well-known/oauth-protected-resource", BASE),
        ("/.well-known/oauth-protected-resource/mcp", RESOURCE),
    ] {
        let document = server.get(path).await.json();
        assert_eq!(document["resource"], resource);
        assert_eq!(document["authorization_servers"], serde_json::json!([issuer]));
        assert_eq!(document["bearer_methods_supported"], serde_json::json!(["header"]));
        let scopes = serde_json::json!(["sessions:read", "sessions:control"]);
        assert_eq!(
            document["scopes_supported"], scopes,
            "offline_access is not for resources to name"
        );
    }
}

#[tokio::test]
async fn no_page_of_another_site_may_read_an_answer() {
    let server = Server::start();
    for path in ["/.well-known/oauth-authorization-server", "/oauth/token"] {
        let request = Request::builder()
            .uri(path)
            .header(header::ORIGIN, "https://evil.example");
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert!(
            !answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN),
            "{path}"
        );
    }
}
