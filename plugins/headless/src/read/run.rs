//! A run as it is now, by its job, what that printed, and what is kept.

use berth_agents::headless::{self, Progress};
use berth_plugin::jobs::{self, Channel, Job, Phase};
use berth_plugin::{Error, Result, time};

use crate::kept::built::Made;
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::state::{RunState, has_ended};
use crate::kept::verdict::Verdict;
use crate::read::judge::judge;
use crate::read::output::{self, PROGRESS};
use crate::read::{clone, index};
use crate::setup::Setup;

/// A run as it is now.
pub(crate) struct Seen {
    pub(crate) job: Job,
    pub(crate) note: Note,
    pub(crate) state: RunState,
    /// What it does, while it runs.
    pub(crate) progress: Option<Progress>,
    /// How it ended.
    pub(crate) verdict: Option<Verdict>,
    /// The answer, or as much as it said so far.
    pub(crate) said: String,
    /// What came of a build.
    pub(crate) made: Option<Made>,
}

/// The run with this id.
///
/// # Errors
/// `NotFound` if there is none.
pub(crate) fn find(id: &str) -> Result<Seen> {
    let job = jobs::get(id).map_err(|error| match error {
        Error::NotFound(_) => Error::NotFound(format!(
            "there is no job {id:?} here, or it ended long ago and was removed: claude_list_jobs shows those there are"
        )),
        error => error,
    })?;
    look(job)
}

/// What is known of the run with this job, which is whole as `get` answers it.
pub(crate) fn look(job: Job) -> Result<Seen> {
    let (job, note) = newest(job)?;
    let mut seen = Seen {
        state: index::state(&job),
        note,
        progress: None,
        verdict: None,
        said: String::new(),
        made: None,
        job,
    };
    if seen.note.is_step() {
        let kept = Conversation::find(&seen.note.conversation).ok().flatten();
        let kept = kept.and_then(|kept| kept.verdict(&seen.job.id).cloned());
        seen.verdict = kept.or_else(|| clone::ended(&seen.job));
        seen.state = seen.verdict.as_ref().map_or(seen.state, |verdict| verdict.state);
    } else if has_ended(seen.job.phase) {
        // What was kept was read when all of it was there.
        let kept = Conversation::find(&seen.note.conversation)
            .ok()
            .flatten()
            .unwrap_or_default();
        let run = seen.note.run(&seen.job);
        let (verdict, said) = match (judge(&seen.job, &seen.note), kept.verdict(run)) {
            (Ok((_, said)), Some(known)) => (known.clone(), said),
            // What it printed is on a host that does not answer.
            (Err(Error::Unavailable(_)), Some(known)) => (known.clone(), String::new()),
            (judged, _) => judged?,
        };
        seen.made = kept.made(run).cloned();
        // A build has not ended before it is known what came of it.
        seen.state = match seen.note.build.is_some() && seen.made.is_none() {
            true => RunState::Running,
            false => verdict.state,
        };
        seen.said = if said.is_empty() { verdict.said.clone() } else { said };
        seen.verdict = Some(verdict);
    } else if seen.job.started_at.is_some() && seen.job.phase != Phase::Unreachable {
        let printed = output::end(&seen.job, Channel::Output, PROGRESS)?;
        let progress = headless::progress(&seen.note.conversation, printed.start, &printed.bytes);
        seen.said.clone_from(&progress.said);
        seen.progress = Some(progress);
    }
    Ok(seen)
}

/// The job in which a run goes on, if it does, and its note.
fn newest(job: Job) -> Result<(Job, Note)> {
    let note = Note::of(&job)?;
    if !note.is_step() {
        return Ok((job, note));
    }
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    match kept.next(&job.id) {
        Some(next) => {
            let job = jobs::get(next)?;
            let note = Note::of(&job)?;
            Ok((job, note))
        }
        None => Ok((job, note)),
    }
}

impl Seen {
    /// Since when it has not shown a sign of life, if that is longer than the operator's patience.
    pub(crate) fn silent_since(&self, setup: &Setup) -> Option<u64> {
        let progress = self.progress.as_ref()?;
        let last = progress.at.or(self.job.started_at)?;
        let patience = u64::try_from(setup.settings.silence.as_millis()).unwrap_or(u64::MAX);
        // A limit says itself when it ends.
        let is_silent = progress.waits_for.is_none() && time::now().saturating_sub(last) > patience;
        is_silent.then_some(last)
    }
}
