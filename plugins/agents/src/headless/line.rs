//! One line that the agent printed, as far as it is understood.

use serde_json::Value;

use crate::transcript::{called_with, milliseconds};

/// How an error begins that is only for those who make the agent.
const DIAGNOSTIC: &str = "[ede_diagnostic]";

/// A line, the conversation that it belongs to, and its time in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) conversation: Option<String>,
    pub(crate) at: Option<u64>,
    pub(crate) event: Event,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// It has begun.
    Begun,
    /// A message of the agent, or of one that it started: parts of one message come in lines of their own.
    Said {
        message: String,
        by_helper: bool,
        parts: Vec<Part>,
    },
    /// What tools answered that failed, in one line each.
    ToolsFailed(Vec<String>),
    /// A tool was not allowed.
    Denied {
        tool: String,
        why: String,
    },
    /// A request to the model failed and is repeated.
    Retry(String),
    /// The model's usage limit holds until then, in milliseconds.
    Limited(Option<u64>),
    Result(Box<Answer>),
    Other,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Tool { name: String, with: String },
}

/// The line that ends a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) subtype: String,
    pub(crate) is_error: bool,
    pub(crate) api_status: Option<u64>,
    /// The API refused it since the account's usage limit is reached.
    pub(crate) is_limit: bool,
    pub(crate) text: String,
    pub(crate) errors: Vec<String>,
    /// It was told to stop.
    pub(crate) is_aborted: bool,
    pub(crate) startup: Option<String>,
    pub(crate) turns: Option<u64>,
    /// Of the whole conversation so far, in US dollars.
    pub(crate) cost: Option<f64>,
    pub(crate) denied: Vec<String>,
}

impl Line {
    /// Reads it; none if it is not one of the agent's.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(line).ok()?)
    }

    /// Reads a line that is parsed already.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let kind = value.as_object()?.get("type")?.as_str()?;
        Some(Self {
            conversation: text(&value["session_id"]),
            at: value["timestamp"].as_str().and_then(milliseconds),
            event: match (kind, value["subtype"].as_str().unwrap_or_default()) {
                ("system", "init") => Event::Begun,
                ("system", "permission_denied") => Event::Denied {
                    tool: text(&value["tool_name"]).unwrap_or_default(),
                    why: text(&value["message"]).unwrap_or_default(),
                },
                ("system", "api_retry") => Event::Retry(retry(value)),
                ("rate_limit_event", _) => limited(value),
                ("assistant", _) => said(value),
                ("user", _) => Event::ToolsFailed(failed(&value["message"]["content"])),
                ("result", _) => Event::Result(Box::new(answer(value))),
                _ => Event::Other,
            },
        })
    }

    /// Whether it may belong to this conversation.
    pub(crate) fn is_of(&self, conversation: &str) -> bool {
        self.conversation.as_deref().is_none_or(|id| id == conversation)
    }
}

/// The whole lines of an output that begins with the byte `start`. Where that is not the first one, what comes before the
/// first end of a line is the rest of a line.
pub(crate) fn whole(start: u64, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let skip = if start > 0 { 1 } else { 0 };
    let ended = |line: &&[u8]| line.ends_with(b"\n");
    bytes.split_inclusive(|byte| *byte == b'\n').skip(skip).filter(ended)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn retry(value: &Value) -> String {
    let number = |key: &str| value[key].as_u64();
    let cause = match (value["error"].as_str(), number("error_status")) {
        (Some(error), Some(status)) => format!("{} ({status})", error.replace('_', " ")),
        (Some(error), None) => error.replace('_', " "),
        (None, Some(status)) => format!("status {status}"),
        (None, None) => "it failed".to_owned(),
    };
    match (number("attempt"), number("max_retries")) {
        (Some(attempt), Some(most)) => format!("the model's API answers {cause}; it tries again, {attempt} of {most}"),
        _ => format!("the model's API answers {cause}; it tries again"),
    }
}

/// A limit that only warns does not hold anything up.
fn limited(value: &Value) -> Event {
    let told = match &value["rate_limit_info"] {
        Value::Null => value,
        told => told,
    };
    if told["status"]
        .as_str()
        .is_none_or(|status| status.starts_with("allowed"))
    {
        return Event::Other;
    }
    Event::Limited(told["resetsAt"].as_u64().map(|seconds| seconds.saturating_mul(1000)))
}

fn said(value: &Value) -> Event {
    let message = &value["message"];
    // What the program says in the agent's place comes again in the result.
    if message["model"].as_str() == Some("<synthetic>") {
        return Event::Other;
    }
    let parts = message["content"].as_array().into_iter().flatten().filter_map(part);
    Event::Said {
        message: text(&message["id"]).unwrap_or_default(),
        by_helper: value["parent_tool_use_id"].is_string(),
        parts: parts.collect(),
    }
}

fn part(value: &Value) -> Option<Part> {
    match value["type"].as_str()? {
        "text" => text(&value["text"])
            .filter(|text| !text.trim().is_empty())
            .map(Part::Text),
        "tool_use" => Some(Part::Tool {
            name: text(&value["name"]).unwrap_or_else(|| "tool".to_owned()),
            with: called_with(&value["input"]),
        }),
        _ => None,
    }
}

fn failed(content: &Value) -> Vec<String> {
    let results = content.as_array().into_iter().flatten();
    let failed = results.filter(|part| part["type"] == "tool_result" && part["is_error"] == true);
    failed.map(|part| first_line(&part["content"])).collect()
}

fn first_line(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten();
    let text = content.as_str().or_else(|| {
        let mut texts = parts.filter_map(|part| part["text"].as_str());
        texts.next()
    });
    let line = text.unwrap_or_default().lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("it failed").trim().to_owned()
}

fn answer(value: &Value) -> Answer {
    let denied = value["permission_denials"].as_array().into_iter().flatten();
    let errors = value["errors"].as_array().into_iter().flatten();
    Answer {
        subtype: text(&value["subtype"]).unwrap_or_default(),
        is_error: value["is_error"] == true,
        api_status: value["api_error_status"].as_u64(),
        is_limit: value["api_error"] == "usage_limit_reached",
        text: text(&value["result"]).unwrap_or_default(),
        errors: errors
            .filter_map(text)
            .filter(|error| !error.starts_with(DIAGNOSTIC))
            .collect(),
        is_aborted: value["terminal_reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("aborted")),
        startup: text(&value["startup_failure_reason"]),
        turns: value["num_turns"].as_u64(),
        cost: value["total_cost_usd"].as_f64().filter(|cost| *cost >= 0.0),
        denied: denied.map(denial).collect(),
    }
}

fn denial(value: &Value) -> String {
    let tool = value["tool_name"].as_str().unwrap_or("a tool");
    match called_with(&value["tool_input"]).as_str() {
        "" => tool.to_owned(),
        with => format!("{tool} ({with})"),
    }
}
