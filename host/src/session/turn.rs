use super::{Facts, Timestamp};

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A person.
    Person,
    /// The agent.
    Agent,
    /// The agent, thinking.
    Thought,
    /// A tool of the agent.
    Tool,
    /// The program that runs the agent.
    System,
}

impl Role {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Thought => "thought",
            Self::Tool => "tool",
            Self::System => "system",
        }
    }
}

/// A whole turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its id, which is a cursor too.
    pub id: String,
    /// When it was said.
    pub at: Option<Timestamp>,
    /// By whom.
    pub role: Role,
    /// What was said.
    pub text: String,
    /// The tool that was used.
    pub tool: Option<String>,
    /// It failed.
    pub failed: bool,
    /// The message that it is, or that it answers.
    pub message: Option<String>,
    /// Anything else that its backend says of it.
    pub facts: Facts,
}

/// Which turns are asked for: the last ones, or those next to a given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnQuery {
    /// How many.
    pub limit: u32,
    /// Those after this one.
    pub after: Option<String>,
    /// Those before this one.
    pub before: Option<String>,
}

/// Turns in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnPage {
    /// The turns.
    pub turns: Vec<Turn>,
    /// There are further ones in the direction of reading.
    pub more: bool,
    /// The turn that was named is gone.
    pub gap: bool,
}
