//! The protocol as clients of all its revisions speak it, over HTTP and over stdio, and how a berth begins and ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::header;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::berth::{Berth, END, PATIENCE, Place, called, message};

const LOCAL: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
settings.tools = []
"#;

/// One that can be kept at work.
const BUSY: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
directories = ["projects"]
[backends.local.programs.sh]
control = [["-c", "@text"]]
timeout = "60s"
"#;

const TOOLS: [&str; 14] = [
    "check_prompts",
    "create_session",
    "fetch",
    "get_changes",
    "get_logs",
    "get_session_status",
    "interrupt_session",
    "list_projects",
    "list_sessions",
    "respond_to_prompt",
    "search",
    "send_message",
    "set_session",
    "terminate_session",
];

fn initialize(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    })
}

/// What 2026-07-28 wants in each request.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A request of 2026-07-28: `name` is the tool, where there is one.
fn modern(berth: &Berth, method: &str, name: Option<&str>, mut params: Value) -> reqwest::RequestBuilder {
    params["_meta"] = meta();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let request = berth
        .request(&body)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method);
    match name {
        Some(name) => request.header("Mcp-Name", name),
        None => request,
    }
}

fn names(tools: &Value) -> Vec<&str> {
    tools
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn every_revision_with_initialize_is_spoken() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = berth.ask("initialize", initialize(revision)).await;
        let result = &answer["result"];
        assert_eq!(result["protocolVersion"], revision, "{answer}");
        assert_eq!(result["serverInfo"]["name"], "berth");
        assert!(result["capabilities"]["tools"].is_object());
        let instructions = result["instructions"].as_str().unwrap();
        assert!(
            instructions
                .chars()
                .take(512)
                .collect::<String>()
                .contains("ask the person before you allow anything")
        );

        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let request = berth.request(&initialized).header("MCP-Protocol-Version", revision);
        assert_eq!(request.send().await.unwrap().status(), 202, "{revision}");
        for (method, params) in [
            ("tools/list", json!({})),
            ("tools/call", json!({"name": "list_sessions"})),
        ] {
            let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
            let request = berth.request(&body).header("MCP-Protocol-Version", revision);
            let answer = message(request.send().await.unwrap()).await;
            assert_eq!(answer["id"], "a");
            assert!(answer["result"].is_object(), "{revision} {method}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_revision_without_initialize_is_spoken() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let answer = message(modern(&berth, "server/discover", None, json!({})).send().await.unwrap()).await;
    let discovered = &answer["result"];
    let versions = discovered["supportedVersions"].as_array().unwrap();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        assert!(
            versions.iter().any(|version| version == revision),
            "{revision}: {answer}"
        );
    }
    assert!(discovered["capabilities"]["tools"].is_object(), "{answer}");
    assert!(
        discovered["ttlMs"].is_u64() && discovered["cacheScope"] == "private",
        "{answer}"
    );

    let listed = message(modern(&berth, "tools/list", None, json!({})).send().await.unwrap()).await;
    assert_eq!(names(&listed["result"]["tools"]), TOOLS);
    assert_eq!(listed["result"]["resultType"], "complete", "{listed}");
    assert!(listed["result"]["ttlMs"].is_u64());

    let call = modern(
        &berth,
        "tools/call",
        Some("list_sessions"),
        json!({"name": "list_sessions", "arguments": {}}),
    );
    let answer = message(call.send().await.unwrap()).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(
        called(&answer).done().structured["sessions"][0]["session_id"],
        "local/calm-1"
    );
}

#[tokio::test]
async fn headers_that_belie_the_body_and_unknown_revisions_are_refused() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let call = json!({"name": "list_sessions", "arguments": {}});
    let belied = modern(&berth, "tools/call", Some("terminate_session"), call)
        .send()
        .await
        .unwrap();
    assert_eq!(belied.status(), 400);
    assert_eq!(message(belied).await["error"]["code"], -32020);

    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let unknown = berth
        .request(&body)
        .header("MCP-Protocol-Version", "1999-01-01")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 400);

    let missing = modern(&berth, "nothing/here", None, json!({})).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(message(missing).await["error"]["code"], -32601);
}

#[tokio::test]
async fn what_is_not_there_is_an_error_of_the_protocol() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let calls = [
        ("prompts/get", "name", "nothing", "there are no prompts"),
        ("resources/read", "uri", "file:///etc/passwd", "there are no resources"),
    ];
    for (method, key, value, says) in calls {
        let answer = modern(&berth, method, Some(value), json!({key: value}))
            .send()
            .await
            .unwrap();
        let error = &message(answer).await["error"];
        assert_eq!(error["code"], -32602, "{method}: {error}");
        assert!(
            error["message"].as_str().unwrap().starts_with(says),
            "{method}: {error}"
        );
    }
    for (method, items) in [("prompts/list", "prompts"), ("resources/list", "resources")] {
        let answer = message(modern(&berth, method, None, json!({})).send().await.unwrap()).await;
        assert_eq!(answer["result"][items], json!([]), "{method}");
    }
    let discovered = message(modern(&berth, "server/discover", None, json!({})).send().await.unwrap()).await;
    let capabilities: Vec<&String> = discovered["result"]["capabilities"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(capabilities, ["extensions", "prompts", "resources", "tools"]);
}

#[tokio::test]
async fn a_plain_curl_gets_an_answer() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for accept in [None, Some("*/*")] {
        let mut request = berth
            .client
            .post(berth.endpoint())
            .bearer_auth(&berth.token)
            .body(body.clone());
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{accept:?}");
        assert_eq!(names(&message(response).await["result"]["tools"]), TOOLS);
    }
}

#[tokio::test]
async fn the_root_is_an_endpoint_too() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let response = berth
        .client
        .post(&berth.base)
        .bearer_auth(&berth.token)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(names(&message(response).await["result"]["tools"]), TOOLS);
}

#[tokio::test]
async fn there_are_no_streams_and_no_sessions_to_get_or_delete() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for request in [
        berth.client.get(berth.endpoint()),
        berth.client.delete(berth.endpoint()),
    ] {
        let request = request
            .bearer_auth(&berth.token)
            .header(header::ACCEPT, "text/event-stream");
        assert_eq!(request.send().await.unwrap().status(), 405);
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let without = berth.client.post(berth.endpoint()).json(&body).send().await.unwrap();
    assert_eq!(without.status(), 401);
    let way = format!(
        "resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"",
        berth.base
    );
    let challenge = without.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
    assert!(
        challenge.starts_with("Bearer ") && challenge.contains(&way),
        "{challenge}"
    );
    let told = without.text().await.unwrap();
    assert!(told.contains("berth token"), "{told}");
    let wrong = berth
        .client
        .post(berth.endpoint())
        .bearer_auth("x")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
}

#[tokio::test]
async fn an_open_door_lets_this_user_in_but_nothing_forwarded() {
    let place = Place::with_server(LOCAL, "open_on_loopback = true");
    let berth = Berth::serve(&place).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let plain = || berth.client.post(berth.endpoint()).json(&body);
    assert_eq!(plain().send().await.unwrap().status(), 200);
    for name in ["Forwarded", "X-Forwarded-For", "CF-Connecting-IP", "ngrok-trace-id"] {
        let refused = plain().header(name, "for=192.0.2.1").send().await.unwrap();
        assert_eq!(refused.status(), 401, "{name}");
        let told = refused.text().await.unwrap();
        assert!(
            told.contains("proxy or a tunnel") && told.contains("berth tokens create"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_everywhere() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for path in ["/mcp", "/", "/health"] {
        let address = format!("{}{path}", berth.base);
        for (name, value) in [
            ("Host", "evil.example"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
        ] {
            let request = berth.client.get(&address).bearer_auth(&berth.token).header(name, value);
            let status = request.send().await.unwrap().status();
            assert_eq!(status, 403, "{path} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn health_is_answered_to_all() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let response = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn the_fourteen_tools_say_all_that_clients_want_to_know() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let tools = berth.tools().await;
    assert_eq!(names(&Value::from(tools.clone())), TOOLS);
    for tool in &tools {
        for text in ["title", "description"] {
            assert!(
                tool[text].as_str().is_some_and(|text| !text.is_empty()),
                "{text} of {tool}"
            );
        }
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{schema} of {tool}");
            assert!(!tool[schema].to_string().contains("$ref"), "{schema} of {tool}");
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {tool}");
        }
    }
    let with = |hint: &str| -> Vec<&str> {
        tools
            .iter()
            .filter(|tool| tool["annotations"][hint] == true)
            .map(|tool| tool["name"].as_str().unwrap())
            .collect()
    };
    let reading = [
        "check_prompts",
        "fetch",
        "get_changes",
        "get_logs",
        "get_session_status",
        "list_projects",
        "list_sessions",
        "search",
    ];
    assert_eq!(with("readOnlyHint"), reading);
    assert_eq!(
        with("destructiveHint"),
        [
            "interrupt_session",
            "respond_to_prompt",
            "send_message",
            "terminate_session"
        ]
    );
}

/// Each property of `schema` and of the objects in it, with its path.
fn properties<'a>(path: &str, schema: &'a Value) -> Vec<(String, &'a Value)> {
    let named = schema["properties"].as_object().into_iter().flatten();
    let named = named.map(|(name, schema)| (format!("{path}.{name}"), schema));
    let mut all: Vec<_> = named.collect();
    for (path, schema) in all.clone() {
        all.extend(properties(&path, schema));
    }
    if schema["items"].is_object() {
        all.extend(properties(&format!("{path}[]"), &schema["items"]));
    }
    all
}

#[tokio::test]
async fn every_argument_and_every_field_is_described_in_plain_types() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for tool in berth.tools().await {
        let name = tool["name"].as_str().unwrap();
        for kind in ["inputSchema", "outputSchema"] {
            let schema = &tool[kind];
            for nothing in ["\"format\"", "\"null\"", "$ref", ":null", "oneOf", "anyOf"] {
                assert!(
                    !schema.to_string().contains(nothing),
                    "{name} {kind}: {nothing} in {schema}"
                );
            }
            // ChatGPT fixes the answers of these two to the letter.
            if kind == "outputSchema" && ["search", "fetch"].contains(&name) {
                continue;
            }
            for (path, property) in properties(name, schema) {
                let described = property["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(described && property["type"].is_string(), "{kind} {path}: {property}");
            }
        }
        for (path, property) in properties(name, &tool["inputSchema"]) {
            let name = path.rsplit('.').next().unwrap();
            if name == "state" {
                let states = property["enum"].as_array().unwrap();
                assert!(states.len() == 13 && states.contains(&json!("waiting")), "{property}");
            }
        }
    }
}

/// What is wrong with `value` by `schema`, as far as berth's own schemas go.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Some(format!("{value} is no {types:?}"));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(missing) = required
        .filter_map(Value::as_str)
        .find(|name| value.is_object() && value.get(name).is_none())
    {
        return Some(format!("{value} lacks {missing}"));
    }
    let mut fields = value.as_object().into_iter().flatten();
    let wrong = fields.find_map(|(name, field)| match schema["properties"].get(name) {
        Some(schema) => fault(schema, field),
        None if schema["additionalProperties"].is_object() => fault(&schema["additionalProperties"], field),
        None => Some(format!("the schema has no {name}")),
    });
    wrong.or_else(|| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|item| fault(&schema["items"], item))
    })
}

#[tokio::test]
async fn structured_answers_are_as_their_schemas_say() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let tools = berth.tools().await;
    for (name, arguments) in [
        ("list_sessions", json!({})),
        ("check_prompts", json!({})),
        ("list_projects", json!({})),
        ("get_session_status", json!({"session_id": "asks-1"})),
        ("get_logs", json!({"session_id": "calm-1"})),
        (
            "send_message",
            json!({"session_id": "local/calm-1", "message": "hello"}),
        ),
        ("interrupt_session", json!({"session_id": "local/calm-1"})),
        (
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "no"}),
        ),
        ("terminate_session", json!({"session_id": "local/calm-1"})),
        ("search", json!({"query": "calm"})),
        ("fetch", json!({"id": "local/calm-1"})),
    ] {
        let answer = berth.call(name, arguments).await.done();
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        assert_eq!(fault(&tool["outputSchema"], &answer.structured), None, "{name}");
        assert!(!answer.text.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn search_and_fetch_answer_one_text_that_is_the_data() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let found = berth.call("search", json!({"query": "calm idle"})).await.done();
    assert_eq!(serde_json::from_str::<Value>(&found.text).unwrap(), found.structured);
    let results = found.structured["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let fetched = berth.call("fetch", json!({"id": results[0]["id"]})).await.done();
    assert_eq!(
        serde_json::from_str::<Value>(&fetched.text).unwrap(),
        fetched.structured
    );
    assert_eq!(fetched.structured["id"], "local/calm-1");
    assert!(
        fetched.structured["text"]
            .as_str()
            .unwrap()
            .contains("calm-1 says hello")
    );
    assert!(fetched.structured["url"].as_str().unwrap().starts_with("http"));
}

/// A `berth stdio` and its two ends.
pub(crate) struct Client {
    pub(crate) child: Child,
    pub(crate) to: ChildStdin,
    pub(crate) from: Lines<BufReader<ChildStdout>>,
}

impl Client {
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = place.command(&["stdio", "--config", &place.name("config.toml")]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    pub(crate) async fn tell(&mut self, message: Value) {
        self.to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.tell(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
            .await;
        loop {
            let line = timeout(PATIENCE, self.from.next_line())
                .await
                .expect("no answer")
                .unwrap();
            let answer: Value = serde_json::from_str(&line.expect("an answer")).unwrap();
            // Notifications, such as that the list of tools is another, come at any time.
            if answer.get("method").is_none() {
                assert_eq!(answer["id"], 7);
                return answer;
            }
        }
    }

    /// The handshake, and the list of tools, by which it is over on both sides.
    pub(crate) async fn begin(&mut self) {
        let answer = self.ask("initialize", initialize("2025-06-18")).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-06-18", "{answer}");
        self.tell(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = self.ask("tools/list", json!({})).await;
            match names(&listed["result"]["tools"]) {
                listed if listed == TOOLS => return,
                // Its backend may still be coming up.
                listed => assert!(Instant::now() < deadline, "{listed:?}"),
            }
        }
    }

    /// The whole of a short conversation; whether the process ended well after its input did.
    async fn converse(mut self) -> bool {
        self.begin().await;
        let answer = self
            .ask("tools/call", json!({"name": "list_sessions", "arguments": {}}))
            .await;
        assert!(called(&answer).done().text.contains("local/calm-1"));
        drop(self.to);
        timeout(END, self.child.wait())
            .await
            .expect("it ends with its input")
            .unwrap()
            .success()
    }
}

#[tokio::test]
async fn stdio_speaks_for_itself_where_nothing_runs() {
    let place = Place::new(LOCAL);
    assert!(Client::start(&place).converse().await);
}

#[tokio::test]
async fn stdio_and_call_go_through_the_owner_that_runs() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    // The owner keeps what it has loaded, so a component that is broken by now shows who answered.
    place.write("misbehaving.wasm", "broken", 0o600);
    assert!(Client::start(&place).converse().await);
    let ran = place.run(&["call", "list_sessions"]).await;
    assert!(
        ran.success && ran.stdout.contains("\nlocal/calm-1"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    berth.call("list_sessions", json!({})).await.done();
}

#[tokio::test]
async fn stdio_speaks_the_revision_without_initialize() {
    let place = Place::new(LOCAL);
    let mut client = Client::start(&place);
    let answer = client.ask("server/discover", json!({"_meta": meta()})).await;
    assert!(answer["result"]["supportedVersions"].is_array(), "{answer}");
    let answer = client
        .ask(
            "tools/call",
            json!({"name": "list_sessions", "arguments": {}, "_meta": meta()}),
        )
        .await;
    called(&answer).done();
}

#[tokio::test]
async fn stdio_ends_when_it_is_told_to() {
    let place = Place::new(LOCAL);
    let mut client = Client::start(&place);
    client.begin().await;
    let id = Pid::from_raw(client.child.id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let status = timeout(END, client.child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn several_that_start_at_once_come_to_terms() {
    let place = Place::new(LOCAL);
    for ran in futures::future::join_all((0..4).map(|_| place.run(&["call", "list_sessions"]))).await {
        assert!(
            ran.success && ran.stdout.contains("\nlocal/calm-1"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_of_the_first() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let complaint = place.complaint(&["serve"]).await;
    let holder = format!(
        "is used by process {} (berth serve); stop that process first",
        berth.id()
    );
    assert!(complaint.contains(&holder), "{complaint}");
}

#[tokio::test]
async fn a_data_directory_is_free_again_when_its_owner_was_killed() {
    let place = Place::new(LOCAL);
    let config = place.name("config.toml");
    let mut child = place
        .command(&["stdio", "--config", &config])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.kill().await.unwrap();
    Berth::serve(&place).await.call("list_sessions", json!({})).await.done();
}

#[tokio::test]
async fn it_ends_at_once_where_nothing_is_under_way() {
    let place = Place::new(LOCAL);
    let mut berth = Berth::serve(&place).await;
    berth.call("list_sessions", json!({})).await.done();
    let (took, well) = berth.terminate().await;
    assert!(well && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn it_ends_within_five_seconds_with_calls_under_way_and_leaves_no_process() {
    let place = Place::new(BUSY);
    let mut berth = Berth::serve(&place).await;
    let life = place.life().await;
    let command = json!({"program": "sh", "args": ["-c", "exec 9>life; echo lives >&9; echo x >started; sleep 60"],
        "directory": place.name("projects")});
    let call = |tool: &str, arguments: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}});
        tokio::spawn(berth.request(&body).send())
    };
    let calls = [
        call("run", json!({"commands": [command]})),
        call("endless_loop", json!({})),
    ];
    timeout(PATIENCE, async {
        while !place.path("projects/started").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the program starts");
    let (took, _) = berth.terminate().await;
    assert!(took < END, "{took:?}");
    assert_eq!(life.ended().await, "lives\n");
    for call in calls {
        let _ = call.await.unwrap();
    }
}
