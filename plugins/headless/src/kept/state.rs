//! The states of a run, by the names that its callers know.

use berth_plugin::State;
use berth_plugin::jobs::Phase;
use serde::{Deserialize, Serialize};

/// What a run is doing, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunState {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
    Interrupted,
}

/// The label of a job that is a step of a run which goes on in another one: no list shows it.
pub(crate) const STAGE: &str = "stage";

/// The labels of a job that was a process of a conversation: that goes on with the next message, or was ended by a person.
pub(crate) const AT_REST: &str = "idle";
pub(crate) const ENDED: &str = "ended";

impl RunState {
    pub(crate) const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The name that callers know; of an end, it is the label of its job too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub(crate) fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The state of a session with such a run.
    pub(crate) fn of_session(self) -> State {
        match self {
            Self::Queued => State::Queued,
            Self::Running => State::Busy,
            Self::Done => State::Done,
            Self::Failed => State::Failed,
            Self::Cancelled => State::Cancelled,
            Self::Interrupted => State::Interrupted,
        }
    }
}

/// The phases of a job that has not ended, and of one that works, as far as anyone knows.
pub(crate) const OPEN: [Phase; 3] = [Phase::Queued, Phase::Running, Phase::Unreachable];
pub(crate) const WORKING: [Phase; 2] = [Phase::Running, Phase::Unreachable];

/// The phases of a job that has ended.
pub(crate) const ENDS: [Phase; 5] = [
    Phase::Exited,
    Phase::Failed,
    Phase::Cancelled,
    Phase::TimedOut,
    Phase::Interrupted,
];

/// Whether a job has ended.
pub(crate) fn has_ended(phase: Phase) -> bool {
    ENDS.contains(&phase)
}
