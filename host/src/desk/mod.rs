//! What is done for callers: sessions are looked at, started, written to, answered and ended, with the words of each
//! answer. It knows no protocol; what a call means it asks the [`Catalog`].

mod answer;
mod asking;
mod attachments;
mod caller;
mod changes;
mod create;
mod deeds;
mod deliver;
mod find;
mod form;
mod forms;
mod generation;
mod given;
mod groups;
mod lasting;
mod log_line;
mod look;
mod meets;
mod member;
mod members;
mod options;
mod orders;
mod outbox;
mod outgoing;
mod own;
mod pages;
mod prompts;
mod receipt;
mod recording;
mod reply;
mod respond;
mod rules;
mod search;
mod seats;
mod senders;
mod settle;
mod showing;
mod shown;
mod stop;
mod stores;
mod tasks;
mod transcript;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::answer::{ToolAnswer, ToolError};
pub use self::caller::{By, Caller, Filled, Returned};
pub use self::form::Form;
pub use self::forms::Forms;
pub use self::generation::Generation;
pub use self::member::Member;
pub use self::rules::{Confirm, Rules};
pub use self::seats::Condition;
pub use self::stores::Stores;
pub use self::tasks::{Accepted, Now, Task};

pub(crate) use self::caller::Left;

use self::lasting::Lasting;
pub use self::showing::Addresses;
use self::showing::Showing;
use crate::catalog::{Catalog, Request};
use crate::store;
use crate::store::audit::Grants;
use crate::watch::Span;

/// Where calls are done: with the present generation, and with what outlives it.
pub struct Desk {
    present: RwLock<Arc<Generation>>,
    lasting: Arc<Lasting>,
    ending: CancellationToken,
}

impl Desk {
    /// A desk whose first generation has the backends of `catalog`, which are all coming up, with the grants of this
    /// digest and these rules for callers. What goes on between calls ends with `ending`.
    ///
    /// `stores` has the messages that wait: see [`Desk::send_what_waits`]. This reads them, which blocks.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn new(
        catalog: Catalog,
        grants: Grants,
        rules: Rules,
        addresses: Addresses,
        stores: Stores,
        ending: CancellationToken,
    ) -> Result<Self, store::Error> {
        let lasting = Arc::new(Lasting::new(Showing::new(addresses), stores)?);
        let first = Generation::new(catalog, grants, rules, Span::first(&ending), lasting.clone());
        first.span().begin();
        lasting.outbox.now_mean(first.meanings());
        Ok(Self {
            present: RwLock::new(first),
            lasting,
            ending,
        })
    }

    /// The generation that a call takes which begins now.
    pub fn present(&self) -> Arc<Generation> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One that may follow the present one: its backends, those of `catalog`, are all coming up aside. If it is dropped
    /// instead, they end.
    pub fn aside(&self, catalog: Catalog, grants: Grants, rules: Rules) -> Arc<Generation> {
        let span = self.present().span().next(&self.ending);
        Generation::new(catalog, grants, rules, span, self.lasting.clone())
    }

    /// Calls that begin from now on are done with `next`. Answers the one before, which ends with its last call.
    pub fn follow(&self, next: Arc<Generation>) -> Arc<Generation> {
        let former = {
            let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *present, next.clone())
        };
        former.span().end();
        next.span().begin();
        self.lasting.outbox.now_mean(next.meanings());
        for member in next.up() {
            self.lasting.showing.know(&member);
        }
        self.lasting.tools_may_differ();
        former
    }

    /// Sees when the list of tools may be another, for whatever reason.
    pub fn watch_tools(&self) -> watch::Receiver<()> {
        self.lasting.watch_tools()
    }
}

impl Generation {
    /// Calls a tool of `catalog`, with nobody looking on: see [`Desk::call`].
    async fn answer(
        &self,
        catalog: &Catalog,
        caller: &Caller,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<ToolAnswer, ToolError> {
        // Each in a place of its own: together they would make every call's future as large as the largest.
        match catalog.read(&caller.principal, name, given)? {
            Request::ListSessions(wanted) => Box::pin(look::list_sessions(self, caller, wanted)).await,
            Request::CreateSession(wanted) => Box::pin(create::create_session(self, caller, wanted)).await,
            Request::SendMessage(wanted) => Box::pin(meets::send_message(self, caller, wanted)).await,
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
