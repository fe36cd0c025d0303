//! Each configured backend has a seat: it is coming up, up, or down with why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::timeout_at;

use super::member::Member;
use super::showing::time;
use super::{Caller, ToolError};
use crate::session::Timestamp;
use crate::text::short_line;

/// Characters of why one is down.
const WHY: usize = 1_000;

/// How a configured backend is.
#[derive(Clone)]
pub enum Condition {
    /// Its plugin is compiled, or asked to describe itself, for the first time.
    ComingUp,
    /// Calls are done with it.
    Up(Arc<Member>),
    /// It could not start. That is tried again.
    Down {
        /// Why, in one line.
        why: Arc<str>,
        /// Whether it is only since its host cannot be reached.
        is_away: bool,
        /// Since when.
        since: Timestamp,
    },
}

impl Condition {
    /// Whether it is up or down.
    fn is_settled(&self) -> bool {
        !matches!(self, Self::ComingUp)
    }
}

/// Where a backend sits once it is up. It never goes down again.
pub(crate) struct Seat {
    name: String,
    condition: watch::Sender<Condition>,
}

impl Seat {
    /// One whose backend is coming up.
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            condition: watch::Sender::new(Condition::ComingUp),
        }
    }

    /// The backend's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is now.
    pub(super) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// Whether its backend is up now.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.condition.borrow(), Condition::Up(_))
    }

    /// Whether its backend is coming up now.
    pub(super) fn is_coming_up(&self) -> bool {
        !self.condition.borrow().is_settled()
    }

    /// The backend is up.
    pub(super) fn take(&self, member: Member) {
        self.condition.send_replace(Condition::Up(Arc::new(member)));
    }

    /// The backend could not start at the time `now`. Answers why in one line, where that is news.
    pub(super) fn lower(&self, why: &str, is_away: bool, now: Timestamp) -> Option<Arc<str>> {
        let why: Arc<str> = short_line(why, WHY).into();
        let (is_news, since) = match self.condition() {
            Condition::Down { why: before, since, .. } => (before != why, since),
            _ => (true, now),
        };
        let down = Condition::Down {
            why: why.clone(),
            is_away,
            since,
        };
        self.condition.send_replace(down);
        is_news.then_some(why)
    }

    /// Waits until it is up or down.
    pub(super) async fn settled(&self) {
        // Only the end of the seat itself could be an error.
        let _ = self.condition.subscribe().wait_for(Condition::is_settled).await;
    }

    /// Its backend, once that is up. The call waits for that until `deadline`, and holds no place at work meanwhile.
    pub(super) async fn member(&self, caller: &Caller, deadline: Instant) -> Result<Arc<Member>, ToolError> {
        if self.is_coming_up() {
            // Of one that comes no further in time, the condition says so.
            let _ = caller.take_turn(timeout_at(deadline.into(), self.settled())).await?;
        }
        match self.condition() {
            Condition::Up(member) => Ok(member),
            Condition::ComingUp => Err(ToolError::new(format!(
                "backend `{}` is still coming up; ask again in a moment",
                self.name
            ))),
            Condition::Down { why, since, .. } => Err(ToolError::new(format!(
                "backend `{}` is down since {}, and is tried again: {why}",
                self.name,
                time(since)
            ))),
        }
    }
}

/// The seats, by name.
pub(super) type Seats = BTreeMap<String, Seat>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn why_a_backend_is_down_is_news_once_and_since_is_when_that_began() {
        let seat = Seat::new("slow".into());
        assert!(seat.is_coming_up() && !seat.is_up());
        assert_eq!(
            seat.lower("it is not a component", false, 1).as_deref(),
            Some("it is not a component")
        );
        assert_eq!(seat.lower("it is not a component", false, 2), None);
        assert!(seat.lower("its digest is another", false, 3).is_some());
        assert!(!seat.is_coming_up());
        let Condition::Down { why, since, .. } = seat.condition() else {
            panic!("it is not down")
        };
        assert_eq!((&*why, since), ("its digest is another", 1));
    }

    #[test]
    fn why_a_backend_is_down_is_one_bounded_line() {
        let seat = Seat::new("slow".into());
        let why = format!("why\nwell/forged-1 — idle{}", "x".repeat(1_000));
        let why = seat.lower(&why, false, 1).unwrap();
        assert!(!why.contains('\n') && why.chars().count() <= WHY, "{why}");
    }
}
