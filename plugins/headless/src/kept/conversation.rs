//! What is kept of each conversation, in one entry of the store.

use berth_plugin::{Error, Result, jobs, store};
use serde::{Deserialize, Serialize};

use crate::kept::built::Made;
use crate::kept::note::{Kind, Note};
use crate::kept::state::RunState;
use crate::kept::talk::Talk;
use crate::kept::verdict::Verdict;

const PREFIX: &str = "conversation/";
/// Runs that are kept of a conversation; of more, the oldest go.
const RUNS: usize = 100;

/// A conversation. What a later version adds is passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Conversation {
    /// The label of its host; none: where the backend lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
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
    /// The job in which it went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// A person has cancelled it.
    #[serde(default)]
    pub(crate) is_cancelled: bool,
    /// Its time was over.
    #[serde(default)]
    pub(crate) is_late: bool,
    pub(crate) kind: Kind,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<Verdict>,
    /// What came of it, if it is a build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<Made>,
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

    /// Keeps how a build ended and what came of it, once.
    pub(crate) fn end_build(note: &Note, run: &str, verdict: &Verdict, made: &Made) -> Result<()> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            let place = kept.run(note, run);
            kept.runs[place].made.get_or_insert_with(|| made.clone());
        })?;
        Self::end(note, run, verdict).map(drop)
    }

    /// Keeps in which job a run goes on. Answers whether a person has cancelled it.
    pub(crate) fn goes_on(note: &Note, run: &str, next: &str) -> Result<bool> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            let place = kept.run(note, run);
            kept.runs[place].next = Some(next.to_owned());
            kept.runs[place].is_cancelled
        })
    }

    /// Keeps that a person has cancelled a run. Answers the job in which it goes on, if there is one.
    pub(crate) fn cancel(note: &Note, run: &str) -> Result<Option<String>> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            let place = kept.run(note, run);
            kept.runs[place].is_cancelled = true;
            kept.runs[place].next.clone()
        })
    }

    /// Keeps that the time of a run is over.
    pub(crate) fn out_of_time(note: &Note, run: &str) -> Result<()> {
        store::update(&key(&note.conversation), |kept: &mut Self| {
            let place = kept.run(note, run);
            kept.runs[place].is_late = true;
        })
    }

    pub(crate) fn is_late(&self, run: &str) -> bool {
        self.known(run).is_some_and(|run| run.is_late)
    }

    /// How one of its runs ended, if that is known.
    pub(crate) fn verdict(&self, run: &str) -> Option<&Verdict> {
        self.known(run)?.verdict.as_ref()
    }

    /// What came of a build, if that is known.
    pub(crate) fn made(&self, run: &str) -> Option<&Made> {
        self.known(run)?.made.as_ref()
    }

    /// The job in which a run went on.
    pub(crate) fn next(&self, run: &str) -> Option<&str> {
        self.known(run)?.next.as_deref()
    }

    pub(crate) fn is_cancelled(&self, run: &str) -> bool {
        self.known(run).is_some_and(|run| run.is_cancelled)
    }

    fn known(&self, run: &str) -> Option<&Run> {
        self.runs.iter().find(|known| known.id == run)
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
        self.host.clone_from(&note.host);
        if let Some(place) = self.runs.iter().position(|run| run.id == id) {
            return place;
        }
        self.runs.push(Run {
            id: id.to_owned(),
            kind: note.kind,
            next: None,
            is_cancelled: false,
            is_late: false,
            verdict: None,
            made: None,
        });
        let surplus = self.runs.len().saturating_sub(RUNS);
        self.runs.drain(..surplus);
        self.runs.len() - 1
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// A conversation's id as the agent writes it.
pub(crate) fn uuid(given: &str) -> Result<String> {
    let id = given.trim().to_ascii_lowercase();
    match is_uuid(&id) {
        true => Ok(id),
        false => Err(Error::Invalid(format!(
            "`sessionId` {given:?} is not the id of a conversation: give the `sessionId` of an earlier answer, a UUID, or \
             leave it out to start afresh"
        ))),
    }
}

/// Whether it is a UUID in small letters.
pub(crate) fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => matches!(c, '0'..='9' | 'a'..='f'),
        })
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
        let is_gone = |id: &str| matches!(jobs::get(id), Err(Error::NotFound(_)));
        let is_left = |run: &Run| !is_gone(&run.id) || run.next.as_deref().is_some_and(|id| !is_gone(id));
        if !kept.runs.iter().rev().any(is_left) {
            // A run that was submitted meanwhile has changed it.
            if store::raw::remove(key, Some(entry.version)).is_ok()
                && let Some(id) = key.strip_prefix(PREFIX)
            {
                Talk::remove(id)?;
            }
        }
    }
    let is_whole = u32::try_from(keys.len()).unwrap_or(u32::MAX) < most;
    Ok(keys.into_iter().last().filter(|_| !is_whole))
}
