//! What outlives every generation, because it belongs to sessions: two generations never type into one at once.

use tokio::sync::watch;

use super::forms::Forms;
use super::orders::Orders;
use super::senders::Senders;
use super::showing::Showing;

/// The messages that wait, the order of what is done to a session, and who was shown which prompt.
pub(crate) struct Lasting {
    pub(super) senders: Senders,
    pub(super) orders: Orders,
    pub(super) showing: Showing,
    /// The forms that are out; none: no client is given one.
    pub(super) forms: Option<Forms>,
    /// Sent to when the list of tools may be another.
    tools: watch::Sender<()>,
}

impl Lasting {
    pub(super) fn new(showing: Showing, forms: Option<Forms>) -> Self {
        Self {
            senders: Senders::default(),
            orders: Orders::default(),
            showing,
            forms,
            tools: watch::Sender::new(()),
        }
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
