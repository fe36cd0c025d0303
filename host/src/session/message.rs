use super::{Facts, Timestamp};

/// A message to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// A UUID, by which a backend knows a call that is repeated.
    pub id: String,
    /// What is typed.
    pub text: String,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
}

/// Bytes that go with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// A file name.
    pub name: String,
    /// What the bytes are.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A message that waits for its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The id by which it can be cancelled.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Since when it waits.
    pub at: Timestamp,
}

/// What became of a message, an answer, an interrupt or an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was seen to take effect.
    Confirmed,
    /// It waits behind others.
    Queued,
    /// Done, or perhaps done, but not seen to take effect.
    Unconfirmed,
}

/// What became of a message or an answer, and where in the log it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What became of it.
    pub receipt: Receipt,
    /// The log's cursor just before it.
    pub after: Option<String>,
    /// Anything else that its backend says.
    pub facts: Facts,
}
