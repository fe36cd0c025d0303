//! What is kept of each conversation, in one entry of the store.

use berth_plugin::{Result, jobs, store};
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::note::{Kind, Note};
use crate::state::RunState;

const PREFIX: &str = "conversation/";
/// Runs that are kept of a conversation; of more, the oldest go.
const RUNS: usize = 100;

/// A conversation. What a later version adds is passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Conversation {
    pub(crate) project: String,
    pub(crate) directory: String,
    pub(crate) agent: String,
    /// The oldest first.
    pub(crate) runs: Vec<Run>,
    /// Turns of all runs that have ended, also of those that are not kept.
    pub(crate) turns: u64,
    /// What it cost so far, in US dollars.
    pub(crate) cost: f64,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The id of its first job.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
}

impl Conversation {
    /// What is kept of this one.
    pub(crate) fn find(id: &str) -> Result<Option<Self>> {
        store::get(&key(id))
    }

    /// Keeps that a run was submitted.
    pub(crate) fn begin(note: &Note, run: &str) -> Result<()> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            kept.run(note, run);
        })
    }

    /// Keeps how a run ended, once, and answers what is kept.
    pub(crate) fn end(note: &Note, run: &str, verdict: &Verdict) -> Result<Verdict> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            let place = kept.run(note, run);
            if let Some(known) = &kept.runs[place].verdict {
                return known.clone();
            }
            kept.runs[place].verdict = Some(verdict.clone());
            kept.turns += verdict.turns.unwrap_or(0);
            // It is the cost of the whole conversation, so it is never added up.
            kept.cost = kept.cost.max(verdict.cost.unwrap_or(0.0));
            verdict.clone()
        })
    }

    /// How one of its runs ended, if that is known.
    pub(crate) fn verdict(&self, run: &str) -> Option<&Verdict> {
        self.runs.iter().find(|known| known.id == run)?.verdict.as_ref()
    }

    /// Whether one of its runs has done anything, so that the agent may know the conversation.
    pub(crate) fn has_begun(&self) -> bool {
        let did_nothing = |run: &Run| {
            let verdict = run.verdict.as_ref();
            verdict.is_some_and(|verdict| verdict.state == RunState::Cancelled && !verdict.has_begun)
        };
        !self.runs.iter().all(did_nothing)
    }

    fn run(&mut self, note: &Note, id: &str) -> usize {
        (self.project, self.directory) = (note.project.clone(), note.directory.clone());
        self.agent.clone_from(&note.agent);
        if let Some(place) = self.runs.iter().position(|run| run.id == id) {
            return place;
        }
        self.runs.push(Run {
            id: id.to_owned(),
            kind: note.kind,
            verdict: None,
        });
        let surplus = self.runs.len().saturating_sub(RUNS);
        self.runs.drain(..surplus);
        self.runs.len() - 1
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Forgets those of at most `most` conversations past `after` of whose runs no job is left. Answers the last one that was
/// looked at, if there may be more.
pub(crate) fn tidy(after: Option<&str>, most: u32) -> Result<Option<String>> {
    let keys = store::raw::keys(PREFIX, after, most)?;
    for key in &keys {
        let Some(entry) = store::raw::get(key)? else { continue };
        let Ok(kept) = serde_json::from_slice::<Conversation>(&entry.value) else {
            continue;
        };
        let is_left = |run: &Run| !matches!(jobs::get(&run.id), Err(berth_plugin::Error::NotFound(_)));
        if !kept.runs.iter().rev().any(is_left) {
            // A run that was submitted meanwhile has changed it.
            let _ = store::raw::remove(key, Some(entry.version));
        }
    }
    let is_whole = u32::try_from(keys.len()).unwrap_or(u32::MAX) < most;
    Ok(keys.into_iter().last().filter(|_| !is_whole))
}
