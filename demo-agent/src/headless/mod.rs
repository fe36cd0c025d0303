//! The demo agent without a terminal: messages come on standard input and answers go to standard output, in the lines of
//! Claude Code's `stream-json`. It behaves, and ends, as the real one was measured.
//!
//! ```text
//! message ─→ turn: its orders, one after the other ─→ permission ─→ deed ─→ stream
//! ```

mod deed;
mod kept;
mod options;
mod order;
mod permission;
mod stream;
mod turn;

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use uuid::Uuid;

use self::kept::{Kept, Memory};
pub(crate) use self::options::Told;
use self::permission::Rules;
use self::stream::Stream;
use self::turn::{Ended, Turn};
use crate::record::{Kind, Record};

/// What `die` ends with, as `/crash` in a terminal does.
const DIED: u8 = 3;

/// The agent with its conversation.
struct Agent {
    options: Told,
    rules: Rules,
    directory: String,
    kept: Kept,
    id: Uuid,
    memory: Memory,
    stream: Stream,
    /// In cents, since it was started.
    spent: u64,
    interrupted: Arc<AtomicBool>,
}

/// Answers each message until the input ends, and returns the exit status of the last answer.
///
/// # Errors
/// When nobody reads what it prints, or conversations cannot be kept.
pub(crate) fn run(options: &Told, mut record: Record) -> anyhow::Result<u8> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for (signal, status) in [(SIGTERM, 143), (SIGHUP, 129)] {
        let at_once = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_shutdown(signal, status, at_once).context("listening to signals")?;
    }
    signal_hook::flag::register(SIGINT, interrupted.clone()).context("listening to signals")?;
    let mut agent = match Agent::begin(options, interrupted)? {
        Ok(agent) => agent,
        Err(refusal) => return refusal.tell(options),
    };
    record.write(Kind::Start, &agent.directory)?;
    let status = agent.talk(&mut record)?;
    record.write(Kind::Exit, &status.to_string())?;
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
    fn tell(self, options: &Told) -> anyhow::Result<u8> {
        let (Self::Options(why) | Self::Resume(why)) = &self;
        if let Self::Resume(_) = self {
            Stream::new(Uuid::new_v4(), &options.model).result(json!({
                "subtype": "error_during_execution", "is_error": true, "num_turns": 0, "errors": [why],
                "permission_denials": [], "total_cost_usd": 0, "duration_ms": 0,
            }))?;
        }
        writeln!(io::stderr(), "{why}").context("writing to standard error")?;
        Ok(1)
    }
}

impl Agent {
    /// The agent in the conversation that the options ask for.
    fn begin(options: &Told, interrupted: Arc<AtomicBool>) -> anyhow::Result<Result<Self, Refusal>> {
        let kept = Kept::find()?;
        kept.tidy();
        let (id, memory) = match conversation(options, &kept)? {
            Ok(conversation) => conversation,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let directory = std::env::current_dir().context("finding the current directory")?;
        Ok(Ok(Self {
            options: options.clone(),
            rules: options.rules(),
            directory: directory.display().to_string(),
            kept,
            id,
            memory,
            stream: Stream::new(id, &options.model),
            spent: 0,
            interrupted,
        }))
    }

    fn talk(&mut self, record: &mut Record) -> anyhow::Result<u8> {
        let mut status = 0;
        for line in io::stdin().lock().lines() {
            let line = line.context("reading standard input")?;
            if line.trim().is_empty() {
                continue;
            }
            let Ok(value) = serde_json::from_str::<Value>(&line) else {
                let complaint = format!("Error parsing streaming input line ({} chars)", line.len());
                writeln!(io::stderr(), "{complaint}").context("writing to standard error")?;
                return Ok(1);
            };
            let Some(message) = text_of(&value) else {
                continue;
            };
            record.write(Kind::Message, &message)?;
            self.memory.hear(&message);
            self.kept.write(self.id, &self.memory)?;
            status = match Turn::new(self).answer(&message)? {
                Ended::Answered { is_error } => is_error.into(),
                Ended::Interrupted => {
                    record.write(Kind::Interrupt, &message)?;
                    return Ok(0);
                }
                Ended::Died => return Ok(DIED),
            };
        }
        Ok(status)
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

/// What a person says in a line of the input. Other lines say nothing that this agent understands.
fn text_of(line: &Value) -> Option<String> {
    if line["type"] != "user" {
        return None;
    }
    match &line["message"]["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        _ => None,
    }
}
