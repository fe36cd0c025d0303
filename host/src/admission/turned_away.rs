//! A caller that is turned away is told why and what to do; the record has an entry of it, up to a limit.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
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
    /// A place among those that listen for changes.
    Listening,
    /// Asking that often.
    Turn,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Socket => "a connection",
            Self::Body => "room for a body",
            Self::Place => "a place at work",
            Self::Wait => "a place among the calls that wait",
            Self::Listening => "a place among those that listen for changes",
            Self::Turn => "asking too often",
        })
    }
}

/// Why somebody got no place within a bound, and what to do.
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
            What::Listening => (
                "requests listen for changes",
                "list the tools again after their ttlMs instead",
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
                "{most} of your {things} already, which is the most for one caller; {advice}"
            ),
            Full::Readers(most) => write!(
                formatter,
                "{most} {things} already of callers that may only look, which is the most for these together; {advice}"
            ),
            Full::All => write!(formatter, "too many {things}; {advice}"),
        }
    }
}

/// Whose refusals share a budget of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of callers, by the id of each.
    Callers,
    /// Of strangers who want a connection, a place or a turn, by their address.
    Strangers,
    /// Of strangers' passphrases and tokens, by their address: what they show may be known to many.
    Tries,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Callers, Self::Strangers, Self::Tries];

    /// Who is refused, in the words of the entry that says how many were.
    fn whose(self) -> &'static str {
        match self {
            Self::Callers => "callers",
            Self::Strangers | Self::Tries => "strangers",
        }
    }

    /// The words for `more` refusals.
    fn told(self, more: usize) -> String {
        let what = match self {
            Self::Callers | Self::Strangers => "were turned away",
            Self::Tries => "passphrases and tokens were refused",
        };
        format!("{more} more {what} within a minute, which are not recorded one by one")
    }
}

/// Decides which refusals are recorded, and writes who was turned away. Clones share the budgets.
///
/// So many of each [`Kind`] have an entry of their own each minute. The number of further ones is recorded at the end
/// of the minute.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    recorder: Recorder,
    tasks: TaskTracker,
    ending: CancellationToken,
    /// In the order of [`Kind::ALL`].
    budgets: Arc<[Mutex<Budget>; Kind::ALL.len()]>,
}

impl Ledger {
    /// Writes by tasks of `tasks`, which end soon after `ending`.
    pub(super) fn new(recorder: Recorder, tasks: TaskTracker, ending: CancellationToken) -> Self {
        let budgets = Kind::ALL.map(|_| Mutex::new(Budget::new(Instant::now())));
        Self {
            recorder,
            tasks,
            ending,
            budgets: Arc::new(budgets),
        }
    }

    /// The refusal, noted.
    pub(super) fn refuse(&self, kind: Kind, who: &str, what: What, full: Full) -> Refusal {
        self.note(kind, who, what);
        Refusal { what, full }
    }

    /// Records that `who` was turned away, unless that was recorded often enough lately. Nobody waits for it.
    pub(super) fn note(&self, kind: Kind, who: &str, what: What) {
        if self.records(kind, who) {
            self.write(who, what.to_string());
        }
    }

    /// Whether one more refusal of `who` has an entry of its own. One that has none is counted.
    pub(super) fn records(&self, kind: Kind, who: &str) -> bool {
        let mut budget = self.budget(kind);
        match budget.spend(who, Instant::now()) {
            Spent::Entry => true,
            Spent::Counted => false,
            Spent::FirstCounted => {
                let ends = budget.began + MINUTE;
                drop(budget);
                self.tell_at(ends, kind);
                false
            }
        }
    }

    /// Says at `ends` how many refusals had no entry until then.
    fn tell_at(&self, ends: Instant, kind: Kind) {
        let ledger = self.clone();
        self.tasks.spawn(async move {
            ledger.ending.run_until_cancelled(sleep_until(ends)).await;
            let more = std::mem::take(&mut ledger.budget(kind).counted);
            ledger.write(kind.whose(), kind.told(more));
        });
    }

    fn write(&self, who: &str, detail: String) {
        let entry = Entry::at_door(Event::TurnedAway, who, detail);
        let recorder = self.recorder.clone();
        self.tasks.spawn(async move {
            // What cannot be written is kept, and the log reports it.
            let _ = recorder.record(entry).await;
        });
    }

    fn budget(&self, kind: Kind) -> MutexGuard<'_, Budget> {
        self.budgets[kind as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be recorded in a minute.
#[derive(Debug)]
struct Budget {
    began: Instant,
    spent: usize,
    each: HashMap<String, usize>,
    /// Refusals without an entry that were not reported yet.
    counted: usize,
}

/// What becomes of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    /// It has an entry.
    Entry,
    /// It is counted, as others are.
    Counted,
    /// It is counted, and must be reported later.
    FirstCounted,
}

impl Budget {
    fn new(began: Instant) -> Self {
        Self {
            began,
            spent: 0,
            each: HashMap::new(),
            counted: 0,
        }
    }

    fn spend(&mut self, who: &str, now: Instant) -> Spent {
        if now.duration_since(self.began) >= MINUTE {
            (self.began, self.spent) = (now, 0);
            self.each.clear();
        }
        let own = self.each.get(who).copied().unwrap_or_default();
        if self.spent >= RECORDED || own >= ONE_CALLERS_RECORDED {
            self.counted += 1;
            return if self.counted == 1 {
                Spent::FirstCounted
            } else {
                Spent::Counted
            };
        }
        self.spent += 1;
        self.each.insert(who.to_owned(), own + 1);
        Spent::Entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_refusals_a_minute_have_an_entry_of_one_and_of_all_and_the_rest_is_counted() {
        let began = Instant::now();
        let mut budget = Budget::new(began);
        let entries = |budget: &mut Budget, who: &str, at| {
            let spent = (0..100).filter(|_| budget.spend(who, at) == Spent::Entry);
            spent.count()
        };
        assert_eq!(entries(&mut budget, "one", began), ONE_CALLERS_RECORDED);
        assert_eq!(budget.counted, 100 - ONE_CALLERS_RECORDED);
        let others: usize = (0..100).map(|who| entries(&mut budget, &who.to_string(), began)).sum();
        assert_eq!(others, RECORDED - ONE_CALLERS_RECORDED);
        assert!(budget.each.len() <= RECORDED, "what is remembered is bounded too");
        assert_eq!(budget.counted, 101 * 100 - RECORDED);
        assert_eq!(budget.spend("one", began + MINUTE), Spent::Entry);
    }

    #[test]
    fn whoever_is_counted_first_is_told_of_again_after_the_count_was_taken() {
        let began = Instant::now();
        let mut budget = Budget::new(began);
        (0..ONE_CALLERS_RECORDED).for_each(|_| assert_eq!(budget.spend("one", began), Spent::Entry));
        for _ in 0..2 {
            assert_eq!(budget.spend("one", began), Spent::FirstCounted);
            assert_eq!(budget.spend("one", began), Spent::Counted);
            budget.counted = 0;
        }
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
