//! Runs and conversations out of the host's index, without a look into what they printed.

use berth_plugin::jobs::{self, Filter, Job, Phase};
use berth_plugin::{Error, Result};

use crate::kept::conversation::Conversation;
use crate::kept::note::{Kind, Note};
use crate::kept::state::{AT_REST, ENDED, ENDS, OPEN, RunState, WORKING};
use crate::kept::talk::Talk;

/// Jobs that have ended and were not judged yet, of which a list shows the outcome nevertheless.
const UNJUDGED: u32 = 16;
/// Jobs that run or wait, among which those of a conversation are looked for.
const LOOKED_AT: u32 = 1_000;
/// Runs that have ended, among which one that is not kept yet is looked for.
const UNKEPT: u32 = 200;

/// A job of a run, its note, and the state of the run.
pub(crate) type Run = (Job, Note, RunState);

/// Some runs, the newest first, and the last job of those that have ended, if there may be older ones.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) runs: Vec<Run>,
    pub(crate) last: Option<String>,
}

/// The newest runs in one of `states` (none: in any), those of one project if one is named.
pub(crate) fn recent(project: Option<&str>, states: &[RunState], limit: u32) -> Result<Part> {
    let mut found = Vec::new();
    let mut phases = Vec::new();
    if is_asked(states, RunState::Queued) {
        phases.push(Phase::Queued);
    }
    if is_asked(states, RunState::Running) {
        phases.extend(WORKING);
    }
    if !phases.is_empty() {
        found.extend(jobs::recent(&filter(project, &phases, &[""], limit))?);
    }
    if RunState::ALL
        .iter()
        .any(|state| state.is_end() && is_asked(states, *state))
    {
        found.extend(jobs::recent(&filter(project, &ENDS, &[""], UNJUDGED))?);
    }
    let (ended, last) = judged(project, states, None, limit)?;
    found.extend(ended);
    found.sort_by_key(|job| std::cmp::Reverse(job.queued_at));
    // One that ended between two questions is there twice.
    let mut ids = std::collections::BTreeSet::new();
    found.retain(|job| ids.insert(job.id.clone()));
    let mut runs = runs(found);
    runs.retain(|(_, _, state)| is_asked(states, *state));
    Ok(Part { runs, last })
}

/// The newest of those that have ended, past the job `after`.
pub(crate) fn older(states: &[RunState], after: &str, limit: u32) -> Result<Part> {
    let (ended, last) = judged(None, states, Some(after), limit)?;
    Ok(Part {
        runs: runs(ended),
        last,
    })
}

/// Those of which it is known how they ended, and the last one if there may be more.
fn judged(
    project: Option<&str>,
    states: &[RunState],
    after: Option<&str>,
    limit: u32,
) -> Result<(Vec<Job>, Option<String>)> {
    let ends = RunState::ALL.into_iter();
    let ends = ends.filter(|state| state.is_end() && is_asked(states, *state));
    let labels: Vec<_> = ends.map(RunState::name).collect();
    if labels.is_empty() {
        return Ok((Vec::new(), None));
    }
    let found = jobs::recent(&Filter {
        after: after.map(str::to_owned),
        ..filter(project, &[], &labels, limit)
    })?;
    let is_full = u32::try_from(found.len()).unwrap_or(u32::MAX) >= limit;
    let last = found.last().filter(|_| is_full).map(|job| job.id.clone());
    Ok((found, last))
}

fn filter(project: Option<&str>, phases: &[Phase], labels: &[&str], limit: u32) -> Filter {
    Filter {
        queue: project.map(str::to_owned),
        phases: phases.to_vec(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        after: None,
        limit,
    }
}

fn is_asked(states: &[RunState], state: RunState) -> bool {
    states.is_empty() || states.contains(&state)
}

fn runs(jobs: Vec<Job>) -> Vec<Run> {
    let runs = jobs.into_iter().filter_map(|job| {
        let note = Note::of(&job).ok().filter(|note| note.kind != Kind::Conversation)?;
        let state = state(&job);
        Some((job, note, state))
    });
    runs.collect()
}

/// The ids of conversations that persons lead, those that worked last first: all that have a process, and at most `limit`
/// others.
pub(crate) fn talks(limit: u32) -> Result<Vec<String>> {
    let is_led = |id: &String| Talk::find(id).is_ok_and(|talk| talk.is_none_or(|talk| talk.run.is_none()));
    let mut ids = Talk::all_alive()?;
    ids.retain(is_led);
    let resting = jobs::recent(&Filter {
        labels: vec![AT_REST.to_owned(), ENDED.to_owned()],
        ..Filter::newest(limit)
    })?;
    for job in resting {
        if let Ok(note) = Note::of(&job)
            && !ids.contains(&note.conversation)
        {
            ids.push(note.conversation);
        }
    }
    Ok(ids)
}

/// The state of a run by what the index says of its job. One that ended by itself and was not judged yet is told as what
/// its status makes likely.
pub(crate) fn state(job: &Job) -> RunState {
    if let Some(judged) = RunState::named(&job.label) {
        return judged;
    }
    match job.phase {
        Phase::Queued => RunState::Queued,
        Phase::Running | Phase::Unreachable => RunState::Running,
        Phase::Exited if job.status == Some(0) && Note::of(job).is_ok_and(|note| note.is_step()) => RunState::Running,
        Phase::Exited if job.status == Some(0) => RunState::Done,
        Phase::Exited | Phase::Failed | Phase::TimedOut => RunState::Failed,
        Phase::Cancelled => RunState::Cancelled,
        Phase::Interrupted => RunState::Interrupted,
    }
}

/// The newest job of a conversation, and what is kept of it.
///
/// # Errors
/// `NotFound` if there is none.
pub(crate) fn known(id: &str) -> Result<(Job, Conversation)> {
    let kept = Conversation::find(id)?.unwrap_or_default();
    for run in kept.runs.iter().rev() {
        match jobs::get(run.next.as_deref().unwrap_or(&run.id)) {
            Ok(job) => return Ok((job, kept)),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // One whose submission was not kept yet.
    let run = recent(None, &[], UNKEPT)?
        .runs
        .into_iter()
        .find(|(_, note, _)| note.conversation == id);
    match run {
        Some((job, ..)) => Ok((jobs::get(&job.id)?, kept)),
        None => Err(Error::NotFound(format!(
            "there is no conversation {id:?} here, or it is gone"
        ))),
    }
}

/// The jobs of a conversation that run or wait, the newest first.
pub(crate) fn open(conversation: &str) -> Result<Vec<String>> {
    let open = jobs::recent(&Filter {
        phases: OPEN.to_vec(),
        ..Filter::newest(LOOKED_AT)
    })?;
    let is_its = |job: &Job| Note::of(job).is_ok_and(|note| note.conversation == conversation);
    Ok(open.into_iter().filter(is_its).map(|job| job.id).collect())
}

/// The key of what is kept of the run that works now in a conversation.
pub(crate) fn speaking(conversation: &str) -> Result<Option<String>> {
    for job in open(conversation)? {
        if Talk::find(&job)?.is_some() {
            return Ok(Some(job));
        }
    }
    Ok(None)
}
