//! How a run ended: what the host saw of its job, and what its agent said.

use berth_agents::headless::{self, Ending, Outcome};
use berth_plugin::jobs::{Channel, Job, Phase};
use berth_plugin::{Error, Result};

use crate::cut::cut;
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::state::RunState;
use crate::kept::verdict::{ERROR, SAID, Verdict};
use crate::read::output::{self, ERRORS, RESULT};

/// Denied tools that are kept, and characters of each.
const DENIED: usize = 20;
const DENIED_LENGTH: usize = 200;

/// How the run with this job ended, and its whole answer.
///
/// # Errors
/// What it printed cannot be read now.
pub(crate) fn judge(job: &Job, note: &Note) -> Result<(Verdict, String)> {
    let read = |channel, most| output::end(job, channel, most);
    let printed = read(Channel::Output, RESULT).and_then(|printed| Ok((printed, read(Channel::Errors, ERRORS)?)));
    let (printed, errors) = match printed {
        // It is asked for where the job is known, so this is the directory, and stays so.
        Err(Error::Failed(why)) => return Ok((unreadable(job, note, &why), String::new())),
        printed => printed?,
    };
    let outcome = headless::outcome(&Ending {
        conversation: &note.conversation,
        output: (printed.start, &printed.bytes),
        errors: &errors.bytes,
        status: job.status,
        signal: job.signal,
    });
    let asked = job.output_bytes.saturating_sub(u64::from(RESULT));
    let is_lost = printed.start > asked;
    let (state, error) = end(job, note, &outcome, is_lost);
    let answer = match job.phase == Phase::Exited && job.signal.is_none() {
        true => outcome.answer,
        // The last word of one that was ended does not count as an answer, whatever it calls that.
        false => headless::progress(&note.conversation, printed.start, &printed.bytes).said,
    };
    let verdict = Verdict {
        state,
        error: error.map(|error| cut(&error, ERROR)),
        said: cut(answer.trim(), SAID),
        turns: outcome.turns,
        cost: outcome.cost,
        denied: outcome
            .denied
            .iter()
            .take(DENIED)
            .map(|denied| cut(denied, DENIED_LENGTH))
            .collect(),
        limited_until: outcome.limited_until,
        has_begun: job.output_bytes > 0,
    };
    Ok((verdict, answer))
}

/// That of a run whose output cannot be read, such as one whose directory was replaced.
fn unreadable(job: &Job, note: &Note, why: &str) -> Verdict {
    let (state, error) = match job.phase {
        Phase::Exited => (
            RunState::Interrupted,
            Some(format!(
                "it is not known what came of it: what it printed cannot be read ({why})"
            )),
        ),
        _ => end(job, note, &Outcome::default(), false),
    };
    Verdict {
        has_begun: job.output_bytes > 0,
        ..Verdict::before_it_began(state, error.unwrap_or_default())
    }
}

fn end(job: &Job, note: &Note, outcome: &Outcome, is_lost: bool) -> (RunState, Option<String>) {
    let because = |words: &str| Some(job.reason.clone().unwrap_or_else(|| words.to_owned()));
    match job.phase {
        Phase::Cancelled if is_late(job, note) => (RunState::Failed, Some(out_of_time(note))),
        Phase::Cancelled => (RunState::Cancelled, because("it was cancelled")),
        Phase::Interrupted => (
            RunState::Interrupted,
            because("what ran it was ended, such as by a restart of the system"),
        ),
        Phase::TimedOut => (RunState::Failed, Some(out_of_time(note))),
        Phase::Failed => (RunState::Failed, because("it could not be started")),
        _ if is_lost && outcome.failure.is_some() => (
            RunState::Failed,
            Some("what it printed was removed before it was read, so it is not known what came of it".to_owned()),
        ),
        _ => match &outcome.failure {
            Some(why) => (RunState::Failed, Some(why.clone())),
            None => (RunState::Done, None),
        },
    }
}

/// Whether it was ended since its time was over.
fn is_late(job: &Job, note: &Note) -> bool {
    let kept = Conversation::find(&note.conversation).ok().flatten();
    kept.is_some_and(|kept| kept.is_late(note.run(job)))
}

fn out_of_time(note: &Note) -> String {
    match note.timeout_ms {
        0 => "it took longer than it may".to_owned(),
        most => format!("it took longer than the {} s that it may", most / 1000),
    }
}
