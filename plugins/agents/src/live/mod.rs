//! A conversation with an agent that has no terminal: what its process prints is read line by line, and what a person
//! says, answers and stops becomes lines for it.
//!
//! Nothing is guessed here: whether a message was taken, what is asked and what came of it are the agent's own words. A
//! [`Live`] is a value that is kept between calls; all that it holds is bounded.

mod acp;
mod asked;
mod given;
mod refused;
mod shared;
mod stream_json;
mod turns;

use serde::{Deserialize, Serialize};

use acp::Acp;
pub use asked::{Choice, Effect, Given, Kind, Prompt};
pub use given::{Attachment, Message, MessageState};
pub use refused::Refusal;
use shared::Shared;
use stream_json::StreamJson;
pub use turns::{Turn, Who, turns};

use crate::attention::Attention;
use crate::headless::failure::{About, Failure};

/// How an agent without a terminal is spoken with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Lines of JSON as Claude Code has them.
    #[default]
    StreamJson,
    /// The Agent Client Protocol, version 1.
    Acp,
}

/// What a process is begun with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// How it is spoken with.
    pub protocol: Protocol,
    /// Our id of the conversation, a UUID.
    pub conversation: String,
    /// Where the agent works, an absolute path.
    pub directory: String,
    /// The agent's own id of a conversation to go on with.
    pub resume: Option<String>,
    /// Go on with a copy of it.
    pub fork: bool,
    /// The mode in which it is started, if that is known.
    pub mode: Option<String>,
    /// The model with which it is started, if that is known.
    pub model: Option<String>,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It has not said yet that it takes messages.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It works, or is about to.
    Busy,
    /// It asks something.
    Waiting,
    /// Its process is gone.
    Ended,
}

/// Something that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionState {
    /// `model` or `mode`.
    pub name: String,
    /// One line.
    pub about: String,
    /// What it can be; empty: any value.
    pub values: Vec<String>,
    /// What it is now, if that is known.
    pub value: Option<String>,
}

/// What else is known; none: that is not known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The agent's own id of the conversation.
    pub conversation: Option<String>,
    /// Of the whole conversation, in US dollars.
    pub cost: Option<f64>,
    /// Turns of this process.
    pub turns: Option<u64>,
    /// How much of the model's context is used.
    pub context_percent: Option<u64>,
    /// Until when the model's usage limit holds, in milliseconds.
    pub limited_until: Option<u64>,
    /// What it waits for, where that is neither its own work nor a person.
    pub waits_for: Option<String>,
    /// The last tool that it called, and with what.
    pub tool: Option<String>,
    /// What it said last.
    pub said: Option<String>,
    /// When its activity last changed, in milliseconds.
    pub since: Option<u64>,
    /// Why its last message failed: a reason for a person to look.
    pub failed: Option<Attention>,
}

/// One process of an agent, as far as its lines were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    shared: Shared,
    talk: Talk,
}

/// What only one protocol knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Talk {
    StreamJson(Box<StreamJson>),
    Acp(Box<Acp>),
}

/// Bytes of a line that is read.
const LINE: usize = 8 << 20;

impl Live {
    /// A process that is about to start. Its first lines are those of [`Live::take_input`].
    #[must_use]
    pub fn begin(begin: Begin) -> Self {
        let mut shared = Shared::default();
        let talk = match begin.protocol {
            Protocol::StreamJson => Talk::StreamJson(Box::new(StreamJson::begin(&begin, &mut shared))),
            Protocol::Acp => Talk::Acp(Box::new(Acp::begin(&begin, &mut shared))),
        };
        Self { shared, talk }
    }

    /// Reads one whole line that the process printed, without its end. A line that is not understood is passed over.
    pub fn read(&mut self, line: &[u8], now: u64) {
        if line.len() > LINE || self.shared.is_ended {
            return;
        }
        let before = self.state();
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.read(&mut self.shared, line, now),
            Talk::Acp(talk) => talk.read(&mut self.shared, line, now),
        }
        if self.state() != before {
            self.shared.since = Some(now);
        }
    }

    /// Lines that are to be written now, in their order, each with its end. Taking them changes the state: keep it together
    /// with the lines.
    #[must_use]
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.shared.lines).into_bytes()
    }

    /// Gives it a message. `id` is a UUID; a second message with an id that is known changes nothing.
    ///
    /// # Errors
    /// Too much waits already, or an attachment is of a kind that the agent does not take. Nothing is given then.
    pub fn message(&mut self, id: &str, text: &str, attachments: &[Attachment], now: u64) -> Result<(), Refusal> {
        if self.shared.messages.known(id).is_some() {
            return Ok(());
        }
        if self.shared.is_ended {
            return Err(Refusal::Refused("its process has ended".to_owned()));
        }
        self.shared.messages.room()?;
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.message(&mut self.shared, id, text, attachments)?,
            Talk::Acp(talk) => talk.message(&mut self.shared, id, text, attachments)?,
        }
        self.shared.messages.add(id, text, now);
        Ok(())
    }

    /// Asks for a message back that waits.
    ///
    /// # Errors
    /// `Unknown`, or the agent has it already, or cannot give one back.
    pub fn cancel_message(&mut self, id: &str) -> Result<(), Refusal> {
        match self.shared.messages.known(id).map(|message| &message.state) {
            None => return Err(Refusal::Unknown),
            Some(MessageState::Waiting | MessageState::Lost) => {}
            Some(MessageState::Cancelled) => return Ok(()),
            Some(MessageState::Started | MessageState::Answered { .. }) => return Err(Refusal::Started),
        }
        if self.shared.is_ended {
            self.shared.messages.cancel(id);
            return Ok(());
        }
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.cancel_message(&mut self.shared, id),
            Talk::Acp(talk) => talk.cancel_message(&mut self.shared, id),
        }
    }

    /// Answers one prompt, or several of one group. What is answered of a group is kept until the last one is, and counts.
    /// Answers whether the agent is told now.
    ///
    /// # Errors
    /// One of them is not open, or an answer does not fit. None is answered then.
    pub fn answer(&mut self, answers: &[(String, Given)], now: u64) -> Result<bool, Refusal> {
        let is_told = match &mut self.talk {
            Talk::StreamJson(_) => stream_json::answer(&mut self.shared, answers)?,
            Talk::Acp(_) => acp::answer(&mut self.shared, answers)?,
        };
        self.shared.since = Some(now);
        Ok(is_told)
    }

    /// Declines a prompt with these words, since nobody answered it in time. One that is not open stays as it is.
    pub fn expire(&mut self, prompt: &str, words: &str) {
        match &mut self.talk {
            Talk::StreamJson(_) => stream_json::expire(&mut self.shared, prompt, words),
            Talk::Acp(_) => acp::expire(&mut self.shared, prompt, words),
        }
    }

    /// Stops what it does. What waits stays, and is begun next.
    ///
    /// # Errors
    /// As [`Live::can_interrupt`]; nothing is written then.
    pub fn interrupt(&mut self) -> Result<(), Refusal> {
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.interrupt(&mut self.shared)?,
            Talk::Acp(talk) => talk.interrupt(&mut self.shared),
        }
        Ok(())
    }

    /// Whether it can be interrupted.
    ///
    /// # Errors
    /// It has said that it does not know how.
    pub fn can_interrupt(&self) -> Result<(), Refusal> {
        match &self.talk {
            Talk::StreamJson(talk) => talk.can_interrupt(),
            Talk::Acp(_) => Ok(()),
        }
    }

    /// Whether a message that waits can be taken back.
    ///
    /// # Errors
    /// It has said that it does not know how.
    pub fn can_take_back(&self) -> Result<(), Refusal> {
        match &self.talk {
            Talk::StreamJson(talk) => talk.can_take_back(),
            Talk::Acp(_) => Ok(()),
        }
    }

    /// Sets its `model` or its `mode`. It counts when [`Live::options`] says so.
    ///
    /// # Errors
    /// There is no such option, or it cannot have this value.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), Refusal> {
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.set(&mut self.shared, option, value),
            Talk::Acp(talk) => talk.set(&mut self.shared, option, value),
        }
    }

    /// Why the last change of an option was refused, in the agent's words.
    #[must_use]
    pub fn not_set(&self) -> Option<&str> {
        self.shared.not_set.as_deref()
    }

    /// Asks it again what it waits for: after a restart of who reads its lines.
    pub fn ask_again(&mut self) {
        match &mut self.talk {
            Talk::StreamJson(talk) => talk.ask_again(&mut self.shared),
            // What was asked stands in what it printed; there is no way to ask for it.
            Talk::Acp(_) => {}
        }
    }

    /// Its process is gone, and why, if a person should know. What it asked is closed; what it had not begun is lost to it.
    pub fn ended(&mut self, why: Option<&str>) {
        if let Talk::Acp(talk) = &mut self.talk {
            talk.ended();
        }
        self.shared.end(why);
    }

    /// What it does.
    #[must_use]
    pub fn state(&self) -> Activity {
        let shared = &self.shared;
        if shared.is_ended {
            Activity::Ended
        } else if !shared.prompts.is_empty() {
            Activity::Waiting
        } else if self.cannot_begin() {
            Activity::Idle
        } else if !shared.is_ready && !shared.messages.any_started() {
            Activity::Starting
        } else if shared.is_running || shared.messages.any_open() {
            Activity::Busy
        } else {
            Activity::Idle
        }
    }

    /// Its process runs, and will take no message: a login is missing, for example. [`Facts::failed`] says why.
    #[must_use]
    pub fn cannot_begin(&self) -> bool {
        match &self.talk {
            Talk::StreamJson(_) => false,
            Talk::Acp(_) => !self.shared.is_ready && self.shared.waits_for.is_some(),
        }
    }

    /// What it asks, the oldest first.
    #[must_use]
    pub fn prompts(&self) -> &[Prompt] {
        &self.shared.prompts
    }

    /// The questions of this prompt's group that are answered already, each with the words.
    pub fn answered_with<'a>(&'a self, prompt: &'a Prompt) -> impl Iterator<Item = (&'a Prompt, &'a str)> {
        let all = self.shared.questions(&prompt.request.id);
        all.filter_map(|(prompt, words)| Some((prompt, words?)))
    }

    /// What is known of a message.
    #[must_use]
    pub fn given(&self, id: &str) -> Option<&Message> {
        self.shared.messages.known(id)
    }

    /// The messages that are remembered, in the order in which they were given.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.shared.messages.all()
    }

    /// Those that wait, in the order in which they will be begun.
    pub fn queue(&self) -> impl Iterator<Item = &Message> {
        self.messages().filter(|message| message.state == MessageState::Waiting)
    }

    /// What can be set.
    #[must_use]
    pub fn options(&self) -> Vec<OptionState> {
        match &self.talk {
            Talk::StreamJson(talk) => talk.options(),
            Talk::Acp(talk) => talk.options(),
        }
    }

    /// What else is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let shared = &self.shared;
        Facts {
            conversation: shared.conversation.clone(),
            cost: shared.cost,
            turns: shared.turns,
            context_percent: None,
            limited_until: shared.limited_until,
            waits_for: shared.waits_for.clone(),
            tool: shared.tool.clone(),
            said: shared.said.clone(),
            since: shared.since,
            failed: shared.failed.as_ref().map(attention),
        }
    }

    /// The message that it was given and has not begun with, of an agent that does not print what it is told: where that
    /// stands among what it prints is known only now.
    #[must_use]
    pub fn unprinted(&self) -> Option<&str> {
        match &self.talk {
            Talk::StreamJson(_) => None,
            Talk::Acp(talk) => talk.current().filter(|id| {
                let message = self.shared.messages.known(id);
                message.is_some_and(|message| message.state == MessageState::Waiting)
            }),
        }
    }

    /// Whether what it prints now is the past, told again.
    #[must_use]
    pub fn tells_again(&self) -> bool {
        match &self.talk {
            Talk::StreamJson(_) => false,
            Talk::Acp(talk) => talk.is_loading(),
        }
    }

    /// Whether messages may carry attachments.
    #[must_use]
    pub fn takes_attachments(&self) -> bool {
        // Both protocols take texts; another kind that the agent does not take is refused by its name.
        true
    }

    /// Whether a further process can go on with the conversation.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        match &self.talk {
            Talk::StreamJson(_) => true,
            Talk::Acp(talk) => talk.can_load(),
        }
    }
}

fn attention(failure: &Failure) -> Attention {
    Attention {
        kind: match failure.about {
            About::Limit => "limit",
            About::Login => "login",
            About::Error => "error",
        },
        reason: failure.why.clone(),
    }
}
