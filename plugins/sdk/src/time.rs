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

/// A time as programs write it, such as `2026-11-26T17:30:27.961Z`.
#[must_use]
pub fn iso(time: Timestamp) -> String {
    let (seconds, millis) = (time / 1000, time % 1000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let (days, hour) = (hours / 24, hours % 24);
    // Years begin in March here, so that the day which some of them have more is the last; 400 of them are an era.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month < 10 {
        true => (era * 400 + year, month + 3),
        false => (era * 400 + year + 1, month - 9),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_programs_write_it() {
        for (time, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_714_227_961, "2026-11-26T17:30:27.961Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(time), written);
        }
    }
}
