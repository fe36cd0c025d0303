//! The listener: its address and its certificate.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use berth::assemble::Setup;
use berth::config::{Server, Tls};
use berth::http::Certificate;

use super::finding::Finding;
use super::public;

const ABOUT: &str = "listener";
const DAY: Duration = Duration::from_hours(24);
/// Days before its end in which a certificate is to be renewed.
const SOON: u32 = 14;
/// How long a listener on this machine may take to say who it is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The findings, and whether a berth listens already.
pub(super) async fn examine(setup: &Setup) -> (Vec<Finding>, bool) {
    let server = &setup.server;
    let mut findings: Vec<Finding> = server.tls.iter().map(pair).collect();
    findings.extend(addresses(server));
    let (listener, runs) = listener(server).await;
    findings.push(listener);
    (findings, runs)
}

/// If TLS ends elsewhere, there is a proxy in front, and every client has its address unless it is believed.
fn addresses(server: &Server) -> Option<Finding> {
    let hidden = server.public_url.is_some() && server.tls.is_none() && server.trusted_proxies.is_empty();
    hidden.then(|| {
        Finding::warn(
            "clients' addresses",
            "the proxy in front of berth is not believed about them, so all clients share one lock-out and one budget",
            "name its own address in [server], like trusted_proxies = [\"127.0.0.1\"]",
        )
    })
}

/// Whether certificate and key can be shown, and for how long.
fn pair(tls: &Tls) -> Finding {
    const ABOUT: &str = "certificate";
    let certificate = match Certificate::open(tls) {
        Ok(certificate) => certificate,
        Err(error) => return Finding::error(ABOUT, &error.into()),
    };
    let (shown, now) = (tls.cert.display(), SystemTime::now());
    if let Some((fault, cure)) = certificate.fault_at(now) {
        return Finding::fail(ABOUT, format!("{shown} {fault}"), cure);
    }
    match (1..=SOON).find(|days| certificate.fault_at(now + *days * DAY).is_some()) {
        Some(days) => Finding::warn(
            ABOUT,
            format!("{shown} expires within {days} days"),
            "renew it; a running berth takes the new one by itself",
        ),
        None => Finding::ok(
            ABOUT,
            format!("it fits its key, and is valid for more than {SOON} days"),
        ),
    }
}

/// Whether the address is free, or otherwise held by a berth.
async fn listener(server: &Server) -> (Finding, bool) {
    let address = server.listen;
    match TcpListener::bind(address) {
        Ok(_) => (Finding::ok(ABOUT, format!("{address} is free")), false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match running(server).await {
            Some(version) => {
                let what = format!("berth {version} listens on {address}");
                (Finding::ok(ABOUT, what), true)
            }
            None => {
                let what = format!("{address} is held by another program");
                (
                    Finding::fail(ABOUT, what, "end it, or set another `listen` in [server]"),
                    false,
                )
            }
        },
        Err(error) => {
            let what = format!("{address} cannot be listened on: {error}");
            (Finding::fail(ABOUT, what, "set another `listen` in [server]"), false)
        }
    }
}

/// The version of the berth that listens there.
async fn running(server: &Server) -> Option<String> {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let client = reqwest::Client::builder()
        .no_proxy()
        // Its certificate is for another name; it gets only this question.
        .tls_danger_accept_invalid_certs(true)
        .timeout(ANSWERS_WITHIN)
        .build()
        .ok()?;
    let mut address = server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let asked = client.get(format!("{scheme}://{address}/health")).send().await.ok()?;
    let health = public::json_of(asked).await.ok()?;
    Some(health["version"].as_str()?.to_owned())
}
