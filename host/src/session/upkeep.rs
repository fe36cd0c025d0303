use super::Timestamp;

/// Something that happened for a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// A UUID.
    pub id: String,
    /// What kind of thing; `start`: the host began to serve the backend.
    pub kind: String,
    /// What it happened to, in the terms of its kind.
    pub about: String,
    /// When.
    pub at: Timestamp,
    /// What came with it.
    pub body: String,
}

/// What a backend says after its upkeep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkept {
    /// When it wants to be called again.
    pub next: Option<Timestamp>,
    /// Ids of the sessions that changed.
    pub changed: Vec<String>,
}
