//! The messages that wait for a session: in the order of asking, each with its id, and dropped where somebody wants that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio_util::sync::CancellationToken;

use crate::session::QueuedMessage;

/// For each session, the messages that wait for it.
#[derive(Default)]
pub(crate) struct Senders(Mutex<HashMap<String, Weak<Line>>>);

/// Those who wait to send to one session.
#[derive(Default)]
pub(crate) struct Line {
    /// Whoever has it is the next to type.
    pub(crate) turn: tokio::sync::Mutex<()>,
    messages: Mutex<Vec<Entry>>,
}

struct Entry {
    message: QueuedMessage,
    /// It is being typed now, and waits again only if that does not succeed.
    typing: bool,
    dropped: CancellationToken,
}

/// The message was dropped before it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dropped;

impl Senders {
    /// The line of this session.
    pub(crate) fn line(&self, session_id: &str) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = lines.get(session_id).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::default();
        lines.insert(session_id.to_owned(), Arc::downgrade(&line));
        line
    }

    /// Drops the messages that wait for this session, or only the one with the id `message`; whether there were any.
    pub(crate) fn drop_waiting(&self, session_id: &str, message: Option<&str>) -> bool {
        let Some(line) = self.find(session_id) else {
            return false;
        };
        let messages = line.messages();
        let meant = messages
            .iter()
            .filter(|entry| message.is_none_or(|id| entry.message.id == id));
        let dropped: Vec<&Entry> = meant.inspect(|entry| entry.dropped.cancel()).collect();
        dropped.iter().any(|entry| !entry.typing)
    }

    /// The messages that wait for this session, in their order.
    pub(crate) fn waiting(&self, session_id: &str) -> Vec<QueuedMessage> {
        let Some(line) = self.find(session_id) else {
            return Vec::new();
        };
        let messages = line.messages();
        let waiting = messages
            .iter()
            .filter(|entry| !entry.typing && !entry.dropped.is_cancelled());
        waiting.map(|entry| entry.message.clone()).collect()
    }

    fn find(&self, session_id: &str) -> Option<Arc<Line>> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(session_id).and_then(Weak::upgrade)
    }
}

impl Line {
    /// Joins the line with one message.
    pub(crate) fn enter(&self, message: QueuedMessage) -> InLine<'_> {
        let (dropped, id) = (CancellationToken::new(), message.id.clone());
        self.messages().push(Entry {
            message,
            typing: false,
            dropped: dropped.clone(),
        });
        InLine {
            line: self,
            id,
            dropped,
        }
    }

    fn messages(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message that waits in a line, until this is dropped.
pub(crate) struct InLine<'a> {
    line: &'a Line,
    id: String,
    dropped: CancellationToken,
}

impl InLine<'_> {
    /// It is being typed: it waits no longer and cannot be dropped.
    pub(crate) fn begin(&mut self) {
        self.set_typing(true);
    }

    /// It was not typed and waits again; had it been dropped meanwhile, that counts now.
    pub(crate) fn wait_again(&mut self) {
        self.set_typing(false);
    }

    /// The outcome of `wait`, unless the message is dropped before.
    pub(crate) async fn unless_dropped<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Dropped> {
        tokio::select! {
            biased;
            () = self.dropped.cancelled() => Err(Dropped),
            outcome = wait => Ok(outcome),
        }
    }

    fn set_typing(&self, typing: bool) {
        let mut messages = self.line.messages();
        let own = messages.iter_mut().filter(|entry| entry.message.id == self.id);
        own.for_each(|entry| entry.typing = typing);
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.line.messages().retain(|entry| entry.message.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn message(id: &str) -> QueuedMessage {
        QueuedMessage {
            id: id.into(),
            text: "text".into(),
            at: 0,
        }
    }

    #[tokio::test]
    async fn one_message_is_dropped_by_its_id_and_the_others_wait_on() {
        let senders = Senders::default();
        let line = senders.line("a");
        let (mut first, mut second) = (line.enter(message("1")), line.enter(message("2")));
        assert!(!senders.drop_waiting("a", Some("3")));
        assert!(senders.drop_waiting("a", Some("1")));
        assert_eq!(first.unless_dropped(std::future::pending::<()>()).await, Err(Dropped));
        assert_eq!(second.unless_dropped(std::future::ready(())).await, Ok(()));
        assert_eq!(senders.waiting("a"), [message("2")]);
        second.begin();
        assert!(senders.waiting("a").is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_dropped_and_who_types_is_not() {
        let senders = Senders::default();
        let line = senders.line("a");
        assert!(!senders.drop_waiting("a", None) && !senders.drop_waiting("b", None));
        let mut waiting = line.enter(message("1"));
        assert!(senders.drop_waiting("a", None));
        assert_eq!(waiting.unless_dropped(std::future::pending::<()>()).await, Err(Dropped));
        drop(waiting);
        assert!(!senders.drop_waiting("a", None));
    }

    #[tokio::test]
    async fn a_message_that_was_dropped_while_it_could_not_be_typed_is_not_typed_later() {
        let senders = Senders::default();
        let line = senders.line("a");
        let mut waiting = line.enter(message("1"));
        waiting.begin();
        assert!(!senders.drop_waiting("a", None));
        waiting.wait_again();
        assert_eq!(waiting.unless_dropped(std::future::ready(())).await, Err(Dropped));
    }

    #[test]
    fn a_panic_leaves_the_count_as_it_was() {
        let senders = Senders::default();
        let line = senders.line("a");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _waiting = line.enter(message("1"));
            panic!("while it waits");
        }));
        assert!(panicked.is_err());
        assert!(!senders.drop_waiting("a", None), "one is counted that has gone");
    }
}
