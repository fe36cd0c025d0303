use std::time::Duration;

use super::{Facts, Tool};

/// What a backend says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// One line.
    pub about: String,
    /// The plugin's version.
    pub version: String,
    /// Which parts of a new session it takes.
    pub creation: Creation,
    /// Options that a new session may be given.
    pub options: Vec<OptionSpec>,
    /// Names of views of a log, the usual one first.
    pub views: Vec<String>,
    /// Its own tools.
    pub tools: Vec<Tool>,
    /// How often it is polled while somebody waits. Without it, only when it says that something changed.
    pub poll: Option<Duration>,
    /// Anything else that it says.
    pub facts: Facts,
}

/// Which parts of a new session a backend takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Creation {
    /// Sessions can be created at all.
    pub create: bool,
    /// It sends the first message itself.
    pub first_message: bool,
    /// A conversation can be continued.
    pub resume: bool,
    /// A copy of a conversation can be continued.
    pub fork: bool,
    /// It can work in a worktree of its own.
    pub worktree: bool,
}

/// An option that a new session may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// The agent that it is for; none: all.
    pub agent: Option<String>,
    /// The values that it takes; none: any.
    pub values: Vec<String>,
    /// The value that it has where none is given.
    pub initial: Option<String>,
}

/// An option of a session that exists, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionState {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// The values that it takes; none: any.
    pub values: Vec<String>,
    /// The value that it has.
    pub value: Option<String>,
}
