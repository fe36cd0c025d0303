//! Runs and builds that ask a person: the process of such a run is spoken with until it has answered.
//!
//! What is kept of it is a talk under the id of its job, and can be made of the job at any moment. Time in which a
//! question waits for a person does not count for how long the run may take, so its end is kept here.

use berth_agents::live::{Activity, Begin, Live, MessageState, Prompt, Protocol};
use berth_plugin::jobs::{self, Job, Phase};
use berth_plugin::settings::Agent;
use berth_plugin::{Result, time};
use serde::{Deserialize, Serialize};

use crate::cancel;
use crate::conversation::Conversation;
use crate::note::Note;
use crate::setup::Setup;
use crate::state::has_ended;
use crate::talk::{Process, Talk};

/// A run, how long it may take, and how long it waited for persons.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) conversation: String,
    timeout_ms: u64,
    waited_ms: u64,
    waits_since: Option<u64>,
}

/// Whether runs of this agent ask a person.
pub(crate) fn asks(setup: &Setup, agent: &Agent) -> bool {
    let own = agent.headless_options.as_ref();
    !setup.settings.prompt_deadline.is_zero() && own.is_some_and(|own| own.contains_key("ask"))
}

/// What the agent of a run reads at its beginning.
pub(crate) fn input(note: &Note, message: &str, prompt: &str) -> Vec<u8> {
    begin(note, message, prompt).take_input()
}

fn begin(note: &Note, message: &str, prompt: &str) -> Live {
    let mut live = Live::begin(Begin {
        protocol: Protocol::StreamJson,
        conversation: note.conversation.clone(),
        directory: note.directory.clone(),
        ..Begin::default()
    });
    // It is the first one, so nothing stands against it.
    let _ = live.message(message, prompt, &[], time::now());
    live
}

/// Keeps what there is to keep of a run whose job takes answers.
pub(crate) fn ensure(job: &Job, note: &Note) -> Result<()> {
    let Some(message) = &note.asks else {
        return Ok(());
    };
    if has_ended(job.phase) || Talk::find(&job.id)?.is_some() {
        return Ok(());
    }
    let mut live = begin(note, message, &note.task);
    // Its job began with these.
    let _ = live.take_input();
    let mut process = Process::new(number(&job.id), live);
    process.job = Some(job.id.clone());
    process.input.is_at(job.input_bytes);
    let talk = Talk {
        project: note.project.clone(),
        directory: note.directory.clone(),
        agent: note.agent.clone(),
        trusted: note.trusted,
        created_at: job.queued_at,
        task: note.task.clone(),
        run: Some(Bounds {
            conversation: note.conversation.clone(),
            timeout_ms: note.timeout_ms,
            ..Bounds::default()
        }),
        ..Talk::empty(process)
    };
    talk.begin(&job.id).map(drop)
}

/// A number that tells the processes of a conversation's runs apart, out of the id of a job.
fn number(job: &str) -> u32 {
    job.bytes().fold(2_166_136_261, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// The key of what is kept of the run that works now in a conversation.
pub(crate) fn of_conversation(conversation: &str) -> Result<Option<String>> {
    for job in cancel::open(conversation)? {
        if Talk::find(&job)?.is_some() {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// The questions of the run with this job, and the number of its process.
pub(crate) fn prompts(job: &str) -> Result<(u32, Vec<Prompt>)> {
    let Some((talk, _)) = Talk::look(job)? else {
        return Ok((0, Vec::new()));
    };
    match talk.process.is_open() {
        true => Ok((talk.process.number, talk.process.live.prompts().to_vec())),
        false => Ok((0, Vec::new())),
    }
}

impl Bounds {
    /// Notes whether a person is waited for now.
    pub(crate) fn note(&mut self, waits: bool, now: u64) {
        match (waits, self.waits_since) {
            (true, None) => self.waits_since = Some(now),
            (false, Some(since)) => {
                self.waited_ms += now.saturating_sub(since);
                self.waits_since = None;
            }
            _ => {}
        }
    }

    /// When its time is over; none: a person is waited for.
    fn end(&self, job: &Job) -> Option<u64> {
        let started = job.started_at?;
        self.waits_since
            .is_none()
            .then(|| started + self.timeout_ms + self.waited_ms)
    }
}

/// Ends a run that has answered, and one whose time is over. Answers when to look again.
pub(crate) fn look_after(talk: &Talk, bounds: &Bounds, job: &Job) -> Result<Option<u64>> {
    if job.phase != Phase::Running {
        return Ok(None);
    }
    let live = &talk.process.live;
    let answered = |state: &MessageState| matches!(state, MessageState::Answered { .. } | MessageState::Cancelled);
    if live.messages().all(|message| answered(&message.state)) && live.state() != Activity::Waiting {
        jobs::close(&job.id)?;
    }
    let Some(end) = bounds.end(job) else {
        return Ok(None);
    };
    if end > time::now() {
        return Ok(Some(end));
    }
    let note = Note::of(job)?;
    Conversation::out_of_time(&note, note.run(job))?;
    jobs::cancel(&job.id)?;
    Ok(None)
}
