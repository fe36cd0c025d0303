use super::Facts;

/// A project in which sessions can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub directory: String,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// Agents that can start there.
    pub agents: Vec<String>,
    /// Anything else that its backend says of it.
    pub facts: Facts,
}
