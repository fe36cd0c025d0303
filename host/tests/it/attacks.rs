//! What was tried on other front doors, tried on this one: each must find it closed.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::berth::{Berth, Place};
use crate::connector::{Connector, PASSPHRASE, Page, parameter};
use crate::oauth::{BACKENDS, PUBLIC, error, serve};

const REDIRECT: &str = "https://claude.ai/api/mcp/auth_callback";
/// A client that berth knows by its document, without asking for it.
const CLIENT: &str = "https://claude.ai/oauth/mcp-oauth-client-metadata";

/// A code for [`CLIENT`], as its owner's approval gives it.
async fn code(connector: &mut Connector<'_>) -> String {
    let back = connector.approve(&connector.authorize(CLIENT, REDIRECT, &[])).await;
    parameter(&back, "code").unwrap()
}

/// The tokens for such a code.
async fn tokens(connector: &mut Connector<'_>) -> Value {
    let code = code(connector).await;
    let issued = connector.redeem(CLIENT, REDIRECT, &code, &[]).await;
    assert_eq!(issued.status, 200, "{}", issued.text);
    issued.json()
}

fn text<'a>(issued: &'a Value, name: &str) -> &'a str {
    issued[name].as_str().unwrap()
}

#[track_caller]
fn assert_refused(page: &Page, code: &str) {
    assert_eq!((page.status, error(page).as_str()), (StatusCode::BAD_REQUEST, code));
    assert!(!page.text.contains("access_token"), "{}", page.text);
}

#[tokio::test]
async fn a_replayed_code_ends_what_it_gave() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let code = code(&mut connector).await;
    let issued = connector.redeem(CLIENT, REDIRECT, &code, &[]).await.json();
    assert_refused(&connector.redeem(CLIENT, REDIRECT, &code, &[]).await, "invalid_grant");
    let access = text(&issued, "access_token");
    assert_eq!(connector.mcp("tools/list", json!({}), Some(access)).await.status, 401);
    let refreshed = connector.refresh(CLIENT, text(&issued, "refresh_token"), None).await;
    assert_refused(&refreshed, "invalid_grant");
}

#[tokio::test]
async fn a_code_is_good_only_for_the_request_that_it_was_given_to() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let server = connector.discover().await;
    let other = connector.register(&server, REDIRECT).await.json();
    let other = text(&other, "client_id");
    for (client, changed) in [
        (other, ("state", "")),
        (CLIENT, ("redirect_uri", "https://claude.com/api/mcp/auth_callback")),
        (CLIENT, ("redirect_uri", "")),
        (CLIENT, ("code_verifier", "")),
        (
            CLIENT,
            ("code_verifier", "another-verifier-of-more-than-forty-three-characters"),
        ),
        (CLIENT, ("resource", "https://elsewhere.example/mcp")),
    ] {
        let code = code(&mut connector).await;
        let refused = connector.redeem(client, REDIRECT, &code, &[changed]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{changed:?}: {}", refused.text);
        assert!(!refused.text.contains("access_token"), "{changed:?}");
        // Whoever tried has spent it, unless the request itself made no sense.
        if error(&refused) == "invalid_grant" {
            assert_refused(&connector.redeem(CLIENT, REDIRECT, &code, &[]).await, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_only_looks_right() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    for redirect in [
        "https://claude.ai/api/mcp/auth_callback/../../evil",
        "https://claude.ai/api/mcp/auth_callback.evil.example",
        "https://claude.ai/api/mcp/auth_callback?x=1",
        "https://claude.ai/api/mcp/auth_callback#x",
        "https://claude.ai@evil.example/api/mcp/auth_callback",
        "https://evil.example\\@claude.ai/api/mcp/auth_callback",
        "https://claude.ai:444/api/mcp/auth_callback",
        "https://claude.ai.evil.example/api/mcp/auth_callback",
        "https://claude.ai/api/mcp/auth%5Fcallback",
        "https://CLAUDE.AI/api/mcp/auth_callback",
        "http://claude.ai/api/mcp/auth_callback",
        "//claude.ai/api/mcp/auth_callback",
        "javascript:alert(1)",
        "",
    ] {
        let page = connector.open(&connector.authorize(CLIENT, redirect, &[])).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{redirect}");
        assert_eq!(page.header("location"), "", "{redirect}");
    }
    let unknown = connector
        .open(&connector.authorize("berth-nobody", REDIRECT, &[]))
        .await;
    assert!(unknown.status.is_client_error() && unknown.header("location").is_empty());
}

#[tokio::test]
async fn what_a_known_app_asks_wrongly_goes_back_to_it_as_an_error() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    for (changed, expected) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("resource", "https://elsewhere.example/mcp"), "invalid_target"),
        (("resource", "https://berth.example.evil.example/mcp"), "invalid_target"),
        (("scope", "everything"), "invalid_scope"),
    ] {
        let page = connector.open(&connector.authorize(CLIENT, REDIRECT, &[changed])).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{changed:?}: {}", page.text);
        let back: Url = page.header("location").parse().unwrap();
        assert!(back.as_str().starts_with(REDIRECT), "{back}");
        assert_eq!(parameter(&back, "error").as_deref(), Some(expected), "{changed:?}");
        assert_eq!(parameter(&back, "iss").as_deref(), Some(PUBLIC));
        assert_eq!(parameter(&back, "code"), None);
    }
}

#[tokio::test]
async fn a_token_of_one_address_is_none_at_another() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let issued = tokens(&mut connector).await;
    let here = berth.base.clone();
    let mut elsewhere = Connector::new(&berth, &here);
    elsewhere.directly();
    let refused = elsewhere
        .mcp("tools/list", json!({}), Some(text(&issued, "access_token")))
        .await;
    assert_eq!(refused.status, 401, "{}", refused.text);
}

#[tokio::test]
async fn the_local_token_is_for_this_machine_alone() {
    let (_place, berth) = serve("").await;
    let connector = Connector::new(&berth, PUBLIC);
    let through = connector.mcp("tools/list", json!({}), Some(&berth.token)).await;
    assert_eq!(through.status, 401, "{}", through.text);
    let here = berth.base.clone();
    let mut direct = Connector::new(&berth, &here);
    let forwarded = direct.mcp("tools/list", json!({}), Some(&berth.token)).await;
    assert!(forwarded.status.is_client_error(), "{}", forwarded.text);
    direct.directly();
    assert_eq!(
        direct.mcp("tools/list", json!({}), Some(&berth.token)).await.status,
        200
    );
}

#[tokio::test]
async fn a_public_url_and_an_open_door_exclude_each_other() {
    let place = Place::with_server(BACKENDS, &format!("public_url = \"{PUBLIC}\"\nopen_on_loopback = true"));
    let complaint = place.complaint(&["check"]).await;
    assert!(complaint.contains("open_on_loopback"), "{complaint}");
}

#[tokio::test]
async fn two_at_once_with_one_refresh_token_get_one_successor() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let issued = tokens(&mut connector).await;
    let old = text(&issued, "refresh_token");
    let (one, other) = tokio::join!(
        connector.refresh(CLIENT, old, None),
        connector.refresh(CLIENT, old, None)
    );
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    let (one, other) = (one.json(), other.json());
    assert_eq!(one["refresh_token"], other["refresh_token"]);
    assert_ne!(one["refresh_token"], issued["refresh_token"]);
    // The successor is used, so the old one is a thief's.
    let next = connector
        .refresh(CLIENT, text(&one, "refresh_token"), None)
        .await
        .json();
    assert_refused(&connector.refresh(CLIENT, old, None).await, "invalid_grant");
    let access = text(&next, "access_token");
    assert_eq!(connector.mcp("tools/list", json!({}), Some(access)).await.status, 401);
}

#[tokio::test]
async fn consent_cannot_be_given_by_another_page() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let page = connector.log_in(&connector.authorize(CLIENT, REDIRECT, &[])).await;
    let form = page.form().with("answer", "allow");
    let hidden: Vec<String> = form
        .fields
        .iter()
        .filter(|(_, value)| value.len() >= 32)
        .map(|(name, _)| name.clone())
        .collect();
    assert!(!hidden.is_empty(), "the form carries no token of its own: {form:?}");

    // Another site's page sends the very form, with the owner's cookie.
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = connector
            .request(Method::POST, &form.action)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(body);
        let refused = connector.browse(request).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    // Without the form's own token, or with that of another request.
    let other = connector
        .open(&connector.authorize(
            "https://chatgpt.com/oauth/client.json",
            "https://chatgpt.com/connector_platform_oauth_redirect",
            &[],
        ))
        .await
        .form();
    for name in hidden {
        let refused = connector.submit(&form.clone().without(&name)).await;
        assert!(refused.status.is_client_error(), "without {name}: {}", refused.status);
        let Some((_, foreign)) = other.fields.iter().find(|(field, _)| *field == name) else {
            continue;
        };
        let refused = connector.submit(&form.clone().with(&name, foreign)).await;
        assert!(
            refused.status.is_client_error(),
            "{name} of another request: {}",
            refused.status
        );
    }
    // Without the login, however the form was come by.
    let mut stranger = Connector::new(&berth, PUBLIC);
    let refused = stranger.submit(&form).await;
    assert!(
        parameter_of(&refused, "code").is_none(),
        "{}",
        refused.header("location")
    );
}

fn parameter_of(page: &Page, name: &str) -> Option<String> {
    let address = Url::parse(page.header("location")).ok()?;
    parameter(&address, name)
}

#[tokio::test]
async fn no_page_of_ours_can_stand_in_a_frame() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let place = connector.authorize(CLIENT, REDIRECT, &[]);
    let login = connector.open(&place).await;
    let consent = connector.log_in(&place).await;
    let fault = connector.open("/oauth/authorize").await;
    for page in [login, consent, fault] {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(!page.text.contains("<script"), "{}", page.text);
    }
}

#[tokio::test]
async fn the_cookie_is_for_https_and_for_this_server_alone() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let page = connector.open(&connector.authorize(CLIENT, REDIRECT, &[])).await;
    let answer = connector.submit(&page.form().with("passphrase", PASSPHRASE)).await;
    let cookies: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        let flags = cookie.to_ascii_lowercase();
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for flag in ["secure", "httponly", "samesite=lax", "path=/"] {
            assert!(flags.contains(flag), "{cookie} lacks {flag}");
        }
        assert!(!flags.contains("domain="), "{cookie}");
    }
}

#[tokio::test]
async fn a_foreign_name_reaches_nothing() {
    let (_place, berth) = serve("").await;
    let paths = [
        "/",
        "/mcp",
        "/health",
        "/oauth/authorize",
        "/oauth/token",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
    ];
    for path in paths {
        // A forged name, and one that a page of the internet has bound to this machine.
        for host in ["evil.example", "berth.example.evil.example", "127.0.0.1.nip.io"] {
            let request = berth.client.get(format!("{}{path}", berth.base)).header("host", host);
            let page = Page::of(request.send().await.unwrap()).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{host}{path}");
        }
        let request = berth
            .client
            .get(format!("{}{path}", berth.base))
            .header("host", "berth.example")
            .header("origin", "https://evil.example");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{path}");
    }
    // A name that a proxy passes on beside the real one does not count either.
    let request = berth
        .client
        .get(format!("{}/.well-known/oauth-authorization-server", berth.base))
        .header("host", "berth.example")
        .header("x-forwarded-host", "evil.example");
    let page = Page::of(request.send().await.unwrap()).await;
    assert_eq!(page.json()["issuer"], PUBLIC);
}

#[tokio::test]
async fn berth_fetches_nothing_from_inside_for_a_stranger() {
    let (_place, berth) = serve("").await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = trap.local_addr().unwrap().port();
    let mut connector = Connector::new(&berth, PUBLIC);
    for host in [
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "localhost".to_owned(),
        "169.254.169.254".to_owned(),
        "[::ffff:10.0.0.1]".to_owned(),
        "[::1]".to_owned(),
        "10.0.0.1".to_owned(),
        "2130706433".to_owned(),
        "0x7f.1".to_owned(),
        "user@app.example".to_owned(),
    ] {
        let client = format!("https://{host}/client.json");
        let page = connector.open(&connector.authorize(&client, REDIRECT, &[])).await;
        assert!(page.status.is_client_error(), "{client}: {}", page.status);
        assert_eq!(page.header("location"), "", "{client}");
    }
    let come = tokio::time::timeout(Duration::from_millis(50), trap.accept()).await;
    assert!(come.is_err(), "somebody connected");
}

#[tokio::test]
async fn a_thousand_registrations_are_slowed_down() {
    let place = Place::with_server(BACKENDS, &format!("public_url = \"{PUBLIC}\""));
    place.set_passphrase(PASSPHRASE).await;
    let berth = Berth::serve(&place).await;
    let connector = Connector::new(&berth, PUBLIC);
    let server = json!({"registration_endpoint": format!("{PUBLIC}/oauth/register")});
    let mut registered = 0;
    for _ in 0..1000 {
        let page = connector.register(&server, REDIRECT).await;
        match page.status {
            StatusCode::CREATED => registered += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                assert!(
                    page.header("retry-after")
                        .parse::<u64>()
                        .is_ok_and(|seconds| seconds > 0)
                );
            }
            other => panic!("{other}: {}", page.text),
        }
    }
    assert!((1..100).contains(&registered), "{registered}");
}

#[tokio::test]
async fn guessing_the_passphrase_is_locked_out() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let place = connector.authorize(CLIENT, REDIRECT, &[]);
    let mut seen = Vec::new();
    for guess in 0..20 {
        let page = connector.open(&place).await;
        let answer = connector
            .submit(&page.form().with("passphrase", &format!("guess number {guess}")))
            .await;
        assert!(answer.header("location").is_empty(), "{}", answer.header("location"));
        seen.push(answer.status);
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(
                answer
                    .header("retry-after")
                    .parse::<u64>()
                    .is_ok_and(|seconds| seconds > 0)
            );
            // The right one does not help while the door is locked.
            let right = connector.submit(&page.form().with("passphrase", PASSPHRASE)).await;
            assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "{}", right.text);
            return;
        }
    }
    panic!("never locked out: {seen:?}");
}

#[tokio::test]
async fn without_the_passphrase_no_endpoint_gives_a_token_or_a_secret() {
    let (_place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let authorize = connector.authorize(CLIENT, REDIRECT, &[("prompt", "none")]);
    let redirect = [("redirect_uri", REDIRECT), ("client_id", CLIENT)];
    let mut pages = Vec::new();
    for path in [
        "/",
        "/mcp",
        "/health",
        "/register",
        "/authorize",
        "/token",
        "/oauth/register",
        "/oauth/token",
        "/oauth/login",
        "/oauth/consent",
        "/oauth/revoke",
        "/oauth/logout",
        "/admin",
        "/clients",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
    ] {
        pages.push(connector.get(path).await);
        pages.push(connector.post(path, &redirect).await);
        pages.push(connector.post(path, &[("grant_type", "client_credentials")]).await);
        pages.push(
            connector
                .post(
                    path,
                    &[("grant_type", "password"), ("username", "owner"), ("password", "x")],
                )
                .await,
        );
        let json = connector
            .request(Method::POST, path)
            .json(&json!({"redirect_uris": [REDIRECT]}));
        pages.push(Page::of(json.send().await.unwrap()).await);
    }
    pages.push(connector.open(&authorize).await);
    let login = connector.open(&connector.authorize(CLIENT, REDIRECT, &[])).await;
    pages.push(connector.submit(&login.form().with("answer", "allow")).await);
    pages.push(connector.submit(&login.form().with("passphrase", "")).await);
    pages.push(login);
    for page in pages {
        for word in ["access_token\":", "client_secret\":", &berth.token, "berth_"] {
            assert!(!page.text.contains(word), "{word} in {}", page.text);
        }
        assert_eq!(parameter_of(&page, "code"), None, "{}", page.header("location"));
    }
}

#[tokio::test]
async fn no_secret_stands_in_the_log_or_counts_in_an_address() {
    let (place, mut berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let code = code(&mut connector).await;
    let issued = connector.redeem(CLIENT, REDIRECT, &code, &[]).await.json();
    let (access, refresh) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let in_address = connector.get(&format!("/mcp?access_token={access}")).await;
    assert_eq!(in_address.status, 401);
    connector.call("list_sessions", json!({}), access).await;
    berth.terminate().await;
    let log = place.read("log");
    for secret in [PASSPHRASE, &code, access, refresh, &berth.token] {
        assert!(!log.contains(secret), "{log}");
    }
    let files = ["berth.db", "berth.db-wal", "audit.db", "audit.db-wal"]
        .map(|name| std::fs::read(place.path("data").join(name)).unwrap_or_default());
    assert!(!files[0].is_empty() && !files[2].is_empty());
    for secret in [PASSPHRASE, &code, access, refresh, &berth.token] {
        for file in &files {
            assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

#[tokio::test]
async fn requests_that_come_too_often_are_told_when_to_come_again() {
    let place = Place::with_server(BACKENDS, "rates = { tools = 3 }");
    let berth = Berth::serve(&place).await;
    let here = berth.base.clone();
    let mut connector = Connector::new(&berth, &here);
    connector.directly();
    let token = berth.token.clone();
    for _ in 0..3 {
        assert_eq!(connector.mcp("tools/list", json!({}), Some(&token)).await.status, 200);
    }
    let refused = connector.mcp("tools/list", json!({}), Some(&token)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        refused
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 0)
    );
    assert!(refused.text.contains("[server.rates] tools"), "{}", refused.text);
}
