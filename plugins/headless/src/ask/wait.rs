//! What comes of a task: it is waited for, and then looked at once.

use std::thread;
use std::time::{Duration, Instant};

use berth_agents::live::MessageState;
use berth_plugin::{Result, context, jobs};

use crate::kept::asked::Asked;
use crate::kept::note::Note;
use crate::kept::state::{RunState, has_ended};
use crate::read::asked::outcome;
use crate::read::{beside, index, output, run, talk};
use crate::shown::status;

/// What of a call's time is left for its answer.
const SPARE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(300);

/// What was begun.
pub(super) enum Work {
    /// The run with this id.
    Run(String, Box<Note>),
    /// A message with this id to a conversation that a person leads.
    Message(String, Asked),
}

/// How it is now.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) conversation: String,
    pub(super) host: Option<String>,
    pub(super) project: String,
    pub(super) directory: String,
    /// None: not known.
    pub(super) state: Option<RunState>,
    /// The answer, or as much as it said so far.
    pub(super) said: String,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) cost: Option<f64>,
    pub(super) turns: Option<u64>,
    pub(super) duration: Option<u64>,
    pub(super) denied: Vec<String>,
    /// What it does, or what it waits for.
    pub(super) doing: Option<String>,
    /// Questions that a person is to answer.
    pub(super) questions: usize,
    /// What a person should know, in sentences.
    pub(super) notes: Vec<String>,
}

/// Waits until it is over or asks a person, at most for this time. Answers how it is then.
pub(super) fn wait(work: &Work, time: Duration) -> Seen {
    let end = Instant::now() + time.min(context::remaining().saturating_sub(SPARE));
    loop {
        let is_late = Instant::now() >= end;
        // What cannot be looked at now, such as on a host that does not answer, may be so soon.
        if is_late || is_settled(work).unwrap_or(false) {
            let seen = look(work);
            if is_late || seen.state.is_some() {
                return seen;
            }
        }
        thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
}

/// Whether it is over, or asks a person.
pub(super) fn is_settled(work: &Work) -> Result<bool> {
    match work {
        Work::Run(id, _) => {
            let is_over = has_ended(jobs::get(id)?.phase);
            Ok(is_over || talk::asking(id)?.is_some_and(|process| !process.live.prompts().is_empty()))
        }
        Work::Message(id, sent) => Ok(talk::look(&sent.conversation)?
            .is_none_or(|(talk, _)| outcome(&talk, id).0.is_end() || !talk.process.live.prompts().is_empty())),
    }
}

/// How it is now. What cannot be looked at is told in words, since something was begun.
pub(super) fn look(work: &Work) -> Seen {
    let (seen, known) = match work {
        Work::Run(id, note) => (of_run(id, note), of_note(note)),
        Work::Message(id, sent) => (
            of_message(id, sent),
            Seen {
                conversation: sent.conversation.clone(),
                project: sent.project.clone(),
                ..Seen::default()
            },
        ),
    };
    seen.unwrap_or_else(|error| Seen {
        state: match work {
            Work::Run(id, _) => jobs::get(id)
                .ok()
                .map(|job| index::state(&job))
                .filter(|state| !state.is_end()),
            Work::Message(..) => None,
        },
        doing: Some(format!("it cannot be looked at now: {error}")),
        ..known
    })
}

fn of_note(note: &Note) -> Seen {
    let mut notes = status::start_notes(note);
    notes.extend(beside::words(note.host.as_deref(), &note.directory, &note.conversation));
    Seen {
        conversation: note.conversation.clone(),
        host: note.host.clone(),
        project: note.project.clone(),
        directory: note.directory.clone(),
        notes,
        ..Seen::default()
    }
}

fn of_run(id: &str, note: &Note) -> Result<Seen> {
    let found = run::find(id)?;
    let mut seen = Seen {
        state: Some(found.state),
        said: output::last_part(found.said.trim()).to_owned(),
        ..of_note(note)
    };
    if let Some(verdict) = found.verdict {
        seen.error = verdict.error;
        (seen.cost, seen.turns, seen.denied) = (verdict.cost, verdict.turns, verdict.denied);
        seen.duration = found
            .job
            .started_at
            .zip(found.job.finished_at)
            .map(|(started, finished)| finished.saturating_sub(started));
        return Ok(seen);
    }
    seen.doing = found.job.reason;
    if let Some(progress) = found.progress {
        seen.turns = progress.turns;
        seen.denied = progress.denied;
        seen.doing = seen.doing.or(progress.waits_for).or(progress.tool);
    }
    let process = talk::asking(id).unwrap_or_default();
    seen.questions = process.map_or(0, |process| process.live.prompts().len());
    Ok(seen)
}

fn of_message(id: &str, sent: &Asked) -> Result<Seen> {
    let Some((talk, _)) = talk::look(&sent.conversation)? else {
        return Ok(Seen {
            conversation: sent.conversation.clone(),
            project: sent.project.clone(),
            state: Some(RunState::Interrupted),
            error: Some("the conversation is gone".to_owned()),
            ..Seen::default()
        });
    };
    let (state, error) = outcome(&talk, id);
    let facts = talk.process.live.facts();
    let said = match talk.process.live.given(id).map(|message| &message.state) {
        Some(MessageState::Answered { text, .. }) => text.clone(),
        _ if state.is_end() => String::new(),
        _ => facts.said.unwrap_or_default(),
    };
    let mut notes = vec!["It is a message to a conversation that a person leads.".to_owned()];
    notes.extend(beside::words(talk.host.as_deref(), &talk.directory, &sent.conversation));
    Ok(Seen {
        conversation: sent.conversation.clone(),
        host: talk.host.clone(),
        project: talk.project.clone(),
        directory: talk.directory.clone(),
        state: Some(state),
        said: output::last_part(said.trim()).to_owned(),
        error,
        cost: facts.cost,
        turns: facts.turns,
        doing: facts.waits_for.or(facts.tool).filter(|_| !state.is_end()),
        questions: talk.process.live.prompts().len(),
        notes,
        ..Seen::default()
    })
}
