//! What berth says of sessions and of the backends that run them: records of its own, so that a later contract with
//! plugins is one more file of `plugin/` and changes nothing above it. They hold only data.

mod changes;
mod description;
mod error;
mod log;
mod manifest;
mod message;
mod new_session;
mod own_tool;
mod project;
mod prompt;
mod turn;
mod upkeep;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::changes::{ChangePage, ChangedFile};
pub use self::description::{Creation, Description, OptionSpec, OptionState};
pub use self::error::Error;
pub use self::log::{LogPage, LogQuery};
pub use self::manifest::Manifest;
pub use self::message::{Attachment, Delivery, Message, QueuedMessage, Receipt};
pub use self::new_session::NewSession;
pub use self::own_tool::{Content, Tool, ToolCall, ToolOutput};
pub use self::project::Project;
pub use self::prompt::{Answer, Answered, Choice, Effect, Prompt, PromptKind, Reply};
pub use self::turn::{Role, Turn, TurnPage, TurnQuery};
pub use self::upkeep::{Event, Upkept};

/// Milliseconds since the Unix epoch, UTC.
pub type Timestamp = u64;

/// Further facts: a name and a value each.
pub type Facts = Vec<(String, String)>;

/// A session of one backend, as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Unique within its backend.
    pub id: String,
    /// As a person gave it.
    pub name: String,
    /// The agent in it, or what runs there.
    pub agent: String,
    /// Where it works, on the machine on which it runs.
    pub directory: Option<String>,
    /// The project that it works in.
    pub project: Option<String>,
    /// The session that it belongs to.
    pub parent: Option<String>,
    /// What it is doing.
    pub state: State,
    /// How that is known.
    pub evidence: Evidence,
    /// When this state began.
    pub since: Option<Timestamp>,
    /// A line on what it is doing, or why it ended.
    pub summary: Option<String>,
    /// What it was last asked to do.
    pub task: Option<String>,
    /// What it said last.
    pub last_output: Option<String>,
    /// What it waits for a person to answer, oldest first. There are some if and only if its state is `waiting`.
    pub prompts: Vec<Prompt>,
    /// Why a person should look although it does not ask anything.
    pub attention: Option<Attention>,
    /// Messages that its backend keeps for it, in the order in which they will be sent.
    pub queue: Vec<QueuedMessage>,
    /// What can be done with it now.
    pub can: Verbs,
    /// Where a person can open it.
    pub url: Option<String>,
    /// When it was started.
    pub created_at: Option<Timestamp>,
    /// When it last did something.
    pub active_at: Option<Timestamp>,
    /// Anything else that its backend says of it.
    pub facts: Facts,
}

/// How long a session that has ended is listed where no state was asked for.
const RECENT: Timestamp = 24 * 60 * 60 * 1000;

impl Session {
    /// Whether it has not ended, or not long before `now`. Of one without a time nobody knows.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        let ended = self.since.or(self.active_at).or(self.created_at);
        !self.state.is_end() || ended.is_none_or(|at| at.saturating_add(RECENT) >= now)
    }
}

/// Whether all sessions that follow `listed`, the beginning of a backend's list, have ended: those that have not come
/// first. Nobody knows where that order is not kept.
pub fn rest_has_ended(listed: &[Session]) -> bool {
    listed.last().is_some_and(|last| last.state.is_end()) && listed.is_sorted_by_key(|session| session.state.is_end())
}

/// Whether they have ended long before `now`: of both kinds the newest come first.
pub fn rest_is_old(listed: &[Session], now: Timestamp) -> bool {
    rest_has_ended(listed) && listed.last().is_some_and(|last| !last.is_recent(now))
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a place to run.
    Queued,
    /// It is being started.
    Starting,
    /// At work.
    Busy,
    /// It is not busy, and a message reaches the agent as a message.
    Idle,
    /// It waits for an answer.
    Waiting,
    /// Paused, and continues later.
    Paused,
    /// Ended by itself, with success.
    Done,
    /// Ended by itself, with a failure.
    Failed,
    /// Ended by itself, with an unknown result.
    Ended,
    /// Ended by a person.
    Cancelled,
    /// Ended because its machine or server ended.
    Interrupted,
    /// Its machine does not answer.
    Unreachable,
    /// Seen, but not understood.
    Unknown,
}

impl State {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the session does nothing more by itself.
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Ended | Self::Cancelled | Self::Interrupted
        )
    }
}

/// How a state is known, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A hook of the agent reported it.
    Hook,
    /// The agent or its server reported it.
    Agent,
    /// What runs the session reported it.
    Runner,
    /// It was read from the agent's transcript.
    Transcript,
    /// It was read from the screen.
    Screen,
    /// It is what the process shows.
    Process,
}

/// Why a person should look at a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// A word such as `login`, `limit`, `error` or `stuck`.
    pub kind: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// What can be done with a session now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbs {
    /// It takes messages.
    pub send: bool,
    /// They may carry attachments.
    pub attach: bool,
    /// A message that it keeps can be cancelled.
    pub cancel_message: bool,
    /// It takes answers to what it asks.
    pub respond: bool,
    /// It can be interrupted.
    pub interrupt: bool,
    /// It can be ended.
    pub terminate: bool,
    /// Options of it can be set.
    pub set_option: bool,
}

impl Verbs {
    /// Every one.
    pub const ALL: Self = Self {
        send: true,
        attach: true,
        cancel_message: true,
        respond: true,
        interrupt: true,
        terminate: true,
        set_option: true,
    };

    /// The names of those that are possible.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.send, "send"),
            (self.attach, "attach"),
            (self.cancel_message, "cancel_message"),
            (self.respond, "respond"),
            (self.interrupt, "interrupt"),
            (self.terminate, "terminate"),
            (self.set_option, "set_option"),
        ];
        all.into_iter()
            .filter(|(possible, _)| *possible)
            .map(|(_, name)| name)
            .collect()
    }
}
