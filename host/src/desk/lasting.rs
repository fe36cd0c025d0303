//! What outlives every generation, because it belongs to sessions: two generations never type into one at once.

use std::sync::Arc;

use tokio::sync::watch;

use super::Caller;
use super::forms::Forms;
use super::orders::Orders;
use super::outbox::{self, Outbox};
use super::senders::Senders;
use super::showing::{self, Showing};
use super::stores::Stores;
use crate::catalog::answers::{Attention, Session};
use crate::{session, store};

/// The messages that wait, the tasks, the order of what is done to a session, and who was shown which prompt.
pub(crate) struct Lasting {
    pub(super) senders: Senders,
    pub(super) orders: Orders,
    pub(super) showing: Showing,
    pub(super) outbox: Outbox,
    pub(super) tasks: Arc<store::Tasks>,
    /// The forms that are out; none: no client is given one.
    pub(super) forms: Option<Forms>,
    /// Sent to when the list of tools may be another.
    tools: watch::Sender<()>,
}

impl Lasting {
    /// This reads the messages that wait, which blocks.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn new(showing: Showing, stores: Stores) -> Result<Self, store::Error> {
        Ok(Self {
            senders: Senders::default(),
            orders: Orders::default(),
            showing,
            outbox: Outbox::of(stores.outbox)?,
            tasks: Arc::new(stores.tasks),
            forms: stores.forms,
            tools: watch::Sender::new(()),
        })
    }

    /// The record of `session` for a caller who is shown it: see [`Showing::show`], with what waits for it.
    pub(super) fn show(&self, caller: &Caller, backend: &str, session: session::Session) -> Session {
        self.with_waiting(self.showing.show(caller, backend, session))
    }

    /// The same where prompts in it do not count as seen.
    pub(super) fn session(&self, backend: &str, session: session::Session) -> Session {
        self.with_waiting(self.showing.session(backend, session))
    }

    /// The messages that its backend keeps, then those that are kept here, and then those of callers who wait.
    fn with_waiting(&self, mut session: Session) -> Session {
        for (message, refused) in self.outbox.queued(&session.session_id) {
            let kept = self.showing.kept(&session, message, refused);
            session.queue.push(kept);
        }
        let waiting = self.senders.waiting(&session.session_id);
        session.queue.extend(waiting.into_iter().map(showing::queued));
        if session.attention.is_none()
            && let Some((id, fate)) = self.outbox.fate(&session.session_id)
        {
            session.attention = Some(Attention {
                kind: outbox::ATTENTION.to_owned(),
                reason: format!(
                    "its first message {fate}: look with get_logs before you send it again; interrupt_session with message_id {id} \
                     removes this note"
                ),
                since: None,
                since_ago: None,
                until: None,
            });
        }
        session
    }

    /// The list of tools may be another from now on.
    pub(super) fn tools_may_differ(&self) {
        self.tools.send_replace(());
    }

    /// Sees when it may be another.
    pub(super) fn watch_tools(&self) -> watch::Receiver<()> {
        self.tools.subscribe()
    }
}
