//! Tools that only one plugin has, and what the operator makes of the list: shared, hidden, renamed, or a collision.

use serde_json::{Value, json};

use crate::berth::{Berth, Place};
use crate::members::refusals;

/// Two backends of one plugin, with two own tools.
const TWINS: &str = r#"
default_backend = "one"

[backends.one]
plugin = "./misbehaving.wasm"
[backends.one.settings]
tools = ["noop", "remember"]

[backends.two]
plugin = "./misbehaving.wasm"
[backends.two.settings]
tools = ["noop", "remember"]
"#;

async fn names(berth: &Berth) -> Vec<String> {
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    berth.tools().await.iter().map(name).collect()
}

async fn tool(berth: &Berth, name: &str) -> Value {
    let tools = berth.tools().await;
    tools
        .into_iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("no tool {name}"))
}

/// The same component with another digest.
pub(crate) fn another_plugin(place: &Place) {
    let mut bytes = std::fs::read(berth_guests::MISBEHAVING).unwrap();
    // A custom section: its id, its size, and in it the length of its name and the name.
    bytes.extend(b"\0\x06\x05other");
    place.write("other.wasm", bytes, 0o644);
}

#[tokio::test]
async fn two_backends_of_one_plugin_share_its_tools() {
    let place = Place::new(TWINS);
    let berth = Berth::serve(&place).await;
    let names = names(&berth).await;
    assert_eq!(names.len(), 16);
    assert!(names.is_sorted());
    let remember = tool(&berth, "remember").await;
    assert_eq!(remember["inputSchema"]["properties"]["backend"]["type"], "string");
    let said = async |arguments| berth.call("remember", arguments).await.done().text;
    assert_eq!(said(json!({"text": "a"})).await, "a\n", "the default backend");
    assert_eq!(said(json!({"text": "b", "backend": "one"})).await, "a\nb\n");
    assert_eq!(said(json!({"text": "c", "backend": "two"})).await, "c\n");
    let error = berth
        .call("remember", json!({"text": "d", "backend": "three"}))
        .await
        .error();
    assert_eq!(error, "remember: backend must be one of: one, two");
}

#[tokio::test]
async fn another_backend_changes_no_schema() {
    let one =
        Place::new("[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = [\"noop\", \"remember\"]\n");
    let two = Place::new(TWINS);
    assert_eq!(
        Berth::serve(&one).await.tools().await,
        Berth::serve(&two).await.tools().await
    );
}

#[tokio::test]
async fn of_tools_of_one_name_from_two_plugins_the_later_backend_is_down_until_one_is_hidden() {
    let config = TWINS.replacen(
        "./misbehaving.wasm\"\n[backends.two",
        "./other.wasm\"\n[backends.two",
        1,
    );
    let place = Place::new(&config);
    another_plugin(&place);
    let complaint = place.complaint(&["check"]).await;
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    let errors = listed.structured["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "one of them is up: {}", listed.text);
    for told in [&complaint, errors[0]["error"].as_str().unwrap()] {
        assert!(
            told.contains("backends `one` and `two` both have a tool `noop`"),
            "{told}"
        );
        assert!(told.contains("[tools] hide = [\"two:noop\"]"), "{told}");
    }
    drop(berth);

    place.configure(
        &format!("{config}\n[tools]\nhide = [\"two:noop\", \"two:remember\"]\n"),
        "",
    );
    let berth = Berth::serve(&place).await;
    assert_eq!(berth.call("noop", json!({})).await.done().text, "done");
    let error = berth.call("noop", json!({"backend": "two"})).await.error();
    assert_eq!(error, "noop: backend must be one of: one");
}

#[tokio::test]
async fn one_tool_with_two_schemas_stops_the_start() {
    let changed = "tool = { input_schema = '{\"type\": \"object\", \"properties\": {\"x\": {}}}' }";
    let place = Place::new(&format!("{TWINS}{changed}\n"));
    let complaint = place.complaint(&["check"]).await;
    assert!(
        complaint.contains("backends `one` and `two` both have a tool `noop`, but not the same"),
        "{complaint}"
    );
    assert!(complaint.contains("[tools] hide = [\"two:noop\"]"), "{complaint}");
}

#[tokio::test]
async fn a_tool_named_like_a_shared_one_stops_the_start_until_it_is_hidden() {
    let config = "[backends.one]\nplugin = \"./misbehaving.wasm\"\n\
        settings = { tools = [\"noop\"], tool = { name = \"list_sessions\" } }\n";
    let place = Place::new(config);
    let complaint = place.complaint(&["check"]).await;
    assert!(
        complaint.contains("misbehaving.wasm has a tool `list_sessions`, as berth itself does"),
        "{complaint}"
    );
    assert!(
        complaint.contains("[tools] hide = [\"one:list_sessions\"]"),
        "{complaint}"
    );
    place.configure(&format!("{config}\n[tools]\nhide = [\"one:list_sessions\"]\n"), "");
    let ran = place.run(&["check"]).await;
    assert!(ran.success, "{}", ran.stderr);
}

#[tokio::test]
async fn a_tool_that_no_client_would_take_stops_the_start() {
    let long = "x".repeat(2_000);
    for (changed, fault) in [
        (format!("description = \"{long}\""), "more than 1024 bytes"),
        (format!("title = \"{long}\""), "more than 1024 bytes"),
        (
            format!("input_schema = '{{\"x\": \"{}\"}}'", long.repeat(40)),
            "more than 65536 bytes",
        ),
        ("input_schema = '{'".to_owned(), "not JSON"),
        ("input_schema = '[]'".to_owned(), "not a JSON object"),
        ("input_schema = '{\"properties\": []}'".to_owned(), "not valid"),
        (
            "input_schema = '{\"properties\": {\"backend\": {}}}'".to_owned(),
            "berth adds itself",
        ),
    ] {
        let place = Place::new(&format!(
            "[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings = {{ tools = [\"noop\"], tool = {{ {changed} }} }}\n"
        ));
        let complaint = place.complaint(&["check"]).await;
        assert!(
            complaint.contains(fault) && complaint.contains("[tools] hide = [\"one:"),
            "{complaint}"
        );
        assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
    }
}

#[tokio::test]
async fn a_tool_whose_name_no_client_would_take_stops_the_start() {
    for name in ["no op", "no\\u001b[1mop", &"x".repeat(65)] {
        let place = Place::new(&format!(
            "[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings = {{ tools = [\"noop\"], tool = {{ name = \"{name}\" }} }}\n"
        ));
        let complaint = place.complaint(&["check"]).await;
        assert!(
            complaint.contains("1 to 64 letters, digits, _ or -") && complaint.contains("the plugin must rename it"),
            "{complaint}"
        );
        assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
    }
}

#[tokio::test]
async fn hiding_what_is_no_tool_is_refused_by_check_and_a_backend_that_makes_it_known_is_down() {
    for (hidden, says) in [
        (
            "nop",
            "[tools] hide: there is no tool `nop`; there are: check_prompts, create_session, ",
        ),
        ("nop", ", noop, remember, respond_to_prompt, "),
        (
            "two:nop",
            "[tools] hide: backend `two` has no tool `nop` of its own; it has: noop, remember; correct",
        ),
        ("two:fetch", "backend `two` has no tool `fetch` of its own"),
    ] {
        let place = Place::new(&format!("{TWINS}\n[tools]\nhide = [\"{hidden}\"]\n"));
        let complaint = place.complaint(&["check"]).await;
        let berth = Berth::serve(&place).await;
        let listed = berth.call("list_sessions", json!({})).await.done();
        let errors = listed.structured["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "the other one is up: {}", listed.text);
        for told in [&complaint, errors[0]["error"].as_str().unwrap()] {
            assert!(told.contains(says), "{says}: {told}");
        }
    }
    // What no backend can make right stops the start.
    let place = Place::new(&format!("{TWINS}\n[tools]\nhide = [\"three:noop\"]\n"));
    for command in ["check", "serve"] {
        let complaint = place.complaint(&[command]).await;
        let says = "[tools] hide: there is no backend `three`; there are: one, two; correct the name or remove it";
        assert!(complaint.contains(says), "{complaint}");
    }
}

/// A backend whose first tool runs a program and then does what its arguments say; one that promises an object, and one
/// for which it only reads.
fn acting(output_schema: &str, more: &str) -> Place {
    Place::new(&format!(
        "[backends.one]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"projects\"]\nlimits.deadline = \"1s\"\n{more}\n\
         [backends.one.settings]\ntools = [\"act\"]\n{output_schema}\n\
         [backends.one.programs.sh]\npath = \"/bin/sh\"\nread = [[\"-c\", \"true\"]]\ncontrol = [[\"-c\", \"@text\"]]\n"
    ))
}

const PROMISES: &str = "tool = { output_schema = '{\"type\": \"object\", \"required\": [\"n\"]}' }";

#[tokio::test]
async fn what_an_own_tool_did_is_never_answered_as_an_error() {
    let confirmed = "Tool: confirmed.\nIt was carried out, but its answer cannot be shown: ";
    let unconfirmed = "Tool: unconfirmed.\nIt had begun to act, so it may have been carried out, but its answer cannot be \
                       shown: ";
    for (schema, then, begins, why) in [
        ("", "broken", confirmed, "broken JSON"),
        ("", "large", confirmed, "bytes of data, and 262144 are taken"),
        ("", "many", confirmed, "more than 32768 values"),
        ("", "deep", confirmed, "more than 64 deep"),
        ("", "list", confirmed, "data that is not a JSON object"),
        ("", "text", confirmed, "data that is not a JSON object"),
        (PROMISES, "object", confirmed, "data that does not fit its own schema: "),
        (
            PROMISES,
            "none",
            confirmed,
            "no data, although its own schema promises some",
        ),
        (PROMISES, "broken", confirmed, "broken JSON"),
        ("", "trap", unconfirmed, "was stopped"),
        ("", "hang", unconfirmed, "did not answer within"),
        ("", "huge", unconfirmed, "handed over more than"),
        ("", "fail", unconfirmed, "it broke"),
        (PROMISES, "trap", unconfirmed, "was stopped"),
    ] {
        let place = acting(schema, "");
        let berth = Berth::serve(&place).await;
        let command = json!({"program": "sh", "args": ["-c", "echo did >> did"], "directory": place.name("projects")});
        let called = berth.call("act", json!({"command": command, "then": then})).await;
        assert_eq!(place.read("projects/did"), "did\n", "{then}");
        assert!(
            called.text.starts_with(begins) && called.text.contains(why),
            "{then}: {}",
            called.text
        );
        if begins == confirmed && then != "none" {
            assert!(
                called.text.ends_with("\nIt said:\n| what it says\n| itself"),
                "{then}: {}",
                called.text
            );
        }
        // MCP lets clients drop an answer that lacks promised data, unless it counts as an error.
        assert_eq!(called.failed, !schema.is_empty(), "{then}");
        match schema {
            "" => {
                let receipt = if begins == confirmed {
                    "confirmed"
                } else {
                    "unconfirmed"
                };
                assert_eq!(called.structured["receipt"], receipt, "{then}");
                assert!(called.structured["note"].as_str().unwrap().contains(why), "{then}");
            }
            _ => assert_eq!(called.structured, Value::Null, "{then}"),
        }
        let record = place.run(&["audit", "--json"]).await.stdout;
        let last: Value = serde_json::from_str(record.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["tool"], &last["outcome"]),
            (&json!("act"), &json!("ok")),
            "{then}"
        );
    }
}

#[tokio::test]
async fn an_own_tool_that_did_nothing_answers_with_an_error_and_a_good_answer_is_as_it_was() {
    let place = acting("", "");
    let berth = Berth::serve(&place).await;
    let act = async |script: &str, then: &str| {
        let command = json!({"program": "sh", "args": ["-c", script]});
        berth.call("act", json!({"command": command, "then": then})).await
    };
    for (then, why) in [
        ("trap", "was stopped"),
        ("hang", "did not answer within"),
        ("fail", "it broke"),
        ("refuse", "it was undone"),
    ] {
        let error = act("true", then).await.error();
        assert!(error.contains(why) && !error.contains("carried out"), "{then}: {error}");
    }
    let undone = act("echo did", "refuse").await.error();
    assert_eq!(undone, "it was undone");
    let answered = act("echo did", "object").await.done();
    assert_eq!(
        (answered.text.as_str(), &answered.structured),
        ("what it says\nitself", &json!({}))
    );

    let place = acting("", "read_tools = [\"act\"]");
    let berth = Berth::serve(&place).await;
    let command = json!({"program": "sh", "args": ["-c", "true"]});
    let error = berth
        .call("act", json!({"command": command, "then": "broken"}))
        .await
        .error();
    assert!(
        error.starts_with("`act` of backend `one` answered with broken JSON"),
        "{error}"
    );
}

#[tokio::test]
async fn an_alias_can_stand_for_a_hidden_tool() {
    let place = Place::new(&format!(
        "{TWINS}\n[tools]\nhide = [\"remember\"]\nalias.note = {{ tool = \"remember\" }}\n"
    ));
    let berth = Berth::serve(&place).await;
    assert!(!names(&berth).await.iter().any(|name| name == "remember"));
    assert_eq!(berth.call("note", json!({"text": "a"})).await.done().text, "a\n");
}

#[tokio::test]
async fn a_read_tool_that_its_backend_does_not_have_stops_the_start() {
    for tool in ["nop", "list_sessions"] {
        let place = Place::new(&TWINS.replacen(
            "[backends.two.settings]",
            &format!("read_tools = [\"noop\", \"{tool}\"]\n[backends.two.settings]"),
            1,
        ));
        let complaint = place.complaint(&["check"]).await;
        let says = format!(
            "[backends.two] read_tools: backend `two` has no tool `{tool}` of its own; it has: noop, remember; correct"
        );
        assert!(complaint.contains(&says), "{complaint}");
    }
}

#[tokio::test]
async fn a_hidden_tool_is_neither_shown_nor_called() {
    let place = Place::new(&format!("{TWINS}\n[tools]\nhide = [\"noop\", \"terminate_session\"]\n"));
    let berth = Berth::serve(&place).await;
    let names = names(&berth).await;
    assert_eq!(names.len(), 14);
    for hidden in ["noop", "terminate_session"] {
        assert!(!names.iter().any(|name| name == hidden));
        let error = berth.call(hidden, json!({})).await.error();
        assert!(
            error.contains(&format!("there is no tool `{hidden}`; there are: ")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_alias_presets_arguments_and_drops_them_from_the_schema() {
    let place = Place::new(&format!(
        "{TWINS}\n[tools.alias.note]\ntool = \"remember\"\narguments = {{ backend = \"two\" }}\n"
    ));
    let berth = Berth::serve(&place).await;
    let note = tool(&berth, "note").await;
    assert_eq!(note["inputSchema"]["properties"], json!({"text": {"type": "string"}}));
    assert_eq!(note["description"], tool(&berth, "remember").await["description"]);
    assert_eq!(berth.call("note", json!({"text": "a"})).await.done().text, "a\n");
    let two = berth
        .call("remember", json!({"text": "b", "backend": "two"}))
        .await
        .done();
    assert_eq!(two.text, "a\nb\n");
    let error = berth.call("note", json!({"text": "c", "backend": "one"})).await.error();
    assert_eq!(error, "note: `backend` is set by the operator; leave it out");
}

#[tokio::test]
async fn an_alias_has_other_names_for_arguments() {
    let place = Place::new(&format!(
        "{TWINS}\n[tools.alias.note]\ntool = \"remember\"\nnames = {{ words = \"text\" }}\n\
         [tools.alias.look]\ntool = \"get_session_status\"\nnames = {{ id = \"session_id\" }}\n"
    ));
    let berth = Berth::serve(&place).await;
    let note = tool(&berth, "note").await;
    let names: Vec<_> = note["inputSchema"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["backend", "words"]);
    assert_eq!(tool(&berth, "look").await["inputSchema"]["required"], json!(["id"]));
    let two = berth.call("note", json!({"words": "a", "backend": "two"})).await.done();
    assert_eq!(two.text, "a\n");
    let error = berth.call("note", json!({"text": "c"})).await.error();
    assert_eq!(error, "note: `text` is called `words` here");
    let error = berth.call("look", json!({"id": "two/none"})).await.error();
    assert!(error.contains("two/none"), "{error}");
}

#[tokio::test]
async fn an_alias_that_cannot_be_stops_the_start() {
    for (alias, fault) in [
        ("[tools.alias.noop]\ntool = \"remember\"", "has the name of a tool"),
        ("[tools.alias.fetch]\ntool = \"remember\"", "has the name of a tool"),
        (
            "[tools.alias.x]\ntool = \"nothing\"",
            "names no tool: `nothing`; there are: ",
        ),
        (
            "[tools.alias.x]\ntool = \"y\"\n[tools.alias.y]\ntool = \"noop\"",
            "names no tool: `y`",
        ),
        (
            "[tools.alias.x]\ntool = \"noop\"\narguments = { nothing = 1 }",
            "sets `nothing`, which its tool does not take; it takes: backend, text",
        ),
        (
            "[tools.alias.x]\ntool = \"noop\"\nnames = { words = \"nothing\" }",
            "renames `nothing`, which its tool does not take; it takes: backend, text",
        ),
        (
            "[tools.alias.x]\ntool = \"noop\"\nnames = { where = \"backend\" }",
            "renames `backend`, which has this name everywhere",
        ),
        (
            "[tools.alias.x]\ntool = \"noop\"\nnames = { backend = \"text\" }",
            "renames `text` to `backend`, which is another argument",
        ),
    ] {
        let place = Place::new(&format!("{TWINS}\n{alias}\n"));
        let complaint = place.complaint(&["check"]).await;
        assert!(
            complaint.contains(&format!(" {fault}")) && complaint.contains("[tools.alias."),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn an_own_tool_counts_as_acting_unless_the_operator_says_that_it_reads() {
    let config = TWINS.replacen(
        "[backends.one.settings]",
        "read_tools = [\"noop\"]\n[backends.one.settings]",
        1,
    );
    let config = config.replacen(
        "[backends.two.settings]",
        "read_tools = [\"noop\"]\n[backends.two.settings]",
        1,
    );
    let place = Place::new(&config);
    let berth = Berth::serve(&place).await;
    let hints = |tool: Value| {
        let hints = &tool["annotations"];
        (hints["readOnlyHint"].clone(), hints["destructiveHint"].clone())
    };
    assert_eq!(hints(tool(&berth, "noop").await), (json!(true), json!(false)));
    assert_eq!(hints(tool(&berth, "remember").await), (json!(false), json!(true)));
}

#[tokio::test]
async fn a_tool_reads_only_where_every_backend_that_has_it_says_so() {
    let config = TWINS.replacen(
        "[backends.one.settings]",
        "read_tools = [\"noop\"]\n[backends.one.settings]",
        1,
    );
    let place = Place::new(&config);
    let berth = Berth::serve(&place).await;
    assert_eq!(tool(&berth, "noop").await["annotations"]["readOnlyHint"], false);
}

/// A backend with one own tool, of which some fields are as in `tool`.
fn one_tool(name: &str, tool: &Value) -> Place {
    let fields = tool.as_object().unwrap().iter();
    let fields: Vec<String> = fields.map(|(key, value)| format!("{key} = {value}")).collect();
    Place::new(&format!(
        "[backends.one]\nplugin = \"./misbehaving.wasm\"\n[backends.one.settings]\ntools = [\"{name}\"]\n\
         [backends.one.settings.tool]\n{}\n",
        fields.join("\n")
    ))
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_tools_own_schema_do_not_reach_it() {
    let schema = json!({
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": "^[a-z]+$"}},
        "required": ["text"],
        "additionalProperties": false,
    });
    let place = one_tool("remember", &json!({"input_schema": schema.to_string()}));
    let berth = Berth::serve(&place).await;
    for (arguments, says) in [
        (json!({}), "\"text\" is a required property"),
        (json!({"text": 7}), "at /text: "),
        (json!({"text": "A"}), "at /text: "),
        (json!({"text": "a", "other": 1}), "other"),
    ] {
        let error = berth.call("remember", arguments.clone()).await.error();
        assert!(
            error.starts_with("remember: ") && error.contains(says) && error.ends_with("It takes: backend?, text"),
            "{arguments}: {error}"
        );
    }
    assert_eq!(place.kept("one", "remembered"), None);
    let said = berth
        .call("remember", json!({"text": "a", "backend": "one"}))
        .await
        .done();
    assert_eq!(said.text, "a\n");
}

#[tokio::test]
async fn data_that_does_not_fit_the_tools_own_schema_is_the_plugins_fault() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let place = one_tool("structured", &json!({"output_schema": schema.to_string()}));
    let berth = Berth::serve(&place).await;
    let answered = berth.call("structured", json!({"text": "{\"n\": 1}"})).await.done();
    assert_eq!(answered.structured, json!({"n": 1}));
    for (text, says) in [
        (json!("{\"n\": \"SECRET\"}"), "does not fit its own schema: at /n: "),
        (json!("{}"), "does not fit its own schema: "),
        (json!("[1]"), "not a JSON object"),
        (json!("7"), "not a JSON object"),
        (Value::Null, "no data, although its own schema promises some"),
    ] {
        let arguments = if text.is_null() {
            json!({})
        } else {
            json!({"text": text})
        };
        let failed = berth.call("structured", arguments).await;
        assert!(
            failed.failed && failed.text.contains("`structured` of backend `one`") && failed.text.contains(says),
            "{text}: {failed:?}"
        );
        assert!(!failed.text.contains("SECRET"), "{}", failed.text);
    }
    let failed = berth.call("structured", json!({"failed": true})).await;
    assert!(failed.failed && failed.text == "see the data", "{failed:?}");
    let session = json!({"text": "{\"n\": 1}", "session": "a/b"});
    let error = berth.call("structured", session).await.error();
    assert!(error.contains("the session `a/b`, whose id cannot be one"), "{error}");
}

#[tokio::test]
async fn a_backend_whose_schema_asks_for_endless_work_or_leaves_its_document_is_down() {
    let doubling = json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]});
    for (schema, says) in [
        (doubling, "steps at one value"),
        (
            json!({"$ref": "https://example.com/schema.json"}),
            "refers to `https://example.com/schema.json`",
        ),
        (json!({"$ref": "file:///etc/passwd"}), "refers to `file:///etc/passwd`"),
        (json!({"pattern": "(a{1000}){1000}"}), "not valid"),
        (json!({"pattern": "(?=a)b"}), "not valid"),
        (json!({"$ref": "#"}), "circle"),
    ] {
        for key in ["input_schema", "output_schema"] {
            let place = one_tool("noop", &json!({key: schema.to_string()}));
            for told in refusals(&place, "one").await {
                assert!(
                    told.contains("tool `noop`") && told.contains(says) && told.contains("one:noop"),
                    "{schema}: {told}"
                );
            }
        }
    }
}

#[tokio::test]
async fn pictures_files_and_links_reach_the_client_and_what_cannot_is_named() {
    let place = Place::new(
        "[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = [\"contents\", \"many_contents\"]\n",
    );
    let berth = Berth::serve(&place).await;
    let answer = berth
        .ask("tools/call", json!({"name": "contents", "arguments": {}}))
        .await;
    let content = answer["result"]["content"].as_array().unwrap();
    let kinds: Vec<&str> = content.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image", "resource_link"]);
    assert_eq!(
        (&content[1]["mimeType"], &content[1]["data"]),
        (&json!("image/png"), &json!("iVBORw=="))
    );
    assert_eq!(content[2]["uri"], "https://example.com/x");
    let text = content[0]["text"].as_str().unwrap();
    assert!(
        text.contains("[9 bytes of well/forged-1") && text.contains("[a title: javascript:alert(1)]"),
        "{text}"
    );
    for (count, bytes, says) in [
        (3, 1 << 20, "3145728 bytes of pictures and other files"),
        (1_001, 1, "1002 parts"),
    ] {
        let arguments = json!({"count": count, "bytes": bytes});
        let too_many = berth
            .ask("tools/call", json!({"name": "many_contents", "arguments": arguments}))
            .await;
        let content = too_many["result"]["content"].as_array().unwrap();
        let text = content[0]["text"].as_str().unwrap();
        assert!(content.len() == 1 && text.contains(says), "{text}");
        assert!(text.ends_with("It said:\n| see the pictures"), "{text}");
    }
}
