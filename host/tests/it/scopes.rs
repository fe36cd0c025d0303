//! What a caller was given, it may use and see; of the rest it learns nothing, and is told how to ask for more.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use berth::assemble::Setup;
use berth::config::Installation;
use berth::desk::{By, Caller, ToolAnswer, ToolError};
use berth::mcp::{self, Client, Server};
use berth::owner::{Claim, Owner};
use berth::principal::{Backends, Principal, Scope, StepUp};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::berth::{PATIENCE, Place};

/// What a caller with the backend `plain` alone is to see of `ALL`.
const ALONE: &str = r#"
default_backend = "plain"

[backends.plain]
plugin = "./misbehaving.wasm"
read_tools = ["noop"]
settings.tools = ["noop", "remember"]

[tools.alias.shout]
tool = "send_message"
arguments = { session_id = "plain/calm-1" }

[tools.alias.calm]
tool = "get_logs"
arguments = { session_id = "calm-1" }
"#;

/// The same backend beside others: one has a tool of its own, one cannot list its sessions, and aliases lead to both.
const ALL: &str = r#"
default_backend = "veiled"

[backends.plain]
plugin = "./misbehaving.wasm"
read_tools = ["noop"]
settings.tools = ["noop", "remember"]

[backends.veiled]
plugin = "./misbehaving.wasm"
settings.tools = ["noop", "remember", "echo"]

[backends.zipped]
plugin = "./misbehaving.wasm"
settings = { tools = ["noop", "remember"], list = "fail" }

[tools.alias.shout]
tool = "send_message"
arguments = { session_id = "plain/calm-1" }

[tools.alias.veil_noop]
tool = "noop"
arguments = { backend = "veiled" }

[tools.alias.veil_list]
tool = "list_sessions"
arguments = { backend = "veiled" }

[tools.alias.zip_read]
tool = "get_logs"
arguments = { session_id = "zipped/calm-1" }

[tools.alias.zip_fetch]
tool = "fetch"
arguments = { id = "zipped/calm-1" }

[tools.alias.calm]
tool = "get_logs"
arguments = { session_id = "calm-1" }
"#;

/// The owner of a place, in this process.
struct House {
    owner: Owner,
    shutdown: CancellationToken,
    _place: Place,
}

impl House {
    async fn new(config: &str) -> Self {
        let place = Place::new(config);
        let installation = Installation {
            berth: env!("CARGO_BIN_EXE_berth").as_ref(),
            plugins: &[],
        };
        let file = place.path("config.toml");
        let setup = Setup::load(Some(&file), &installation).unwrap();
        let shutdown = CancellationToken::new();
        let base = "http://localhost".to_owned();
        let owner = Owner::start(&setup, Claim::take(&setup, "test").unwrap(), base, None, &shutdown);
        let owner = owner.await.unwrap();
        owner.desk.present().settled(PATIENCE).await;
        Self {
            owner,
            shutdown,
            _place: place,
        }
    }

    /// These backends, as they mean now what was approved.
    fn only<const N: usize>(&self, names: [&str; N]) -> Backends {
        let present = self.owner.desk.present();
        let meaning = |name: &str| present.meaning(name).unwrap_or("what it meant").to_owned();
        Backends::Only(names.map(|name| (name.to_owned(), meaning(name))).into())
    }

    fn server(&self) -> Server {
        let (desk, recorder) = (self.owner.desk.clone(), self.owner.recorder.clone());
        Server::new(
            desk,
            recorder,
            self.owner.admission.clone(),
            TaskTracker::new(),
            self.shutdown.clone(),
        )
    }

    async fn call(&self, principal: &Principal, tool: &str, arguments: &Value) -> Result<ToolAnswer, ToolError> {
        let caller = Caller {
            principal: principal.clone(),
            gone: CancellationToken::new(),
            ending: self.shutdown.clone(),
            place: self.owner.admission.place(principal).await.unwrap(),
            by: By::Program,
            takes_tasks: false,
        };
        let arguments = arguments.as_object().unwrap().clone();
        self.owner
            .desk
            .call(&caller, &self.owner.recorder, tool, arguments)
            .await
    }

    /// The words of a call that comes to nothing.
    async fn error(&self, principal: &Principal, tool: &str, arguments: Value) -> String {
        self.call(principal, tool, &arguments).await.unwrap_err().to_string()
    }

    /// Each tool that `principal` sees, with all that it sees of it.
    fn tools(&self, principal: &Principal) -> BTreeMap<String, (Scope, String, Map<String, Value>)> {
        let catalog = self.owner.desk.present().catalog();
        let tools = catalog.tools_of(principal);
        tools
            .map(|(tool, scope)| (tool.name.clone(), (scope, tool.description.clone(), tool.input.clone())))
            .collect()
    }

    /// What the endpoint answers to a request at `path` that speaks for `principal`, with what the front door learns in its
    /// extensions.
    async fn post(&self, path: &str, principal: Principal, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
        let service = mcp::http_service(self.server(), 1 << 20, Vec::new(), Vec::new());
        let mut request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .extension(principal.clone());
        let step_up = StepUp::default();
        if principal.may_ask_for_more() {
            request = request.extension(step_up.clone());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let routes = Router::new().route("/mcp", service.clone()).route("/", service);
        let mut response = routes.oneshot(request).await.unwrap();
        response.extensions_mut().insert(step_up);
        response
    }

    /// The status and the body of the answer to a call of `tool`, which no approval could change.
    async fn ask(&self, principal: Principal, tool: &str) -> (StatusCode, Value) {
        let answer = self.post("/mcp", principal, &[], &call_of(tool)).await;
        assert_eq!(refused(&answer), None);
        (answer.status(), json_of(answer).await)
    }
}

/// In what words a call was refused for want of a scope, if it was.
fn refused(answer: &Response<Body>) -> Option<&str> {
    answer.extensions().get::<StepUp>()?.refused()
}

fn call_of(tool: &str) -> Value {
    let params = json!({"name": tool, "arguments": {"session_id": "plain/calm-1", "message": "hello"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

async fn json_of(answer: Response<Body>) -> Value {
    serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap()
}

fn app(scope: Scope) -> Principal {
    Principal::new("app:Claude#1", scope, Backends::All)
}

/// Arguments of all kinds, for any tool: about what is there, what is hidden, and what never was.
fn attempts() -> Vec<Value> {
    let mut attempts = vec![
        json!({}),
        json!({"query": ""}),
        json!({"query": "calm"}),
        json!({"text": "x"}),
    ];
    for backend in ["plain", "veiled", "zipped", "absent", "", "VEILED"] {
        attempts.push(json!({"backend": backend}));
        attempts.push(json!({"backend": backend, "text": "x"}));
        attempts.push(json!({"backend": backend, "state": "idle"}));
        attempts.push(json!({"query": backend}));
        for id in ["calm-1", "asks-1", "absent", ""] {
            let id = format!("{backend}/{id}");
            attempts.push(json!({"id": id}));
            attempts.push(json!({"session_id": id}));
            attempts.push(json!({"session_id": id, "queued": true}));
            attempts.push(json!({"session_id": id, "message": "hello"}));
            attempts.push(json!({"session_id": id, "response": "no"}));
        }
    }
    for id in ["calm-1", "calm", "c", "absent", "veiled", "zipped"] {
        attempts.push(json!({"id": id}));
        attempts.push(json!({"session_id": id}));
    }
    attempts.push(json!({"session_id": "plain/calm-1", "wait_seconds": 1}));
    attempts.push(json!({"message": "only for shout"}));
    attempts
}

/// An answer without the id of the message that was sent, which is another each time.
fn without_id(mut answered: Result<ToolAnswer, ToolError>) -> Result<ToolAnswer, ToolError> {
    if let Ok(ToolAnswer {
        structured: Some(Value::Object(fields)),
        ..
    }) = &mut answered
    {
        fields.remove("message_id");
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_that_a_caller_may_not_know_of_are_to_it_as_if_they_did_not_exist() {
    let (alone, all) = (House::new(ALONE).await, House::new(ALL).await);
    let names: Vec<String> = all.tools(&Principal::local()).into_keys().collect();
    assert_eq!(names.len(), 14 + 3 + 6);
    for scope in Scope::ALL {
        let of = |house: &House| Principal::new("app:Claude#1", scope, house.only(["plain"]));
        let (caller, other) = (of(&all), of(&alone));
        assert_eq!(all.tools(&caller), alone.tools(&other), "{scope}");
        for tool in names.iter().map(String::as_str).chain(["absent", ""]) {
            for arguments in attempts() {
                let seen = all.call(&caller, tool, &arguments).await;
                let expected = alone.call(&other, tool, &arguments).await;
                assert_eq!(without_id(seen), without_id(expected), "{scope} {tool} {arguments}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_may_know_of_all_backends_sees_them() {
    let house = House::new(ALL).await;
    let listed = house
        .call(&Principal::local(), "list_sessions", &json!({}))
        .await
        .unwrap();
    let listed = listed.structured.unwrap();
    assert_eq!(listed["errors"][0]["backend"], "zipped");
    for backend in ["plain", "veiled"] {
        let sessions = listed["sessions"].as_array().unwrap().iter();
        assert_eq!(sessions.filter(|session| session["backend"] == backend).count(), 3);
    }
    let said = house
        .call(&Principal::local(), "echo", &json!({"text": "a"}))
        .await
        .unwrap();
    assert_eq!(said.text.unwrap(), "a");
}

#[tokio::test]
async fn a_caller_without_the_default_backend_says_which_one_it_means() {
    let house = House::new(ALL).await;
    let caller = Principal::new("token:script#1", Scope::Control, house.only(["plain", "zipped"]));
    let error = house.error(&caller, "create_session", json!({})).await;
    assert_eq!(error, "say which backend; there are: plain, zipped");
    let error = house.error(&caller, "remember", json!({"text": "a"})).await;
    assert_eq!(error, "remember: say which backend: plain, zipped");
    let projects = house
        .call(&caller, "list_projects", &json!({}))
        .await
        .unwrap()
        .structured
        .unwrap();
    let defaults: Vec<_> = projects["backends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|backend| &backend["default"])
        .collect();
    assert_eq!(defaults, [false, false]);
}

#[tokio::test]
async fn a_caller_whose_backends_are_all_gone_is_told_so() {
    let house = House::new(ALL).await;
    let caller = Principal::new("token:script#1", Scope::Control, house.only(["removed"]));
    assert_eq!(house.tools(&caller).len(), 15, "the shared ones, and an alias of one");
    for (tool, arguments) in [
        ("list_sessions", json!({})),
        ("create_session", json!({})),
        ("search", json!({"query": ""})),
        ("get_logs", json!({"session_id": "calm-1"})),
    ] {
        let error = house.error(&caller, tool, arguments).await;
        assert!(error.contains("there is no backend for you"), "{tool}: {error}");
    }
}

#[tokio::test]
async fn who_may_only_read_sees_and_calls_only_what_changes_nothing() {
    let house = House::new(ALL).await;
    let reader = Principal::new("token:script#1", Scope::Read, Backends::All);
    let acting = [
        "create_session",
        "echo",
        "interrupt_session",
        "noop",
        "remember",
        "respond_to_prompt",
        "send_message",
        "set_session",
        "shout",
        "terminate_session",
        "veil_noop",
    ];
    let seen = house.tools(&reader);
    let every = house.tools(&Principal::local());
    let hidden: Vec<_> = every.keys().filter(|tool| !seen.contains_key(*tool)).collect();
    assert_eq!(hidden, acting);
    assert!(seen.values().all(|(scope, ..)| *scope == Scope::Read));
    for tool in acting {
        // Nothing else is looked at, such as arguments that it would refuse.
        let error = house.error(&reader, tool, json!({"nonsense": true})).await;
        assert!(
            error.starts_with(&format!("`{tool}` needs sessions:control, ")),
            "{error}"
        );
    }
    let error = house.error(&reader, "absent", json!({})).await;
    assert!(acting.iter().all(|tool| !error.contains(tool)), "{error}");
}

#[tokio::test]
async fn an_own_tool_that_only_reads_in_the_backends_of_a_caller_is_one_that_it_may_call() {
    let house = House::new(ALL).await;
    let reader = Principal::new("token:script#1", Scope::Read, house.only(["plain"]));
    assert_eq!(house.tools(&reader)["noop"].0, Scope::Read);
    let done = house.call(&reader, "noop", &json!({"backend": "plain"})).await.unwrap();
    assert_eq!(done.text.unwrap(), "done");
    let both = Principal::new("token:script#2", Scope::Read, house.only(["plain", "veiled"]));
    let error = house.error(&both, "noop", json!({"backend": "plain"})).await;
    assert!(error.contains("sessions:control"), "{error}");
}

#[tokio::test]
async fn an_app_that_calls_beyond_its_scope_is_challenged_to_ask_for_more() {
    let house = House::new(ALL).await;
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "send_message"),
    ];
    let versioned = {
        let mut call = call_of("send_message");
        call["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        call
    };
    for (headers, body) in [
        (&[][..], call_of("send_message")),
        (&[], call_of("shout")),
        (&modern, versioned),
    ] {
        let answer = house.post("/mcp", app(Scope::Read), headers, &body).await;
        let why = refused(&answer).unwrap_or_else(|| panic!("not refused: {body}"));
        assert!(why.contains("needs sessions:control"), "{why}");
    }
}

#[tokio::test]
async fn an_app_is_not_challenged_for_what_it_may_do_or_could_not_get() {
    let house = House::new(ALL).await;
    let (status, answer) = house.ask(app(Scope::Read), "get_logs").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, answer) = house.ask(app(Scope::Control), "send_message").await;
    assert_eq!((status, &answer["result"]["isError"]), (StatusCode::OK, &json!(false)));
    let (status, answer) = house.ask(app(Scope::Read), "absent").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let veiled = Principal::new("app:Claude#1", Scope::Read, house.only(["plain"]));
    let (status, answer) = house.ask(veiled, "echo").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn who_cannot_ask_for_more_is_answered_by_the_tool() {
    let house = House::new(ALL).await;
    for principal in [app(Scope::Control).only_reading(), Principal::local().only_reading()] {
        let (status, answer) = house.ask(principal, "send_message").await;
        assert_eq!((status, &answer["result"]["isError"]), (StatusCode::OK, &json!(true)));
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("sessions_may_control"), "{text}");
    }
}

/// To clients of the later revisions a tool that is not there is an error of the protocol; then a hidden one is, too.
#[tokio::test]
async fn a_hidden_tool_is_answered_like_one_that_never_was_whatever_the_revision() {
    let house = House::new(ALL).await;
    let caller = Principal::new("app:Claude#1", Scope::Control, house.only(["plain"]));
    let mut answers = Vec::new();
    for tool in ["echo", "ohce"] {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        let mut call = call_of(tool);
        call["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let answer = house.post("/mcp", caller.clone(), &headers, &call).await;
        let status = answer.status();
        answers.push((status, json_of(answer).await.to_string().replace(tool, "TOOL")));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn the_list_of_a_client_is_its_callers_own() {
    let house = House::new(ALL).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for principal in [
        app(Scope::Control),
        app(Scope::Read),
        Principal::new("app:Claude#1", Scope::Read, house.only(["plain"])),
    ] {
        let answer = json_of(house.post("/mcp", principal.clone(), &[], &body).await).await;
        let listed: BTreeMap<_, _> = answer["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| {
                (
                    tool["name"].as_str().unwrap(),
                    tool["annotations"]["readOnlyHint"].as_bool().unwrap(),
                )
            })
            .collect();
        let tools = house.tools(&principal);
        let expected = tools
            .iter()
            .map(|(name, (scope, ..))| (name.as_str(), *scope == Scope::Read));
        assert_eq!(listed, expected.collect());
        assert_eq!(answer["result"]["cacheScope"], "private");
    }
}

#[tokio::test]
async fn a_stream_speaks_for_one_principal() {
    let house = House::new(ALL).await;
    let reader = Principal::new("token:script#1", Scope::Read, house.only(["plain"]));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    let server = house.server().for_principal(reader.clone());
    let (shutdown, moving) = (house.shutdown.clone(), CancellationToken::new());
    tokio::spawn(mcp::serve_stream(server, read, write, shutdown, moving));
    let client = Client::connect(theirs).await.unwrap();
    let listed = client.tools().await.unwrap();
    let names: Vec<_> = listed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        house.tools(&reader).keys().map(String::as_str).collect::<Vec<_>>()
    );
    let called = client.call("send_message", Map::new()).await.unwrap();
    assert!(
        called.failed && called.text.contains("sessions:control"),
        "{}",
        called.text
    );
}
