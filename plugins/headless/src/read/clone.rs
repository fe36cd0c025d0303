//! The job that makes the clone of a build, as far as it says how the build ended.

use berth_plugin::jobs::{Channel, Job, Phase};

use crate::kept::state::{RunState, STAGE, has_ended};
use crate::kept::verdict::Verdict;
use crate::read::output::{self, ERRORS};

/// How the build ended, if it goes no further than this job.
pub(crate) fn ended(job: &Job) -> Option<Verdict> {
    if !has_ended(job.phase) || job.label == STAGE {
        return None;
    }
    let because = |words: &str| job.reason.clone().unwrap_or_else(|| words.to_owned());
    let (state, why) = match job.phase {
        Phase::Exited if job.status == Some(0) => return None,
        Phase::Cancelled => (RunState::Cancelled, because("it was cancelled")),
        Phase::Interrupted => (
            RunState::Interrupted,
            because("what ran it was ended, such as by a restart of the system"),
        ),
        Phase::TimedOut => (RunState::Failed, "to clone the project took too long".to_owned()),
        _ => (
            RunState::Failed,
            format!("the project could not be cloned: {}", said(job)),
        ),
    };
    Some(Verdict::before_it_began(state, why))
}

/// The end of what git said, or why it did not run.
fn said(job: &Job) -> String {
    let errors = output::end(job, Channel::Errors, ERRORS)
        .map(|chunk| chunk.bytes)
        .unwrap_or_default();
    let errors = String::from_utf8_lossy(&errors);
    let last: Vec<_> = errors
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .rev()
        .take(3)
        .collect();
    match (last.is_empty(), &job.reason) {
        (_, Some(reason)) => reason.clone(),
        (true, None) => "git says nothing".to_owned(),
        (false, None) => last.into_iter().rev().collect::<Vec<_>>().join(" / "),
    }
}
