//! Times in the contract's unit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Timestamp;

/// Now, in milliseconds since the Unix epoch.
#[must_use]
pub fn now() -> Timestamp {
    from(SystemTime::now())
}

/// The time that is this much later than now, such as the `next` of an `Upkept`.
#[must_use]
pub fn after(pause: Duration) -> Timestamp {
    from(SystemTime::now() + pause)
}

/// This time; one before the epoch is the epoch.
#[must_use]
pub fn from(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX)
}
