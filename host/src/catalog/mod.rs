//! The merge: all backends behind one small set of tools.
//!
//! [`Catalog::call`] is where a tool's name becomes a verb on some backends. What it answers is plain data;
//! `mcp` makes it a protocol message.

mod acting;
mod answers;
mod arguments;
mod own;
mod prompts;
mod reading;
mod route;
mod search;
mod shared;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::own::CollisionError;
pub use self::shared::Tool;

use self::acting::Senders;
use self::own::{Aliases, OwnTools};
use self::prompts::Shown;
use self::waiting::Waiters;
use crate::config::Tools as ToolSettings;
use crate::contract;
use crate::plugin::Backend;
use crate::principal::Principal;
use crate::watch::Watched;

/// Who calls a tool.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whom it speaks for.
    pub principal: Principal,
    /// Cancelled when nobody waits for the answer any more. What waits then ends; what was begun is finished, so that
    /// nothing is left half typed.
    pub gone: CancellationToken,
    /// Cancelled when berth ends.
    pub ending: CancellationToken,
}

impl Caller {
    /// The outcome of `wait`, unless the caller goes or berth ends before.
    pub(crate) async fn while_there<T>(&self, wait: impl Future<Output = T>) -> Result<T, ToolError> {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(ToolError::new("the caller is gone")),
            () = self.ending.cancelled() => Err(ToolError::new("berth is ending; ask again when it runs again")),
            outcome = wait => Ok(outcome),
        }
    }
}

/// What a tool answers: a text for people and the same as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Short enough for a phone. None: the JSON of `structured`.
    pub text: Option<String>,
    /// What the tool's output schema describes.
    pub structured: Option<Value>,
    /// An own tool that ran and failed.
    pub failed: bool,
}

/// A tool that could not do what was asked. The text says why and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ToolError(String);

impl ToolError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What `error` of `backend` means to a caller.
    pub(crate) fn of(backend: &str, error: contract::Error) -> Self {
        Self(describe(backend, error))
    }
}

pub(crate) fn describe(backend: &str, error: contract::Error) -> String {
    use contract::Error;
    match error {
        Error::Unsupported => format!("backend `{backend}` cannot do this; list_projects shows what each backend can"),
        Error::Busy => {
            "the session is at work and nothing was typed: give wait_seconds to send it when the session is done, \
             or interrupt_session first"
                .into()
        }
        Error::Denied(why) => format!("denied by the operator's configuration: {why}"),
        Error::NotFound(why)
        | Error::Invalid(why)
        | Error::Refused(why)
        | Error::TimedOut(why)
        | Error::Failed(why) => why,
    }
}

/// How the operator set up one backend, as far as the merge minds it.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Names of its agents that are installed, the preferred one first.
    pub agents: Vec<String>,
    /// Own tools that only read.
    pub read_tools: Vec<String>,
    /// Whether a trust question may be answered from afar.
    pub remote_trust: bool,
}

/// A backend in the merge.
pub(crate) struct Member {
    pub(crate) watched: Arc<Watched>,
    pub(crate) terms: Terms,
}

impl Member {
    pub(crate) fn name(&self) -> &str {
        &self.watched.backend.name
    }
}

/// All tools of all backends.
pub struct Catalog {
    members: BTreeMap<String, Member>,
    default_backend: String,
    url_hosts: Vec<String>,
    base_url: String,
    tools: Vec<Tool>,
    own: OwnTools,
    aliases: Aliases,
    shown: Shown,
    senders: Senders,
    waiters: Waiters,
}

impl Catalog {
    /// Merges `members`. An error says which tools collide, or which name is that of no tool, and how to
    /// mend it.
    ///
    /// `base_url` is where a browser would reach this server, and `url_hosts` the hosts that a session's own address
    /// may name. `waiting` calls of one caller may wait at once.
    pub fn new(
        members: Vec<(Arc<Watched>, Terms)>,
        default_backend: String,
        settings: &ToolSettings,
        url_hosts: Vec<String>,
        base_url: String,
        waiting: usize,
    ) -> Result<Self, CollisionError> {
        let members: BTreeMap<String, Member> = members
            .into_iter()
            .map(|(watched, terms)| (watched.backend.name.clone(), Member { watched, terms }))
            .collect();
        let own = OwnTools::collect(&members, settings)?;
        let mut tools = shared::tools();
        tools.extend(own.tools());
        let aliases = Aliases::new(&settings.alias, &mut tools)?;
        tools.retain(|tool| !settings.hide.contains(&tool.name));
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            members,
            default_backend,
            url_hosts,
            base_url,
            tools,
            own,
            aliases,
            shown: Shown::default(),
            senders: Senders::default(),
            waiters: Waiters::new(waiting),
        })
    }

    /// Starts what goes on between calls, until `shutdown`.
    pub fn watch(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        self.members
            .values()
            .for_each(|member| member.watched.start(tasks, shutdown));
    }

    /// The backends, by name.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.members.values().map(|member| &member.watched.backend)
    }

    /// Every tool, by name.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The tool called `name`.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let place = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        self.tools.get(place)
    }

    /// Calls a tool.
    pub async fn call(&self, caller: &Caller, name: &str, given: Map<String, Value>) -> Result<Answer, ToolError> {
        if self.tool(name).is_none() {
            let names: Vec<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
            let name = name.escape_debug();
            return Err(ToolError::new(format!(
                "there is no tool `{name}`; there are: {}",
                names.join(", ")
            )));
        }
        let (name, given) = self.aliases.resolve(name, given)?;
        match name {
            "list_sessions" => self.list_sessions(caller, arguments::read(name, given)?).await,
            "create_session" => self.create_session(caller, arguments::read(name, given)?).await,
            "send_message" => self.send_message(caller, arguments::read(name, given)?).await,
            "get_logs" => self.get_logs(arguments::read(name, given)?).await,
            "get_session_status" => self.get_session_status(caller, arguments::read(name, given)?).await,
            "interrupt_session" => self.interrupt_session(caller, arguments::read(name, given)?).await,
            "terminate_session" => self.terminate_session(caller, arguments::read(name, given)?).await,
            "check_prompts" => self.check_prompts(caller, arguments::read(name, given)?).await,
            "respond_to_prompt" => self.respond_to_prompt(caller, arguments::read(name, given)?).await,
            "list_projects" => self.list_projects(arguments::read(name, given)?).await,
            "search" => self.search(arguments::read(name, given)?).await,
            "fetch" => self.fetch(arguments::read(name, given)?).await,
            own => self.call_own_tool(own, given).await,
        }
    }
}
