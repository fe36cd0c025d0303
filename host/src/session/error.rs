use super::Timestamp;

/// Why a backend did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What was asked for is not there.
    NotFound(String),
    /// It cannot do this.
    Unsupported,
    /// The arguments are wrong.
    Invalid(String),
    /// The session is at work; nothing was typed.
    Busy,
    /// Not possible now; it says what to do instead.
    Refused(String),
    /// The operator has not granted it.
    Denied(String),
    /// What it depends on cannot be reached.
    Unavailable(String),
    /// What it depends on wants a login.
    Unauthenticated(String),
    /// The thing has changed since it was seen.
    Conflict(String),
    /// A limit is reached.
    Limited {
        /// Which one.
        which: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// It took too long.
    TimedOut(String),
    /// It failed.
    Failed(String),
    /// Something for which there is no name.
    Other {
        /// What kind of thing.
        kind: String,
        /// What happened.
        what: String,
    },
}
