#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, PipeWriter, Write as _, pipe};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::kept::Kept;
use super::run_in;
use crate::record::Record;

const PATIENCE: Duration = Duration::from_secs(20);

/// An agent that is spoken with through pipes.
struct Talk {
    input: Option<PipeWriter>,
    lines: Receiver<Value>,
    agent: JoinHandle<u8>,
    session: String,
    directory: String,
    seen: Vec<Value>,
    next: u64,
}

impl Talk {
    fn open(folder: &Path, is_forgetful: bool) -> Self {
        let (agents_input, input) = pipe().unwrap();
        let (output, agents_output) = pipe().unwrap();
        let kept = Kept(folder.join("state"));
        let agent = move || {
            let record = Record::open(None).unwrap();
            run_in(agents_input, Box::new(agents_output), kept, is_forgetful, record).unwrap()
        };
        let agent = thread::spawn(agent);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        Self {
            input: Some(input),
            lines,
            agent,
            session: String::new(),
            directory: folder.display().to_string(),
            seen: Vec::new(),
            next: 0,
        }
    }

    fn begin(folder: &Path) -> Self {
        let mut talk = Self::open(folder, false);
        let new = talk.call("session/new", json!({ "cwd": talk.directory, "mcpServers": [] }));
        talk.session = new["result"]["sessionId"].as_str().unwrap().to_owned();
        talk
    }

    fn write(&mut self, line: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn send(&mut self, method: &str, mut params: Value) -> u64 {
        if params.get("sessionId").is_none() {
            params["sessionId"] = json!(self.session);
        }
        self.next += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }));
        self.next
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answered(id)
    }

    fn say(&mut self, text: &str) -> u64 {
        self.send(
            "session/prompt",
            json!({ "prompt": [{ "type": "text", "text": text }] }),
        )
    }

    fn cancel(&mut self) {
        let params = json!({ "sessionId": self.session });
        self.write(&json!({ "jsonrpc": "2.0", "method": "session/cancel", "params": params }));
    }

    fn answer(&mut self, asked: &Value, option: &str) {
        let outcome = json!({ "outcome": "selected", "optionId": option });
        self.write(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "outcome": outcome } }));
    }

    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            self.seen.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    fn answered(&mut self, id: u64) -> Value {
        self.until(|line| line["id"] == id && line.get("method").is_none())
    }

    fn asked(&mut self) -> Value {
        self.until(|line| line["method"] == "session/request_permission")
    }

    fn updates(&self, kind: &str) -> Vec<&Value> {
        let updates = self.seen.iter().map(|line| &line["params"]["update"]);
        updates.filter(|update| update["sessionUpdate"] == kind).collect()
    }

    fn said(&self, kind: &str) -> String {
        let parts = self.updates(kind).into_iter();
        parts
            .map(|update| update["content"]["text"].as_str().unwrap())
            .collect()
    }
}

#[test]
fn a_prompt_is_answered_at_the_end_of_its_turn_and_a_session_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    let about = talk.call("initialize", json!({ "protocolVersion": 1, "clientCapabilities": {} }));
    assert_eq!(about["result"]["protocolVersion"], 1);
    assert_eq!(about["result"]["agentCapabilities"]["loadSession"], true);
    let id = talk.say("hello");
    assert_eq!(talk.answered(id)["result"], json!({ "stopReason": "end_turn" }));
    assert_eq!(talk.said("agent_message_chunk"), "You said: hello");

    let mut again = Talk::open(folder.path(), false);
    again.session.clone_from(&talk.session);
    let params = json!({ "cwd": again.directory, "mcpServers": [] });
    assert_eq!(
        again.call("session/load", params.clone())["result"]["modes"]["currentModeId"],
        "default"
    );
    assert_eq!(again.said("user_message_chunk"), "hello");
    assert_eq!(again.said("agent_message_chunk"), "You said: hello");
    let id = again.say("and you?");
    again.answered(id);
    let said = again.said("agent_message_chunk");
    assert!(
        said.ends_with("message 2 of our conversation, which began with: hello"),
        "{said}"
    );
    again.session = "unknown".to_owned();
    assert_eq!(again.call("session/load", params)["error"]["code"], -32002);
    again.input = None;
    assert_eq!(again.agent.join().unwrap(), 0);
}

#[test]
fn one_that_is_forgetful_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::open(folder.path(), true);
    let about = talk.call("initialize", json!({ "protocolVersion": 1 }));
    assert_eq!(about["result"]["agentCapabilities"]["loadSession"], false);
    let params = json!({ "cwd": talk.directory, "mcpServers": [] });
    assert_eq!(talk.call("session/load", params)["error"]["code"], -32601);
}

#[test]
fn what_is_not_allowed_is_asked_with_options_of_four_kinds_and_done_as_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    let id = talk.say("write a.txt x\nwrite b.txt y\nwrite b.txt z\nrun rm x\nrun rm x");
    let asked = talk.asked();
    let options = asked["params"]["options"].as_array().unwrap();
    let kinds: Vec<&Value> = options.iter().map(|option| &option["kind"]).collect();
    assert_eq!(kinds, ["allow_once", "allow_always", "reject_once", "reject_always"]);
    let call = &asked["params"]["toolCall"];
    assert_eq!(
        (&call["kind"], &call["content"][0]["newText"]),
        (&json!("edit"), &json!("x"))
    );
    talk.answer(&asked, "reject");
    talk.answer(&asked, "once");
    for option in ["always", "never"] {
        let asked = talk.asked();
        talk.answer(&asked, option);
    }
    assert_eq!(talk.answered(id)["result"]["stopReason"], "end_turn");
    assert!(!folder.path().join("a.txt").exists());
    assert_eq!(std::fs::read_to_string(folder.path().join("b.txt")).unwrap(), "z\n");
    let ends: Vec<&Value> = talk.updates("tool_call_update");
    let ends: Vec<&Value> = ends.iter().map(|update| &update["status"]).collect();
    assert_eq!(ends, ["failed", "completed", "completed", "failed", "failed"]);
}

#[test]
fn two_requests_are_open_at_once_and_cancelling_ends_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    let id = talk.say("twice rm x");
    let (first, second) = (talk.asked(), talk.asked());
    assert_ne!(first["id"], second["id"]);
    talk.cancel();
    assert_eq!(talk.answered(id)["result"]["stopReason"], "cancelled");
    talk.answer(&first, "once");
    let id = talk.say("say still here");
    assert_eq!(talk.answered(id)["result"]["stopReason"], "end_turn");
    assert_eq!(talk.said("agent_message_chunk"), "still here");
}

#[test]
fn a_second_prompt_during_a_turn_confuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    let first = talk.say("work 1");
    talk.until(|line| line["params"]["update"]["sessionUpdate"] == "tool_call");
    let second = talk.say("say second");
    assert_eq!(talk.answered(first)["result"]["stopReason"], "end_turn");
    assert_eq!(talk.said("agent_message_chunk"), "", "it was answered before its text");
    assert_eq!(talk.answered(second)["result"]["stopReason"], "end_turn");
    assert_eq!(talk.said("agent_message_chunk"), "Worked for 1ssecond");
}

#[test]
fn a_mode_can_be_set_and_what_is_unknown_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    assert_eq!(
        talk.call("session/set_mode", json!({ "modeId": "nope" }))["error"]["code"],
        -32602
    );
    assert_eq!(
        talk.call("session/set_mode", json!({ "modeId": "acceptEdits" }))["result"],
        json!({})
    );
    let id = talk.say("write a.txt x\nplan First this");
    let asked = talk.asked();
    assert_eq!(asked["params"]["toolCall"]["kind"], "switch_mode");
    talk.answer(&asked, "reject");
    assert_eq!(talk.answered(id)["result"]["stopReason"], "end_turn");
    assert!(folder.path().join("a.txt").exists());
    assert_eq!(talk.call("no/such", json!({}))["error"]["code"], -32601);
    let elsewhere = talk.call("session/new", json!({ "cwd": "relative" }));
    assert_eq!(elsewhere["error"]["code"], -32602);
    writeln!(talk.input.as_mut().unwrap(), "no json").unwrap();
    assert_eq!(
        talk.until(|line| line["id"].is_null() && line.get("error").is_some())["error"]["code"],
        -32700
    );
}

#[test]
fn it_says_what_came_back_when_it_asked_for_a_file_and_when_the_model_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Talk::begin(folder.path());
    let id = talk.say("files");
    let asked = talk.until(|line| line["method"] == "fs/read_text_file");
    let error = json!({ "code": -32601, "message": "not offered" });
    talk.write(&json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error }));
    talk.answered(id);
    assert_eq!(
        talk.said("agent_message_chunk"),
        "fs/read_text_file: -32601 \"not offered\""
    );
    let id = talk.say("fail 500");
    let answer = talk.answered(id);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("API Error: 500"),
        "{answer}"
    );
    let image = json!([{ "type": "image", "data": "", "mimeType": "image/png" }]);
    talk.call("session/prompt", json!({ "prompt": image }));
    assert!(talk.said("agent_message_chunk").ends_with("It came with 1 image"));
    talk.say("die");
    assert_eq!(talk.agent.join().unwrap(), 3);
}
