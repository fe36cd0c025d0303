//! What is known of a conversation by the lines of the Agent Client Protocol, version 1, as its specification has them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_agents::live::{
    Activity, Attachment, Begin, Effect, Given, Live, MessageState, Protocol, Refusal, Who, turns,
};
use serde_json::{Value, json};

const ONE: &str = "00000000-0000-4000-8000-000000000001";
const TWO: &str = "00000000-0000-4000-8000-000000000002";
const SESSION: &str = "sess_abc";

struct Talk {
    live: Live,
    written: Vec<Value>,
    printed: String,
}

impl Talk {
    fn begin(resume: Option<&str>) -> Self {
        let live = Live::begin(Begin {
            protocol: Protocol::Acp,
            conversation: "11111111-2222-4333-8444-555555555555".into(),
            directory: "/home/dev/app".into(),
            resume: resume.map(str::to_owned),
            ..Begin::default()
        });
        let mut talk = Self {
            live,
            written: Vec::new(),
            printed: String::new(),
        };
        talk.take();
        talk
    }

    /// One that takes messages.
    fn ready() -> Self {
        let mut talk = Self::begin(None);
        talk.print(
            json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1,
            "agentCapabilities": {"loadSession": true, "promptCapabilities": {"image": true}}}}),
        );
        talk.print(json!({"jsonrpc": "2.0", "id": "berth-2", "result": {"sessionId": SESSION,
            "modes": {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}, {"id": "code", "name": "Code"}]}}}));
        talk
    }

    fn print(&mut self, line: Value) {
        self.printed.push_str(&format!("{line}\n"));
        self.live.read(line.to_string().as_bytes(), 1);
        self.take();
    }

    fn take(&mut self) {
        self.live = serde_json::from_str(&serde_json::to_string(&self.live).unwrap()).unwrap();
        let lines = String::from_utf8(self.live.take_input()).unwrap();
        self.written
            .extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }

    fn give(&mut self, id: &str) {
        self.live.message(id, "do it", &[], 1).unwrap();
        self.take();
    }

    fn update(&mut self, session: &str, update: Value) {
        self.print(
            json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": update}}),
        );
    }

    fn says(&mut self, text: &str) {
        self.update(
            SESSION,
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}),
        );
    }

    fn ends(&mut self, id: &str, reason: &str) {
        self.print(json!({"jsonrpc": "2.0", "id": id, "result": {"stopReason": reason}}));
    }

    fn asks(&mut self, id: Value) {
        self.print(
            json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": {"sessionId": SESSION,
            "toolCall": {"toolCallId": "t", "title": "Run make", "kind": "execute", "rawInput": {"command": "make"}},
            "options": [{"optionId": "once", "name": "Allow", "kind": "allow_once"},
                {"optionId": "ever", "name": "Always", "kind": "allow_always"},
                {"optionId": "not", "name": "Reject", "kind": "reject_once"},
                {"optionId": "odd", "name": "Odd", "kind": "of_a_later_version"}]}}),
        );
    }

    fn answer(&mut self, prompt: &str, key: &str) -> Result<(), Refusal> {
        let given = Given::Reply {
            choices: vec![key.into()],
            text: None,
        };
        let answered = self.live.answer(&[(prompt.into(), given)], 1);
        self.take();
        answered.map(drop)
    }

    fn last(&self) -> &Value {
        self.written.last().unwrap()
    }

    fn state_of(&self, id: &str) -> &MessageState {
        &self.live.given(id).unwrap().state
    }
}

#[test]
fn it_offers_neither_files_nor_terminals_and_begins_a_session_in_its_directory() {
    let talk = Talk::ready();
    let offered = &talk.written[0]["params"]["clientCapabilities"];
    assert_eq!(
        offered,
        &json!({"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false})
    );
    assert_eq!(talk.written[1]["method"], "session/new");
    assert_eq!(
        talk.written[1]["params"],
        json!({"cwd": "/home/dev/app", "mcpServers": []})
    );
    assert_eq!(talk.live.state(), Activity::Idle);
    assert_eq!(talk.live.facts().conversation.as_deref(), Some(SESSION));
}

#[test]
fn what_was_not_offered_is_refused_whatever_the_agent_asks() {
    let mut talk = Talk::ready();
    for (id, method) in [
        (json!(7), "fs/read_text_file"),
        (json!("x"), "terminal/create"),
        (json!(8), "of/tomorrow"),
    ] {
        talk.print(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"sessionId": SESSION, "path": "/etc/passwd"}}));
        assert_eq!(
            (&talk.last()["id"], &talk.last()["error"]["code"]),
            (&id, &json!(-32601))
        );
    }
    assert_eq!(talk.live.state(), Activity::Idle);
}

#[test]
fn one_message_is_given_at_a_time_and_each_gets_its_own_answer() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    talk.give(TWO);
    assert_eq!(
        (&talk.last()["method"], &talk.last()["id"]),
        (&json!("session/prompt"), &json!(ONE))
    );
    assert_eq!(
        talk.state_of(ONE),
        &MessageState::Waiting,
        "there is no receipt before the agent works"
    );
    talk.says("I ");
    assert_eq!(
        (talk.state_of(ONE), talk.live.state()),
        (&MessageState::Started, Activity::Busy)
    );
    assert_eq!(
        talk.live.queue().map(|message| message.id.as_str()).collect::<Vec<_>>(),
        [TWO]
    );
    talk.says("begin");
    talk.ends(ONE, "end_turn");
    let answered = |text: &str| MessageState::Answered {
        text: text.into(),
        is_error: false,
    };
    assert_eq!(talk.state_of(ONE), &answered("I begin"));
    assert_eq!(talk.last()["id"], TWO);
    talk.says("second");
    talk.ends(TWO, "end_turn");
    assert_eq!(talk.state_of(TWO), &answered("second"));
    assert_eq!(talk.live.state(), Activity::Idle);
    let told = turns(Protocol::Acp, 0, talk.printed.as_bytes());
    let told: Vec<_> = told
        .iter()
        .map(|turn| (turn.role, turn.text.as_str(), turn.message.as_deref()))
        .collect();
    assert_eq!(
        told,
        [(Who::Agent, "I begin", Some(ONE)), (Who::Agent, "second", Some(TWO))]
    );
}

#[test]
fn what_goes_with_a_message_is_judged_by_what_the_agent_says_that_it_takes_and_not_before() {
    let picture = [Attachment {
        name: "a.png".into(),
        media_type: "image/png".into(),
        bytes: vec![0x89, 0x50, 0xff],
    }];
    let mut talk = Talk::begin(None);
    let Err(Refusal::Refused(why)) = talk.live.message(ONE, "see", &picture, 1) else {
        panic!("nobody knows yet")
    };
    assert!(why.contains("not said yet"), "{why}");
    talk.live.message(ONE, "see", &[], 1).unwrap();
    Talk::ready().live.message(ONE, "see", &picture, 1).unwrap();
    let mut blind = Talk::begin(None);
    blind.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {}}}));
    let Err(Refusal::Invalid(why)) = blind.live.message(ONE, "see", &picture, 1) else {
        panic!("it takes none")
    };
    assert!(why.contains("does not take a.png"), "{why}");
}

#[test]
fn each_end_of_its_work_is_told() {
    for (reason, words) in [
        ("max_tokens", "tokens"),
        ("refusal", "refuses"),
        ("cancelled", "interrupted"),
        ("", "how it ended"),
    ] {
        let mut talk = Talk::ready();
        talk.give(ONE);
        talk.ends(ONE, reason);
        let MessageState::Answered { text, is_error: true } = talk.state_of(ONE) else {
            panic!("{reason}")
        };
        assert!(text.contains(words), "{text}");
    }
    let mut talk = Talk::ready();
    talk.give(ONE);
    talk.print(json!({"jsonrpc": "2.0", "id": ONE, "error": {"code": -32000, "message": "Authentication required"}}));
    assert!(
        matches!(talk.state_of(ONE), MessageState::Answered { text, is_error: true } if text.contains("Authentication"))
    );
    let failed = talk.live.facts().failed.unwrap();
    assert!(
        failed.kind == "login" && failed.reason.contains("log in with its own program"),
        "{failed:?}"
    );
    talk.give(TWO);
    talk.says("done");
    assert_eq!(talk.live.facts().failed, None, "it works on the next one");
}

#[test]
fn a_permission_is_answered_by_one_of_its_options_and_what_is_not_certain_widens() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    talk.asks(json!(0));
    let prompt = talk.live.prompts()[0].clone();
    assert_eq!(talk.live.state(), Activity::Waiting);
    assert_eq!(
        (prompt.question.as_str(), prompt.detail.as_deref()),
        ("May it do this: Run make?", Some("make"))
    );
    let effects: Vec<Effect> = prompt.choices.iter().map(|choice| choice.effect).collect();
    assert_eq!(
        effects,
        [Effect::Accepts, Effect::Widens, Effect::Declines, Effect::Widens]
    );
    let spoken = Given::Reply {
        choices: vec!["3".into()],
        text: Some("not that".into()),
    };
    assert!(matches!(
        talk.live.answer(&[(prompt.id.clone(), spoken)], 1),
        Err(Refusal::Invalid(_))
    ));
    assert!(matches!(talk.answer(&prompt.id, "5"), Err(Refusal::Invalid(_))));
    talk.answer(&prompt.id, "3").unwrap();
    assert_eq!(
        talk.last(),
        &json!({"jsonrpc": "2.0", "id": 0, "result": {"outcome": {"outcome": "selected", "optionId": "not"}}})
    );
    assert_eq!(
        talk.answer(&prompt.id, "1"),
        Err(Refusal::Answered("\"Reject\"".into()))
    );
}

#[test]
fn an_interrupt_cancels_the_work_and_all_it_asked() {
    let mut talk = Talk::ready();
    talk.live.interrupt().unwrap();
    talk.take();
    let count = talk.written.len();
    talk.give(ONE);
    talk.asks(json!("a/b"));
    talk.live.interrupt().unwrap();
    talk.take();
    let [.., cancel, answer] = talk.written.as_slice() else {
        panic!()
    };
    assert_eq!(talk.written.len(), count + 3, "one at rest is not told to stop");
    assert_eq!((&cancel["method"], cancel.get("id")), (&json!("session/cancel"), None));
    assert_eq!(
        (&answer["id"], &answer["result"]["outcome"]["outcome"]),
        (&json!("a/b"), &json!("cancelled"))
    );
    talk.ends(ONE, "cancelled");
    assert_eq!(talk.live.state(), Activity::Idle);
}

#[test]
fn what_nobody_answers_in_time_is_refused_by_the_option_for_that() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    talk.asks(json!(4));
    let id = talk.live.prompts()[0].id.clone();
    talk.live.expire(&id, "nobody answered");
    talk.take();
    assert_eq!(talk.last()["result"]["outcome"]["optionId"], "not");
    assert_eq!(talk.live.prompts(), []);
}

#[test]
fn a_conversation_is_loaded_where_the_agent_can_and_its_past_is_not_told_again() {
    let mut talk = Talk::begin(Some(SESSION));
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}}));
    assert_eq!(
        (&talk.last()["method"], &talk.last()["params"]["sessionId"]),
        (&json!("session/load"), &json!(SESSION))
    );
    talk.give(TWO);
    talk.says("long ago");
    assert_eq!(talk.live.facts().said, None);
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-2", "result": {}}));
    assert_eq!(talk.last()["id"], TWO);
    assert!(talk.live.can_resume());

    let mut talk = Talk::begin(Some(SESSION));
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {}}}));
    assert!(talk.live.facts().waits_for.unwrap().contains("cannot load"));
    assert!(!talk.live.can_resume());
    assert_eq!(talk.written.len(), 1, "no new conversation is begun in its place");
}

#[test]
fn modes_are_those_of_the_agent_and_count_when_it_says_so() {
    let mut talk = Talk::ready();
    let mode = |talk: &Talk| talk.live.options()[0].value.clone();
    assert_eq!((talk.live.options().len(), mode(&talk).as_deref()), (1, Some("ask")));
    assert!(matches!(talk.live.set("mode", "yolo"), Err(Refusal::Invalid(_))));
    assert!(matches!(talk.live.set("model", "x"), Err(Refusal::Refused(_))));
    talk.live.set("mode", "code").unwrap();
    talk.take();
    assert_eq!(talk.last()["params"], json!({"sessionId": SESSION, "modeId": "code"}));
    assert_eq!(mode(&talk).as_deref(), Some("ask"));
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-3", "result": {}}));
    assert_eq!(mode(&talk).as_deref(), Some("code"));
}

#[test]
fn answers_that_nobody_asked_for_and_other_sessions_change_nothing() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    let before = talk.live.clone();
    talk.ends("berth-9", "end_turn");
    talk.ends(TWO, "end_turn");
    talk.print(json!({"jsonrpc": "2.0", "id": 1, "result": {"sessionId": "other"}}));
    talk.update(
        "other",
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}}),
    );
    talk.print(json!({"method": "session/update"}));
    talk.print(json!([1, 2]));
    assert_eq!(talk.live, before);
    talk.print(
        json!({"jsonrpc": "2.0", "id": 5, "method": "session/request_permission", "params": {"sessionId": "other",
        "options": [{"optionId": "a", "kind": "allow_once"}]}}),
    );
    assert_eq!(talk.live.prompts(), []);
    assert_eq!(talk.last()["result"]["outcome"]["outcome"], "cancelled");
}

#[test]
fn a_message_that_waits_is_taken_back_and_one_that_the_agent_has_is_not() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    talk.give(TWO);
    assert_eq!(talk.live.cancel_message(ONE), Err(Refusal::Started));
    talk.live.cancel_message(TWO).unwrap();
    talk.ends(ONE, "end_turn");
    assert_eq!(talk.state_of(TWO), &MessageState::Cancelled);
    assert_eq!(talk.last()["id"], ONE, "it was not given");
}

/// What opencode 1.18.33 answers to `session/new`, shortened.
#[test]
fn newer_agents_have_options_in_place_of_modes_and_models() {
    let mut talk = Talk::begin(None);
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}}));
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-2", "result": {"sessionId": SESSION, "configOptions": [
        {"id": "llm", "category": "model", "type": "select", "currentValue": "a/b", "options": [
            {"group": "a", "name": "A", "options": [{"value": "a/b"}, {"value": "a/c"}]}]},
        {"id": "mode", "category": "mode", "type": "select", "currentValue": "build", "options": [{"value": "build"}, {"value": "plan"}]},
        {"id": "other", "type": "select", "currentValue": "x", "options": []}]}}));
    let values: Vec<_> = talk
        .live
        .options()
        .into_iter()
        .map(|option| (option.name, option.value))
        .collect();
    assert_eq!(
        values,
        [
            ("mode".to_owned(), Some("build".to_owned())),
            ("model".to_owned(), Some("a/b".to_owned()))
        ]
    );
    talk.live.set("model", "a/c").unwrap();
    talk.take();
    assert_eq!(talk.last()["method"], "session/set_config_option");
    assert_eq!(
        talk.last()["params"],
        json!({"sessionId": SESSION, "configId": "llm", "value": "a/c"})
    );
}

/// What gemini 0.61.0 and codex-acp 2.6.0 answer without a login.
#[test]
fn an_agent_that_wants_a_login_says_so_and_takes_no_message() {
    let mut talk = Talk::begin(None);
    talk.print(
        json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1,
        "agentCapabilities": {"loadSession": true}, "authMethods": [{"id": "oauth", "name": "Log in with Google"}]}}),
    );
    talk.print(
        json!({"jsonrpc": "2.0", "id": "berth-2", "error": {"code": -32000, "message": "Authentication required"}}),
    );
    let failed = talk.live.facts().failed.unwrap();
    assert_eq!(failed.kind, "login");
    for told in [
        "log in with its own program",
        "Authentication required",
        "Log in with Google",
    ] {
        assert!(failed.reason.contains(told), "{failed:?}");
    }
    talk.give(ONE);
    assert_eq!(talk.written.len(), 2);
    assert_eq!(talk.state_of(ONE), &MessageState::Waiting);
    assert!(talk.live.facts().waits_for.unwrap().contains("Authentication required"));
    assert!(talk.live.cannot_begin());
    assert_eq!(talk.live.state(), Activity::Idle, "it is not about to begin");
}

/// What gemini 0.61.0 answers where it has lost what it shall load.
#[test]
fn a_conversation_that_is_not_loaded_again_says_so_with_the_details_of_the_agent() {
    let mut talk = Talk::begin(Some(SESSION));
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": true}}}));
    talk.print(
        json!({"jsonrpc": "2.0", "id": "berth-2", "error": {"code": -32603, "message": "Internal error",
        "data": {"details": "No previous sessions found for this project."}}}),
    );
    assert!(talk.live.cannot_begin());
    let failed = talk.live.facts().failed.unwrap();
    assert_eq!(failed.kind, "error");
    for told in [
        "did not load the conversation again",
        "Internal error: No previous sessions found",
        "create a new session",
    ] {
        assert!(failed.reason.contains(told), "{failed:?}");
    }
}

#[test]
fn an_agent_of_another_version_of_the_protocol_says_so() {
    let mut talk = Talk::begin(None);
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 2, "agentCapabilities": {}}}));
    assert!(talk.live.cannot_begin());
    let failed = talk.live.facts().failed.unwrap();
    assert!(failed.reason.contains("version 2"), "{failed:?}");
}

/// gemini names a command in the title, and nowhere else.
#[test]
fn what_is_asked_is_shown_whole_where_only_the_title_has_it() {
    let command = format!("echo {} && rm -r build", "x".repeat(300));
    for title in [command.as_str(), "make\nrm -r build"] {
        let mut talk = Talk::ready();
        talk.give(ONE);
        talk.print(
            json!({"jsonrpc": "2.0", "id": 1, "method": "session/request_permission", "params": {"sessionId": SESSION,
            "toolCall": {"toolCallId": "t", "title": title, "kind": "execute",
                "content": [{"type": "content", "content": {"type": "text", "text": "[in app]"}}]},
            "options": [{"optionId": "once", "name": "Allow", "kind": "allow_once"}]}}),
        );
        let prompt = &talk.live.prompts()[0];
        assert_eq!(prompt.detail, Some(format!("{title}\n\n[in app]")));
        assert!(prompt.question.chars().count() < 250 && !prompt.question.contains('\n'));
    }
}

#[test]
fn of_more_models_than_are_listed_the_agent_decides() {
    let mut talk = Talk::begin(None);
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-1", "result": {"protocolVersion": 1, "agentCapabilities": {}}}));
    let models: Vec<Value> = (0..80).map(|number| json!({"value": format!("m/{number}")})).collect();
    let options = |model: &str| json!([{"id": "model", "category": "model", "type": "select", "currentValue": model, "options": models}]);
    talk.print(
        json!({"jsonrpc": "2.0", "id": "berth-2", "result": {"sessionId": SESSION, "configOptions": options("m/0")}}),
    );
    talk.live.set("model", "m/79").unwrap();
    talk.take();
    assert_eq!(talk.last()["params"]["value"], "m/79");
    // What it is then, the agent says.
    talk.print(json!({"jsonrpc": "2.0", "id": "berth-3", "result": {"configOptions": options("m/78")}}));
    assert_eq!(talk.live.options()[0].value.as_deref(), Some("m/78"));
}

#[test]
fn megabytes_of_words_about_a_failure_are_not_kept() {
    let mut talk = Talk::ready();
    talk.give(ONE);
    let words = "x".repeat(1 << 20);
    talk.print(json!({"jsonrpc": "2.0", "id": ONE, "error": {"code": -32000, "message": words}}));
    assert!(talk.live.facts().failed.unwrap().reason.contains("log in"));
    let kept = serde_json::to_string(&talk.live).unwrap().len();
    assert!(kept < 64 << 10, "{kept} bytes");
}

/// A conversation with opencode 1.18.33, whose model was a stub: what was given (`>`) and printed (`<`).
#[test]
fn the_real_opencode_answers_messages_and_asks_for_what_it_wants_to_run() {
    let file = format!("{}/tests/acp/opencode.txt", env!("CARGO_MANIFEST_DIR"));
    let lines = std::fs::read_to_string(file).unwrap();
    let mut talk = Talk::begin(None);
    let mut given = 1;
    for line in lines.lines() {
        let (side, value) = (&line[..1], serde_json::from_str::<Value>(&line[2..]).unwrap());
        match (side, value["method"].as_str()) {
            ("<", _) => talk.print(value),
            (_, Some("session/prompt")) => {
                let text = value["params"]["prompt"][0]["text"].as_str().unwrap();
                talk.live.message(value["id"].as_str().unwrap(), text, &[], 1).unwrap();
                talk.take();
            }
            (_, None) => {
                let prompt = talk.live.prompts()[0].clone();
                assert_eq!(prompt.detail.as_deref(), Some("touch made"));
                talk.answer(&prompt.id, "1").unwrap();
            }
            _ => {}
        }
        if side == ">" && given < talk.written.len() {
            // What is written is what the agent was given then, but for our own name and version.
            let (written, value) = (&talk.written[given], serde_json::from_str::<Value>(&line[2..]).unwrap());
            assert_eq!((&written["id"], &written["result"]), (&value["id"], &value["result"]));
            assert_eq!(written["params"]["prompt"], value["params"]["prompt"]);
            given += 1;
        }
    }
    let answered = |text: &str| MessageState::Answered {
        text: text.into(),
        is_error: false,
    };
    assert_eq!(talk.state_of(ONE), &answered("You said: hello there"));
    assert_eq!(talk.state_of(TWO), &answered("The tool answered: (no output)"));
    assert_eq!(talk.live.state(), Activity::Idle);
    assert_eq!(talk.live.facts().tool.as_deref(), Some("touch made"));
}
