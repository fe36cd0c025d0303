//! What happens at the door stands in the record: who came in, who did not, and what was given to whom.

use serde_json::{Value, json};

use crate::berth::Place;
use crate::connector::{Connector, PASSPHRASE, parameter};
use crate::oauth::{PUBLIC, serve};

/// The entries that `berth audit` shows with `args`, the oldest first.
async fn entries(place: &Place, args: &[&str]) -> Vec<Value> {
    let ran = place.run(&[&["audit", "--json"], args].concat()).await;
    assert!(ran.success, "{args:?}: {}", ran.stderr);
    let lines = ran.stdout.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One field of each entry.
fn column<'a>(entries: &'a [Value], name: &str) -> Vec<&'a str> {
    entries
        .iter()
        .map(|entry| entry[name].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn what_happens_at_the_door_is_recorded() {
    let (place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let server = connector.discover().await;
    let registered = connector.register(&server, redirect).await.json();
    let client = registered["client_id"].as_str().unwrap();
    let question = connector.authorize(client, redirect, &[]);
    let page = connector.open(&question).await;
    connector.submit(&page.form().with("passphrase", "a wrong one")).await;
    let page = connector.log_in(&question).await;
    let answer = connector.submit(&page.form().with("answer", "allow")).await;
    let back = answer.header("location").parse().unwrap();
    let code = parameter(&back, "code").unwrap();
    let issued = connector.redeem(client, redirect, &code, &[]).await.json();
    connector
        .call("list_projects", json!({}), issued["access_token"].as_str().unwrap())
        .await;
    let refresh = issued["refresh_token"].as_str().unwrap();
    let renewed = connector.refresh(client, refresh, None).await.json();
    let given_back = [
        ("token", renewed["refresh_token"].as_str().unwrap()),
        ("client_id", client),
    ];
    connector.post("/oauth/revoke", &given_back).await;
    connector.refresh(client, refresh, None).await;

    let mut other = Connector::new(&berth, PUBLIC);
    let page = other.log_in(&question).await;
    other.submit(&page.form().with("answer", "deny")).await;
    for args in [
        &["tokens", "create", "script"][..],
        &["tokens", "revoke", "--all"],
        &["clients", "revoke", client],
    ] {
        let ran = place.run(args).await;
        assert!(ran.success, "{}", ran.stderr);
    }

    let entries = entries(&place, &[]).await;
    let app = entries[5]["principal"].as_str().unwrap();
    assert!(app.starts_with("app:Claude#"), "{app}");
    let expected = [
        ("passphrase-set", "local"),
        ("app-registered", "203.0.113.7"),
        ("login-failed", "203.0.113.7"),
        ("logged-in", "owner"),
        ("approved", "owner"),
        ("token-issued", app),
        ("call", app),
        ("token-refreshed", app),
        ("revoked", client),
        ("token-refused", client),
        ("logged-in", "owner"),
        ("declined", "owner"),
        ("token-created", "local"),
        ("revoked", "local"),
        ("app-removed", "local"),
    ];
    let seen: Vec<_> = column(&entries, "event")
        .into_iter()
        .zip(column(&entries, "principal"))
        .collect();
    assert_eq!(seen, expected);
    let approved = entries[4]["text"].as_str().unwrap();
    for told in ["\"Claude\"", client, "203.0.113.7", "sessions:control", "one, two"] {
        assert!(approved.contains(told), "{told}: {approved}");
    }
    let all = serde_json::to_string(&entries).unwrap();
    for secret in [PASSPHRASE, "a wrong one", &code, refresh] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_code_that_is_used_twice_is_recorded_as_such() {
    let (place, berth) = serve("").await;
    let mut connector = Connector::new(&berth, PUBLIC);
    let client = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let page = connector.log_in(&connector.authorize(client, redirect, &[])).await;
    let answer = connector.submit(&page.form().with("answer", "allow")).await;
    let code = parameter(&answer.header("location").parse().unwrap(), "code").unwrap();
    let first = connector.redeem(client, redirect, &code, &[]).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let second = connector.redeem(client, redirect, &code, &[]).await;
    assert_eq!(second.status, 400, "{}", second.text);
    let entries = entries(&place, &["--outcome", "refused"]).await;
    assert_eq!(column(&entries, "event"), ["token-reused"]);
    assert_eq!(column(&entries, "principal"), [client]);
}
