//! What a plugin's error says.

use std::time::{Duration, UNIX_EPOCH};

use crate::session::Error;

/// `error` in words, for a reader who has no other information about the call.
pub fn in_words(error: Error) -> String {
    match error {
        Error::Unsupported => "it cannot do this".into(),
        Error::Busy => "it is at work".into(),
        Error::Denied(why) => format!("denied by the operator's configuration: {why}"),
        Error::Unavailable(why) => format!("what it depends on cannot be reached: {why}"),
        Error::Unauthenticated(why) => format!("what it depends on needs a login: {why}"),
        Error::Limited { which, until: None } => format!("a limit is reached: {which}"),
        Error::Limited {
            which,
            until: Some(until),
        } => {
            // Years after 9999 cannot be written in this form.
            let until = UNIX_EPOCH + Duration::from_millis(until.min(253_402_300_799_000));
            let until = humantime::format_rfc3339_seconds(until);
            format!("a limit is reached until {until}: {which}")
        }
        Error::Other { kind, what } => format!("{kind}: {what}"),
        Error::NotFound(why)
        | Error::Invalid(why)
        | Error::Refused(why)
        | Error::Conflict(why)
        | Error::TimedOut(why)
        | Error::Failed(why) => why,
    }
}
