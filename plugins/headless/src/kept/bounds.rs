//! How long a run that asks a person may take: time in which a question waits for a person does not count, so its end is
//! kept here.

use berth_plugin::jobs::Job;
use serde::{Deserialize, Serialize};

/// A run, how long it may take, and how long it waited for persons.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) conversation: String,
    timeout_ms: u64,
    waited_ms: u64,
    waits_since: Option<u64>,
}

impl Bounds {
    /// Those of a run that was not looked at yet.
    pub(crate) fn new(conversation: &str, timeout_ms: u64) -> Self {
        Self {
            conversation: conversation.to_owned(),
            timeout_ms,
            ..Self::default()
        }
    }

    /// Notes whether a person is waited for now.
    pub(crate) fn note(&mut self, waits: bool, now: u64) {
        match (waits, self.waits_since) {
            (true, None) => self.waits_since = Some(now),
            (false, Some(since)) => {
                self.waited_ms += now.saturating_sub(since);
                self.waits_since = None;
            }
            _ => {}
        }
    }

    /// When its time is over; none: a person is waited for.
    pub(crate) fn end(&self, job: &Job) -> Option<u64> {
        let started = job.started_at?;
        self.waits_since
            .is_none()
            .then(|| started + self.timeout_ms + self.waited_ms)
    }
}
