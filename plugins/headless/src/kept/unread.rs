//! A process whose output cannot be read: since when, and when that is tried again.

use serde::{Deserialize, Serialize};

/// Milliseconds from the first try to the second, and the longest pause. Each pause is twice the one before.
const FIRST: u64 = 10_000;
const LONGEST: u64 = 600_000;
/// Tries that are made for this alone: in about an hour.
const TRIES: u32 = 12;

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unread {
    pub(crate) since: u64,
    tries: u32,
    last: u64,
}

impl Unread {
    /// After another try, which found that it cannot be read.
    pub(crate) fn again(known: Option<Self>, now: u64) -> Self {
        match known {
            None => Self {
                since: now,
                tries: 1,
                last: now,
            },
            Some(known) => Self {
                tries: known.tries.saturating_add(1),
                last: now,
                ..known
            },
        }
    }

    /// When it is tried again; none: not for this alone any more.
    pub(crate) fn next(&self) -> Option<u64> {
        (self.tries < TRIES).then(|| self.pause_ends())
    }

    /// Whether another try is due, where there is an occasion.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.pause_ends() <= now
    }

    fn pause_ends(&self) -> u64 {
        let doubled = self.tries.saturating_sub(1).min(TRIES);
        self.last + (FIRST << doubled).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pauses_grow_and_end_and_an_occasion_is_still_taken() {
        let (mut unread, mut now) = (Unread::again(None, 0), 0);
        let mut pauses = Vec::new();
        while let Some(next) = unread.next() {
            assert!(!unread.is_due(next - 1) && unread.is_due(next));
            pauses.push((next - now) / 1_000);
            now = next;
            unread = Unread::again(Some(unread), now);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600]);
        assert_eq!(unread.since, 0);
        assert!(!unread.is_due(now + LONGEST - 1) && unread.is_due(now + LONGEST));
    }
}
