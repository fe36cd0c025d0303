//! Refresh tokens: each is good once, and for its own app.

use super::*;

const PATH: &str = "/oauth/token";

#[tokio::test]
async fn a_refresh_token_is_renewed_in_turn_and_its_reuse_ends_them_all() {
    let server = Server::start();
    let app = server.registered();
    let first = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    let first_refresh = first.field("refresh_token");
    let second = server.post_form(PATH, &renewal(&app, &first_refresh)).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let second_refresh = second.field("refresh_token");
    assert_ne!(first_refresh, second_refresh);
    assert!(server.admits(&second.field("access_token")));

    let third = server.post_form(PATH, &renewal(&app, &second_refresh)).await;
    assert!(server.admits(&third.field("access_token")));
    let stolen = server.post_form(PATH, &renewal(&app, &first_refresh)).await;
    assert_eq!(stolen.refusal(), refusal(400, "invalid_grant"));
    for answer in [first, second, third] {
        assert!(!server.admits(&answer.field("access_token")));
    }
}

#[tokio::test]
async fn two_that_renew_at_once_get_the_same_successor() {
    let server = Server::start();
    let app = server.registered();
    let refresh = server
        .post_form(PATH, &redemption(&app, &server.code(&app)))
        .await
        .field("refresh_token");
    let parameters = renewal(&app, &refresh);
    let (one, two) = tokio::join!(server.post_form(PATH, &parameters), server.post_form(PATH, &parameters));
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(one.field("refresh_token"), two.field("refresh_token"));
}

#[tokio::test]
async fn a_refresh_token_is_its_own_clients_only() {
    let server = Server::start();
    let app = server.registered();
    let tokens = server.post_form(PATH, &redemption(&app, &server.code(&app))).await;
    let refresh = tokens.field("refresh_token");
    let other = server.registered();
    let answer = server.post_form(PATH, &renewal(&other, &refresh)).await;
    assert_eq!(answer.refusal(), refusal(400, "invalid_grant"));
    let access = tokens.field("access_token");
    let answer = server.post_form(PATH, &renewal(&app, &access)).await;
    assert_eq!(
        answer.refusal(),
        refusal(400, "invalid_grant"),
        "an access token renews nothing"
    );
}

#[tokio::test]
async fn a_scope_may_only_get_narrower() {
    let server = Server::start();
    let app = server.registered();
    let scope_after = |approved, asked| {
        let (server, app) = (&server, &app);
        async move {
            let code = server.approved(app, approved, SystemTime::now());
            let tokens = server.post_form(PATH, &redemption(app, &code)).await;
            let refresh = tokens.field("refresh_token");
            server
                .post_form(PATH, &with(&renewal(app, &refresh), "scope", asked))
                .await
        }
    };
    let narrowed = scope_after(Scope::Control, "sessions:read").await;
    assert_eq!(narrowed.field("scope"), "sessions:read");
    let verified = server.access.verify(&narrowed.field("access_token"), SystemTime::now());
    assert!(!verified.unwrap().unwrap().principal.may(Scope::Control));
    let same = scope_after(Scope::Read, "sessions:read offline_access").await;
    assert_eq!(same.field("scope"), "sessions:read");
    for widened in ["sessions:control", "sessions:read sessions:control", "offline_access"] {
        let answer = scope_after(Scope::Read, widened).await;
        assert_eq!(answer.refusal(), refusal(400, "invalid_scope"), "{widened}");
    }
}
