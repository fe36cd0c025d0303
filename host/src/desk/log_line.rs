//! The line of the program's log that each call is.

use crate::store::Recorder;
use crate::store::audit::Entry;

/// Bytes of a name that the log shows.
const SHOWN: usize = 256;

/// One line for each call, with the number that `berth audit` shows it by. Texts are quoted and escaped as they are
/// written: others chose them.
pub(super) fn write(recorder: &Recorder, entry: &Entry, seq: Option<i64>) {
    if !recorder.is_logged() {
        return;
    }
    tracing::info!(
        principal = shown(&entry.principal),
        tool = shown(&entry.tool),
        backend = shown(&entry.backend),
        session = shown(&entry.session),
        outcome = entry.outcome.name(),
        ms = entry
            .duration
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        entry = seq,
    );
}

/// As much of a name as the log shows; none where there is none.
fn shown(name: &str) -> Option<&str> {
    (!name.is_empty()).then(|| &name[..name.floor_char_boundary(SHOWN)])
}
