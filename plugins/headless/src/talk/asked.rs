//! Requests of `claude_run` to a conversation that a person leads: how one is sent, and taken back.

use berth_plugin::{Error, Message, Result};

use crate::kept::asked::{self, Asked};
use crate::kept::state::RunState;
use crate::kept::talk::{self, Talk};
use crate::read::asked::state;
use crate::setup::Setup;
use crate::start::request;
use crate::talk::{answer, deliver};

/// Sends a request as a message. Repeated with the same id, it is the same one.
pub(crate) fn send(setup: &Setup, id: &str, conversation: &str, project: &str, prompt: &str) -> Result<()> {
    request::check("prompt", prompt)?;
    let talk = Talk::find(conversation)?.ok_or_else(|| talk::unknown(conversation))?;
    if talk.project != project {
        return Err(Error::Invalid(format!(
            "conversation {conversation} belongs to project {:?}, not to {project:?}: name that project, or start afresh \
             without `sessionId`",
            talk.project
        )));
    }
    asked::keep(id, conversation, project, prompt)?;
    let message = Message {
        id: id.to_owned(),
        text: prompt.to_owned(),
        attachments: Vec::new(),
    };
    deliver::send(setup, conversation, &message)
        .map(drop)
        .inspect_err(|_| asked::remove(id))
}

/// Takes it back, or stops the agent that works on it.
pub(crate) fn cancel(asked: &Asked, id: &str) -> Result<RunState> {
    if state(asked, id)? == RunState::Queued {
        match deliver::cancel(&asked.conversation, id) {
            Ok(()) => return Ok(RunState::Cancelled),
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if !state(asked, id)?.is_end() {
        answer::interrupt(&asked.conversation)?;
    }
    state(asked, id)
}
