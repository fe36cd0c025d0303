//! Documents that are fetched for real, from a host on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod host;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use host::{Host, Sent};

const ID: &str = "https://app.example/client.json";

fn document() -> Value {
    json!({
        "client_id": ID,
        "client_name": "The App",
        "redirect_uris": ["https://app.example/callback", "http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none",
    })
}

fn answer(status: &str, media_type: &str, body: &str) -> Sent {
    Sent {
        text: format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nConnection: close\r\n\r\n{body}"),
        hangs: false,
    }
}

async fn host_of(document: &Value) -> Host {
    Host::sending(answer("200 OK", "application/json", &document.to_string())).await
}

async fn ask(host: &Host) -> Result<App, OAuthError> {
    Documents::new(host.network()).app(ID, &config::OAuth::default()).await
}

/// What is said of an app at this host, which must be refused.
async fn refusal(host: &Host) -> String {
    let refused = ask(host).await.unwrap_err();
    assert_eq!(refused.code, "invalid_client");
    refused.description
}

#[test]
fn an_id_is_the_plain_https_address_of_a_document() {
    for good in [ID, "https://a.b.example/x/y%20z.json"] {
        assert!(address_of(good).is_ok(), "{good}");
    }
    for bad in [
        "http://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example:443/client.json",
        "https://app.example:8443/client.json",
        "https://user@app.example/client.json",
        "https://user:password@app.example/client.json",
        "https://app.example/client.json#x",
        "https://app.example/client.json#",
        "https://app.example/client.json?x",
        "https://app.example/client.json?",
        "https://app.example/a/../client.json",
        "https://app.example/a/%2e%2e/client.json",
        "https://app.example/./client.json",
        "https://APP.example/client.json",
        "HTTPS://app.example/client.json",
        "https://app.example\\client.json",
        "https://app.example./client.json",
        "https://localhost/client.json",
        "https://intranet/client.json",
        "https://127.0.0.1/client.json",
        "https://2130706433/client.json",
        "https://0x7f.1/client.json",
        "https://[::1]/client.json",
        "https://[::ffff:10.0.0.1]/client.json",
        "https:///client.json",
        "https://app.example/client.json\n",
        " https://app.example/client.json",
        "file:///etc/passwd",
    ] {
        assert!(address_of(bad).is_err(), "{bad}");
    }
    assert!(address_of(&format!("https://app.example/{}", "a".repeat(600))).is_err());
}

#[tokio::test]
async fn an_app_is_what_its_document_says() {
    let app = ask(&host_of(&document()).await).await.unwrap();
    assert_eq!((app.id.as_str(), app.name.as_str()), (ID, "The App"));
    assert_eq!(
        app.redirects,
        ["https://app.example/callback", "http://127.0.0.1/callback"]
    );
    assert_eq!(
        (app.verified_host.as_deref(), app.kind),
        (Some("app.example"), Kind::Document)
    );
}

#[tokio::test]
async fn a_document_is_about_its_own_address_and_without_secrets() {
    for (field, value, reason) in [
        (
            "client_id",
            json!("https://app.example/other.json"),
            "another client_id",
        ),
        ("client_id", json!(null), "not the JSON of a client"),
        (
            "redirect_uris",
            json!("https://app.example/callback"),
            "not the JSON of a client",
        ),
        (
            "token_endpoint_auth_method",
            json!("client_secret_post"),
            "another token_endpoint_auth_method",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "another token_endpoint_auth_method",
        ),
        ("client_secret", json!("x"), "another token_endpoint_auth_method"),
    ] {
        let mut changed = document();
        changed[field] = value;
        let said = refusal(&host_of(&changed).await).await;
        assert!(said.contains(reason), "{field}: {said}");
    }
}

#[tokio::test]
async fn only_redirects_to_its_own_host_this_machine_or_listed_ones_count() {
    let mut changed = document();
    changed["redirect_uris"] = json!([
        "https://evil.example/callback",
        "https://app.example.evil.example/callback",
        "https://app.example:8443/callback",
        "https://sub.app.example/callback",
        "https://claude.ai/api/mcp/auth_callback",
        "http://app.example/callback",
        "app://callback",
        "http://localhost/#fragment",
    ]);
    assert!(
        refusal(&host_of(&changed).await)
            .await
            .contains("no usable redirect_uris")
    );

    let host = host_of(&changed).await;
    let settings = config::OAuth {
        redirects: vec!["https://sub.app.example/callback".to_owned()],
        ..config::OAuth::default()
    };
    let app = Documents::new(host.network()).app(ID, &settings).await.unwrap();
    assert_eq!(app.redirects, ["https://sub.app.example/callback"]);
}

#[tokio::test]
async fn a_name_from_a_document_is_cleaned() {
    let mut changed = document();
    changed["client_name"] = json!(format!("\u{202e}Cla\u{200b}ude\n{}", "x".repeat(200)));
    let name = ask(&host_of(&changed).await).await.unwrap().name;
    assert!(name.starts_with("Claude x") && name.chars().count() == 80, "{name}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let moved = |status: &str| Sent {
        text: format!("HTTP/1.1 {status}\r\nLocation: {ID}\r\nContent-Length: 0\r\n\r\n"),
        hangs: false,
    };
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308 Moved"] {
        let host = Host::sending(moved(status)).await;
        assert!(refusal(&host).await.contains("another status"), "{status}");
        assert_eq!(host.opened(), 1, "{status}");
    }
}

#[tokio::test]
async fn another_status_or_type_is_refused() {
    let body = document().to_string();
    for (status, media_type, reason) in [
        ("404 Not Found", "application/json", "status"),
        ("403 Forbidden", "application/json", "status"),
        ("200 OK", "text/html", "application/json"),
        ("200 OK", "text/plain; application/json", "application/json"),
        ("200 OK", "", "application/json"),
    ] {
        let said = refusal(&Host::sending(answer(status, media_type, &body)).await).await;
        assert!(said.contains(reason), "{status} {media_type}: {said}");
    }
    for media_type in ["Application/JSON; charset=utf-8", "application/client-metadata+json"] {
        let host = Host::sending(answer("200 OK", media_type, &body)).await;
        assert!(ask(&host).await.is_ok(), "{media_type}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_cut_off() {
    let mut long = document();
    long["x"] = json!("x".repeat(64 << 10));
    let said = refusal(&host_of(&long).await).await;
    assert!(said.contains("longer than 64 KiB"), "{said}");
    // One that never ends.
    let endless = Sent {
        hangs: true,
        ..answer("200 OK", "application/json", &"x".repeat(65 << 10))
    };
    let said = refusal(&Host::sending(endless).await).await;
    assert!(said.contains("longer than 64 KiB"), "{said}");
}

#[tokio::test]
async fn a_host_that_does_not_finish_is_given_up() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"] {
        let host = Host::sending(Sent {
            text: begun.to_owned(),
            hangs: true,
        })
        .await;
        let asked = tokio::spawn({
            let documents = Documents::new(host.network());
            async move { documents.app(ID, &config::OAuth::default()).await }
        });
        host.until_opened(1).await;
        // From here on the clock jumps to whatever is waited for.
        tokio::time::pause();
        let refused = asked.await.unwrap().unwrap_err();
        tokio::time::resume();
        assert!(refused.description.contains("could not be fetched"), "{refused}");
    }
}

#[tokio::test]
async fn a_host_that_is_another_is_not_believed() {
    let (host, other) = (host_of(&document()).await, host_of(&document()).await);
    let mut network = host.network();
    network.roots = other.network().roots;
    let asked = Documents::new(network).app(ID, &config::OAuth::default()).await;
    assert!(asked.unwrap_err().description.contains("could not be fetched"));
    let wrong_name = Documents::new(host.network());
    let asked = wrong_name
        .app("https://other.example/client.json", &config::OAuth::default())
        .await;
    assert!(asked.unwrap_err().description.contains("could not be fetched"));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let host = host_of(&document()).await;
    let network = Network {
        admits: Network::default().admits,
        ..host.network()
    };
    let refused = Documents::new(network)
        .app(ID, &config::OAuth::default())
        .await
        .unwrap_err();
    assert_eq!(host.opened(), 0);
    let said = refused.description;
    assert!(
        said.contains("could not be fetched") && !said.contains("127.0.0.1"),
        "{said}"
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_as_well_is_not_connected_to() {
    let host = host_of(&document()).await;
    let inside = SocketAddr::from(([127, 0, 0, 2], host.address.port()));
    for both in [[host.address, inside], [inside, host.address]] {
        let network = host.network_with(Arc::new(move |_| Box::pin(async move { Ok(both.to_vec()) })));
        let refused = Documents::new(network).app(ID, &config::OAuth::default()).await;
        assert!(refused.is_err());
        assert_eq!(host.opened(), 0);
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_checked_is_connected_to() {
    let host = host_of(&document()).await;
    let (public, inside) = (host.address, SocketAddr::from(([127, 0, 0, 2], host.address.port())));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let network = host.network_with(Arc::new(move |name| {
        assert_eq!(name, "app.example");
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        Box::pin(async move { Ok(vec![if first { public } else { inside }]) })
    }));
    let url = address_of(ID).unwrap();
    assert!(network.fetch(&url).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        network.fetch(&url).await,
        Err(Fault::Unreachable),
        "it is checked each time"
    );
    assert_eq!((asked.load(Ordering::SeqCst), host.opened()), (2, 1));
}

#[tokio::test]
async fn a_document_is_believed_for_ten_minutes_and_a_failure_for_one() {
    let settings = config::OAuth::default();
    for (sent, lasts) in [
        (answer("200 OK", "application/json", &document().to_string()), GOOD_FOR),
        (answer("404 Not Found", "application/json", ""), BAD_FOR),
    ] {
        let host = Host::sending(sent).await;
        let documents = Documents::new(host.network());
        let first = documents.app(ID, &settings).await;
        tokio::time::pause();
        tokio::time::advance(lasts - Duration::from_secs(1)).await;
        assert_eq!(documents.app(ID, &settings).await, first);
        assert_eq!(host.opened(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_eq!(documents.app(ID, &settings).await, first);
        assert_eq!(host.opened(), 2);
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let documents = Documents::default();
    for number in 0..3 * REMEMBERED {
        documents.remember(&format!("{ID}{number}"), Err(Fault::Unreachable));
    }
    assert_eq!(documents.known.lock().unwrap().len(), REMEMBERED);
    assert!(documents.recall(&format!("{ID}{}", 3 * REMEMBERED - 1)).is_some());
}

#[tokio::test]
async fn only_so_many_are_fetched_at_once() {
    let host = Host::sending(Sent {
        text: String::new(),
        hangs: true,
    })
    .await;
    let documents = Arc::new(Documents::new(host.network()));
    let ask = |number: usize| {
        let documents = documents.clone();
        tokio::spawn(async move { documents.app(&format!("{ID}{number}"), &config::OAuth::default()).await })
    };
    let first: Vec<_> = (0..AT_ONCE).map(ask).collect();
    host.until_opened(AT_ONCE).await;
    let more: Vec<_> = (AT_ONCE..2 * AT_ONCE).map(ask).collect();
    tokio::time::pause();
    for asked in more {
        assert_eq!(asked.await.unwrap().unwrap_err().code, "temporarily_unavailable");
    }
    for asked in first {
        assert_eq!(asked.await.unwrap().unwrap_err().code, "invalid_client");
    }
    assert_eq!(host.opened(), AT_ONCE);
}
