//! What is done for callers: sessions are looked at, started, written to, answered and ended, with the words of each
//! answer. It knows no protocol; what a call means it asks the [`Catalog`].

mod answer;
mod attachments;
mod caller;
mod changes;
mod create;
mod deeds;
mod deliver;
mod find;
mod groups;
mod log_line;
mod look;
mod members;
mod options;
mod own;
mod pages;
mod prompts;
mod receipt;
mod recording;
mod respond;
mod search;
mod senders;
mod settle;
mod showing;
mod stop;
mod transcript;
mod words;

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::answer::{Answer, ToolError};
pub use self::caller::Caller;
pub use self::members::Member;

pub(crate) use self::caller::Left;

use self::members::{Members, Reach};
use self::senders::Senders;
use self::showing::Showing;
use crate::catalog::{Catalog, Request, answers};
use crate::plugin::Backend;
use crate::session;

/// Where calls are done. It holds what outlives a call: the backends, the messages that wait, and who was shown which
/// prompt.
pub struct Desk {
    catalog: Arc<Catalog>,
    members: Members,
    senders: Senders,
    showing: Showing,
}

impl Desk {
    /// Does what `catalog` says that calls mean, with `members`, the backends that it merges.
    ///
    /// `base_url` is where a browser would reach this server, and `url_hosts` the hosts that a session's own address
    /// may name.
    pub fn new(catalog: Catalog, members: Vec<Member>, url_hosts: Vec<String>, base_url: String) -> Self {
        Self {
            catalog: Arc::new(catalog),
            members: Members::new(members),
            senders: Senders::default(),
            showing: Showing::new(url_hosts, base_url),
        }
    }

    /// Starts what goes on between calls, until `shutdown`.
    pub fn watch(&self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        self.members
            .all()
            .for_each(|member| member.watched.start(tasks, shutdown));
    }

    /// What calls mean.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The backends, by name.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        self.members.all().map(|member| &member.watched.backend)
    }

    /// The backends that the caller may know of.
    fn reach<'a>(&'a self, caller: &'a Caller) -> Reach<'a> {
        self.members.within(self.catalog.view(&caller.principal))
    }

    /// A session as the caller is shown it, with the messages that its backend keeps and then those that wait here.
    fn show(&self, caller: &Caller, backend: &str, session: session::Session) -> answers::Session {
        let mut session = self.showing.show(caller, backend, session);
        let waiting = self.senders.waiting(&session.session_id);
        session.queue.extend(waiting.into_iter().map(showing::queued));
        session
    }

    /// Calls a tool, with nobody looking on: see [`Desk::call`].
    async fn answer(&self, caller: &Caller, name: &str, given: Map<String, Value>) -> Result<Answer, ToolError> {
        // Each in a place of its own: together they would make every call's future as large as the largest.
        match self.catalog.read(&caller.principal, name, given)? {
            Request::ListSessions(wanted) => Box::pin(look::list_sessions(self, caller, wanted)).await,
            Request::CreateSession(wanted) => Box::pin(create::create_session(self, caller, wanted)).await,
            Request::SendMessage(wanted) => Box::pin(deliver::send_message(self, caller, wanted)).await,
            Request::GetLogs(wanted) => Box::pin(look::get_logs(self, caller, wanted)).await,
            Request::GetSessionStatus(wanted) => Box::pin(look::get_session_status(self, caller, wanted)).await,
            Request::InterruptSession(wanted) => Box::pin(stop::interrupt_session(self, caller, wanted)).await,
            Request::TerminateSession(wanted) => Box::pin(stop::terminate_session(self, caller, wanted)).await,
            Request::CheckPrompts(wanted) => Box::pin(look::check_prompts(self, caller, wanted)).await,
            Request::RespondToPrompt(wanted) => Box::pin(respond::respond_to_prompt(self, caller, wanted)).await,
            Request::SetSession(wanted) => Box::pin(options::set_session(self, caller, wanted)).await,
            Request::GetChanges(wanted) => Box::pin(changes::get_changes(self, caller, wanted)).await,
            Request::ListProjects(wanted) => Box::pin(look::list_projects(self, caller, wanted)).await,
            Request::Search(wanted) => Box::pin(search::search(self, caller, wanted)).await,
            Request::Fetch(wanted) => Box::pin(search::fetch(self, caller, wanted)).await,
            Request::Own(wanted) => Box::pin(own::call_own_tool(self, caller, wanted)).await,
        }
    }
}
