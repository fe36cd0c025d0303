//! Tokens that an app gives back.

use super::*;

const PATH: &str = "/oauth/revoke";

async fn tokens(server: &Server, client_id: &str) -> (String, String) {
    let answer = server
        .post_form("/oauth/token", &redemption(client_id, &server.code(client_id)))
        .await;
    (answer.field("access_token"), answer.field("refresh_token"))
}

#[tokio::test]
async fn either_token_ends_both() {
    let server = Server::start();
    let app = server.registered();
    for which in 0..2 {
        let (access, refresh) = tokens(&server, &app).await;
        let given_back = [&access, &refresh][which].clone();
        let parameters = [
            ("client_id", app.as_str()),
            ("token", &given_back),
            ("token_type_hint", "x"),
        ];
        assert_eq!(server.post_form(PATH, &parameters).await.status, StatusCode::OK);
        assert!(!server.admits(&access));
        let renewed = server.post_form("/oauth/token", &renewal(&app, &refresh)).await;
        assert_eq!(renewed.refusal(), refusal(400, "invalid_grant"));
    }
}

#[tokio::test]
async fn unknown_tokens_and_those_of_others_are_answered_alike_and_stay() {
    let server = Server::start();
    let (app, other) = (server.registered(), server.registered());
    let (access, _) = tokens(&server, &app).await;
    let of_another = server
        .post_form(PATH, &[("client_id", &other), ("token", &access)])
        .await;
    let unknown = server.post_form(PATH, &[("client_id", &other), ("token", "x")]).await;
    assert_eq!((of_another.status, &of_another.text), (StatusCode::OK, &unknown.text));
    assert_eq!(unknown.status, StatusCode::OK);
    assert!(server.admits(&access));
}

#[tokio::test]
async fn whoever_gives_back_says_who_it_is() {
    let server = Server::start();
    let code = server.code(FIXED);
    let redemption = with(&redemption(FIXED, &code), "client_secret", SECRET);
    let access = server
        .post_form("/oauth/token", &redemption)
        .await
        .field("access_token");
    for (parameters, (status, code)) in [
        (vec![("token", access.as_str())], (400, "invalid_request")),
        (
            vec![("client_id", "berth-0"), ("token", &access)],
            (401, "invalid_client"),
        ),
        (vec![("client_id", FIXED), ("token", &access)], (401, "invalid_client")),
        (
            vec![("client_id", FIXED), ("client_secret", SECRET)],
            (400, "invalid_request"),
        ),
    ] {
        let answer = server.post_form(PATH, &parameters).await;
        assert_eq!(answer.refusal(), refusal(status, code), "{parameters:?}");
    }
    assert!(server.admits(&access));
}
