//! A question for what a job printed, as one line on the socket.

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printed {
    /// The job's backend.
    pub backend: String,
    /// The job.
    pub id: String,
    /// Its standard error, and not its output.
    pub errors: bool,
    /// From this byte on, or the first one after it that is kept.
    pub start: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    berth: String,
    of: Printed,
}

/// What `berth` says in such a line.
const PRINTED: &str = "printed";

impl Printed {
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        (line.berth == PRINTED).then_some(line.of)
    }

    pub(super) fn line(&self) -> String {
        let line = Line {
            berth: PRINTED.to_owned(),
            of: self.clone(),
        };
        // Text and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }
}
