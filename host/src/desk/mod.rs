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
mod member;
mod members;
mod options;
mod own;
mod pages;
mod prompts;
mod receipt;
mod recording;
mod respond;
mod search;
mod seats;
mod senders;
mod settle;
mod showing;
mod stop;
mod transcript;
mod words;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::time::timeout_at;

pub use self::answer::{Answer, ToolError};
pub use self::caller::Caller;
pub use self::member::Member;
pub use self::seats::Condition;

pub(crate) use self::caller::Left;

use self::members::{COMES_UP, Members, Reach};
use self::senders::Senders;
use self::showing::Showing;
use crate::catalog::{Backends, Catalog, CollisionError, Offer, Request, answers};
use crate::session;
use crate::watch::now;

/// How long a desk counts as starting: backends whose plugins are compiled already take less to come up.
const START: Duration = Duration::from_millis(500);

/// Where calls are done. It holds what outlives a call: the backends, the messages that wait, and who was shown which
/// prompt.
pub struct Desk {
    began: Instant,
    backends: Arc<Backends>,
    members: Members,
    /// What those bring that are up, merged.
    catalog: RwLock<Arc<Catalog>>,
    /// Held by who makes the next one.
    merging: Mutex<()>,
    senders: Senders,
    showing: Showing,
}

impl Desk {
    /// A desk for the backends of `catalog`, which are all coming up: see [`Desk::raise`] and [`Desk::lower`].
    ///
    /// `base_url` is where a browser would reach this server, and `url_hosts` the hosts that a session's own address
    /// may name.
    pub fn new(catalog: Catalog, url_hosts: Vec<String>, base_url: String) -> Self {
        let backends = catalog.backends().clone();
        Self {
            began: Instant::now(),
            members: Members::new(backends.names()),
            backends,
            catalog: RwLock::new(Arc::new(catalog)),
            merging: Mutex::default(),
            senders: Senders::default(),
            showing: Showing::new(url_hosts, base_url),
        }
    }

    /// A backend is up: from now on calls are done with `member`, and its own tools are among the others.
    ///
    /// # Errors
    /// What it offers cannot stand beside the rest, and it is not taken.
    pub fn raise(&self, member: Member, offer: Offer) -> Result<(), CollisionError> {
        let _merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = Arc::new(self.catalog().with(offer)?);
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        if member.remote_trust {
            self.showing.trust(member.name());
        }
        // Last, so that who waited for it finds its tools.
        self.members.take(member);
        Ok(())
    }

    /// The backend called `name` could not start, and why. Answers that in one line, where it is news.
    pub fn lower(&self, name: &str, why: &str) -> Option<Arc<str>> {
        self.members.lower(name, why, now())
    }

    /// What calls mean now. It is replaced when a backend comes up.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every backend by name, and how it is.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, Condition)> {
        self.members.conditions()
    }

    /// The backends that are up, by name.
    pub fn up(&self) -> Vec<Arc<Member>> {
        let up = |(_, condition)| match condition {
            Condition::Up(member) => Some(member),
            _ => None,
        };
        self.conditions().filter_map(up).collect()
    }

    /// Whether no backend is coming up.
    pub fn is_settled(&self) -> bool {
        self.members.are_settled()
    }

    /// Waits until no backend is coming up, for `most` at the longest.
    pub async fn settled(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.members.settled()).await;
    }

    /// Whether it was made just now.
    pub fn is_starting(&self) -> bool {
        self.began.elapsed() < START
    }

    /// Waits until no backend is coming up, but no longer than it is starting.
    pub async fn started(&self) {
        let _ = timeout_at((self.began + START).into(), self.members.settled()).await;
    }

    /// What calls mean, for a call of the tool `name`: while that depends on backends that are coming up, it waits for them.
    async fn catalog_for(&self, caller: &Caller, name: &str, given: &Map<String, Value>) -> Arc<Catalog> {
        let deadline = Instant::now() + COMES_UP;
        loop {
            let catalog = self.catalog();
            let names = catalog.depends_on(&caller.principal, name, given);
            if names.is_empty() {
                return catalog;
            }
            if !self.reach(caller).one_settles(&names, deadline).await {
                // One may have come up since.
                return self.catalog();
            }
        }
    }

    /// The backends that the caller may know of.
    fn reach<'a>(&'a self, caller: &'a Caller) -> Reach<'a> {
        self.members.within(self.backends.of(&caller.principal), caller)
    }

    /// A session as the caller is shown it, with the messages that its backend keeps and then those that wait here.
    fn show(&self, caller: &Caller, backend: &str, session: session::Session) -> answers::Session {
        let mut session = self.showing.show(caller, backend, session);
        let waiting = self.senders.waiting(&session.session_id);
        session.queue.extend(waiting.into_iter().map(showing::queued));
        session
    }

    /// Calls a tool of `catalog`, with nobody looking on: see [`Desk::call`].
    async fn answer(
        &self,
        catalog: &Catalog,
        caller: &Caller,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<Answer, ToolError> {
        // Each in a place of its own: together they would make every call's future as large as the largest.
        match catalog.read(&caller.principal, name, given)? {
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
