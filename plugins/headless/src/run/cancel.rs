//! The end of runs before they have ended by themselves.

use std::thread;
use std::time::{Duration, Instant};

use berth_plugin::{Error, Receipt, Result, context, jobs, log};

use crate::kept::conversation::Conversation;
use crate::kept::state::{RunState, has_ended};
use crate::read::{index, run};

/// How long a job that is asked to end is waited for: it is killed after 5 seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// What of a call's time is left for its answer.
const SPARE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Cancels a run. One that has ended stays as it is. Answers its state then.
pub(crate) fn run(id: &str) -> Result<RunState> {
    let seen = run::find(id)?;
    if !seen.state.is_end() {
        let mut ids = vec![seen.job.id.clone()];
        if seen.note.build.is_some() {
            // It may be between two jobs: whoever begins the next one sees this.
            ids.extend(Conversation::cancel(&seen.note, seen.note.run(&seen.job))?);
        }
        for id in &ids {
            jobs::cancel(id)?;
        }
        wait(&ids);
    }
    run::find(id).map(|seen| seen.state)
}

/// Cancels all that runs or waits of a conversation.
pub(crate) fn all_of(conversation: &str) -> Result<Receipt> {
    let mut ids = index::open(conversation)?;
    let mut is_kept = false;
    if ids.is_empty() {
        // An unknown one is an error.
        let (job, _) = index::known(conversation)?;
        let seen = run::look(job)?;
        if seen.state.is_end() || seen.note.build.is_none() {
            return Ok(Receipt::Confirmed);
        }
        ids.extend(Conversation::cancel(&seen.note, seen.note.run(&seen.job))?);
        is_kept = true;
    }
    // What waits goes first, so that it does not start when what runs ends.
    let cancels: Vec<Result<()>> = ids.iter().map(|id| jobs::cancel(id)).collect();
    let is_done = is_kept || !cancels.iter().all(|cancel| cancel.as_ref().is_err_and(is_nothing_done));
    match cancels.into_iter().find_map(Result::err) {
        Some(error) if !is_done => Err(error),
        Some(error) => {
            log::warn(format_args!(
                "not all of session {conversation} was told to end: {error}"
            ));
            Ok(Receipt::Unconfirmed)
        }
        None if wait(&ids) => Ok(Receipt::Confirmed),
        None => Ok(Receipt::Unconfirmed),
    }
}

/// Whether an error of a cancel says that nobody was told to end.
pub(crate) fn is_nothing_done(error: &Error) -> bool {
    !matches!(error, Error::TimedOut(_) | Error::Failed(_))
}

/// Waits for the end of these jobs, for a time. Answers whether all have ended.
pub(crate) fn wait(ids: &[String]) -> bool {
    let until = Instant::now() + PATIENCE.min(context::remaining().saturating_sub(SPARE));
    loop {
        let all = ids.iter().all(|id| jobs::get(id).is_ok_and(|job| has_ended(job.phase)));
        if all || Instant::now() >= until {
            return all;
        }
        thread::sleep(PAUSE);
    }
}
