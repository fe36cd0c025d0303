#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};

use super::kept::Kept;
use super::{Place, run_in};
use crate::record::Record;

const PATIENCE: Duration = Duration::from_secs(20);
const ASKS: [&str; 2] = ["--permission-prompt-tool", "stdio"];
const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";
const ID: &str = "0b9d4f5e-9f0a-4a53-9c35-3f1f5f3b6f10";

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    options: crate::Options,
}

/// An agent that is spoken with through pipes.
struct Talk {
    input: Option<PipeWriter>,
    lines: Receiver<Value>,
    agent: JoinHandle<u8>,
    seen: Vec<Value>,
}

impl Talk {
    fn begin(folder: &tempfile::TempDir, options: &[&str]) -> Self {
        let options = [&["demo", "--stream-json"], options].concat();
        let told = Command::parse_from(options).options.headless;
        let (agents_input, input) = pipe().unwrap();
        let (output, agents_output) = pipe().unwrap();
        let place = Place {
            input: Box::new(agents_input),
            output: Box::new(agents_output),
            directory: folder.path().display().to_string(),
            kept: Kept(folder.path().join("state")),
            tells_states: true,
        };
        let agent = move || {
            let record = Record::open(None).unwrap();
            run_in(place, &told, record, Arc::new(AtomicBool::new(false))).unwrap()
        };
        Self {
            input: Some(input),
            lines: lines(output),
            agent: thread::spawn(agent),
            seen: Vec::new(),
        }
    }

    fn write(&mut self, line: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn say(&mut self, uuid: &str, text: &str) {
        self.write(&json!({ "type": "user", "uuid": uuid, "message": { "role": "user", "content": text } }));
    }

    fn control(&mut self, request: &Value) -> Value {
        self.write(&json!({ "type": "control_request", "request_id": "ours", "request": request }));
        self.until(|line| line["response"]["request_id"] == "ours")["response"].clone()
    }

    fn answer(&mut self, asked: &Value, response: &Value) {
        let response = json!({ "subtype": "success", "request_id": asked["request_id"], "response": response });
        self.write(&json!({ "type": "control_response", "response": response }));
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

    fn asked(&mut self) -> Value {
        self.until(|line| line["request"]["subtype"] == "can_use_tool")
    }

    fn result(&mut self) -> Value {
        self.until(|line| line["type"] == "result")
    }

    /// Closes its input, and answers its status when it has printed all.
    fn end(&mut self) {
        self.input = None;
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
    }

    fn states(&self) -> Vec<&str> {
        let states = self.seen.iter();
        let states = states.filter(|line| line["subtype"] == "session_state_changed");
        states.map(|line| line["state"].as_str().unwrap()).collect()
    }

    fn receipts(&self, uuid: &str) -> Vec<&str> {
        let lines = self.seen.iter().filter(|line| line["command_uuid"] == uuid);
        lines.map(|line| line["state"].as_str().unwrap()).collect()
    }
}

fn lines(output: PipeReader) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let line = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_message_that_comes_during_a_turn_is_queued_and_answered_after_it() {
    let mut talk = Talk::begin(&folder(), &["--replay-user-messages"]);
    talk.say(A, "work 1");
    talk.until(|line| line["message"]["content"][0]["name"] == "Read");
    talk.say(B, "say second");
    let (first, second) = (talk.result(), talk.result());
    assert_eq!(
        (&first["user_message_uuids"], &first["result_index"]),
        (&json!([A]), &json!(0))
    );
    assert_eq!(
        (&second["user_message_uuids"], &second["result_index"]),
        (&json!([B]), &json!(1))
    );
    assert_eq!(second["result"], "second");
    talk.end();
    assert_eq!(talk.receipts(A), ["queued", "started", "completed"]);
    assert_eq!(talk.receipts(B), ["queued", "started", "completed"]);
    assert_eq!(talk.states(), ["running", "idle"]);
    let replayed = talk.seen.iter().filter(|line| line["isReplay"] == true);
    assert_eq!(replayed.map(|line| &line["uuid"]).collect::<Vec<_>>(), [A, B]);
    let init = talk.seen.iter().find(|line| line["subtype"] == "init").unwrap();
    let all = json!(["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"]);
    assert_eq!(init["capabilities"], all);
    assert_eq!(talk.agent.join().unwrap(), 0);
}

#[test]
fn a_message_with_a_known_id_is_answered_once_also_by_the_next_process() {
    let folder = folder();
    let mut talk = Talk::begin(&folder, &["--session-id", ID]);
    talk.say(A, "say once");
    talk.result();
    talk.say(A, "say once");
    talk.end();
    assert_eq!(talk.receipts(A), ["queued", "started", "completed"]);
    let mut talk = Talk::begin(&folder, &["--resume", ID]);
    talk.say(A, "say once");
    talk.say(B, "and you?");
    let text = talk.result()["result"].clone();
    assert!(
        text.as_str().unwrap().contains("message 2 of our conversation"),
        "{text}"
    );
    assert_eq!(talk.receipts(A), [""; 0]);
}

#[test]
fn what_is_allowed_is_done_with_exactly_the_input_of_the_answer() {
    let folder = folder();
    let mut talk = Talk::begin(&folder, &ASKS);
    talk.say(A, "write a.txt some text");
    let asked = talk.asked();
    let request = &asked["request"];
    assert_eq!(request["tool_name"], "Write");
    assert_eq!(
        request["input"],
        json!({ "file_path": "a.txt", "content": "some text" })
    );
    assert_eq!(request["permission_suggestions"][0]["type"], "setMode");
    let input = json!({ "file_path": "b.txt", "content": "other text" });
    talk.answer(&asked, &json!({ "behavior": "allow", "updatedInput": input }));
    talk.answer(&asked, &json!({ "behavior": "deny", "message": "too late" }));
    let result = talk.result();
    assert_eq!(
        (&result["result"], &result["permission_denials"]),
        (&json!("Wrote b.txt"), &json!([]))
    );
    assert_eq!(
        std::fs::read_to_string(folder.path().join("b.txt")).unwrap(),
        "other text\n"
    );
    assert!(!folder.path().join("a.txt").exists());
    talk.end();
    assert_eq!(talk.states(), ["running", "requires_action", "running", "idle"]);
}

#[test]
fn a_denial_says_its_words_and_a_wider_answer_counts_for_the_next_time() {
    let mut talk = Talk::begin(&folder(), &ASKS);
    talk.say(A, "run touch x");
    let asked = talk.asked();
    talk.answer(&asked, &json!({ "behavior": "deny", "message": "not that file" }));
    let result = talk.result();
    assert_eq!(result["result"], "not that file");
    assert_eq!(result["permission_denials"][0]["tool_input"]["command"], "touch x");
    talk.say(B, "run touch x\nrun touch x y");
    let asked = talk.asked();
    let wider = &asked["request"]["permission_suggestions"][0];
    let answer =
        json!({ "behavior": "allow", "updatedInput": asked["request"]["input"], "updatedPermissions": [wider] });
    talk.answer(&asked, &answer);
    assert_eq!(
        talk.result()["result"],
        "Ran touch x (pretended)\nRan touch x y (pretended)"
    );
}

#[test]
fn two_requests_are_open_at_once_and_can_be_asked_for_again() {
    let mut talk = Talk::begin(&folder(), &ASKS);
    talk.say(A, "twice rm x");
    let (first, second) = (talk.asked(), talk.asked());
    let again = talk.control(&json!({ "subtype": "initialize" }));
    assert_eq!(again["response"]["session_state"], "requires_action");
    assert_eq!(again["pending_permission_requests"], json!([first, second]));
    talk.answer(&second, &json!({ "behavior": "deny", "message": "no" }));
    talk.answer(
        &first,
        &json!({ "behavior": "allow", "updatedInput": { "command": "rm x" } }),
    );
    let result = talk.result()["result"].as_str().unwrap().to_owned();
    let mut said: Vec<&str> = result.lines().collect();
    said.sort_unstable();
    assert_eq!(said, ["Ran rm x (pretended)", "no"]);
}

#[test]
fn questions_and_plans_are_asked_whatever_is_allowed() {
    let options = [&ASKS[..], &["--permission-mode", "bypassPermissions"]].concat();
    let mut talk = Talk::begin(&folder(), &options);
    talk.say(A, "ask Shall I?\nchoose Which?\ngroup Both?\nplan First this");
    for (questions, several) in [(1, false), (1, true), (2, false)] {
        let asked = talk.asked();
        let mut input = asked["request"]["input"].clone();
        assert_eq!(asked["request"]["tool_name"], "AskUserQuestion");
        let all = input["questions"].as_array().unwrap().clone();
        assert_eq!((all.len(), &all[0]["multiSelect"]), (questions, &json!(several)));
        for question in &all {
            input["answers"][question["question"].as_str().unwrap()] = question["options"][0]["label"].clone();
        }
        talk.answer(&asked, &json!({ "behavior": "allow", "updatedInput": input }));
    }
    let asked = talk.asked();
    assert_eq!(asked["request"]["input"], json!({ "plan": "First this" }));
    talk.answer(&asked, &json!({ "behavior": "deny", "message": "not yet" }));
    let said = talk.result()["result"].as_str().unwrap().to_owned();
    for part in [
        "\"Shall I?\"=\"Yes\"",
        "\"Which?\"=\"Red\"",
        "\"Which colours?\"=\"Red\"",
        "not yet",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_request_can_be_withdrawn_by_the_agent() {
    let mut talk = Talk::begin(&folder(), &ASKS);
    talk.say(A, "withdraw 0 rm x");
    let asked = talk.asked();
    let withdrawn = talk.until(|line| line["type"] == "control_cancel_request");
    assert_eq!(withdrawn["request_id"], asked["request_id"]);
    assert_eq!(talk.result()["result"], "The request was withdrawn");
}

#[test]
fn an_interruption_ends_the_turn_and_with_it_what_waits_if_that_is_wanted() {
    let mut talk = Talk::begin(&folder(), &ASKS);
    talk.say(A, "work 600");
    talk.until(|line| line["message"]["content"][0]["name"] == "Read");
    talk.say(B, "run rm x");
    talk.until(|line| line["command_uuid"] == B);
    let response = talk.control(&json!({ "subtype": "interrupt" }));
    assert_eq!(response["response"], json!({ "still_queued": [B] }));
    let result = talk.result();
    assert_eq!(
        (&result["subtype"], &result["is_error"]),
        (&json!("error_during_execution"), &json!(true))
    );
    assert_eq!(result["user_message_uuids"], json!([A]));

    let asked = talk.asked();
    talk.say("c", "say never");
    talk.until(|line| line["command_uuid"] == "c");
    let response = talk.control(&json!({ "subtype": "interrupt", "cancel_queued": true }));
    assert_eq!(response["response"], json!({ "still_queued": [], "cancelled": ["c"] }));
    let withdrawn = talk
        .seen
        .iter()
        .find(|line| line["type"] == "control_cancel_request")
        .unwrap();
    assert_eq!(withdrawn["request_id"], asked["request_id"]);
    assert_eq!(talk.result()["terminal_reason"], "aborted_tools");
    talk.say("d", "say still here");
    assert_eq!(talk.result()["result"], "still here");
    assert_eq!(talk.receipts(A), ["queued", "started", "cancelled"]);
    assert_eq!(talk.receipts("c"), ["queued", "cancelled"]);
}

#[test]
fn a_message_that_waits_can_be_taken_back_and_one_that_began_cannot() {
    let mut talk = Talk::begin(&folder(), &[]);
    talk.say(A, "work 600");
    talk.until(|line| line["message"]["content"][0]["name"] == "Read");
    talk.say(B, "say never");
    talk.until(|line| line["command_uuid"] == B);
    for (uuid, cancelled) in [(A, false), (B, true), (B, false)] {
        let response = talk.control(&json!({ "subtype": "cancel_async_message", "message_uuid": uuid }));
        assert_eq!(response["response"]["cancelled"], cancelled);
    }
    talk.control(&json!({ "subtype": "interrupt" }));
    talk.end();
    assert_eq!(talk.receipts(B), ["queued", "cancelled"]);
}

#[test]
fn model_and_mode_can_be_set_and_what_is_unknown_is_refused() {
    let folder = folder();
    let mut talk = Talk::begin(&folder, &[]);
    let model = talk.control(&json!({ "subtype": "set_model", "model": "other" }));
    assert_eq!(model["response"]["model"], "other");
    let mode = talk.control(&json!({ "subtype": "set_permission_mode", "mode": "acceptEdits" }));
    assert_eq!(
        (&mode["subtype"], &mode["response"]["mode"]),
        (&json!("success"), &json!("acceptEdits"))
    );
    for request in [
        json!({ "subtype": "set_permission_mode", "mode": "nope" }),
        json!({ "subtype": "no_such_thing" }),
    ] {
        assert_eq!(talk.control(&request)["subtype"], "error", "{request}");
    }
    talk.say(A, "write a.txt x");
    let init = talk.until(|line| line["subtype"] == "init");
    assert_eq!(
        (&init["model"], &init["permissionMode"]),
        (&json!("other"), &json!("acceptEdits"))
    );
    assert_eq!(talk.result()["result"], "Wrote a.txt");
}

#[test]
fn images_are_taken_and_said() {
    let mut talk = Talk::begin(&folder(), &[]);
    let content = json!([{ "type": "image", "source": {} }, { "type": "text", "text": "look" }]);
    talk.write(&json!({ "type": "user", "message": { "role": "user", "content": content } }));
    assert_eq!(talk.result()["result"], "You said: look\nIt came with 1 image");
    talk.end();
    assert!(
        !talk.seen.iter().any(|line| line["type"] == "command_lifecycle"),
        "it had no id"
    );
}

#[test]
fn nobody_answers_after_the_end_of_the_input_and_work_goes_on_to_its_end() {
    let mut talk = Talk::begin(&folder(), &ASKS);
    talk.say(A, "work 1\nrun rm x");
    talk.say(B, "say done");
    talk.end();
    let results: Vec<&Value> = talk.seen.iter().filter(|line| line["type"] == "result").collect();
    assert_eq!(results.len(), 2);
    let first = results[0]["result"].as_str().unwrap();
    assert!(first.contains("Stream closed"), "{first}");
    assert_eq!(results[1]["result"], "done");
    assert_eq!(talk.agent.join().unwrap(), 0);
}
