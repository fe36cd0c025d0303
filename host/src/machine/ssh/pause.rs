//! The pause after a connection could not be made. Until it is over nobody waits for the host.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use super::trouble::{Failed, What};

/// How a host that could not be reached is tried again.
#[derive(Clone, Copy)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    pub(super) most: Duration,
    /// How long who asks after a pause waits for the host. Without an answer until then the host is still taken for away.
    pub(super) patience: Duration,
}

impl Pauses {
    pub(super) const USUAL: Self = Self {
        first: Duration::from_secs(2),
        most: Duration::from_secs(60),
        patience: Duration::from_secs(1),
    };
}

/// Why there is no connection, since when.
#[derive(Clone)]
pub(super) struct Failure {
    at: Instant,
    pause: Duration,
    what: What,
}

impl Failure {
    /// One that happens `now`, after the `former`.
    pub(super) fn after(former: Option<&Self>, pauses: Pauses, now: Instant, what: What) -> Self {
        let pause = former.map_or(pauses.first, |former| (former.pause * 2).min(pauses.most));
        Self { at: now, pause, what }
    }

    /// Whether that is the same thing, in whatever words.
    pub(super) fn is_like(&self, what: &What) -> bool {
        discriminant(&self.what) == discriminant(what)
    }

    pub(super) fn is_since(&self, asked: Instant) -> bool {
        self.at >= asked
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.at + self.pause
    }

    /// What is told of it.
    pub(super) fn told(&self, now: Instant) -> Failed {
        Failed {
            what: self.what.clone(),
            again: Some(self.at + self.pause).filter(|again| *again > now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_the_longest() {
        let (second, mut now) = (Duration::from_secs(1), Instant::now());
        let mut former: Option<Failure> = None;
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            let failure = Failure::after(former.as_ref(), Pauses::USUAL, now, What::Silent);
            let end = now + pause * second;
            assert_eq!(failure.told(now).again, Some(end));
            let last = end - second;
            assert_eq!((failure.is_over(last), failure.told(last).again), (false, Some(end)));
            now = end;
            assert_eq!((failure.is_over(now), failure.told(now).again), (true, None));
            former = Some(failure);
        }
    }
}
