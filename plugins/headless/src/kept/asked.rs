//! Requests of `claude_run` to a conversation that a person leads: each is a message there, whose id is that of the run.

use berth_plugin::{Result, store, time};
use serde::{Deserialize, Serialize};

use crate::kept::note;

const PREFIX: &str = "asked/";

/// Such a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) conversation: String,
    pub(crate) project: String,
    pub(crate) task: String,
    pub(crate) at: u64,
}

/// Keeps one, before its message is given. Repeated with the same id, it is the same one.
pub(crate) fn keep(id: &str, conversation: &str, project: &str, prompt: &str) -> Result<()> {
    if find(id)?.is_some() {
        return Ok(());
    }
    let asked = Asked {
        conversation: conversation.to_owned(),
        project: project.to_owned(),
        task: note::task(prompt),
        at: time::now(),
    };
    store::put(&key(id), &asked)
}

/// Forgets one whose message was not given.
pub(crate) fn remove(id: &str) {
    let _ = store::remove(&key(id));
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

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}
