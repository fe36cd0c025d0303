//! TLS over real TCP, with certificates of test authorities.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt as _;

use axum::Router;
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admission::numbers::FIRST_BYTE;
use crate::http::{Proxies, serve};

/// An authority of its own and a certificate by it for localhost.
struct Issued {
    root: String,
    cert: String,
    key: String,
}

fn issue(adjust: impl FnOnce(&mut CertificateParams)) -> Issued {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    // Two authorities of one name would be taken for each other.
    let name = key.serialize_pem()[64..80].to_owned();
    authority.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
    let mut own = CertificateParams::new(["localhost".to_owned()]).unwrap();
    adjust(&mut own);
    let key = KeyPair::generate().unwrap();
    Issued {
        root: authority.pem(),
        cert: own.signed_by(&key, &authority).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// The files of a certificate.
struct Place {
    root: TempDir,
    files: Tls,
}

impl Place {
    fn with(issued: &Issued) -> Self {
        let root = TempDir::new().unwrap();
        let files = Tls {
            cert: root.path().join("cert.pem"),
            key: root.path().join("key.pem"),
        };
        let place = Self { root, files };
        place.put(&issued.cert, &issued.key);
        place
    }

    /// As those who renew certificates do: a new file takes the old one's name.
    fn put(&self, cert: &str, key: &str) {
        for (path, text) in [(&self.files.cert, cert), (&self.files.key, key)] {
            let draft = self.root.path().join("draft");
            fs::write(&draft, text).unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(draft, path).unwrap();
        }
    }

    fn complaint(&self) -> String {
        format!("{:#}", anyhow::Error::from(Certificate::open(&self.files).unwrap_err()))
    }
}

/// A listener that answers "hello" to everyone.
struct Server {
    port: u16,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _root: TempDir,
}

impl Server {
    async fn start(place: &Place) -> Self {
        let certificate = Arc::new(Certificate::open(&place.files).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        let router = Router::new().route("/", get("hello"));
        let (root, admission) = crate::admission::tests::admission(4).await;
        let acceptor = serve::Acceptor {
            certificate: Some(certificate),
            proxies: Proxies {
                trusted: Vec::new(),
                users: Vec::new(),
                header: http::HeaderName::from_static("x-forwarded-for"),
            },
            admission,
            router,
        };
        let running = tokio::spawn(serve::serve(listener, Arc::new(acceptor), shutdown.clone()));
        Self {
            _root: root,
            port,
            shutdown,
            running,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// What a client hears that trusts the authority of `issued` alone.
    async fn ask(&self, issued: &Issued) -> reqwest::Result<String> {
        self.ask_by(issued, reqwest::tls::Version::TLS_1_3).await
    }

    async fn ask_by(&self, issued: &Issued, newest: reqwest::tls::Version) -> reqwest::Result<String> {
        // Another test of this process may have been first.
        let _ = default_provider().install_default();
        let root = reqwest::Certificate::from_pem(issued.root.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_version_max(newest);
        let client = client.tls_certs_only([root]).build().unwrap();
        let answer = client.get(format!("https://localhost:{}/", self.port)).send().await?;
        answer.text().await
    }
}

/// Lets the last look at the files grow old.
async fn later() {
    time::pause();
    time::advance(FRESH).await;
    time::resume();
}

#[tokio::test]
async fn clients_of_both_versions_are_answered() {
    let issued = issue(|_| {});
    let server = Server::start(&Place::with(&issued)).await;
    for newest in [reqwest::tls::Version::TLS_1_2, reqwest::tls::Version::TLS_1_3] {
        assert_eq!(server.ask_by(&issued, newest).await.unwrap(), "hello", "{newest:?}");
    }
    assert!(
        server.ask(&issue(|_| {})).await.is_err(),
        "it shows this certificate and no other"
    );
}

#[tokio::test]
async fn a_new_pair_is_shown_without_a_new_start() {
    let (old, new) = (issue(|_| {}), issue(|_| {}));
    let place = Place::with(&old);
    let server = Server::start(&place).await;
    server.ask(&old).await.unwrap();
    place.put(&new.cert, &new.key);
    later().await;
    assert_eq!(server.ask(&new).await.unwrap(), "hello");
    assert!(server.ask(&old).await.is_err());
}

#[tokio::test]
async fn a_broken_new_pair_leaves_the_old_one_until_it_is_mended() {
    let (old, new) = (issue(|_| {}), issue(|_| {}));
    let place = Place::with(&old);
    let server = Server::start(&place).await;
    for (cert, key) in [
        (&new.cert, &old.key),
        (&String::new(), &new.key),
        (&old.cert, &old.cert),
    ] {
        place.put(cert, key);
        later().await;
        assert_eq!(server.ask(&old).await.unwrap(), "hello");
    }
    fs::remove_file(&place.files.key).unwrap();
    later().await;
    assert_eq!(server.ask(&old).await.unwrap(), "hello");
    place.put(&new.cert, &new.key);
    later().await;
    assert_eq!(server.ask(&new).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_key_that_becomes_readable_is_read_without_another_change() {
    let (old, new) = (issue(|_| {}), issue(|_| {}));
    let place = Place::with(&old);
    let server = Server::start(&place).await;
    place.put(&new.cert, &new.key);
    fs::set_permissions(&place.files.key, fs::Permissions::from_mode(0o644)).unwrap();
    later().await;
    assert_eq!(server.ask(&old).await.unwrap(), "hello");
    fs::set_permissions(&place.files.key, fs::Permissions::from_mode(0o600)).unwrap();
    later().await;
    assert_eq!(server.ask(&new).await.unwrap(), "hello");
}

#[tokio::test]
async fn slow_handshakes_hold_up_nobody() {
    let issued = issue(|_| {});
    let server = Server::start(&Place::with(&issued)).await;
    let _silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(&[HANDSHAKE_RECORD, 3, 1]).await.unwrap();
    assert_eq!(server.ask(&issued).await.unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up() {
    let server = Server::start(&Place::with(&issue(|_| {}))).await;
    let begun = &[HANDSHAKE_RECORD, 3, 1][..];
    for (begun, least) in [(&[][..], FIRST_BYTE), (begun, HANDSHAKE_TIMEOUT)] {
        let mut stream = server.connect().await;
        let began = Instant::now();
        stream.write_all(begun).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        assert!(began.elapsed() >= least && began.elapsed() < 2 * least);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_does_not_wait_for_handshakes() {
    let server = Server::start(&Place::with(&issue(|_| {}))).await;
    let mut silent = server.connect().await;
    silent.write_all(&[HANDSHAKE_RECORD]).await.unwrap();
    tokio::task::yield_now().await;
    let began = Instant::now();
    server.shutdown.cancel();
    server.running.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let server = Server::start(&Place::with(&issue(|_| {}))).await;
    let mut stream = server.connect().await;
    let request = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("write https://"),
        "{answer}"
    );
}

#[test]
fn a_pair_that_cannot_be_used_is_named_with_the_cure() {
    let (issued, other) = (issue(|_| {}), issue(|_| {}));
    let place = Place::with(&issued);
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            &issued.cert,
            &other.key,
            &["cert.pem", "key.pem", "do not belong together"],
        ),
        (&issued.key, &issued.key, &["cert.pem", "holds no certificate"]),
        (&issued.cert, &issued.cert, &["key.pem", "holds no private key"]),
        ("", &issued.key, &["cert.pem", "holds no certificate"]),
        (
            "-----BEGIN CERTIFICATE-----\n",
            &issued.key,
            &["cert.pem", "section end"],
        ),
    ];
    for (cert, key, expected) in cases {
        place.put(cert, key);
        let complaint = place.complaint();
        assert!(expected.iter().all(|part| complaint.contains(part)), "{complaint}");
    }
    fs::remove_file(&place.files.cert).unwrap();
    assert!(place.complaint().contains("cannot read"), "{}", place.complaint());
    fs::create_dir(&place.files.cert).unwrap();
    assert!(place.complaint().contains("is not a file"), "{}", place.complaint());
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let place = Place::with(&issue(|_| {}));
    let open_to = |mode| fs::set_permissions(&place.files.key, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o604, 0o602, 0o644, 0o660, 0o777] {
        open_to(mode);
        let complaint = place.complaint();
        let cure = format!("chmod 600 {}", crate::shell::word(&place.files.key));
        assert!(
            complaint.contains(&cure) && complaint.contains(&format!("{mode:o}")),
            "{complaint}"
        );
    }
    for mode in [0o600, 0o400] {
        open_to(mode);
        assert!(Certificate::open(&place.files).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_found() {
    let fault = |from, until| {
        let issued =
            issue(|own| (own.not_before, own.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1)));
        let place = Place::with(&issued);
        let shown = Certificate::open(&place.files).expect("it is shown all the same");
        shown.fault_at(SystemTime::now())
    };
    assert_eq!(fault(2001, 2002), Some(("has expired", "renew it")));
    assert_eq!(fault(2901, 2902), Some(("is not valid yet", "set the clock right")));
    assert_eq!(fault(2001, 2902), None);
}
