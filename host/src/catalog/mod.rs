//! The merge: all backends behind one small set of tools.
//!
//! [`Catalog::call`] is where a tool's name becomes a verb on some backends. What it answers is plain data;
//! `mcp` makes it a protocol message.

mod acting;
mod aliases;
mod answers;
mod arguments;
mod deeds;
mod log_line;
mod members;
mod own;
mod prompts;
mod reading;
mod recording;
mod route;
mod search;
mod senders;
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

use self::aliases::Aliases;
pub(crate) use self::members::{Member, Members, View};
use self::own::OwnTools;
use self::prompts::Shown;
use self::senders::Senders;
use crate::admission::Place;
use crate::config::Tools as ToolSettings;
use crate::contract;
use crate::plugin::Backend;
use crate::principal::{Principal, Scope};
use crate::store::audit::Outcome;
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
    /// What it holds while it is at work.
    pub place: Place,
}

/// Why a wait ended before what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The caller is gone.
    Gone,
    /// berth ends.
    Ending,
}

impl Caller {
    /// From now on the call is one that waits and holds no place at work. To ask again is nothing new. So this stands
    /// before any deed.
    pub(crate) fn enter_wait(&self) -> Result<(), ToolError> {
        let entered = self.place.wait();
        entered.map_err(|refusal| ToolError::refused(format!("nothing was done: {refusal}")))
    }

    /// The outcome of `wait`, unless the caller goes or berth ends before.
    pub(crate) async fn while_there<T>(&self, wait: impl Future<Output = T>) -> Result<T, Left> {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(Left::Gone),
            () = self.ending.cancelled() => Err(Left::Ending),
            outcome = wait => Ok(outcome),
        }
    }
}

impl From<Left> for ToolError {
    /// For who has not done anything yet.
    fn from(left: Left) -> Self {
        match left {
            Left::Gone => Self {
                text: "the caller is gone, so nothing was done".into(),
                outcome: Outcome::Gone,
            },
            Left::Ending => Self::refused("berth is ending, so nothing was done; ask again when it runs again"),
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
    /// Whether it did what it was asked. An own tool may say that it failed, and a refusal may show more than why.
    pub outcome: Outcome,
}

/// A tool that could not do what was asked. The text says why and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct ToolError {
    text: String,
    /// As what it is recorded.
    outcome: Outcome,
}

impl ToolError {
    /// It was tried, and failed.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let (text, outcome) = (text.into(), Outcome::Failed);
        Self { text, outcome }
    }

    /// It was not allowed, or made no sense, so nothing was tried.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        let (text, outcome) = (text.into(), Outcome::Refused);
        Self { text, outcome }
    }

    /// What `error` of `backend` means to a caller.
    pub(crate) fn of(backend: &str, error: contract::Error) -> Self {
        use contract::Error::{Denied, Invalid, Refused, Unsupported};
        match error {
            Denied(_) | Invalid(_) | Refused(_) | Unsupported => Self::refused(describe(backend, error)),
            _ => Self::new(describe(backend, error)),
        }
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

/// All tools of all backends.
pub struct Catalog {
    members: Members,
    url_hosts: Vec<String>,
    base_url: String,
    tools: Vec<Tool>,
    own: OwnTools,
    aliases: Aliases,
    shown: Shown,
    senders: Senders,
}

impl Catalog {
    /// Merges `members`. An error says which tools collide, or which name is that of no tool, and how to
    /// mend it.
    ///
    /// `base_url` is where a browser would reach this server, and `url_hosts` the hosts that a session's own address
    /// may name.
    pub fn new(
        members: Vec<(Arc<Watched>, Terms)>,
        default_backend: String,
        settings: &ToolSettings,
        url_hosts: Vec<String>,
        base_url: String,
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
            members: Members::new(members, default_backend),
            url_hosts,
            base_url,
            tools,
            own,
            aliases,
            shown: Shown::default(),
            senders: Senders::default(),
        })
    }

    /// Starts what goes on between calls, until `shutdown`.
    pub fn watch(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        self.members
            .all()
            .for_each(|member| member.watched.start(tasks, shutdown));
    }

    /// The backends, by name.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.members.all().map(|member| &member.watched.backend)
    }

    /// Every tool, by name.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The tools that `principal` may call, by name, and what each needs of it: a tool of several backends may only
    /// read in those that exist for it, and do more in others.
    pub fn tools_of(&self, principal: &Principal) -> impl Iterator<Item = (&Tool, Scope)> {
        let known = self
            .tools
            .iter()
            .filter_map(|tool| Some((tool, self.needs(principal, tool)?)));
        known.filter(|(_, scope)| principal.may(*scope))
    }

    /// What `principal` lacks to call the tool called `name`; none also where there is no such tool for it.
    pub fn lacks(&self, principal: &Principal, name: &str) -> Option<Scope> {
        let scope = self.needs(principal, self.tool(name)?)?;
        Some(scope).filter(|scope| !principal.may(*scope))
    }

    /// Whether a tool called `name` exists for `principal`: not where only backends have it that do not.
    pub fn knows(&self, principal: &Principal, name: &str) -> bool {
        self.tool(name).and_then(|tool| self.needs(principal, tool)).is_some()
    }

    /// What `principal` needs to call `tool`. None: it does not exist for it.
    fn needs(&self, principal: &Principal, tool: &Tool) -> Option<Scope> {
        let view = self.members.of(principal);
        match self.aliases.leads_out_of(&tool.name, view) {
            true => None,
            false => self.own.scope(self.aliases.target(&tool.name), tool, view),
        }
    }

    /// The tool called `name`.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let place = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        self.tools.get(place)
    }

    /// Calls a tool, with nobody looking on: see [`Catalog::call`].
    async fn answer(&self, caller: &Caller, name: &str, given: Map<String, Value>) -> Result<Answer, ToolError> {
        let principal = &caller.principal;
        if let Some(scope) = self.lacks(principal, name) {
            return Err(ToolError::refused(principal.refusal(name, scope)));
        }
        if !self.knows(principal, name) {
            let names: Vec<&str> = self.tools_of(principal).map(|(tool, _)| tool.name.as_str()).collect();
            let name = name.escape_debug();
            return Err(ToolError::refused(format!(
                "there is no tool `{name}`; there are: {}",
                names.join(", ")
            )));
        }
        let (name, given) = self.aliases.resolve(name, given)?;
        // Each in a place of its own: together they would make every call's future as large as the largest.
        match name {
            "list_sessions" => Box::pin(self.list_sessions(caller, arguments::read(name, given)?)).await,
            "create_session" => Box::pin(self.create_session(caller, arguments::read(name, given)?)).await,
            "send_message" => Box::pin(self.send_message(caller, arguments::read(name, given)?)).await,
            "get_logs" => Box::pin(self.get_logs(caller, arguments::read(name, given)?)).await,
            "get_session_status" => Box::pin(self.get_session_status(caller, arguments::read(name, given)?)).await,
            "interrupt_session" => Box::pin(self.interrupt_session(caller, arguments::read(name, given)?)).await,
            "terminate_session" => Box::pin(self.terminate_session(caller, arguments::read(name, given)?)).await,
            "check_prompts" => Box::pin(self.check_prompts(caller, arguments::read(name, given)?)).await,
            "respond_to_prompt" => Box::pin(self.respond_to_prompt(caller, arguments::read(name, given)?)).await,
            "list_projects" => Box::pin(self.list_projects(caller, arguments::read(name, given)?)).await,
            "search" => Box::pin(self.search(caller, arguments::read(name, given)?)).await,
            "fetch" => Box::pin(self.fetch(caller, arguments::read(name, given)?)).await,
            own => Box::pin(self.call_own_tool(caller, own, given)).await,
        }
    }
}
