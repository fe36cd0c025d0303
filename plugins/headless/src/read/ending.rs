//! Why a process of a conversation ended.

use berth_plugin::jobs::{Channel, Job, Phase};

use crate::cut::cut;
use crate::kept::process::Ending;
use crate::read::output::{self, ERRORS};

/// Lines of its standard error that are shown, and characters of all.
const LINES: usize = 3;
const WORDS: usize = 400;

/// Why it ended, where nobody wanted it to.
pub(crate) fn why(job: &Job, ending: Option<Ending>) -> Option<String> {
    if ending.is_some() {
        return None;
    }
    let how = match (job.phase, job.status, job.signal) {
        (Phase::TimedOut, ..) => "it ran longer than `job_timeout` of its program allows".to_owned(),
        (Phase::Exited, Some(status), _) => format!("its process ended with status {status}"),
        (Phase::Exited, None, Some(signal)) => format!("its process was ended by signal {signal}"),
        (Phase::Cancelled, ..) => "its job was cancelled".to_owned(),
        (Phase::Failed, ..) => "it could not be started".to_owned(),
        _ => "what ran it was ended, such as by a restart of the system".to_owned(),
    };
    let how = job.reason.clone().unwrap_or(how);
    let errors = output::end(job, Channel::Errors, ERRORS).map(|chunk| chunk.bytes);
    let errors = String::from_utf8_lossy(&errors.unwrap_or_default()).into_owned();
    let said: Vec<&str> = errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = said[said.len().saturating_sub(LINES)..].join(" / ");
    Some(cut(
        &match said.is_empty() {
            true => how,
            false => format!("{how}: {said}"),
        },
        WORDS,
    ))
}
