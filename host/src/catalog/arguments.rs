//! The arguments of the shared tools. Their schemas are made from these, so a tool takes exactly what it says.

mod lenient;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::lenient::States;

use super::{Mistake, schema};
use crate::session::State;
use crate::text::short_line;

/// The longest that a call waits for a session, in seconds: connectors cut calls near 60.
pub(crate) const MAX_WAIT: u32 = 50;
/// The most sessions of one answer.
pub(crate) const MAX_SESSIONS: u32 = 500;
/// The most lines that a log is read by.
pub(crate) const MAX_LINES: u32 = 5_000;
/// Characters of what is wrong with arguments.
const FAULT: usize = 300;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListSessions {
    /// Only this backend. All, if left out.
    pub(crate) backend: Option<String>,
    /// Only sessions in this state. If left out: all that have not ended, and those that ended in the last 24 hours.
    #[schemars(with = "Option<State>")]
    pub(crate) state: Option<States>,
    /// How many sessions one answer holds. 50, if left out.
    #[serde(default = "fifty", deserialize_with = "lenient::count")]
    #[schemars(range(min = 1, max = 500))]
    pub(crate) limit: u32,
    /// The `next` of an earlier answer, to continue after it.
    pub(crate) after: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSession {
    /// Where to start it. The operator's default, if left out.
    pub(crate) backend: Option<String>,
    /// A name for it. The backend chooses one, if left out.
    pub(crate) name: Option<String>,
    /// A project of `list_projects` to start in.
    pub(crate) project: Option<String>,
    /// A directory to start in, instead of a project.
    pub(crate) working_dir: Option<String>,
    /// The agent to start, such as `claude`. The backend's first, if left out.
    pub(crate) agent: Option<String>,
    /// A first message, sent once the agent is ready for it.
    pub(crate) message: Option<String>,
    /// What goes with the message, such as a screenshot: at most 8, and 512 KiB in all.
    pub(crate) attachments: Option<Vec<Attachment>>,
    /// The agent's own id of a conversation to continue: the `conversation` in the facts of a session.
    pub(crate) resume: Option<String>,
    /// Continue a copy of that conversation, so that the original stays as it is. `false`, if left out.
    #[serde(default, deserialize_with = "lenient::some_flag")]
    pub(crate) fork: Option<bool>,
    /// Work in a git worktree of its own. The backend decides, if left out.
    #[serde(default, deserialize_with = "lenient::some_flag")]
    pub(crate) worktree: Option<bool>,
    /// Options that the backend declares in `list_projects`, such as `{"model": "opus"}`. None, if left out.
    #[serde(default, deserialize_with = "lenient::some_values")]
    pub(crate) options: Option<BTreeMap<String, String>>,
    /// Seconds to wait for the answer to `message`, or for the agent to be ready. 0, if left out.
    #[serde(default, deserialize_with = "lenient::some_count")]
    #[schemars(range(min = 0, max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

/// What goes with a message: `text`, or other bytes as `data`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attachment {
    /// A file name.
    pub(crate) name: String,
    /// What it is, such as `image/png`.
    pub(crate) media_type: String,
    /// Its text. Give either this or `data`.
    pub(crate) text: Option<String>,
    /// Its bytes in base64. Give either this or `text`.
    pub(crate) data: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    /// The session's id, or a name that only it has.
    pub(crate) session_id: String,
    /// The text to send. It is typed as it is, and submitted.
    pub(crate) message: String,
    /// What goes with the message, such as a screenshot: at most 8, and 512 KiB in all.
    pub(crate) attachments: Option<Vec<Attachment>>,
    /// Seconds to wait for the result, and for a session that is at work to take it. 0, if left out.
    #[serde(default, deserialize_with = "lenient::some_count")]
    #[schemars(range(min = 0, max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetLogs {
    /// The session's id, or a name or prefix that only it has.
    pub(crate) session_id: String,
    /// How many lines, or turns of a transcript. 50, if left out.
    #[serde(default = "fifty", deserialize_with = "lenient::count")]
    #[schemars(range(min = 1, max = 5000))]
    pub(crate) lines: u32,
    /// What to read: `transcript` (what was said, turn by turn) where the backend has one, or one of its views (see `list_projects`), such as
    /// `screen`. Its usual view, if left out.
    pub(crate) view: Option<String>,
    /// Only what came after this cursor, the `next` of an earlier answer.
    pub(crate) after: Option<String>,
    /// Only turns from this time on, such as `2026-01-31T08:00:00Z`; only for the transcript.
    pub(crate) since: Option<String>,
    /// Remove rules, trailing spaces and repeated empty lines. `true`, if left out.
    #[serde(default = "yes", deserialize_with = "lenient::flag")]
    pub(crate) mobile_format: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetSessionStatus {
    /// The session's id, or a name or prefix that only it has.
    pub(crate) session_id: String,
    /// Seconds to wait until it is no longer at work. 0, if left out.
    #[serde(default, deserialize_with = "lenient::some_count")]
    #[schemars(range(min = 0, max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterruptSession {
    /// The session's id, or a name that only it has.
    pub(crate) session_id: String,
    /// Also drop the messages that wait for the session to take them. `false`, if left out.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) queued: bool,
    /// Only cancel the waiting message with this id, and let the session continue.
    pub(crate) message_id: Option<String>,
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
    /// Only this backend. All, if left out.
    pub(crate) backend: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RespondToPrompt {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
    /// A choice's key or label, `yes` or `no` where the menu has them, or text where it takes text. `dismiss` closes it
    /// without an answer; it also leaves a dialog that is not understood (state `unknown`). Several choices, where several may be taken, are separated by commas.
    pub(crate) response: Option<String>,
    /// Instead of `response`: the keys of all choices to take.
    #[serde(default, deserialize_with = "lenient::some_words")]
    pub(crate) choices: Option<Vec<String>>,
    /// Text, with `choices` or alone, if the prompt takes text.
    pub(crate) text: Option<String>,
    /// The prompt that this answers. The one last shown to you, if left out.
    pub(crate) prompt_id: Option<String>,
    /// Seconds to wait for the result. 0, if left out.
    #[serde(default, deserialize_with = "lenient::some_count")]
    #[schemars(range(min = 0, max = 50))]
    pub(crate) wait_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetSession {
    /// The whole id of the session, `backend/id`.
    pub(crate) session_id: String,
    /// Options and their new values, such as `{"model": "opus"}`. An empty object changes nothing and shows them.
    #[serde(deserialize_with = "lenient::values")]
    pub(crate) options: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetChanges {
    /// The session's id, or a name or prefix that only it has.
    pub(crate) session_id: String,
    /// The `next` of an earlier answer, to continue after it.
    pub(crate) after: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListProjects {
    /// Only this backend. All, if left out.
    pub(crate) backend: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// Words to look for in names, directories, agents, states, tasks and questions of sessions.
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
    T::deserialize(Value::Object(lenient::without_null(given))).map_err(|error| {
        // It repeats what was given.
        let fault = short_line(&error.to_string(), FAULT);
        Mistake::new(format!(
            "{tool}: {fault}. It takes: {}",
            schema::takes(&schema::of::<T>())
        ))
    })
}
