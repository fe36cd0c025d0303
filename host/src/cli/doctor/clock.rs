//! Whether the clock is right: tokens and certificates depend on it.

use std::time::{Duration, SystemTime};

use super::finding::Finding;

const ABOUT: &str = "clock";
const FIX: &str = "let the system set it: timedatectl set-ntp true (Linux), sntp -sS time.apple.com (macOS)";
/// When this was written, in seconds since 1970: a clock before that is wrong.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600);
/// How far it may be off.
const SKEW: Duration = Duration::from_secs(60);

/// What can be found without another clock.
pub(super) fn plausible() -> Finding {
    let now = SystemTime::now();
    let shown = humantime::format_rfc3339_seconds(now);
    match now < SystemTime::UNIX_EPOCH + WRITTEN {
        true => Finding::fail(ABOUT, format!("it says {shown}, which is in the past"), FIX),
        false => Finding::ok(ABOUT, format!("it says {shown}")),
    }
}

/// Compares it with the `Date` of an answer from outside.
pub(super) fn against(date: &str) -> Finding {
    let Ok(theirs) = httpdate::parse_http_date(date) else {
        return plausible();
    };
    let ours = SystemTime::now();
    let skew = ours.duration_since(theirs).unwrap_or_else(|ahead| ahead.duration());
    match skew > SKEW {
        true => Finding::warn(
            ABOUT,
            format!("it is {} s off the public address's", skew.as_secs()),
            FIX,
        ),
        false => Finding::ok(ABOUT, "it agrees with the public address's"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cli::doctor::finding::Mark;

    #[test]
    fn a_clock_that_is_minutes_off_is_warned_of_whichever_way() {
        let now = SystemTime::now();
        let marks = [now - 3 * SKEW, now - SKEW / 2, now + SKEW / 2, now + 3 * SKEW]
            .map(|theirs| against(&httpdate::fmt_http_date(theirs)).mark);
        assert_eq!(marks, [Mark::Warn, Mark::Ok, Mark::Ok, Mark::Warn]);
    }
}
