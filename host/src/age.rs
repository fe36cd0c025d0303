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

/// That a time has passed, in its largest unit, such as `3 min ago`.
pub fn ago(passed: Duration) -> String {
    let (count, _, unit) = largest(passed);
    format!("{count} {unit} ago")
}

fn short(passed: Duration) -> String {
    let (count, letter, _) = largest(passed);
    format!("{count}{letter}")
}

/// A time in its largest unit, with that unit's letter and its sign.
fn largest(passed: Duration) -> (u64, char, &'static str) {
    match passed.as_secs() {
        seconds @ ..MINUTE => (seconds, 's', "s"),
        seconds @ ..HOUR => (seconds / MINUTE, 'm', "min"),
        seconds @ ..DAY => (seconds / HOUR, 'h', "h"),
        seconds => (seconds / DAY, 'd', "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (seconds, told, ago_told) in [
            (0, "0s", "0 s ago"),
            (59, "59s", "59 s ago"),
            (60, "1m", "1 min ago"),
            (3_599, "59m", "59 min ago"),
            (3_600, "1h", "1 h ago"),
            (86_399, "23h", "23 h ago"),
            (86_400, "1d", "1 d ago"),
            (8_640_000, "100d", "100 d ago"),
        ] {
            let passed = Duration::from_secs(seconds);
            assert_eq!((short(passed).as_str(), ago(passed).as_str()), (told, ago_told));
        }
    }

    #[test]
    fn what_is_not_a_time_has_no_age_and_what_lies_ahead_is_now() {
        assert_eq!(since("yesterday"), None);
        assert_eq!(since("2999-01-01T00:00:00Z").as_deref(), Some("0s"));
        assert!(since("2020-01-01T00:00:00Z").is_some_and(|age| age.ends_with('d')));
    }
}
