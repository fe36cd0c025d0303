//! What was said in a process, as turns.

use serde_json::Value;

use super::Protocol;
use crate::headless::line::{Event, Line, Part};

/// A whole turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Where it begins in what the process printed; turns of one line have the same place, and numbers beside it.
    pub place: u64,
    /// The first one of its line is 0.
    pub number: usize,
    /// When it was printed, in milliseconds, if that is known.
    pub at: Option<u64>,
    /// Whose turn it is.
    pub role: Who,
    /// What was said; of a tool, what it was called with, or why it failed.
    pub text: String,
    /// The tool that was called.
    pub tool: Option<String>,
    /// It is a failure.
    pub failed: bool,
    /// The message that it is, or that it answers.
    pub message: Option<String>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A message.
    Person,
    /// What the agent said.
    Agent,
    /// What it did.
    Tool,
    /// What its program says.
    System,
}

/// The turns in whole lines of what a process printed; `start` is the place of the first byte, which begins a line.
#[must_use]
pub fn turns(protocol: Protocol, start: u64, bytes: &[u8]) -> Vec<Turn> {
    let (mut place, mut message, mut found) = (start, None, Vec::new());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.ends_with(b"\n")
            && let Ok(value) = serde_json::from_slice::<Value>(line)
        {
            match protocol {
                Protocol::StreamJson => stream_json(&value, place, &mut message, &mut found),
                Protocol::Acp => acp(&value, place, &mut found),
            }
        }
        place += line.len() as u64;
    }
    found
}

fn stream_json(value: &Value, place: u64, message: &mut Option<String>, found: &mut Vec<Turn>) {
    let id = |value: &Value| value.as_str().map(str::to_owned);
    if value["type"] == "command_lifecycle" || value["subtype"] == "command_lifecycle" {
        if value["state"] == "started" {
            *message = id(&value["command_uuid"]);
        }
        return;
    }
    let Some(line) = Line::of(value) else {
        return;
    };
    let mut number = 0;
    let mut add = |role, text: String, tool: Option<String>, failed, message: Option<String>| {
        found.push(Turn {
            place,
            number,
            at: line.at,
            role,
            text,
            tool,
            failed,
            message,
        });
        number += 1;
    };
    if value["isReplay"] == true {
        *message = id(&value["uuid"]);
        add(
            Who::Person,
            told(&value["message"]["content"]),
            None,
            false,
            message.clone(),
        );
        return;
    }
    if let Some(named) = id(&value["user_message_uuid"]) {
        *message = Some(named);
    }
    match line.event.clone() {
        Event::Said { parts, by_helper, .. } => {
            for part in parts {
                match part {
                    Part::Text(_) if by_helper => {}
                    Part::Text(text) => add(Who::Agent, text, None, false, message.clone()),
                    Part::Tool { name, with } => add(Who::Tool, with, Some(name), false, message.clone()),
                }
            }
        }
        Event::ToolsFailed(failed) => {
            for why in failed {
                add(Who::Tool, why, None, true, message.clone());
            }
        }
        Event::Result(answer) if answer.is_error || answer.is_aborted => {
            let text = match (answer.is_aborted, answer.text.trim()) {
                (true, _) => "It was interrupted.".to_owned(),
                (_, "") => answer.errors.join("; "),
                (_, text) => text.to_owned(),
            };
            add(Who::System, text, None, true, message.clone());
        }
        Event::Retry(_) | Event::Limited(_) | Event::Begun | Event::Denied { .. } | Event::Result(_) | Event::Other => {
        }
    }
}

/// Parts of what the agent says follow each other; the answer to a message names it, once all is said.
fn acp(value: &Value, place: u64, found: &mut Vec<Turn>) {
    let update = &value["params"]["update"];
    let is_prompt = value["result"]["stopReason"].is_string() || value["error"].is_object();
    if let Some(id) = value["id"].as_str().filter(|_| is_prompt && value["method"].is_null()) {
        for turn in found.iter_mut().rev().take_while(|turn| turn.message.is_none()) {
            turn.message = Some(id.to_owned());
        }
        return;
    }
    let (role, text) = match (value["method"].as_str(), update["sessionUpdate"].as_str()) {
        (Some("session/update"), Some("agent_message_chunk")) => (Who::Agent, &update["content"]["text"]),
        (Some("session/update"), Some("user_message_chunk")) => (Who::Person, &update["content"]["text"]),
        (Some("session/update"), Some("tool_call")) => (Who::Tool, &update["title"]),
        _ => return,
    };
    let text = text.as_str().unwrap_or_default();
    if let Some(last) = found.last_mut()
        && (last.role, last.message.is_none()) == (role, true)
        && role != Who::Tool
    {
        last.text.push_str(text);
        return;
    }
    found.push(Turn {
        place,
        number: 0,
        at: None,
        role,
        text: text.to_owned(),
        tool: (role == Who::Tool).then(|| update["kind"].as_str().unwrap_or("tool").to_owned()),
        failed: false,
        message: None,
    });
}

/// What a person said, with a word for what went with it.
fn told(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let parts = content
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| match part["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("[{}]", part["type"].as_str().unwrap_or("attachment")),
        });
    parts.collect::<Vec<_>>().join("\n")
}
