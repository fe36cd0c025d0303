use super::Message;

/// A session that is to be created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSession {
    /// A UUID, by which a backend knows a call that is repeated.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// A project to work in.
    pub project: Option<String>,
    /// A directory to work in.
    pub directory: Option<String>,
    /// The agent; none: the backend's first.
    pub agent: Option<String>,
    /// A first message, where the backend sends it itself.
    pub message: Option<Message>,
    /// A conversation to continue, by the agent's own id.
    pub resume: Option<String>,
    /// Whether a copy of it is continued.
    pub fork: bool,
    /// Whether it works in a worktree of its own.
    pub worktree: Option<bool>,
    /// Options, by name.
    pub options: Vec<(String, String)>,
}
