//! Registration: an id for whoever asks, and nothing else.

use serde_json::json;

use super::*;

const PATH: &str = "/oauth/register";

#[tokio::test]
async fn an_app_gets_an_id_and_no_secret() {
    let server = Server::start();
    let asked = json!({
        "client_name": "Claude",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "sessions:read offline_access",
        "software_id": "x",
        "jwks": { "keys": [] },
    });
    let answer = server.post_json(PATH, asked.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let document = answer.json();
    assert!(document["client_id"].as_str().unwrap().starts_with("berth-"));
    assert!(document["client_id_issued_at"].is_u64());
    assert_eq!(document["token_endpoint_auth_method"], "none");
    assert_eq!(document["redirect_uris"], asked["redirect_uris"]);
    for secret in ["client_secret", "registration_access_token", "access_token", "code"] {
        assert!(document.get(secret).is_none(), "{secret}");
    }
    assert!(!answer.text.contains("berth_"));
}

#[tokio::test]
async fn what_is_registered_is_found_again() {
    let server = Server::start();
    let asked = json!({ "client_name": "app", "redirect_uris": ["http://127.0.0.1:8000/callback"] });
    let id = server.post_json(PATH, asked.to_string()).await.field("client_id");
    let found = server.access.app(&id).unwrap().unwrap();
    assert_eq!(found.redirects, ["http://127.0.0.1:8000/callback"]);
}

#[tokio::test]
async fn redirects_lead_to_known_apps_this_machine_or_where_the_operator_says() {
    let server = Server::start();
    let refused = |redirects: Value| {
        let server = &server;
        async move {
            let asked = json!({ "redirect_uris": redirects });
            server.post_json(PATH, asked.to_string()).await.refusal()
        }
    };
    let fault = (400, "invalid_redirect_uri".to_owned());
    for redirects in [
        json!([]),
        json!(["https://evil.example/callback"]),
        json!(["https://claude.ai/api/mcp/auth_callback", "https://evil.example/"]),
        json!(["https://claude.ai.evil.example/api/mcp/auth_callback"]),
        json!(["http://localhost:1/#fragment"]),
        json!(["javascript:alert(1)"]),
        json!(vec!["http://localhost/"; 11]),
        json!([format!("http://localhost/{}", "a".repeat(3000))]),
    ] {
        assert_eq!(refused(redirects.clone()).await, fault, "{redirects}");
    }
    let asked = json!({ "redirect_uris": [REDIRECT] });
    assert_eq!(
        server.post_json(PATH, asked.to_string()).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_name_is_one_short_line_with_nothing_hidden() {
    let server = Server::start();
    let name_of = |name: Value| {
        let server = &server;
        async move {
            let asked = json!({ "client_name": name, "redirect_uris": [REDIRECT] });
            server.post_json(PATH, asked.to_string()).await.field("client_name")
        }
    };
    assert_eq!(name_of(json!("a\u{1b}[31m\n\tb\u{202e} c")).await, "a b c");
    assert_eq!(name_of(json!("ü".repeat(500))).await, "ü".repeat(80));
    for none in [json!(null), json!(""), json!(" \u{200b} ")] {
        assert_eq!(name_of(none).await, "an app without a name");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_refused() {
    let server = Server::start();
    let long = json!({ "redirect_uris": [REDIRECT], "x": "x".repeat(16 << 10) }).to_string();
    assert_eq!(
        server.post_json(PATH, long).await.refusal(),
        (413, "invalid_client_metadata".to_owned())
    );
    let fault = (400, "invalid_client_metadata".to_owned());
    for body in [
        String::new(),
        "[]".to_owned(),
        "{".to_owned(),
        json!({ "redirect_uris": REDIRECT }).to_string(),
        json!({ "redirect_uris": [1] }).to_string(),
        json!({ "redirect_uris": [REDIRECT], "client_name": 5 }).to_string(),
        json!({ "redirect_uris": [REDIRECT], "grant_types": ["client_credentials"] }).to_string(),
        json!({ "redirect_uris": [REDIRECT], "response_types": ["token"] }).to_string(),
        format!(r#"{{"redirect_uris": ["{REDIRECT}"], "redirect_uris": ["https://evil.example/"]}}"#),
    ] {
        assert_eq!(server.post_json(PATH, body.clone()).await.refusal(), fault, "{body}");
    }
    let as_form = server.post_form(PATH, &[("redirect_uris", REDIRECT)]).await;
    assert_eq!(as_form.refusal(), fault);
    assert_eq!(server.get(PATH).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn registrations_make_room_for_further_ones_and_approved_apps_stay() {
    let server = Server::start();
    let approved = server.registered();
    server.code(&approved);
    let asked = json!({ "redirect_uris": [REDIRECT] }).to_string();
    for _ in 0..UNAPPROVED.each + 10 {
        let answer = server.post_json(PATH, asked.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    assert_eq!(server.access.apps().unwrap().len(), 1 + UNAPPROVED.each);
    assert!(server.access.app(&approved).unwrap().is_some());
}
