//! What became of a request to a conversation that a person leads.

use berth_agents::live::MessageState;
use berth_plugin::Result;

use crate::kept::asked::Asked;
use crate::kept::state::RunState;
use crate::kept::talk::{Fate, Talk};

/// Its state, by what was last kept of the conversation.
pub(crate) fn state(asked: &Asked, id: &str) -> Result<RunState> {
    let talk = Talk::find(&asked.conversation)?;
    Ok(talk.map_or(RunState::Interrupted, |talk| outcome(&talk, id).0))
}

/// The state of the request with this id, and what is wrong with it.
pub(crate) fn outcome(talk: &Talk, id: &str) -> (RunState, Option<String>) {
    let doubtful =
        || Some("its process ended before it answered: it is not known whether it was carried out".to_owned());
    match talk.process.live.given(id).map(|message| &message.state) {
        Some(MessageState::Waiting | MessageState::Lost) if talk.is_lost() => (
            RunState::Interrupted,
            Some("the conversation is lost with its process, and this was not sent".to_owned()),
        ),
        Some(MessageState::Waiting | MessageState::Lost) => (RunState::Queued, None),
        Some(MessageState::Started) if talk.process.ended.is_some() => (RunState::Interrupted, doubtful()),
        Some(MessageState::Started) => (RunState::Running, None),
        Some(MessageState::Answered { text, is_error: true }) => (RunState::Failed, Some(text.clone())),
        Some(MessageState::Answered { .. }) => (RunState::Done, None),
        Some(MessageState::Cancelled) => (RunState::Cancelled, None),
        None => match talk.fate(id) {
            Some(Fate::Answered) => (RunState::Done, None),
            Some(Fate::Failed) => (RunState::Failed, None),
            Some(Fate::Cancelled) => (RunState::Cancelled, None),
            Some(Fate::Doubtful) => (RunState::Interrupted, doubtful()),
            None => (
                RunState::Interrupted,
                Some("it is not known any more what became of it".to_owned()),
            ),
        },
    }
}
