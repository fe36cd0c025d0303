//! Wrong requests: each is a tool error that says what to do, and nothing is typed anywhere.

use serde_json::{Value, json};

use crate::berth::{Berth, Place, called, message};

const LOCAL: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
settings.tools = ["noop"]
"#;

/// Calls each of `calls`, a tool, its arguments and what the error must say; then nothing may have been typed.
async fn refused(calls: &[(&str, Value, &str)]) {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for (tool, arguments, says) in calls {
        let error = berth.call(tool, arguments.clone()).await.error();
        assert!(error.contains(says), "{tool} {arguments}: {error}");
    }
    assert_eq!(place.kept("local", "typed"), None);
}

#[tokio::test]
async fn an_unknown_tool_is_refused_with_the_names() {
    refused(&[
        (
            "sessions",
            json!({}),
            "there is no tool `sessions`; there are: check_prompts, create_session, fetch",
        ),
        ("", json!({}), "there is no tool ``; there are: "),
        ("LIST_SESSIONS", json!({}), "there is no tool `LIST_SESSIONS`"),
    ])
    .await;
}

#[tokio::test]
async fn wrong_and_missing_arguments_are_refused_with_those_that_the_tool_takes() {
    refused(&[
        (
            "send_message",
            json!({}),
            "missing field `session_id`. It takes: attachments?, message, session_id, wait_seconds?",
        ),
        (
            "send_message",
            json!({"session_id": "local/calm-1"}),
            "missing field `message`",
        ),
        ("send_message", json!({"session_id": 7, "message": "x"}), "invalid type"),
        (
            "send_message",
            json!({"session_id": "local/calm-1", "message": "x", "wait_seconds": "soon"}),
            "\"soon\", expected a whole number",
        ),
        (
            "send_message",
            json!({"session_id": "local/calm-1", "message": "x", "wait_seconds": -1}),
            "invalid value",
        ),
        (
            "send_message",
            json!({"session_id": "local/calm-1", "message": "x", "colour": "red"}),
            "unknown field `colour`",
        ),
        (
            "list_sessions",
            json!({"state": "asleep"}),
            "unknown variant `asleep`, expected one of `queued`, `starting`",
        ),
        (
            "get_logs",
            json!({"session_id": "calm-1", "lines": 0}),
            "lines must be from 1 to 5000",
        ),
        (
            "get_logs",
            json!({"session_id": "calm-1", "lines": 5001}),
            "lines must be from 1 to 5000",
        ),
        (
            "get_logs",
            json!({"session_id": "calm-1", "view": "smell"}),
            "do not have the view `smell`; there are: transcript",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_repeated_of_wrong_input_is_one_line_of_a_bounded_length() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let long = "a\nb\u{202e}\u{1b}[31m".repeat(10_000);
    for (tool, arguments, says) in [
        (long.as_str(), json!({}), "there is no tool"),
        ("search", json!({"query": long, &long: 1}), "It takes: query"),
        ("search", json!({"query": [long]}), "It takes: query"),
        (
            "get_logs",
            json!({"session_id": "calm-1", "view": long}),
            "there are: transcript",
        ),
        ("get_logs", json!({"session_id": "calm-1", "lines": long}), "It takes: "),
        ("list_projects", json!({"backend": long}), "there are: local"),
        ("get_logs", json!({"session_id": long}), "there is no session"),
        ("terminate_session", json!({"session_id": long}), "list_sessions"),
        ("list_sessions", json!({"after": long}), "after"),
        (
            "interrupt_session",
            json!({"session_id": "local/calm-1", "message_id": long}),
            "the agent has it already",
        ),
    ] {
        let error = berth.call(tool, arguments).await.error();
        assert!(error.contains(says), "{error}");
        assert!(
            error.chars().count() < 1500,
            "{says}: {} characters",
            error.chars().count()
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn a_request_without_the_form_of_its_method_is_told_what_is_wrong_with_it() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let (name, arguments) = ("`name`", "`arguments` must be an object");
    for (method, params, says) in [
        (
            "tools/call",
            json!({"name": "list_sessions", "arguments": []}),
            arguments,
        ),
        (
            "tools/call",
            json!({"name": "list_sessions", "arguments": "{}"}),
            arguments,
        ),
        (
            "tools/call",
            json!({"name": "list_sessions", "arguments": 5}),
            arguments,
        ),
        (
            "tools/call",
            json!({"name": "list_sessions", "arguments": true}),
            arguments,
        ),
        ("tools/call", json!({}), name),
        ("tools/call", json!({"arguments": {}}), name),
        ("tools/call", json!({"name": null}), name),
        ("tools/call", json!({"name": 5, "arguments": {}}), name),
        ("tools/call", json!({"name": ["list_sessions"]}), name),
        ("tools/call", json!([]), "`params`"),
        ("tools/call", json!(["list_sessions"]), "`params`"),
        ("tools/call", json!("list_sessions"), "`params`"),
        ("tools/call", json!(5), "`params`"),
        ("tools/call", json!(null), "`params`"),
        ("tools/call", json!({"name": "list_sessions", "_meta": 5}), "`params`"),
        ("tools/list", json!("all"), "`params`"),
        ("prompts/get", json!({"name": 5}), "`params`"),
        ("resources/read", json!({}), "`params`"),
    ] {
        let error = berth.ask(method, params.clone()).await["error"].clone();
        assert_eq!(error["code"], -32602, "{method} {params}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with(method) && message.contains(says),
            "{method} {params}: {message}"
        );
    }
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"});
    let error = message(berth.request(&bare).send().await.unwrap()).await["error"].clone();
    assert_eq!(error["code"], -32602, "{error}");
    let unknown = "tools/".to_owned() + &"x".repeat(10_000);
    let error = berth.ask(&unknown, json!({})).await["error"].clone();
    assert_eq!(error["code"], -32601, "{error}");
    assert!(error["message"].as_str().unwrap().len() < 200, "{error}");
}

#[tokio::test]
async fn a_search_for_very_many_words_is_refused() {
    let many = (0..33)
        .map(|number| format!("word{number}"))
        .collect::<Vec<_>>()
        .join(" ");
    let long = "word ".repeat(300);
    let says = "query may have at most 32 different words and 1024 bytes";
    refused(&[
        ("search", json!({"query": many}), says),
        ("search", json!({"query": long}), says),
    ])
    .await;
}

#[tokio::test]
async fn a_message_for_a_name_does_not_go_to_a_session_of_another_backend_that_has_it_as_its_id() {
    let place = Place::new(
        "default_backend = \"local\"\n[backends.local]\nplugin = \"./misbehaving.wasm\"\nsettings.list = \"renamed\"\n\
         [backends.evil]\nplugin = \"./misbehaving.wasm\"\n",
    );
    let berth = Berth::serve(&place).await;
    for (tool, arguments) in [
        ("send_message", json!({"session_id": "calm-1", "message": "x"})),
        ("interrupt_session", json!({"session_id": "calm-1"})),
        ("get_logs", json!({"session_id": "calm-1"})),
    ] {
        let why = berth.call(tool, arguments).await.error();
        assert!(
            why.contains("`calm-1` matches several sessions: ")
                && why.contains("evil/calm-1")
                && why.contains("local/own-7"),
            "{tool}: {why}"
        );
    }
    // Nor is the beginning of a name enough.
    let why = berth
        .call("send_message", json!({"session_id": "own", "message": "x"}))
        .await
        .error();
    assert!(why.contains("there is no session `own`"), "{why}");
}

#[tokio::test]
async fn a_body_that_is_not_a_request_is_answered_as_json_rpc_says() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let none = json!(null);
    for (body, id, code, says) in [
        ("{bad", &none, -32700, "not JSON"),
        ("", &none, -32700, "not JSON"),
        (
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            &none,
            -32600,
            "one request at a time",
        ),
        ("[]", &none, -32600, "one request at a time"),
        ("\"ping\"", &none, -32600, "`jsonrpc`"),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", &json!(1), -32600, "`method`"),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":\"a\",\"method\":\"ping\"}",
            &json!("a"),
            -32600,
            "`jsonrpc`",
        ),
    ] {
        let response = berth.request(&json!({})).body(body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let told: Value = response.json().await.unwrap();
        let error = &told["error"];
        assert_eq!((&told["id"], &error["code"]), (id, &json!(code)), "{body}: {told}");
        assert!(error["message"].as_str().unwrap().contains(says), "{body}: {told}");
    }
    let error = berth.ask("tools/fix", json!({})).await["error"].clone();
    assert_eq!(error["message"], "there is no method `tools/fix`");
    let response = berth.request(&json!({})).build().unwrap();
    let (client, url) = (reqwest::Client::new(), response.url().clone());
    for method in [reqwest::Method::DELETE, reqwest::Method::GET, reqwest::Method::PUT] {
        let mut request = client.request(method.clone(), url.clone());
        if let Some(token) = response.headers().get("authorization") {
            request = request.header("authorization", token);
        }
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 405, "{method}");
        assert_eq!(refused.headers()["allow"], "POST");
        let told: Value = refused.json().await.unwrap();
        assert!(told["error"].as_str().unwrap().contains("by POST"), "{told}");
    }
}

#[tokio::test]
async fn more_than_fifty_seconds_are_waited_as_fifty_and_the_answer_says_so() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for seconds in [json!(51), json!("600"), json!(1e9)] {
        let arguments = json!({"session_id": "local/calm-1", "wait_seconds": seconds});
        let note = berth.call("get_session_status", arguments).await.done().structured["note"].clone();
        let note = note.as_str().unwrap();
        assert!(
            note.contains("50 seconds at most") && note.contains("get_session_status"),
            "{note}"
        );
    }
}

#[tokio::test]
async fn an_unknown_session_is_refused_with_those_that_there_are() {
    let says = "there is no session";
    refused(&[
        (
            "get_session_status",
            json!({"session_id": "nobody"}),
            "there is no session `nobody`; there are: local/calm-1",
        ),
        (
            "get_logs",
            json!({"session_id": "local/nobody"}),
            "there are: local/calm-1, local/calm-2, local/asks-1",
        ),
        ("fetch", json!({"id": "local/nobody"}), "there are: local/calm-1"),
        (
            "send_message",
            json!({"session_id": "local/nobody", "message": "x"}),
            says,
        ),
        ("interrupt_session", json!({"session_id": "local/nobody"}), says),
        ("terminate_session", json!({"session_id": "local/nobody"}), says),
        (
            "respond_to_prompt",
            json!({"session_id": "local/nobody", "response": "1"}),
            says,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_name_that_fits_several_sessions_is_refused_with_their_ids() {
    refused(&[(
        "get_session_status",
        json!({"session_id": "calm"}),
        "matches several sessions: local/calm-1, local/calm-2",
    )])
    .await;
}

#[tokio::test]
async fn what_cannot_be_undone_takes_a_whole_id_and_names_those_that_may_be_meant() {
    let says =
        "`calm-1` is not a whole session id; write `backend/id` as list_sessions shows it: did you mean local/calm-1?";
    refused(&[
        ("terminate_session", json!({"session_id": "calm-1"}), says),
        (
            "respond_to_prompt",
            json!({"session_id": "calm-1", "response": "1"}),
            says,
        ),
        (
            "terminate_session",
            json!({"session_id": "calm"}),
            "did you mean local/calm-1 or local/calm-2?",
        ),
        (
            "terminate_session",
            json!({"session_id": "local/"}),
            "is not a whole session id",
        ),
        (
            "terminate_session",
            json!({"session_id": "nobody"}),
            "is not a whole session id",
        ),
        (
            "terminate_session",
            json!({"session_id": "local/calm"}),
            "there is no session",
        ),
    ])
    .await;
}

#[tokio::test]
async fn the_beginning_of_a_name_is_not_enough_where_something_is_typed() {
    let says = "there is no session `calm`; there are: local/calm-1, local/calm-2";
    refused(&[
        ("send_message", json!({"session_id": "calm", "message": "x"}), says),
        ("interrupt_session", json!({"session_id": "calm"}), says),
        (
            "send_message",
            json!({"session_id": "nobody", "message": "x"}),
            "there is no session `nobody`; there are: local/calm-1",
        ),
        (
            "send_message",
            json!({"session_id": "", "message": "x"}),
            "there is no session",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_unknown_backend_is_refused_with_the_names() {
    let says = "there is no backend `moon`; there are: local";
    refused(&[
        ("list_sessions", json!({"backend": "moon"}), says),
        ("create_session", json!({"backend": "moon"}), says),
        ("check_prompts", json!({"backend": "moon"}), says),
        ("list_projects", json!({"backend": "moon"}), says),
        ("send_message", json!({"session_id": "moon/1", "message": "x"}), says),
        (
            "noop",
            json!({"backend": "moon"}),
            "noop: backend must be one of: local",
        ),
        ("noop", json!({"backend": 7}), "noop: backend must be one of: local"),
    ])
    .await;
}

#[tokio::test]
async fn a_verb_that_the_backend_lacks_is_refused() {
    refused(&[(
        "create_session",
        json!({}),
        "backend `local` cannot start sessions; list_projects shows what each backend can",
    )])
    .await;
}

#[tokio::test]
async fn a_message_to_a_session_that_is_over_or_at_a_prompt_is_refused() {
    refused(&[
        (
            "send_message",
            json!({"session_id": "local/dead-1", "message": "x"}),
            "it has ended: create another one",
        ),
        (
            "send_message",
            json!({"session_id": "local/asks-1", "message": "x"}),
            "use respond_to_prompt",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let long = "x".repeat((256 << 10) + 1);
    refused(&[(
        "send_message",
        json!({"session_id": "local/calm-1", "message": long}),
        "at most 262144 bytes",
    )])
    .await;
}

#[tokio::test]
async fn an_answer_without_its_prompt_is_refused_with_the_present_one() {
    refused(&[
        (
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "1"}),
            "you were not shown this prompt before",
        ),
        (
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "1", "prompt_id": "prompt-0"}),
            "is gone",
        ),
        (
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "perhaps"}),
            "1 — Yes",
        ),
        (
            "respond_to_prompt",
            json!({"session_id": "local/calm-1", "response": "1"}),
            "does not wait for an answer now",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_right_is_typed() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    let sent = berth
        .call(
            "send_message",
            json!({"session_id": "local/calm-1", "message": "hello"}),
        )
        .await
        .done();
    assert_eq!(sent.structured["receipt"], "submitted");
    let shown = berth.call("check_prompts", json!({})).await.done();
    assert_eq!(shown.structured["prompts"][0]["prompt_id"], "prompt-1");
    berth
        .call(
            "respond_to_prompt",
            json!({"session_id": "local/asks-1", "response": "yes"}),
        )
        .await
        .done();
    let typed: String = serde_json::from_slice(&place.kept("local", "typed").unwrap()).unwrap();
    assert_eq!(typed.lines().count(), 2, "{typed}");
    assert!(typed.starts_with("calm-1: hello\nasks-1: "), "{typed}");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_bad_request() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for body in ["", "{", "hello", "\u{0}", "[]", "{\"jsonrpc\": \"2.0\"}"] {
        let request = berth.request(&json!({})).body(body).build().unwrap();
        let response = berth.client.execute(request).await.unwrap();
        assert!(response.status().is_client_error(), "{body:?}: {}", response.status());
    }
    berth.call("noop", json!({})).await.done();
}

#[tokio::test]
async fn arguments_that_are_no_object_are_an_error() {
    let place = Place::new(LOCAL);
    let berth = Berth::serve(&place).await;
    for arguments in [json!([]), json!("x"), json!(7)] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "list_sessions", "arguments": arguments}});
        let response = berth.request(&body).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let refused = status.is_client_error() || answer["error"].is_object();
        assert!(refused || called(&answer).failed, "{arguments}: {status} {text}");
    }
}

#[tokio::test]
async fn a_body_past_its_bound_is_refused() {
    let place = Place::with_server(LOCAL, "max_body = \"1 KiB\"");
    let berth = Berth::serve(&place).await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"x": "x".repeat(2_000)}});
    let response = berth.request(&body).send().await.unwrap();
    assert_eq!(response.status(), 413);
}
