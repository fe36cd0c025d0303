//! The turns of a conversation, from the lines that an agent keeps of it.
//!
//! Nobody promises the form of these lines: what is not understood is passed over, and so is a last line that is still
//! being written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The longest line that tells what a tool was called with, in characters.
const CALL_MAX: usize = 200;
/// What of a tool's input says most about it, the best first.
const TELLING: [&str; 10] = [
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "skill",
    "description",
    "path",
    "prompt",
];

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A person, or who speaks for one.
    Person,
    /// The agent.
    Agent,
    /// The agent, thinking.
    Thought,
    /// A tool that the agent calls.
    Tool,
    /// The agent's program.
    System,
}

/// A turn, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where its line begins in the file, in bytes, and which of the line's turns it is.
    pub place: (u64, usize),
    /// When, in milliseconds.
    pub at: Option<u64>,
    /// By whom.
    pub who: Who,
    /// What; of a tool, what it was called with, in one line.
    pub text: String,
    /// The tool's name.
    pub tool: Option<String>,
    /// It failed.
    pub failed: bool,
}

/// The turns in `bytes`, whole lines of a file from the byte `start` on.
#[must_use]
pub fn turns(start: u64, bytes: &[u8]) -> Vec<Said> {
    let mut read = Read::default();
    let mut at = start;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // The last one may still be written.
        if line.ends_with(b"\n")
            && let Ok(line) = serde_json::from_slice(line)
        {
            read.line(at, line);
        }
        at += line.len() as u64;
    }
    read.all
}

/// What was read so far.
#[derive(Default)]
struct Read {
    all: Vec<Said>,
    /// Which of them are calls of tools, by the calls' ids.
    calls: BTreeMap<String, usize>,
    /// Where the present line begins, and its time.
    start: u64,
    at: Option<u64>,
}

impl Read {
    fn line(&mut self, start: u64, line: Line) {
        if line.is_sidechain || line.is_meta || line.is_compact_summary {
            return;
        }
        self.start = start;
        self.at = line.timestamp.as_deref().and_then(milliseconds);
        let message = line.message.unwrap_or_default();
        match line.r#type.as_str() {
            "system" if line.subtype.as_deref() == Some("compact_boundary") => {
                self.add(Who::System, "The conversation was compacted.".to_owned());
            }
            "user" => {
                let kind = line.origin.and_then(|origin| origin.kind);
                self.user(message, kind.is_none_or(|kind| kind == "human"));
            }
            "assistant" if line.is_api_error_message => {
                for part in message.parts() {
                    self.add(Who::System, part.text).failed = true;
                }
            }
            // What the program says in the agent's place does not count.
            "assistant" if message.model.as_deref() != Some("<synthetic>") => self.agent(message),
            _ => {}
        }
    }

    fn user(&mut self, message: Message, by_person: bool) {
        let mut texts = Vec::new();
        for part in message.parts() {
            match part.r#type.as_str() {
                "text" => texts.push(part.text),
                "image" => texts.push("[image]".to_owned()),
                "tool_result" if part.is_error == Some(true) => {
                    let call = part.tool_use_id.and_then(|id| self.calls.get(&id).copied());
                    if let Some(call) = call {
                        self.all[call].failed = true;
                    }
                }
                _ => {}
            }
        }
        if let Some((who, text)) = written(texts.join("\n"), by_person).filter(|(_, text)| !text.trim().is_empty()) {
            self.add(who, text);
        }
    }

    fn agent(&mut self, message: Message) {
        for part in message.parts() {
            match part.r#type.as_str() {
                "text" if !part.text.trim().is_empty() => {
                    self.add(Who::Agent, part.text);
                }
                "thinking" if !part.thinking.trim().is_empty() => {
                    self.add(Who::Thought, part.thinking);
                }
                "tool_use" => {
                    self.calls.extend(part.id.map(|id| (id, self.all.len())));
                    let said = self.add(Who::Tool, called_with(&part.input));
                    said.tool = Some(part.name.unwrap_or_else(|| "tool".to_owned()));
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, who: Who, text: String) -> &mut Said {
        let of_line = self.all.iter().rev().take_while(|said| said.place.0 == self.start);
        let said = Said {
            place: (self.start, of_line.count()),
            at: self.at,
            who,
            text,
            tool: None,
            failed: false,
        };
        self.all.push_mut(said)
    }
}

/// One line, as far as it is understood.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    r#type: String,
    subtype: Option<String>,
    timestamp: Option<String>,
    message: Option<Message>,
    #[serde(default)]
    is_sidechain: bool,
    #[serde(default)]
    is_meta: bool,
    #[serde(default)]
    is_compact_summary: bool,
    #[serde(default)]
    is_api_error_message: bool,
    origin: Option<Origin>,
}

#[derive(Deserialize)]
struct Origin {
    kind: Option<String>,
}

#[derive(Default, Deserialize)]
struct Message {
    model: Option<String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    r#type: String,
    text: String,
    thinking: String,
    id: Option<String>,
    name: Option<String>,
    input: Value,
    tool_use_id: Option<String>,
    is_error: Option<bool>,
}

impl Message {
    fn parts(self) -> Vec<Part> {
        match self.content {
            None => Vec::new(),
            Some(Content::Parts(parts)) => parts,
            Some(Content::Text(text)) => vec![Part {
                r#type: "text".to_owned(),
                text,
                ..Part::default()
            }],
        }
    }
}

/// Who wrote a message, and what is shown of it. The agent's program keeps commands and their output as messages too.
fn written(text: String, by_person: bool) -> Option<(Who, String)> {
    let between = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.trim())
    };
    if text.starts_with("<task-notification>") || !by_person {
        let told = between("summary").map_or_else(|| text.clone(), str::to_owned);
        return Some((Who::System, told));
    }
    if text.starts_with("[Request interrupted by user") {
        return Some((Who::System, "A person interrupted it.".to_owned()));
    }
    if text.starts_with("<local-command-") || text.starts_with("<bash-stdout>") {
        return None;
    }
    if text.starts_with("<bash-input>") {
        return Some((Who::Person, format!("! {}", between("bash-input")?)));
    }
    if text.starts_with("<command-name>") || text.starts_with("<command-message>") {
        let command = [between("command-name"), between("command-args")];
        let command: Vec<_> = command.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        return Some((Who::Person, command.join(" ")));
    }
    Some((Who::Person, text))
}

/// What a tool was called with, in one line.
pub(crate) fn called_with(input: &Value) -> String {
    let told = TELLING.iter().find_map(|key| input.get(key)?.as_str());
    let told = told.map_or_else(
        || match input {
            Value::Null => String::new(),
            input => input.to_string(),
        },
        str::to_owned,
    );
    let line = told.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CALL_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A time such as `2026-11-26T17:30:27.961Z`, in milliseconds since 1970.
pub(crate) fn milliseconds(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut date = date.split('-').map(number);
    let mut clock = clock.split([':', '.']).map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let millis = clock.next().flatten().unwrap_or(0);
    let valid = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 || millis > 999 {
        return None;
    }
    // Years begin in March here, so that the day which some of them have more is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis)
}
