//! Programs that outlive a call, and berth itself: they wait in queues, are recorded, and end with all they started.
//!
//! ```
//! # fn main() -> berth_plugin::Result<()> {
//! # let host = berth_plugin::testing::Host::new();
//! use berth_plugin::Command;
//! use berth_plugin::jobs::{self, Phase, Spec};
//!
//! let id = jobs::submit(Spec::new("build/7", "app", Command::new("make", ["all"])))?;
//! assert_eq!(jobs::get(&id)?.phase, Phase::Queued);
//! # host.start_job(&id).end_job(&id, Phase::Exited, Some(0));
//! # assert_eq!(jobs::get(&id)?.status, Some(0));
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

pub use crate::contract::jobs::{Channel, Chunk, Filter, Job, Phase, Spec};
use crate::{Command, Result, host, ssh};

/// Submits a job and returns its id. The same `spec` submitted again answers the same job. Without a `host` it is on that of
/// [`ssh::on`](crate::ssh::on), if there is one.
///
/// # Errors
///
/// `Denied` if the program has no such `job` list, or this call may only read; `Conflict` if the key belongs to another
/// `spec`; `Limited` if too many wait.
pub fn submit(mut spec: Spec) -> Result<String> {
    spec.host = spec.host.or_else(ssh::current);
    host::jobs::submit(&spec)
}

/// A job as it is now.
///
/// # Errors
///
/// `NotFound` if there is none.
pub fn get(id: &str) -> Result<Job> {
    host::jobs::get(id)
}

/// The jobs that `filter` asks for, the newest first.
///
/// # Errors
///
/// `NotFound` if the job that `after` names is not there.
pub fn recent(filter: &Filter) -> Result<Vec<Job>> {
    host::jobs::recent(filter)
}

/// Says what a job is, to find it by.
///
/// # Errors
///
/// `NotFound` if there is none.
pub fn set_label(id: &str, label: &str) -> Result<()> {
    host::jobs::set_label(id, label)
}

/// Cancels a job: at once if it waits, otherwise it is asked to end.
///
/// # Errors
///
/// `NotFound` if there is none.
pub fn cancel(id: &str) -> Result<()> {
    host::jobs::cancel(id)
}

/// At most `max` bytes of what a job printed, from the byte `start` on or the first later one that is kept.
///
/// # Errors
///
/// `NotFound` if there is none.
pub fn read(id: &str, channel: Channel, start: u64, max: u32) -> Result<Chunk> {
    host::jobs::read(id, channel, start, max)
}

/// Adds to the input of an interactive job, all or nothing, and returns how many bytes that has now. `expect`: how many
/// must be there before.
///
/// # Errors
///
/// `Conflict` if another number is there, `Refused` if the input or the job has ended.
pub fn write(id: &str, bytes: &[u8], expect: Option<u64>) -> Result<u64> {
    host::jobs::write(id, bytes, expect)
}

/// Ends the input of a job.
///
/// # Errors
///
/// `NotFound` if there is none.
pub fn close(id: &str) -> Result<()> {
    host::jobs::close(id)
}

impl Spec {
    /// A job of `queue` that runs `command`, with `key` as the plugin's own name for it.
    #[must_use]
    pub fn new(key: impl Into<String>, queue: impl Into<String>, command: Command) -> Self {
        Self {
            key: key.into(),
            host: None,
            command,
            queue: queue.into(),
            timeout_ms: None,
            interactive: false,
            watch: false,
            note: String::new(),
        }
    }

    /// Lets it run for this time, if that is less than the grant allows.
    #[must_use]
    pub fn ends_in(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Lets [`write()`] add to its input, until [`close`].
    #[must_use]
    pub fn interactive(mut self) -> Self {
        self.interactive = true;
        self
    }

    /// Asks for events when it has printed something.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.watch = true;
        self
    }

    /// Keeps this with the job.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Filter {
    /// The newest `limit` jobs.
    #[must_use]
    pub fn newest(limit: u32) -> Self {
        Self {
            queue: None,
            phases: Vec::new(),
            labels: Vec::new(),
            after: None,
            limit,
        }
    }
}
