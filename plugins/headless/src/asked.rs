//! Requests of `claude_run` to a conversation that a person leads: each is a message there, whose id is that of the run.

use berth_agents::live::MessageState;
use berth_plugin::{Error, Message, Result, store, time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer;
use crate::deliver;
use crate::note;
use crate::output;
use crate::setup::Setup;
use crate::state::RunState;
use crate::talk::{Fate, Talk};

const PREFIX: &str = "asked/";

/// Such a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) conversation: String,
    pub(crate) project: String,
    task: String,
    pub(crate) at: u64,
}

/// Sends a request as a message. Repeated with the same id, it is the same one.
pub(crate) fn send(setup: &Setup, id: &str, conversation: &str, project: &str, prompt: &str) -> Result<()> {
    let asked = Asked {
        conversation: conversation.to_owned(),
        project: project.to_owned(),
        task: note::task(prompt),
        at: time::now(),
    };
    if find(id)?.is_none() {
        store::put(&key(id), &asked)?;
    }
    let message = Message {
        id: id.to_owned(),
        text: prompt.to_owned(),
        attachments: Vec::new(),
    };
    deliver::send(setup, conversation, &message).map(drop).inspect_err(|_| {
        let _ = store::remove(&key(id));
    })
}

/// The request with this id, if it is one.
pub(crate) fn find(id: &str) -> Result<Option<Asked>> {
    match id.len() {
        36 => store::get(&key(id)),
        _ => Ok(None),
    }
}

/// All of them, the newest first.
pub(crate) fn all() -> Result<Vec<(String, Asked)>> {
    let mut all = Vec::new();
    for key in store::keys(PREFIX)? {
        if let (Some(id), Ok(Some(asked))) = (key.strip_prefix(PREFIX), store::get::<Asked>(&key)) {
            all.push((id.to_owned(), asked));
        }
    }
    all.sort_by_key(|(_, asked)| std::cmp::Reverse(asked.at));
    Ok(all)
}

/// Forgets those of a conversation.
pub(crate) fn forget(conversation: &str) -> Result<()> {
    for (id, asked) in all()? {
        if asked.conversation == conversation {
            store::remove(&key(&id))?;
        }
    }
    Ok(())
}

impl Asked {
    /// A row of a list.
    pub(crate) fn row(&self, id: &str, state: RunState) -> Map<String, Value> {
        let row = json!({
            "jobId": id,
            "kind": "run",
            "project": self.project,
            "state": state.name(),
            "enqueuedAt": time::iso(self.at),
            "sessionId": self.conversation,
            "task": self.task,
        });
        row.as_object().cloned().unwrap_or_default()
    }

    /// Its status as callers know it.
    pub(crate) fn status(&self, id: &str) -> Result<Map<String, Value>> {
        let Some((talk, _)) = Talk::look(&self.conversation)? else {
            return Err(Error::NotFound(format!("the conversation of job {id:?} is gone")));
        };
        let (state, error) = outcome(&talk, id);
        let mut status = self.row(id, state);
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
        if let Some(words) = crate::beside::words(&talk.directory, &self.conversation) {
            status.insert("note".to_owned(), json!(words));
        }
        Ok(status)
    }

    /// What became of it.
    pub(crate) fn state(&self, id: &str) -> Result<RunState> {
        let talk = Talk::find(&self.conversation)?;
        Ok(talk.map_or(RunState::Interrupted, |talk| outcome(&talk, id).0))
    }

    /// Takes it back, or stops the agent that works on it.
    pub(crate) fn cancel(&self, id: &str) -> Result<RunState> {
        let state = self.state(id)?;
        if state == RunState::Queued {
            match deliver::cancel(&self.conversation, id) {
                Ok(()) => return Ok(RunState::Cancelled),
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if !self.state(id)?.is_end() {
            answer::interrupt(&self.conversation)?;
        }
        self.state(id)
    }
}

fn outcome(talk: &Talk, id: &str) -> (RunState, Option<String>) {
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

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}
