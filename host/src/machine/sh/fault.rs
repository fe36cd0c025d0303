//! Why a host did not do what it was asked for.

use std::time::Duration;

use super::channel::Unopened;
use crate::text;

/// Characters of what a host says instead of an answer.
const SAID: usize = 200;

/// Why there is no result. Only after [`Fault::Lost`], [`Fault::Silent`] and [`Fault::Hung`] something may have been done.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// Nothing was sent.
    #[error("{0}")]
    Unopened(Unopened),
    /// Nothing was sent.
    #[error("{what} cannot be sent to a host: {why}")]
    Value { what: String, why: &'static str },
    /// Nothing was sent.
    #[error("the system gives no random numbers")]
    Random,
    #[error("its turn did not come in time")]
    Late,
    #[error("{0}")]
    Refused(Refusal),
    /// Of what only reads; a program is told as [`Ended::TimedOut`](crate::machine::Ended).
    #[error("it took longer than {0:.1?}")]
    TimedOut(Duration),
    #[error("the host has more to tell than {0} bytes")]
    TooMuch(u64),
    /// What it said instead, as it came.
    #[error("the shell there did not answer")]
    Silent { said: String },
    /// The login there is not done with its own files, or with whatever else comes before its shell. What it said until then.
    #[error(
        "the login there came to no shell in time: look what hangs at login there, such as a home directory that does not \
         answer, or a file of the login that waits for input"
    )]
    Hung { said: String },
    /// What it tells cannot be so: it is not our script that answers, or its paths are none.
    #[error("the host answers something else than was asked")]
    Strange,
    #[error("the connection or the shell there ended while it ran, so how it went is not known")]
    Lost,
}

impl Fault {
    /// It in words, with what was said there instead of an answer, in quotes.
    pub(crate) fn with_said(&self) -> String {
        match self {
            Self::Silent { said } | Self::Hung { said } if !said.trim().is_empty() => {
                format!("{self}; it said {:?}", text::short_line(said.trim(), SAID))
            }
            fault => fault.to_string(),
        }
    }
}

/// What stood in the way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the granted directory no longer exists: make it again")]
    RootMissing,
    #[error("a symbolic link on the path of the granted directory leads elsewhere now: put the directory back")]
    RootElsewhere,
    #[error("the granted directory cannot be entered: put it back, or give the right to")]
    RootUnreadable,
    #[error("it does not exist")]
    Missing,
    #[error("it leads out of the granted directory")]
    Outside,
    #[error("a link leads to a place where nothing is")]
    Dangling,
    #[error("it is not a directory")]
    NotDirectory,
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it may not be read")]
    Unreadable,
    #[error("a link leads elsewhere")]
    Link,
    #[error("it is being replaced: try again")]
    Changing,
    #[error("the program is not there")]
    NoProgram,
    #[error("the program may not be run")]
    ProgramUnreadable,
    #[error("the host has no program `stat` that is known here")]
    NoStat,
    #[error("its socket was removed, but its server still lives there and has the sessions")]
    SocketLost,
    #[error(
        "the folder of berth's own there cannot be made: see whether the disk is full, and whose ~/.local/state is"
    )]
    NoPlace,
    #[error("the folder of berth's own there is open to others: run `chmod -R go= ~/.local/state/berth` there")]
    OpenPlace,
    #[error("a file cannot be written in the folder of berth's own there: see whether the disk is full")]
    NoRoom,
}

impl Refusal {
    /// By the word that the scripts say.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "root-missing" => Self::RootMissing,
            "root-elsewhere" => Self::RootElsewhere,
            "root-unreadable" => Self::RootUnreadable,
            "missing" => Self::Missing,
            "outside" => Self::Outside,
            "dangling" => Self::Dangling,
            "not-directory" => Self::NotDirectory,
            "not-regular" => Self::NotRegular,
            "unreadable" => Self::Unreadable,
            "link" => Self::Link,
            "changing" => Self::Changing,
            "no-program" => Self::NoProgram,
            "program-unreadable" => Self::ProgramUnreadable,
            "no-stat" => Self::NoStat,
            "socket-lost" => Self::SocketLost,
            "no-place" => Self::NoPlace,
            "open-place" => Self::OpenPlace,
            "no-room" => Self::NoRoom,
            _ => return None,
        })
    }
}
