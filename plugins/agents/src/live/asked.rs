//! What an agent asks a person.

use serde::{Deserialize, Serialize};

/// Prompts that are open at once; more are declined.
pub(super) const OPEN: usize = 64;
/// Bytes of what one prompt is about, and of all that are open. What is longer can only be declined.
pub(super) const ABOUT: usize = 48 << 10;
pub(super) const ABOUT_ALL: usize = 192 << 10;

/// Characters of the agent's id of a request that are part of ours.
const ID: usize = 60;

/// A question that the agent waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Unique within its process, of `A-Z a-z 0-9 . _ : -`, at most 100 characters.
    pub id: String,
    /// What is asked for.
    pub kind: Kind,
    /// One sentence.
    pub question: String,
    /// What it is about: the command, the file with its content, the plan.
    pub detail: Option<String>,
    /// What can be answered.
    pub choices: Vec<Choice>,
    /// More than one choice may be taken.
    pub multiple: bool,
    /// It takes words: of a permission, with a refusal or in its place.
    pub accepts_text: bool,
    /// It can be closed without an answer.
    pub dismissible: bool,
    /// Not all of it is here: it can only be declined or dismissed.
    pub cut: bool,
    /// Prompts of one group are questions of one request: the agent is told the answers once all have one.
    pub group: Option<String>,
    /// When it was read, in milliseconds.
    pub at: u64,
    /// The tool that the agent wants to use.
    pub tool: Option<String>,
    /// The request as the agent knows it.
    pub(super) request: Request,
}

/// What is needed to answer a request of the agent's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    /// Its id, as JSON.
    pub(super) id: String,
    /// What the agent wants to do, as JSON; of a group, the first prompt has it. Empty where it is too long.
    pub(super) input: String,
    /// For each choice what the agent needs to know of it, as JSON; empty: nothing.
    pub(super) choices: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To use a tool.
    Permission,
    /// The agent wants to know something.
    Question,
    /// To carry out a plan.
    Plan,
    /// Something that is not known.
    Other,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What an answer names; unique within its prompt.
    pub key: String,
    /// A few words.
    pub label: String,
    /// What it means.
    pub description: Option<String>,
    /// What taking it does.
    pub effect: Effect,
    /// It is ticked already.
    pub ticked: bool,
}

/// What taking a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It allows this one request.
    Accepts,
    /// It allows more than this one request.
    Widens,
    /// It refuses.
    Declines,
    /// It is an answer as good as the others.
    Neutral,
}

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Choices, words, or both.
    Reply {
        /// Keys of choices.
        choices: Vec<String>,
        /// A person's own words.
        text: Option<String>,
    },
    /// Close it without an answer.
    Dismiss,
}

impl Choice {
    pub(super) fn new(key: impl Into<String>, label: impl Into<String>, effect: Effect) -> Self {
        Self {
            key: key.into(),
            label: label.into(),
            description: None,
            effect,
            ticked: false,
        }
    }
}

impl Prompt {
    /// The choice with this key.
    pub(super) fn choice(&self, key: &str) -> Option<(usize, &Choice)> {
        self.choices.iter().enumerate().find(|(_, choice)| choice.key == key)
    }
}

/// Our id of a request: the agent's, in the form that ids have.
pub(super) fn own(id: &str) -> String {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
    if (1..=ID).contains(&id.len()) && id.chars().all(is_fine) {
        return id.to_owned();
    }
    // Different ids stay different, however long they are.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let kept: String = id.chars().filter(|c| is_fine(*c)).take(20).collect();
    format!("x{kept}-{hash:016x}")
}
