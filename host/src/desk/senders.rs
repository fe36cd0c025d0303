//! The messages that wait for a session: in the order of asking, and all dropped at once where somebody wants that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

/// For each session, the messages that wait for it.
#[derive(Default)]
pub(crate) struct Senders(Mutex<HashMap<String, Weak<Line>>>);

/// Those who wait to send to one session.
pub(crate) struct Line {
    /// Whoever has it is the next to type.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// How many wait, without the one whose message is being typed.
    waiting: AtomicUsize,
    /// Changes when all who wait are sent away.
    dropped: watch::Sender<()>,
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
        let line = Arc::new(Line {
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            dropped: watch::Sender::new(()),
        });
        lines.insert(session_id.to_owned(), Arc::downgrade(&line));
        line
    }

    /// Drops the messages that wait for this session; whether there were any.
    pub(crate) fn drop_waiting(&self, session_id: &str) -> bool {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get(session_id).and_then(Weak::upgrade) else {
            return false;
        };
        line.dropped.send_replace(());
        line.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Line {
    /// Joins the line with one message.
    pub(crate) fn enter(&self) -> InLine<'_> {
        InLine {
            line: self,
            dropped: self.dropped.subscribe(),
            counted: Some(Counted::in_line(self)),
        }
    }
}

/// One message that waits in a line.
pub(crate) struct InLine<'a> {
    line: &'a Line,
    dropped: watch::Receiver<()>,
    counted: Option<Counted<'a>>,
}

impl InLine<'_> {
    /// It is being typed: it waits no longer and cannot be dropped.
    pub(crate) fn begin(&mut self) {
        self.counted = None;
    }

    /// It was not typed and waits again; had it been dropped meanwhile, that counts now.
    pub(crate) fn wait_again(&mut self) {
        self.counted = Some(Counted::in_line(self.line));
    }

    /// The outcome of `wait`, unless the message is dropped before.
    pub(crate) async fn unless_dropped<T>(&mut self, wait: impl Future<Output = T>) -> Result<T, Dropped> {
        tokio::select! {
            biased;
            _ = self.dropped.changed() => Err(Dropped),
            outcome = wait => Ok(outcome),
        }
    }
}

/// Counts as waiting for as long as it lives, however that ends.
struct Counted<'a>(&'a Line);

impl<'a> Counted<'a> {
    fn in_line(line: &'a Line) -> Self {
        line.waiting.fetch_add(1, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[tokio::test]
    async fn who_waits_is_dropped_and_who_types_is_not() {
        let senders = Senders::default();
        let line = senders.line("a");
        assert!(!senders.drop_waiting("a") && !senders.drop_waiting("b"));
        let mut waiting = line.enter();
        assert!(senders.drop_waiting("a"));
        assert_eq!(waiting.unless_dropped(std::future::pending::<()>()).await, Err(Dropped));
        drop(waiting);
        assert!(!senders.drop_waiting("a"));
    }

    #[tokio::test]
    async fn a_message_that_was_dropped_while_it_could_not_be_typed_is_not_typed_later() {
        let senders = Senders::default();
        let line = senders.line("a");
        let mut waiting = line.enter();
        waiting.begin();
        assert!(!senders.drop_waiting("a"));
        waiting.wait_again();
        assert_eq!(waiting.unless_dropped(std::future::ready(())).await, Err(Dropped));
    }

    #[test]
    fn a_panic_leaves_the_count_as_it_was() {
        let senders = Senders::default();
        let line = senders.line("a");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _waiting = line.enter();
            panic!("while it waits");
        }));
        assert!(panicked.is_err());
        assert!(!senders.drop_waiting("a"), "one is counted that has gone");
    }
}
