//! What time it is, and letting some pass.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use berth_plugin::types::Timestamp;

/// Milliseconds since the epoch.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits; every wait of this plugin is bounded by its caller.
pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
