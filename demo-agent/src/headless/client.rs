//! The program that the agent speaks with: its messages that wait, and what it was asked.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::input::Input;
use super::message::Message;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Client {
    input: Receiver<Input>,
    /// Messages that wait, the oldest first.
    pub(super) queue: VecDeque<Message>,
    /// Requests that are not settled, the oldest first.
    open: Vec<Open>,
    /// The agent works on a message.
    pub(super) is_working: bool,
    /// It wants the agent to stop its work.
    pub(super) is_told_to_stop: bool,
    /// Nothing more comes.
    pub(super) is_closed: bool,
    /// Its input cannot be read.
    is_broken: bool,
}

/// A request to the client.
#[derive(Debug)]
struct Open {
    id: String,
    line: Value,
    answer: Option<Answer>,
}

/// What the client answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Allowed {
        input: Option<Value>,
        permissions: Vec<Value>,
    },
    Denied {
        why: String,
        interrupts: bool,
    },
}

impl Client {
    pub(super) fn new(input: Receiver<Input>) -> Self {
        Self {
            input,
            queue: VecDeque::new(),
            open: Vec::new(),
            is_working: false,
            is_told_to_stop: false,
            is_closed: false,
            is_broken: false,
        }
    }

    /// The next line of the input, if one comes in time. After its end the time passes all the same.
    ///
    /// # Errors
    /// Standard error cannot be written.
    pub(super) fn next(&mut self, patience: Duration) -> anyhow::Result<Option<Input>> {
        if self.is_closed {
            sleep(patience);
            return Ok(None);
        }
        match self.input.recv_timeout(patience) {
            Ok(Input::Broken(why)) => {
                self.is_broken = true;
                self.is_closed = true;
                writeln!(io::stderr(), "{why}").context("writing to standard error")?;
                Ok(None)
            }
            Ok(input) => Ok(Some(input)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                self.is_closed = true;
                Ok(None)
            }
        }
    }

    /// What the agent ends with, if its last answer ended with `status`.
    pub(super) fn status(&self, status: u8) -> u8 {
        if self.is_broken { 1 } else { status }
    }

    pub(super) fn state(&self) -> &'static str {
        match () {
            () if self.open.iter().any(|open| open.answer.is_none()) => "requires_action",
            () if self.is_working || !self.queue.is_empty() => "running",
            () => "idle",
        }
    }

    /// It is asked with this line.
    pub(super) fn ask(&mut self, id: &str, line: &Value) {
        self.open.push(Open {
            id: id.to_owned(),
            line: line.clone(),
            answer: None,
        });
    }

    /// It answers. Only the first answer to a request counts.
    pub(super) fn answer(&mut self, id: &str, line: &Value) -> bool {
        let open = self.open.iter_mut().find(|open| open.id == id && open.answer.is_none());
        let Some(open) = open else { return false };
        open.answer = Some(Answer::of(&line["response"]));
        true
    }

    /// Takes the answer to a request, which is settled then. Nobody answers after the end of the input.
    pub(super) fn take_answer(&mut self, id: &str) -> Option<Answer> {
        let place = self.open.iter().position(|open| open.id == id)?;
        let answer = self.open[place].answer.clone().or_else(|| {
            let why = "Tool permission request failed: Error: Stream closed".to_owned();
            self.is_closed.then_some(Answer::Denied { why, interrupts: false })
        })?;
        self.open.remove(place);
        Some(answer)
    }

    /// Forgets a request, and answers whether it was still open.
    pub(super) fn withdraw(&mut self, id: &str) -> bool {
        let place = self.open.iter().position(|open| open.id == id);
        place.is_some_and(|place| self.open.remove(place).answer.is_none())
    }

    /// The requests that wait for an answer, as they were sent.
    pub(super) fn pending(&self) -> Vec<&Value> {
        let waiting = self.open.iter().filter(|open| open.answer.is_none());
        waiting.map(|open| &open.line).collect()
    }

    /// The ids of all requests that are not settled.
    pub(super) fn unsettled(&self) -> Vec<String> {
        self.open.iter().map(|open| open.id.clone()).collect()
    }

    pub(super) fn waits(&self, uuid: &str) -> bool {
        self.queue.iter().any(|message| message.uuid.as_deref() == Some(uuid))
    }
}

impl Answer {
    fn of(response: &Value) -> Self {
        let denied = |why: &Value, interrupts| Self::Denied {
            why: why.as_str().unwrap_or("The user denied this").to_owned(),
            interrupts,
        };
        if response["subtype"] != "success" {
            return denied(&response["error"], false);
        }
        let response = &response["response"];
        match response["behavior"].as_str() {
            Some("allow") => Self::Allowed {
                input: response.get("updatedInput").filter(|input| input.is_object()).cloned(),
                permissions: response["updatedPermissions"].as_array().cloned().unwrap_or_default(),
            },
            Some("deny") => denied(&response["message"], response["interrupt"] == true),
            _ => denied(
                &json!("Tool permission request failed: the answer has no behavior"),
                false,
            ),
        }
    }
}
