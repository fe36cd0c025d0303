//! The demo agent as an agent of the Agent Client Protocol, version 1: JSON-RPC on standard input and output.
//!
//! It answers a prompt only at the end of its turn. As with real agents, a second prompt during a turn confuses it: the
//! first one is answered at once as if it had ended, and its text still follows.

mod session;
#[cfg(test)]
mod tests;
mod turn;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use self::session::Session;
use self::turn::{Ended, Turn};
use self::wire::{INVALID, PARSE, Refusal, UNKNOWN_METHOD, Wire};
use super::DIED;
use super::input;
use super::kept::Kept;
use super::message::Message;
use crate::record::{Kind, Record};

/// How long it waits for a line when it has nothing to do.
const IDLE: Duration = Duration::from_millis(500);

/// The agent with its sessions.
struct Agent {
    wire: Wire,
    /// Lines, or nothing in place of one that is not JSON.
    input: Receiver<Option<Value>>,
    is_closed: bool,
    kept: Kept,
    is_forgetful: bool,
    record: Record,
    sessions: HashMap<String, Session>,
    queue: VecDeque<Prompt>,
    /// What it works on.
    work: Option<Work>,
    /// What was asked of the client, with the answers that came.
    asked: HashMap<u64, Option<Value>>,
}

/// A message that waits.
struct Prompt {
    /// The request's.
    id: Value,
    session: String,
    message: Message,
}

/// A prompt that is worked on.
struct Work {
    id: Value,
    session: String,
    is_answered: bool,
    is_cancelled: bool,
}

/// Answers prompts until the input ends.
///
/// # Errors
/// When nobody reads what it prints, or conversations cannot be kept.
pub(crate) fn run(is_forgetful: bool, record: Record) -> anyhow::Result<u8> {
    let kept = Kept::find()?;
    run_in(io::stdin(), Box::new(io::stdout()), kept, is_forgetful, record)
}

fn run_in(
    input: impl Read + Send + 'static,
    output: Box<dyn Write + Send>,
    kept: Kept,
    is_forgetful: bool,
    record: Record,
) -> anyhow::Result<u8> {
    kept.tidy();
    let mut agent = Agent {
        wire: Wire::new(output),
        input: input::lines(input, |line| {
            let line = line.ok().filter(|line| !line.is_empty())?;
            Some(serde_json::from_slice(line).ok())
        }),
        is_closed: false,
        kept,
        is_forgetful,
        record,
        sessions: HashMap::new(),
        queue: VecDeque::new(),
        work: None,
        asked: HashMap::new(),
    };
    agent.talk()
}

impl Agent {
    fn talk(&mut self) -> anyhow::Result<u8> {
        loop {
            let Some(prompt) = self.queue.pop_front() else {
                if self.is_closed {
                    return Ok(0);
                }
                self.listen(IDLE)?;
                continue;
            };
            self.record.write(Kind::Message, &prompt.message.text)?;
            self.work = Some(Work {
                id: prompt.id,
                session: prompt.session.clone(),
                is_answered: false,
                is_cancelled: false,
            });
            match Turn::new(self, prompt.session).answer(&prompt.message)? {
                Ended::Died => return Ok(DIED),
                Ended::Answered(outcome) => self.answer(outcome)?,
            }
            self.work = None;
        }
    }

    /// Answers the prompt that it works on, once.
    fn answer(&mut self, outcome: Result<Value, Refusal>) -> anyhow::Result<()> {
        match &mut self.work {
            Some(work) if !work.is_answered => {
                work.is_answered = true;
                self.wire.respond(&work.id, outcome)
            }
            _ => Ok(()),
        }
    }

    /// Takes what comes, waiting at most `patience` for the first line. After the end of the input time passes all the same.
    fn listen(&mut self, patience: Duration) -> anyhow::Result<()> {
        if self.is_closed {
            sleep(patience);
            return Ok(());
        }
        let mut next = self.input.recv_timeout(patience);
        loop {
            match next {
                Ok(Some(line)) => self.take(&line)?,
                Ok(None) => {
                    let why = "Parse error".to_owned();
                    self.wire.respond(&Value::Null, Err(Refusal { code: PARSE, why }))?;
                }
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.is_closed = true;
                    return Ok(());
                }
            }
            next = self.input.recv_timeout(Duration::ZERO);
        }
    }

    fn take(&mut self, line: &Value) -> anyhow::Result<()> {
        match (line["method"].as_str(), line.get("id")) {
            (Some("session/prompt"), Some(id)) => self.prompt(id, &line["params"]),
            (Some(method), Some(id)) => {
                let outcome = self.request(method, &line["params"])?;
                self.wire.respond(id, outcome)
            }
            (Some("session/cancel"), None) => self.cancel(&line["params"]),
            (None, Some(id)) => {
                // What nobody asked, or nobody waits for any more, is ignored, and so is a second answer.
                if let Some(answer @ None) = id.as_u64().and_then(|id| self.asked.get_mut(&id)) {
                    *answer = Some(line.clone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> anyhow::Result<Result<Value, Refusal>> {
        Ok(match method {
            "initialize" => Ok(self.about()),
            "session/new" => Session::begin(params).map(|session| {
                let result = json!({ "sessionId": session.id.to_string(), "modes": session.modes() });
                self.sessions.insert(session.id.to_string(), session);
                result
            }),
            "session/load" if !self.is_forgetful => match Session::load(params, &self.kept) {
                Ok(session) => Ok(self.tell_again(session)?),
                Err(refusal) => Err(refusal),
            },
            "session/set_mode" => match self.session(params) {
                Ok(session) => session.set_mode(params["modeId"].as_str().unwrap_or_default()),
                Err(refusal) => Err(refusal),
            },
            method => Err(Refusal {
                code: UNKNOWN_METHOD,
                why: format!("\"Method not found\": {method}"),
            }),
        })
    }

    fn about(&self) -> Value {
        json!({
            "protocolVersion": 1,
            "agentCapabilities": {
                "loadSession": !self.is_forgetful,
                "promptCapabilities": { "image": true, "audio": false, "embeddedContext": true },
            },
            "agentInfo": { "name": "berth-demo-agent", "title": "Demo agent", "version": env!("CARGO_PKG_VERSION") },
            "authMethods": [],
        })
    }

    /// Tells what was said in a session before, and goes on in it.
    fn tell_again(&mut self, session: Session) -> anyhow::Result<Value> {
        let id = session.id.to_string();
        for (message, answer) in &session.memory.told {
            self.wire.chunk(&id, "user_message_chunk", message)?;
            self.wire.chunk(&id, "agent_message_chunk", answer)?;
        }
        let result = json!({ "modes": session.modes() });
        self.sessions.insert(id, session);
        Ok(result)
    }

    fn session(&mut self, params: &Value) -> Result<&mut Session, Refusal> {
        let named = params["sessionId"].as_str().unwrap_or_default();
        self.sessions.get_mut(named).ok_or_else(|| Refusal {
            code: INVALID,
            why: format!("Invalid params: there is no session {named:?}"),
        })
    }

    fn prompt(&mut self, id: &Value, params: &Value) -> anyhow::Result<()> {
        let session = match self.session(params) {
            Ok(session) => session.id.to_string(),
            Err(refusal) => return self.wire.respond(id, Err(refusal)),
        };
        let Some(message) = said(&params["prompt"]) else {
            let why = "Invalid params: the prompt says nothing".to_owned();
            return self.wire.respond(id, Err(Refusal { code: INVALID, why }));
        };
        if self.work.as_ref().is_some_and(|work| work.session == session) {
            self.answer(Ok(json!({ "stopReason": "end_turn" })))?;
        }
        self.queue.push_back(Prompt {
            id: id.clone(),
            session,
            message,
        });
        Ok(())
    }

    /// Ends the work in a session, with what waits there.
    fn cancel(&mut self, params: &Value) -> anyhow::Result<()> {
        let session = params["sessionId"].as_str().unwrap_or_default();
        if let Some(work) = self.work.as_mut().filter(|work| work.session == session) {
            work.is_cancelled = true;
        }
        let (gone, rest): (VecDeque<_>, _) = self.queue.drain(..).partition(|prompt| prompt.session == session);
        self.queue = rest;
        for prompt in gone {
            self.wire
                .respond(&prompt.id, Ok(json!({ "stopReason": "cancelled" })))?;
        }
        Ok(())
    }
}

/// What a prompt says. A resource is a document.
fn said(prompt: &Value) -> Option<Message> {
    let block = |block: &Value| match block["type"].as_str() {
        Some("resource" | "resource_link") => json!({ "type": "document" }),
        _ => block.clone(),
    };
    let content: Vec<Value> = prompt.as_array()?.iter().map(block).collect();
    Message::of(&json!({ "message": { "content": content } }))
}
