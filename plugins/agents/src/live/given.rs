//! The messages that an agent was given, and what became of each.

use serde::{Deserialize, Serialize};

use super::refused::Refusal;
use crate::shorter::beginning;

/// Messages that wait or are worked on, at most.
const OPEN: usize = 50;
/// Messages that are remembered after their end.
const ENDED: usize = 100;
/// Characters of a message, and of its answer, that are remembered.
const TEXT: usize = 500;
const ANSWER: usize = 1_000;

/// Bytes that go with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Of a file.
    pub name: String,
    /// Such as `image/png`.
    pub media_type: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// A UUID.
    pub id: String,
    /// Its beginning.
    pub text: String,
    /// When it was given, in milliseconds.
    pub at: u64,
    /// What became of it.
    pub state: MessageState,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// The agent has not begun with it.
    Waiting,
    /// The agent has said that it begins with it.
    Started,
    /// The agent has ended its work on it.
    Answered {
        /// The beginning of the answer.
        text: String,
        /// It broke off.
        is_error: bool,
    },
    /// It was taken back before the agent began with it.
    Cancelled,
    /// The process ended before it began with it.
    Lost,
}

/// The messages to one process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Messages(Vec<Message>);

impl Messages {
    pub(super) fn known(&self, id: &str) -> Option<&Message> {
        self.0.iter().find(|message| message.id == id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Message> {
        self.0.iter()
    }

    pub(super) fn room(&self) -> Result<(), Refusal> {
        let open = self.0.iter().filter(|message| is_open(message)).count();
        match open < OPEN {
            true => Ok(()),
            false => Err(Refusal::Refused(format!(
                "{OPEN} messages wait for the agent already, and no more may: wait, or take some back"
            ))),
        }
    }

    pub(super) fn add(&mut self, id: &str, text: &str, at: u64) {
        self.0.push(Message {
            id: id.to_owned(),
            text: beginning(text, TEXT),
            at,
            state: MessageState::Waiting,
        });
        let ended = self.0.iter().filter(|message| !is_open(message)).count();
        for _ in ENDED..ended {
            if let Some(oldest) = self.0.iter().position(|message| !is_open(message)) {
                self.0.remove(oldest);
            }
        }
    }

    pub(super) fn any_started(&self) -> bool {
        self.0.iter().any(|message| message.state == MessageState::Started)
    }

    pub(super) fn any_open(&self) -> bool {
        self.0.iter().any(is_open)
    }

    /// The oldest one on which the agent works, or that waits.
    pub(super) fn first_open(&self) -> Option<String> {
        let started = self.0.iter().find(|message| message.state == MessageState::Started);
        let first = started.or_else(|| self.0.iter().find(|message| is_open(message)));
        first.map(|message| message.id.clone())
    }

    /// The agent begins with it.
    pub(super) fn start(&mut self, id: &str) {
        self.change(id, |state| {
            (*state == MessageState::Waiting).then_some(MessageState::Started)
        });
    }

    /// It was taken back.
    pub(super) fn cancel(&mut self, id: &str) {
        self.change(id, |state| {
            matches!(state, MessageState::Waiting | MessageState::Lost).then_some(MessageState::Cancelled)
        });
    }

    /// The agent has ended its work on it.
    pub(super) fn answer(&mut self, id: &str, text: &str, is_error: bool) {
        let text = beginning(text.trim(), ANSWER);
        self.change(id, |state| {
            matches!(state, MessageState::Waiting | MessageState::Started)
                .then_some(MessageState::Answered { text, is_error })
        });
    }

    /// The process is gone.
    pub(super) fn lose(&mut self) {
        for message in &mut self.0 {
            if message.state == MessageState::Waiting {
                message.state = MessageState::Lost;
            }
        }
    }

    fn change(&mut self, id: &str, next: impl FnOnce(&MessageState) -> Option<MessageState>) {
        if let Some(message) = self.0.iter_mut().find(|message| message.id == id)
            && let Some(state) = next(&message.state)
        {
            message.state = state;
        }
    }
}

fn is_open(message: &Message) -> bool {
    matches!(message.state, MessageState::Waiting | MessageState::Started)
}
