//! The listener: its address and its certificate.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use berth::assemble::Setup;
use berth::config::{Server, Tls};
use berth::http::Certificate;
use berth::peer::user_of_connection;
use berth::store::DataDirectory;
use hyper_util::client::legacy::connect::HttpInfo;
use tokio::net::UnixStream;

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

/// Whether the address is free, or otherwise held by the berth that has this data directory.
async fn listener(server: &Server) -> (Finding, bool) {
    let address = server.listen;
    let other = "set another `listen` in [server], or serve with --listen";
    match TcpListener::bind(address) {
        Ok(_) => (Finding::ok(ABOUT, format!("{address} is free")), false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match running(server).await {
            Some(Running { user: Some(user), .. }) if user != rustix::process::geteuid().as_raw() => {
                let what = format!("{address} is held by a berth of another user, whose number is {user}");
                (Finding::fail(ABOUT, what, other), false)
            }
            Some(Running { version, .. }) if !has_owner(server).await => {
                let what = format!("{address} is held by berth {version} with another data directory");
                (Finding::fail(ABOUT, what, format!("end it, or {other}")), false)
            }
            Some(Running { version, .. }) => {
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

/// Whether a berth answers at the socket of the data directory.
async fn has_owner(server: &Server) -> bool {
    match DataDirectory::open(&server.data, &server.cache) {
        Ok(data) => UnixStream::connect(data.socket_path()).await.is_ok(),
        Err(_) => false,
    }
}

/// A berth that listens.
struct Running {
    version: String,
    /// Whose it is, if the system tells.
    user: Option<u32>,
}

/// The berth that listens there.
async fn running(server: &Server) -> Option<Running> {
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
    // The connection is still open: its other end has an owner.
    let ends = asked.extensions().get::<HttpInfo>();
    let ends = ends.map(|ends| (ends.remote_addr(), ends.local_addr()));
    let user = match ends {
        Some((theirs, ours)) => {
            let found = tokio::task::spawn_blocking(move || user_of_connection(theirs, ours));
            found.await.ok().flatten()
        }
        None => None,
    };
    let health = public::json_of(asked).await.ok()?;
    let version = health["version"].as_str()?.to_owned();
    Some(Running { version, user })
}
