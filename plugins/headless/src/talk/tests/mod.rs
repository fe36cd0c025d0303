//! Conversations from their beginning to their end, with an agent whose lines a test writes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod messages;
mod processes;
mod prompts;
mod runs;
mod turns;
mod unread;

use std::time::Duration;

use berth_plugin::jobs::{self, Channel, Phase};
use berth_plugin::testing::Host;
use berth_plugin::{
    Answer, Answered, Backend as _, Control as _, Delivery, Error, Event, Message, Options as _, Receipt, Reply,
    Result, Session, SessionQuery, State, Transcripts as _, TurnPage, TurnQuery, Upkeep as _, Verbs, store,
};
use serde_json::{Value, json};

use crate::Plugin;
use crate::fake::{FIRST, asking_host, asks, begin, doing, init, receipt, result, upkeep, uuid};
use crate::kept::talk::Talk;

/// A conversation whose process runs, and its job.
fn started() -> (Host, String) {
    let host = quick();
    begin(1, None);
    let job = job(&host);
    host.start_job(&job)
        .print_job(&job, Channel::Output, init(FIRST) + &doing(FIRST, "idle"));
    upkeep();
    (host, job)
}

/// A host whose calls do not wait long for what a test prints only later.
fn quick() -> Host {
    let host = asking_host();
    host.ends_in(Duration::from_millis(2_100));
    host
}

/// The newest job.
fn job(host: &Host) -> String {
    format!("job-{}", host.submitted().len())
}

fn session() -> Session {
    Plugin::get_session(FIRST).unwrap()
}

fn send(host: &Host, number: u32, text: &str) -> Result<Delivery> {
    host.ends_in(Duration::from_millis(2_100));
    let message = Message {
        id: uuid(number),
        text: text.to_owned(),
        attachments: Vec::new(),
    };
    Plugin::send_message(FIRST, message)
}

/// The lines that a process was given, as values.
fn given(host: &Host, job: &str) -> Vec<Value> {
    let input = String::from_utf8(host.job_input(job)).unwrap();
    input.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The texts of the messages that a process was given.
fn messages(host: &Host, job: &str) -> Vec<String> {
    let lines = given(host, job).into_iter().filter(|line| line["type"] == "user");
    lines
        .map(|line| match &line["message"]["content"] {
            Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// What a process was told of a request of its own.
fn answers(host: &Host, job: &str, request: &str) -> Vec<Value> {
    let lines = given(host, job)
        .into_iter()
        .filter(|line| line["type"] == "control_response");
    lines
        .map(|line| line["response"].clone())
        .filter(|response| response["request_id"] == request)
        .map(|response| response["response"].clone())
        .collect()
}

fn print(host: &Host, job: &str, lines: impl AsRef<str>) {
    host.print_job(job, Channel::Output, lines.as_ref());
}

fn works_on(number: u32) -> String {
    receipt(FIRST, &uuid(number), "started") + &doing(FIRST, "running")
}

fn answered(number: u32) -> String {
    result(FIRST, json!({"user_message_uuids": [uuid(number)]}))
        + &receipt(FIRST, &uuid(number), "completed")
        + &doing(FIRST, "idle")
}

fn choose(prompt: &str, key: &str, text: Option<&str>) -> Answered {
    Answered {
        prompt: prompt.to_owned(),
        answer: Answer::Reply(Reply {
            choices: vec![key.to_owned()],
            text: text.map(str::to_owned),
        }),
    }
}

fn respond(host: &Host, answers: Vec<Answered>) -> Result<Delivery> {
    host.ends_in(Duration::from_millis(2_100));
    Plugin::respond(FIRST, answers)
}

/// What a berth that begins to serve does first.
fn start() {
    let event = Event {
        id: "e".into(),
        kind: "start".into(),
        about: String::new(),
        at: 0,
        body: String::new(),
        reply_by: None,
    };
    Plugin::run(vec![event]).unwrap();
}

/// The keys of the choices that accept and decline the first prompt.
fn keys(session: &Session) -> (String, String) {
    let key = |effect| {
        let choices = session.prompts[0].choices.iter();
        choices
            .clone()
            .find(|choice| choice.effect == effect)
            .unwrap()
            .key
            .clone()
    };
    (key(berth_plugin::Effect::Accepts), key(berth_plugin::Effect::Declines))
}
