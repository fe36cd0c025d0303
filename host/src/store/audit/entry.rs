//! One entry of the record, as described by whoever did something.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::Grants;

/// The event of an entry that says what was pruned. As the first entry it replaces the last one that was pruned.
pub(super) const PRUNED: &str = "pruned";

/// What was done or tried, to be recorded. Texts that are too long are cut when they are written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it began.
    pub at: SystemTime,
    /// What happened.
    pub event: Event,
    /// Who did it: the id of a principal, or what is known about a stranger.
    pub principal: String,
    /// The tool as it was called; empty except for a call.
    pub tool: String,
    /// The backend that was named or chosen; empty if it is all, or none.
    pub backend: String,
    /// The session as the caller named it, or the one that was made.
    pub session: String,
    /// The digest of the arguments; nothing if there are none.
    pub arguments: Option<[u8; 32]>,
    /// The outcome.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What it cost in US dollars, if a backend knows that.
    pub cost: Option<f64>,
    /// The arguments, if the operator wants them recorded; or details of an event.
    pub text: String,
    /// The digest of what was granted; nothing means what is granted when it is written.
    pub grants: Option<Grants>,
}

impl Entry {
    /// What happens now at the door, done by `principal`. `detail` says more, such as an address or a name, and holds
    /// no secret.
    pub fn at_door(event: Event, principal: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            at: SystemTime::now(),
            event,
            principal: principal.into(),
            tool: String::new(),
            backend: String::new(),
            session: String::new(),
            arguments: None,
            outcome: event.outcome(),
            duration: None,
            cost: None,
            text: detail.into(),
            grants: None,
        }
    }
}

/// Which of a call's entries one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The only one.
    Whole,
    /// What is about to be done.
    Intention,
    /// The outcome of the intention with this number.
    Outcome(i64),
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tool was called.
    Call,
    /// The owner logged in.
    LoggedIn,
    /// A wrong passphrase.
    LoginFailed,
    /// An attempt to log in while no attempt is allowed.
    LockedOut,
    /// The owner's passphrase was set.
    PassphraseSet,
    /// An app made itself known.
    AppRegistered,
    /// An app was removed, with all that it had.
    AppRemoved,
    /// The owner allowed an app something.
    Approved,
    /// The owner did not.
    Declined,
    /// An app got its first tokens for an approval.
    TokenIssued,
    /// An app renewed its tokens.
    TokenRefreshed,
    /// An app got no tokens for what it presented.
    TokenRefused,
    /// The operator made a personal token.
    TokenCreated,
    /// A code or a refresh token was used a second time, which ended everything that came from it.
    TokenReused,
    /// An approval or a personal token was ended.
    Revoked,
    /// Somebody got no connection, place or wait, or asked too often.
    TurnedAway,
    /// The operator removed the oldest entries of the record.
    Pruned,
    /// The record before this one was not there when berth started.
    RecordMissing,
    /// The operator accepted what is shipped.
    ConfigAccepted,
    /// A person added a host to the configuration.
    HostAdded,
    /// A person trusted the key of a host.
    HostTrusted,
    /// The configuration was read again while berth ran, or that was refused.
    Reloaded,
    /// A person cancelled a job at the terminal.
    JobCancelled,
    /// A person removed old jobs at the terminal.
    JobsPruned,
    /// A person took over jobs of another installation at the terminal.
    JobsAdopted,
}

impl Event {
    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::LoggedIn => "logged-in",
            Self::LoginFailed => "login-failed",
            Self::LockedOut => "locked-out",
            Self::PassphraseSet => "passphrase-set",
            Self::AppRegistered => "app-registered",
            Self::AppRemoved => "app-removed",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::TokenIssued => "token-issued",
            Self::TokenRefreshed => "token-refreshed",
            Self::TokenRefused => "token-refused",
            Self::TokenCreated => "token-created",
            Self::TokenReused => "token-reused",
            Self::Revoked => "revoked",
            Self::TurnedAway => "turned-away",
            Self::Pruned => PRUNED,
            Self::RecordMissing => "record-missing",
            Self::ConfigAccepted => "config-accepted",
            Self::HostAdded => "host-added",
            Self::HostTrusted => "host-trusted",
            Self::Reloaded => "reloaded",
            Self::JobCancelled => "job-cancelled",
            Self::JobsPruned => "jobs-pruned",
            Self::JobsAdopted => "jobs-adopted",
        }
    }

    /// Whether any stranger can cause it as often as they like, without a guess that counts against them.
    pub fn is_free(self) -> bool {
        matches!(self, Self::LockedOut | Self::TokenRefused)
    }

    /// The outcome, unless it is a call.
    fn outcome(self) -> Outcome {
        match self {
            Self::LoginFailed
            | Self::LockedOut
            | Self::Declined
            | Self::TokenRefused
            | Self::TokenReused
            | Self::TurnedAway => Outcome::Refused,
            Self::RecordMissing => Outcome::Failed,
            _ => Outcome::Done,
        }
    }
}

/// The outcome of a call or event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed,
    /// It was not allowed, or made no sense.
    Refused,
    /// The caller went away before it was done.
    Gone,
    /// A fault in berth ended it.
    Fault,
    /// It was begun, and berth ended before it recorded the outcome.
    CutOff,
    /// It was begun, and has not ended.
    UnderWay,
    /// Nothing was done: the client got a form for its person instead.
    Asked,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Refused,
        Self::Gone,
        Self::Fault,
        Self::CutOff,
        Self::UnderWay,
        Self::Asked,
    ];

    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Fault => "fault",
            Self::CutOff => "cut-off",
            Self::UnderWay => "under-way",
            Self::Asked => "asked",
        }
    }
}

/// A name that no outcome has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no outcome {0:?}; there are: ok, failed, refused, gone, fault, cut-off, under-way, asked")]
pub struct UnknownOutcome(String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        let named = Self::ALL.into_iter().find(|outcome| outcome.name() == text);
        named.ok_or_else(|| UnknownOutcome(text.to_owned()))
    }
}
