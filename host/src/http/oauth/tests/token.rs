//! Tokens for codes and for refresh tokens, and for nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::admission::numbers::ONE_CALLERS_RECORDED;

const PATH: &str = "/oauth/token";

#[tokio::test]
async fn a_code_becomes_tokens_that_nobody_keeps() {
    let server = Server::start();
    let app = server.registered();
    let answer = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers[header::PRAGMA], "no-cache");
    assert_eq!(answer.field("token_type"), "Bearer");
    assert_eq!(answer.field("scope"), "sessions:read sessions:control");
    assert_eq!(answer.json()["expires_in"], 3600);
    assert!(server.admits(&answer.field("access_token")));
    assert!(
        !server.admits(&answer.field("refresh_token")),
        "it renews, and calls nothing"
    );
}

#[tokio::test]
async fn every_kind_of_client_without_a_secret_is_served() {
    let server = Server::start();
    for id in [
        "https://claude.ai/oauth/mcp-oauth-client-metadata",
        "https://claude.com/oauth/mcp-oauth-client-metadata",
        "https://claude.ai/oauth/claude-code-client-metadata",
        "https://chatgpt.com/oauth/client.json",
        "https://app.example/oauth/client.json",
    ] {
        let answer = server.post_form(PATH, &redemption(id, &server.code(id))).await;
        assert_eq!(answer.status, StatusCode::OK, "{id}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_replayed_code_takes_its_tokens_with_it() {
    let server = Server::start();
    let app = server.registered();
    let code = server.code(&app);
    let first = server.post_form(PATH, &redemption(&app, &code)).await;
    let again = server.post_form(PATH, &redemption(&app, &code)).await;
    assert_eq!(again.refusal(), refusal(400, "invalid_grant"));
    assert!(!server.admits(&first.field("access_token")));
    let renewed = server
        .post_form(PATH, &renewal(&app, &first.field("refresh_token")))
        .await;
    assert_eq!(renewed.refusal(), refusal(400, "invalid_grant"));
}

#[tokio::test]
async fn a_code_is_good_for_its_own_request_only_and_spent_by_a_wrong_one() {
    let server = Server::start();
    let (app, other) = (server.registered(), server.registered());
    let wrong_verifier = "a".repeat(43);
    for (name, value, code) in [
        ("client_id", other.as_str(), "invalid_grant"),
        ("redirect_uri", "https://app.example/callback/", "invalid_grant"),
        ("redirect_uri", "https://evil.example/", "invalid_grant"),
        ("code_verifier", &wrong_verifier, "invalid_grant"),
        // The challenge in place of the verifier, as with the method "plain".
        ("code_verifier", CHALLENGE, "invalid_grant"),
    ] {
        let own = server.code(&app);
        let parameters = redemption(&app, &own);
        let answer = server.post_form(PATH, &with(&parameters, name, value)).await;
        assert_eq!(answer.refusal(), refusal(400, code), "{name}={value}");
        let then = server.post_form(PATH, &parameters).await;
        assert_eq!(then.refusal(), refusal(400, "invalid_grant"), "{name}={value}");
    }
}

#[tokio::test]
async fn all_wrong_codes_look_alike() {
    let server = Server::start();
    let app = server.registered();
    let late = server.approved(&app, Scope::Control, SystemTime::now() - Duration::from_secs(61));
    let unknown = format!("berth_{}", "0".repeat(64));
    let of_another = server.code(&server.registered());
    let mut answers = Vec::new();
    for code in [late.as_str(), &unknown, &of_another, "x"] {
        let answer = server.post_form(PATH, &redemption(&app, code)).await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_grant"));
        answers.push(answer.text);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_its_redirect() {
    let server = Server::start();
    let app = server.registered();
    let code = server.code(&app);
    for (name, value) in [
        ("code_verifier", ""),
        ("code_verifier", "short"),
        ("redirect_uri", ""),
        ("code", ""),
        ("grant_type", ""),
        ("client_id", ""),
    ] {
        let answer = server
            .post_form(PATH, &with(&redemption(&app, &code), name, value))
            .await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_request"), "{name}={value}");
    }
}

#[tokio::test]
async fn tokens_are_for_this_server_only() {
    let server = Server::start();
    let app = server.registered();
    for ours in [BASE, "https://berth.example/", RESOURCE] {
        let code = server.code(&app);
        let answer = server
            .post_form(PATH, &with(&redemption(&app, &code), "resource", ours))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{ours}");
        let refresh = answer.field("refresh_token");
        let elsewhere = with(&renewal(&app, &refresh), "resource", "https://other.example/mcp");
        let answer = server.post_form(PATH, &elsewhere).await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_target"));
    }
    for other in [
        "https://other.example/mcp",
        "https://berth.example/other",
        "https://berth.example.evil.example/mcp",
    ] {
        let code = server.code(&app);
        let answer = server
            .post_form(PATH, &with(&redemption(&app, &code), "resource", other))
            .await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_target"), "{other}");
    }
}

#[tokio::test]
async fn a_code_of_one_of_our_names_is_none_by_another() {
    let mut server = Server::start();
    let app = server.registered();
    let code = server.code(&app);
    server.base = "http://localhost:8787";
    let answer = server.post_form(PATH, &redemption(&app, &code)).await;
    assert_eq!(answer.refusal(), refusal(400, "invalid_target"));
}

#[tokio::test]
async fn of_two_that_redeem_one_code_at_once_none_keeps_tokens() {
    let server = Server::start();
    let app = server.registered();
    let code = server.code(&app);
    let parameters = redemption(&app, &code);
    let (one, two) = tokio::join!(server.post_form(PATH, &parameters), server.post_form(PATH, &parameters));
    let won: Vec<_> = [one, two]
        .into_iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect();
    assert_eq!(won.len(), 1);
    assert!(!server.admits(&won[0].field("access_token")));
}

#[tokio::test]
async fn a_client_of_the_configuration_shows_its_secret_and_the_verifier() {
    let server = Server::start();
    let good = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let code = server.code(FIXED);
    let posted = server
        .post_form(PATH, &with(&redemption(FIXED, &code), "client_secret", SECRET))
        .await;
    assert_eq!(posted.status, StatusCode::OK, "{}", posted.text);

    let code = server.code(FIXED);
    let parameters = redemption("", &code);
    let header = good(&format!("{FIXED}:{encoded}"));
    let shown = server.send(form(PATH, &parameters, Some(&header))).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);

    let code = server.code(FIXED);
    let without_verifier = with(&redemption(FIXED, &code), "code_verifier", "");
    let answer = server
        .post_form(PATH, &with(&without_verifier, "client_secret", SECRET))
        .await;
    assert_eq!(answer.refusal(), refusal(400, "invalid_request"));
}

#[tokio::test]
async fn whoever_knows_the_id_of_an_app_uses_up_none_of_its_turns() {
    let server = Server::with(Rates { token: 2, ..RATES });
    let (app, code) = (server.registered(), server.code(FIXED));
    let fixed = with(&redemption(FIXED, &code), "client_secret", SECRET);
    for _ in 0..5 {
        let guess = server.post_form(PATH, &redemption(&app, "berth_guess")).await;
        assert_eq!(guess.refusal(), refusal(400, "invalid_grant"));
        let wrong = with(&fixed, "client_secret", "wrong");
        assert_eq!(
            server.post_form(PATH, &wrong).await.refusal(),
            refusal(401, "invalid_client")
        );
    }
    let own = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text);
    // With its secret, an app has only turns of its own.
    assert_eq!(server.post_form(PATH, &fixed).await.status, StatusCode::OK);
    assert_eq!(
        server.post_form(PATH, &fixed).await.refusal(),
        refusal(400, "invalid_grant")
    );
    let often = server.post_form(PATH, &fixed).await;
    assert_eq!(often.status, StatusCode::TOO_MANY_REQUESTS, "{}", often.text);
}

#[tokio::test]
async fn a_client_of_the_configuration_gets_nothing_without_its_secret() {
    let server = Server::start();
    let code = server.code(FIXED);
    let parameters = redemption(FIXED, &code);
    for secret in ["", "wrong", &SECRET[1..]] {
        let answer = server
            .post_form(PATH, &with(&parameters, "client_secret", secret))
            .await;
        assert_eq!(answer.refusal(), refusal(401, "invalid_client"), "{secret}");
    }
    for header in [
        format!("Basic {}", STANDARD.encode("fixed:wrong")),
        format!("Basic {}", STANDARD.encode("fixed:")),
        format!("Basic {}", STANDARD.encode("fixed")),
        "Basic %%%".to_owned(),
        format!("Bearer {SECRET}"),
    ] {
        let request = Request::post(PATH)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, header.as_bytes())
            .body(Body::from("grant_type=authorization_code"))
            .unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.refusal(), refusal(401, "invalid_client"), "{header}");
        assert!(
            answer.headers[header::WWW_AUTHENTICATE]
                .to_str()
                .unwrap()
                .starts_with("Basic")
        );
    }
    // Nobody without the secret spends the code either.
    let answer = server
        .post_form(PATH, &with(&parameters, "client_secret", SECRET))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn a_client_that_names_itself_in_two_ways_is_refused() {
    let server = Server::start();
    let code = server.code(FIXED);
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let header = format!("Basic {}", STANDARD.encode(format!("{FIXED}:{encoded}")));
    for parameters in [
        redemption("other", &code),
        with(&redemption(FIXED, &code), "client_secret", SECRET),
    ] {
        let answer = server.send(form(PATH, &parameters, Some(&header))).await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_request"));
    }
}

#[tokio::test]
async fn unknown_and_removed_clients_are_told_so() {
    let server = Server::start();
    let app = server.registered();
    let tokens = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    assert!(server.access.remove_app(&app).unwrap());
    assert!(!server.admits(&tokens.field("access_token")));
    let refresh = tokens.field("refresh_token");
    for id in [
        app.as_str(),
        "berth-0",
        "https://app.example",
        "https://127.0.0.1/client",
        "http://app.example/client",
    ] {
        let answer = server.post_form(PATH, &renewal(id, &refresh)).await;
        assert_eq!(answer.refusal(), refusal(401, "invalid_client"), "{id}");
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
    }
    let app = server.registered();
    let with_secret = with(&renewal(&app, &refresh), "client_secret", "x");
    let answer = server.post_form(PATH, &with_secret).await;
    assert_eq!(
        answer.refusal(),
        refusal(401, "invalid_client"),
        "it never got a secret"
    );
}

#[tokio::test]
async fn only_forms_are_read_and_each_parameter_once() {
    let server = Server::start();
    let app = server.registered();
    let code = server.code(&app);
    let json = serde_json::json!({ "grant_type": "authorization_code", "client_id": app, "code": code });
    let answer = server.post_json(PATH, json.to_string()).await;
    assert_eq!(answer.refusal(), refusal(400, "invalid_request"));
    let mut twice = redemption(&app, &code);
    twice.push(("code", "x"));
    let answer = server.post_form(PATH, &twice).await;
    assert_eq!(answer.refusal(), refusal(400, "invalid_request"));
    assert_eq!(server.get(PATH).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let other = with(&redemption(&app, &code), "grant_type", "client_credentials");
    assert_eq!(
        server.post_form(PATH, &other).await.refusal(),
        refusal(400, "unsupported_grant_type")
    );
    let password = with(&redemption(&app, &code), "grant_type", "password");
    assert_eq!(
        server.post_form(PATH, &password).await.refusal(),
        refusal(400, "unsupported_grant_type")
    );
}

#[tokio::test]
async fn nothing_is_given_out_before_the_owner_approves() {
    let server = Server::start();
    let asked = serde_json::json!({ "redirect_uris": [REDIRECT] }).to_string();
    let app = server.post_json("/oauth/register", asked).await.field("client_id");
    let guess = format!("berth_{}", "0".repeat(64));
    for parameters in [
        redemption(&app, &guess),
        renewal(&app, &guess),
        vec![("grant_type", "client_credentials"), ("client_id", &app)],
        with(&redemption(FIXED, &guess), "client_secret", SECRET),
    ] {
        let answer = server.post_form(PATH, &parameters).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{parameters:?}");
        answer.refusal();
    }
    assert!(server.access.families(SystemTime::now()).unwrap().is_empty());
}

#[tokio::test]
async fn what_costs_a_stranger_nothing_does_not_fill_the_record() {
    let server = Server::with(Rates {
        token: 1_000_000,
        ..RATES
    });
    let app = server.registered();
    for _ in 0..200 {
        let answer = server.post_form(PATH, &renewal(&app, "guessed")).await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_grant"));
    }
    let recorded = server.recorded();
    assert_eq!(usize::try_from(recorded).unwrap(), ONE_CALLERS_RECORDED);
    // What an owner allowed is recorded all the same.
    let tokens = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
    assert_eq!(server.recorded(), recorded + 1);
}
