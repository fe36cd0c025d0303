//! Ending runs: `claude_cancel_job`, and the end of a session.

use std::thread;
use std::time::{Duration, Instant};

use berth_plugin::jobs::{self, Filter, Job, Phase};
use berth_plugin::{Error, Receipt, Result, context};
use serde_json::{Value, json};

use crate::asked;
use crate::conversation::Conversation;
use crate::note::Note;
use crate::state::has_ended;
use crate::talk::{self, Ending, Talk};
use crate::{sessions, status};

/// How long a job that is asked to end is waited for: it is killed after 5 seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// What of a call's time is left for its answer.
const SPARE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Cancels a run. One that has ended stays as it is.
pub(crate) fn job(id: &str) -> Result<Value> {
    if let Some(asked) = asked::find(id)? {
        let state = asked.cancel(id)?;
        return Ok(json!({"ok": true, "jobId": id, "state": state.name()}));
    }
    let seen = status::find(id)?;
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
    let seen = status::find(id)?;
    Ok(json!({"ok": true, "jobId": id, "state": seen.state.name()}))
}

/// Ends a session: cancels all that runs or waits of a conversation.
pub(crate) fn terminate(conversation: &str) -> Result<Receipt> {
    if Talk::find(conversation)?.is_some() {
        return terminate_talk(conversation);
    }
    let mut ids = open(conversation)?;
    if ids.is_empty() {
        // An unknown one is an error.
        let (job, _) = sessions::known(conversation)?;
        let seen = status::look(job)?;
        if seen.state.is_end() || seen.note.build.is_none() {
            return Ok(Receipt::Confirmed);
        }
        ids.extend(Conversation::cancel(&seen.note, seen.note.run(&seen.job))?);
    }
    let mut failed = None;
    // What waits goes first, so that it does not start when what runs ends.
    for id in &ids {
        failed = failed.or(jobs::cancel(id).err());
    }
    match failed {
        Some(error @ Error::Denied(_)) => Err(error),
        Some(_) => Ok(Receipt::Unconfirmed),
        None if wait(&ids) => Ok(Receipt::Confirmed),
        None => Ok(Receipt::Unconfirmed),
    }
}

/// Ends a conversation that a person leads: its process, and what waits for that.
fn terminate_talk(conversation: &str) -> Result<Receipt> {
    Talk::find(conversation)?
        .ok_or_else(|| talk::unknown(conversation))?
        .may_act()?;
    let job = Talk::change(conversation, |talk| {
        talk.process.ending = Some(Ending::Person);
        Ok(talk.process.job.clone().filter(|_| talk.process.ended.is_none()))
    })?;
    let Some(job) = job else {
        Talk::is_at_rest(conversation)?;
        return Ok(Receipt::Confirmed);
    };
    match jobs::cancel(&job) {
        Err(error @ Error::Denied(_)) => Err(error),
        Err(_) => Ok(Receipt::Unconfirmed),
        Ok(()) if wait(&[job]) => Ok(Receipt::Confirmed),
        Ok(()) => Ok(Receipt::Unconfirmed),
    }
}

/// The jobs of a conversation that run or wait, the newest first.
pub(crate) fn open(conversation: &str) -> Result<Vec<String>> {
    let open = jobs::recent(&Filter {
        phases: vec![Phase::Queued, Phase::Running],
        ..Filter::newest(1_000)
    })?;
    let is_its = |job: &Job| Note::of(job).is_ok_and(|note| note.conversation == conversation);
    Ok(open.into_iter().filter(is_its).map(|job| job.id).collect())
}

/// Waits for the end of these jobs, for a time. Answers whether all have ended.
fn wait(ids: &[String]) -> bool {
    let until = Instant::now() + PATIENCE.min(context::remaining().saturating_sub(SPARE));
    loop {
        let all = ids.iter().all(|id| jobs::get(id).is_ok_and(|job| has_ended(job.phase)));
        if all || Instant::now() >= until {
            return all;
        }
        thread::sleep(PAUSE);
    }
}
