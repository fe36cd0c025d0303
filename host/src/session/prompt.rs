use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Facts, Timestamp};

/// A question that a session waits for a person to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Changes when the question changes, and after each answer.
    pub id: String,
    /// What it is about.
    pub kind: PromptKind,
    /// One sentence.
    pub question: String,
    /// The whole of what is asked about.
    pub detail: Option<String>,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// More than one choice may be taken.
    pub multiple: bool,
    /// It takes text, alone or with a choice.
    pub accepts_text: bool,
    /// JSON Schema that the text must match, as a string.
    pub text_schema: Option<String>,
    /// It can be closed without an answer.
    pub dismissible: bool,
    /// Part of it is missing: it can only be declined or dismissed.
    pub cut: bool,
    /// Only the operator's own terminal may accept it.
    pub on_terminal_only: bool,
    /// Prompts of one group are answered together.
    pub group: Option<String>,
    /// Whether its group waits for it.
    pub required: bool,
    /// When it was asked.
    pub asked_at: Option<Timestamp>,
    /// When it declines by itself.
    pub expires_at: Option<Timestamp>,
    /// Anything else that its backend says of it.
    pub facts: Facts,
}

#[cfg(test)]
impl Prompt {
    /// A permission with these choices and nothing else, for tests.
    pub(crate) fn permission(id: &str, question: &str, choices: Vec<Choice>) -> Self {
        Self {
            id: id.into(),
            kind: PromptKind::Permission,
            question: question.into(),
            detail: None,
            choices,
            multiple: false,
            accepts_text: false,
            text_schema: None,
            dismissible: true,
            cut: false,
            on_terminal_only: false,
            group: None,
            required: true,
            asked_at: None,
            expires_at: None,
            facts: Vec::new(),
        }
    }
}

/// What a prompt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromptKind {
    /// It asks whether something may be done.
    Permission,
    /// A question of the agent.
    Question,
    /// A plan, to be approved.
    Plan,
    /// It asks whether a directory or a server is trusted.
    Trust,
    /// Something else.
    Other,
}

/// One of the answers that a prompt offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What names it.
    pub key: String,
    /// What it says.
    pub label: String,
    /// More about it.
    pub description: Option<String>,
    /// What taking it does.
    pub effect: Effect,
    /// It is ticked already.
    pub ticked: bool,
}

/// What taking a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It allows this one request.
    Accepts,
    /// It allows more than this one request.
    Widens,
    /// It declines the request.
    Declines,
    /// It is about something else.
    Neutral,
}

impl Effect {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepts => "accepts",
            Self::Widens => "widens",
            Self::Declines => "declines",
            Self::Neutral => "neutral",
        }
    }
}

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Choices, words, or both.
    Reply(Reply),
    /// The prompt is closed.
    Dismiss,
}

/// Choices by their keys, and words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// All choices that are taken.
    pub choices: Vec<String>,
    /// The text with them, or alone.
    pub text: Option<String>,
}

/// An answer with the prompt that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The prompt's id.
    pub prompt: String,
    /// The answer.
    pub answer: Answer,
}
