//! The whole door over real TCP, with an echo in place of MCP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Json};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Door, Names, OAuth, Proxies, Tools, ensure_protected, run};
use crate::admission::tests::RATES;
use crate::admission::{Admission, numbers};
use crate::jobs::{AllJobs, Reach};
use crate::principal::Principal;
use crate::store::{DataDirectory, Recorder};

/// A running door. The echo answers `hold` when it is released, `forever` never, and never ends its answer to `stream`.
struct Server {
    port: u16,
    token: String,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    held: Arc<Notify>,
    release: Arc<Notify>,
    _root: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    async fn start(adjust: impl FnOnce(&mut Door)) -> Self {
        Self::with_places(16, adjust).await
    }

    /// The same with so many places at work.
    async fn with_places(max_requests: usize, adjust: impl FnOnce(&mut Door)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = TempDir::new().unwrap();
        let data = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
        let token = data.local_token().unwrap();
        let text = token.reveal().to_owned();
        let access = Arc::new(data.access().unwrap());
        let recorder = Recorder::start(data.audit(false).unwrap(), false).unwrap();
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let admission = Admission::new(max_requests, 1024, &RATES, recorder.clone(), tasks, shutdown.clone());
        let mut door = Door {
            token,
            open_on_loopback: false,
            sessions_may_control: false,
            names: Names::new(port, false, Some("https://berth.example")),
            admission: admission.clone(),
            jobs: Arc::new(AllJobs::new(
                data.clone(),
                PathBuf::from("/nowhere"),
                Reach::Http(String::new()),
            )),
            oauth: OAuth::new(
                access.clone(),
                Arc::default(),
                recorder,
                Arc::default(),
                Vec::new,
                admission,
                TaskTracker::new(),
            ),
            access,
            tools: Tools::new(Arc::new(|_, _, _, _| Box::pin(async { Err("no session".to_owned()) }))),
            proxies: Proxies {
                trusted: Vec::new(),
                users: Vec::new(),
                header: http::HeaderName::from_static("x-forwarded-for"),
            },
            max_body: 1024,
            certificate: None,
        };
        adjust(&mut door);
        let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mcp = any(echo).layer(Extension((held.clone(), release.clone())));
        let running = tokio::spawn(run(listener, mcp, door, shutdown.clone()));
        Self {
            port,
            token: text,
            shutdown,
            running,
            held,
            release,
            _root: root,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Whether a new call is answered by this server, and not by another test's that has got its port meanwhile: such a
    /// one has a token of its own.
    async fn takes_calls(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else {
            return false;
        };
        let request = post("/mcp", "Authorization: Bearer TOKEN\r\nConnection: close\r\n", "{}");
        let request = request
            .replace("PORT", &self.port.to_string())
            .replace("TOKEN", &self.token);
        let mut answer = Vec::new();
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        answer.starts_with(b"HTTP/1.1 200 ")
    }

    /// One request on its own connection, exactly as written; `PORT` and `TOKEN` are filled in.
    async fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        self.send(&mut stream, request).await;
        let mut bytes = Vec::new();
        // The server may refuse, and close, before it has read a whole body: what it said until then counts.
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::parse(&bytes)
    }

    async fn send(&self, stream: &mut TcpStream, request: &str) {
        let request = request
            .replace("PORT", &self.port.to_string())
            .replace("TOKEN", &self.token);
        stream.write_all(request.as_bytes()).await.unwrap();
    }

    /// A call with the token, JSON and these further headers.
    async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        self.raw(&post(
            path,
            &format!("Authorization: Bearer TOKEN\r\nConnection: close\r\n{headers}"),
            body,
        ))
        .await
    }

    /// A call without the token.
    async fn bare(&self, headers: &str) -> Answer {
        self.raw(&post("/mcp", &format!("Connection: close\r\n{headers}"), "{}"))
            .await
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n{headers}\r\n"
        ))
        .await
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        Self {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.body))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn echo(
    Extension((held, release)): Extension<(Arc<Notify>, Arc<Notify>)>,
    Extension(principal): Extension<Principal>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = String::from_utf8_lossy(&body).into_owned();
    if text == "hold" {
        held.notify_one();
        release.notified().await;
    }
    if text == "forever" {
        held.notify_one();
        std::future::pending::<()>().await;
    }
    if text == "stream" {
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"begun"))]);
        return Body::from_stream(begun.chain(stream::pending())).into_response();
    }
    let accept = headers.get("accept").map(|accept| accept.to_str().unwrap().to_owned());
    let token_seen = headers.contains_key("authorization");
    Json(json!({ "principal": principal.id(), "accept": accept, "token_seen": token_seen, "body": text }))
        .into_response()
}

/// The next answer on a connection that stays open.
async fn next_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let answer = Answer::parse(&bytes);
        let length = answer
            .head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse().ok());
        if length.is_some_and(|length: usize| answer.body.len() >= length) {
            return answer;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed after {bytes:?}");
    }
}

#[tokio::test]
async fn the_token_opens_both_paths_and_goes_no_further() {
    let server = Server::start(|_| {}).await;
    for path in ["/mcp", "/", "/mcp?session=1"] {
        let answer = server.post(path, "", "{\"a\":1}").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let seen = answer.json();
        assert_eq!(
            (&seen["principal"], &seen["token_seen"]),
            (&json!("local"), &json!(false))
        );
        assert_eq!(seen["body"], "{\"a\":1}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_protective_headers() {
    let server = Server::start(|_| {}).await;
    let answers = [
        server.post("/mcp", "", "{}").await,
        server.bare("").await,
        server.get("/health", "").await,
        server
            .raw("GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .await,
    ];
    for answer in answers {
        for header in [
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.head.contains(header), "{header} is missing from {}", answer.head);
        }
    }
}

#[tokio::test]
async fn health_needs_no_token_but_a_proper_host() {
    let server = Server::start(|_| {}).await;
    let answer = server.get("/health", "").await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ok")));
    assert_eq!(answer.json().as_object().unwrap().len(), 2);
    let rebound = server
        .raw("GET /health HTTP/1.1\r\nHost: evil.example:PORT\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(rebound.status, 403);
    assert!(rebound.error().contains("localhost"));
}

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused_even_with_the_token() {
    let server = Server::start(|_| {}).await;
    let other_port = if server.port == 3000 { 3001 } else { 3000 };
    let pages = [
        "null",
        &format!("http://localhost:{other_port}"),
        "https://evil.example",
    ];
    for origin in pages {
        let answer = server.post("/mcp", &format!("Origin: {origin}\r\n"), "{}").await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(answer.error().contains("Origin"));
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(
            server
                .post("/mcp", &format!("Sec-Fetch-Site: {site}\r\n"), "{}")
                .await
                .status,
            403
        );
    }
    assert_eq!(
        server
            .post("/mcp", "Origin: http://localhost:PORT\r\n", "{}")
            .await
            .status,
        200
    );
    let rebound =
        "POST /mcp HTTP/1.1\r\nHost: evil.example:PORT\r\nAuthorization: Bearer TOKEN\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(rebound).await.status, 403);
    let port = "POST /mcp HTTP/1.1\r\nHost: localhost:1\r\nAuthorization: Bearer TOKEN\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(port).await.status, 403);
}

#[tokio::test]
async fn a_request_without_one_clear_host_is_malformed() {
    let server = Server::start(|_| {}).await;
    for request in [
        "GET /health HTTP/1.1\r\nHost: localhost:PORT\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost:PORT\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "GET http://evil.example/health HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n",
    ] {
        assert_eq!(server.raw(request).await.status, 400, "{request}");
    }
    let absolute = "GET http://localhost:PORT/health HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(absolute).await.status, 200);
}

#[tokio::test]
async fn without_the_right_token_nothing_is_reached() {
    let server = Server::start(|_| {}).await;
    let wrong = [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Basic TOKEN\r\n",
        "Authorization: TOKEN\r\n",
    ];
    for headers in wrong {
        let answer = server.bare(headers).await;
        assert_eq!(answer.status, 401, "{headers}");
        assert!(answer.head.contains("www-authenticate: bearer"));
        assert!(answer.error().contains("berth token"));
    }
    assert_eq!(server.get("/mcp?token=TOKEN&access_token=TOKEN", "").await.status, 401);
    assert_eq!(server.get("/unknown", "").await.status, 401);
    let twice = "Authorization: Bearer TOKEN\r\nAuthorization: Bearer wrong\r\n";
    assert_eq!(server.bare(twice).await.status, 400);
}

#[tokio::test]
async fn an_open_door_lets_this_users_processes_in() {
    let server = Server::start(|door| door.open_on_loopback = true).await;
    let answer = server.bare("").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["principal"], "local");
}

#[tokio::test]
async fn whatever_was_forwarded_is_refused_on_an_open_door_and_with_the_token() {
    let server = Server::start(|door| door.open_on_loopback = true).await;
    for header in [
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 1.2.3.4",
        "CF-Ray: 1",
        "Ngrok-Trace: 1",
        "Via: 1.1 x",
    ] {
        let answer = server.bare(&format!("{header}\r\n")).await;
        assert_eq!(answer.status, 401, "{header}");
        assert!(answer.error().contains("proxy or a tunnel"));
        let with_token = server.post("/mcp", &format!("{header}\r\n"), "{}").await;
        assert_eq!(with_token.status, 401, "{header} with the token");
    }
    let public = "GET /mcp HTTP/1.1\r\nHost: berth.example\r\nConnection: close\r\n\r\n";
    assert_eq!(server.raw(public).await.status, 401);
    let with_token = public.replace("\r\n\r\n", "\r\nAuthorization: Bearer TOKEN\r\n\r\n");
    assert_eq!(server.raw(&with_token).await.status, 401);
    assert_eq!(server.bare("Authorization: Bearer wrong\r\n").await.status, 401);
}

/// Only root can become another user; for everyone else the look-up is tested in `peer`, and the table names a user.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "a test's own client, started as another user")]
async fn other_users_are_refused_on_an_open_door_and_with_the_token() {
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let server = Server::start(|door| door.open_on_loopback = true).await;
    let call = |headers: &str| {
        let request = post("/mcp", &format!("Connection: close\r\n{headers}"), "{}")
            .replace("PORT", &server.port.to_string())
            .replace("TOKEN", &server.token);
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; printf %s \"$0\" >&3; cat <&3",
            server.port
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &script, &request])
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .output()
            .unwrap();
        Answer::parse(&output.stdout)
    };
    for headers in ["", "Authorization: Bearer TOKEN\r\n"] {
        let refused = call(headers);
        assert_eq!(refused.status, 403, "{headers}");
        assert!(refused.error().contains("does not come from a process of the user"));
    }
    assert_eq!(
        call("Authorization: Bearer wrong\r\n").status,
        401,
        "a caller without a token learns nothing else"
    );
}

/// A client with the mark, as in a session; on macOS the system's shell would hide it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "a test's own client, started as a session's")]
async fn what_descends_from_a_session_only_reads_unless_sessions_may_control() {
    for (open, may_control) in [(false, false), (true, false), (false, true), (true, true)] {
        let server = Server::start(|door| {
            door.open_on_loopback = open;
            door.sessions_may_control = may_control;
        })
        .await;
        let token = if open { "" } else { "Authorization: Bearer TOKEN\r\n" };
        let request = post("/mcp", &format!("Connection: close\r\n{token}"), "{}")
            .replace("PORT", &server.port.to_string())
            .replace("TOKEN", &server.token);
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; printf %s \"$0\" >&3; cat <&3",
            server.port
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &script, &request])
            .env(crate::peer::MARK, "here")
            .output()
            .unwrap();
        let answer = Answer::parse(&output.stdout);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let principal = Principal::local();
        let expected = if may_control {
            principal
        } else {
            principal.only_reading()
        };
        assert_eq!(answer.json()["principal"], expected.id(), "open: {open}");
    }
}

#[tokio::test]
async fn an_accept_of_anything_becomes_what_mcp_needs() {
    let server = Server::start(|_| {}).await;
    for accept in [
        "",
        "Accept: */*\r\n",
        "Accept: application/*\r\n",
        "Accept: application/json\r\n",
    ] {
        let seen = server.post("/mcp", accept, "{}").await.json();
        assert_eq!(seen["accept"], "application/json, text/event-stream", "{accept}");
    }
    let seen = server.post("/mcp", "Accept: text/event-stream\r\n", "{}").await.json();
    assert_eq!(seen["accept"], "text/event-stream");
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let server = Server::start(|_| {}).await;
    for kind in [
        "",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: text/plain\r\n",
    ] {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost:PORT\r\nAuthorization: Bearer TOKEN\r\nConnection: close\r\n{kind}Content-Length: 2\r\n\r\n{{}}"
        );
        let answer = server.raw(&request).await;
        assert_eq!(answer.status, 415, "{kind}");
        assert!(answer.error().contains("Content-Type: application/json"));
    }
}

#[tokio::test]
async fn a_browser_is_asked_to_log_in_and_no_other_client_is() {
    let server = Server::start(|_| {}).await;
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n";
    let answer = server.get("/", browser).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/html") && answer.body.contains("Log in"));
    assert_eq!(server.get("/", "").await.status, 401);
    assert_eq!(server.get("/mcp", browser).await.status, 401);
    let posted = server
        .raw(&post("/", &format!("Connection: close\r\n{browser}"), "{}"))
        .await;
    assert_eq!(posted.status, 401, "it is MCP's, whatever it accepts");
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let server = Server::start(|_| {}).await;
    let answer = server.post("/unknown", "", "{}").await;
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("/mcp"));
}

#[tokio::test]
async fn a_long_body_is_refused_whether_announced_or_not() {
    let server = Server::start(|door| door.max_body = 100).await;
    let long = "x".repeat(101);
    let announced = server.post("/mcp", "", &long).await;
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost:PORT\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n{long}\r\n0\r\n\r\n"
    );
    let unsent = "POST /mcp HTTP/1.1\r\nHost: localhost:PORT\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 101\r\n\r\n";
    for answer in [announced, server.raw(unsent).await, server.raw(&chunked).await] {
        assert_eq!(answer.status, 413);
        assert!(answer.error().contains("100 bytes"));
    }
    assert_eq!(server.post("/mcp", "", &"x".repeat(100)).await.status, 200);
}

#[tokio::test]
async fn a_kept_connection_answers_again() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    for body in ["first", "second"] {
        server
            .send(&mut stream, &post("/mcp", "Authorization: Bearer TOKEN\r\n", body))
            .await;
        let answer = next_answer(&mut stream).await;
        assert_eq!((answer.status, &answer.json()["body"]), (200, &json!(body)));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_heads_and_idle_connections_are_cut() {
    let server = Server::start(|_| {}).await;
    for (begun, seconds) in [("", 2), ("POST /mcp HTTP/1.1\r\nHost: local", 10)] {
        let mut stream = server.connect().await;
        let start = Instant::now();
        server.send(&mut stream, begun).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(seconds) && waited < Duration::from_secs(seconds + 1),
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_wait_a_little_and_are_refused() {
    let server = Server::with_places(1, |_| {}).await;
    let mut first = server.connect().await;
    server
        .send(&mut first, &post("/mcp", "Authorization: Bearer TOKEN\r\n", "hold"))
        .await;
    server.held.notified().await;
    let answer = server.post("/mcp", "", "{}").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1") && answer.error().contains("max_requests"));
    assert_eq!(server.get("/health", "").await.status, 200, "health takes no turn");
    assert_eq!(server.bare("").await.status, 401, "a stranger takes no turn");
    server.release.notify_one();
    assert_eq!(next_answer(&mut first).await.status, 200);
    assert_eq!(
        server.post("/mcp", "", "{}").await.status,
        200,
        "the turn is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let server = Server::start(|_| {}).await;
    let start = Instant::now();
    let answer = server.post("/mcp", "", "forever").await;
    assert_eq!(answer.status, 504);
    assert!(answer.error().contains("75 seconds"));
    assert!(start.elapsed() >= Duration::from_secs(75));
}

#[tokio::test(start_paused = true)]
async fn a_strangers_request_is_given_up_sooner() {
    let server = Server::start(|_| {}).await;
    let unfinished =
        "POST /oauth/token HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{";
    let answer = server.raw(unfinished).await;
    assert_eq!(answer.status, 408);
    assert!(answer.error().contains("longer than 10 seconds"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn an_answer_keeps_its_turn_until_it_ends_or_breaks_off() {
    let server = Server::with_places(1, |_| {}).await;
    let start = Instant::now();
    let mut streaming = server.connect().await;
    server
        .send(
            &mut streaming,
            &post("/mcp", "Authorization: Bearer TOKEN\r\n", "stream"),
        )
        .await;
    assert_ne!(streaming.read(&mut [0; 1024]).await.unwrap(), 0);
    assert_eq!(server.post("/mcp", "", "{}").await.status, 503);
    let mut rest = Vec::new();
    let _ = streaming.read_to_end(&mut rest).await;
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "it broke off, and does not look complete"
    );
    assert!(start.elapsed() >= Duration::from_secs(75));
    assert_eq!(server.post("/mcp", "", "{}").await.status, 200);
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = Server::start(|_| {}).await;
    let mut stream = server.connect().await;
    let long = format!(
        "GET /health HTTP/1.1\r\nHost: localhost:PORT\r\nX: {}",
        "x".repeat(100_000)
    );
    let long = long.replace("PORT", &server.port.to_string());
    // The server may have closed before all of it is written.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert_ne!(Answer::parse(&bytes).status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::start(|_| {}).await;
    let unfinished = "POST /mcp HTTP/1.1\r\nHost: localhost:PORT\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{";
    assert_eq!(server.raw(unfinished).await.status, 408);
}

#[tokio::test(start_paused = true)]
async fn strangers_who_send_slowly_keep_nobody_out() {
    let server = Server::start(|_| {}).await;
    let head = "POST /oauth/token HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 100\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..numbers::STRANGERS_REQUESTS {
        let mut stream = server.connect().await;
        server.send(&mut stream, head).await;
        slow.push(stream);
    }
    let answer = server.get("/.well-known/oauth-authorization-server", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Nor may they stay for ever.
    assert_eq!(next_answer(&mut slow[0]).await.status, 408);
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_slowly_holds_no_place() {
    let server = Server::with_places(4, |_| {}).await;
    let begun = "Host: localhost:PORT\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n";
    let length = format!("POST /mcp HTTP/1.1\r\n{begun}Content-Length: 9\r\n\r\n{{");
    let chunked = format!("POST /mcp HTTP/1.1\r\n{begun}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n");
    let mut slow = Vec::new();
    for begun in [&length, &chunked].into_iter().cycle().take(16) {
        let mut stream = server.connect().await;
        server.send(&mut stream, begun).await;
        slow.push(stream);
    }
    assert_eq!(server.post("/mcp", "", "{}").await.status, 200);
    for stream in &mut slow {
        let answer = next_answer(stream).await;
        assert_eq!(answer.status, 408, "it was given time: {}", answer.body);
    }
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way_and_takes_nothing_new() {
    let server = Server::start(|_| {}).await;
    assert!(server.takes_calls().await);
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    server
        .send(&mut idle, &post("/mcp", "Authorization: Bearer TOKEN\r\n", "{}"))
        .await;
    next_answer(&mut idle).await;
    server
        .send(&mut busy, &post("/mcp", "Authorization: Bearer TOKEN\r\n", "hold"))
        .await;
    server.held.notified().await;
    server.shutdown.cancel();
    assert_eq!(
        idle.read(&mut [0; 1]).await.unwrap(),
        0,
        "an idle connection is closed at once"
    );
    assert!(!server.takes_calls().await);
    server.release.notify_one();
    assert_eq!(next_answer(&mut busy).await.status, 200);
    server.running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_drops_what_does_not_finish() {
    let server = Server::start(|_| {}).await;
    let mut stuck = server.connect().await;
    server
        .send(&mut stuck, &post("/mcp", "Authorization: Bearer TOKEN\r\n", "forever"))
        .await;
    server.held.notified().await;
    let start = Instant::now();
    server.shutdown.cancel();
    server.running.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    let mut rest = Vec::new();
    let _ = stuck.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[test]
fn only_a_protected_door_is_open_to_other_machines() {
    for address in ["127.0.0.1:7777", "127.0.0.2:1", "[::1]:7777"] {
        assert!(ensure_protected(address.parse().unwrap(), false).is_ok());
    }
    for address in ["0.0.0.0:7777", "192.168.1.2:7777", "[::]:7777"] {
        assert!(ensure_protected(address.parse().unwrap(), true).is_ok());
        let refusal = ensure_protected(address.parse().unwrap(), false).unwrap_err();
        assert!(refusal.to_string().contains("127.0.0.1"), "{refusal}");
    }
}
