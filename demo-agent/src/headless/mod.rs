//! The demo agent without a terminal: messages come on standard input and answers go to standard output, in the lines of
//! Claude Code's `stream-json`. It behaves, and ends, as the real one was measured.
//!
//! ```text
//! input ─→ client: messages that wait, requests ─→ turn: its orders, one after the other ─→ tool ─→ deed
//!             └─→ control: answered at once                └─→ stream ←─┘
//! ```

pub(crate) mod acp;
mod client;
mod control;
mod deed;
mod input;
mod kept;
mod message;
mod options;
mod order;
mod permission;
mod stream;
mod tool;
mod turn;

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use uuid::Uuid;

use self::client::Client;
use self::kept::{Kept, Memory};
use self::message::Message;
pub(crate) use self::options::Told;
use self::permission::Rules;
use self::stream::Stream;
use self::tool::Tool;
use self::turn::{Ended, Turn};
use crate::record::{Kind, Record};

/// What `die` ends with, as `/crash` in a terminal does.
const DIED: u8 = 3;

/// How often it looks whether it is interrupted, when it has nothing to do.
const IDLE: Duration = Duration::from_millis(50);

/// Where an agent lives: what is different in a test.
struct Place {
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
    directory: String,
    kept: Kept,
    tells_states: bool,
}

/// The agent with its conversation.
struct Agent {
    options: Told,
    rules: Rules,
    directory: String,
    kept: Kept,
    id: Uuid,
    memory: Memory,
    stream: Stream,
    client: Client,
    record: Record,
    /// Answers since it was started.
    results: u64,
    /// In cents, since it was started.
    spent: u64,
    interrupted: Arc<AtomicBool>,
}

/// Answers each message until the input ends, and returns the exit status of the last answer.
///
/// # Errors
/// When nobody reads what it prints, or conversations cannot be kept.
pub(crate) fn run(options: &Told, record: Record) -> anyhow::Result<u8> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for (signal, status) in [(SIGTERM, 143), (SIGHUP, 129)] {
        let at_once = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_shutdown(signal, status, at_once).context("listening to signals")?;
    }
    signal_hook::flag::register(SIGINT, interrupted.clone()).context("listening to signals")?;
    let directory = std::env::current_dir().context("finding the current directory")?;
    let place = Place {
        input: Box::new(io::stdin()),
        output: Box::new(io::stdout()),
        directory: directory.display().to_string(),
        kept: Kept::find()?,
        tells_states: std::env::var("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS").is_ok_and(|value| value == "1"),
    };
    run_in(place, options, record, interrupted)
}

fn run_in(place: Place, options: &Told, record: Record, interrupted: Arc<AtomicBool>) -> anyhow::Result<u8> {
    place.kept.tidy();
    let (id, memory) = match conversation(options, &place.kept)? {
        Ok(conversation) => conversation,
        Err(refusal) => return refusal.tell(place, options),
    };
    let mut agent = Agent {
        options: options.clone(),
        rules: options.rules(),
        directory: place.directory,
        kept: place.kept,
        id,
        memory,
        stream: Stream::new(place.output, id, &options.model, place.tells_states),
        client: Client::new(input::open(place.input)),
        record,
        results: 0,
        spent: 0,
        interrupted,
    };
    agent.record.write(Kind::Start, &agent.directory)?;
    let status = agent.talk()?;
    agent.record.write(Kind::Exit, &status.to_string())?;
    Ok(status)
}

/// Why no conversation begins.
enum Refusal {
    /// Said on standard error.
    Options(String),
    /// Also said as a result, of a conversation that is not any.
    Resume(String),
}

impl Refusal {
    fn tell(self, place: Place, options: &Told) -> anyhow::Result<u8> {
        let (Self::Options(why) | Self::Resume(why)) = &self;
        if let Self::Resume(_) = self {
            Stream::new(place.output, Uuid::new_v4(), &options.model, false).result(json!({
                "subtype": "error_during_execution", "is_error": true, "num_turns": 0, "errors": [why],
                "permission_denials": [], "total_cost_usd": 0, "duration_ms": 0,
            }))?;
        }
        writeln!(io::stderr(), "{why}").context("writing to standard error")?;
        Ok(1)
    }
}

impl Agent {
    fn talk(&mut self) -> anyhow::Result<u8> {
        let mut status = 0;
        loop {
            let Some(message) = self.client.queue.pop_front() else {
                if self.client.is_closed || self.is_interrupted() {
                    return Ok(self.client.status(status));
                }
                self.listen(IDLE)?;
                continue;
            };
            self.client.is_working = true;
            status = match self.take_up(&message)? {
                Ended::Answered { is_error } => is_error.into(),
                Ended::Interrupted => {
                    self.record.write(Kind::Interrupt, &message.text)?;
                    return Ok(0);
                }
                Ended::Died => return Ok(DIED),
            };
            self.client.is_working = false;
            self.client.is_told_to_stop = false;
            self.tell_state()?;
        }
    }

    /// Remembers a message before it is answered, so that it is not answered twice after a crash.
    fn take_up(&mut self, message: &Message) -> anyhow::Result<Ended> {
        let uuid = message.uuid.as_deref();
        self.record.write(Kind::Message, &message.text)?;
        self.memory.hear(&message.text);
        uuid.into_iter().for_each(|uuid| self.memory.note(uuid));
        self.kept.write(self.id, &self.memory)?;
        self.stream.receipt(uuid, "started")?;
        let ended = Turn::new(self).answer(message)?;
        if let Ended::Answered { is_error } = ended {
            let state = if is_error { "cancelled" } else { "completed" };
            self.stream.receipt(uuid, state)?;
        }
        Ok(ended)
    }

    /// Asks whether it may use a tool, and answers the request's id.
    fn ask(&mut self, tool: &Tool) -> anyhow::Result<String> {
        let id = Uuid::new_v4().to_string();
        let line = json!({ "type": "control_request", "request_id": id, "request": tool.request() });
        self.client.ask(&id, &line);
        self.tell_state()?;
        self.stream.print(&line)?;
        Ok(id)
    }

    /// Allows what a person allowed beyond one use of a tool.
    fn widen(&mut self, permissions: &[Value]) -> anyhow::Result<()> {
        for one in permissions {
            match one["type"].as_str() {
                Some("setMode") => self.change_mode(one["mode"].as_str().unwrap_or("default"))?,
                Some("addRules") if one["behavior"] == "allow" => {
                    for rule in one["rules"].as_array().into_iter().flatten() {
                        let tool = rule["toolName"].as_str().unwrap_or_default();
                        let content = rule["ruleContent"].as_str();
                        let rule = content.map_or_else(|| tool.to_owned(), |content| format!("{tool}({content})"));
                        self.rules.add(rule);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn spend(&mut self, cents: u64) -> anyhow::Result<()> {
        self.spent += cents;
        self.memory.cents += cents;
        self.kept.write(self.id, &self.memory)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// The conversation that the options ask for, with what is remembered of it.
fn conversation(options: &Told, kept: &Kept) -> anyhow::Result<Result<(Uuid, Memory), Refusal>> {
    if options.session_id.is_some() && options.resume.is_some() && !options.fork_session {
        let why = "Error: --session-id with --continue or --resume also needs --fork-session.";
        return Ok(Err(Refusal::Options(why.to_owned())));
    }
    let new = match options.session_id.as_deref().map(Uuid::try_parse).transpose() {
        Ok(given) => given,
        Err(_) => {
            let why = "Error: Invalid session ID. Must be a valid UUID.";
            return Ok(Err(Refusal::Options(why.to_owned())));
        }
    };
    if let Some(id) = new
        && kept.read(id)?.is_some()
    {
        let why = format!("Error: Session ID {id} is already in use.");
        return Ok(Err(Refusal::Options(why)));
    }
    let Some(asked) = &options.resume else {
        return Ok(Ok((new.unwrap_or_else(Uuid::new_v4), Memory::default())));
    };
    let Ok(id) = Uuid::try_parse(asked) else {
        let why = format!(
            "Error: --resume requires a valid session ID or session title when used with --print. Usage: claude -p \
             --resume <session-id|title>. Provided value \"{asked}\" is not a UUID and does not match any session title."
        );
        return Ok(Err(Refusal::Resume(why)));
    };
    Ok(match kept.read(id)? {
        None => Err(Refusal::Resume(format!("No conversation found with session ID: {id}"))),
        Some(memory) if options.fork_session => Ok((new.unwrap_or_else(Uuid::new_v4), memory)),
        Some(memory) => Ok((id, memory)),
    })
}
