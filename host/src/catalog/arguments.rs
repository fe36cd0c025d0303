//! The arguments of the shared tools. Their schemas are made from these, so a tool takes exactly what it says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Mistake;

/// The longest that a call waits for a session, in seconds: connectors cut calls near 60.
pub(crate) const MAX_WAIT: u32 = 50;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListSessions {
    /// Only this backend.
    pub(crate) backend: Option<String>,
    /// Only sessions in this state, such as `waiting` or `idle`.
    pub(crate) state: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSession {
    /// Where to start it; the operator's default if left out.
    pub(crate) backend: Option<String>,
    /// A name to know it by.
    pub(crate) name: Option<String>,
    /// A project of `list_projects` to start in.
    pub(crate) project: Option<String>,
    /// A directory to start in, instead of a project.
    pub(crate) working_dir: Option<String>,
    /// The agent to start, such as `claude`; the backend's first if left out.
    pub(crate) agent: Option<String>,
    /// A first message, sent once the agent is ready for it.
    pub(crate) message: Option<String>,
    /// The agent's own id of a conversation to continue.
    pub(crate) resume: Option<String>,
    /// Work in a git worktree of its own, where the backend can.
    pub(crate) worktree: Option<bool>,
    /// Options of the agent or backend, such as `{"model": "opus"}`.
    pub(crate) options: Option<BTreeMap<String, String>>,
    /// Seconds to wait for the answer to `message`, or for the agent to be ready.
    #[schemars(range(max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
    /// The text to send. It is typed as it is, and submitted.
    pub(crate) message: String,
    /// Seconds to wait for what comes of it, and for a session that is at work to take it.
    #[schemars(range(max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetLogs {
    /// The session's id, or a name or prefix that only it has.
    pub(crate) session_id: String,
    /// How many lines.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 5000))]
    pub(crate) lines: u32,
    /// `scrollback` (the default), `screen`, or `transcript` where the backend has one.
    pub(crate) view: Option<LogView>,
    /// Only what came after this cursor, the `next` of an earlier answer.
    pub(crate) after: Option<String>,
    /// Fold rules, trailing blanks and repeated empty lines away.
    #[serde(default = "yes")]
    pub(crate) mobile_format: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogView {
    Screen,
    Scrollback,
    Transcript,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetSessionStatus {
    /// The session's id, or a name or prefix that only it has.
    pub(crate) session_id: String,
    /// Seconds to wait until it is no longer at work.
    #[schemars(range(max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterruptSession {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
    /// Also drop messages that wait for the session to take them.
    #[serde(default)]
    pub(crate) queued: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminateSession {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckPrompts {
    /// Only this backend.
    pub(crate) backend: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RespondToPrompt {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
    /// A choice's key or label, `yes` or `no` where the menu has them, `dismiss`, or text where it takes text.
    /// Several choices, where several may be taken, are separated by commas.
    pub(crate) response: String,
    /// The prompt that this answers; the one last shown to you if left out.
    pub(crate) prompt_id: Option<String>,
    /// Seconds to wait for what comes of it.
    #[schemars(range(max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListProjects {
    /// Only this backend.
    pub(crate) backend: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// Words to look for in names, directories, agents, states and questions of sessions.
    pub(crate) query: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fetch {
    /// An `id` that `search` gave.
    pub(crate) id: String,
}

fn fifty() -> u32 {
    50
}

fn yes() -> bool {
    true
}

/// Reads the arguments of `tool`. The error says what is wrong and what the tool takes.
pub(crate) fn read<T: for<'de> Deserialize<'de> + JsonSchema>(
    tool: &str,
    given: Map<String, Value>,
) -> Result<T, Mistake> {
    T::deserialize(Value::Object(given))
        .map_err(|error| Mistake::new(format!("{tool}: {error}. It takes: {}", takes(&schema::<T>()))))
}

/// The input schema of `T`, as one object without references.
pub(crate) fn schema<T: JsonSchema>() -> Map<String, Value> {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.remove("description");
    schema.as_object().cloned().unwrap_or_default()
}

/// The names of a schema's properties, `?` after those that may be left out.
pub(crate) fn takes(schema: &Map<String, Value>) -> String {
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return "nothing".into();
    };
    let name = |name: &String| match required.contains(&name.as_str()) {
        true => name.clone(),
        false => format!("{name}?"),
    };
    properties.keys().map(name).collect::<Vec<_>>().join(", ")
}
