//! How often a connection is replaced on which all sessions are taken: after pauses that grow.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(15);
/// After so long without one the pauses begin with the first again.
const CALM: Duration = Duration::from_secs(60);

/// The last of several that followed each other soon.
#[derive(Default)]
pub(super) struct Reliefs(Option<Last>);

struct Last {
    at: Instant,
    pause: Duration,
}

/// One that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relief {
    First,
    Further,
}

impl Reliefs {
    /// The one that is due `now`, which counts as done then.
    pub(super) fn take(&mut self, now: Instant) -> Option<Relief> {
        let (relief, pause) = match &self.0 {
            Some(last) if now < last.at + last.pause => return None,
            Some(last) if now < last.at + CALM => (Relief::Further, (last.pause * 2).min(LONGEST)),
            _ => (Relief::First, FIRST),
        };
        self.0 = Some(Last { at: now, pause });
        Some(relief)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_the_longest_and_begin_again_after_a_calm() {
        let (mut reliefs, mut now) = (Reliefs::default(), Instant::now());
        let mut relief = Relief::First;
        for pause in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000] {
            assert_eq!(reliefs.take(now), Some(relief));
            let pause = Duration::from_millis(pause);
            assert_eq!(reliefs.take(now + pause - Duration::from_millis(1)), None);
            now += pause;
            relief = Relief::Further;
        }
        now += CALM;
        assert_eq!(reliefs.take(now), Some(Relief::First));
        assert_eq!(reliefs.take(now + FIRST), Some(Relief::Further));
    }
}
