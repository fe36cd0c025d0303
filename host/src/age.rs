//! How long ago something was, as people say it.

use std::time::{Duration, SystemTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The time since `then`, a time such as `2026-01-31T08:00:00Z`, in its largest unit: `40s`, `5m`, `3h`, `12d`. Nothing
/// if `then` is not a time. What lies ahead, by another machine's clock, is `0s`.
pub fn since(then: &str) -> Option<String> {
    let then = humantime::parse_rfc3339(then).ok()?;
    let passed = SystemTime::now().duration_since(then).unwrap_or(Duration::ZERO);
    Some(short(passed))
}

fn short(passed: Duration) -> String {
    match passed.as_secs() {
        seconds @ ..MINUTE => format!("{seconds}s"),
        seconds @ ..HOUR => format!("{}m", seconds / MINUTE),
        seconds @ ..DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn what_is_not_a_time_has_no_age_and_what_lies_ahead_is_now() {
        assert_eq!(since("yesterday"), None);
        assert_eq!(since("2999-01-01T00:00:00Z").as_deref(), Some("0s"));
        assert!(since("2020-01-01T00:00:00Z").is_some_and(|age| age.ends_with('d')));
    }
}
