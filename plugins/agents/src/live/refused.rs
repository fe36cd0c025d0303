//! Why an agent is not given something.

use thiserror::Error;

/// Why nothing was given, in words for a caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Somebody was quicker; holds the answer that counts.
    #[error("it is answered already, with {0}")]
    Answered(String),
    /// It is not open, or was never there.
    #[error("it is not open any more")]
    Unknown,
    /// What was given does not fit.
    #[error("{0}")]
    Invalid(String),
    /// The agent has the message already.
    #[error("the agent has the message already")]
    Started,
    /// It is not possible now.
    #[error("{0}")]
    Refused(String),
}
