//! What a process of a conversation took of its limits, and how it ended.

use berth_plugin::{Error, Result, jobs};

use crate::cut::cut;
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::process::Ending;
use crate::kept::state::RunState;
use crate::kept::talk::Talk;
use crate::kept::verdict::{SAID, Verdict};

/// Keeps that with the conversation, once.
pub(crate) fn keep(talk: &Talk) -> Result<()> {
    let process = &talk.process;
    let Some(job) = &process.job else {
        return Ok(());
    };
    let job = match jobs::get(job) {
        Err(Error::NotFound(_)) => return Ok(()),
        job => job?,
    };
    let facts = process.live.facts();
    let why = process.ended.as_ref().and_then(|ended| ended.why.clone());
    let verdict = Verdict {
        state: match (process.ending, &why) {
            (Some(Ending::Person), _) => RunState::Cancelled,
            (_, Some(_)) => RunState::Failed,
            _ => RunState::Done,
        },
        error: why,
        said: cut(facts.said.unwrap_or_default().trim(), SAID),
        turns: facts.turns,
        cost: facts.cost,
        denied: Vec::new(),
        limited_until: facts.limited_until,
        has_begun: job.output_bytes > 0,
    };
    let note = Note::of(&job)?;
    Conversation::end(&note, &job.id, &verdict).map(drop)
}
