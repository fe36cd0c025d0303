//! A session, and why a person should look at it.

use crate::{Attention, Evidence, Prompt, QueuedMessage, Session, State, Timestamp, Verbs};

impl State {
    /// Whether the session does nothing more by itself.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Ended | Self::Cancelled | Self::Interrupted
        )
    }
}

impl Session {
    /// A session of which only the id is known, so its state is `unknown`. The id has 1 to 128 of
    /// `A-Z a-z 0-9 . _ : -`, is unique within the backend and never used again.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            agent: "unknown".to_owned(),
            directory: None,
            project: None,
            parent: None,
            state: State::Unknown,
            evidence: Evidence::Process,
            since: None,
            summary: None,
            task: None,
            last_output: None,
            prompts: Vec::new(),
            attention: None,
            queue: Vec::new(),
            can: Verbs::empty(),
            url: None,
            created_at: None,
            active_at: None,
            facts: Vec::new(),
        }
    }

    /// What it is doing, and how that is known.
    #[must_use]
    pub fn state(self, state: State, evidence: Evidence) -> Self {
        Self {
            state,
            evidence,
            ..self
        }
    }

    /// Adds a prompt that is open, the oldest first. With it the session is `waiting` and takes answers.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self.state = State::Waiting;
        self.can |= Verbs::RESPOND;
        self
    }

    /// Adds a message that the backend itself keeps for later, in the order of sending.
    #[must_use]
    pub fn queued(mut self, id: impl Into<String>, text: impl Into<String>, at: Timestamp) -> Self {
        let (id, text) = (id.into(), text.into());
        self.queue.push(QueuedMessage { id, text, at });
        self
    }
}

setters!(Session {
    /// As the person gave it; without it, the id.
    name: (text),
    /// The name of one of the operator's agents, or of what runs.
    agent: (text),
    /// Absolute, on the machine on which the session runs.
    directory: (some text),
    /// The project in which it works.
    project: (some text),
    /// The session to which this one belongs.
    parent: (some text),
    /// When its state began.
    since: (some Timestamp),
    /// One line: what it is doing, or why it ended.
    summary: (some text),
    /// What it was last asked to do, one paragraph.
    task: (some text),
    /// What it said last, one paragraph.
    last_output: (some text),
    /// Why a person should look although no prompt is open.
    attention: (some Attention),
    /// What can be done with it now.
    can: (Verbs),
    /// Where a person can open it.
    url: (some text),
    /// When it began.
    created_at: (some Timestamp),
    /// When it last did something.
    active_at: (some Timestamp),
});
facts!(Session);

impl Attention {
    /// A reason of this kind. Known kinds: asks, login, limit, error, stuck, expires.
    #[must_use]
    pub fn new(kind: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            reason: reason.into(),
            since: None,
            until: None,
        }
    }
}

setters!(Attention {
    /// When it began.
    since: (some Timestamp),
    /// When it ends by itself.
    until: (some Timestamp),
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PromptKind, State};

    #[test]
    fn a_session_with_a_prompt_waits_and_takes_answers() {
        let prompt = Prompt::new("p1", PromptKind::Question, "Which one?");
        let session = Session::new("s1")
            .can(Verbs::TERMINATE)
            .state(State::Idle, Evidence::Screen)
            .prompt(prompt);
        assert_eq!(session.state, State::Waiting);
        assert_eq!(session.can, Verbs::TERMINATE | Verbs::RESPOND);
        assert_eq!(session.name, "s1");
    }
}
