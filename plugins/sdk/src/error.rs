//! What a function of the contract answers if it cannot do what it was asked to do.

use std::fmt::{self, Display, Formatter};

use crate::Timestamp;

/// Why something could not be done. The words are for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// What is named does not exist.
    NotFound(String),
    /// The backend cannot do this at all; the same as not exporting it.
    Unsupported,
    /// The caller's arguments are wrong; says which, why, and what would be right.
    Invalid(String),
    /// The session is at work: the host may keep the message and try again.
    Busy,
    /// Valid, but not possible now (a prompt is open, the agent is gone); says what to do instead.
    Refused(String),
    /// The operator has not granted this; names the grant.
    Denied(String),
    /// What the backend depends on cannot be reached; the host may try again.
    Unavailable(String),
    /// What the backend depends on needs a login; says how to log in.
    Unauthenticated(String),
    /// The thing has changed since the caller saw it: somebody else was quicker, or this was done before.
    Conflict(String),
    /// A limit is reached: which one, and until when.
    Limited((String, Option<Timestamp>)),
    /// It took too long; it may have been done.
    TimedOut(String),
    /// It failed; it may have been done.
    Failed(String),
    /// A kind for which this version has no name, and what happened.
    Other((String, String)),
}

impl Display for Error {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (kind, words) = match self {
            Self::NotFound(words) => ("not found", words),
            Self::Unsupported => return formatter.write_str("unsupported"),
            Self::Invalid(words) => ("invalid", words),
            Self::Busy => return formatter.write_str("busy"),
            Self::Refused(words) => ("refused", words),
            Self::Denied(words) => ("denied", words),
            Self::Unavailable(words) => ("unavailable", words),
            Self::Unauthenticated(words) => ("unauthenticated", words),
            Self::Conflict(words) => ("conflict", words),
            Self::Limited((words, _)) => ("limited", words),
            Self::TimedOut(words) => ("timed out", words),
            Self::Failed(words) => ("failed", words),
            Self::Other((kind, words)) => (kind.as_str(), words),
        };
        write!(formatter, "{kind}: {words}")
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_its_kind_and_its_words() {
        let table = [
            (Error::Unsupported, "unsupported"),
            (Error::Busy, "busy"),
            (Error::TimedOut("after 10 s".into()), "timed out: after 10 s"),
            (
                Error::Limited(("64 MiB are used".into(), None)),
                "limited: 64 MiB are used",
            ),
            (Error::Other(("quota".into(), "none left".into())), "quota: none left"),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }
}
