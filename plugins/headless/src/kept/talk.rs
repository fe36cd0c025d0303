//! A conversation that a person leads: what is kept of it, and of the process in which its agent works.
//!
//! What the process printed is the truth, and all that is known of it is read out of its lines. What is kept is where
//! that reading stopped, so each call goes on there.

use std::collections::BTreeMap;

use berth_agents::live::MessageState;
use berth_plugin::store::raw::Entry;
use berth_plugin::{Error, Result, store, time};
use serde::{Deserialize, Serialize};

use crate::kept::bounds::Bounds;
use crate::kept::input::Part;
use crate::kept::process::Process;
use crate::kept::said::Said;
use crate::kept::{asked, message, note, pieces, said};

const PREFIX: &str = "talk/";
/// Keys of those that have a process, or soon do.
const ALIVE: &str = "alive/";
/// Messages to earlier processes that are remembered.
const EARLIER: usize = 200;

/// What is kept. What a later version adds is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) name: Option<String>,
    /// The label of its host; none: where the backend lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    pub(crate) project: String,
    pub(crate) directory: String,
    pub(crate) agent: String,
    /// The project's own settings count.
    pub(crate) trusted: bool,
    pub(crate) created_at: u64,
    /// The agent's own id of the conversation that it continues, or of which it is a copy.
    pub(crate) from: Option<String>,
    pub(crate) is_copy: bool,
    /// The agent's own id of this one, once it is known.
    pub(crate) own_id: Option<String>,
    /// The model and the mode, as they were last set.
    pub(crate) options: BTreeMap<String, String>,
    /// The beginning of what it was last asked.
    pub(crate) task: String,
    pub(crate) process: Process,
    /// What became of messages to earlier processes, the oldest first.
    pub(crate) earlier: Vec<(String, Fate)>,
    /// The ids of messages that are kept until the agent has them.
    pub(crate) kept: Vec<String>,
    /// It is a run, and no person leads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Bounds>,
}

/// What became of a message to an earlier process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Answered,
    Failed,
    Cancelled,
    /// Its process ended while the agent worked on it.
    Doubtful,
}

impl Talk {
    /// One of which nothing is known but its process.
    pub(crate) fn empty(process: Process) -> Self {
        Self {
            name: None,
            host: None,
            project: String::new(),
            directory: String::new(),
            agent: String::new(),
            trusted: false,
            created_at: time::now(),
            from: None,
            is_copy: false,
            own_id: None,
            options: BTreeMap::new(),
            task: String::new(),
            process,
            earlier: Vec::new(),
            kept: Vec::new(),
            run: None,
        }
    }

    /// The one with this id as it was last kept.
    pub(crate) fn find(id: &str) -> Result<Option<Self>> {
        store::get(&key(id))
    }

    /// The same, and the entry of the store in which it is.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub(crate) fn entry(id: &str) -> Result<(Self, Entry)> {
        let entry = store::raw::get(&key(id))?.ok_or_else(|| unknown(id))?;
        let talk = serde_json::from_slice(&entry.value).map_err(|error| {
            Error::Failed(format!(
                "this version cannot read what is kept of session {id}: {error}"
            ))
        })?;
        Ok((talk, entry))
    }

    /// Keeps a new one. Answers whether there was none with this id.
    pub(crate) fn begin(mut self, id: &str) -> Result<bool> {
        Self::is_alive(id)?;
        let part = self.keep_input(id)?;
        let bytes = self.bytes(id)?;
        let is_new = put(id, &bytes, 0, part.as_ref())?;
        // Whoever saw nothing of it may have taken the mark away meanwhile.
        Self::is_alive(id)?;
        Ok(is_new)
    }

    /// Keeps it in the place of `before`, and what is to be written to its process. Answers whether nothing else has
    /// changed that meanwhile.
    pub(crate) fn replace(mut self, id: &str, before: &Entry) -> Result<bool> {
        let part = self.keep_input(id)?;
        let spent = self.spent();
        self.keep_said(id, &spent)?;
        let bytes = self.bytes(id)?;
        if bytes == before.value {
            return Ok(true);
        }
        let is_kept = put(id, &bytes, before.version, part.as_ref())?;
        if is_kept {
            spent.iter().for_each(|message| message::forget(id, message));
        }
        Ok(is_kept)
    }

    /// The ids of those that have a process, or soon do.
    pub(crate) fn all_alive() -> Result<Vec<String>> {
        let keys = store::keys(ALIVE)?;
        Ok(keys
            .into_iter()
            .filter_map(|key| key.strip_prefix(ALIVE).map(str::to_owned))
            .collect())
    }

    /// Marks one that gets a process: before that is kept, so that it is found after a crash, and again afterwards, because
    /// [`Self::is_at_rest`] may have come in between.
    pub(crate) fn is_alive(id: &str) -> Result<()> {
        store::put(&alive(id), &true)
    }

    /// Takes the mark of one away that has no process, unless another call gives it one now.
    pub(crate) fn is_at_rest(id: &str) -> Result<()> {
        let Some(mark) = store::raw::get(&alive(id))? else {
            return Ok(());
        };
        if Self::find(id)?.is_some_and(|talk| talk.process.is_open()) {
            return Ok(());
        }
        match store::raw::remove(&alive(id), Some(mark.version)) {
            Err(Error::Conflict(_)) => Ok(()),
            removed => removed,
        }
    }

    /// Removes all that is kept of one.
    pub(crate) fn remove(id: &str) -> Result<()> {
        pieces::remove(&folder(id));
        message::forget_all(id);
        said::forget_all(id);
        asked::forget(id)?;
        store::remove(&key(id))?;
        store::remove(&alive(id))
    }

    /// Its name, or what of its task stands for one.
    pub(crate) fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| note::name(&self.task))
    }

    /// Whether its process has ended, and with it what was said, since the agent cannot load it again.
    pub(crate) fn is_lost(&self) -> bool {
        !self.process.is_open() && self.own_id.is_some() && !self.process.live.can_resume()
    }

    /// What became of a message to an earlier process.
    pub(crate) fn fate(&self, message: &str) -> Option<Fate> {
        let known = self.earlier.iter().rev().find(|(id, _)| id == message);
        known.map(|(_, fate)| *fate)
    }

    /// Remembers what became of a message to a process that another one follows.
    pub(crate) fn remember(&mut self, message: &str, fate: Fate) {
        self.earlier.push((message.to_owned(), fate));
        let surplus = self.earlier.len().saturating_sub(EARLIER);
        self.earlier.drain(..surplus);
    }

    /// Keeps the lines that are to be written.
    fn keep_input(&mut self, id: &str) -> Result<Option<Part>> {
        if self.process.ended.is_some() {
            return Ok(None);
        }
        let lines = self.process.live.take_input();
        match lines.is_empty() {
            true => Ok(None),
            false => self.process.input.keep(&folder(id), &lines).map(Some),
        }
    }

    /// The messages that need not be kept any more, since the agent has them.
    fn spent(&mut self) -> Vec<String> {
        let live = &self.process.live;
        let (waiting, spent) = self.kept.drain(..).partition(|id| message::waits(live, id));
        self.kept = waiting;
        spent
    }

    /// A message that the agent has begun with and does not print, with its place, until that is kept for the transcript.
    pub(crate) fn said(&self, id: &str, message: &str) -> Result<Option<(u64, Said)>> {
        let process = &self.process;
        let has_begun = |state: &MessageState| matches!(state, MessageState::Started | MessageState::Answered { .. });
        let known = process.live.given(message).filter(|given| has_begun(&given.state));
        let place = process.given.iter().find(|(given, _)| given == message);
        let (Some(known), Some((_, place))) = (known, place) else {
            return Ok(None);
        };
        let whole = message::find(id, message)?;
        Ok(whole.map(|whole| (*place, Said::of(&whole, known.at))))
    }

    /// Keeps that for the transcript. It is kept before this value is, so that nothing is lost; what is kept twice has the
    /// same place.
    fn keep_said(&mut self, id: &str, spent: &[String]) -> Result<()> {
        let Some(job) = self.process.job.clone() else {
            return Ok(());
        };
        if !self.process.live.tells_again()
            && let Some(past) = self.process.past.take()
        {
            said::keep_past(id, &job, past)?;
        }
        for message in spent {
            if let Some((place, said)) = self.said(id, message)? {
                said::keep(id, &job, place, &said);
            }
            self.process.given.retain(|(given, _)| given != message);
        }
        Ok(())
    }

    fn bytes(&self, id: &str) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::Failed(format!("what is known of session {id} cannot be kept: {error}")))
    }
}

impl Fate {
    /// What became of a message that its process never answered: it waits, or nobody knows.
    pub(crate) fn of(state: &MessageState) -> Option<Self> {
        match state {
            MessageState::Waiting | MessageState::Lost => None,
            MessageState::Started => Some(Self::Doubtful),
            MessageState::Answered { is_error: true, .. } => Some(Self::Failed),
            MessageState::Answered { .. } => Some(Self::Answered),
            MessageState::Cancelled => Some(Self::Cancelled),
        }
    }
}

pub(crate) fn unknown(id: &str) -> Error {
    Error::NotFound(format!("there is no conversation {id:?} here, or it is gone"))
}

/// Puts it into the store if its entry has this version still. Otherwise `part` is not its input.
fn put(id: &str, bytes: &[u8], version: u64, part: Option<&Part>) -> Result<bool> {
    let error = match store::raw::put(&key(id), bytes, Some(version)) {
        Ok(_) => return Ok(true),
        Err(error) => error,
    };
    part.into_iter().for_each(Part::forget);
    match error {
        Error::Conflict(_) => Ok(false),
        error => Err(error),
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn alive(id: &str) -> String {
    format!("{ALIVE}{id}")
}

fn folder(id: &str) -> String {
    format!("input/{id}")
}
