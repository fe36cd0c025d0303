//! A process in which the agent of a conversation works: what is kept of it.

use berth_agents::live::{Begin, Live};
use berth_plugin::time;
use serde::{Deserialize, Serialize};

use crate::kept::input::Input;
use crate::kept::unread::Unread;

/// A process of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The first one is 1.
    pub(crate) number: u32,
    /// Its job, once that is submitted.
    pub(crate) job: Option<String>,
    pub(crate) live: Live,
    /// How far its output was read, and whether a line that is too long is being passed over.
    pub(crate) read: u64,
    #[serde(default)]
    pub(crate) is_passing: bool,
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
    /// Messages that it was given, does not print and has not begun with, with how far its output had come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) given: Vec<(String, u64)>,
    /// Up to where what it printed is the past, told again; not kept yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) past: Option<u64>,
    /// What it prints cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unread: Option<Unread>,
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
            given: Vec::new(),
            past: None,
            unread: None,
        }
    }

    /// That of a conversation in which only runs worked so far.
    pub(crate) fn none() -> Self {
        let mut none = Self::new(0, Live::begin(Begin::default()));
        none.end(time::now(), None);
        none
    }

    /// Whether it can still be spoken with.
    pub(crate) fn is_open(&self) -> bool {
        self.ended.is_none() && self.ending.is_none()
    }

    /// Notes what is known only while its output was read exactly up to this byte.
    pub(crate) fn is_at(&mut self, place: u64) {
        if self.live.tells_again() {
            self.past = Some(place);
        }
        if let Some(message) = self.live.unprinted()
            && self.given.iter().all(|(given, _)| given != message)
        {
            self.given.push((message.to_owned(), place));
        }
    }

    /// Notes that it has ended, and why a person should look.
    pub(crate) fn end(&mut self, at: u64, why: Option<String>) {
        self.live.ended(why.as_deref());
        self.unread = None;
        self.ended = Some(Ended { at, why });
    }
}
