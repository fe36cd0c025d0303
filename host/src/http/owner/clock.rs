//! The clock of lock-outs and of forms, which nobody can set.

use std::time::SystemTime;

use tokio::time::Instant;

/// The system's time when this was made, and what has passed since by a clock that only goes forward: if the system's
/// clock jumps, nobody is locked out for long or let in early, and no form ends early or stays valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: SystemTime,
    since: Instant,
}

impl Clock {
    /// A clock that starts with the system's time.
    pub(super) fn start() -> Self {
        Self {
            began: SystemTime::now(),
            since: Instant::now(),
        }
    }

    /// The time by this clock.
    pub(super) fn now(&self) -> SystemTime {
        self.began + self.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_moves_it_and_not_the_systems_clock() {
        let clock = Clock::start();
        let began = clock.now();
        // The system's clock goes on here while the other stands still.
        while SystemTime::now() <= began {}
        assert_eq!(clock.now(), began);
        tokio::time::advance(Duration::from_mins(20)).await;
        assert_eq!(clock.now(), began + Duration::from_mins(20));
    }
}
