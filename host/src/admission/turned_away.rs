//! Who is turned away is told why and what to do, and the record tells of it, so often.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use super::numbers::{ONE_CALLERS_RECORDED, RECORDED};
use super::pool::Full;
use crate::store::Recorder;
use crate::store::audit::{Entry, Event};

const MINUTE: Duration = Duration::from_secs(60);

/// What somebody was turned away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A connection.
    Socket,
    /// Room for a body.
    Body,
    /// A place at work.
    Place,
    /// A place among the calls that wait.
    Wait,
    /// Asking as often.
    Turn,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Socket => "a connection",
            Self::Body => "room for a body",
            Self::Place => "a place at work",
            Self::Wait => "a place among the calls that wait",
            Self::Turn => "asking too often",
        })
    }
}

/// Why somebody got none of what there is a bound on, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    what: What,
    full: Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (things, advice) = match self.what {
            What::Wait => (
                "calls wait",
                "ask again without wait_seconds, or when one of them has ended",
            ),
            What::Socket => ("connections are open", "end a client that is not needed, and try again"),
            What::Body => (
                "bytes of requests arrive",
                "try again in a second, with fewer requests at once",
            ),
            What::Place | What::Turn => (
                "requests are at work",
                "try again in a second, or raise max_requests under [server]",
            ),
        };
        match self.full {
            Full::Yours(most) => write!(
                formatter,
                "{most} of your {things} already, which is the most for one; {advice}"
            ),
            Full::Readers(most) => write!(
                formatter,
                "{most} {things} already of callers that may only look, which is the most for these together; {advice}"
            ),
            Full::All => write!(formatter, "too many {things}; {advice}"),
        }
    }
}

/// Writes into the record who was turned away. Clones share the budget.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    recorder: Recorder,
    tasks: TaskTracker,
    budget: Arc<Mutex<Budget>>,
}

impl Ledger {
    pub(super) fn new(recorder: Recorder, tasks: TaskTracker) -> Self {
        let budget = Arc::new(Mutex::new(Budget::new(Instant::now())));
        Self {
            recorder,
            tasks,
            budget,
        }
    }

    /// The refusal, noted.
    pub(super) fn refuse(&self, who: &str, what: What, full: Full) -> Refusal {
        self.note(who, what);
        Refusal { what, full }
    }

    /// Records that `who` was turned away, unless that was recorded often enough lately. Nobody waits for it.
    pub(super) fn note(&self, who: &str, what: What) {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unrecorded) = budget.spend(who, Instant::now()) else {
            return;
        };
        drop(budget);
        let detail = match unrecorded {
            0 => what.to_string(),
            more => format!("{what}; {more} more were turned away before, which are not recorded"),
        };
        let entry = Entry::at_door(Event::TurnedAway, who, detail);
        let recorder = self.recorder.clone();
        self.tasks.spawn(async move {
            // What cannot be written is kept, and the log tells of it.
            let _ = recorder.record(entry).await;
        });
    }
}

/// What may be recorded in a minute.
#[derive(Debug)]
struct Budget {
    began: Instant,
    spent: usize,
    each: HashMap<String, usize>,
    unrecorded: usize,
}

impl Budget {
    fn new(began: Instant) -> Self {
        Self {
            began,
            spent: 0,
            each: HashMap::new(),
            unrecorded: 0,
        }
    }

    /// Whether a refusal of `who` is recorded; then how many before it were not.
    fn spend(&mut self, who: &str, now: Instant) -> Option<usize> {
        if now.duration_since(self.began) >= MINUTE {
            (self.began, self.spent) = (now, 0);
            self.each.clear();
        }
        let own = self.each.get(who).copied().unwrap_or_default();
        if self.spent >= RECORDED || own >= ONE_CALLERS_RECORDED {
            self.unrecorded += 1;
            return None;
        }
        self.spent += 1;
        self.each.insert(who.to_owned(), own + 1);
        Some(std::mem::take(&mut self.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_refusals_a_minute_are_recorded_of_one_and_of_all_and_the_rest_is_counted() {
        let began = Instant::now();
        let mut budget = Budget::new(began);
        let recorded = |budget: &mut Budget, who: &str, at| (0..100).filter_map(|_| budget.spend(who, at)).count();
        assert_eq!(recorded(&mut budget, "one", began), ONE_CALLERS_RECORDED);
        assert_eq!(budget.spend("other", began), Some(100 - ONE_CALLERS_RECORDED));
        let all: usize = (0..100).map(|who| recorded(&mut budget, &who.to_string(), began)).sum();
        assert_eq!(all, RECORDED - ONE_CALLERS_RECORDED - 1);
        assert!(budget.each.len() <= RECORDED, "what is remembered is bounded too");
        assert!(
            budget
                .spend("one", began + MINUTE)
                .is_some_and(|unrecorded| unrecorded > 0)
        );
    }

    #[test]
    fn a_refusal_says_whose_bound_it_is_and_what_to_do() {
        let said = |what, full| Refusal { what, full }.to_string();
        let own = said(What::Wait, Full::Yours(32));
        assert!(
            own.starts_with("32 of your calls wait already") && own.contains("without wait_seconds"),
            "{own}"
        );
        let all = said(What::Place, Full::All);
        assert!(
            all.contains("too many requests") && all.contains("max_requests"),
            "{all}"
        );
        let readers = said(What::Socket, Full::Readers(128));
        assert!(readers.contains("may only look"), "{readers}");
    }
}
