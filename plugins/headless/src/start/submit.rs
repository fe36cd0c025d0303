//! The submission of a job, which is the same one however often it is repeated.

use berth_plugin::jobs::{self, Filter, Spec};
use berth_plugin::{Error, Result};

use crate::kept::host;

/// Jobs among which the one with a known key is looked for.
const RECENT: u32 = 1_000;

/// Submits it on this host, or finds it where an earlier call did: what is left for the conversation may have changed since.
pub(crate) fn submit(host: Option<&str>, spec: Spec) -> Result<String> {
    let (key, queue) = (spec.key.clone(), spec.queue.clone());
    let conflict = match host::on(host, || jobs::submit(spec)) {
        Err(conflict @ Error::Conflict(_)) => conflict,
        submitted => return submitted,
    };
    let recent = jobs::recent(&Filter {
        queue: Some(queue),
        ..Filter::newest(RECENT)
    })?;
    let known = recent.into_iter().find(|job| job.key == key);
    known.map(|job| job.id).ok_or(conflict)
}
