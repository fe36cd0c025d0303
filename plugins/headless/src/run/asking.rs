//! Runs and builds that ask a person: the process of such a run is spoken with until it has answered.
//!
//! What is kept of it is a talk under the id of its job, and can be made of the job at any moment.

use berth_agents::live::{Activity, MessageState};
use berth_plugin::jobs::{self, Job, Phase};
use berth_plugin::{Result, time};

use crate::kept::bounds::Bounds;
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::process::Process;
use crate::kept::state::has_ended;
use crate::kept::talk::Talk;
use crate::start::request;

/// Keeps what there is to keep of a run whose job takes answers.
pub(crate) fn ensure(job: &Job, note: &Note) -> Result<()> {
    let Some(message) = &note.asks else {
        return Ok(());
    };
    if has_ended(job.phase) || Talk::find(&job.id)?.is_some() {
        return Ok(());
    }
    let mut live = request::live(note, message, &note.task);
    // Its job began with these.
    let _ = live.take_input();
    let mut process = Process::new(number(&job.id), live);
    process.job = Some(job.id.clone());
    process.input.is_at(job.input_bytes);
    let talk = Talk {
        host: note.host.clone(),
        project: note.project.clone(),
        directory: note.directory.clone(),
        agent: note.agent.clone(),
        trusted: note.trusted,
        created_at: job.queued_at,
        task: note.task.clone(),
        run: Some(Bounds::new(&note.conversation, note.timeout_ms)),
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
