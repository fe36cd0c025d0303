//! What a person does with jobs at a terminal, as one line on the socket.

use serde::{Deserialize, Serialize};

/// One of these things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// To cancel a job.
    Cancel {
        /// Its backend.
        backend: String,
        /// Its id.
        id: String,
    },
    /// To remove the jobs of all backends that ended before this time, in milliseconds since 1970.
    Prune {
        /// That time.
        before: u64,
    },
    /// To take over the jobs of another installation on a host.
    Adopt {
        /// The host, by its name in `[hosts]`.
        host: String,
        /// The installation.
        installation: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    berth: String,
    deed: Deed,
}

/// What `berth` says in such a line.
const JOBS: &str = "jobs";

impl Deed {
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        (line.berth == JOBS).then_some(line.deed)
    }

    pub(super) fn line(&self) -> String {
        let line = Line {
            berth: JOBS.to_owned(),
            deed: self.clone(),
        };
        // Text and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }
}
