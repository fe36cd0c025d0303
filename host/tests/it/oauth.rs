//! The whole way in for each kind of app: refused, told where to ask, approved by the owner, at work, renewed, revoked.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::berth::{Berth, Place};
use crate::connector::{Connector, PASSPHRASE, Page, parameter};

/// Two backends that need nothing but the test plugin.
pub(crate) const BACKENDS: &str = r#"
default_backend = "one"
[backends.one]
plugin = "misbehaving.wasm"
[backends.two]
plugin = "misbehaving.wasm"
"#;

/// How the world reaches the berth of these tests.
pub(crate) const PUBLIC: &str = "https://berth.example";

/// The secret that a person types into an app.
const SECRET: &str = "a secret that a person typed";

/// A berth with a public URL, a trusted proxy on this machine, an owner, and further lines of configuration.
pub(crate) async fn serve(more: &str) -> (Place, Berth) {
    let place = Place::with_server(
        &format!("{BACKENDS}{more}"),
        &format!(
            "public_url = \"{PUBLIC}\"\ntrusted_proxies = [\"127.0.0.1\"]\nrates = {{ login = 1000, register = 1000, token = 10000 }}"
        ),
    );
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    (place, berth)
}

/// What every flow shows from the redirect on: the code is exchanged, the tools are there, the token is renewed, and
/// revoking it ends everything.
async fn work(connector: &Connector<'_>, client: &str, redirect: &str, back: &Url, secret: Option<&str>) {
    let expected: Url = redirect.parse().unwrap();
    assert_eq!((back.host(), back.path()), (expected.host(), expected.path()), "{back}");
    assert_eq!(parameter(back, "state").as_deref(), Some("the app's own state &=?"));
    assert_eq!(parameter(back, "iss"), Some(connector.base().to_owned()));
    let code = parameter(back, "code").unwrap_or_else(|| panic!("no code: {back}"));
    let with_secret: Vec<(&str, &str)> = secret.map(|secret| ("client_secret", secret)).into_iter().collect();
    let issued = connector.redeem(client, redirect, &code, &with_secret).await;
    assert_eq!(issued.status, 200, "{}", issued.text);
    assert_eq!(issued.header("cache-control"), "no-store");
    let issued = issued.json();
    assert_eq!(issued["token_type"], "Bearer");
    assert_eq!(issued["scope"], "sessions:read sessions:control");
    let access = issued["access_token"].as_str().unwrap();

    let listed = connector.mcp("tools/list", json!({}), Some(access)).await.json();
    let tools: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(
        tools.contains(&"list_sessions") && tools.contains(&"send_message"),
        "{tools:?}"
    );
    let called = connector.call("list_sessions", json!({}), access).await;
    assert!(called["result"]["structuredContent"]["sessions"].is_array(), "{called}");

    let renewed = connector
        .refresh(client, issued["refresh_token"].as_str().unwrap(), secret)
        .await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let renewed = renewed.json();
    let fresh = renewed["access_token"].as_str().unwrap();
    assert_ne!(fresh, access);
    connector.call("list_sessions", json!({}), fresh).await;

    let mut fields = vec![
        ("token", renewed["refresh_token"].as_str().unwrap()),
        ("client_id", client),
    ];
    fields.extend(secret.map(|secret| ("client_secret", secret)));
    assert_eq!(connector.post("/oauth/revoke", &fields).await.status, 200);
    for token in [access, fresh] {
        let refused = connector.mcp("tools/list", json!({}), Some(token)).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
        assert!(refused.header("www-authenticate").contains("invalid_token"));
    }
    let refused = connector
        .refresh(client, renewed["refresh_token"].as_str().unwrap(), secret)
        .await;
    assert_eq!(
        (refused.status.as_u16(), error(&refused)),
        (400, "invalid_grant".into())
    );
}

/// The error code of a refusal.
pub(crate) fn error(page: &Page) -> String {
    page.json()["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn claude_ai_registers_itself_and_connects() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let server = connector.discover().await;
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let registered = connector.register(&server, redirect).await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    let registered = registered.json();
    assert_eq!(registered.get("client_secret"), None);
    let client = registered["client_id"].as_str().unwrap();
    let back = connector.approve(&connector.authorize(client, redirect, &[])).await;
    work(&connector, client, redirect, &back, None).await;
}

#[tokio::test]
async fn chatgpt_is_known_by_its_document_and_connects() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let server = connector.discover().await;
    assert_eq!(server["client_id_metadata_document_supported"], true);
    assert!(listed(&server, "token_endpoint_auth_methods_supported", "none"));
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    let client = "https://chatgpt.com/oauth/client.json";
    let redirect = "https://chatgpt.com/connector_platform_oauth_redirect";
    // On a later connection it names no scope.
    let place = connector.authorize(client, redirect, &[("scope", "")]);
    let back = connector.approve(&place).await;
    work(&connector, client, redirect, &back, None).await;
}

#[tokio::test]
async fn an_app_with_a_secret_connects() {
    let digest: String = Sha256::digest(SECRET)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let redirect = "https://app.example/callback?from=berth";
    let table = format!("[oauth.clients.typed]\nsecret_sha256 = \"{digest}\"\nredirects = [\"{redirect}\"]\n");
    let (_place, berth) = serve(&table).await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let server = connector.discover().await;
    assert!(listed(
        &server,
        "token_endpoint_auth_methods_supported",
        "client_secret_post"
    ));
    let back = connector.approve(&connector.authorize("typed", redirect, &[])).await;
    assert_eq!(parameter(&back, "from").as_deref(), Some("berth"));
    let without = connector
        .redeem("typed", redirect, &parameter(&back, "code").unwrap(), &[])
        .await;
    assert_eq!(
        (without.status.as_u16(), error(&without)),
        (401, "invalid_client".into())
    );
    work(&connector, "typed", redirect, &back, Some(SECRET)).await;
}

#[tokio::test]
async fn claude_code_connects_on_this_machine() {
    let place = Place::new(BACKENDS);
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    let base = berth.base.clone();
    let mut connector = Connector::new(&berth, &base);
    connector.directly();
    let server = connector.discover().await;
    let registered = connector
        .register(&server, "http://localhost:3118/callback")
        .await
        .json();
    let client = registered["client_id"].as_str().unwrap();
    // It listens on another port each time.
    let redirect = "http://localhost:49152/callback";
    let back = connector.approve(&connector.authorize(client, redirect, &[])).await;
    work(&connector, client, redirect, &back, None).await;
}

#[tokio::test]
async fn what_was_approved_survives_a_restart() {
    let (place, mut berth) = serve("").await;
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let (client, issued) = {
        let mut connector = Connector::new(&berth, PUBLIC);
        let server = connector.discover().await;
        let client = connector.register(&server, redirect).await.json()["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let back = connector.approve(&connector.authorize(&client, redirect, &[])).await;
        let code = parameter(&back, "code").unwrap();
        let issued = connector.redeem(&client, redirect, &code, &[]).await.json();
        (client, issued)
    };
    assert!(berth.terminate().await.1);
    let berth = Berth::serve(&place).await;
    let connector = Connector::new(&berth, PUBLIC);
    connector
        .call("list_sessions", json!({}), issued["access_token"].as_str().unwrap())
        .await;
    let renewed = connector
        .refresh(&client, issued["refresh_token"].as_str().unwrap(), None)
        .await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
}

#[tokio::test]
async fn a_personal_token_is_for_what_it_was_made() {
    let (place, berth) = serve("").await;
    let token = place
        .run(&[
            "tokens",
            "create",
            "script",
            "--scope",
            "sessions:read",
            "--backend",
            "two",
            "--expires",
            "1d",
        ])
        .await;
    assert!(token.success, "{}", token.stderr);
    let token = token.stdout.trim().to_owned();
    let connector = Connector::new(&berth, PUBLIC);
    let listed = connector.mcp("tools/list", json!({}), Some(&token)).await.json();
    let text = listed.to_string();
    assert!(
        text.contains("list_sessions") && !text.contains("send_message"),
        "{text}"
    );
    let projects = connector.call("list_projects", json!({}), &token).await.to_string();
    assert!(projects.contains("two") && !projects.contains("\"one\""), "{projects}");
    let beyond = connector
        .mcp(
            "tools/call",
            json!({"name": "send_message", "arguments": {"session_id": "two/x", "message": "y"}}),
            Some(&token),
        )
        .await;
    assert_eq!(beyond.status, 403, "{}", beyond.text);
    let challenge = beyond.header("www-authenticate");
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("sessions:read sessions:control"),
        "{challenge}"
    );
    let revoked = place.run(&["tokens", "revoke", "--all"]).await;
    assert!(revoked.success, "{}", revoked.stderr);
    assert_eq!(connector.mcp("tools/list", json!({}), Some(&token)).await.status, 401);
}

#[tokio::test]
async fn consent_gives_no_more_than_was_ticked() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let server = connector.discover().await;
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let registered = connector.register(&server, redirect).await.json();
    let client = registered["client_id"].as_str().unwrap();
    let page = connector.log_in(&connector.authorize(client, redirect, &[])).await;
    assert!(page.text.contains("claude.ai") && page.text.contains("one") && page.text.contains("two"));
    let form = page
        .form()
        .with("access", "read")
        .with("backends", "some")
        .without("backend.two");
    let answer = connector.submit(&form.with("answer", "allow")).await;
    let back: Url = answer.header("location").parse().unwrap();
    let code = parameter(&back, "code").unwrap();
    let issued = connector.redeem(client, redirect, &code, &[]).await.json();
    assert_eq!(issued["scope"], "sessions:read");
    let access = issued["access_token"].as_str().unwrap();
    let projects = connector.call("list_projects", json!({}), access).await.to_string();
    assert!(
        projects.contains("\"name\":\"one\"") && !projects.contains("two"),
        "{projects}"
    );
}

#[tokio::test]
async fn whoever_is_denied_hears_so() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let client = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let page = connector.log_in(&connector.authorize(client, redirect, &[])).await;
    let answer = connector.submit(&page.form().with("answer", "deny")).await;
    let back: Url = answer.header("location").parse().unwrap();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "iss").as_deref(), Some(PUBLIC));
    assert_eq!(parameter(&back, "code"), None);
}

fn listed(metadata: &Value, key: &str, wanted: &str) -> bool {
    metadata[key]
        .as_array()
        .is_some_and(|values| values.iter().any(|value| value == wanted))
}
