//! A conversation that a person leads: what is kept of it, and of the process in which its agent works.
//!
//! What the process printed is the truth, and all that is known of it is read out of its lines. What is kept is where
//! that reading stopped, so each call goes on there. A change is kept only if nothing else has changed meanwhile;
//! otherwise it is made again on what there is now.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use berth_agents::live::{Begin, Live};
use berth_plugin::jobs::{self, Channel, Job};
use berth_plugin::{Error, Result, store, time};
use serde::{Deserialize, Serialize};

use crate::asking::Bounds;
use crate::input::{Input, Part};
use crate::message;
use crate::state::has_ended;

const PREFIX: &str = "talk/";
/// Keys of those that have a process, or soon do.
const ALIVE: &str = "alive/";
/// Bytes that are read at a time, in one call, and the longest line.
const PART: u32 = 4 << 20;
const MOST: u64 = 64 << 20;
const LINE: usize = 8 << 20;
/// How often a change is tried while other calls are quicker.
const TRIES: u64 = 100;
/// Messages to earlier processes that are remembered.
const EARLIER: usize = 200;

/// What is kept. What a later version adds is passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) name: Option<String>,
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

/// A process of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The first one is 1.
    pub(crate) number: u32,
    /// Its job, once that is submitted.
    pub(crate) job: Option<String>,
    pub(crate) live: Live,
    /// How far its output was read, and whether a line that is too long is being passed over.
    read: u64,
    #[serde(default)]
    is_passing: bool,
    pub(crate) input: Input,
    /// Why it is being ended.
    #[serde(default)]
    pub(crate) ending: Option<Ending>,
    /// It has ended, and how.
    #[serde(default)]
    pub(crate) ended: Option<Ended>,
    /// Why it could not be submitted.
    #[serde(default)]
    pub(crate) trouble: Option<String>,
}

/// Why a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ending {
    /// Nothing was asked of it for long, or another one needed its place.
    Idle,
    /// A person has ended the session.
    Person,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: u64,
    /// None: nobody need look.
    pub(crate) why: Option<String>,
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

impl Process {
    pub(crate) fn new(number: u32, live: Live) -> Self {
        Self {
            number,
            job: None,
            live,
            read: 0,
            is_passing: false,
            input: Input::default(),
            ending: None,
            ended: None,
            trouble: None,
        }
    }

    /// That of a conversation in which only runs worked so far.
    pub(crate) fn none() -> Self {
        let mut live = Live::begin(Begin::default());
        live.ended(None);
        Self {
            ended: Some(Ended {
                at: time::now(),
                why: None,
            }),
            ..Self::new(0, live)
        }
    }

    /// Whether it can still be spoken with.
    pub(crate) fn is_open(&self) -> bool {
        self.ended.is_none() && self.ending.is_none()
    }

    /// Where in its output reading goes on.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// Reads what it printed since. Answers its job.
    fn catch_up(&mut self) -> Result<Option<Job>> {
        let (Some(id), None) = (&self.job, &self.ended) else {
            return Ok(None);
        };
        // First the job: what it printed before its end is there then.
        let job = match jobs::get(id) {
            Err(Error::NotFound(_)) => {
                self.end("its job was removed");
                return Ok(None);
            }
            job => job?,
        };
        let is_all_read = self.read_lines(&job)?;
        if is_all_read && has_ended(job.phase) {
            let why = crate::ending::why(&job, self.ending);
            self.live.ended(why.as_deref());
            self.ended = Some(Ended {
                at: job.finished_at.unwrap_or_else(time::now),
                why,
            });
        }
        Ok(Some(job))
    }

    fn end(&mut self, why: &str) {
        self.live.ended(Some(why));
        self.ended = Some(Ended {
            at: time::now(),
            why: Some(why.to_owned()),
        });
    }

    /// Answers whether nothing is left.
    fn read_lines(&mut self, job: &Job) -> Result<bool> {
        let (began, now) = (self.read, time::now());
        let mut pending: Vec<u8> = Vec::new();
        loop {
            let at = self.read + pending.len() as u64;
            let chunk = jobs::read(&job.id, Channel::Output, at, PART)?;
            if chunk.bytes.is_empty() {
                return Ok(true);
            }
            if chunk.start > at {
                // What came before is gone, and with it the beginning of a line.
                pending.clear();
                (self.read, self.is_passing) = (chunk.start, true);
            }
            pending.extend(chunk.bytes);
            let mut done = 0;
            for line in pending.split_inclusive(|byte| *byte == b'\n') {
                let Some(whole) = line.strip_suffix(b"\n") else { break };
                done += line.len();
                if !std::mem::take(&mut self.is_passing) {
                    self.live.read(whole, now);
                }
            }
            if done == 0 && pending.len() > LINE {
                (done, self.is_passing) = (pending.len(), true);
            }
            pending.drain(..done);
            self.read += done as u64;
            if self.read - began > MOST {
                return Ok(false);
            }
        }
    }
}

impl Talk {
    /// One of which nothing is known but its process.
    pub(crate) fn empty(process: Process) -> Self {
        Self {
            name: None,
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

    /// The one with this id as it is now; nothing is kept of what was read.
    pub(crate) fn look(id: &str) -> Result<Option<(Self, Option<Job>)>> {
        let Some(mut talk) = Self::find(id)? else {
            return Ok(None);
        };
        let job = talk.catch_up()?;
        Ok(Some((talk, job)))
    }

    /// Whether this call may act on its process: what runs in one may not act on itself, and what is kept for it here would
    /// be written by `upkeep`, which may.
    ///
    /// # Errors
    /// `Denied` or `NotFound` if it may not.
    pub(crate) fn may_act(&self) -> Result<()> {
        let Some(job) = &self.process.job else {
            return Ok(());
        };
        match jobs::write(job, &[], None) {
            Err(error @ (Error::Denied(_) | Error::NotFound(_))) if self.process.ended.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether its process has ended, and with it what was said, since the agent cannot load it again.
    pub(crate) fn is_lost(&self) -> bool {
        !self.process.is_open() && self.own_id.is_some() && !self.process.live.can_resume()
    }

    /// The one with this id as it was last kept.
    pub(crate) fn find(id: &str) -> Result<Option<Self>> {
        store::get(&key(id))
    }

    /// Keeps a new one. Answers whether there was none with this id.
    pub(crate) fn begin(mut self, id: &str) -> Result<bool> {
        store::put(&alive(id), &true)?;
        let part = self.keep_input(id)?;
        let bytes = self.bytes(id)?;
        match store::raw::put(&key(id), &bytes, Some(0)) {
            Ok(_) => Ok(true),
            Err(error) => {
                part.iter().for_each(Part::forget);
                match error {
                    Error::Conflict(_) => Ok(false),
                    error => Err(error),
                }
            }
        }
    }

    /// Changes the one with this id as it is now, and writes what is to be written. `act` may run more than once, so it
    /// changes the value only.
    ///
    /// # Errors
    /// What `act` answers; `NotFound` if there is none. Nothing is changed then.
    pub(crate) fn change<R>(id: &str, mut act: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        for attempt in 0..TRIES {
            let entry = store::raw::get(&key(id))?.ok_or_else(|| unknown(id))?;
            let mut talk = Self::read(id, &entry.value)?;
            talk.catch_up()?;
            let answer = act(&mut talk)?;
            let part = talk.keep_input(id)?;
            let spent = talk.spent();
            let bytes = talk.bytes(id)?;
            if bytes == entry.value {
                return Ok(answer);
            }
            match store::raw::put(&key(id), &bytes, Some(entry.version)) {
                Ok(_) => {
                    spent.iter().for_each(|message| message::forget(id, message));
                    return Ok(answer);
                }
                Err(error) => {
                    part.iter().for_each(Part::forget);
                    match error {
                        Error::Conflict(_) => thread::sleep(Duration::from_millis(attempt.min(20))),
                        error => return Err(error),
                    }
                }
            }
        }
        Err(Error::Unavailable(format!(
            "session {id} was changed by other calls {TRIES} times while this one tried to: try again"
        )))
    }

    /// Writes what is kept for the process and not written yet. Answers whether all of it is there; what could not be
    /// written now is left for `upkeep`.
    pub(crate) fn write(id: &str) -> Result<bool> {
        loop {
            let talk = Self::find(id)?.ok_or_else(|| unknown(id))?;
            let process = &talk.process;
            let (Some(job), None) = (&process.job, &process.ended) else {
                return Ok(process.input.is_written());
            };
            let written = match process.input.write(job) {
                Ok(Some(written)) => written,
                Ok(None) => return Ok(true),
                Err(error) => {
                    berth_plugin::log::debug(format_args!("session {id}: its input was not written yet: {error}"));
                    return Ok(false);
                }
            };
            let number = process.number;
            let mut done = Vec::new();
            Self::change(id, |talk| {
                done.clear();
                if talk.process.number == number {
                    done = talk.process.input.is_at(written);
                }
                Ok(())
            })?;
            done.iter().for_each(Part::forget);
        }
    }

    /// The ids of those that have a process, or soon do.
    pub(crate) fn all_alive() -> Result<Vec<String>> {
        let keys = store::keys(ALIVE)?;
        Ok(keys
            .into_iter()
            .filter_map(|key| key.strip_prefix(ALIVE).map(str::to_owned))
            .collect())
    }

    /// Keeps that its process has ended.
    pub(crate) fn keep_ended(id: &str) -> Result<()> {
        Self::change(id, |_| Ok(()))
    }

    pub(crate) fn is_alive(id: &str) -> Result<()> {
        store::put(&alive(id), &true)
    }

    pub(crate) fn is_at_rest(id: &str) -> Result<()> {
        store::remove(&alive(id))
    }

    /// Removes all that is kept of one.
    pub(crate) fn remove(id: &str) -> Result<()> {
        crate::pieces::remove(&folder(id));
        message::forget_all(id);
        crate::asked::forget(id)?;
        store::remove(&key(id))?;
        store::remove(&alive(id))
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

    fn catch_up(&mut self) -> Result<Option<Job>> {
        let was_open = self.process.ended.is_none();
        let job = self.process.catch_up()?;
        if !was_open {
            // What was set since is for the next one.
            return Ok(job);
        }
        if let Some(own) = self.process.live.facts().conversation {
            self.own_id = Some(own);
        }
        // A plan that was allowed changes the mode too. The model stays the agent's own unless a person sets it.
        for option in self.process.live.options() {
            if let Some(value) = option
                .value
                .filter(|value| option.name == "mode" && option.values.contains(value))
            {
                self.options.insert(option.name, value);
            }
        }
        Ok(job)
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

    fn read(id: &str, bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::Failed(format!(
                "this version cannot read what is kept of session {id}: {error}"
            ))
        })
    }

    fn bytes(&self, id: &str) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::Failed(format!("what is known of session {id} cannot be kept: {error}")))
    }
}

pub(crate) fn unknown(id: &str) -> Error {
    Error::NotFound(format!("there is no conversation {id:?} here, or it is gone"))
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
