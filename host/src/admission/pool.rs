//! A number of equal things, and who holds how many of them. A caller that finds none free can wait in line.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::numbers::{LINE, ONE_CALLERS_LINE};
use crate::principal::{Principal, Scope};

/// How many there are, and how many of them somebody may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// All together.
    pub(super) all: usize,
    /// One caller.
    pub(super) each: usize,
    /// Those together who may only read.
    pub(super) reading: usize,
    /// Those together who are not the operator.
    pub(super) others: usize,
}

impl Bounds {
    /// The rule for everything that is shared: half for one caller, half for those who only read, and an eighth
    /// reserved for the operator.
    pub(super) fn shared(all: usize) -> Self {
        let half = (all / 2).max(1);
        Self {
            all,
            each: half,
            reading: half,
            others: (all - (all / 8).max(1)).max(1),
        }
    }
}

/// What a holder may do; it decides which bounds hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// It may only look.
    Reads,
    /// It may act.
    Acts,
    /// It is the operator, directly.
    Operator,
}

/// Who wants how many.
#[derive(Clone, Debug)]
pub(super) struct Claim<K> {
    pub(super) key: K,
    pub(super) rank: Rank,
    pub(super) amount: usize,
}

impl<K> Claim<K> {
    pub(super) fn one(key: K, rank: Rank) -> Self {
        Self { key, rank, amount: 1 }
    }
}

impl Claim<ById> {
    pub(super) fn of(principal: &Principal) -> Self {
        let rank = match principal {
            principal if !principal.may(Scope::Control) => Rank::Reads,
            principal if principal.is_operator() => Rank::Operator,
            _ => Rank::Acts,
        };
        Self::one(ById(principal.clone()), rank)
    }
}

/// A principal, which is the same whatever scope it has.
#[derive(Clone, Debug)]
pub struct ById(Principal);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The caller's own, of so many.
    Yours(usize),
    /// That of those who only read, of so many.
    Readers(usize),
    /// That of all.
    All,
}

/// Only counts.
#[derive(Debug)]
struct Counts<K> {
    bounds: Bounds,
    all: usize,
    reading: usize,
    others: usize,
    each: HashMap<K, usize>,
}

impl<K: Hash + Eq + Clone> Counts<K> {
    fn take(&mut self, claim: &Claim<K>) -> Result<(), Full> {
        let amount = claim.amount;
        let (reads, other) = (claim.rank == Rank::Reads, claim.rank != Rank::Operator);
        let own = self.each.get(&claim.key).copied().unwrap_or_default();
        if own + amount > self.bounds.each {
            return Err(Full::Yours(self.bounds.each));
        }
        if reads && self.reading + amount > self.bounds.reading {
            return Err(Full::Readers(self.bounds.reading));
        }
        if self.all + amount > self.bounds.all || (other && self.others + amount > self.bounds.others) {
            return Err(Full::All);
        }
        self.all += amount;
        self.reading += if reads { amount } else { 0 };
        self.others += if other { amount } else { 0 };
        match self.each.get_mut(&claim.key) {
            Some(own) => *own += amount,
            None => drop(self.each.insert(claim.key.clone(), amount)),
        }
        Ok(())
    }

    fn give_back(&mut self, claim: &Claim<K>) {
        let amount = claim.amount;
        self.all -= amount;
        self.reading -= if claim.rank == Rank::Reads { amount } else { 0 };
        self.others -= if claim.rank == Rank::Operator { 0 } else { amount };
        if let Some(own) = self.each.get_mut(&claim.key) {
            *own -= amount;
            if *own == 0 {
                self.each.remove(&claim.key);
            }
        }
    }
}

/// See [`Bounds`].
#[derive(Debug)]
pub(super) struct Pool<K: Hash + Eq + Clone>(Mutex<Taken<K>>);

#[derive(Debug)]
struct Taken<K: Hash + Eq + Clone> {
    counts: Counts<K>,
    line: VecDeque<Waiting<K>>,
}

/// One in line.
#[derive(Debug)]
struct Waiting<K: Hash + Eq + Clone> {
    claim: Claim<K>,
    turn: oneshot::Sender<Held<K>>,
}

impl<K: Hash + Eq + Clone> Pool<K> {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Taken {
            counts: Counts {
                bounds,
                all: 0,
                reading: 0,
                others: 0,
                each: HashMap::new(),
            },
            line: VecDeque::new(),
        })))
    }

    /// What is claimed, if it is free now.
    pub(super) fn try_enter(self: &Arc<Self>, claim: Claim<K>) -> Result<Held<K>, Full> {
        self.state().counts.take(&claim)?;
        Ok(self.hold(claim))
    }

    /// The same, for a caller that waits for it for at most `patience`. The first in line for whom there is room is the
    /// next.
    pub(super) async fn enter(self: &Arc<Self>, claim: Claim<K>, patience: Duration) -> Result<Held<K>, Full> {
        let (full, turn) = {
            let mut state = self.state();
            let Err(full) = state.counts.take(&claim) else {
                drop(state);
                return Ok(self.hold(claim));
            };
            let (sender, turn) = oneshot::channel();
            state.line.retain(|waiting| !waiting.turn.is_closed());
            let same = state
                .line
                .iter()
                .filter(|waiting| waiting.claim.key == claim.key)
                .count();
            if state.line.len() >= LINE || same >= ONE_CALLERS_LINE {
                return Err(full);
            }
            state.line.push_back(Waiting { claim, turn: sender });
            (full, turn)
        };
        match timeout(patience, turn).await {
            Ok(Ok(held)) => Ok(held),
            _ => Err(full),
        }
    }

    fn hold(self: &Arc<Self>, claim: Claim<K>) -> Held<K> {
        Held {
            pool: self.clone(),
            claim,
        }
    }

    fn leave(self: &Arc<Self>, claim: &Claim<K>) {
        let mut state = self.state();
        state.counts.give_back(claim);
        let mut missed = Vec::new();
        let mut next = 0;
        while let Some(waiting) = state.line.get(next) {
            let gone = waiting.turn.is_closed();
            let claim = waiting.claim.clone();
            if !gone && state.counts.take(&claim).is_err() {
                next += 1;
                continue;
            }
            let waiting = state.line.remove(next).filter(|_| !gone);
            missed.extend(waiting.and_then(|waiting| waiting.turn.send(self.hold(claim)).err()));
        }
        // Those who left at this moment give back what they never took, which needs the lock.
        drop(state);
        drop(missed);
    }

    fn state(&self) -> MutexGuard<'_, Taken<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is held, until this is dropped.
#[derive(Debug)]
pub struct Held<K: Hash + Eq + Clone> {
    pool: Arc<Pool<K>>,
    claim: Claim<K>,
}

impl<K: Hash + Eq + Clone> Drop for Held<K> {
    fn drop(&mut self) {
        self.pool.leave(&self.claim);
    }
}
