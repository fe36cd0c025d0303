//! A request to a conversation that a person leads, as callers of the tools know it.

use berth_agents::live::MessageState;
use berth_plugin::{Error, Result, time};
use serde_json::{Map, Value, json};

use crate::kept::asked::Asked;
use crate::kept::state::RunState;
use crate::read::asked::outcome;
use crate::read::{beside, output, talk};

/// A row of a list.
pub(crate) fn row(asked: &Asked, id: &str, state: RunState) -> Map<String, Value> {
    let row = json!({
        "jobId": id,
        "kind": "run",
        "project": asked.project,
        "state": state.name(),
        "enqueuedAt": time::iso(asked.at),
        "sessionId": asked.conversation,
        "task": asked.task,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// Its status as callers know it.
pub(crate) fn status(asked: &Asked, id: &str) -> Result<Map<String, Value>> {
    let Some((talk, _)) = talk::look(&asked.conversation)? else {
        return Err(Error::NotFound(format!("the conversation of job {id:?} is gone")));
    };
    let (state, error) = outcome(&talk, id);
    let mut status = row(asked, id, state);
    if let Some(error) = error {
        status.insert("error".to_owned(), json!(error));
    }
    match talk.process.live.given(id).map(|message| &message.state) {
        Some(MessageState::Answered { text, .. }) => {
            status.insert("output".to_owned(), json!(output::last_part(text)));
        }
        _ if state.is_end() => {
            status.insert(
                "note".to_owned(),
                json!("What it said stands in the session's transcript."),
            );
        }
        _ => {
            let facts = talk.process.live.facts();
            status.insert(
                "output".to_owned(),
                json!(output::last_part(&facts.said.unwrap_or_default())),
            );
            if let Some(tool) = facts.tool {
                status.insert("lastTool".to_owned(), json!(tool));
            }
            let prompts = talk.process.live.prompts().len();
            if prompts > 0 {
                status.insert(
                    "waitsFor".to_owned(),
                    json!(format!("{prompts} open questions: respond_to_prompt answers them")),
                );
            }
        }
    }
    if let Some(words) = beside::words(talk.host.as_deref(), &talk.directory, &asked.conversation) {
        status.insert("note".to_owned(), json!(words));
    }
    Ok(status)
}
