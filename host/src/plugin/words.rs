//! What a plugin's error says.

use crate::contract::Error;

/// `error` in words, for who has no other call to go on with.
pub(crate) fn in_words(error: Error) -> String {
    match error {
        Error::Unsupported => "it cannot do this".into(),
        Error::Busy => "it is at work".into(),
        Error::Denied(why) => format!("denied by the operator's configuration: {why}"),
        Error::NotFound(why)
        | Error::Invalid(why)
        | Error::Refused(why)
        | Error::TimedOut(why)
        | Error::Failed(why) => why,
    }
}
