//! How long ago something was, beside the time itself: who reads an answer need not know what time it is.

use crate::session::Timestamp;
use crate::watch;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The time since `at` in its largest unit, such as `3 min ago`. What lies ahead, by another machine's clock, is
/// `0 s ago`.
pub(super) fn ago(at: Timestamp) -> String {
    passed(watch::now().saturating_sub(at))
}

fn passed(time: u64) -> String {
    match time {
        ..MINUTE => format!("{} s ago", time / SECOND),
        ..HOUR => format!("{} min ago", time / MINUTE),
        ..DAY => format!("{} h ago", time / HOUR),
        _ => format!("{} d ago", time / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (time, told) in [
            (999, "0 s ago"),
            (59 * SECOND, "59 s ago"),
            (MINUTE, "1 min ago"),
            (HOUR - 1, "59 min ago"),
            (HOUR, "1 h ago"),
            (DAY, "1 d ago"),
            (100 * DAY, "100 d ago"),
        ] {
            assert_eq!(passed(time), told);
        }
        assert_eq!(ago(Timestamp::MAX), "0 s ago");
    }
}
