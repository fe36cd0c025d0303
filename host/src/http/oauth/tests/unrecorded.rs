//! While the record cannot be written, nothing is done; and what was done before that began is answered.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::store::audit::tests::recorder::Unwritable;
use crate::store::audit::{Entry, Event};

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";

#[tokio::test]
async fn while_nothing_can_be_recorded_an_app_changes_nothing() {
    let server = Server::start();
    let app = server.registered();
    let spent = server.code(&app);
    let first = server.post_form(TOKEN, &redemption(&app, &spent)).await;
    let (access, refresh) = (first.field("access_token"), first.field("refresh_token"));
    let code = server.code(&app);
    let clients = server.access.clients().unwrap();
    let families = server.access.families(SystemTime::now()).unwrap();

    let unwritable = Unwritable::new(server.root.path());
    let metadata = json!({"client_name": "other", "redirect_uris": [REDIRECT]}).to_string();
    let answers = [
        ("registers", server.post_json("/oauth/register", metadata).await),
        ("redeems", server.post_form(TOKEN, &redemption(&app, &code)).await),
        (
            "redeems twice",
            server.post_form(TOKEN, &redemption(&app, &spent)).await,
        ),
        ("renews", server.post_form(TOKEN, &renewal(&app, &refresh)).await),
        (
            "revokes",
            server
                .post_form(REVOKE, &[("client_id", &app), ("token", &access)])
                .await,
        ),
    ];
    for (what, answer) in answers {
        assert_eq!(answer.refusal(), refusal(500, "server_error"), "{what}");
    }
    assert_eq!(server.access.clients().unwrap(), clients);
    assert_eq!(server.access.families(SystemTime::now()).unwrap(), families);
    assert!(server.admits(&access));

    drop(unwritable);
    for parameters in [redemption(&app, &code), renewal(&app, &refresh)] {
        let answer = server.post_form(TOKEN, &parameters).await;
        assert_eq!(answer.status, StatusCode::OK, "it was not used up: {}", answer.text);
    }
}

#[tokio::test]
async fn what_was_done_is_answered_though_the_record_breaks_meanwhile_and_is_recorded_later() {
    let server = Server::start();
    server
        .directory
        .audit(false)
        .unwrap()
        .append(&[entry("before")])
        .unwrap();
    let root = server.root.path().to_owned();
    let address = [192, 0, 2, 1].into();
    let work = move |_: &Access| Ok((Unwritable::new(&root), Some(entry("meanwhile"))));
    let unwritable = server.oauth.recorded(address, work).await.unwrap();
    let next = server.oauth.recorded(address, |_| Ok(((), Some(entry("next")))));
    assert_eq!(next.await.unwrap_err().code, "server_error");
    assert_eq!(server.recorded(), 1);
    drop(unwritable);
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.recorded() < 2 {
        assert!(Instant::now() < deadline, "it is never recorded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.directory.audit(false).unwrap().verify(None).unwrap();
}

fn entry(who: &str) -> Entry {
    Entry::at_door(Event::Approved, who, "")
}
