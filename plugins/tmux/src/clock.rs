//! Letting some time pass.

use std::thread;
use std::time::Duration;

/// Waits; every wait of this plugin is bounded by its caller.
pub(crate) fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
