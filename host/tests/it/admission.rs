//! Who is let in while others try to take everything: strangers, those who only read, what runs in a session. None of
//! them shuts out the operator.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth::store::DataDirectory;
use futures::future::join_all;
use reqwest::header;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place, called, message};
use crate::connector::Connector;
use crate::demo::until;
use crate::oauth::{BACKENDS, PUBLIC, serve};

/// A backend whose sessions never come to rest, for its list never comes.
const RESTLESS: &str = r#"
[backends.one]
plugin = "misbehaving.wasm"
settings.list = "twins"
"#;

/// Connections of one who wants all.
const MANY: usize = 600;

async fn house(config: &str, server: &str) -> (Place, Berth) {
    let place = Place::with_server(config, server);
    let berth = Berth::serve(&place).await;
    (place, berth)
}

fn address(berth: &Berth) -> &str {
    berth.base.strip_prefix("http://").unwrap()
}

async fn token(place: &Place, scope: &str) -> String {
    let ran = place.run(&["tokens", "create", "--scope", scope]).await;
    assert!(ran.success, "{}", ran.stderr);
    ran.stdout.trim().to_owned()
}

/// Anybody asks how it is, and the operator calls a tool, by a client that was not there before.
async fn answers(berth: &Berth) {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let health = client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let body = call(1, "get_session_status", &json!({"session_id": "one/calm-1"}));
    let request = berth.request(&body).build().unwrap();
    called(&message(client.execute(request).await.unwrap()).await).done();
}

fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

/// Whether the other end has neither said anything nor left.
fn holds(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The entries of the record about those who were turned away.
async fn turned_away(place: &Place) -> Vec<Value> {
    let ran = place.run(&["audit", "--json", "--outcome", "refused"]).await;
    let entries = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    entries
        .filter(|entry: &Value| entry["event"] == "turned-away")
        .collect()
}

#[tokio::test]
async fn strangers_that_stay_or_come_back_keep_nobody_out() {
    let (place, berth) = house(BACKENDS, "").await;
    for begun in [
        "",
        "G",
        "GET /health HTTP/1.1\r\nHost: localhost\r\n",
        "POST /oauth/token HTTP/1.1\r\nHost: HERE\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let mut open = Vec::new();
        for _ in 0..MANY {
            let mut stream = TcpStream::connect(address(&berth)).await.unwrap();
            // It may have made room for another already.
            let begun = begun.replace("HERE", address(&berth));
            let _ = stream.write_all(begun.as_bytes()).await;
            open.push(stream);
        }
        answers(&berth).await;
        assert!(open.iter().any(holds), "they are still there: {begun:?}");
    }
    let there = address(&berth).to_owned();
    let coming_back = tokio::spawn(async move {
        let mut open = std::collections::VecDeque::new();
        loop {
            open.extend(TcpStream::connect(&there).await);
            if open.len() > MANY {
                open.pop_front();
            }
        }
    });
    for _ in 0..10 {
        answers(&berth).await;
    }
    assert!(!coming_back.is_finished());
    coming_back.abort();
    let entries = turned_away(&place).await;
    let strangers: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["principal"] == "127.0.0.1")
        .collect();
    assert!((1..=60).contains(&strangers.len()), "{entries:?}");
    assert!(
        strangers[0]["text"].as_str().unwrap().contains("a connection"),
        "{strangers:?}"
    );
}

#[tokio::test]
async fn slow_bodies_of_one_who_reads_keep_nobody_from_acting() {
    let (place, berth) = house(BACKENDS, "max_requests = 8").await;
    for scope in ["sessions:read", "sessions:control"] {
        let token = token(&place, scope).await;
        for body in [
            "Content-Length: 99\r\n\r\n{",
            "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
            "Content-Length: 1000000\r\n\r\n{",
        ] {
            let head = format!(
                "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{body}",
                address(&berth)
            );
            let mut slow = Vec::new();
            for _ in 0..64 {
                let mut stream = TcpStream::connect(address(&berth)).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                slow.push(stream);
            }
            answers(&berth).await;
            let ran = place
                .run(&["call", "get_session_status", "{\"session_id\": \"one/calm-1\"}"])
                .await;
            assert!(ran.success, "{}", ran.stderr);
            assert!(slow.iter().any(holds), "they are still sending: {scope} {body:?}");
        }
    }
}

/// Connects again and again from a thread of its own, as fast as it can, until it is dropped. So many stay open.
struct Flood {
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Flood {
    fn start(berth: &Berth, says: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (address, until) = (address(berth).to_owned(), ended.clone());
        let says = says.replace("HERE", &address);
        let thread = std::thread::spawn(move || {
            let mut open = std::collections::VecDeque::new();
            let mut made = 0;
            while !until.load(Ordering::Relaxed) {
                let Ok(mut stream) = std::net::TcpStream::connect(&address) else {
                    continue;
                };
                // It may have made room for another already. Ports are given back at once, or there would be none.
                let _ = std::io::Write::write_all(&mut stream, says.as_bytes());
                let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                open.push_back(stream);
                made += 1;
                if open.len() > MANY {
                    open.pop_front();
                }
            }
            made
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }

    /// Ends it, and answers how many connections it made.
    fn end(mut self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn whoever_connects_without_end_keeps_no_new_connection_out() {
    let (_place, berth) = house(BACKENDS, "").await;
    for says in [
        "",
        "G",
        "GET /mcp HTTP/1.1\r\nHost: HERE\r\n",
        "GET /mcp HTTP/1.1\r\nHost: HERE\r\n\r\n",
        "POST /oauth/token HTTP/1.1\r\nHost: HERE\r\nContent-Length: 9\r\n\r\n{",
    ] {
        let flood = Flood::start(&berth, says);
        for _ in 0..40 {
            answers(&berth).await;
        }
        let made = flood.end();
        assert!(made > MANY, "{made} connections are not a flood: {says:?}");
    }
}

/// Has `count` calls of the holder of `token` wait; they go on in the background.
fn wait_with(berth: &Berth, token: &str, count: usize) -> Vec<tokio::task::JoinHandle<reqwest::Response>> {
    let arguments = json!({"session_id": "one/calm-1", "wait_seconds": 50});
    let body = call(1, "get_session_status", &arguments);
    let request = || {
        let request = berth.client.post(berth.endpoint()).bearer_auth(token).json(&body);
        let request = request.header(header::ACCEPT, "application/json, text/event-stream");
        request.timeout(Duration::from_secs(70)).send()
    };
    let calls = (0..count).map(|_| request());
    calls
        .map(|call| tokio::spawn(async move { call.await.unwrap() }))
        .collect()
}

#[tokio::test]
async fn waits_of_those_who_read_leave_places_and_waits_to_the_operator() {
    let (place, berth) = house(RESTLESS, "max_requests = 8").await;
    let tokens = [
        token(&place, "sessions:read").await,
        token(&place, "sessions:read").await,
    ];
    let mut waiting = Vec::new();
    for token in &tokens {
        let mut calls = wait_with(&berth, token, 64);
        // Half of them are told at once that they are too many; the others hold.
        until("the refusal of half of them", async || {
            (calls.iter().filter(|call| call.is_finished()).count() == 32).then_some(())
        })
        .await;
        while let Some(index) = calls.iter().position(tokio::task::JoinHandle::is_finished) {
            let refused = called(&message(calls.swap_remove(index).await.unwrap()).await).error();
            assert!(refused.contains("wait_seconds"), "{refused}");
        }
        waiting.extend(calls);
        answers(&berth).await;
        let wait = json!({"session_id": "one/calm-1", "wait_seconds": 1});
        berth.call("get_session_status", wait.clone()).await.done();
        let ran = place.run(&["call", "get_session_status", &wait.to_string()]).await;
        assert!(ran.success, "{}", ran.stderr);
    }
    assert!(waiting.len() == 64 && waiting.iter().all(|call| !call.is_finished()));
    let entries = turned_away(&place).await;
    assert!(
        entries
            .iter()
            .any(|entry| entry["text"].as_str().unwrap().contains("calls that wait")),
        "{entries:?}"
    );
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn all_of_them_together_keep_the_operator_from_nothing() {
    let (place, berth) = house(RESTLESS, "").await;
    let token = token(&place, "sessions:read").await;
    let mut waiting = wait_with(&berth, &token, 64);
    until("the refusal of half of the waits", async || {
        (waiting.iter().filter(|call| call.is_finished()).count() == 32).then_some(())
    })
    .await;
    waiting.retain(|call| !call.is_finished());
    let slow_body = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 99\r\n\r\n{{",
        address(&berth)
    );
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(address(&berth)).await.unwrap();
        stream.write_all(slow_body.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let mut strangers = Vec::new();
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(address(&berth)).await.unwrap();
        // It may have made room for another already.
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\n").await;
        strangers.push(stream);
    }
    answers(&berth).await;
    let status = "{\"session_id\": \"one/calm-1\"}";
    let ran = place.run(&["call", "get_session_status", status]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert!(strangers.iter().any(holds), "strangers are still there");
    assert!(slow.iter().all(holds), "all bodies are still on their way");
    assert!(
        waiting.len() == 32 && waiting.iter().all(|call| !call.is_finished()),
        "all waits go on"
    );
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A client of the unix socket that has said hello.
struct Local<S = UnixStream>(BufReader<S>);

impl Local {
    async fn connect(place: &Place) -> UnixStream {
        UnixStream::connect(place.path("data/berth.sock")).await.unwrap()
    }

    async fn greet(place: &Place) -> Self {
        Self::greet_over(Self::connect(place).await).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Local<S> {
    async fn greet_over(stream: S) -> Self {
        let mut local = Self(BufReader::new(stream));
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
        }});
        let answer = local.ask(&hello).await;
        assert!(answer["result"]["serverInfo"].is_object(), "{answer}");
        local
    }

    async fn ask(&mut self, request: &Value) -> Value {
        self.0.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line))
            .await
            .expect("no answer")
            .unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

#[tokio::test]
async fn the_unix_socket_bears_idle_clients_and_many_at_work() {
    // As often as in the shipped configuration.
    let (place, _berth) = house(BACKENDS, "rates = { tools = 600 }").await;
    let silent = join_all((0..64).map(|_| Local::connect(&place))).await;
    let mut stdio = Vec::new();
    for _ in 0..100 {
        stdio.push(Local::greet(&place).await);
    }
    let ran = place
        .run(&["call", "get_session_status", "{\"session_id\": \"one/calm-1\"}"])
        .await;
    assert!(ran.success, "{}", ran.stderr);
    // Those that never said a word are told so and closed; the others stay.
    for mut stream in silent {
        let mut said = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut said))
            .await
            .expect("it stays")
            .unwrap();
        assert!(
            said.is_empty() || said.contains("nothing was asked within 10 seconds"),
            "{said}"
        );
    }
    for (client, id) in stdio.iter_mut().zip(1..) {
        let answer = client
            .ask(&call(id, "get_session_status", &json!({"session_id": "one/calm-1"})))
            .await;
        called(&answer).done();
    }
}

/// Asks `count` times for a session's status, and answers how often it was told, and the words of the last refusal.
async fn ask_often(client: &mut Local<impl AsyncRead + AsyncWrite + Unpin>, count: u32) -> (usize, String) {
    let (mut told, mut refused) = (0, String::new());
    for id in 1..=count {
        let status = call(id, "get_session_status", &json!({"session_id": "one/calm-1"}));
        match called(&client.ask(&status).await) {
            answer if answer.failed => refused = answer.text,
            _ => told += 1,
        }
    }
    (told, refused)
}

#[tokio::test]
async fn a_process_in_a_session_asks_over_the_socket_only_so_often_and_leaves_the_operators_turns_alone() {
    let (place, berth) = house(BACKENDS, "rates = { tools = 30 }").await;
    let config = place.name("config.toml");
    let mut command = place.command(&["stdio", "--config", &config]);
    command.env(berth::peer::MARK, "one");
    let mut stdio = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let relayed = tokio::io::join(stdio.stdout.take().unwrap(), stdio.stdin.take().unwrap());
    let mut session = Local::greet_over(relayed).await;
    let (told, refused) = ask_often(&mut session, 120).await;
    assert!(
        refused.contains("try again in ") && refused.contains(" s ([server.rates] tools"),
        "{refused}"
    );
    let ping = json!({"jsonrpc": "2.0", "id": 200, "method": "tools/list"});
    let error = session.ask(&ping).await["error"]["message"].to_string();
    assert!(error.contains("try again in "), "every request counts: {error}");
    let entries = place
        .run(&["audit", "--json", "--principal", "local in a session"])
        .await
        .stdout;
    let calls = entries
        .lines()
        .filter(|line| line.contains("\"event\":\"call\""))
        .count();
    assert_eq!(calls, told, "a refusal has no entry of a call");
    let ran = place
        .run(&["call", "get_session_status", "{\"session_id\": \"one/calm-1\"}"])
        .await;
    assert!(ran.success, "{}", ran.stderr);
    answers(&berth).await;
    let entries = turned_away(&place).await;
    let of_session = |entry: &&Value| entry["principal"] == "local in a session";
    assert!(
        (1..=6).contains(&entries.iter().filter(of_session).count()),
        "{entries:?}"
    );
}

#[tokio::test]
async fn whatever_carries_a_callers_requests_they_count_together() {
    let (place, berth) = house(BACKENDS, "rates = { tools = 30 }").await;
    let (_, refused) = ask_often(&mut Local::greet(&place).await, 120).await;
    assert!(refused.contains("too often"), "{refused}");
    let complaint = place.complaint(&["call", "list_sessions"]).await;
    assert!(complaint.contains("too often; try again in "), "{complaint}");
    let request = berth.request(&call(1, "list_sessions", &json!({})));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_client_that_cancels_its_calls_is_answered_as_before() {
    let (place, _berth) = house(BACKENDS, "").await;
    let mut client = Local::greet(&place).await;
    let wait = json!({"session_id": "one/calm-1", "wait_seconds": 30});
    for id in 1..=40 {
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        let both = format!("{}\n{cancelled}\n", call(id, "get_session_status", &wait));
        client.0.write_all(both.as_bytes()).await.unwrap();
    }
    let answer = client.ask(&call(41, "list_sessions", &json!({}))).await;
    assert_eq!(answer["id"], 41, "{answer}");
}

#[tokio::test]
async fn whoever_finds_the_unix_socket_full_is_told_so() {
    let (place, _berth) = house(BACKENDS, "").await;
    let mut open = Vec::new();
    while open.len() < 256 {
        open.push(Local::greet(&place).await);
    }
    let complaint = place.complaint(&["call", "list_sessions"]).await;
    assert!(
        complaint.contains("connections are open") && complaint.contains("end a client"),
        "{complaint}"
    );
    open.pop();
    let ran = until("room", async || {
        let ran = place
            .run(&["call", "get_session_status", "{\"session_id\": \"one/calm-1\"}"])
            .await;
        ran.success.then_some(ran)
    })
    .await;
    assert!(ran.stdout.contains("calm-1"), "{}", ran.stdout);
    assert!(!turned_away(&place).await.is_empty());
}

#[tokio::test]
async fn an_owner_that_does_not_answer_is_named_instead_of_waited_for() {
    let (place, mut berth) = house(BACKENDS, "").await;
    berth.terminate().await;
    let socket = place.path("data/berth.sock");
    let _ = std::fs::remove_file(&socket);
    let deaf = tokio::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let complaint = place.complaint(&["call", "list_sessions"]).await;
    assert!(complaint.contains("does not answer"), "{complaint}");
    drop(deaf);
}

#[tokio::test]
async fn registrations_from_one_address_keep_no_other_out() {
    let (place, berth) = serve("").await;
    let redirect = "https://claude.ai/api/mcp/auth_callback";
    let register = async |address: &str| {
        let mut connector = Connector::new(&berth, PUBLIC);
        connector.address = Some(address.to_owned());
        let server = connector.discover().await;
        let registered = connector.register(&server, redirect).await;
        assert_eq!(registered.status, 201, "{}", registered.text);
        registered.json()["client_id"].as_str().unwrap().to_owned()
    };
    let honest = register("198.51.100.1").await;
    for number in 1..=110 {
        register(&format!("2001:db8::{number:x}")).await;
    }
    let directory = DataDirectory::open(&place.path("data"), &place.path("own-cache")).unwrap();
    let clients = directory.access().unwrap().apps().unwrap();
    assert_eq!(clients.len(), 101, "a hundred of one network, and the other's");
    let mut connector = Connector::new(&berth, PUBLIC);
    let page = connector.log_in(&connector.authorize(&honest, redirect, &[])).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

/// Registers an app by a command that names another address, and answers the one that stands in the record.
#[cfg(target_os = "linux")]
async fn recorded_address(place: &Place, berth: &Berth, before: &[&str]) -> String {
    let body = json!({"client_name": "app", "redirect_uris": ["http://127.0.0.1/callback"]}).to_string();
    let mut command = std::process::Command::new(before[0]);
    command
        .args(&before[1..])
        .args(["curl", "-sS", "--noproxy", "*", "--max-time", "20"]);
    command.args(["-H", "Host: berth.example", "-H", "X-Forwarded-For: 203.0.113.9"]);
    command.args(["-H", "Content-Type: application/json", "-d", &body]);
    command.arg(format!("{}/oauth/register", berth.base)).current_dir("/");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("client_id"), "{before:?}: {answer} {output:?}");
    let ran = place.run(&["audit", "--json"]).await;
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "app-registered");
    last["principal"].as_str().unwrap().to_owned()
}

/// Only root can become another user; for everyone else the unit tests have the rule.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_header_of_a_proxy_counts_by_the_user_that_the_proxy_runs_as() {
    let own = ["env", "A=b"];
    let in_session = ["env", "BERTH_SESSION=local"];
    let other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let public = format!("public_url = \"{PUBLIC}\"\ntrusted_proxies = [\"127.0.0.1\"]\n");
    for (users, others) in [
        ("[]", "127.0.0.1"),
        ("[65534]", "203.0.113.9"),
        ("[\"nobody\"]", "203.0.113.9"),
    ] {
        let place = Place::with_server(BACKENDS, &format!("{public}proxy_users = {users}"));
        place.set_passphrase(crate::connector::PASSPHRASE).await;
        let berth = Berth::serve(&place).await;
        assert_eq!(recorded_address(&place, &berth, &own).await, "203.0.113.9");
        assert_eq!(recorded_address(&place, &berth, &in_session).await, "127.0.0.1");
        if rustix::process::geteuid().is_root() {
            assert_eq!(recorded_address(&place, &berth, &other).await, others, "{users}");
        }
    }
}
