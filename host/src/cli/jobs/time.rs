//! Times of jobs, as a person reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time as text, in UTC.
pub(super) fn shown(at: u64) -> String {
    // What a damaged index says may be no time.
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(at)).unwrap_or(UNIX_EPOCH);
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(SystemTime::min(at, latest)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_there_cannot_be_is_shown_all_the_same() {
        assert_eq!(shown(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
    }
}
